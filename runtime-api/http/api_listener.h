/* The Runtime API's listener inside a sandbox: at most LIMIT_CONNS connections are taken, the rest waits in the kernel's queue.
 * Part of a session; loop thread only. */
#pragma once

#include "runtime-api/session_state.h"

/* Takes listener; -1: none. */
int api_listener_open(struct session *session, int listener, struct err *err) WARN_UNUSED;
void api_listener_close(struct session *session);
/* Goes on accepting when there is room. */
void api_listener_watch(struct session *session);
