/* The Extensions API: registration, events, who keeps an invocation open, errors in Lambda's words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "runtime-api/channel.h"
#include "tests/unit/cunit.h"
#include "tests/unit/runtime_api/peer.h"

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define EXTENSION "/2020-01-01/extension"

struct one {
    int fd;
    char id[64];
};

static struct peer_answer *ask_register(int fd, const char *name, const char *events)
{
    char headers[256];
    snprintf(headers, sizeof headers, "Lambda-Extension-Name: %s\r\n", name);
    return peer_post(fd, EXTENSION "/register", headers, events);
}

static struct one registered(const char *name, const char *events)
{
    struct one one = {.fd = peer_connect()};
    struct peer_answer *a = ask_register(one.fd, name, events);
    CU_ASSERT_FATAL(a && a->status == 200);
    snprintf(one.id, sizeof one.id, "%s", peer_header(a, "Lambda-Extension-Identifier"));
    CU_ASSERT(strlen(one.id) == 36);
    return one;
}

static void ask_next(const struct one *one)
{
    char text[256];
    snprintf(text, sizeof text, "GET " EXTENSION "/event/next HTTP/1.1\r\nLambda-Extension-Identifier: %s\r\n\r\n", one->id);
    peer_send(one->fd, text);
    peer_run(2);
}

static bool is_error(const struct peer_answer *a, const char *type)
{
    bool same = a && a->status == 403 && strstr(a->body, type);
    if (!same)
        fprintf(stderr, "  got %d %s\n", a ? a->status : 0, a ? a->body : "nothing");
    return same;
}

static struct peer_answer *report(const struct one *one, const char *path, const char *type)
{
    char headers[256];
    snprintf(headers, sizeof headers, "Lambda-Extension-Identifier: %s\r\n%s%s%s", one->id,
             type ? "Lambda-Extension-Function-Error-Type: " : "", type ? type : "", type ? "\r\n" : "");
    return peer_post(one->fd, path, headers, "{}");
}

static void respond(int c)
{
    struct peer_answer *a = peer_answer(c);
    CU_ASSERT(a && a->status == 200);
    a = peer_post(c, "/2018-06-01/runtime/invocation/r/response", "", "1");
    CU_ASSERT(a && a->status == 202);
}

static void test_extension_register(void)
{
    peer_open();
    int c = peer_connect();
    struct peer_answer *a = ask_register(c, "internal", "{\"events\":null}");
    CU_ASSERT_FATAL(a && a->status == 200);
    CU_ASSERT_STRING_EQUAL(a->body, "{\"functionName\":\"fun\",\"functionVersion\":\"$LATEST\",\"handler\":\"a.handler\"}\n");
    a = peer_post(c, EXTENSION "/register", "Lambda-Extension-Name: b\r\nLambda-Extension-Accept-Feature: x, accountId\r\n", "{}");
    CU_ASSERT(a && a->status == 200 && strstr(a->body, "\"accountId\":\"000000000000\""));
    CU_ASSERT(is_error(ask_register(c, "internal", "{}"), "Extension.InvalidExtensionState"));
    CU_ASSERT(is_error(ask_register(c, "", "{}"), "Extension.InvalidExtensionName"));
    CU_ASSERT(is_error(peer_post(c, EXTENSION "/register", "", "{}"), "Extension.InvalidExtensionName"));
    CU_ASSERT(is_error(ask_register(c, "c", ""), "InvalidRequestFormat"));
    CU_ASSERT(is_error(ask_register(c, "c", "[]"), "InvalidRequestFormat"));
    CU_ASSERT(is_error(ask_register(c, "c", "{\"events\":1}"), "InvalidRequestFormat"));
    CU_ASSERT(is_error(ask_register(c, "c", "{\"events\":[1]}"), "Extension.InvalidEventType"));
    CU_ASSERT(is_error(ask_register(c, "c", "{\"events\":[\"invoke\"]}"), "Extension.InvalidEventType"));
    a = ask_register(c, "c", "{\"events\":[\"SHUTDOWN\"]}");
    CU_ASSERT(is_error(a, "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"));
    CU_ASSERT(is_error(ask_register(c, "c", "{\"configurationKeys\":[\"a\"]}"), "InvalidRequestFormat"));
    CU_ASSERT(session_extension_count(peer.session) == 2);
    char *large = calloc(1, 66 * 1024);
    memset(large, ' ', 66 * 1024 - 1);
    CU_ASSERT(is_error(ask_register(c, "c", large), "InvalidRequestFormat"));
    free(large);
    for (int i = 2; i < 10; i++) {
        char name[8];
        snprintf(name, sizeof name, "e%d", i);
        a = ask_register(c, name, "{\"events\":[\"INVOKE\"]}");
        CU_ASSERT(a && a->status == 200);
    }
    CU_ASSERT(is_error(ask_register(c, "e10", "{}"), "Extension.TooManyExtensions"));
    close(c);
    peer_close();
}

static void test_extension_closed_registration(void)
{
    peer_open();
    int c = peer_ready(), d = peer_connect();
    CU_ASSERT(is_error(ask_register(d, "late", "{}"), "Extension.RegistrationClosed"));
    close(c);
    close(d);
    peer_close();
}

static void test_extension_identifiers(void)
{
    static const struct {
        const char *id, *type;
    } cases[] = {
        {"", "Extension.MissingExtensionIdentifier"},
        {"nonsense", "Extension.InvalidExtensionIdentifier"},
        {"00000000-0000-0000-0000-00000000000g", "Extension.InvalidExtensionIdentifier"},
        {"00000000-0000-4000-8000-000000000000", "Extension.UnknownExtensionIdentifier"},
    };
    peer_open();
    struct err err;
    CU_ASSERT(session_expect_extension(peer.session, "external", &err) == 0); /* has no identifier yet */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct one one = {.fd = peer_connect()};
        snprintf(one.id, sizeof one.id, "%s", cases[i].id);
        ask_next(&one);
        CU_ASSERT(is_error(peer_answer(one.fd), cases[i].type));
        CU_ASSERT(is_error(report(&one, EXTENSION "/init/error", "a.b"), cases[i].type));
        CU_ASSERT(is_error(report(&one, EXTENSION "/exit/error", "a.b"), cases[i].type));
        close(one.fd);
    }
    peer_close();
}

