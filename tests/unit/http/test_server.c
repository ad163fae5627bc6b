/* The HTTP server with real sockets: bodies, pipelining, contexts of listeners, limits, and clients that are slow or leave. The
 * client's side is blocking and runs in between rounds of the server's loop. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "lib/http/server.h"
#include "tests/unit/cunit.h"

#define BODY_MAX 100000

static struct loop *loop;
static struct http_server *server;
static struct http_listener *listeners[2];
static int ports[2];
static char contexts[2][8] = {"first", "second"};
static struct http_req *parked; /* a request to /park, not replied to */
static int gone_calls, requests;
static size_t body_max = BODY_MAX;

static void on_gone(void *arg)
{
    CU_ASSERT_PTR_EQUAL(arg, &parked);
    parked = NULL;
    gone_calls++;
}

static void on_request(void *arg, struct http_req *req)
{
    (void)arg;
    requests++;
    struct http_slice path = http_req_path(req), query = http_req_query(req), body = http_req_body(req);
    struct http_slice x = http_req_header(req, "X-TEST"), host = http_req_header(req, "Host");
    int status;
    size_t len;
    if (path.n < 32 && sscanf(path.p, "/status/%d/%zu ", &status, &len) == 2) {
        char *fill = malloc(len + 1);
        memset(fill, 'f', len);
        http_reply(req, &(struct http_reply){.status = status, .body = fill, .body_len = len, .body_free = free});
        return;
    }
    if (path.n == 5 && memcmp(path.p, "/park", 5) == 0) {
        parked = req;
        http_req_on_gone(req, on_gone, &parked);
        return;
    }
    CLEANUP(freep)
    char *text = str_format("%.*s %.*s?%.*s [%zu] %.*s %.*s %s", (int)http_req_method(req).n, http_req_method(req).p, (int)path.n, path.p,
                            (int)query.n, query.p, body.n, (int)x.n, x.p ? x.p : "", (int)host.n, host.p, (char *)http_req_context(req));
    struct http_header headers[] = {{"Content-Type", "text/plain"}, {"X-Answer", "yes"}};
    http_reply(req, &(struct http_reply){.status = 201, .headers = headers, .header_count = 2, .body = text, .body_len = strlen(text)});
}

static int listen_somewhere(int *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (void *)&at, len) | listen(fd, 128) | getsockname(fd, (void *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static const struct http_reply *refusal(int status, bool small)
{

    static const struct http_header headers[] = {{"Content-Type", "application/json"}, {"X-Why", "no"}};
    static const struct http_reply too_large = {.headers = headers, .header_count = 2, .body = "{\"large\":1}", .body_len = 11},
                                   odd = {.headers = headers, .header_count = 2, .body = "{\"odd\":1}", .body_len = 9};
    return small ? NULL : status == 413 ? &too_large : status == 400 ? &odd : NULL;
}

static void start(int64_t request_ms, int64_t idle_ms)
{
    struct err err;
    struct http_options options = {.body_bytes_max = body_max, .header_bytes_max = 65536, .connections_max = 100, .tmp_dir = "/tmp"};
    options.request_ms_max = request_ms;
    options.idle_ms_max = idle_ms;
    options.refusal = refusal;
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    CU_ASSERT_EQUAL_FATAL(http_server_new(loop, &options, on_request, NULL, &server, &err), 0);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(http_server_add(server, listen_somewhere(&ports[i]), contexts[i], &listeners[i], &err), 0);
    gone_calls = requests = 0;
    parked = NULL;
}

/* Five seconds at most. */
#define RUN_UNTIL(condition)                                                                                                               \
    for (int i_ = 0; i_ < 500 && !(condition); i_++)                                                                                       \
    http_server_run_once(server, 10)

static void stop(void)
{
    http_server_free(server);
    loop_free(loop);
}

static void run_for(int ms)
{
    for (int64_t end = clock_mono_us() + ms * 1000; clock_mono_us() < end;)
        http_server_run_once(server, 10);
}

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (void *)&to, sizeof to), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    CU_ASSERT_EQUAL((size_t)write(fd, text, strlen(text)), strlen(text));
}

