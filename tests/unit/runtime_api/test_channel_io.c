/* The private channel: a runtime's life in frames, frames that do not belong, large and slow ones, the log pipe, renewal. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "runtime-api/channel.h"
#include "runtime-api/session_state.h"
#include "tests/unit/cunit.h"
#include "tests/unit/runtime_api/peer.h"

#define PAYLOAD_MAX 6291556

static void boot(void)
{
    static const char *const env[] = {"A=1", "B=two words", "C="};
    struct err err;
    int type;
    char meta[PEER_TEXT];
    size_t meta_len, body_len;
    peer_open();
    peer_frame(CHANNEL_BOOTED, NULL, 0, NULL, 0);
    CU_ASSERT(peer.seen.booted == 1);
    CU_ASSERT(session_start(peer.session, env, 3, &err) == 0);
    char *body = peer_take_frame(&type, meta, &meta_len, &body_len);
    CU_ASSERT(body && type == CHANNEL_START && body_len == 0 && meta_len == 19 && memcmp(meta, "A=1\0B=two words\0C=", 19) == 0);
    free(body);
    peer_frame(CHANNEL_READY, NULL, 0, NULL, 0);
    CU_ASSERT(peer.seen.ready == 1 && session_is_idle(peer.session));
}

static void take_event(const char *id, const char *payload)
{
    int type;
    char meta[PEER_TEXT];
    size_t meta_len, body_len;
    char *body = peer_take_frame(&type, meta, &meta_len, &body_len);
    CU_ASSERT_FATAL(body != NULL);
    CU_ASSERT(type == CHANNEL_INVOKE && body_len == strlen(payload) && memcmp(body, payload, body_len) == 0);
    CU_ASSERT_STRING_EQUAL(meta, id);
    int fields = 0;
    for (size_t i = 0; i < meta_len; i++)
        fields += meta[i] == '\0';
    CU_ASSERT(fields == 7 && meta[meta_len - 1] == '\0');
    free(body);
}

static void test_channel_life(void)
{
    boot();
    for (int i = 1; i <= 3; i++) {
        peer_invoke("r-1", "{\"a\":1}");
        CU_ASSERT_FALSE(session_is_idle(peer.session));
        take_event("r-1", "{\"a\":1}");
        if (i == 2)
            peer_frame(CHANNEL_ERROR, "r-1\0ValueError", 15, "{\"errorType\":\"ValueError\"}", 26);
        else
            peer_frame(CHANNEL_RESPONSE, "r-1\0application/json", 21, "[2]", 3);
        CU_ASSERT(peer.seen.idle == i && session_is_idle(peer.session));
    }
    CU_ASSERT(peer.seen.response == 2 && peer.seen.error == 1 && peer.seen.broken == 0);
    CU_ASSERT_STRING_EQUAL(peer.seen.type, "Runtime.Unknown");
    CU_ASSERT_STRING_EQUAL(peer.seen.content_type, "application/json");
    close(peer.channel);
    peer.channel = -1;
    CU_ASSERT(peer_until(&peer.seen.broken, 1));
    CU_ASSERT_STRING_EQUAL(peer.seen.why, "the runtime closed its channel");
    peer_close();
}

static void test_channel_init_error(void)
{
    peer_open();
    peer_frame(CHANNEL_BOOTED, NULL, 0, NULL, 0);
    peer_frame(CHANNEL_INIT_ERROR, "Runtime.HandlerNotFound", 24, "{}", 2);
    CU_ASSERT(peer.seen.init_error == 1);
    CU_ASSERT_STRING_EQUAL(peer.seen.type, "Runtime.HandlerNotFound");
    close(peer.channel);
    peer.channel = -1;
    peer_run(5);
    CU_ASSERT(peer.seen.broken == 0); /* the exit that follows is reported by the spawner */
    peer_close();
}

