/* A request's way through a connection: head, body or chunks, trailers, answer; see http_steps.h. */
#include "runtime-api/http/http_steps.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "runtime-api/http/routes.h"

#define KEEP_BYTES 16384 /* an empty buffer above this is given back */

/* A client that asks first whether it should send its body. */
static void meet_expectation(struct http_conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (conn->state != HTTP_CONN_BODY || !conn->request.wants_continue || conn->in.len || conn->request.framing == HTTP_NO_BODY)
        return;
    if (conn->answered) { /* it should not; whether it does so all the same is not to be known */
        conn->close_after = conn->linger = true;
        http_conn_set_state(conn, HTTP_CONN_ANSWER);
    } else if (send(conn->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        log_debug("session.no_continue", "errno=%d", errno); /* it sends its body after a while */
    }
}

static bool take_head(struct http_conn *conn)
{
    int used = http_request_parse(conn->in.data, conn->in.len, conn->seen, &conn->request);
    conn->seen = conn->in.len;
    if (used == 0)
        return false;
    if (used < 0) {
        http_conn_refuse(conn, -used);
        return true;
    }
    /* The head stays where it is, since request points into it; what follows moves to the other buffer. */
    struct buf other = conn->head;
    buf_clear(&other);
    if (buf_append(&other, conn->in.data + used, conn->in.len - (size_t)used) < 0) {
        conn->head = other;
        http_conn_close(conn);
        return false;
    }
    conn->head = conn->in;
    conn->in = other;
    conn->seen = 0;
    conn->close_after = !conn->request.keep_alive;
    conn->body_left = conn->request.length;
    http_conn_set_state(conn, HTTP_CONN_BODY);
    routes_head(conn);
    meet_expectation(conn);
    return conn->state != HTTP_CONN_CLOSED;
}

/* Keeps what the route wants to see of a body; false when there is no memory for it. */
static bool keep(struct http_conn *conn, const char *data, size_t len)
{
    conn->body_len += len;
    if (conn->answered || conn->over)
        return true;
    if (conn->body.len + len > conn->body.max) {
        conn->over = true;
        buf_free(&conn->body);
        return true;
    }
    return http_conn_make_room(conn, &conn->body, len) && buf_append(&conn->body, data, len) == 0;
}

static void body_done(struct http_conn *conn)
{
    if (!conn->answered)
        routes_body(conn);
    if (conn->state == HTTP_CONN_BODY || conn->state == HTTP_CONN_TRAILERS)
        http_conn_set_state(conn, conn->answered ? HTTP_CONN_ANSWER : HTTP_CONN_PARKED);
}

static bool take_length(struct http_conn *conn)
{
    size_t n = conn->in.len < conn->body_left ? conn->in.len : (size_t)conn->body_left;
    if (n && !keep(conn, conn->in.data, n)) {
        http_conn_cut(conn, "no memory for an answer");
        return false;
    }
    if (n)
        buf_consume(&conn->in, n);
    conn->body_left -= n;
    if (conn->body_left)
        return false;
    body_done(conn);
    return true;
}

static bool take_chunks(struct http_conn *conn)
{
    size_t n = conn->in.len;
    if (n == 0)
        return false;
    ssize_t rest = phr_decode_chunked(&conn->decoder, conn->in.data, &n);
    if (rest == -1 || !keep(conn, conn->in.data, n)) {
        http_conn_cut(conn, rest == -1 ? "an answer in broken chunks" : "no memory for an answer");
        return false;
    }
    conn->in.len = rest >= 0 ? n + (size_t)rest : n;
    buf_terminate(&conn->in);
    buf_consume(&conn->in, n);
    if (rest < 0)
        return false;
    conn->seen = 0;
    http_conn_set_state(conn, HTTP_CONN_TRAILERS);
    return true;
}

static bool take_trailers(struct http_conn *conn)
{
    if (!conn->trailers && !(conn->trailers = calloc(HTTP_HEADERS_MAX, sizeof *conn->trailers))) {
        http_conn_cut(conn, "no memory for an answer");
        return false;
    }
    int used = http_trailers_parse(conn->in.data, conn->in.len, conn->seen, conn->trailers, &conn->trailer_count);
    conn->seen = conn->in.len;
    if (used == 0)
        return false;
    if (used < 0) {
        http_conn_cut(conn, "an answer with broken trailers");
        return false;
    }
    body_done(conn);
    if (conn->state != HTTP_CONN_CLOSED)
        buf_consume(&conn->in, (size_t)used);
    conn->seen = 0;
    return conn->state != HTTP_CONN_CLOSED;
}

static void start_over(struct http_conn *conn)
{
    conn->answered = conn->sends_event = conn->over = false;
    conn->body_len = conn->body_left = 0;
    conn->raw = (int64_t)conn->in.len;
    conn->decoder = (struct phr_chunked_decoder){0};
    conn->trailer_count = 0;
    conn->route = NULL;
    buf_clear(&conn->body);
    if (conn->body.cap > KEEP_BYTES)
        buf_free(&conn->body);
    if (conn->head.cap > KEEP_BYTES)
        buf_free(&conn->head);
    if (conn->in.len == 0 && conn->in.cap > KEEP_BYTES)
        buf_free(&conn->in);
    loop_timer_cancel(conn->session->loop, &conn->timer);
    http_conn_set_state(conn, HTTP_CONN_HEAD);
    TAILQ_REMOVE(&conn->session->conns, conn, link);
    TAILQ_INSERT_TAIL(&conn->session->conns, conn, link);
}

static bool write_answer(struct http_conn *conn)
{
    enum sender_result result = sender_flush(&conn->out, conn->fd);
    if (result == SENDER_BLOCKED)
        return false;
    if (result == SENDER_DONE && !conn->close_after) {
        start_over(conn);
        return true;
    }
    if (result == SENDER_DONE && conn->linger && shutdown(conn->fd, SHUT_WR) == 0)
        http_conn_set_state(conn, HTTP_CONN_LINGER);
    else
        http_conn_close(conn);
    return false;
}

bool http_step(struct http_conn *conn)
{
    switch (conn->state) {
    case HTTP_CONN_HEAD:
        return take_head(conn);
    case HTTP_CONN_BODY:
        if (conn->request.framing == HTTP_CHUNKED)
            return take_chunks(conn);
        return take_length(conn);
    case HTTP_CONN_TRAILERS:
        return take_trailers(conn);
    case HTTP_CONN_ANSWER:
        return write_answer(conn);
    default:
        return false;
    }
}
