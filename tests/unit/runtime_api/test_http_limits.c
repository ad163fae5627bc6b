/* The limits of connections to the Runtime API: sizes, memory, number, time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "runtime-api/http/http_conn.h"
#include "tests/unit/cunit.h"
#include "tests/unit/runtime_api/peer.h"

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define PING "GET /2018-06-01/ping HTTP/1.1\r\n\r\n"
#define RESPONSE "POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\n"
#define MIB (1024 * 1024)

static int running(void)
{
    peer_open();
    int c = peer_ready();
    peer_invoke("r", "1");
    struct peer_answer *a = peer_answer(c);
    CU_ASSERT_FATAL(a && a->status == 200);
    return c;
}

static void done(int c)
{
    close(c);
    peer_close();
}

static bool status_is(const struct peer_answer *a, int status)
{
    if (!a || a->status != status)
        fprintf(stderr, "  got %d, not %d\n", a ? a->status : 0, status);
    return a && a->status == status;
}

/* A header of n bytes in the first connection's request; the status that comes back. */
static int ask_with_header(size_t n)
{
    int c = peer_connect();
    char *value = malloc(n);
    memset(value, 'h', n);
    peer_send(c, "GET /2018-06-01/ping HTTP/1.1\r\nLambda-Runtime-Function-XRay-Error-Cause: ");
    peer_send_bytes(c, value, n);
    peer_send(c, "\r\n\r\n");
    struct peer_answer *a = peer_answer(c);
    int status = a ? a->status : 0;
    free(value);
    close(c);
    peer_run(2);
    return status;
}

static void test_conn_large_header(void)
{
    peer_open();
    CU_ASSERT(ask_with_header(MIB) == 200);
    CU_ASSERT(ask_with_header(MIB + 1) == 431);
    CU_ASSERT(ask_with_header(3 * MIB) == 431);
    int c = peer_connect();
    peer_send(c, "GET /2018-06-01/ping HTTP/1.1\r\n");
    for (int i = 0; i < 200; i++)
        peer_send(c, "A: b\r\n");
    peer_send(c, "\r\n");
    CU_ASSERT(status_is(peer_answer(c), 431));
    CU_ASSERT(status_is(peer_ask((close(c), c = peer_connect()), PING), 200));
    done(c);
}

/* The parser must not begin anew with each byte: a mebibyte in single bytes is a second, not an hour. */
static void test_conn_slow_header_is_cheap(void)
{
    peer_open();
    int c = peer_connect();
    int64_t begin = clock_mono_us();
    peer_send(c, "GET /2018-06-01/ping HTTP/1.1\r\nA: ");
    char piece[64];
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 12000; i++)
        peer_send_bytes(c, piece, sizeof piece);
    CU_ASSERT(status_is(peer_ask(c, "\r\n\r\n"), 200));
    CU_ASSERT(clock_mono_us() - begin < 10000000);
    done(c);
}

static void test_conn_cause_is_bounded(void)
{
    char *header = malloc(80 * 1024);
    char *json = malloc(80 * 1024);
    for (int big = 0; big < 2; big++) {
        int c = running();
        size_t n = big ? 70 * 1024 : 60 * 1024;
        memset(json, 'm', n);
        memcpy(json, "{\"message\":\"", 12);
        memcpy(json + n - 2, "\"}", 3);
        snprintf(header, 80 * 1024, "Lambda-Runtime-Function-XRay-Error-Cause: %s\r\n", json);
        peer_send(c, "POST /2018-06-01/runtime/invocation/r/error HTTP/1.1\r\nContent-Length: 2\r\n");
        peer_send(c, header);
        CU_ASSERT(status_is(peer_ask(c, "\r\n{}"), 202));
        CU_ASSERT((peer.seen.cause[0] != '\0') == !big);
        done(c);
    }
    free(header);
    free(json);
}