/* Reads what comes until want is in it, the stream ends, or 5 s are over; returns 1, 0, -1. */
static int await(int fd, const char *want, char *out, size_t cap)
{
    size_t len = 0;
    for (int64_t end = clock_mono_us() + 5000000; clock_mono_us() < end;) {
        http_server_run_once(server, 5);
        ssize_t n = recv(fd, out + len, cap - 1 - len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return 0;
        len += n > 0 ? (size_t)n : 0;
        out[len] = '\0';
        if (*want && strstr(out, want))
            return 1;
    }
    return -1;
}

static void test_server_answers(void)
{
    char in[4096];
    start(5000, 5000);
    int fd = dial(ports[0]);
    put(fd, "POST /a%20b?x=1&y HTTP/1.1\r\nHost: me:1\r\nX-Test: t\r\nContent-Length: 5\r\n\r\nhello");
    CU_ASSERT_EQUAL(await(fd, "POST /a%20b?x=1&y [5] t me:1 first", in, sizeof in), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(in, "HTTP/1.1 201 Created\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strcasestr(in, "x-answer: yes\r\n"));
    put(fd, "GET /one HTTP/1.1\r\nHost: h\r\n\r\nGET /two HTTP/1.1\r\nHost: h\r\n\r\n"); /* pipelined, on the same connection */
    CU_ASSERT_EQUAL(await(fd, "GET /two? [0]  h first", in, sizeof in), 1);
    CU_ASSERT(strstr(in, "GET /one") && strstr(in, "GET /one") < strstr(in, "GET /two"));
    int other = dial(ports[1]);
    put(other, "DELETE /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}");
    CU_ASSERT_EQUAL(await(other, "DELETE /x? [2]  h second", in, sizeof in), 1);
    put(other, "POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    CU_ASSERT_EQUAL(await(other, "100 Continue", in, sizeof in), 1);
    put(other, "abc");
    CU_ASSERT_EQUAL(await(other, "POST /e? [3]", in, sizeof in), 1);
    close(fd);
    close(other);
    stop();
}

static void test_server_limits(void)
{
    char in[4096];
    start(5000, 5000);
    int fd = dial(ports[0]);
    put(fd, "POST /big HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n");
    CU_ASSERT_EQUAL(await(fd, "{\"large\":1}", in, sizeof in), 1);
    CU_ASSERT(strstr(in, "HTTP/1.1 413 ") && strstr(in, "Content-Length: 11\r\n") && strstr(in, "X-Why: no\r\n") &&
              !strstr(in, "text/plain"));
    close(fd);
    fd = dial(ports[0]);
    CLEANUP(freep) char *wide = str_format("GET /x HTTP/1.1\r\nHost: h\r\nX: %070000d\r\n\r\n", 1);
    put(fd, wide);
    CU_ASSERT_EQUAL(await(fd, "header too large", in, sizeof in), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(in, "HTTP/1.1 431 "));
    close(fd);
    static const char *const ambiguous[] = {
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n 4\r\n\r\nabcd",
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc"};
    requests = 0;
    for (size_t i = 0; i < ARRAY_LEN(ambiguous); i++) {
        fd = dial(ports[0]);
        put(fd, ambiguous[i]);
        CU_ASSERT_EQUAL(await(fd, "{\"odd\":1}", in, sizeof in), 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(in, "HTTP/1.1 400 "));
        CU_ASSERT_EQUAL(await(fd, "", in, sizeof in), 0); /* and closed */
        close(fd);
    }
    static const char *const malformed[] = {"GET /x HTTP/1.1\r\nHost : h\r\n\r\n",
                                            "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
                                            "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", "\0\0\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        fd = dial(ports[0]);
        put(fd, malformed[i]);
        run_for(50);
        close(fd);
    }
    CU_ASSERT_EQUAL(requests, 0);
    stop();
}

static void test_server_client_leaves(void)
{
    char in[4096];
    start(5000, 5000);
    int fd = dial(ports[0]);
    put(fd, "GET /park HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(parked);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parked);
    close(fd);
    RUN_UNTIL(gone_calls);
    CU_ASSERT_EQUAL(gone_calls, 1);
    fd = dial(ports[0]); /* the server is well */
    put(fd, "GET /after HTTP/1.1\r\nHost: h\r\n\r\n");
    CU_ASSERT_EQUAL(await(fd, "GET /after", in, sizeof in), 1);
    close(fd);
    stop();
}

static void test_server_late_reply(void)
{
    char in[4096];
    start(300, 300); /* limits of receiving and idling do not touch a request at work */
    int fd = dial(ports[0]);
    put(fd, "GET /park HTTP/1.1\r\nHost: h\r\n\r\n");
    run_for(900);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parked);
    char *body = strdup("late");
    http_reply(parked, &(struct http_reply){.status = 200, .body = body, .body_len = 4, .body_free = free});
    CU_ASSERT_EQUAL(await(fd, "\r\n\r\nlate", in, sizeof in), 1);
    close(fd);
    stop();
}

static void test_server_slow_and_idle(void)
{
    char in[4096];
    start(400, 400);
    int slow = dial(ports[0]), idle = dial(ports[0]), half = dial(ports[0]);
    put(slow, "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Le");
    put(half, "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhal");
    CU_ASSERT_EQUAL(await(slow, "", in, sizeof in), 0);
    CU_ASSERT_EQUAL(await(half, "", in, sizeof in), 0);
    CU_ASSERT_EQUAL(await(idle, "", in, sizeof in), 0);
    CU_ASSERT_EQUAL(requests, 0);
    close(slow), close(idle), close(half);
    stop();
}

static void test_server_listener_close(void)
{
    char in[4096];
    start(5000, 5000);
    int fd = dial(ports[0]), other = dial(ports[1]);
    put(fd, "GET /park HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(parked);
    http_listener_close(listeners[0]);
    CU_ASSERT_EQUAL(gone_calls, 1);
    CU_ASSERT_EQUAL(await(fd, "", in, sizeof in), 0);
    put(other, "GET /alive HTTP/1.1\r\nHost: h\r\n\r\n");
    CU_ASSERT_EQUAL(await(other, "GET /alive? [0]  h second", in, sizeof in), 1);
    stop(), close(fd), close(other);
}

static void on_posted(void *arg)
{
    *(bool *)arg = true;
}

/* After the end of a listener or of the server nothing is handled: no request that had arrived, nothing posted on the loop. */
static void test_server_nothing_after_the_end(void)
{
    static const char ask[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    bool posted = false;
    start(5000, 5000);
    int fd = dial(ports[0]), other = dial(ports[1]);
    put(fd, ask), put(other, ask), run_for(50), put(fd, ask), put(other, ask);
    http_listener_close(listeners[0]);
    run_for(50);
    CU_ASSERT_EQUAL(requests, 3);
    put(other, ask);
    loop_post(loop, on_posted, &posted);
    stop(), close(fd), close(other);
    CU_ASSERT(requests == 3 && !posted);
}

/* Whole answers, one after the other on one connection: what has no body has none, and what follows is not taken for one. */
static void test_server_statuses(void)
{
    static const struct {
        const char *ask, *head, *not_there;
    } rows[] = {{"GET /status/200/3", "Content-Length: 3\r\n", NULL},
                {"HEAD /status/200/3", "Content-Length: 3\r\n", "fff"},
                {"GET /status/204/0", "HTTP/1.1 204 No Content\r\n", "Content-Length"},
                {"GET /status/304/0", "HTTP/1.1 304 Not Modified\r\n", "Content-Length"},
                {"GET /status/200/0", "Content-Length: 0\r\n", NULL},
                {"GET /status/404/1", "HTTP/1.1 404 Not Found\r\n", NULL},
                {"GET /status/599/1", "HTTP/1.1 599 Unnamed\r\n", NULL},
                {"GET /status/301/9", "HTTP/1.1 301 Moved Permanently\r\n", NULL}};
    char in[4096];
    start(5000, 5000);
    int fd = dial(ports[0]);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(freep) char *ask = str_format("%s HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n", rows[i].ask);
        put(fd, ask);
        CU_ASSERT_EQUAL(await(fd, "GET /next? [0]  h first", in, sizeof in), 1);
        char *next = strstr(in, "HTTP/1.1 201 Created");
        CU_ASSERT_PTR_NOT_NULL_FATAL(next);
        *next = '\0';
        CU_ASSERT_PTR_NOT_NULL(strstr(in, rows[i].head));
        if (rows[i].not_there)
            CU_ASSERT_PTR_NULL(strstr(in, rows[i].not_there));
    }
    CU_ASSERT_EQUAL(requests, 2 * (int)ARRAY_LEN(rows));
    close(fd);
    stop();
}

/* Sends len bytes while the server runs; false if the connection breaks. */
static bool pour(int fd, size_t len)
{
    static char zeros[65536];
    while (len > 0) {
        ssize_t n = send(fd, zeros, len < sizeof zeros ? len : sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return false;
        len -= n > 0 ? (size_t)n : 0;
        http_server_run_once(server, 0);
    }
    return true;
}

static void test_server_large_bodies(void)
{
    enum { UP = 50 << 20, DOWN = 6 << 20 };
    char in[4096];
    body_max = 70 << 20;
    start(20000, 5000);
    int fd = dial(ports[0]);
    put(fd, "POST /up HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 52428800\r\n\r\n");
    CU_ASSERT_EQUAL(await(fd, "100 Continue", in, sizeof in), 1);
    CU_ASSERT(pour(fd, UP));
    CU_ASSERT_EQUAL(await(fd, "POST /up? [52428800]", in, sizeof in), 1);
    put(fd, "GET /status/200/6291456 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"); /* a body on a GET, too */
    size_t got = 0;
    CLEANUP(freep) char *down = malloc(DOWN + 4096);
    for (int64_t end = clock_mono_us() + 10000000; got < DOWN && clock_mono_us() < end;) {
        http_server_run_once(server, 1);
        ssize_t n = recv(fd, down + got, DOWN + 4096 - got, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
    }
    CU_ASSERT(got > DOWN && down[got - 1] == 'f' && memmem(down, got, "Content-Length: 6291456\r\n", 25));
    close(fd);
    /* Too large, and the client looks at nothing before it has sent all: it gets its answer. */
    fd = dial(ports[0]);
    put(fd, "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 83886080\r\n\r\n");
    CU_ASSERT(pour(fd, 80 << 20));
    CU_ASSERT_EQUAL(await(fd, "HTTP/1.1 413 ", in, sizeof in), 1);
    close(fd);
    stop();
    body_max = BODY_MAX;
}

/* A client that sent its next request already and left is noticed, too. */
static void test_server_pipelined_client_leaves(void)
{
    start(5000, 5000);
    int fd = dial(ports[0]);
    put(fd, "GET /park HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(parked);
    put(fd, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    run_for(50);
    close(fd);
    RUN_UNTIL(gone_calls);
    CU_ASSERT_EQUAL(gone_calls, 1);
    stop();
}

/* A full listener makes room by what idles, not by requests that are coming; and another listener sees nothing of it. */
static void test_server_out_of_connections(void)
{
    enum { MANY = 110 }; /* 100 are allowed */
    char in[4096];
    int fds[MANY];
    start(5000, 5000);
    put(fds[0] = dial(ports[0]), "GET /park HTTP/1.1\r\nHost: h\r\n\r\n");
    put(fds[1] = dial(ports[0]), "GET /half HTTP/1.1\r\nHo");
    run_for(50);
    for (int i = 2; i < MANY; i++)
        fds[i] = dial(ports[0]);
    run_for(50);
    put(fds[MANY - 1], "GET /last HTTP/1.1\r\nHost: h\r\n\r\n");
    CU_ASSERT_EQUAL(await(fds[MANY - 1], "GET /last", in, sizeof in), 1);
    put(fds[1], "st: h\r\n\r\n");
    CU_ASSERT_EQUAL(await(fds[1], "GET /half", in, sizeof in), 1);
    CU_ASSERT_EQUAL(await(fds[2], "", in, sizeof in), 0); /* the oldest idle one */
    CU_ASSERT(parked != NULL && gone_calls == 0);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    stop();
}

static void test_server_full_of_requests(void)
{
    enum { MANY = 4 };
    char in[4096];
    int fds[MANY];
    start(5000, 5000);
    http_listener_limit(listeners[0], &(struct http_listener_limits){.connections_max = MANY - 1});
    for (int i = 0; i < MANY; i++) {
        put(fds[i] = dial(ports[0]), "GET /half HTTP/1.1\r\nHo");
        run_for(20);
    }
    put(fds[MANY - 1], "st: h\r\n\r\n");
    run_for(300);
    CU_ASSERT_EQUAL(requests, 0);
    int other = dial(ports[1]);
    put(other, "GET /other HTTP/1.1\r\nHost: h\r\n\r\n");
    CU_ASSERT_EQUAL(await(other, "GET /other", in, sizeof in), 1);
    close(fds[0]);
    CU_ASSERT_EQUAL(await(fds[MANY - 1], "GET /half", in, sizeof in), 1);
    for (int i = 1; i < MANY; i++)
        close(fds[i]);
    close(other);
    stop();
}

static void test_server_out_of_descriptors(void)
{
    char in[4096];
    start(5000, 5000);
    int fd = dial(ports[0]);
    put(fd, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    CU_ASSERT_EQUAL(await(fd, "GET /a", in, sizeof in), 1);
    int waiting = dial(ports[0]);
    put(waiting, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    struct rlimit old, low = {.rlim_cur = 0, .rlim_max = 0};
    getrlimit(RLIMIT_NOFILE, &old);
    low = (struct rlimit){(rlim_t)waiting + 1, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    clock_t before = clock();
    run_for(600);
    CU_ASSERT((clock() - before) * 1000 / CLOCKS_PER_SEC < 200); /* it waits, and does not spin */
    put(fd, "GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
    CU_ASSERT_EQUAL(await(fd, "GET /c", in, sizeof in), 1); /* who is in is served */
    setrlimit(RLIMIT_NOFILE, &old);
    CU_ASSERT_EQUAL(await(waiting, "GET /b", in, sizeof in), 1);
    close(fd);
    close(waiting);
    stop();
}

/* One listener per sandbox: many come and go. */
static void test_server_many_listeners(void)
{
    enum { MANY = 300 };
    static struct http_listener *many[MANY];
    static char names[MANY][8];
    int at[MANY];
    char in[4096];
    struct err err;
    start(5000, 5000);
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        CU_ASSERT_EQUAL_FATAL(http_server_add(server, listen_somewhere(&at[i]), names[i], &many[i], &err), 0);
    }
    for (int i = 0; i < MANY; i += 50) {
        CLEANUP(freep) char *want = str_format("GET /x? [0]  h n%d", i);
        int fd = dial(at[i]);
        put(fd, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
        CU_ASSERT_EQUAL(await(fd, want, in, sizeof in), 1);
        http_listener_close(many[i]);
        CU_ASSERT_EQUAL(await(fd, "", in, sizeof in), 0);
        close(fd);
    }
    int fd = dial(at[1]);
    put(fd, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    CU_ASSERT_EQUAL(await(fd, "h n1", in, sizeof in), 1);
    close(fd);
    stop();
}

TEST_MAIN("server", TEST(test_server_answers), TEST(test_server_limits), TEST(test_server_client_leaves), TEST(test_server_late_reply),
          TEST(test_server_slow_and_idle), TEST(test_server_listener_close), TEST(test_server_nothing_after_the_end),
          TEST(test_server_statuses), TEST(test_server_large_bodies), TEST(test_server_pipelined_client_leaves),
          TEST(test_server_out_of_connections), TEST(test_server_full_of_requests), TEST(test_server_out_of_descriptors),
          TEST(test_server_many_listeners))
