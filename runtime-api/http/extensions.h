/* The Extensions API: who has registered, for which events, and who still works. Part of a session; loop thread only.
 *
 *   Expected --register--> Registered --event/next--> Ready --event--> Running --event/next--> Ready
 *   (internal ones begin as Registered); init/error and exit/error end them and, with them, the sandbox.
 *
 * Deadlines: those of init and of the invocation, which wait for them (session_settle).
 */
#pragma once

#include "runtime-api/http/http_conn.h"

void extension_register(struct http_conn *conn);
void extension_next(struct http_conn *conn);
void extension_init_error(struct http_conn *conn);
void extension_exit_error(struct http_conn *conn);
/* The Telemetry and Logs APIs: a named refusal. */
void extension_telemetry(struct http_conn *conn);
void extension_logs(struct http_conn *conn);

/* Writes the INVOKE event of session->delivery, if there is anybody to read it. */
int extensions_write_event(struct session *session, const struct session_event *event) WARN_UNUSED;
void extensions_deliver(struct session *session);
void extensions_shut_down(struct session *session);
void extensions_reset(struct session *session);
