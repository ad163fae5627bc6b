/* The pool against a played spawner: warm, blank and made workers, waiting, memory, loss, the end. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"
#include "tests/unit/pool/visit.h"

static struct pool_stats stats(void)
{
    struct pool_stats s;
    pool_get_stats(fake.pool, &s);
    return s;
}

static void test_pool_cold_then_warm(void)
{
    fake_open(&(struct pool_options){.blanks_off = true, .freeze_ms = 10});
    struct function_version *f = fake_version("f");
    uint32_t first = visit_once(f);
    CU_ASSERT(fake_count(SPAWN_ZYGOTE_START) == 1);
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 1);
    const struct spawn_assign *assign = &fake_last(SPAWN_ROOM_ASSIGN)->assign;
    CU_ASSERT(assign->cpu_milli == 1000 && assign->cpu_count == 2 && assign->memory_mb == 128);
    CU_ASSERT(fake_last(SPAWN_ROOM_LIMIT)->limit.cpu_milli == 72);
    CU_ASSERT(visit_once(f) == first);
    CU_ASSERT(fake_count(SPAWN_ROOM_FREEZE) == 0);
    fake_run(30);
    CU_ASSERT(fake_count(SPAWN_ROOM_FREEZE) == 1 && stats().frozen == 1);
    CU_ASSERT(visit_once(f) == first);
    CU_ASSERT(fake_count(SPAWN_ROOM_THAW) == 1);
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 1 && stats().warm_hits == 2);
    visit_end(f);
}

static void test_pool_blanks_are_kept(void)
{
    fake_open(&(struct pool_options){.blanks_min = 3});
    struct function_version *f = fake_version("f"), *g = fake_version("g");
    pool_prepare(fake.pool, f);
    CU_ASSERT(FAKE_UNTIL(stats().blanks == 3));
    visit_once(f);
    visit_once(g);
    CU_ASSERT(stats().blank_hits == 2);
    CU_ASSERT(FAKE_UNTIL(stats().blanks == 3));
    CU_ASSERT(stats().blanks == 3 && fake_count(SPAWN_ROOM_MAKE) == 5);
    function_version_unref(g);
    visit_end(f);
}

/* A blank that died a moment ago costs a visit another blank, not its answer; where all do, the visit fails in the end. */
static void test_pool_blanks_that_died(void)
{
    fake_open(&(struct pool_options){.blanks_min = 3});
    struct function_version *f = fake_version("f"), *g = fake_version("g");
    pool_prepare(fake.pool, f);
    CU_ASSERT(FAKE_UNTIL(stats().blanks == 3));
    fake.dead_blanks = 2;
    visit_once(f);
    CU_ASSERT(fake.dead_blanks == 0 && fake_count(SPAWN_ROOM_KILL) == 2);
    fake.dead_blanks = 100;
    struct visit v;
    visit_acquire(&v, g);
    CU_ASSERT(FAKE_UNTIL(v.failed == 1));
    CU_ASSERT(v.failure == POOL_NO_SPAWNER && v.acquired == 0);
    fake.dead_blanks = 0;
    function_version_unref(g);
    visit_end(f);
}

static void test_pool_taken_before_booted(void)
{
    fake_open(&(struct pool_options){.blanks_off = true});
    fake.no_boot = true; /* as node, which boots for a while: START waits in its socket */
    struct function_version *f = fake_version("f");
    visit_once(f);
    visit_end(f);
}

static void test_pool_waiters_in_order(void)
{
    fake_open(&(struct pool_options){.blanks_off = true, .workers_max = 1});
    struct function_version *f = fake_version("f");
    struct visit a, b, c;
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    visit_acquire(&b, f);
    visit_acquire(&c, f);
    fake_run(5);
    CU_ASSERT(b.acquired == 0 && stats().waiting == 2);
    worker_release(a.worker);
    CU_ASSERT(b.acquired == 1 && c.acquired == 0);
    pool_cancel(c.waiter);
    worker_release(b.worker);
    CU_ASSERT(c.acquired == 0 && stats().waiting == 0);
    visit_end(f);
}