static void test_extension_keeps_invocation_open(void)
{
    peer_open();
    struct one e = registered("worker", "{\"events\":[\"INVOKE\"]}");
    struct one quiet = registered("sigterm-helper", "{\"events\":[]}");
    int c = peer_connect();
    peer_send(c, NEXT);
    peer_run(10);
    CU_ASSERT(peer.seen.ready == 0); /* init waits for all of them */
    ask_next(&e);
    CU_ASSERT(peer.seen.ready == 0);
    ask_next(&quiet);
    CU_ASSERT(peer.seen.ready == 1);
    for (int i = 1; i <= 2; i++) {
        peer_invoke("r", "1");
        struct peer_answer *a = peer_answer(e.fd);
        CU_ASSERT_FATAL(a && a->status == 200);
        CU_ASSERT(strstr(a->body, "{\"eventType\":\"INVOKE\",\"deadlineMs\":1") == a->body);
        CU_ASSERT(strstr(a->body, "\"requestId\":\"r\",\"invokedFunctionArn\":\"arn:aws:lambda:us-east-1:000000000000:function:fun\","
                                  "\"tracing\":{\"type\":\"X-Amzn-Trace-Id\",\"value\":\"Root=1-2-3\"}}") != NULL);
        CU_ASSERT(strlen(peer_header(a, "Lambda-Extension-Event-Identifier")) == 36);
        respond(c);
        CU_ASSERT(peer.seen.response == i);
        peer_send(c, NEXT);
        peer_run(10);
        CU_ASSERT(peer.seen.idle == i - 1 && !session_is_idle(peer.session));
        ask_next(&e);
        CU_ASSERT(peer.seen.idle == i && session_is_idle(peer.session));
    }
    CU_ASSERT(peer_is_open(quiet.fd)); /* never heard of any of it */
    close(c);
    close(e.fd);
    close(quiet.fd);
    peer_close();
}

static void test_extension_states(void)
{
    peer_open();
    struct one e = registered("e", "{\"events\":[\"INVOKE\"]}");
    int c = peer_connect();
    peer_send(c, NEXT);
    ask_next(&e);
    CU_ASSERT(peer.seen.ready == 1);
    struct one again = e;
    again.fd = peer_connect();
    ask_next(&again); /* while the first still waits */
    struct peer_answer *a = peer_answer(again.fd);
    CU_ASSERT(is_error(a, "Extension.InvalidExtensionState"));
    CU_ASSERT(strstr(a->body, "State transition from Ready to Ready failed for extension ") != NULL);
    CU_ASSERT(is_error(report(&again, EXTENSION "/init/error", "a.b"), "from Ready to InitError failed"));
    close(e.fd); /* its connection breaks while it waits */
    peer_run(5);
    peer_invoke("r", "1");
    respond(c);
    peer_send(c, NEXT);
    peer_run(5);
    CU_ASSERT(peer.seen.idle == 0);
    ask_next(&again); /* it had not seen the event yet */
    a = peer_answer(again.fd);
    CU_ASSERT(a && a->status == 200 && strstr(a->body, "INVOKE"));
    ask_next(&again);
    CU_ASSERT(peer.seen.idle == 1);
    close(again.fd);
    peer_run(5);
    again.fd = peer_connect();
    ask_next(&again); /* back before anything happened */
    peer_invoke("r", "1");
    a = peer_answer(again.fd);
    CU_ASSERT(a && a->status == 200);
    close(again.fd);
    close(c);
    peer_close();
}

