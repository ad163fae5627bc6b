/* The read end of a worker's stdout and stderr: one bounded read per round of the loop, and none while paused, so that a flood
 * fills its own pipe and stalls nobody else. Part of a session; loop thread only. */
#pragma once

#include "runtime-api/session_state.h"

/* Takes fd (-1: none). */
int log_pipe_open(struct session *session, int fd, struct err *err) WARN_UNUSED;
void log_pipe_close(struct session *session);
void log_pipe_pause(struct session *session, bool paused);
/* Reads what is there now, paused or not. */
void log_pipe_drain(struct session *session);
