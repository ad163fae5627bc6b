/* One connection of a sandbox to its Runtime API, and the listener that makes them. Part of a session; loop thread only.
 *
 *            head whole            body whole              answer written
 *   HEAD ----------------> BODY ------------------> ANSWER ---------------> HEAD (kept) or LINGER or closed
 *    ^                      |  chunked: TRAILERS ^      ^
 *    |                      +--> TRAILERS -------+      | an event, a refusal
 *    |                      +--> PARKED ----------------+
 *    +-- nothing of the next request is looked at before the last answer is written
 *
 * Deadlines: LIMIT_REQUEST_US for HEAD once it has begun, BODY, TRAILERS and ANSWER; the invocation's for the body of its result; a
 * second for LINGER; none for an empty HEAD and PARKED. They stand still while the session is idle, since its sandbox may be frozen.
 */
#pragma once

#include "runtime-api/http/http_request.h"
#include "runtime-api/session_state.h"

enum http_conn_state {
    HTTP_CONN_HEAD,     /* reads a request head; empty: kept open */
    HTTP_CONN_BODY,     /* reads a body, or throws it away when the answer is known */
    HTTP_CONN_TRAILERS, /* reads what follows the last chunk */
    HTTP_CONN_PARKED,   /* waits for an event */
    HTTP_CONN_ANSWER,   /* writes */
    HTTP_CONN_LINGER,   /* has answered what it could not read; waits for the peer to notice */
    HTTP_CONN_CLOSED,
    HTTP_CONN_STATE_COUNT
};

struct route;

struct http_conn {
    struct session *session;
    int fd;
    struct loop_watch *watch;
    uint32_t interest; /* in epoll's terms */
    struct loop_timer timer;
    TAILQ_ENTRY(http_conn) link; /* in session->conns or session->dead */
    enum http_conn_state state;

    struct buf in;   /* not yet used */
    size_t seen;     /* of in, by the parser's last look */
    struct buf head; /* what request points into */
    struct http_request request;
    const struct route *route;
    struct buf body; /* bounded by body.max; over: more came, and is thrown away */
    bool over;
    uint64_t body_len, body_left; /* so far; of a Content-Length */
    int64_t raw;                  /* bytes read for this request */
    struct phr_chunked_decoder decoder;
    struct phr_header *trailers; /* owned, HTTP_HEADERS_MAX of them; they point into in */
    size_t trailer_count;

    struct sender out;
    bool answered; /* out holds the answer, also while the body still comes in */
    bool close_after, linger;
    bool sends_event;
    bool more;                   /* in holds a request that came behind one which was answered from outside */
    struct extension *extension; /* parked for it */
};

struct http_answer {
    int status;
    const char *content_type; /* NULL: none */
    const char *headers;      /* whole lines, or NULL */
    const char *body;
    size_t body_len;
};

/* A new connection, taken; closed at once when there is no memory for it. */
void http_conn_adopt(struct session *session, int fd);
/* Closes the one that has been quiet the longest between two requests; false if there is none. */
bool http_conns_evict(struct session *session);
void http_conns_close(struct session *session);
void http_conns_pause(struct session *session);
void http_conns_resume(struct session *session);
void http_conns_own_payload(struct session *session);
void http_conns_reap(struct session *session); /* frees the closed ones; only outside of callbacks */

/* Queues the answer to the current request. A body that is still coming is read and thrown away first. */
void http_conn_answer(struct http_conn *conn, const struct http_answer *answer);
/* The answer to /next: the session's delivery. */
void http_conn_send_event(struct http_conn *conn);
/* Goes on after an answer was queued from outside of the connection's own callback. */
void http_conn_flush(struct http_conn *conn);
void http_conn_close(struct http_conn *conn);

/* ---- for http_steps.c ---- */

void http_conn_set_state(struct http_conn *conn, enum http_conn_state state);
/* Ends a connection before its request has come in: only a half-sent result is more than its own affair. */
void http_conn_cut(struct http_conn *conn, const char *why);
/* Makes room for len more bytes in a buffer of the connection, within the budget of the sandbox. */
bool http_conn_make_room(struct http_conn *conn, struct buf *b, size_t len) WARN_UNUSED;
/* Queues a plain answer to what cannot be read, after which the connection ends. */
void http_conn_refuse(struct http_conn *conn, int status);
