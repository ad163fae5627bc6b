/* Connections of hostile, slow and half peers, and every way to send a request that is not one clean write. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void test_conn_byte_by_byte(void)
{
    static const char request[] = RESPONSE "Content-Type: a/b\r\nContent-Length: 5\r\n\r\nhello";
    int c = running();
    for (size_t i = 0; i < sizeof request - 1; i++) {
        peer_send_bytes(c, request + i, 1);
        peer_run(0);
    }
    CU_ASSERT(status_is(peer_answer(c), 202));
    CU_ASSERT_STRING_EQUAL(peer.seen.body, "hello");
    done(c);
}

static void test_conn_chunked(void)
{
    static const struct {
        const char *body, *seen;
    } cases[] = {
        {"5\r\nhello\r\n0\r\n\r\n", "hello"},
        {"2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n", "hello"},
        {"0\r\n\r\n", ""},
        {"5\r\nhello\r\n0\r\nX-Other: y\r\n\r\n", "hello"},
        {"A\r\n0123456789\r\n00\r\n\r\n", "0123456789"},
    };
    int c = running();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int slow = 0; slow < 2; slow++) {
            peer_send(c, RESPONSE "Transfer-Encoding: chunked\r\nTrailer: X-Other\r\n\r\n");
            for (size_t k = 0; slow && k < strlen(cases[i].body); k++) {
                peer_send_bytes(c, cases[i].body + k, 1);
                peer_run(0);
            }
            if (!slow)
                peer_send(c, cases[i].body);
            CU_ASSERT(status_is(peer_answer(c), 202));
            CU_ASSERT_STRING_EQUAL(peer.seen.body, cases[i].seen);
            peer_send(c, NEXT);
            CU_ASSERT(peer_until(&peer.seen.idle, peer.seen.response));
            peer_invoke("r", "1");
            CU_ASSERT(status_is(peer_answer(c), 200));
        }
    }
    CU_ASSERT(peer.seen.broken == 0);
    done(c);
}

static void test_conn_error_trailers(void)
{
    int c = running();
    peer_send(c, RESPONSE "Transfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n"
                          "Content-Type: application/vnd.awslambda.http-integration-response\r\n\r\n"
                          "4\r\nhalf\r\n0\r\nLambda-Runtime-Function-Error-Type: Runtime.StreamError\r\n"
                          "Lambda-Runtime-Function-Error-Body: eyJlcnJvck1lc3NhZ2UiOiJtIn0=\r\n\r\n");
    CU_ASSERT(status_is(peer_answer(c), 202));
    CU_ASSERT(peer.seen.error == 1 && peer.seen.response == 0);
    CU_ASSERT_STRING_EQUAL(peer.seen.type, "Runtime.StreamError");
    CU_ASSERT_STRING_EQUAL(peer.seen.body, "{\"errorMessage\":\"m\"}");
    peer_send(c, NEXT);
    CU_ASSERT(peer_until(&peer.seen.idle, 1));
    peer_invoke("r", "1");
    CU_ASSERT(status_is(peer_answer(c), 200));
    peer_send(c, RESPONSE "Transfer-Encoding: chunked\r\n\r\n0\r\nLambda-Runtime-Function-Error-Type: x\r\n"
                          "Lambda-Runtime-Function-Error-Body: ?\r\n\r\n");
    CU_ASSERT(status_is(peer_answer(c), 202));
    CU_ASSERT(peer.seen.error == 2);
    CU_ASSERT_STRING_EQUAL(peer.seen.type, "Runtime.Unknown");
    CU_ASSERT(strstr(peer.seen.body, "\"errorType\":\"Runtime.Unknown\"") != NULL);
    done(c);
}

static void test_conn_pipelined(void)
{
    int c = running();
    peer_send(c, RESPONSE "Content-Length: 1\r\n\r\n5" NEXT PING); /* the ping is behind a parked /next */
    CU_ASSERT(status_is(peer_answer(c), 202));
    CU_ASSERT(peer_until(&peer.seen.idle, 1));
    peer_run(10);
    peer_invoke("s", "[2]");
    CU_ASSERT(peer.seen.response == 1); /* nothing is parsed inside session_invoke */
    struct peer_answer *a = peer_answer(c);
    CU_ASSERT(status_is(a, 200));
    CU_ASSERT_STRING_EQUAL(a->body, "[2]");
    a = peer_answer(c);
    CU_ASSERT(status_is(a, 200));
    CU_ASSERT_STRING_EQUAL(a->body, "pong");
    for (int i = 0; i < 200; i++)
        peer_send(c, PING);
    for (int i = 0; i < 200; i++)
        CU_ASSERT_FATAL(status_is(peer_answer(c), 200));
    done(c);
}

