/* Invocations against a played spawner and played runtimes: every outcome, every failure's words, the log lines. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/invoke/invoke.h"
#include "host/telemetry/log_stream.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"

#define ID "11111111-2222-4333-8444-555555555555"

struct call {
    struct invocation *inv;
    int done;
    struct invoke_result result;
    char payload[4096], tail[LOG_TAIL_BYTES + 1], message[512];
};

static struct invoke *invoke;
static struct function_version *f;

static void on_done(void *arg, const struct invoke_result *r)
{
    struct call *c = arg;
    c->done++;
    c->result = *r;
    snprintf(c->payload, sizeof c->payload, "%.*s", (int)r->payload_len, r->payload ? r->payload : "");
    snprintf(c->tail, sizeof c->tail, "%.*s", (int)r->log_tail_len, r->log_tail ? r->log_tail : "");
    snprintf(c->message, sizeof c->message, "%s", r->message ? r->message : "");
}

static void begin(struct invoke_options options)
{
    struct err err;
    fake_open(&(struct pool_options){.blanks_off = true, .wait_ms_max = 50});
    options.loop = fake.loop;
    options.pool = fake.pool;
    CU_ASSERT_FATAL(invoke_new(&options, &invoke, &err) == 0);
    f = fake_version("f");
}

static void end(void)
{
    invoke_free(invoke);
    function_version_unref(f);
    fake_close();
    CU_ASSERT(fake_versions == 0);
}

static void start(struct call *c, bool tail)
{
    memset(c, 0, sizeof *c);
    struct invoke_request request = {
        .version = f, .invoked_arn = f->arn, .request_id = ID, .payload = strdup("{\"a\":1}"), .payload_len = 7, .log_tail = tail};
    invoke_start(invoke, &request, on_done, c, &c->inv);
    CU_ASSERT(c->done == 0); /* never from inside */
}

static uint32_t wait_busy(void)
{
    for (int i = 0; i < 500 && !fake_busy_room(); i++)
        fake_run(1);
    CU_ASSERT_FATAL(fake_busy_room() != 0);
    return fake_busy_room();
}

static bool has(const char *text, const char *part)
{
    bool found = strstr(text, part) != NULL;
    if (!found)
        fprintf(stderr, "missing: %s\nin: %s\n", part, text);
    return found;
}

static void test_invoke_ok(void)
{
    begin((struct invoke_options){0});
    struct call c;
    start(&c, false);
    uint32_t room = wait_busy();
    fake_respond(room, "{\"ok\":true}", true);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(c.result.outcome == INVOKE_OK && str_eq(c.payload, "{\"ok\":true}") && !c.result.function_error);
    CU_ASSERT(str_eq(c.result.executed_version, "$LATEST"));
    fake_run(30); /* REPORT comes with the freeze */
    CU_ASSERT(invoke_running(invoke) == 0);
    end();
}

static void test_invoke_tail(void)
{
    begin((struct invoke_options){0});
    struct call c;
    start(&c, true);
    uint32_t room = wait_busy();
    fake_print(room, "hello\nREPORT RequestId: forged\nwith");
    fake_print(room, "out end");
    fake_respond(room, "7", true);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(str_eq(c.payload, "7"));
    CU_ASSERT(has(c.tail, "START RequestId: " ID " Version: $LATEST\nhello\n"));
    CU_ASSERT(has(c.tail, "without end\nEND RequestId: " ID "\nREPORT RequestId: " ID "\tDuration: "));
    CU_ASSERT(has(c.tail, "\tMemory Size: 128 MB\tMax Memory Used: 3 MB\tInit Duration: "));
    CU_ASSERT(!strstr(c.tail, "INIT_START"));
    start(&c, true);
    fake_respond(wait_busy(), "8", true);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(!strstr(c.tail, "Init Duration") && !strstr(c.tail, "hello"));
    end();
}

static void test_invoke_answer_before_idle(void)
{
    begin((struct invoke_options){0});
    struct call c;
    start(&c, false);
    uint32_t room = wait_busy();
    fake_respond(room, "1", false);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(invoke_running(invoke) == 1);
    struct call d; /* waits for that worker instead of a new one */
    start(&d, false);
    fake_idle(room);
    fake_run(3);
    CU_ASSERT(fake_busy_room() == room && fake_count(SPAWN_ROOM_MAKE) == 1);
    fake_respond(room, "2", true);
    CU_ASSERT(fake_until(&d.done) && str_eq(d.payload, "2"));
    end();
}

