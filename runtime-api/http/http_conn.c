/* Connections of the Runtime API; see http_conn.h. Everything read is bounded: one read a round, a body that grows as it comes,
 * a budget for all connections of the sandbox together. */
#include "runtime-api/http/http_conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "runtime-api/http/api_listener.h"
#include "runtime-api/http/routes.h"

#define HEAD_READ_BYTES 8192
#define CHUNK_READ_BYTES 65536
#define KEEP_BYTES 16384 /* an empty buffer above this is given back */
#define UNCOUNTED_BYTES 65536
#define LINGER_US 1000000
#define ANSWER_GRACE_US 5000000

static const bool allowed[HTTP_CONN_STATE_COUNT][HTTP_CONN_STATE_COUNT] = {
    [HTTP_CONN_HEAD] = {[HTTP_CONN_BODY] = true, [HTTP_CONN_ANSWER] = true, [HTTP_CONN_CLOSED] = true},
    [HTTP_CONN_BODY] = {[HTTP_CONN_TRAILERS] = true, [HTTP_CONN_PARKED] = true, [HTTP_CONN_ANSWER] = true, [HTTP_CONN_CLOSED] = true},
    [HTTP_CONN_TRAILERS] = {[HTTP_CONN_PARKED] = true, [HTTP_CONN_ANSWER] = true, [HTTP_CONN_CLOSED] = true},
    [HTTP_CONN_PARKED] = {[HTTP_CONN_ANSWER] = true, [HTTP_CONN_CLOSED] = true},
    [HTTP_CONN_ANSWER] = {[HTTP_CONN_HEAD] = true, [HTTP_CONN_LINGER] = true, [HTTP_CONN_CLOSED] = true},
    [HTTP_CONN_LINGER] = {[HTTP_CONN_CLOSED] = true},
};

static void set_state(struct http_conn *conn, enum http_conn_state state)
{
    assert(allowed[conn->state][state]);
    conn->state = state;
}

static void set_interest(struct http_conn *conn, uint32_t events)
{
    if (conn->interest != events)
        loop_modify(conn->watch, events);
    conn->interest = events;
}

/* ---- deadlines ---- */

static bool is_mid_request(const struct http_conn *conn)
{
    switch (conn->state) {
    case HTTP_CONN_HEAD:
        return conn->in.len > 0;
    case HTTP_CONN_BODY:
    case HTTP_CONN_TRAILERS:
        return true;
    case HTTP_CONN_ANSWER:
        return !conn->sends_event; /* whoever does not take its event meets the invocation's deadline */
    default:
        return false;
    }
}

static void arm(struct http_conn *conn)
{
    struct session *session = conn->session;
    if (conn->state == HTTP_CONN_LINGER) {
        loop_timer_set(session->loop, &conn->timer, clock_mono_us() + LINGER_US);
        return;
    }
    if (!is_mid_request(conn) || session->idle_told) {
        loop_timer_cancel(session->loop, &conn->timer);
        return;
    }
    if (loop_timer_is_set(&conn->timer))
        return;
    int64_t wait_us = LIMIT_REQUEST_US;
    if (conn == session->answering) {
        int64_t left_ms = session->delivery.deadline_ms - clock_wall_ms();
        wait_us = (left_ms > 0 ? left_ms * 1000 : 0) + ANSWER_GRACE_US;
    }
    loop_timer_set(session->loop, &conn->timer, clock_mono_us() + wait_us);
}

static void advance(struct http_conn *conn);

static void on_timer(void *arg)
{
    struct http_conn *conn = arg;
    struct session *session = conn->session;
    session_enter(session);
    if (conn->more)
        advance(conn);
    else if (conn == session->answering)
        session_break(session, "a half-sent answer met its deadline");
    else
        http_conn_close(conn);
    session_leave(session);
}

void http_conns_pause(struct session *session)
{
    struct http_conn *conn;
    TAILQ_FOREACH(conn, &session->conns, link)
        if (conn->state != HTTP_CONN_LINGER)
            loop_timer_cancel(session->loop, &conn->timer);
}

void http_conns_resume(struct session *session)
{
    struct http_conn *conn;
    TAILQ_FOREACH(conn, &session->conns, link)
        arm(conn);
}