static void test_channel_exec(void)
{
    peer_open();
    close(peer.channel); /* by the exec of a bootstrap that speaks HTTP */
    peer.channel = -1;
    peer_run(5);
    CU_ASSERT(peer.seen.broken == 0);
    int c = peer_ready();
    peer_invoke("r", "1");
    struct peer_answer *a = peer_answer(c);
    CU_ASSERT(a && a->status == 200);
    close(c);
    peer_close();

    peer_open();
    peer_frame(CHANNEL_EXEC_FAILED, "8\0/var/task/bootstrap\0aarch64", 30, NULL, 0);
    CU_ASSERT(peer.seen.exec_failed == 1 && peer.seen.exec_code == 8);
    CU_ASSERT_STRING_EQUAL(peer.seen.why, "/var/task/bootstrap aarch64");
    peer_close();
}

/* HTTP by the code inside one of our own runtimes: extensions may, but nobody may take the runtime's place. */
static void test_channel_and_http(void)
{
    boot();
    int c = peer_connect();
    struct peer_answer *a = peer_ask(c, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n");
    CU_ASSERT(a && a->status == 403);
    peer_invoke("r", "1");
    take_event("r", "1");
    a = peer_post(c, "/2018-06-01/runtime/invocation/r/response", "", "forged");
    CU_ASSERT(a && a->status == 403);
    a = peer_post(c, "/2018-06-01/runtime/init/error", "", "forged");
    CU_ASSERT(a && a->status == 403);
    CU_ASSERT(peer.seen.response == 0 && peer.seen.broken == 0);
    peer_frame(CHANNEL_RESPONSE, "r\0", 3, "2", 1);
    CU_ASSERT(peer.seen.response == 1);
    close(c);
    peer_close();
}

static void test_channel_breaks(void)
{
    static const struct {
        int type, state; /* state: 0 nothing yet, 1 booted, 2 ready, 3 with an event */
        const char *meta;
        size_t meta_len;
        const char *body;
    } cases[] = {
        {CHANNEL_READY, 0, NULL, 0, ""},
        {CHANNEL_BOOTED, 1, NULL, 0, ""},
        {CHANNEL_BOOTED, 2, NULL, 0, ""},
        {CHANNEL_BOOTED, 0, "x", 2, ""},
        {CHANNEL_BOOTED, 0, NULL, 0, "body"},
        {CHANNEL_READY, 2, NULL, 0, ""},
        {CHANNEL_RESPONSE, 2, "r\0t", 4, "1"},
        {CHANNEL_RESPONSE, 1, "r\0t", 4, "1"},
        {CHANNEL_RESPONSE, 3, "other\0t", 8, "1"},
        {CHANNEL_RESPONSE, 3, "r\0t", 3, "1"},
        {CHANNEL_RESPONSE, 3, "r\0t\0u", 6, "1"},
        {CHANNEL_RESPONSE, 3, NULL, 0, "1"},
        {CHANNEL_ERROR, 3, "r", 2, "1"},
        {CHANNEL_INIT_ERROR, 3, "r", 2, "1"},
        {CHANNEL_INIT_ERROR, 0, "r", 2, "1"},
        {CHANNEL_EXEC_FAILED, 2, "1\0p\0", 5, ""},
        {CHANNEL_EXEC_FAILED, 0, "x\0p\0", 5, ""},
        {CHANNEL_START, 1, NULL, 0, ""},
        {CHANNEL_INVOKE, 2, NULL, 0, ""},
        {0, 1, NULL, 0, ""},
        {255, 1, NULL, 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        peer_open();
        if (cases[i].state > 0)
            peer_frame(CHANNEL_BOOTED, NULL, 0, NULL, 0);
        if (cases[i].state > 1)
            peer_frame(CHANNEL_READY, NULL, 0, NULL, 0);
        if (cases[i].state > 2)
            peer_invoke("r", "1");
        peer_frame(cases[i].type, cases[i].meta, cases[i].meta_len, cases[i].body, strlen(cases[i].body));
        if (peer.seen.broken != 1)
            fprintf(stderr, "  case %zu is not refused\n", i);
        CU_ASSERT(peer.seen.broken == 1 && peer.seen.response == 0 && peer.seen.error == 0 && peer.seen.init_error == 0);
        peer_close();
    }
}

/* A connection whose last reference keeps who gives it up: it lingers, and its other end (*ret_peer) reads nothing. */
static int lingering(int *ret_peer)
{
    static const char data[65536];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) < 0 || connect(fd, (struct sockaddr *)&address, len) < 0)
        abort();
    *ret_peer = accept(listener, NULL, NULL);
    close(listener);
    while (send(fd, data, sizeof data, MSG_DONTWAIT) > 0)
        ;
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1, .l_linger = 20}, sizeof(struct linger)) < 0)
        abort();
    return fd;
}

