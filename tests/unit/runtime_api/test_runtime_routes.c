/* The Runtime API's routes as Lambda answers them: states, ids, bodies, header rules. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime-api/runtime_state.h"
#include "tests/unit/cunit.h"
#include "tests/unit/runtime_api/peer.h"

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define PAYLOAD_MAX 6291556

static const char accepted[] = "{\"status\":\"OK\"}\n";
static const char invalid_id[] = "{\"errorMessage\":\"Invalid request ID\",\"errorType\":\"InvalidRequestID\"}\n";

static const char *forbidden(const char *from, const char *to)
{
    static char text[512];
    snprintf(text, sizeof text,
             "{\"errorMessage\":\"State transition from %s to %s failed for runtime. Error: State transition is not "
             "allowed\",\"errorType\":\"InvalidStateTransition\"}\n",
             from, to);
    return text;
}

static bool is(const struct peer_answer *a, int status, const char *body)
{
    bool same = a && a->status == status && strcmp(a->body, body) == 0;
    if (!same)
        fprintf(stderr, "  got %d %s\n", a ? a->status : 0, a ? a->body : "nothing");
    return same;
}

static void test_routes_whole_visit(void)
{
    peer_open();
    int c = peer_ready();
    CU_ASSERT(session_is_idle(peer.session));
    for (int i = 1; i <= 3; i++) {
        char path[128], body[32], id[16];
        snprintf(id, sizeof id, "id-%d", i);
        snprintf(body, sizeof body, "{\"n\":%d}", i);
        peer_invoke(id, body);
        CU_ASSERT_FALSE(session_is_idle(peer.session));
        struct peer_answer *a = peer_answer(c);
        CU_ASSERT_FATAL(is(a, 200, body));
        CU_ASSERT_STRING_EQUAL(peer_header(a, "Lambda-Runtime-Aws-Request-Id"), id);
        CU_ASSERT_STRING_EQUAL(peer_header(a, "Content-Type"), "application/json");
        CU_ASSERT(atoll(peer_header(a, "Lambda-Runtime-Deadline-Ms")) > 1700000000000);
        CU_ASSERT_STRING_EQUAL(peer_header(a, "Lambda-Runtime-Trace-Id"), "Root=1-2-3");
        CU_ASSERT_PTR_NULL(peer_header(a, "Lambda-Runtime-Client-Context"));
        CU_ASSERT_PTR_NULL(peer_header(a, "Lambda-Runtime-Cognito-Identity"));
        CU_ASSERT_PTR_NULL(peer_header(a, "Lambda-Runtime-Aws-Tenant-Id"));
        CU_ASSERT(strlen(peer_header(a, "Lambda-Runtime-Invocation-Id")) == 36);
        snprintf(path, sizeof path, "/2018-06-01/runtime/invocation/%s/response", id);
        a = peer_post(c, path, "Content-Type: text/x\r\n", "done");
        CU_ASSERT(is(a, 202, accepted));
        CU_ASSERT(peer.seen.response == i && peer.seen.idle == i - 1);
        CU_ASSERT_STRING_EQUAL(peer.seen.body, "done");
        CU_ASSERT_STRING_EQUAL(peer.seen.content_type, "text/x");
        peer_send(c, NEXT);
        CU_ASSERT(peer_until(&peer.seen.idle, i));
    }
    CU_ASSERT(peer.seen.ready == 1 && peer.seen.broken == 0);
    close(c);
    peer_close();
}

static void test_routes_ids(void)
{
    peer_open();
    int c = peer_connect();
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/x/response", "", "1"), 400, invalid_id));
    close(c);
    c = peer_ready();
    peer_invoke("now", "{}");
    struct peer_answer *a = peer_answer(c);
    char header[128];
    snprintf(header, sizeof header, "Lambda-Runtime-Invocation-Id: %s\r\n", peer_header(a, "Lambda-Runtime-Invocation-Id"));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/other/response", "", "1"), 400, invalid_id));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/other/error", "", "1"), 400, invalid_id));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/now/response",
                           "Lambda-Runtime-Invocation-Id: 00000000-0000-4000-8000-000000000000\r\n", "1"),
                 400, invalid_id));
    CU_ASSERT(peer.seen.response == 0 && peer.seen.error == 0);
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/now/response", header, "1"), 202, accepted));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/now/response", "", "2"), 403,
                 forbidden("RuntimeResponseSentState", "InvocationResponse")));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/now/error", "", "2"), 403,
                 forbidden("RuntimeResponseSentState", "InvocationErrorResponse")));
    CU_ASSERT(peer.seen.response == 1 && peer.seen.error == 0);
    peer_send(c, NEXT);
    CU_ASSERT(peer_until(&peer.seen.idle, 1));
    peer_invoke("later", "{}");
    CU_ASSERT_PTR_NOT_NULL(peer_answer(c));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/now/response", "", "late"), 400, invalid_id));
    close(c);
    peer_close();
}

static void test_routes_next_twice(void)
{
    char first[64];
    peer_open();
    int c = peer_ready();
    peer_invoke("r", "[1]");
    struct peer_answer *a = peer_answer(c);
    snprintf(first, sizeof first, "%s", peer_header(a, "Lambda-Runtime-Invocation-Id"));
    a = peer_ask(c, NEXT);
    CU_ASSERT(is(a, 200, "[1]"));
    CU_ASSERT_STRING_EQUAL(peer_header(a, "Lambda-Runtime-Invocation-Id"), first);
    close(c);
    peer_run(5);
    c = peer_connect(); /* the connection broke, the client asks again */
    CU_ASSERT(is(peer_ask(c, NEXT), 200, "[1]"));
    CU_ASSERT(peer.seen.broken == 0);
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/r/response", "", "1"), 202, accepted));
    close(c);
    peer_close();
}

