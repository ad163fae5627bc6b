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
#include "runtime-api/http/api_listener.h"
#include "runtime-api/http/http_steps.h"
#include "runtime-api/http/routes.h"

#define HEAD_READ_BYTES 8192
#define CHUNK_READ_BYTES 65536
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

void http_conn_set_state(struct http_conn *conn, enum http_conn_state state)
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

void http_conns_resume(struct session *session)
{
    struct http_conn *conn;
    TAILQ_FOREACH(conn, &session->conns, link)
        arm(conn);
}

/* ---- memory ---- */

static size_t buffered_by(const struct http_conn *conn)
{
    return conn->in.cap + conn->head.cap + conn->body.cap + conn->out.own.cap;
}

static size_t buffered(const struct session *session)
{
    size_t sum = 0;
    struct http_conn *conn;
    TAILQ_FOREACH(conn, &session->conns, link)
        sum += buffered_by(conn);
    return sum;
}

bool http_conn_make_room(struct http_conn *conn, struct buf *b, size_t len)
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
        if (conn->out.lent_len && (buffered(session) + conn->out.lent_len > LIMIT_BUFFERED_BYTES || sender_own(&conn->out) < 0))
            http_conn_close(conn);
        conn = after;
    }
}

/* A frozen sandbox cannot end what it has half sent, and there may be thousands of them: little is kept for it. */
void http_conns_pause(struct session *session)
{
    size_t sum = buffered(session);
    struct http_conn *conn = TAILQ_FIRST(&session->conns);
    while (conn) {
        struct http_conn *after = TAILQ_NEXT(conn, link);
        bool waits = conn == session->next || conn->extension || conn->answered;
        bool stale = conn->state == HTTP_CONN_ANSWER && conn->sends_event && !conn->extension; /* an event that was answered unread */
        if (conn->state != HTTP_CONN_LINGER && !conn->more)
            loop_timer_cancel(session->loop, &conn->timer);
        if (sum > LIMIT_IDLE_BUFFERED_BYTES && (stale || (is_mid_request(conn) && !waits))) {
            sum -= buffered_by(conn);
            http_conn_close(conn);
        }
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
    http_conn_set_state(conn, HTTP_CONN_CLOSED);
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

void http_conn_cut(struct http_conn *conn, const char *why)
{
    struct session *session = conn->session;
    bool answering = conn == session->answering;
    http_conn_close(conn);
    if (answering)
        session_break(session, why);
}

static void advance(struct http_conn *conn)
{
    conn->more = false;
    while (http_step(conn))
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
    http_conn_set_state(conn, HTTP_CONN_ANSWER);
    if (http_step(conn) && conn->in.len > 0) {
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
    http_conn_cut(conn, "a half-sent answer");
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
    if (!http_conn_make_room(conn, to, want)) {
        http_conn_cut(conn, "the buffers of the Runtime API are used up");
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
        http_conn_cut(conn, "an answer without end");
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
        *conn = (struct http_conn){.session = session,
                                   .fd = fd,
                                   .interest = EPOLLIN | EPOLLRDHUP,
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
