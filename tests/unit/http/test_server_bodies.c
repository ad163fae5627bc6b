/* Listeners whose clients are not trusted with the server's memory and disk: small bodies, and a limit of them all together, while
 * others are served as ever. The client's side runs in between rounds of the server's loop. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "lib/http/server.h"
#include "tests/unit/cunit.h"

#define WIDE (4u << 20)
#define SMALL (1u << 20)
#define TOGETHER ((2u << 20) + 600) /* two of SMALL, and their heads */
#define CLIENTS 8

enum { PUBLIC, LIMITED, LISTENERS };

static struct loop *loop;
static struct http_server *server;
static struct http_listener *listeners[LISTENERS];
static int ports[LISTENERS];
static struct http_req *parked[CLIENTS];
static int parked_count;

static void on_gone(void *arg)
{
    *(struct http_req **)arg = NULL;
}

static void answer(struct http_req *req)
{
    CLEANUP(freep) char *text = str_format("[%zu]", http_req_body(req).n);
    http_reply(req, &(struct http_reply){.status = 200, .body = text, .body_len = strlen(text)});
}

static void on_request(void *arg, struct http_req *req)
{
    (void)arg;
    if (http_req_path(req).n == 5 && memcmp(http_req_path(req).p, "/park", 5) == 0) {
        http_req_on_gone(req, on_gone, &parked[parked_count]);
        parked[parked_count++] = req;
    } else {
        answer(req);
    }
}

static const struct http_reply *refusal(int status, bool small)
{
    static const struct http_header header = {"X-Why", "no"};
    static const struct http_reply large = {.headers = &header, .header_count = 1, .body = "large", .body_len = 5},
                                   large_here = {.headers = &header, .header_count = 1, .body = "large here", .body_len = 10};
    return status != 413 ? NULL : small ? &large_here : &large;
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

static void start(void)
{
    struct err err;
    const struct http_options options = {.body_bytes_max = WIDE,
                                         .small_body_bytes_max = SMALL,
                                         .header_bytes_max = 65536,
                                         .connections_max = 100,
                                         .tmp_dir = "/tmp",
                                         .request_ms_max = 20000,
                                         .idle_ms_max = 20000,
                                         .refusal = refusal};
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    CU_ASSERT_EQUAL_FATAL(http_server_new(loop, &options, on_request, NULL, &server, &err), 0);
    for (int i = 0; i < LISTENERS; i++)
        CU_ASSERT_EQUAL_FATAL(http_server_add(server, listen_somewhere(&ports[i]), NULL, &listeners[i], &err), 0);
    http_listener_limit(listeners[LIMITED],
                        &(struct http_listener_limits){.connections_max = 100, .small_bodies = true, .bodies_bytes_max = TOGETHER});
    parked_count = 0;
}

static void stop(void)
{
    http_server_free(server);
    loop_free(loop);
}

static int dial(int where)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)ports[where]), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (void *)&to, sizeof to), 0);
    return fd;
}