static void test_extension_external(void)
{
    struct err err;
    peer_open();
    CU_ASSERT(session_expect_extension(peer.session, "agent", &err) == 0);
    CU_ASSERT(session_expect_extension(peer.session, "agent", &err) == -ERR_EXISTS);
    int c = peer_connect();
    peer_send(c, NEXT);
    peer_run(10);
    CU_ASSERT(peer.seen.ready == 0 && session_extension_count(peer.session) == 0);
    struct one e = registered("agent", "{\"events\":[\"SHUTDOWN\",\"INVOKE\"]}");
    CU_ASSERT(session_extension_count(peer.session) == 1);
    CU_ASSERT(is_error(ask_register(e.fd, "agent", "{}"), "State transition from Registered to Registered failed for extension agent"));
    ask_next(&e);
    CU_ASSERT(peer.seen.ready == 1);
    CU_ASSERT(session_shutdown(peer.session, "spindown", 1234) == 1);
    struct peer_answer *a = peer_answer(e.fd);
    CU_ASSERT_FATAL(a && a->status == 200);
    CU_ASSERT_STRING_EQUAL(a->body, "{\"eventType\":\"SHUTDOWN\",\"deadlineMs\":1234,\"shutdownReason\":\"spindown\"}");
    close(e.fd);
    close(c);
    peer_close();

    peer_open(); /* the shutdown comes while it works */
    CU_ASSERT(session_expect_extension(peer.session, "agent", &err) == 0);
    e = registered("agent", "{\"events\":[\"SHUTDOWN\"]}");
    CU_ASSERT(session_shutdown(peer.session, "timeout", 5) == 1);
    ask_next(&e);
    a = peer_answer(e.fd);
    CU_ASSERT(a && strstr(a->body, "\"shutdownReason\":\"timeout\""));
    close(e.fd);
    for (int i = 1; i < 10; i++) {
        char name[8];
        snprintf(name, sizeof name, "e%d", i);
        CU_ASSERT(session_expect_extension(peer.session, name, &err) == 0);
    }
    CU_ASSERT(session_expect_extension(peer.session, "too-many", &err) == -ERR_LIMIT);
    peer_close();
}

static void test_extension_errors(void)
{
    peer_open();
    struct one e = registered("e", "{}");
    CU_ASSERT(is_error(report(&e, EXTENSION "/init/error", NULL), "Extension.MissingHeader"));
    CU_ASSERT(peer.seen.init_error == 0);
    struct peer_answer *a = report(&e, EXTENSION "/init/error", "Extension.NoConfig");
    CU_ASSERT(a && a->status == 202);
    CU_ASSERT(peer.seen.init_error == 1);
    CU_ASSERT_STRING_EQUAL(peer.seen.type, "Extension.InitError");
    CU_ASSERT_STRING_EQUAL(peer.seen.body,
                           "{\"errorMessage\":\"extension e failed: Extension.NoConfig\",\"errorType\":\"Extension.InitError\"}");
    a = report(&e, EXTENSION "/init/error", "Again");
    CU_ASSERT(a && a->status == 202 && peer.seen.init_error == 1); /* the first counts */
    CU_ASSERT(is_error(report(&e, EXTENSION "/exit/error", "Again"), "from InitError to Exited failed"));
    close(e.fd);
    peer_close();

    peer_open();
    e = registered("e", "{\"events\":[\"INVOKE\"]}");
    int c = peer_connect();
    peer_send(c, NEXT);
    ask_next(&e);
    peer_invoke("r", "1");
    CU_ASSERT(peer_answer(e.fd) != NULL);
    char headers[256];
    snprintf(headers, sizeof headers,
             "POST " EXTENSION "/exit/error HTTP/1.1\r\nLambda-Extension-Identifier: %s\r\n"
             "Lambda-Extension-Function-Error-Type: Bad\x80\r\nContent-Length: 0\r\n\r\n",
             e.id);
    struct peer_answer *accepted = peer_ask(e.fd, headers);
    CU_ASSERT(accepted && accepted->status == 202);
    CU_ASSERT(peer_until(&peer.seen.broken, 1));
    CU_ASSERT_STRING_EQUAL(peer.seen.why, "extension e failed: Bad?");
    close(e.fd);
    close(c);
    peer_close();
}