static void test_pool_no_memory(void)
{
    fake_open(&(struct pool_options){.blanks_off = true, .memory_bytes = 20 << 20, .wait_ms_max = 60});
    fake.stats = (struct spawn_stats){.memory_bytes = 15 << 20, .peak_bytes = 15 << 20};
    struct function_version *f = fake_version("f"), *g = fake_version("g");
    struct visit a, b;
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    visit_acquire(&b, g);
    CU_ASSERT_FATAL(fake_until(&b.failed));
    CU_ASSERT(b.failure == POOL_NO_MEMORY);
    /* An idle worker makes room for another function. */
    visit_acquire(&b, g);
    worker_release(a.worker);
    CU_ASSERT(fake_until(&b.ready));
    CU_ASSERT(stats().evicted == 1 && fake_count(SPAWN_ROOM_KILL) == 1);
    worker_release(b.worker);
    function_version_unref(g);
    visit_end(f);
}

static void test_pool_retire(void)
{
    fake_open(&(struct pool_options){.blanks_off = true});
    struct function_version *f = fake_version("f");
    struct visit a;
    visit_once(f);
    visit_acquire(&a, f); /* the warm one */
    struct visit b;
    visit_acquire(&b, f);
    CU_ASSERT_FATAL(fake_until(&b.ready));
    worker_release(b.worker);
    pool_on_retired(fake.pool, f->key);
    CU_ASSERT(fake_count(SPAWN_ROOM_KILL) == 1);
    worker_release(a.worker);
    CU_ASSERT(fake_count(SPAWN_ROOM_KILL) == 2);
    fake_run(10);
    CU_ASSERT(stats().workers == 0 && f->refs == 1);
    visit_end(f);
}

static void test_pool_spawner_lost(void)
{
    fake_open(&(struct pool_options){.blanks_min = 2});
    struct function_version *f = fake_version("f"), *g = fake_version("g");
    struct visit a, b;
    visit_once(g);
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    fake.mute = 1ull << SPAWN_ROOM_MAKE;
    fake_run(20);
    struct visit c;
    visit_acquire(&c, f);
    visit_acquire(&b, f);
    fake.spawner_gone = true;
    pool_spawn_lost(fake.pool);
    CU_ASSERT(a.lost == 1 && stats().workers == 0);
    struct visit d;
    visit_acquire(&d, f);
    fake.spawner_gone = false;
    fake.mute = 0;
    pool_spawn_up(fake.pool);
    CU_ASSERT(fake_until(&d.acquired));
    function_version_unref(g);
    visit_end(f);
}

static void test_pool_zygote_fails(void)
{
    fake_open(&(struct pool_options){.blanks_off = true});
    fake.fail = 1ull << SPAWN_ZYGOTE_START;
    struct function_version *f = fake_version("f");
    struct visit a;
    visit_acquire(&a, f);
    CU_ASSERT(fake_until(&a.failed)); /* after three starts, 100 and 200 ms apart */
    CU_ASSERT(a.failure == POOL_NO_SPAWNER && fake_count(SPAWN_ZYGOTE_START) == 3);
    fake.fail = 0;
    visit_acquire(&a, f);
    CU_ASSERT(fake_until(&a.ready));
    visit_end(f);
}

static void test_pool_rooms_fail(void)
{
    fake_open(&(struct pool_options){.blanks_off = true});
    struct function_version *f = fake_version("f");
    struct visit a;
    fake.fail = 1ull << SPAWN_ROOM_MAKE;
    visit_acquire(&a, f);
    CU_ASSERT(fake_until(&a.failed));
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 3 && stats().workers == 0);
    fake.fail = 1ull << SPAWN_ROOM_ASSIGN;
    visit_acquire(&a, f);
    CU_ASSERT(fake_until(&a.lost));
    fake_run(5);
    CU_ASSERT(stats().workers == 0);
    visit_end(f);
}