/* The head of a POST with a body of so many bytes to come. */
static int post(int where, const char *path, size_t len)
{
    int fd = dial(where);
    CLEANUP(freep) char *head = str_format("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", path, len);
    CU_ASSERT(write(fd, head, strlen(head)) == (ssize_t)strlen(head));
    return fd;
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

/* What comes contains want, within five seconds. */
static bool hears(int fd, const char *want)
{
    char in[4096] = "";
    size_t len = 0;
    for (int64_t end = clock_mono_us() + 5000000; clock_mono_us() < end && len < sizeof in - 1;) {
        http_server_run_once(server, 1);
        ssize_t n = recv(fd, in + len, sizeof in - 1 - len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        len += n > 0 ? (size_t)n : 0;
        in[len] = '\0';
        if (strstr(in, want))
            return true;
    }
    fprintf(stderr, "missing: %s\nin: %s\n", want, in);
    return false;
}

static bool is_cut(int fd)
{
    char in;
    ssize_t n = recv(fd, &in, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void run_for(int ms)
{
    for (int64_t end = clock_mono_us() + ms * 1000; clock_mono_us() < end;)
        http_server_run_once(server, 10);
}

static bool is_taken(int where, size_t len)
{
    int fd = post(where, "/up", len);
    CLEANUP(freep) char *want = str_format("[%zu]", len);
    bool taken = pour(fd, len) && hears(fd, want);
    close(fd);
    return taken;
}

static void test_bodies_small(void)
{
    start();
    CU_ASSERT(is_taken(LIMITED, SMALL) && is_taken(PUBLIC, WIDE));
    int fd = post(LIMITED, "/up", SMALL + 1); /* by what it announces */
    CU_ASSERT(hears(fd, "413 ") && pour(fd, SMALL + 1));
    close(fd);
    fd = post(LIMITED, "/up", SMALL + 1);
    CU_ASSERT(hears(fd, "\r\n\r\nlarge here"));
    close(fd);
    fd = post(PUBLIC, "/up", WIDE + 1);
    CU_ASSERT(hears(fd, "\r\n\r\nlarge"));
    close(fd);
    /* In chunks nobody announces anything. */
    static const char head[] = "POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int where = 0; where < LISTENERS; where++) {
        fd = dial(where);
        CU_ASSERT(write(fd, head, sizeof head - 1) == sizeof head - 1);
        for (int i = 0; i < 24; i++) {
            CU_ASSERT(write(fd, "10000\r\n", 7) == 7 && pour(fd, 65536) && write(fd, "\r\n", 2) == 2);
            if (i == 15 && where == LIMITED)
                CU_ASSERT(!is_cut(fd));
        }
        CU_ASSERT(write(fd, "0\r\n\r\n", 5) == 5);
        CU_ASSERT(where == LIMITED ? hears(fd, "413 ") : hears(fd, "[1572864]"));
        close(fd);
    }
    stop();
}

/* Those that came first go on, and all but the limited listener's go on anyway. */
static void test_bodies_that_come(void)
{
    enum { PART = SMALL * 3 / 4 };
    int fds[LISTENERS][CLIENTS];
    start();
    for (int where = 0; where < LISTENERS; where++)
        for (int i = 0; i < CLIENTS; i++) {
            fds[where][i] = post(where, "/up", SMALL);
            (void)pour(fds[where][i], PART);
        }
    run_for(600);
    for (int i = 0; i < CLIENTS; i++) {
        CU_ASSERT(!is_cut(fds[PUBLIC][i]));
        CU_ASSERT(is_cut(fds[LIMITED][i]) == (i >= 2));
    }
    CU_ASSERT(is_taken(PUBLIC, WIDE));
    for (int where = 0; where < LISTENERS; where++)
        for (int i = 0; i < CLIENTS; i++) {
            if (where == PUBLIC || i < 2)
                CU_ASSERT(pour(fds[where][i], SMALL - PART) && hears(fds[where][i], "[1048576]"));
            close(fds[where][i]);
        }
    run_for(600);
    CU_ASSERT(is_taken(LIMITED, SMALL));
    stop();
}

/* What is at work counts as well, until its reply is out. */
static void test_bodies_at_work(void)
{
    int fds[CLIENTS];
    start();
    for (int i = 0; i < 2; i++) {
        fds[i] = post(LIMITED, "/park", SMALL);
        CU_ASSERT(pour(fds[i], SMALL));
        for (int j = 0; j < 500 && parked_count == i; j++)
            http_server_run_once(server, 10);
    }
    CU_ASSERT_EQUAL_FATAL(parked_count, 2);
    fds[2] = post(LIMITED, "/up", 1000);
    CU_ASSERT(pour(fds[2], 1000) && hears(fds[2], "429 "));
    CU_ASSERT(is_taken(LIMITED, 0) && is_taken(PUBLIC, SMALL)); /* a request without a body is none of that */
    answer(parked[0]);
    CU_ASSERT(hears(fds[0], "[1048576]"));
    CU_ASSERT(is_taken(LIMITED, SMALL));
    close(fds[1]); /* the client leaves: its body does, too */
    for (int j = 0; j < 500 && parked[1]; j++)
        http_server_run_once(server, 10);
    CU_ASSERT(!parked[1]);
    run_for(300);
    for (int i = 3; i < 5; i++) {
        fds[i] = post(LIMITED, "/park", SMALL);
        CU_ASSERT(pour(fds[i], SMALL));
    }
    for (int j = 0; j < 500 && parked_count < 4; j++)
        http_server_run_once(server, 10);
    CU_ASSERT(parked_count == 4);
    http_listener_close(listeners[LIMITED]);
    CU_ASSERT(!parked[2] && !parked[3]);
    run_for(600);
    CU_ASSERT(is_taken(PUBLIC, SMALL));
    close(fds[0]);
    for (int i = 2; i < 5; i++)
        close(fds[i]);
    stop();
}

TEST_MAIN("http_bodies", TEST(test_bodies_small), TEST(test_bodies_that_come), TEST(test_bodies_at_work))