static void test_routes_parked_connection_is_replaced(void)
{
    peer_open();
    int a = peer_ready();
    close(a);
    peer_run(5);
    CU_ASSERT(session_is_idle(peer.session));
    peer_invoke("r", "1"); /* nobody waits just now: whoever asks next gets it */
    int b = peer_connect();
    CU_ASSERT(is(peer_ask(b, NEXT), 200, "1"));
    close(b);
    peer_close();
}

static void test_routes_init_error(void)
{
    peer_open();
    int c = peer_connect();
    struct peer_answer *a = peer_post(c, "/2018-06-01/runtime/init/error",
                                      "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\n"
                                      "Lambda-Runtime-Function-XRay-Error-Cause: {\"message\":\"m\"}\r\n",
                                      "{\"errorMessage\":\"no\"}");
    CU_ASSERT(is(a, 202, accepted));
    CU_ASSERT(peer.seen.init_error == 1);
    CU_ASSERT_STRING_EQUAL(peer.seen.type, "Runtime.ImportModuleError");
    CU_ASSERT_STRING_EQUAL(peer.seen.body, "{\"errorMessage\":\"no\"}");
    CU_ASSERT_STRING_EQUAL(peer.seen.cause, "{\"message\":\"m\"}");
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/init/error", "", "{}"), 403, forbidden("InitError", "InitError")));
    CU_ASSERT(is(peer_ask(c, NEXT), 403, forbidden("InitError", "Ready")));
    CU_ASSERT(peer.seen.init_error == 1 && peer.seen.ready == 0);
    close(c);
    peer_close();
}

static void test_routes_init_error_while_running(void)
{
    peer_open();
    int c = peer_ready();
    peer_invoke("r", "1");
    CU_ASSERT_PTR_NOT_NULL(peer_answer(c));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/init/error", "", "{}"), 403, forbidden("Running", "InitError")));
    close(c);
    peer_close();
}

static void test_routes_handler_error(void)
{
    static const struct {
        const char *headers, *body, *type, *told;
    } cases[] = {
        {"Lambda-Runtime-Function-Error-Type: Function.Oops\r\n", "{}", "Function.Oops", "{}"},
        {"Lambda-Runtime-Function-Error-Type: Function.oops\r\n", "{}", "Function.Unknown", "{}"},
        {"Lambda-Runtime-Function-Error-Type: ValueError\r\n", "{}", "Runtime.Unknown", "{}"},
        {"Lambda-Runtime-Function-Error-Type: Runtime.A\x80\r\n", "{}", "Runtime.Unknown", "{}"},
        {"", "{\"errorType\":\"Runtime.Gone\"}", "Runtime.Gone", "{\"errorType\":\"Runtime.Gone\"}"},
        {"", "{\"errorType\":\"ValueError\"}", "Runtime.Unknown", "{\"errorType\":\"ValueError\"}"},
        {"", "not json", "Runtime.Unknown", "not json"},
        {"", "", "Runtime.Unknown", ""},
        {"Content-Type: application/vnd.aws.lambda.error.cause+json\r\n",
         "{\"errorMessage\":\"m\",\"errorType\":\"T\",\"stackTrace\":[\"s\"],\"errorCause\":{\"message\":\"c\"},\"x\":1}",
         "Runtime.Unknown", "{\"errorMessage\":\"m\",\"errorType\":\"T\",\"stackTrace\":[\"s\"]}"},
        {"Content-Type: application/vnd.aws.lambda.error.cause+json\r\n", "oops", "Runtime.Unknown", "\"Invalid error body\""},
    };
    peer_open();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int c = peer_ready();
        peer_invoke("r", "1");
        CU_ASSERT_PTR_NOT_NULL(peer_answer(c));
        CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/r/error", cases[i].headers, cases[i].body), 202, accepted));
        CU_ASSERT_STRING_EQUAL(peer.seen.type, cases[i].type);
        CU_ASSERT_STRING_EQUAL(peer.seen.body, cases[i].told);
        CU_ASSERT_STRING_EQUAL(peer.seen.cause, i == 8 ? "{\"message\":\"c\"}" : "");
        close(c);
    }
    CU_ASSERT(peer.seen.error == (int)(sizeof cases / sizeof *cases));
    peer_close();
}