static void test_conn_endless_chunks(void)
{
    char *chunk = malloc(MIB + 16);
    int n = snprintf(chunk, 16, "100000\r\n");
    memset(chunk + n, 'c', MIB);
    memcpy(chunk + n + MIB, "\r\n", 2);
    int c = running();
    peer_send(c, RESPONSE "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 300 && !peer.seen.broken; i++)
        peer_send_bytes(c, chunk, (size_t)n + MIB + 2);
    CU_ASSERT(peer.seen.broken == 1);
    CU_ASSERT_STRING_EQUAL(peer.seen.why, "an answer without end");
    free(chunk);
    done(c);
}

static void test_conn_claimed_length(void)
{
    int c = running();
    peer_send(c, RESPONSE "Content-Length: 999999999999\r\n\r\nfew bytes");
    CU_ASSERT(peer_is_open(c)); /* nothing is allocated for the claim; the deadline is the invocation's */
    done(c);
}

static void test_conn_deadline_of_answer(void)
{
    struct err err;
    peer_open();
    int c = peer_ready();
    struct session_event event = {.request_id = "r", .deadline_epoch_ms = clock_wall_ms() - 4500, .payload = "1", .payload_len = 1};
    CU_ASSERT(session_invoke(peer.session, &event, &err) == 0);
    CU_ASSERT(status_is(peer_answer(c), 200));
    peer_send(c, RESPONSE "Content-Length: 2\r\n\r\n1");
    peer_run(2);
    CU_ASSERT(peer.seen.broken == 0);
    loop_run_once(peer.loop, 0);
    int64_t end = clock_mono_us() + 7000000;
    while (!peer.seen.broken && clock_mono_us() < end)
        loop_run_once(peer.loop, 50);
    CU_ASSERT(peer.seen.broken == 1);
    CU_ASSERT_STRING_EQUAL(peer.seen.why, "a half-sent answer met its deadline");
    done(c);
}

/* The timer of the latest connection; due is how far away it is. */
static struct loop_timer *latest_timer(int64_t *ret_due_us)
{
    struct http_conn *conn = TAILQ_LAST(&peer.session->conns, http_conn_list);
    *ret_due_us = conn->timer.due_us - clock_mono_us();
    return &conn->timer;
}

static void test_conn_deadline_of_request(void)
{
    int64_t due;
    int c = running(), half = peer_connect();
    peer_run(2);
    CU_ASSERT_FALSE(loop_timer_is_set(latest_timer(&due))); /* it may be quiet for ever */
    peer_send(half, "POST /2018-06-01/runtime/init/error HTTP/1.1\r\n");
    peer_run(2);
    CU_ASSERT(loop_timer_is_set(latest_timer(&due)) && due > 29000000 && due <= 30000000);
    peer_send(half, "Content-Length: 10\r\n\r\n1"); /* more of it moves nothing */
    peer_run(20);
    CU_ASSERT(loop_timer_is_set(latest_timer(&due)) && due <= 30000000 - 20000);
    CU_ASSERT(status_is(peer_post(c, "/2018-06-01/runtime/invocation/r/response", "", "1"), 202));
    close(c);
    c = peer_ready();
    struct http_conn *conn = TAILQ_FIRST(&peer.session->conns);
    CU_ASSERT_FALSE(loop_timer_is_set(&conn->timer)); /* idle: the sandbox may be frozen */
    peer_invoke("r", "1");
    CU_ASSERT(loop_timer_is_set(&conn->timer));
    loop_timer_set(peer.loop, &conn->timer, 1);
    CU_ASSERT_FALSE(peer_is_open(half));
    CU_ASSERT(peer.seen.broken == 0);
    close(half);
    done(c);
}

static void test_conn_cap(void)
{
    enum { MANY = 300 };
    static int fds[MANY];
    peer_open();
    for (int i = 0; i < 64; i++) { /* half a request each: none is to be evicted */
        fds[i] = peer_connect();
        peer_send(fds[i], "GET /");
        peer_run(0);
    }
    peer_run(5);
    int late = peer_connect(); /* waits in the kernel's queue */
    peer_send(late, PING);
    peer_run(20);
    char c;
    CU_ASSERT(recv(late, &c, 1, MSG_DONTWAIT) < 0);
    close(fds[7]);
    CU_ASSERT(status_is(peer_answer(late), 200));
    close(late);
    for (int i = 0; i < 64; i++)
        if (i != 7)
            close(fds[i]);
    peer_run(10);
    int c0 = peer_connect(); /* quiet ones make place, the longest quiet first */
    CU_ASSERT(status_is(peer_ask(c0, PING), 200));
    for (int i = 0; i < MANY; i++) {
        fds[i] = peer_connect();
        peer_run(0);
    }
    peer_run(20);
    CU_ASSERT_FALSE(peer_is_open(c0));
    CU_ASSERT(status_is(peer_ask(fds[MANY - 1], PING), 200));
    int open = 0;
    for (int i = 0; i < MANY; i++)
        open += recv(fds[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    CU_ASSERT(open <= 64);
    int n = peer_ready(); /* parked ones stay */
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    peer_invoke("r", "1");
    CU_ASSERT(status_is(peer_answer(n), 200));
    close(n);
    done(c0);
}

/* All connections together hold a bounded amount, whatever each of them promises. */
static void test_conn_memory(void)
{
    char *half = malloc(MIB);
    memset(half, 'x', MIB);
    int c = running();
    static int fds[60];
    for (int i = 0; i < 60; i++) {
        fds[i] = peer_connect();
        peer_send(fds[i], "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nA: ");
        peer_send_bytes(fds[i], half, MIB - 100);
    }
    int open = 60;
    for (int64_t end = clock_mono_us() + 5000000; open >= 33 && clock_mono_us() < end;) {
        peer_run(50);
        open = 0;
        for (int i = 0; i < 60; i++) {
            char b;
            open += recv(fds[i], &b, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
        }
    }
    for (int i = 0; i < 60; i++)
        close(fds[i]);
    if (open <= 5 || open >= 33)
        fprintf(stderr, "  %d are open\n", open);
    CU_ASSERT(open > 5 && open < 33);
    CU_ASSERT(status_is(peer_post(c, "/2018-06-01/runtime/invocation/r/response", "", "1"), 202));
    CU_ASSERT(peer.seen.broken == 0);
    free(half);
    done(c);
}

/* What is half sent when the sandbox may be frozen is kept only while it is little. */
static void test_conn_idle_memory(void)
{
    char *half = malloc(MIB);
    memset(half, 'x', MIB);
    int c = running(), small = peer_connect(), big[4];
    peer_send(small, "GET /2018-06-01/pi");
    for (int i = 0; i < 4; i++) {
        big[i] = peer_connect();
        peer_send(big[i], "GET / HTTP/1.1\r\nA: ");
        peer_send_bytes(big[i], half, MIB / 2);
    }
    peer_run(100);
    CU_ASSERT(peer_is_open(big[0]) && peer_is_open(big[3]));
    CU_ASSERT(status_is(peer_post(c, "/2018-06-01/runtime/invocation/r/response", "", "1"), 202));
    peer_send(c, NEXT);
    CU_ASSERT(peer_until(&peer.seen.idle, 1));
    int open = 0;
    for (int i = 0; i < 4; i++) {
        open += peer_is_open(big[i]);
        close(big[i]);
    }
    CU_ASSERT(open <= 2);
    peer_invoke("r", "1");
    CU_ASSERT(status_is(peer_answer(c), 200));
    close(small);
    free(half);
    done(c);
}

/* An event that was answered on another connection, unread, is not kept for a sandbox that may be frozen. */
static void test_conn_idle_unread_event(void)
{
    size_t len = 6 * MIB;
    char *big = malloc(len + 1);
    memset(big, 'e', len);
    big[len] = '\0';
    peer_open();
    int c = peer_ready(), d = peer_connect();
    peer_invoke("r", big);
    CU_ASSERT(status_is(peer_post(d, "/2018-06-01/runtime/invocation/r/response", "", "1"), 202));
    peer_send(d, NEXT);
    CU_ASSERT(peer_until(&peer.seen.idle, 1));
    size_t got = 0;
    for (ssize_t n; (n = recv(c, big, len, 0)) > 0;)
        got += (size_t)n;
    CU_ASSERT(got < len);
    peer_invoke("r", "1");
    CU_ASSERT(status_is(peer_answer(d), 200));
    free(big);
    close(c);
    done(d);
}

TEST_MAIN("http_limits", TEST(test_conn_large_header), TEST(test_conn_slow_header_is_cheap), TEST(test_conn_cause_is_bounded),
          TEST(test_conn_endless_chunks), TEST(test_conn_claimed_length), TEST(test_conn_deadline_of_answer),
          TEST(test_conn_deadline_of_request), TEST(test_conn_cap), TEST(test_conn_memory), TEST(test_conn_idle_memory),
          TEST(test_conn_idle_unread_event))