/* ---- memory ---- */

static size_t buffered(const struct session *session)
{
    size_t sum = 0;
    struct http_conn *conn;
    TAILQ_FOREACH(conn, &session->conns, link)
        sum += conn->in.cap + conn->head.cap + conn->body.cap + conn->out.own.cap;
    return sum;
}

/* Makes room for len more bytes, within the budget of the sandbox. */
static bool make_room(struct http_conn *conn, struct buf *b, size_t len)
{
    if (b->len + len > UNCOUNTED_BYTES && buffered(conn->session) + len > LIMIT_BUFFERED_BYTES)
        return false;
    return buf_reserve(b, len) == 0;
}

void http_conns_own_payload(struct session *session)
{
    struct http_conn *conn = TAILQ_FIRST(&session->conns);
    while (conn) {
        struct http_conn *after = TAILQ_NEXT(conn, link);
        if (conn->out.lent_len &&
            (buffered(session) + conn->out.lent_len > LIMIT_BUFFERED_BYTES || sender_own(&conn->out) < 0))
            http_conn_close(conn);
        conn = after;
    }
}

/* ---- ends ---- */

static void free_conn(struct http_conn *conn)
{
    buf_free(&conn->in);
    buf_free(&conn->head);
    buf_free(&conn->body);
    sender_free(&conn->out);
    free(conn->trailers);
    free(conn);
}

void http_conns_reap(struct session *session)
{
    struct http_conn *conn;
    while ((conn = TAILQ_FIRST(&session->dead))) {
        TAILQ_REMOVE(&session->dead, conn, link);
        free_conn(conn);
    }
}

void http_conn_close(struct http_conn *conn)
{
    struct session *session = conn->session;
    if (conn->state == HTTP_CONN_CLOSED)
        return;
    set_state(conn, HTTP_CONN_CLOSED);
    loop_timer_cancel(session->loop, &conn->timer);
    loop_remove(conn->watch);
    conn->watch = NULL;
    fd_closep(&conn->fd);
    routes_gone(conn);
    TAILQ_REMOVE(&session->conns, conn, link);
    session->conn_count--;
    TAILQ_INSERT_TAIL(&session->dead, conn, link);
    api_listener_watch(session);
}

void http_conns_close(struct session *session)
{
    struct http_conn *conn;
    session->answering = NULL;
    while ((conn = TAILQ_FIRST(&session->conns)))
        http_conn_close(conn);
}

/* A connection that ends before its request has come in: only a half-sent result is more than its own affair. */
static void cut(struct http_conn *conn, const char *why)
{
    struct session *session = conn->session;
    bool answering = conn == session->answering;
    http_conn_close(conn);
    if (answering)
        session_break(session, why);
}