static void test_routes_largest_payload(void)
{
    char head[256];
    char *body = malloc(PAYLOAD_MAX + 2);
    memset(body, 'a', PAYLOAD_MAX + 1);
    peer_open();
    for (size_t over = 0; over < 2; over++) {
        int c = peer_ready();
        peer_invoke("r", "1");
        CU_ASSERT_PTR_NOT_NULL(peer_answer(c));
        snprintf(head, sizeof head, "POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nContent-Length: %zu\r\n\r\n",
                 PAYLOAD_MAX + over);
        peer_send(c, head);
        peer_send_bytes(c, body, PAYLOAD_MAX + over);
        struct peer_answer *a = peer_answer(c);
        if (!over) {
            CU_ASSERT(is(a, 202, accepted));
            CU_ASSERT(peer.seen.response == 1 && peer.seen.body_len == PAYLOAD_MAX);
        } else {
            CU_ASSERT(is(a, 413,
                         "{\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\","
                         "\"errorType\":\"RequestEntityTooLarge\"}\n"));
            CU_ASSERT(peer.seen.too_large == 1 && peer.seen.too_large_len == PAYLOAD_MAX + 1);
            peer_send(c, NEXT);
            CU_ASSERT(peer_until(&peer.seen.idle, 2));
        }
        close(c);
        peer_run(2);
    }
    free(body);
    peer_close();
}

static void test_routes_large_event(void)
{
    char *payload = malloc(PAYLOAD_MAX + 1);
    memset(payload, 'e', PAYLOAD_MAX);
    payload[PAYLOAD_MAX] = '\0';
    peer_open();
    int c = peer_ready();
    peer_invoke("r", payload);
    struct peer_answer *a = peer_answer(c);
    CU_ASSERT(a && a->body_len == PAYLOAD_MAX && memcmp(a->body, payload, PAYLOAD_MAX) == 0);
    close(c);
    free(payload);
    peer_close();
}

/* A runtime that answers on another connection before it has read its event: the payload goes back to its owner, the rest of it
 * still comes. */
static void test_routes_answer_before_event_is_read(void)
{
    char *payload = malloc(PAYLOAD_MAX + 1);
    memset(payload, 'e', PAYLOAD_MAX);
    payload[PAYLOAD_MAX] = '\0';
    peer_open();
    int c = peer_ready(), d = peer_connect();
    peer_invoke("r", payload);
    CU_ASSERT(is(peer_post(d, "/2018-06-01/runtime/invocation/r/response", "", "early"), 202, accepted));
    CU_ASSERT(peer.seen.response == 1);
    memset(payload, 'x', PAYLOAD_MAX);
    struct peer_answer *a = peer_answer(c);
    CU_ASSERT(a && a->body_len == PAYLOAD_MAX && a->body[0] == 'e' && a->body[PAYLOAD_MAX - 1] == 'e');
    close(c);
    close(d);
    free(payload);
    peer_close();
}

static void test_routes_response_mode(void)
{
    peer_open();
    int c = peer_ready();
    peer_invoke("r", "1");
    CU_ASSERT_PTR_NOT_NULL(peer_answer(c));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/r/response", "Lambda-Runtime-Function-Response-Mode: wild\r\n", "1"), 400,
                 "{\"errorMessage\":\"Invalid function response mode\",\"errorType\":\"InvalidFunctionResponseMode\"}\n"));
    CU_ASSERT(peer.seen.error == 1 && peer.seen.response == 0);
    CU_ASSERT_STRING_EQUAL(peer.seen.type, "Runtime.InvalidResponseModeHeader");
    peer_send(c, NEXT);
    CU_ASSERT(peer_until(&peer.seen.idle, 1));
    peer_invoke("s", "1");
    CU_ASSERT_PTR_NOT_NULL(peer_answer(c));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/s/response", "Lambda-Runtime-Function-Response-Mode: streaming\r\n", "1"),
                 202, accepted));
    close(c);
    peer_close();
}