/* A forged answer waits right behind the /next of the same connection. */
static void test_conn_pipelined_answer(void)
{
    peer_open();
    int c = peer_connect();
    peer_send(c, NEXT RESPONSE "Content-Length: 4\r\n\r\nfast");
    CU_ASSERT(peer_until(&peer.seen.ready, 1));
    peer_invoke("r", "1");
    CU_ASSERT(peer.seen.response == 0);
    CU_ASSERT(peer_until(&peer.seen.response, 1));
    CU_ASSERT_STRING_EQUAL(peer.seen.body, "fast");
    CU_ASSERT(status_is(peer_answer(c), 200));
    CU_ASSERT(status_is(peer_answer(c), 202));
    done(c);
}

static void test_conn_refused(void)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET /2018-06-01/ping HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
        {"POST /x HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx", 400},
        {"POST /x HTTP/1.1\r\nContent-Length: +1\r\n\r\nx", 400},
        {"POST /x HTTP/1.1\r\nContent-Length: 0x1\r\n\r\nx", 400},
        {"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\nx", 400},
        {"POST /x HTTP/1.1\r\nContent-Length:\r\n\r\nx", 400},
        {"POST /x HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nx", 400},
        {"POST /x HTTP/1.1\r\nContent-Length : 1\r\n\r\nx", 400},
        {"POST /x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"POST /x HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
        {"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET /x HTTP/1.1\r\nA: b\r\n folded: c\r\n\r\n", 400},
        {"GET /x HTTP/1.1\r\nA b: c\r\n\r\n", 400},
        {"GET /x HTTP/1.1\r\n: c\r\n\r\n", 400},
        {"GET /x HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"GET /x HTTP/1.1\r\nA: b\rc\r\n\r\n", 400},
        {"GET /x HTTP/1.1\r\nA: \x01\r\n\r\n", 400},
        {"GET /x HTTP/2.0\r\n\r\n", 400},
        {"GET /x HTTP/1.7\r\n\r\n", 505},
        {"GET  HTTP/1.1\r\n\r\n", 400},
        {"G(T /x HTTP/1.1\r\n\r\n", 400},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
        {"\r\n\r\n\r\n\r\n", 400},
    };
    peer_open();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int c = peer_connect();
        struct peer_answer *a = peer_ask(c, cases[i].request);
        if (!status_is(a, cases[i].status))
            fprintf(stderr, "  case %zu\n", i);
        CU_ASSERT(a && a->status == cases[i].status);
        CU_ASSERT_FALSE(peer_is_open(c));
        close(c);
    }
    int c = peer_connect();
    peer_send_bytes(c, "GET /x HTTP/1.1\r\nA: \0\r\n\r\n", 25);
    CU_ASSERT(status_is(peer_answer(c), 400));
    done(c);
}

static void test_conn_broken_chunks(void)
{
    static const char *const bodies[] = {
        "x\r\n", "\r\n", "11111111111111111\r\n", "1\r\nab\r\n", "-1\r\n", "0\r\nA b: c\r\n\r\n", "0\r\nA: b\r\n c\r\n\r\n", "0\r\n\rX"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        int c = running();
        peer_send(c, RESPONSE "Transfer-Encoding: chunked\r\n\r\n");
        peer_send(c, bodies[i]);
        if (!peer_until(&peer.seen.broken, 1))
            fprintf(stderr, "  case %zu\n", i);
        CU_ASSERT(peer.seen.broken == 1 && peer.seen.response == 0 && peer.seen.error == 0);
        done(c);
    }
}