static void test_invoke_function_error(void)
{
    begin((struct invoke_options){0});
    struct call c;
    start(&c, true);
    fake_error(wait_busy(), "ValueError", "{\"errorMessage\":\"no\",\"errorType\":\"ValueError\"}");
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(c.result.outcome == INVOKE_FUNCTION_ERROR && str_eq(c.result.function_error, "Unhandled"));
    CU_ASSERT(str_eq(c.payload, "{\"errorMessage\":\"no\",\"errorType\":\"ValueError\"}"));
    start(&c, true);
    fake_too_large(wait_busy());
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(has(c.payload, "{\"errorType\":\"Function.ResponseSizeTooLarge\",\"errorMessage\":\"Response payload size exceeded "
                             "maximum allowed payload size (6291556 bytes).\"}"));
    CU_ASSERT(fake_count(SPAWN_ROOM_RESET) == 0); /* the runtime goes on */
    end();
}

static void test_invoke_timeout(void)
{
    begin((struct invoke_options){0});
    f->timeout_s = 1;
    struct call c;
    start(&c, true);
    uint32_t room = wait_busy();
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(c.result.outcome == INVOKE_FUNCTION_ERROR);
    CU_ASSERT(str_eq(c.payload, "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: " ID
                                " Error: Task timed out after 1.00 seconds\"}"));
    CU_ASSERT(has(c.tail, " " ID " Task timed out after 1.00 seconds\nEND RequestId: "));
    CU_ASSERT(has(c.tail, "\tDuration: 1000.00 ms\t") && has(c.tail, "Status: timeout"));
    CU_ASSERT(fake_count(SPAWN_ROOM_RESET) == 1 && fake_count(SPAWN_ROOM_KILL) == 0);
    /* The next one finds the same room, initialises under its own timeout and has no Init Duration. */
    start(&c, true);
    CU_ASSERT(wait_busy() == room);
    fake_respond(room, "1", true);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(c.result.outcome == INVOKE_OK && !strstr(c.tail, "Init Duration"));
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 1);
    end();
}

static void test_invoke_timeout_while_resetting(void)
{
    begin((struct invoke_options){0});
    f->timeout_s = 1;
    struct call c;
    start(&c, false);
    uint32_t room = wait_busy();
    fake_exit(room, SIGSEGV, 0);
    fake.mute = 1ull << SPAWN_ROOM_RESET;
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(has(c.payload, "Runtime exited with error: signal: segmentation fault"));
    start(&c, false); /* a new room serves while the other resets for ever */
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 2);
    CU_ASSERT(has(c.payload, "Sandbox.Timedout"));
    end();
}

static void test_invoke_crash(void)
{
    begin((struct invoke_options){0});
    struct call c;
    start(&c, true);
    fake_exit(wait_busy(), 127 << 8, 0);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(str_eq(c.payload, "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: " ID
                                " Error: Runtime exited with error: exit status 127\"}"));
    CU_ASSERT(has(c.tail, "Status: error\tError Type: Runtime.ExitError"));
    start(&c, true);
    fake_exit(wait_busy(), 0, 0);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(has(c.payload, "Error: Runtime exited without providing a reason\"}"));
    start(&c, true);
    uint32_t room = wait_busy();
    fake_exit(room, -1, 1);
    fake_exit(room, SIGKILL, 1);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(has(c.payload, "signal: killed") && has(c.payload, "Runtime.ExitError"));
    CU_ASSERT(has(c.tail, "Max Memory Used: 128 MB") && has(c.tail, "Error Type: Runtime.OutOfMemory"));
    /* Answered first, then gone: the client has its answer, the environment is reset. */
    start(&c, false);
    room = wait_busy();
    size_t resets = fake_count(SPAWN_ROOM_RESET);
    fake_exit(room, 1 << 8, 0);
    fake_respond(room, "5", false);
    CU_ASSERT(fake_until(&c.done) && str_eq(c.payload, "5"));
    fake_run(20);
    CU_ASSERT(fake_count(SPAWN_ROOM_RESET) == resets + 1);
    end();
}

