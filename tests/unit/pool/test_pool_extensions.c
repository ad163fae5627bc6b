/* External extensions: named before the start, asked for once a version, told of the end. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"
#include "tests/unit/pool/visit.h"

static int ready, idle, asked;
static struct worker *worker;

static void on_ready(void *arg)
{
    (void)arg, ready++;
}
static void on_idle(void *arg)
{
    (void)arg, idle++;
}
static void on_response(void *arg, const char *body, size_t len)
{
    (void)arg, (void)body, (void)len;
}
static const struct worker_events events = {.ready = on_ready, .response = on_response, .idle = on_idle};

static void acquired(void *arg, struct worker *got)
{
    worker = got;
    worker_attach(got, &events, arg);
}
static const struct pool_waiter_events waiter_events = {.acquired = acquired};

static int find_two(void *arg, const struct function_version *version, struct pool_extensions *ret_extensions, struct err *err)
{
    (void)arg, (void)version, (void)err;
    asked++;
    *ret_extensions = (struct pool_extensions){.names = calloc(2, sizeof(char *)), .count = 2};
    ret_extensions->names[0] = str_format("a");
    ret_extensions->names[1] = str_format("b");
    return 0;
}

static struct function_version *begin(void)
{
    fake_open(&(struct pool_options){.blanks_off = true, .keep_alive_ms = 40, .freeze_ms = 5, .extensions = find_two});
    struct function_version *version = fake_version("f");
    version->layer_count = 1;
    fake.has_extensions = fake.wants_shutdown = true;
    ready = idle = asked = 0;
    return version;
}

static void visit(struct function_version *version)
{
    struct pool_waiter *waiter;
    struct err err;
    struct session_event event = {.request_id = "r", .payload = "{}", .payload_len = 2};
    pool_acquire(fake.pool, version, &waiter_events, NULL, &waiter);
    CU_ASSERT_FATAL(fake_until(&ready));
    CU_ASSERT_FATAL(worker_deliver(worker, &event, &err) == 0);
    fake_respond(worker_room_id(worker), "{}", true);
    CU_ASSERT_FATAL(fake_until(&idle));
}

static bool comes(uint32_t op)
{
    int64_t until = clock_mono_us() + 10000000;
    while (fake_count(op) == 0 && clock_mono_us() < until)
        fake_run(5);
    return fake_count(op) > 0;
}

static void test_extensions_are_told(void)
{
    struct function_version *version = begin();
    visit(version);
    CU_ASSERT(fake.expected == 2 && asked == 1);
    worker_release(worker);
    CU_ASSERT(comes(SPAWN_ROOM_THAW) && comes(SPAWN_ROOM_SIGNAL));
    CU_ASSERT(fake.terminations == 1 && fake.shutdowns == 0 && fake_last(SPAWN_ROOM_SIGNAL)->signal == SIGTERM);
    fake_exit(worker_room_id(worker), 0, 0); /* the runtime does as it is told */
    CU_ASSERT(FAKE_UNTIL(fake.shutdowns == 1));
    CU_ASSERT(fake_count(SPAWN_ROOM_KILL) == 0);
    CU_ASSERT(comes(SPAWN_ROOM_KILL));
    CU_ASSERT(fake.shutdowns == 1 && fake_count(SPAWN_ROOM_SIGNAL) == 1);
    visit_end(version);
}

/* A runtime that does not heed SIGTERM is killed, then the extensions have their turn; without external ones all is over. */
static void test_extensions_after_a_late_runtime(void)
{
    struct function_version *version = begin();
    visit(version);
    worker_release(worker);
    CU_ASSERT(comes(SPAWN_ROOM_SIGNAL));
    fake_broken(worker_room_id(worker)); /* what it says meanwhile changes nothing */
    CU_ASSERT(FAKE_UNTIL(fake_count(SPAWN_ROOM_SIGNAL) == 2));
    CU_ASSERT(fake.shutdowns == 1 && fake_last(SPAWN_ROOM_SIGNAL)->signal == SIGKILL);
    CU_ASSERT(comes(SPAWN_ROOM_KILL));
    visit_end(version);
}

static void on_measured(void *arg, uint64_t peak)
{
    (void)arg, (void)peak;
}

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

/* A stop waits for those that are ending, also for one that is still to be measured. */
static void test_extensions_at_a_stop(void)
{
    bool drained = false;
    struct function_version *version = begin();
    visit(version);
    pool_drain(fake.pool, clock_mono_us() + 10000000, on_drained, &drained);
    fake.mute = 1ull << SPAWN_ROOM_STAT;
    struct worker_measure measure = {.fn = on_measured};
    worker_measure(worker, &measure, false);
    worker_release(worker);
    CU_ASSERT(comes(SPAWN_ROOM_SIGNAL));
    fake_exit(worker_room_id(worker), 0, 0);
    CU_ASSERT(FAKE_UNTIL(fake.shutdowns == 1));
    CU_ASSERT(fake_count(SPAWN_ROOM_KILL) == 0 && !drained);
    CU_ASSERT(FAKE_UNTIL(drained));
    visit_end(version);
}

static void test_extensions_of_the_runtime(void)
{
    struct function_version *version = begin();
    fake.wants_shutdown = false;
    visit(version);
    worker_release(worker);
    CU_ASSERT(comes(SPAWN_ROOM_SIGNAL));
    CU_ASSERT(fake_count(SPAWN_ROOM_KILL) == 0);
    CU_ASSERT(comes(SPAWN_ROOM_KILL));
    CU_ASSERT(fake.terminations == 1 && fake.shutdowns == 0);
    visit_end(version);
}

/* Every start names them anew; where none registers nobody is waited for. */
static void test_extensions_after_a_reset(void)
{
    struct function_version *version = begin();
    visit(version);
    worker_reset(worker);
    fake.has_extensions = fake.wants_shutdown = false;
    ready = idle = 0;
    visit(version);
    CU_ASSERT(fake.expected == 4 && asked == 1);
    worker_release(worker);
    CU_ASSERT(comes(SPAWN_ROOM_KILL));
    CU_ASSERT(fake.shutdowns == 0 && fake_count(SPAWN_ROOM_THAW) == 0);
    visit_end(version);
}

TEST_MAIN("pool_extensions", TEST(test_extensions_are_told), TEST(test_extensions_after_a_late_runtime),
          TEST(test_extensions_of_the_runtime), TEST(test_extensions_at_a_stop), TEST(test_extensions_after_a_reset))