static void test_conn_half_sent(void)
{
    static const char *const requests[] = {RESPONSE "Content-Length: 10\r\n\r\n{\"a\":", RESPONSE "Content-Length: 10\r\n\r\n",
                                           RESPONSE "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                                           RESPONSE "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
                                           "POST /2018-06-01/runtime/invocation/r/error HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int c = running();
        peer_send(c, requests[i]);
        peer_run(2);
        shutdown(c, SHUT_WR);
        struct peer_answer *a = peer_answer(c);
        CU_ASSERT(status_is(a, 400) && strstr(a->body, "TruncatedHTTPRequest"));
        CU_ASSERT(peer_until(&peer.seen.broken, 1));
        CU_ASSERT(peer.seen.response == 0 && peer.seen.error == 0);
        CU_ASSERT_STRING_EQUAL(peer.seen.why, "a half-sent answer");
        done(c);
    }
    int c = running(); /* half of anything else is that connection's own affair */
    int d = peer_connect(), e = peer_connect();
    peer_send(d, "POST /2018-06-01/runtime/invocation/other/response HTTP/1.1\r\nContent-Length: 10\r\n\r\n1");
    peer_send(e, "POST /2018-06-01/runtime/invo");
    peer_run(2);
    close(d);
    close(e);
    peer_run(2);
    CU_ASSERT(peer.seen.broken == 0);
    CU_ASSERT(status_is(peer_post(c, "/2018-06-01/runtime/invocation/r/response", "", "1"), 202));
    done(c);
}

static void test_conn_keep_alive(void)
{
    peer_open();
    int c = peer_connect();
    CU_ASSERT(status_is(peer_ask(c, PING), 200) && status_is(peer_ask(c, PING), 200));
    struct peer_answer *a = peer_ask(c, "GET /2018-06-01/ping HTTP/1.1\r\nConnection: foo, Close\r\n\r\n");
    CU_ASSERT(status_is(a, 200));
    CU_ASSERT_STRING_EQUAL(peer_header(a, "Connection"), "close");
    CU_ASSERT_FALSE(peer_is_open(c));
    close(c);
    c = peer_connect();
    CU_ASSERT(status_is(peer_ask(c, "GET /2018-06-01/ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 200));
    CU_ASSERT(peer_is_open(c));
    CU_ASSERT(status_is(peer_ask(c, "GET /2018-06-01/ping HTTP/1.0\r\n\r\n"), 200));
    CU_ASSERT_FALSE(peer_is_open(c));
    close(c);
    c = peer_connect(); /* an event to a client that wants one connection per request */
    peer_send(c, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nConnection: close\r\n\r\n");
    CU_ASSERT(peer_until(&peer.seen.ready, 1));
    peer_invoke("r", "1");
    a = peer_answer(c);
    CU_ASSERT(status_is(a, 200));
    CU_ASSERT_STRING_EQUAL(peer_header(a, "Connection"), "close");
    CU_ASSERT_FALSE(peer_is_open(c));
    done(c);
}

static void test_conn_expect_continue(void)
{
    int c = running();
    peer_send(c, RESPONSE "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    CU_ASSERT(status_is(peer_answer(c), 100));
    CU_ASSERT(status_is(peer_ask(c, "ok"), 202));
    CU_ASSERT_STRING_EQUAL(peer.seen.body, "ok");
    peer_send(c, RESPONSE "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"); /* refused before it is sent */
    CU_ASSERT(status_is(peer_answer(c), 403));
    CU_ASSERT_FALSE(peer_is_open(c));
    done(c);
}

/* Refusals come after the body, so that the client is not cut off while it writes. */
static void test_conn_refusal_after_body(void)
{
    char *body = calloc(1, 3 * MIB);
    char head[128];
    peer_open();
    int c = peer_connect();
    snprintf(head, sizeof head, "POST /nowhere HTTP/1.1\r\nContent-Length: %d\r\n\r\n", 3 * MIB);
    for (int i = 0; i < 2; i++) {
        peer_send(c, head);
        peer_send_bytes(c, body, 3 * MIB);
        CU_ASSERT(status_is(peer_answer(c), 404));
    }
    free(body);
    done(c);
}

TEST_MAIN("http_conn", TEST(test_conn_byte_by_byte), TEST(test_conn_chunked), TEST(test_conn_error_trailers), TEST(test_conn_pipelined),
          TEST(test_conn_pipelined_answer), TEST(test_conn_refused), TEST(test_conn_broken_chunks), TEST(test_conn_half_sent),
          TEST(test_conn_keep_alive), TEST(test_conn_expect_continue), TEST(test_conn_refusal_after_body))