static void test_pool_reset(void)
{
    fake_open(&(struct pool_options){.blanks_off = true});
    struct function_version *f = fake_version("f");
    struct visit a;
    uint32_t room = visit_once(f);
    struct err err;
    visit_acquire(&a, f);
    struct session_event event = {.request_id = "r", .payload = "{}", .payload_len = 2};
    CU_ASSERT(worker_deliver(a.worker, &event, &err) == 0);
    fake_exit(room, 9, 0); /* heard after the reset began: nothing happens */
    worker_reset(a.worker);
    fake_run(10);
    CU_ASSERT(stats().workers == 1 && a.exited == 0);
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(a.acquired == 1);
    CU_ASSERT(worker_was_reset(a.worker) && !worker_is_ready(a.worker));
    CU_ASSERT(worker_room_id(a.worker) == room);
    CU_ASSERT(fake_until(&a.ready));
    CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 1 && fake_count(SPAWN_ROOM_ASSIGN) == 2);
    worker_release(a.worker);
    visit_end(f);
}

static void test_pool_restart(void)
{
    fake_open(&(struct pool_options){.blanks_off = true});
    struct function_version *f = fake_version("f");
    struct visit a;
    fake.no_ready = true;
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.acquired));
    fake_run(5);
    CU_ASSERT(worker_state(a.worker) == WORKER_INIT);
    fake.no_ready = false;
    worker_restart(a.worker);
    CU_ASSERT(worker_state(a.worker) == WORKER_RESETTING);
    CU_ASSERT(fake_until(&a.ready));
    CU_ASSERT(a.acquired == 1);
    worker_release(a.worker);
    visit_end(f);
}

static void test_pool_exits(void)
{
    fake_open(&(struct pool_options){.blanks_off = true});
    struct function_version *f = fake_version("f");
    struct visit a;
    struct err err;
    struct session_event event = {.request_id = "r", .payload = "{}", .payload_len = 2};
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    CU_ASSERT(worker_deliver(a.worker, &event, &err) == 0);
    uint32_t room = worker_room_id(a.worker);
    fake_exit(room, -1, 1); /* the OOM notice comes before the end */
    fake_exit(room, SIGKILL, 1);
    CU_ASSERT(fake_until(&a.exited));
    CU_ASSERT(a.exit.known && a.exit.wait_status == SIGKILL && a.exit.oom);
    worker_retire(a.worker);
    /* Answer and exit at the same time: the answer comes first. */
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    CU_ASSERT(worker_deliver(a.worker, &event, &err) == 0);
    room = worker_room_id(a.worker);
    fake_exit(room, 0, 0);
    fake_respond(room, "{}", true);
    CU_ASSERT(fake_until(&a.idle));
    CU_ASSERT(a.response == 1 && a.exited == 0);
    worker_release(a.worker);
    CU_ASSERT(FAKE_UNTIL(stats().workers == 0));
    /* An idle one ends: nobody hears of it. */
    room = visit_once(f);
    fake_exit(room, 0, 0);
    CU_ASSERT(FAKE_UNTIL(stats().workers == 0));
    /* A broken session without an exit. */
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    CU_ASSERT(worker_deliver(a.worker, &event, &err) == 0);
    fake_broken(worker_room_id(a.worker));
    CU_ASSERT(fake_until(&a.exited));
    CU_ASSERT(!a.exit.known);
    worker_retire(a.worker);
    visit_end(f);
}

static void test_pool_keep_alive(void)
{
    fake_open(&(struct pool_options){.blanks_off = true, .keep_alive_ms = 200, .freeze_ms = 5});
    struct function_version *f = fake_version("f");
    visit_once(f);
    CU_ASSERT(FAKE_UNTIL(stats().frozen == 1));
    CU_ASSERT(FAKE_UNTIL(stats().workers == 0));
    CU_ASSERT(stats().expired == 1);
    CU_ASSERT(f->refs == 1);
    visit_end(f);
}