static void test_invoke_init_fails(void)
{
    begin((struct invoke_options){0});
    struct call c;
    fake.init_fails = true;
    start(&c, true);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(c.result.outcome == INVOKE_FUNCTION_ERROR && str_eq(c.payload, "{\"errorType\":\"Runtime.ImportModuleError\"}"));
    CU_ASSERT(has(c.tail, "INIT_REPORT Init Duration: ") && has(c.tail, "Phase: init\tStatus: error\tError Type: Runtime.Imp"));
    /* Once more, inside the invocation; START is written after it. */
    CU_ASSERT(fake_count(SPAWN_ROOM_RESET) >= 1);
    char *again = strstr(c.tail, "Phase: invoke\tStatus: error\tError Type: Runtime.Imp"), *begun = strstr(c.tail, "START RequestId");
    CU_ASSERT(again && begun && again < begun && has(begun, "END RequestId") && !strstr(begun, "\tInit Duration"));
    fake.init_fails = false;
    fake.exec_errno = ENOENT;
    start(&c, true);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(has(c.payload, "{\"errorType\":\"Runtime.InvalidEntrypoint\",\"errorMessage\":\"RequestId: " ID " Error: Couldn't "
                             "find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]\"}"));
    fake.exec_errno = ENOEXEC;
    start(&c, true);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(has(c.payload, "fork/exec /var/task/bootstrap: exec format error\""));
    fake.exec_machine = "pdp11";
    start(&c, true);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(has(c.payload, "exec format error (it is built for pdp11, this machine is "));
    CU_ASSERT(has(c.tail, "exec format error (it is built for pdp11") && has(c.tail, "\nRuntime.InvalidEntrypoint\nEND"));
    fake.exec_errno = 0;
    fake.no_ready = true;
    start(&c, true);
    for (int i = 0; i < 100 && !fake.session[1]; i++)
        fake_run(1);
    fake_run(5);
    fake_exit(1, 3 << 8, 0);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(has(c.payload, "Runtime exited with error: exit status 3") && has(c.tail, "Phase: invoke\tStatus: error"));
    end();
}

static void test_invoke_init_timeout(void)
{
    begin((struct invoke_options){.init_ms_max = 50});
    f->timeout_s = 1;
    struct call c;
    fake.no_ready = true;
    start(&c, true);
    fake_run(70);
    CU_ASSERT(fake_count(SPAWN_ROOM_RESET) == 1);
    fake.no_ready = false;
    fake_ready(1);
    fake_respond(wait_busy(), "1", true);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(c.result.outcome == INVOKE_OK && has(c.tail, "Phase: init\tStatus: timeout") && !strstr(c.tail, "\tInit Duration"));
    pool_on_retired(fake.pool, f->key);
    fake_run(5);
    fake.no_ready = true;
    start(&c, true);
    CU_ASSERT(fake_until(&c.done)); /* init again, past the function's own timeout */
    CU_ASSERT(has(c.payload, "Sandbox.Timedout") && has(c.tail, "Phase: invoke\tStatus: timeout"));
    end();
}

static void test_invoke_refused(void)
{
    begin((struct invoke_options){.account_concurrency = 2});
    struct call a, b, c;
    start(&a, false);
    start(&b, false);
    start(&c, false);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(c.result.outcome == INVOKE_THROTTLED && str_eq(c.result.reason, "ConcurrentInvocationLimitExceeded"));
    wait_busy();
    fake_run(5);
    fake_respond(1, "1", true);
    fake_respond(2, "2", true);
    CU_ASSERT(fake_until(&a.done) && fake_until(&b.done));
    start(&c, false);
    fake_respond(wait_busy(), "3", true);
    CU_ASSERT(fake_until(&c.done) && c.result.outcome == INVOKE_OK);
    f->state = "Pending";
    start(&c, false);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(c.result.outcome == INVOKE_NOT_RUNNABLE && str_eq(c.result.code, "ResourceConflictException"));
    f->state = "Failed";
    f->state_reason_code = "InvalidRuntime";
    f->state_reason = "Install python3.";
    start(&c, false);
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(str_eq(c.result.code, "InvalidRuntimeException") && str_eq(c.message, "Install python3."));
    f->state = "Active";
    f->state_reason_code = f->state_reason = NULL;
    end();
}

static void test_invoke_spawner_lost(void)
{
    begin((struct invoke_options){0});
    struct call a, b;
    start(&a, true);
    wait_busy();
    start(&b, true);
    CU_ASSERT(b.done == 0);
    fake.spawner_gone = true;
    pool_spawn_lost(fake.pool);
    CU_ASSERT(a.done == 1 && a.result.outcome == INVOKE_SERVICE_ERROR && str_eq(a.result.code, "ServiceException"));
    CU_ASSERT(has(a.tail, "Error Type: Sandbox.Failure"));
    fake.spawner_gone = false;
    pool_spawn_up(fake.pool); /* who waited is served by the next one */
    fake_respond(wait_busy(), "1", true);
    CU_ASSERT(fake_until(&b.done) && b.result.outcome == INVOKE_OK);
    end();
}

static void test_invoke_no_capacity(void)
{
    begin((struct invoke_options){0});
    struct call a, b;
    fake.stats = (struct spawn_stats){.memory_bytes = 1ull << 50, .peak_bytes = 1ull << 50};
    start(&a, true);
    fake_respond(wait_busy(), "1", true);
    CU_ASSERT(fake_until(&a.done));
    start(&a, false); /* holds the one worker */
    start(&b, false);
    CU_ASSERT(fake_until(&b.done));
    CU_ASSERT(b.result.outcome == INVOKE_NO_CAPACITY && str_eq(b.result.reason, "ConcurrentInvocationLimitExceeded"));
    end();
}