/* An extension beside one of our own runtimes, which do not speak HTTP. */
static void test_extension_beside_channel(void)
{
    peer_open();
    peer_frame(CHANNEL_BOOTED, NULL, 0, NULL, 0);
    struct one e = registered("e", "{\"events\":[\"INVOKE\"]}");
    peer_frame(CHANNEL_READY, NULL, 0, NULL, 0);
    CU_ASSERT(peer.seen.ready == 0);
    ask_next(&e);
    CU_ASSERT(peer.seen.ready == 1);
    peer_invoke("r", "1");
    CU_ASSERT(peer_answer(e.fd) != NULL);
    peer_frame(CHANNEL_RESPONSE, "r\0t", 4, "1", 1);
    CU_ASSERT(peer.seen.response == 1 && peer.seen.idle == 0);
    ask_next(&e);
    CU_ASSERT(peer.seen.idle == 1);
    close(e.fd);
    peer_close();
}

static void test_extension_telemetry(void)
{
    peer_open();
    struct one e = registered("e", "{}");
    char text[512];
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "PUT %s HTTP/1.1\r\nLambda-Extension-Identifier: %s\r\nContent-Length: 2\r\n\r\n{}",
                 i ? "/2020-08-15/logs" : "/2022-07-01/telemetry", e.id);
        struct peer_answer *a = peer_ask(e.fd, text);
        CU_ASSERT(a && a->status == 202 && strstr(a->body, i ? "Logs.NotSupported" : "Telemetry.NotSupported"));
    }
    close(e.fd);
    peer_close();
}

/* What the worker's end of the channel holds, which is not much. */
static size_t channel_bytes(unsigned char *out, size_t cap)
{
    peer_run(5);
    ssize_t n = recv(peer.channel, out, cap, MSG_DONTWAIT);
    return n > 0 ? (size_t)n : 0;
}

/* The worker is told to start the extension, in its part of the environment; the runtime when it has registered. */
static void test_extension_starts_before_runtime(void)
{
    static const char *const env[] = {"A=b", "_HANDLER=h", "LAMBDA_TASK_ROOT=/var/task", "AWS_REGION=r"};
    static const char meta[] = "/opt/extensions/agent\0A=b\0AWS_REGION=r";
    static const char start[] = "A=b\0_HANDLER=h\0LAMBDA_TASK_ROOT=/var/task\0AWS_REGION=r";
    unsigned char got[512];
    struct err err;
    peer_open();
    CU_ASSERT(session_expect_extension(peer.session, "agent", &err) == 0);
    CU_ASSERT(session_start(peer.session, env, sizeof env / sizeof *env, &err) == 0);
    CU_ASSERT_FATAL(channel_bytes(got, sizeof got) == CHANNEL_HEADER_BYTES + sizeof meta);
    CU_ASSERT(got[0] == CHANNEL_EXTENSION && memcmp(got + CHANNEL_HEADER_BYTES, meta, sizeof meta) == 0);
    struct one e = registered("agent", "{}");
    CU_ASSERT_FATAL(channel_bytes(got, sizeof got) == CHANNEL_HEADER_BYTES + sizeof start);
    CU_ASSERT(got[0] == CHANNEL_START && memcmp(got + CHANNEL_HEADER_BYTES, start, sizeof start) == 0);
    close(e.fd);
    peer_close();
}

/* The runtime is ready, an extension is not and never will be: that is init's failure. */
static void test_extension_fails_after_runtime_is_ready(void)
{
    peer_open();
    struct one e = registered("e", "{}");
    int c = peer_connect();
    peer_send(c, NEXT);
    peer_run(10);
    struct peer_answer *a = report(&e, EXTENSION "/init/error", "Extension.NoConfig");
    CU_ASSERT(a && a->status == 202 && peer.seen.init_error == 1 && peer.seen.broken == 0 && peer.seen.ready == 0);
    close(e.fd);
    close(c);
    peer_close();
}

TEST_MAIN("extensions", TEST(test_extension_register), TEST(test_extension_closed_registration), TEST(test_extension_identifiers),
          TEST(test_extension_keeps_invocation_open), TEST(test_extension_states), TEST(test_extension_external),
          TEST(test_extension_starts_before_runtime), TEST(test_extension_fails_after_runtime_is_ready), TEST(test_extension_errors),
          TEST(test_extension_beside_channel), TEST(test_extension_telemetry))