static void test_channel_sent_descriptors(void)
{
    for (int unread = 0; unread < 2; unread++) { /* read, or still unread when the session ends */
        boot();
        int end, fd = lingering(&end);
        struct err err;
        int64_t began = clock_mono_us();
        CU_ASSERT(fd_send(peer.channel, "x", 1, &fd, 1, &err) == 0);
        close(fd);
        if (!unread) {
            CU_ASSERT(peer_until(&peer.seen.broken, 1));
            CU_ASSERT_STRING_EQUAL(peer.seen.why, "the runtime sent descriptors");
        }
        peer_close();
        CU_ASSERT(clock_mono_us() - began < 10 * 1000 * 1000);
        close(end);
    }
}

static void test_channel_bad_headers(void)
{
    static const unsigned char headers[][CHANNEL_HEADER_BYTES] = {
        {CHANNEL_BOOTED, 1},
        {CHANNEL_BOOTED, 0, 1},
        {CHANNEL_BOOTED, 0, 0, 1},
        {CHANNEL_BOOTED, 0, 0, 0, 1, 0, 4}, /* meta of 256 KiB + 1 */
        {CHANNEL_BOOTED, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
        {CHANNEL_RESPONSE, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
        {CHANNEL_RESPONSE, 0, 0, 0, 0, 0, 0, 0, 0x65, 4, 0x60, 0}, /* the limit and one */
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        peer_open();
        peer_send_bytes(peer.channel, headers[i], CHANNEL_HEADER_BYTES);
        CU_ASSERT(peer_until(&peer.seen.broken, 1));
        peer_close();
    }
    peer_open();
    peer_send_bytes(peer.channel, headers, 5);
    close(peer.channel);
    peer.channel = -1;
    CU_ASSERT(peer_until(&peer.seen.broken, 1));
    CU_ASSERT_STRING_EQUAL(peer.seen.why, "the channel ended inside a frame");
    peer_close();
}

static void test_channel_byte_by_byte(void)
{
    static const char frames[] = "\x10\0\0\0\0\0\0\0\0\0\0\0"
                                 "\x11\0\0\0\0\0\0\0\0\0\0\0";
    peer_open();
    for (size_t i = 0; i < sizeof frames - 1; i++) {
        peer_send_bytes(peer.channel, frames + i, 1);
        peer_run(0);
    }
    CU_ASSERT(peer_until(&peer.seen.ready, 1));
    CU_ASSERT(peer.seen.booted == 1 && peer.seen.broken == 0);
    peer_close();
    peer_open();
    peer_send_bytes(peer.channel, frames, sizeof frames - 1); /* and both at once */
    CU_ASSERT(peer_until(&peer.seen.ready, 1));
    peer_close();
}

static void test_channel_large(void)
{
    char *big = malloc(PAYLOAD_MAX + 2);
    memset(big, 'b', PAYLOAD_MAX + 1);
    big[PAYLOAD_MAX] = '\0';
    boot();
    peer_invoke("r", big); /* more than the socket takes at once */
    take_event("r", big);
    big[PAYLOAD_MAX] = 'b';
    peer_frame(CHANNEL_RESPONSE, "r\0t", 4, big, PAYLOAD_MAX);
    CU_ASSERT(peer_until(&peer.seen.response, 1));
    CU_ASSERT(peer.seen.body_len == PAYLOAD_MAX);
    peer_invoke("s", "1");
    take_event("s", "1");
    peer_frame(CHANNEL_RESPONSE, "s\0t", 4, big, PAYLOAD_MAX + 1);
    CU_ASSERT(peer_until(&peer.seen.too_large, 1));
    CU_ASSERT(peer.seen.too_large_len == PAYLOAD_MAX + 1 && peer.seen.idle == 2);
    free(big);
    peer_close();
}

static char *text_of(size_t len)
{
    char *text = malloc(len + 1);
    memset(text, 'b', len);
    text[len] = '\0';
    return text;
}

static void test_channel_answer_before_event_is_read(void)
{
    const size_t len = LIMIT_IDLE_BUFFERED_BYTES - 1000;
    char *big = text_of(len);
    boot();
    peer_invoke("r", big);
    peer_frame(CHANNEL_RESPONSE, "r\0t", 4, "1", 1);
    CU_ASSERT(peer.seen.response == 1);
    memset(big, 'x', len); /* its owner may do so now */
    peer_invoke("s", "next");
    memset(big, 'b', len);
    take_event("r", big);
    take_event("s", "next");
    free(big);
    peer_close();
}

/* A frozen sandbox does not take it, and there may be thousands. */
static void test_channel_answer_to_much_unread(void)
{
    char *big = text_of(PAYLOAD_MAX);
    boot();
    peer_invoke("r", big);
    peer_frame(CHANNEL_RESPONSE, "r\0t", 4, "1", 1);
    CU_ASSERT(peer_until(&peer.seen.broken, 1));
    CU_ASSERT_EQUAL(peer.seen.response, 0);
    free(big);
    peer_close();
}

static void test_channel_types_are_cleaned(void)
{
    boot();
    peer_invoke("r", "1");
    peer_frame(CHANNEL_RESPONSE, "r\0text/html\r\nX: y", 18, "1", 1);
    CU_ASSERT_STRING_EQUAL(peer.seen.content_type, "application/octet-stream");
    peer_invoke("r", "1");
    peer_frame(CHANNEL_RESPONSE, "r\0", 3, "1", 1);
    CU_ASSERT_STRING_EQUAL(peer.seen.content_type, "application/json");
    peer_invoke("r", "1");
    peer_frame(CHANNEL_ERROR, "r\0Function.A\r\nX: y", 19, "{}", 2);
    CU_ASSERT_STRING_EQUAL(peer.seen.type, "Function.Unknown");
    CU_ASSERT(peer.seen.response == 2 && peer.seen.error == 1);
    peer_close();
}

static void test_channel_start_too_large(void)
{
    struct err err;
    char *value = malloc(CHANNEL_META_BYTES_MAX + 1);
    memset(value, 'v', CHANNEL_META_BYTES_MAX);
    value[CHANNEL_META_BYTES_MAX] = '\0';
    const char *env[] = {value};
    peer_open();
    CU_ASSERT(session_start(peer.session, env, 1, &err) == -ERR_TOO_LARGE);
    free(value);
    close(peer.channel);
    peer.channel = -1;
    peer_run(5);
    CU_ASSERT(session_start(peer.session, NULL, 0, &err) == -ERR_UNAVAILABLE);
    peer_close();
}

static void test_channel_renew(void)
{
    struct err err;
    int channel[2], log[2];
    boot();
    peer_invoke("r", "1");
    int c = peer_connect(), old = peer.channel;
    peer_send(c, "POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nContent-Length: 9\r\n\r\n1");
    peer_run(2);
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, channel) == 0 && pipe(log) == 0);
    CU_ASSERT(session_renew(peer.session, channel[0], log[0], &err) == 0);
    close(old);
    close(peer.log);
    peer.channel = channel[1];
    peer.log = log[1];
    CU_ASSERT_FALSE(session_is_idle(peer.session));
    CU_ASSERT_FALSE(peer_is_open(c));
    peer_frame(CHANNEL_BOOTED, NULL, 0, NULL, 0);
    peer_frame(CHANNEL_READY, NULL, 0, NULL, 0);
    CU_ASSERT(peer.seen.ready == 2 && peer.seen.broken == 0);
    peer_invoke("r", "2");
    take_event("r", "2");
    CU_ASSERT(write(peer.log, "new\n", 4) == 4);
    peer_run(5);
    CU_ASSERT_STRING_EQUAL(peer.seen.log, "new\n");
    close(c);
    peer_close();
}

