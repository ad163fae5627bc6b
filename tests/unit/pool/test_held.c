/* Visits beyond a limit: what they may have before and after they are let. */
#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"
#include "tests/unit/pool/visit.h"

#include <string.h>

static struct function_version *f;

static void begin(struct pool_options options)
{
    fake_open(&options);
    f = fake_version("f");
}

static void end(void)
{
    visit_end(f);
}

static void await(struct visit *v)
{
    memset(v, 0, sizeof *v);
    pool_await(fake.pool, f, &visit_waiter_events, v, &v->waiter);
}

static uint32_t deliver(struct visit *v)
{
    struct err err;
    struct session_event event = {.request_id = "r", .payload = "{}", .payload_len = 2};
    CU_ASSERT_FATAL(worker_deliver(v->worker, &event, &err) == 0);
    return worker_room_id(v->worker);
}

/* A visit whose worker has answered and is not idle; its room. */
static uint32_t answer(struct visit *v)
{
    visit_acquire(v, f);
    CU_ASSERT_FATAL(FAKE_UNTIL(v->acquired && worker_is_ready(v->worker)));
    uint32_t room = deliver(v);
    fake_respond(room, "{}", false);
    CU_ASSERT_FATAL(fake_until(&v->response));
    worker_answered(v->worker);
    return room;
}

static void give_back(struct visit *v, uint32_t room)
{
    fake_idle(room);
    CU_ASSERT_FATAL(fake_until(&v->idle));
    worker_release(v->worker);
}

static struct pool_stats stats(void)
{
    struct pool_stats s;
    pool_get_stats(fake.pool, &s);
    return s;
}

static void test_held_gets_what_is_given_back(void)
{
    begin((struct pool_options){.blanks_min = 2, .wait_ms_max = 1000});
    struct visit a, b, c;
    uint32_t room = answer(&a);
    await(&b);
    CU_ASSERT(FAKE_UNTIL(stats().blanks == 2)); /* blanks are made meanwhile, and not for it */
    fake_run(30);
    CU_ASSERT(b.acquired == 0 && stats().waiting == 1);
    give_back(&a, room);
    CU_ASSERT(b.acquired == 1 && worker_room_id(b.worker) == room && stats().waiting == 0);
    deliver(&b);
    fake_respond(room, "{}", false);
    fake_run(2);
    worker_answered(b.worker);
    await(&c);
    await(&a);
    pool_cancel(c.waiter);
    give_back(&b, room);
    CU_ASSERT(a.acquired == 1 && worker_room_id(a.worker) == room);
    worker_release(a.worker);
    end();
}

/* Neither a warm worker is its own, nor one that nobody has answered with, nor the one that another visit waits for. */
static void test_held_gets_nothing_else(void)
{
    begin((struct pool_options){.blanks_off = true, .wait_ms_max = 60, .workers_max = 1});
    struct visit a, b, c;
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    await(&b);
    worker_release(a.worker);
    CU_ASSERT(b.acquired == 0 && stats().idle == 1);
    CU_ASSERT(FAKE_UNTIL(b.failed == 1));
    CU_ASSERT(b.failure == POOL_HELD && stats().waiting == 0);
    uint32_t room = answer(&a);
    visit_acquire(&c, f);
    await(&b);
    give_back(&a, room);
    CU_ASSERT(c.acquired == 1 && b.acquired == 0);
    worker_release(c.worker);
    CU_ASSERT(b.acquired == 0);
    CU_ASSERT(FAKE_UNTIL(b.failed == 1));
    end();
}

static void test_held_is_let(void)
{
    begin((struct pool_options){.blanks_off = true, .wait_ms_max = 500});
    struct visit a, b, c;
    uint32_t room = answer(&a);
    await(&b);
    pool_let(b.waiter); /* hopes for the one that has answered, and gets another after a while */
    fake_run(5);
    CU_ASSERT(b.acquired == 0 && fake_count(SPAWN_ROOM_MAKE) == 1);
    CU_ASSERT(FAKE_UNTIL(b.acquired == 1) && fake_count(SPAWN_ROOM_MAKE) == 2);
    await(&c);
    fake_exit(room, 1 << 8, 0);
    CU_ASSERT_FATAL(fake_until(&a.exited));
    worker_retire(a.worker);
    fake_run(30);
    CU_ASSERT(c.acquired == 0 && fake_count(SPAWN_ROOM_MAKE) == 2);
    pool_let(c.waiter); /* nobody to hope for */
    CU_ASSERT(FAKE_UNTIL(c.acquired == 1) && fake_count(SPAWN_ROOM_MAKE) == 3);
    CU_ASSERT(FAKE_UNTIL(worker_is_ready(b.worker) && worker_is_ready(c.worker)));
    room = worker_room_id(b.worker);
    await(&a);
    worker_release(b.worker);
    CU_ASSERT(a.acquired == 0 && a.waiter);
    pool_let(a.waiter); /* a warm one */
    CU_ASSERT(a.acquired == 1 && worker_room_id(a.worker) == room && stats().warm_hits == 1);
    worker_release(a.worker);
    worker_release(c.worker);
    end();
}

static void on_drained(void *arg)
{
    ++*(int *)arg;
}

static void test_held_at_the_end(void)
{
    begin((struct pool_options){.blanks_off = true, .wait_ms_max = 60});
    struct visit a, b, c;
    int done = 0;
    uint32_t room = answer(&a);
    await(&b);
    await(&c);
    fake_spawner_dies();
    CU_ASSERT(FAKE_UNTIL(a.lost == 1) && b.failed == 0);
    pool_let(b.waiter);
    CU_ASSERT(FAKE_UNTIL(b.ready == 1));
    room = deliver(&b);
    pool_on_retired(fake.pool, f->key);
    pool_drain(fake.pool, clock_mono_us() + 5 * 1000 * 1000, on_drained, &done);
    await(&a);
    CU_ASSERT(a.failed == 1 && a.failure == POOL_DRAINING);
    CU_ASSERT(FAKE_UNTIL(c.failed == 1));
    CU_ASSERT(done == 0 && c.failure == POOL_HELD);
    fake_respond(room, "{}", true);
    CU_ASSERT_FATAL(fake_until(&b.idle));
    worker_release(b.worker);
    CU_ASSERT(FAKE_UNTIL(done == 1));
    end();
}

TEST_MAIN("held", TEST(test_held_gets_what_is_given_back), TEST(test_held_gets_nothing_else), TEST(test_held_is_let),
          TEST(test_held_at_the_end))
