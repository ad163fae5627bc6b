/* Provisioned concurrency against a played spawner and played runtimes: up to what is wanted, back to it after every kind of end, and down.
 */
#include <signal.h>
#include <string.h>

#include "host/invoke/invoke.h"
#include "host/invoke/provision.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"

static struct provision *provision;
static struct function_version *f;
static int reached;

static void on_reached(void *arg, const struct function_version *version)
{
    (void)arg;
    CU_ASSERT(version == f);
    reached++;
}

/* Waits for what must come to be, however busy the machine is. */
#define UNTIL(condition)                                                                                                                   \
    do {                                                                                                                                   \
        for (int i_ = 0; i_ < 5000 && !(condition); i_++)                                                                                  \
            fake_run(1);                                                                                                                   \
        CU_ASSERT_FATAL(condition);                                                                                                        \
    } while (0)

static void begin(struct pool_options options, int64_t retry_ms, int64_t init_ms_max)
{
    struct err err;
    options.blanks_off = true;
    options.freeze_ms = 5;
    reached = 0;
    fake_open(&options);
    const struct provision_options own = {
        .loop = fake.loop, .pool = fake.pool, .init_ms_max = init_ms_max, .retry_ms = retry_ms, .reached = on_reached};
    CU_ASSERT_FATAL(provision_new(&own, &provision, &err) == 0);
    f = fake_version("f");
    f->timeout_s = 0; /* so that init_ms_max counts */
}

static void end(void)
{
    provision_free(provision);
    function_version_unref(f);
    fake_close();
    CU_ASSERT(fake_versions == 0);
}

static struct provision_state state(void)
{
    struct provision_state s;
    provision_get(provision, f->key, &s);
    return s;
}

static struct pool_stats stats(void)
{
    struct pool_stats s;
    pool_get_stats(fake.pool, &s);
    return s;
}

static void test_provision_up_and_down(void)
{
    begin((struct pool_options){0}, 1000, 10000);
    provision_set(provision, f, 9);
    CU_ASSERT(state().wanted == 9 && state().allocated == 0 && !state().failure);
    fake.mute = 1ull << SPAWN_ROOM_MAKE;
    UNTIL(fake_count(SPAWN_ROOM_MAKE) == 4); /* a few at a time */
    fake_run(5);
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 4 && state().allocated == 0);
    fake.mute = 0;
    for (uint32_t room = 1; room <= 4; room++)
        fake_message(&(struct spawn_msg){.op = SPAWN_ROOM_READY, .room_id = room});
    UNTIL(state().available == 9 && stats().frozen == 9);
    CU_ASSERT(state().allocated == 9 && reached == 1 && stats().provisioned == 9);
    provision_set(provision, f, 3);
    UNTIL(reached == 2 && stats().workers == 3);
    CU_ASSERT(state().available == 3);
    provision_set(provision, f, 5);
    UNTIL(reached == 3);
    CU_ASSERT(state().available == 5 && fake_count(SPAWN_ROOM_MAKE) == 11);
    provision_set(provision, f, 0);
    UNTIL(stats().workers == 0);
    CU_ASSERT(state().wanted == 0);
    end();
}

static void test_provision_replaces(void)
{
    begin((struct pool_options){0}, 20, 10000);
    provision_set(provision, f, 2);
    UNTIL(stats().frozen == 2);
    fake_exit(1, SIGKILL, 0);
    UNTIL(fake_count(SPAWN_ROOM_MAKE) == 3 && state().available == 2);
    fake_spawner_dies();
    UNTIL(stats().spawner_losses == 1);
    UNTIL(state().available == 2);
    CU_ASSERT(!state().failure);
    end();
}

/* Those that initialise when the spawner dies come again with the next one, those that were ready, too. */
static void test_provision_lost_in_init(void)
{
    begin((struct pool_options){0}, 20, 10000);
    provision_set(provision, f, 1);
    UNTIL(state().available == 1);
    fake.no_ready = true;
    provision_set(provision, f, 2);
    UNTIL(state().allocated == 2);
    fake.no_ready = false;
    fake_spawner_dies();
    UNTIL(stats().spawner_losses == 1);
    UNTIL(state().available == 2);
    CU_ASSERT(!state().failure);
    end();
}