static void test_routes_unknown(void)
{
    peer_open();
    int c = peer_connect();
    CU_ASSERT(is(peer_ask(c, "GET / HTTP/1.1\r\n\r\n"), 404, "404 page not found\n"));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/a/b/response", "", "x"), 404, "404 page not found\n"));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation//response", "", "x"), 404, "404 page not found\n"));
    CU_ASSERT(is(peer_ask(c, "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n\r\n"), 404, "404 page not found\n"));
    CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/restore/error", "", "x"), 404, "404 page not found\n"));
    struct peer_answer *a = peer_post(c, "/2018-06-01/runtime/invocation/next", "", "x");
    CU_ASSERT(a && a->status == 405);
    CU_ASSERT_STRING_EQUAL(peer_header(a, "Allow"), "GET");
    a = peer_ask(c, "GET /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\n\r\n");
    CU_ASSERT(a && a->status == 405);
    CU_ASSERT(is(peer_ask(c, "GET /2018-06-01/ping?x=1 HTTP/1.1\r\n\r\n"), 200, "pong"));
    close(c);
    peer_close();
}

static void test_routes_event_headers(void)
{
    struct err err;
    peer_open();
    int c = peer_ready();
    struct session_event event = {.request_id = "r",
                                  .deadline_epoch_ms = 12345,
                                  .function_arn = "arn",
                                  .trace_id = "",
                                  .client_context = "{\"a\":\r\n\"X-Evil: 1\",\"k\":\"gr\xc3\xbc\xc3\x9f\xf0\x9f\x98\x80\xff\"}",
                                  .cognito = "{\"i\":1}",
                                  .tenant_id = "t-1",
                                  .payload = "",
                                  .payload_len = 0};
    CU_ASSERT(session_invoke(peer.session, &event, &err) == 0);
    CU_ASSERT(session_invoke(peer.session, &event, &err) == -ERR_CONFLICT);
    struct peer_answer *a = peer_answer(c);
    CU_ASSERT_FATAL(a && a->status == 200 && a->body_len == 0);
    CU_ASSERT_STRING_EQUAL(peer_header(a, "Lambda-Runtime-Client-Context"),
                           "{\"a\":  \"X-Evil: 1\",\"k\":\"gr\\u00fc\\u00df\\ud83d\\ude00\\u00ff\"}");
    CU_ASSERT_PTR_NULL(peer_header(a, "X-Evil"));
    CU_ASSERT_PTR_NULL(peer_header(a, "\"X-Evil"));
    CU_ASSERT_PTR_NULL(peer_header(a, "Lambda-Runtime-Trace-Id"));
    CU_ASSERT_STRING_EQUAL(peer_header(a, "Lambda-Runtime-Cognito-Identity"), "{\"i\":1}");
    CU_ASSERT_STRING_EQUAL(peer_header(a, "Lambda-Runtime-Aws-Tenant-Id"), "t-1");
    CU_ASSERT_STRING_EQUAL(peer_header(a, "Lambda-Runtime-Deadline-Ms"), "12345");
    event.request_id = "bad id";
    close(c);
    peer_close();
}

static void test_routes_invoke_not_ready(void)
{
    struct err err;
    peer_open();
    struct session_event event = {.request_id = "r", .payload = "1", .payload_len = 1};
    CU_ASSERT(session_invoke(peer.session, &event, &err) == -ERR_CONFLICT);
    int c = peer_ready();
    event.request_id = "bad id";
    CU_ASSERT(session_invoke(peer.session, &event, &err) == -ERR_INVALID);
    event.request_id = "";
    CU_ASSERT(session_invoke(peer.session, &event, &err) == -ERR_INVALID);
    CU_ASSERT(session_is_idle(peer.session));
    peer_invoke("good", "1");
    CU_ASSERT(is(peer_answer(c), 200, "1"));
    close(c);
    peer_close();
}

/* ---- callbacks that end or renew the session ---- */

static const char *free_in;

static void free_hook(const char *event)
{
    if (strcmp(event, free_in) == 0) {
        session_free(peer.session);
        peer.session = NULL;
    }
}