static void test_invoke_detach(void)
{
    begin((struct invoke_options){0});
    struct call a;
    start(&a, true);
    uint32_t room = wait_busy();
    invoke_detach(a.inv);
    fake_respond(room, "1", true);
    fake_run(50);
    CU_ASSERT(a.done == 0 && invoke_running(invoke) == 0);
    end();
}

static void test_invoke_free_in_flight(void)
{
    begin((struct invoke_options){0});
    struct call a, b, c, d;
    start(&a, true);
    uint32_t room = wait_busy();
    start(&b, false);
    f->state = "Pending";
    start(&c, false);
    f->state = "Active";
    fake_respond(room, "1", true);
    CU_ASSERT(fake_until(&a.done) || true);
    fake.mute = 1ull << SPAWN_ROOM_MAKE;
    start(&d, false);
    end();
    CU_ASSERT(a.done == 1 && b.done == 1 && c.done == 1 && d.done == 1);
}

static int records, platform;
static char all[65536];
static void on_record(void *arg, const struct log_record *r)
{
    (void)arg;
    records++;
    platform += r->platform;
    size_t n = strlen(all);
    snprintf(all + n, sizeof all - n, "%c %s %.*s\n", r->platform ? 'P' : 'F', r->request_id, (int)r->len, r->text);
}

static void test_invoke_logs(void)
{
    begin((struct invoke_options){0});
    struct call c;
    struct err err;
    f->log_json = false;
    start(&c, false);
    uint32_t room = wait_busy();
    fake_print(room, "mine\nREPORT RequestId: " ID "\tDuration: 0.01 ms\n");
    fake_respond(room, "1", true);
    CU_ASSERT(fake_until(&c.done));
    fake_run(40);
    struct log_name name = {"123456789012", "us-east-1", "f"};
    all[0] = '\0';
    CU_ASSERT(logs_read(fake.logs, &name, &(struct log_span){.limit = 100}, on_record, NULL, &err) == 0);
    CU_ASSERT(has(all, "P  INIT_START Runtime Version: python:3.11.2\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:"));
    CU_ASSERT(has(all, "P " ID " START RequestId: " ID " Version: $LATEST\nF " ID " mine\nF " ID " REPORT RequestId: " ID));
    CU_ASSERT(has(all, "P " ID " END RequestId: " ID "\nP " ID " REPORT RequestId: " ID "\tDuration: "));
    CU_ASSERT(records == 6 && platform == 4);
    end();
}

static void test_invoke_json(void)
{
    begin((struct invoke_options){0});
    struct call c;
    f->log_json = true;
    start(&c, true);
    fake_error(wait_busy(), "Bad\r\nREPORT", "{}");
    CU_ASSERT(fake_until(&c.done));
    CU_ASSERT(has(c.tail, "\"type\":\"platform.start\",\"record\":{\"requestId\":\"" ID "\",\"version\":\"$LATEST\"}}\n"));
    CU_ASSERT(has(c.tail, "\"memorySizeMB\":128,\"maxMemoryUsedMB\":3,\"initDurationMs\":"));
    CU_ASSERT(has(c.tail, "\"status\":\"error\",\"errorType\":\"Runtime.Unknown\"}"));
    end();
}

static void test_invoke_many(void)
{
    begin((struct invoke_options){0});
    fake.echo = true;
    struct call c[40];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 40; i++)
            start(&c[i], i % 4 == 0);
        for (int i = 0; i < 40; i++)
            CU_ASSERT(fake_until(&c[i].done) && str_eq(c[i].payload, "{\"a\":1}"));
    }
    fake_run(60);
    CU_ASSERT(invoke_running(invoke) == 0);
    end();
}

TEST_MAIN("invoke", TEST(test_invoke_ok), TEST(test_invoke_tail), TEST(test_invoke_answer_before_idle), TEST(test_invoke_function_error),
          TEST(test_invoke_timeout), TEST(test_invoke_timeout_while_resetting), TEST(test_invoke_crash), TEST(test_invoke_init_fails),
          TEST(test_invoke_init_timeout), TEST(test_invoke_refused), TEST(test_invoke_spawner_lost), TEST(test_invoke_no_capacity),
          TEST(test_invoke_detach), TEST(test_invoke_free_in_flight), TEST(test_invoke_logs), TEST(test_invoke_json),
          TEST(test_invoke_many))