#define LONG_MS 600000 /* on however slow a machine */

/* a has its answer and holds its worker still; b hopes for that worker. The room of it. */
static uint32_t hope_for(struct visit *a, struct visit *b, struct function_version *f)
{
    struct err err;
    struct session_event event = {.request_id = "r", .payload = "{}", .payload_len = 2};
    visit_acquire(a, f);
    CU_ASSERT_FATAL(fake_until(&a->ready));
    CU_ASSERT(worker_deliver(a->worker, &event, &err) == 0);
    worker_answered(a->worker);
    visit_acquire(b, f);
    return worker_room_id(a->worker);
}

static void waits_for_finishing(int64_t soft_wait_ms)
{
    fake_open(&(struct pool_options){.blanks_off = true, .soft_wait_ms = soft_wait_ms});
    struct function_version *f = fake_version("f");
    struct visit a, b;
    uint32_t room = hope_for(&a, &b, f);
    fake_run(3);
    if (soft_wait_ms == LONG_MS) {
        CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 1 && b.acquired == 0);
        fake_respond(room, "{}", true);
        CU_ASSERT(fake_until(&a.idle));
        worker_release(a.worker);
        CU_ASSERT_FATAL(b.acquired == 1 && worker_room_id(b.worker) == room);
    } else { /* it never gets idle: another worker is made */
        CU_ASSERT(fake_until(&b.ready));
        CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 2);
        worker_reset(a.worker);
    }
    worker_release(b.worker);
    visit_end(f);
}

/* Whoever hoped for it gets another one as soon as it is known that it will not come. */
static void test_pool_does_not_wait_for_the_dead(void)
{
    fake_open(&(struct pool_options){.blanks_off = true, .soft_wait_ms = LONG_MS});
    struct function_version *f = fake_version("f");
    struct visit a, b;
    hope_for(&a, &b, f);
    worker_retire(a.worker);
    CU_ASSERT(fake_until(&b.ready) && fake_count(SPAWN_ROOM_MAKE) == 2);
    worker_release(b.worker);
    visit_end(f);
}

static void test_pool_waits_for_finishing(void)
{
    waits_for_finishing(LONG_MS);
    waits_for_finishing(1);
}

static int measured;
static void on_measured(void *arg, uint64_t peak)
{
    (void)arg, measured += peak == 3 << 20;
}

static void test_pool_measures(void)
{
    fake_open(&(struct pool_options){.blanks_off = true, .freeze_ms = 1000});
    struct function_version *f = fake_version("f");
    struct visit a;
    struct worker_measure m[20];
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    size_t before = fake_count(SPAWN_ROOM_STAT);
    measured = 0;
    for (int i = 0; i < 20; i++) {
        m[i] = (struct worker_measure){.fn = on_measured};
        worker_measure(a.worker, &m[i], false);
    }
    worker_measure_cancel(&m[7]);
    CU_ASSERT(measured == 0);
    CU_ASSERT(FAKE_UNTIL(measured == 19));
    CU_ASSERT(measured == 19 && fake_count(SPAWN_ROOM_STAT) == before + 1);
    m[0] = (struct worker_measure){.fn = on_measured};
    worker_measure(a.worker, &m[0], true);
    CU_ASSERT(FAKE_UNTIL(measured == 20));
    /* What the room has sent and received by now is the function's from the time before, and more. */
    fake.stats.net_bytes = 1000;
    fake.stats.net_packets = 10;
    worker_measure(a.worker, &m[0], true);
    CU_ASSERT(FAKE_UNTIL(measured == 21) && fake.net_bytes == 1000 && fake.net_packets == 10);
    fake.stats.net_bytes = 1500;
    fake.stats.net_packets = 12;
    worker_measure(a.worker, &m[0], true);
    CU_ASSERT(FAKE_UNTIL(measured == 22) && fake.net_bytes == 1500 && fake.net_packets == 12);
    /* A death answers too. */
    m[0] = (struct worker_measure){.fn = on_measured};
    worker_measure(a.worker, &m[0], false);
    worker_retire(a.worker);
    CU_ASSERT(FAKE_UNTIL(measured == 23));
    visit_end(f);
}