static void free_hook(const char *event)
{
    if (strcmp(event, "log") == 0)
        return;
    session_free(peer.session);
    peer.session = NULL;
}

static void renew_hook(const char *event)
{
    struct err err;
    if (strcmp(event, "response") == 0)
        CU_ASSERT(session_renew(peer.session, -1, -1, &err) == 0);
}

static void test_channel_freed_in_callbacks(void)
{
    static const int frames[] = {CHANNEL_BOOTED, CHANNEL_READY, CHANNEL_INIT_ERROR, CHANNEL_EXEC_FAILED, CHANNEL_RESPONSE, 99};
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        if (i == 0)
            peer_open();
        else
            boot();
        if (frames[i] == CHANNEL_RESPONSE)
            peer_invoke("r", "1");
        peer.hook = free_hook;
        if (frames[i] == CHANNEL_RESPONSE)
            peer_frame(CHANNEL_RESPONSE, "r\0t", 4, "the body is read in the callback", 32);
        else /* in the wrong place mostly: broken is a callback too */
            peer_frame(frames[i], NULL, 0, NULL, 0);
        CU_ASSERT_PTR_NULL(peer.session);
        peer_close();
    }
    boot();
    peer_invoke("r", "1");
    peer.hook = renew_hook;
    peer_frame(CHANNEL_RESPONSE, "r\0t", 4, "1", 1);
    CU_ASSERT(peer.seen.response == 1 && peer.seen.idle == 0);
    peer_close();
}

