/* Invocations at a limit, against a played spawner and played runtimes: who has answered and runs on, and who waits for its sandbox. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/invoke/invoke.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"

struct call {
    struct invocation *inv;
    int done;
    struct invoke_result result;
    char payload[64];
};

static struct invoke *invoke;
static struct function_version *f;

static void on_done(void *arg, const struct invoke_result *r)
{
    struct call *c = arg;
    c->done++;
    c->result = *r;
    snprintf(c->payload, sizeof c->payload, "%.*s", (int)r->payload_len, r->payload ? r->payload : "");
}

/* One may run at once. */
static void begin(void)
{
    struct err err;
    fake_open(&(struct pool_options){.blanks_off = true, .wait_ms_max = 50});
    const struct invoke_options options = {.loop = fake.loop, .pool = fake.pool, .account_concurrency = 1};
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
        .version = f, .invoked_arn = f->arn, .request_id = "id", .payload = strdup("{}"), .payload_len = 2, .log_tail = tail};
    invoke_start(invoke, &request, on_done, c, &c->inv);
}

static uint32_t wait_busy(void)
{
    CU_ASSERT_FATAL(FAKE_UNTIL(fake_busy_room() != 0));
    return fake_busy_room();
}

/* An answer does not end what runs: its sandbox counts until it is given back, and who calls then waits for that one alone. */
static void test_limit_answered_counts(void)
{
    begin();
    struct call a, b, c;
    start(&a, false);
    uint32_t room = wait_busy();
    fake_respond(room, "1", false);
    CU_ASSERT(fake_until(&a.done) && str_eq(a.payload, "1"));
    for (int i = 0; i < 3; i++) {
        start(&b, false);
        start(&c, false);
        CU_ASSERT(fake_until(&c.done) && c.result.outcome == INVOKE_THROTTLED && b.done == 0);
        CU_ASSERT(fake_until(&b.done) && b.result.outcome == INVOKE_THROTTLED);
        CU_ASSERT(str_eq(b.result.reason, "ConcurrentInvocationLimitExceeded") && str_eq(b.result.code, "TooManyRequestsException"));
    }
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 1);
    start(&b, false);
    fake_run(25); /* past the time after which another worker is made where there may be more */
    CU_ASSERT(b.done == 0 && fake_count(SPAWN_ROOM_MAKE) == 1);
    fake_idle(room);
    fake_run(3);
    CU_ASSERT(fake_busy_room() == room);
    fake_respond(room, "2", true);
    CU_ASSERT(fake_until(&b.done) && str_eq(b.payload, "2") && fake_count(SPAWN_ROOM_MAKE) == 1);
    /* The client is gone before the answer: the same. */
    start(&a, false);
    wait_busy();
    invoke_detach(a.inv);
    fake_respond(room, "3", false);
    fake_run(3);
    start(&b, false);
    CU_ASSERT(fake_until(&b.done) && b.result.outcome == INVOKE_THROTTLED);
    /* It crashes after its answer: who waits is let in, with no worker to wait for. */
    start(&b, false);
    fake_exit(room, 1 << 8, 0);
    fake_run(20);
    fake_respond(wait_busy(), "4", true);
    CU_ASSERT(fake_until(&b.done) && str_eq(b.payload, "4"));
    fake_run(60);
    CU_ASSERT(invoke_running(invoke) == 0);
    end();
}

/* Every other end of one that has answered lets in who was held. */
static void test_limit_answered_ends(void)
{
    enum { TIMEOUT, SPAWNER, RETIRED, SANDBOX, ENDS };
    for (int how = 0; how < ENDS; how++) {
        begin();
        struct call a, b;
        f->timeout_s = how == TIMEOUT ? 1 : 60;
        start(&a, how == SANDBOX);
        uint32_t room = wait_busy();
        fake_run(how == TIMEOUT ? 970 : 0);
        fake_respond(room, "1", false);
        fake_run(3);
        CU_ASSERT(a.done == (how != SANDBOX)); /* its tail waits for the end, its sandbox counts alike */
        start(&b, false);
        if (how == SPAWNER)
            fake_spawner_dies();
        if (how == RETIRED) {
            pool_on_retired(fake.pool, f->key);
            fake_idle(room);
        }
        if (how == SANDBOX)
            fake_message(&(struct spawn_msg){.op = SPAWN_ROOM_DEAD, .room_id = room});
        fake_run(how == TIMEOUT ? 35 : 3);
        fake_respond(wait_busy(), "2", true);
        CU_ASSERT(fake_until(&b.done) && b.result.outcome == INVOKE_OK && a.done == 1);
        end();
    }
}

/* A sandbox of one function that is given back makes room for one of another. */
static void test_limit_held_for_another(void)
{
    begin();
    struct function_version *g = fake_version("g"), *first = f;
    struct call a, b;
    start(&a, false);
    uint32_t room = wait_busy();
    fake_respond(room, "1", false);
    CU_ASSERT(fake_until(&a.done));
    f = g;
    start(&b, false);
    fake_run(10);
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 1);
    fake_idle(room);
    fake_run(3);
    fake_respond(wait_busy(), "2", true);
    CU_ASSERT(fake_until(&b.done) && str_eq(b.payload, "2") && fake_count(SPAWN_ROOM_MAKE) == 2);
    f = first;
    function_version_unref(g);
    end();
}

TEST_MAIN("limit", TEST(test_limit_answered_counts), TEST(test_limit_answered_ends), TEST(test_limit_held_for_another))