/* ---- answers ---- */

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {{200, "OK"},
                   {202, "Accepted"},
                   {400, "Bad Request"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {413, "Request Entity Too Large"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

void http_conn_answer(struct http_conn *conn, const struct http_answer *answer)
{
    CLEANUP(buf_free) struct buf head = BUF_INIT(LIMIT_EVENT_HEAD_BYTES);
    int rc = buf_printf(&head, "HTTP/1.1 %d %s\r\n", answer->status, reason(answer->status));
    if (rc == 0 && answer->content_type)
        rc = buf_printf(&head, "Content-Type: %s\r\n", answer->content_type);
    if (rc == 0 && answer->headers)
        rc = buf_puts(&head, answer->headers);
    if (rc == 0)
        rc = buf_printf(&head, "Content-Length: %zu\r\n%s\r\n", answer->body_len, conn->close_after ? "Connection: close\r\n" : "");
    if (rc == 0)
        rc = sender_put(&conn->out, head.data, head.len);
    if (rc == 0)
        rc = sender_put(&conn->out, answer->body, answer->body_len);
    if (rc < 0) { /* no memory: the peer sees a closed connection */
        sender_clear(&conn->out);
        conn->close_after = true;
    }
    conn->answered = true;
}

void http_conn_send_event(struct http_conn *conn)
{
    struct delivery *d = &conn->session->delivery;
    const char *end = conn->close_after ? "Connection: close\r\n\r\n" : "\r\n";
    int rc = sender_put(&conn->out, d->head.data, d->head.len);
    if (rc == 0)
        rc = sender_put(&conn->out, end, strlen(end));
    if (rc == 0)
        rc = sender_lend(&conn->out, d->payload, d->payload_len);
    if (rc < 0) {
        sender_clear(&conn->out);
        conn->close_after = true;
    }
    conn->answered = conn->sends_event = true;
}

/* ---- the request, step by step; each returns false when it needs more ---- */

static void refuse(struct http_conn *conn, int status)
{
    conn->close_after = conn->linger = true;
    http_conn_answer(conn, &(struct http_answer){.status = status, .content_type = "text/plain; charset=utf-8",
                                                 .body = reason(status), .body_len = strlen(reason(status))});
    set_state(conn, HTTP_CONN_ANSWER);
}

static bool take_head(struct http_conn *conn)
{
    int used = http_request_parse(conn->in.data, conn->in.len, conn->seen, &conn->request);
    conn->seen = conn->in.len;
    if (used == 0)
        return false;
    if (used < 0) {
        refuse(conn, -used);
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
    set_state(conn, HTTP_CONN_BODY);
    routes_head(conn);
    if (conn->state == HTTP_CONN_BODY && conn->request.wants_continue && conn->in.len == 0 &&
        conn->request.framing != HTTP_NO_BODY && !conn->answered) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (send(conn->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            log_debug("session.no_continue", "errno=%d", errno); /* the client sends its body after a while all the same */
    }
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
    return make_room(conn, &conn->body, len) && buf_append(&conn->body, data, len) == 0;
}

static void body_done(struct http_conn *conn)
{
    if (!conn->answered)
        routes_body(conn);
    if (conn->state == HTTP_CONN_BODY || conn->state == HTTP_CONN_TRAILERS)
        set_state(conn, conn->answered ? HTTP_CONN_ANSWER : HTTP_CONN_PARKED);
}

static bool take_length(struct http_conn *conn)
{
    size_t n = conn->in.len < conn->body_left ? conn->in.len : (size_t)conn->body_left;
    if (n && !keep(conn, conn->in.data, n)) {
        cut(conn, "no memory for an answer");
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
        cut(conn, rest == -1 ? "an answer in broken chunks" : "no memory for an answer");
        return false;
    }
    conn->in.len = rest >= 0 ? n + (size_t)rest : n;
    buf_terminate(&conn->in);
    buf_consume(&conn->in, n);
    if (rest < 0)
        return false;
    conn->seen = 0;
    set_state(conn, HTTP_CONN_TRAILERS);
    return true;
}

static bool take_trailers(struct http_conn *conn)
{
    if (!conn->trailers && !(conn->trailers = calloc(HTTP_HEADERS_MAX, sizeof *conn->trailers))) {
        cut(conn, "no memory for an answer");
        return false;
    }
    int used = http_trailers_parse(conn->in.data, conn->in.len, conn->seen, conn->trailers, &conn->trailer_count);
    conn->seen = conn->in.len;
    if (used == 0)
        return false;
    if (used < 0) {
        cut(conn, "an answer with broken trailers");
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
    set_state(conn, HTTP_CONN_HEAD);
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
        set_state(conn, HTTP_CONN_LINGER);
    else
        http_conn_close(conn);
    return false;
}

static bool step(struct http_conn *conn)
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

static void advance(struct http_conn *conn)
{
    conn->more = false;
    while (step(conn))
        ;
    if (conn->state == HTTP_CONN_CLOSED)
        return;
    if (conn->state == HTTP_CONN_ANSWER)
        set_interest(conn, EPOLLOUT);
    else if (conn->state != HTTP_CONN_PARKED)
        set_interest(conn, EPOLLIN | EPOLLRDHUP);
    arm(conn);
}

void http_conn_flush(struct http_conn *conn)
{
    if (conn->state != HTTP_CONN_PARKED)
        return; /* it is on its way to be parked: its own callback goes on */
    set_state(conn, HTTP_CONN_ANSWER);
    if (write_answer(conn) && conn->in.len > 0) {
        conn->more = true;
        loop_timer_set(conn->session->loop, &conn->timer, 0);
    } else if (conn->state == HTTP_CONN_ANSWER || conn->state == HTTP_CONN_HEAD) {
        set_interest(conn, conn->state == HTTP_CONN_ANSWER ? (uint32_t)EPOLLOUT : EPOLLIN | EPOLLRDHUP);
        arm(conn);
    }
}

/* ---- reading ---- */

/* The peer will send no more; it may still listen. */
static void truncated(struct http_conn *conn)
{
    if (conn->state != HTTP_CONN_HEAD && !conn->answered) {
        conn->close_after = true;
        routes_truncated(conn);
        sender_flush(&conn->out, conn->fd);
    }
    cut(conn, "a half-sent answer");
}

static void read_input(struct http_conn *conn)
{
    struct buf *to = &conn->in;
    size_t want = HEAD_READ_BYTES;
    bool straight = conn->state == HTTP_CONN_BODY && conn->request.framing == HTTP_LENGTH && !conn->answered && !conn->over &&
                    conn->body.len + conn->body_left <= conn->body.max;
    if (straight) { /* nothing is in conn->in: it was taken first */
        to = &conn->body;
        want = conn->body_left < LIMIT_READ_BYTES ? (size_t)conn->body_left : LIMIT_READ_BYTES;
    } else if (conn->state == HTTP_CONN_BODY) {
        want = CHUNK_READ_BYTES;
    }
    if (!make_room(conn, to, want)) {
        cut(conn, "the buffers of the Runtime API are used up");
        return;
    }
    ssize_t n = recv(conn->fd, to->data + to->len, want, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        truncated(conn);
        return;
    }
    to->len += (size_t)n;
    buf_terminate(to);
    conn->raw += n;
    if (straight) {
        conn->body_len += (uint64_t)n;
        conn->body_left -= (uint64_t)n;
    }
    if (conn->raw > LIMIT_REQUEST_BYTES)
        cut(conn, "an answer without end");
    else
        advance(conn);
}

static void drain(struct http_conn *conn)
{
    char waste[HEAD_READ_BYTES];
    ssize_t n = recv(conn->fd, waste, sizeof waste, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        http_conn_close(conn);
}

static void on_event(void *arg, uint32_t events)
{
    struct http_conn *conn = arg;
    struct session *session = conn->session;
    session_enter(session);
    if (conn->state == HTTP_CONN_ANSWER)
        advance(conn);
    else if (conn->state == HTTP_CONN_LINGER)
        drain(conn);
    else if (conn->state != HTTP_CONN_PARKED)
        read_input(conn);
    else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        http_conn_close(conn);
    else
        set_interest(conn, EPOLLRDHUP); /* a pipelined request waits its turn */
    session_leave(session);
}

/* ---- beginnings ---- */

bool http_conns_evict(struct session *session)
{
    struct http_conn *conn;
    TAILQ_FOREACH(conn, &session->conns, link) {
        char c;
        bool quiet = conn->state == HTTP_CONN_HEAD && conn->in.len == 0 && recv(conn->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
        if (quiet || conn->state == HTTP_CONN_LINGER) {
            http_conn_close(conn);
            return true;
        }
    }
    return false;
}

void http_conn_adopt(struct session *session, int fd)
{
    struct err err;
    int one = 1;
    struct http_conn *conn = calloc(1, sizeof *conn);
    if (conn)
        *conn = (struct http_conn){.session = session, .fd = fd, .interest = EPOLLIN | EPOLLRDHUP,
                                   .in = BUF_INIT(LIMIT_HEAD_BYTES + CHUNK_READ_BYTES),
                                   .head = BUF_INIT(LIMIT_HEAD_BYTES + CHUNK_READ_BYTES)};
    if (!conn || loop_add(session->loop, fd, conn->interest, on_event, conn, &conn->watch, &err) < 0) {
        free(conn);
        close(fd);
        return;
    }
    /* Answers are written whole: nothing to gather. Fails on the unix sockets of tests, which do not gather anyway. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sender_init(&conn->out, LIMIT_BUFFERED_BYTES);
    loop_timer_init(&conn->timer, on_timer, conn);
    TAILQ_INSERT_TAIL(&session->conns, conn, link);
    session->conn_count++;
}