static void test_pool_zygote_is_replaced(void)
{
    fake_open(&(struct pool_options){.blanks_off = true, .zygote_workers_max = 2});
    struct function_version *f = fake_version("f"), *g = fake_version("g");
    visit_once(f);
    visit_once(g);
    CU_ASSERT(FAKE_UNTIL(fake_count(SPAWN_ZYGOTE_STOP) == 1));
    CU_ASSERT(fake_count(SPAWN_ZYGOTE_START) == 2 && fake_count(SPAWN_ZYGOTE_STOP) == 1);
    CU_ASSERT(stats().zygotes_up == 1 && stats().workers == 2);
    function_version_unref(g);
    visit_end(f);
}

static int drained;
static void on_drained(void *arg)
{
    (void)arg, drained++;
}

static void test_pool_drain(void)
{
    fake_open(&(struct pool_options){.blanks_min = 2});
    struct function_version *f = fake_version("f"), *g = fake_version("g");
    struct visit a, b;
    visit_once(g);
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    struct err err;
    struct session_event event = {.request_id = "r", .payload = "{}", .payload_len = 2};
    CU_ASSERT(worker_deliver(a.worker, &event, &err) == 0);
    drained = 0;
    unsigned killed = fake_count(SPAWN_ROOM_KILL);
    pool_drain(fake.pool, INT64_MAX / 2, on_drained, NULL);
    visit_acquire(&b, f);
    CU_ASSERT(b.failed == 1 && b.failure == POOL_DRAINING);
    fake_run(20);
    CU_ASSERT(drained == 0);
    fake_respond(worker_room_id(a.worker), "{}", true);
    CU_ASSERT(fake_until(&a.idle));
    worker_release(a.worker);
    CU_ASSERT(fake_until(&drained));
    CU_ASSERT(fake_count(SPAWN_ROOM_KILL) == killed + 1); /* a's; the others end with the spawner */
    function_version_unref(g);
    visit_end(f);
}

static void test_pool_free_in_flight(void)
{
    fake_open(&(struct pool_options){.blanks_min = 2});
    struct function_version *f = fake_version("f");
    struct visit a, b, c;
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    fake.mute = 1ull << SPAWN_ROOM_MAKE | 1ull << SPAWN_ROOM_ASSIGN;
    visit_acquire(&b, f);
    fake_run(2);
    visit_acquire(&c, f);
    visit_end(f);
    CU_ASSERT(a.lost == 1 && b.lost + b.failed == 1 && c.lost + c.failed == 1);
}

TEST_MAIN("pool", TEST(test_pool_cold_then_warm), TEST(test_pool_blanks_are_kept), TEST(test_pool_blanks_that_died),
          TEST(test_pool_taken_before_booted), TEST(test_pool_waiters_in_order), TEST(test_pool_no_memory), TEST(test_pool_retire),
          TEST(test_pool_spawner_lost), TEST(test_pool_zygote_fails), TEST(test_pool_rooms_fail), TEST(test_pool_reset),
          TEST(test_pool_restart), TEST(test_pool_exits), TEST(test_pool_keep_alive), TEST(test_pool_waits_for_finishing),
          TEST(test_pool_does_not_wait_for_the_dead), TEST(test_pool_measures), TEST(test_pool_zygote_is_replaced), TEST(test_pool_drain),
          TEST(test_pool_free_in_flight))
