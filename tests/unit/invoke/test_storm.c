/* Thousands of invocations while everything goes wrong at random: crashes, late and double answers, lost spawners, rooms that
 * cannot be made, retired versions, clients that leave. Every invocation is answered once, and nothing is left at the end. The
 * seed is fixed unless STORM_SEED is set, and printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/invoke/invoke.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"

#define STEPS 6000
#define CALLS 4096
#define FUNCTIONS 4

static struct call {
    struct invocation *inv;
    int done;
    bool detached;
} calls[CALLS];
static size_t started;
static unsigned outcomes[INVOKE_NOT_RUNNABLE + 1];

static void on_done(void *arg, const struct invoke_result *result)
{
    struct call *c = arg;
    CU_ASSERT(!c->detached && c->done == 0);
    c->done++;
    outcomes[result->outcome]++;
}

static struct function_version *versions[FUNCTIONS];
static struct invoke *invoke;

static struct function_version *make_version(int i)
{
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    struct function_version *v = fake_version(name);
    v->timeout_s = i == 3 ? 0 : 60; /* the last one is always late */
    v->memory_mb = i == 2 ? 3008 : 128;
    return v;
}

static void start(int i)
{
    if (started == CALLS)
        return;
    struct call *c = &calls[started++];
    struct invoke_request request = {.version = versions[i],
                                     .invoked_arn = versions[i]->arn,
                                     .request_id = "storm",
                                     .payload = strdup("{}"),
                                     .payload_len = 2,
                                     .log_tail = rand() % 3 == 0};
    invoke_start(invoke, &request, on_done, c, &c->inv);
}

static uint32_t any_room(void)
{
    uint32_t from = (uint32_t)rand() % FAKE_ROOMS;
    for (uint32_t i = 0; i < FAKE_ROOMS; i++)
        if (fake.session[(from + i) % FAKE_ROOMS])
            return (from + i) % FAKE_ROOMS;
    return 0;
}

static void step(void)
{
    uint32_t room = any_room();
    int what = rand() % 100;
    if (what < 35) {
        start(rand() % FUNCTIONS);
    } else if (what < 60 && room) {
        fake_respond(room, "1", rand() % 4 != 0);
    } else if (what < 68 && room) {
        fake_idle(room);
    } else if (what < 72 && room) {
        fake_error(room, "E", "{}");
    } else if (what < 76 && room) {
        fake_exit(room, rand() % 2 ? 9 : 1 << 8, rand() % 2);
    } else if (what < 78 && room) {
        fake_broken(room);
    } else if (what < 80 && room) {
        fake_print(room, "noise\nwithout end");
    } else if (what < 81) {
        fake_message(&(struct spawn_msg){.op = SPAWN_ROOM_DEAD, .room_id = room});
    } else if (what < 83) {
        fake.fail = rand() % 2 ? 0 : 1ull << (SPAWN_ZYGOTE_START + rand() % 4);
    } else if (what < 84) {
        fake.init_fails = !fake.init_fails;
    } else if (what < 86) {
        int i = rand() % FUNCTIONS;
        pool_on_retired(fake.pool, versions[i]->key);
        function_version_unref(versions[i]);
        versions[i] = make_version(i);
    } else if (what < 90 && started > 0) {
        struct call *c = &calls[(size_t)rand() % started];
        if (!c->done && !c->detached) {
            c->detached = true;
            invoke_detach(c->inv);
        }
    } else if (what == 90 && rand() % 4 == 0) {
        fake_spawner_dies();
    } else {
        fake_run(0);
    }
}

static void check_limit(unsigned limit)
{
    struct pool_stats stats;
    pool_get_stats(fake.pool, &stats);
    CU_ASSERT(stats.busy <= limit);
}

/* No more than limit sandboxes work at once, whether they have answered or not. */
static void storm(unsigned limit)
{
    struct err err;
    const char *seed = getenv("STORM_SEED");
    unsigned n = seed ? (unsigned)atoi(seed) : 7;
    printf("seed %u\n", n);
    srand(n);
    started = 0;
    memset(calls, 0, sizeof calls);
    memset(outcomes, 0, sizeof outcomes);
    fake_open(&(struct pool_options){
        .blanks_min = 3, .workers_max = 12, .freeze_ms = 1, .keep_alive_ms = 30, .wait_ms_max = 40, .soft_wait_ms = 1});
    CU_ASSERT_FATAL(
        invoke_new(&(struct invoke_options){.loop = fake.loop, .pool = fake.pool, .account_concurrency = limit, .init_ms_max = 20}, &invoke,
                   &err) == 0);
    for (int i = 0; i < FUNCTIONS; i++)
        versions[i] = make_version(i);
    for (int i = 0; i < STEPS && fake.sent_count < FAKE_SENT - 200; i++)
        step(), check_limit(limit);
    fake.fail = 0;
    fake.init_fails = false;
    for (int i = 0; i < 3000 && invoke_running(invoke) > 0; i++) {
        for (uint32_t room = 0; room < FAKE_ROOMS; room++)
            if (fake.session[room] && i % 5 == 0)
                fake_respond(room, "2", true), fake_idle(room);
        fake_run(1);
        if (fake.sent_count > FAKE_SENT - 2000)
            fake.sent_count = 0;
    }
    CU_ASSERT(invoke_running(invoke) == 0);
    for (size_t i = 0; i < started; i++)
        CU_ASSERT(calls[i].done == !calls[i].detached || calls[i].done == 1);
    printf("started %zu ok %u function_error %u throttled %u no_capacity %u service_error %u\n", started, outcomes[INVOKE_OK],
           outcomes[INVOKE_FUNCTION_ERROR], outcomes[INVOKE_THROTTLED], outcomes[INVOKE_NO_CAPACITY], outcomes[INVOKE_SERVICE_ERROR]);
    invoke_free(invoke);
    for (int i = 0; i < FUNCTIONS; i++)
        function_version_unref(versions[i]);
    fake_close();
    CU_ASSERT(fake_versions == 0);
}

static void test_storm(void)
{
    storm(40);
}

static void test_storm_at_the_limit(void)
{
    storm(2);
}

TEST_MAIN("storm", TEST(test_storm), TEST(test_storm_at_the_limit))
