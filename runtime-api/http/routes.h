/* The routes of the Runtime API and what they do to a session. Called by http_conn.c as a request comes in; loop thread only.
 *
 * A head function may answer at once (the body is then thrown away); otherwise the body function answers, or leaves the
 * connection to be parked. After a session_tell_* that returns false neither touches anything any more.
 */
#pragma once

#include "runtime-api/http/http_conn.h"

struct route {
    const char *method, *path; /* one segment of path may be "*": a request id */
    void (*head)(struct http_conn *conn);
    void (*body)(struct http_conn *conn);
    size_t body_bytes_max; /* what comes beyond is thrown away, conn->over says so */
};

void routes_head(struct http_conn *conn);
void routes_body(struct http_conn *conn);
/* The request ends before its body does: queues the 400 for a peer that may still listen. */
void routes_truncated(struct http_conn *conn);
/* The connection is closed: nothing may point to it. */
void routes_gone(struct http_conn *conn);

/* Writes the event to whoever waits in /next. */
void routes_deliver(struct session *session);

/* Answers, shared with extensions.c. */
void answer_status(struct http_conn *conn, int status, const char *json); /* a newline is added */
void answer_error(struct http_conn *conn, int status, const char *type, const char *fmt, ...) PRINTF_LIKE(4, 5);
void answer_accepted(struct http_conn *conn);