static void test_routes_freed_in_callbacks(void)
{
    static const char *const when[] = {"ready", "response", "error", "init_error", "idle", "too_large", "broken"};
    for (size_t i = 0; i < sizeof when / sizeof *when; i++) {
        peer_open();
        free_in = when[i];
        peer.hook = free_hook;
        int c = peer_connect();
        if (i == 3) {
            peer_post(c, "/2018-06-01/runtime/init/error", "", "{}");
        } else {
            peer_send(c, NEXT);
            peer_until(&peer.seen.ready, 1);
        }
        if (peer.session && i != 3) {
            peer_invoke("r", "1");
            peer_answer(c);
            if (i == 5) {
                peer_send(c, "POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nContent-Length: 6291557\r\n\r\n");
                char *body = calloc(1, 6291557);
                peer_send_bytes(c, body, 6291557);
                free(body);
                peer_run(20);
            } else if (i == 6) {
                peer_send(c, "POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nContent-Length: 10\r\n\r\n123");
                peer_run(5);
            } else {
                peer_post(c, i == 2 ? "/2018-06-01/runtime/invocation/r/error" : "/2018-06-01/runtime/invocation/r/response", "", "{}");
            }
            if (i == 4)
                peer_send(c, NEXT);
        }
        close(c);
        for (int tries = 0; peer.session && tries < 500; tries++)
            peer_run(10);
        CU_ASSERT_PTR_NULL(peer.session);
        peer_close();
    }
}

static void invoke_hook(const char *event)
{
    if (strcmp(event, "ready") == 0 || strcmp(event, "idle") == 0)
        peer_invoke("again", "[7]");
}

static void test_routes_invoked_in_callbacks(void)
{
    peer_open();
    peer.hook = invoke_hook;
    int c = peer_connect();
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(is(peer_ask(c, NEXT), 200, "[7]"));
        CU_ASSERT(is(peer_post(c, "/2018-06-01/runtime/invocation/again/response", "", "x"), 202, accepted));
    }
    CU_ASSERT(peer.seen.response == 3 && peer.seen.idle == 2);
    close(c);
    peer_close();
}

static void test_runtime_state_table(void)
{
    struct runtime runtime = {RUNTIME_STARTED, 0};
    static const enum runtime_input life[] = {RUNTIME_NEXT, RUNTIME_NEXT, RUNTIME_DELIVER, RUNTIME_NEXT,        RUNTIME_BEGIN_RESPONSE,
                                              RUNTIME_SENT, RUNTIME_NEXT, RUNTIME_DELIVER, RUNTIME_BEGIN_ERROR, RUNTIME_SENT};
    for (size_t i = 0; i < sizeof life / sizeof *life; i++)
        CU_ASSERT(runtime_step(&runtime, life[i]));
    CU_ASSERT(runtime.steps == sizeof life / sizeof *life);
    CU_ASSERT_FALSE(runtime_step(&runtime, RUNTIME_BEGIN_RESPONSE));
    CU_ASSERT(runtime.state == RUNTIME_RESPONSE_SENT);
    for (int state = 0; state < RUNTIME_STATE_COUNT; state++) {
        runtime.state = (enum runtime_state)state;
        CU_ASSERT(strlen(runtime_state_name(runtime.state)) > 0);
        CU_ASSERT(runtime_may(&runtime, RUNTIME_BREAK) == (state != RUNTIME_BROKEN));
        CU_ASSERT(runtime_may(&runtime, RUNTIME_FAIL_INIT) == (state == RUNTIME_STARTED));
        CU_ASSERT(runtime_may(&runtime, RUNTIME_FAIL_EXTENSION) == (state == RUNTIME_STARTED || state == RUNTIME_READY));
        CU_ASSERT(runtime_may(&runtime, RUNTIME_BEGIN_RESPONSE) == (state == RUNTIME_RUNNING));
        CU_ASSERT(runtime_may(&runtime, RUNTIME_DELIVER) == (state == RUNTIME_READY));
    }
}

TEST_MAIN("runtime_routes", TEST(test_routes_whole_visit), TEST(test_routes_ids), TEST(test_routes_next_twice),
          TEST(test_routes_parked_connection_is_replaced), TEST(test_routes_init_error), TEST(test_routes_init_error_while_running),
          TEST(test_routes_handler_error), TEST(test_routes_largest_payload), TEST(test_routes_large_event),
          TEST(test_routes_answer_before_event_is_read), TEST(test_routes_response_mode), TEST(test_routes_unknown),
          TEST(test_routes_event_headers), TEST(test_routes_invoke_not_ready), TEST(test_routes_freed_in_callbacks),
          TEST(test_routes_invoked_in_callbacks), TEST(test_runtime_state_table))