/* FAILED comes after some tries and with a reason, tries go on at a distance, and a success ends it. */
static void test_provision_fails(void)
{
    begin((struct pool_options){0}, 100, 10000);
    fake.init_fails = true;
    int64_t since_us = clock_mono_us();
    provision_set(provision, f, 1);
    UNTIL(state().failure != NULL);
    CU_ASSERT(str_eq(state().failure, "FUNCTION_ERROR_INIT_FAILURE") && state().available == 0 && state().allocated == 0);
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) >= 3);
    UNTIL(fake_count(SPAWN_ROOM_MAKE) == 5);
    CU_ASSERT(clock_mono_us() - since_us >= (100 + 200) * 1000);
    fake.init_fails = false;
    UNTIL(state().available == 1);
    CU_ASSERT(!state().failure);
    end();
}

static void test_provision_init_hangs(void)
{
    begin((struct pool_options){0}, 10000, 300);
    fake.no_ready = true;
    provision_set(provision, f, 1);
    UNTIL(state().allocated == 1);
    CU_ASSERT(state().available == 0 && !state().failure);
    UNTIL(state().failure != NULL);
    CU_ASSERT(str_eq(state().failure, "FUNCTION_ERROR_INIT_FAILURE") && state().allocated == 0);
    end();
}

static void test_provision_no_memory(void)
{
    begin((struct pool_options){.workers_max = 2, .wait_ms_max = 10}, 5, 10000);
    provision_set(provision, f, 3);
    UNTIL(state().failure && state().available == 2);
    CU_ASSERT(strstr(state().failure, "memory") && state().available == 2 && reached == 0);
    provision_set(provision, f, 2);
    UNTIL(reached == 1);
    CU_ASSERT(!state().failure && state().available == 2);
    end();
}

static int answered;
static void on_done(void *arg, const struct invoke_result *result)
{
    (void)arg, (void)result, answered++;
}

/* An invocation that resets its room leaves it to be initialised again, before the next one comes. */
static void test_provision_again(void)
{
    struct invoke *invoke;
    struct invocation *inv;
    struct err err;
    begin((struct pool_options){0}, 1000, 10000);
    CU_ASSERT_FATAL(invoke_new(&(struct invoke_options){.loop = fake.loop, .pool = fake.pool}, &invoke, &err) == 0);
    provision_set(provision, f, 1);
    UNTIL(state().available == 1);
    f->timeout_s = 60;
    answered = 0;
    struct invoke_request request = {.version = f, .invoked_arn = f->arn, .request_id = "11111111-2222-4333-8444-555555555555"};
    invoke_start(invoke, &request, on_done, NULL, &inv);
    UNTIL(fake_busy_room() == 1);
    CU_ASSERT(state().available == 1);
    fake_exit(1, SIGSEGV, 0);
    UNTIL(answered && state().available == 1);
    CU_ASSERT(fake_count(SPAWN_ROOM_RESET) == 1 && fake_count(SPAWN_ROOM_MAKE) == 1 && fake_is_provisioned(1));
    invoke_free(invoke);
    end();
}

/* In the middle of everything. */
static void test_provision_stops(void)
{
    begin((struct pool_options){0}, 1000, 10000);
    fake.no_ready = true;
    provision_set(provision, f, 6);
    UNTIL(state().allocated == 4);
    provision_set(provision, f, 2);
    UNTIL(state().allocated == 2);
    provision_stop(provision);
    CU_ASSERT(state().allocated == 0);
    UNTIL(stats().workers == 0);
    CU_ASSERT(state().allocated == 0);
    end();
}

TEST_MAIN("provision", TEST(test_provision_up_and_down), TEST(test_provision_replaces), TEST(test_provision_lost_in_init),
          TEST(test_provision_fails), TEST(test_provision_init_hangs), TEST(test_provision_no_memory), TEST(test_provision_again),
          TEST(test_provision_stops))