/* ---- the log pipe ---- */

static void test_log_pause_and_drain(void)
{
    peer_open();
    CU_ASSERT(write(peer.log, "one\n", 4) == 4);
    peer_run(5);
    CU_ASSERT_STRING_EQUAL(peer.seen.log, "one\n");
    session_read_log(peer.session, false);
    session_read_log(peer.session, false);
    CU_ASSERT(write(peer.log, "two\n", 4) == 4);
    peer_run(5);
    CU_ASSERT_STRING_EQUAL(peer.seen.log, "one\n");
    session_drain_log(peer.session);
    CU_ASSERT_STRING_EQUAL(peer.seen.log, "one\ntwo\n");
    CU_ASSERT(write(peer.log, "three\n", 6) == 6);
    close(peer.log); /* hung up and paused: no busy loop, and nothing lost */
    peer.log = -1;
    peer_run(5);
    CU_ASSERT_STRING_EQUAL(peer.seen.log, "one\ntwo\n");
    session_read_log(peer.session, true);
    session_read_log(peer.session, true);
    peer_run(5);
    CU_ASSERT_STRING_EQUAL(peer.seen.log, "one\ntwo\nthree\n");
    session_read_log(peer.session, false);
    session_read_log(peer.session, true);
    session_drain_log(peer.session);
    peer_close();
}

static void pause_hook(const char *event)
{
    if (strcmp(event, "log") == 0)
        session_read_log(peer.session, false);
}

static void test_log_paused_in_callback(void)
{
    peer_open();
    peer.hook = pause_hook;
    CU_ASSERT(write(peer.log, "a", 1) == 1);
    peer_run(5);
    CU_ASSERT(write(peer.log, "b", 1) == 1);
    peer_run(5);
    CU_ASSERT_STRING_EQUAL(peer.seen.log, "a");
    session_drain_log(peer.session);
    CU_ASSERT_STRING_EQUAL(peer.seen.log, "ab");
    peer_close();
}

TEST_MAIN("channel_io", TEST(test_channel_life), TEST(test_channel_init_error), TEST(test_channel_exec), TEST(test_channel_and_http),
          TEST(test_channel_breaks), TEST(test_channel_sent_descriptors), TEST(test_channel_bad_headers), TEST(test_channel_byte_by_byte),
          TEST(test_channel_large), TEST(test_channel_answer_before_event_is_read), TEST(test_channel_answer_to_much_unread),
          TEST(test_channel_types_are_cleaned), TEST(test_channel_start_too_large), TEST(test_channel_renew),
          TEST(test_channel_freed_in_callbacks), TEST(test_log_pause_and_drain), TEST(test_log_paused_in_callback))
