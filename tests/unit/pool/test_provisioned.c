/* Provisioned workers in the pool, against a played spawner: always new, first to serve, never evicted, and heard of when they go. */
#include <signal.h>
#include <string.h>

#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"
#include "tests/unit/pool/visit.h"

static int gone, again;
static struct visit reinit; /* what `again` handed over */

static void on_gone(void *arg, uint64_t key)
{
    (void)arg, (void)key, gone++;
}
static void on_again(void *arg, struct worker *worker)
{
    (void)arg;
    again++;
    reinit = (struct visit){.worker = worker};
    worker_attach(worker, &visit_events, &reinit);
}
static const struct pool_provision_events provision_events = {.gone = on_gone, .again = on_again};

static struct function_version *begin(struct pool_options options)
{
    options.blanks_off = true;
    gone = again = visit_order = 0;
    fake_open(&options);
    pool_on_provisioned(fake.pool, &provision_events, NULL);
    return fake_version("f");
}

static uint32_t provision(struct function_version *version)
{
    struct visit v = {0};
    pool_acquire_provisioned(fake.pool, version, &visit_waiter_events, &v, &v.waiter);
    CU_ASSERT_FATAL(fake_until(&v.ready));
    uint32_t room = worker_room_id(v.worker);
    CU_ASSERT(fake_is_provisioned(room) && !worker_was_reset(v.worker));
    worker_release(v.worker);
    return room;
}

static void deliver(struct visit *v)
{
    struct err err;
    struct session_event event = {.request_id = "r", .payload = "{}", .payload_len = 2};
    CU_ASSERT_FATAL(worker_deliver(v->worker, &event, &err) == 0);
}

static void respond(struct visit *v)
{
    fake_respond(worker_room_id(v->worker), "{}", true);
    CU_ASSERT_FATAL(fake_until(&v->idle));
    worker_release(v->worker);
}

/* all * 10 + past init */
static unsigned counts(const struct function_version *version)
{
    unsigned all, ready;
    pool_count_provisioned(fake.pool, version->key, &all, &ready);
    return all * 10 + ready;
}

static struct pool_stats stats(void)
{
    struct pool_stats s;
    pool_get_stats(fake.pool, &s);
    return s;
}

/* A warm worker is there and stays where it is; the provisioned one serves first and outlives its keep-alive. */
static void test_provisioned_is_new(void)
{
    struct function_version *f = begin((struct pool_options){.freeze_ms = 5, .keep_alive_ms = 40});
    struct visit v;
    visit_acquire(&v, f);
    CU_ASSERT_FATAL(fake_until(&v.ready));
    uint32_t warm = worker_room_id(v.worker);
    CU_ASSERT(!fake_is_provisioned(warm));
    deliver(&v);
    respond(&v);
    uint32_t room = provision(f);
    CU_ASSERT(room != warm && counts(f) == 11 && stats().provisioned == 1);
    visit_acquire(&v, f);
    CU_ASSERT(v.acquired && worker_room_id(v.worker) == room);
    deliver(&v);
    CU_ASSERT(counts(f) == 11);
    respond(&v);
    CU_ASSERT_FATAL(FAKE_UNTIL(stats().expired == 1 && stats().workers == 1 && stats().frozen == 1));
    fake_run(60); /* longer than the keep-alive */
    CU_ASSERT(counts(f) == 11 && stats().expired == 1);
    visit_acquire(&v, f);
    CU_ASSERT(v.acquired && worker_room_id(v.worker) == room);
    worker_retire(v.worker);
    CU_ASSERT(gone == 1);
    visit_end(f);
}

/* Spill over: beyond the provisioned ones a visit is served as ever. */
static void test_provisioned_spills(void)
{
    struct function_version *f = begin((struct pool_options){.freeze_ms = 5});
    uint32_t room = provision(f);
    struct visit a, b;
    visit_acquire(&a, f);
    visit_acquire(&b, f);
    CU_ASSERT(worker_room_id(a.worker) == room && a.acquired && !b.acquired);
    CU_ASSERT_FATAL(fake_until(&b.ready));
    CU_ASSERT(!fake_is_provisioned(worker_room_id(b.worker)));
    worker_retire(a.worker);
    worker_retire(b.worker);
    CU_ASSERT(gone == 1);
    visit_end(f);
}

/* Who waits for a new worker is no visit: a warm one that comes back is not for it, and a visit that comes later goes first. */
static void test_provisioned_waits_behind(void)
{
    struct function_version *f = begin((struct pool_options){.freeze_ms = 1000}), *g = fake_version("g");
    struct visit a, p = {0}, b;
    visit_acquire(&a, f);
    CU_ASSERT_FATAL(fake_until(&a.ready));
    fake.mute = 1ull << SPAWN_ROOM_MAKE;
    pool_acquire_provisioned(fake.pool, f, &visit_waiter_events, &p, &p.waiter);
    deliver(&a);
    respond(&a);
    CU_ASSERT(!p.acquired && stats().idle == 1 && stats().waiting == 1);
    visit_acquire(&b, g);
    fake.mute = 0;
    fake_message(&(struct spawn_msg){.op = SPAWN_ROOM_READY, .room_id = 2});
    fake_message(&(struct spawn_msg){.op = SPAWN_ROOM_READY, .room_id = 3});
    CU_ASSERT_FATAL(fake_until(&p.ready));
    CU_ASSERT(b.acquired && b.order < p.order);
    CU_ASSERT(counts(f) == 11);
    worker_retire(b.worker);
    pool_unprovision(fake.pool, f->key, 0);
    CU_ASSERT(gone == 0 && counts(f) == 0);
    unsigned before = stats().workers;
    worker_release(p.worker);
    CU_ASSERT_FATAL(FAKE_UNTIL(stats().workers + 1 < before)); /* b's and this one */
    function_version_unref(g);
    visit_end(f);
}

static void test_provisioned_ends(void)
{
    struct function_version *f = begin((struct pool_options){.freeze_ms = 5});
    uint32_t first = provision(f);
    provision(f);
    CU_ASSERT_FATAL(FAKE_UNTIL(stats().frozen == 2));
    CU_ASSERT(counts(f) == 22);
    fake_exit(first, SIGKILL, 0);
    CU_ASSERT_FATAL(FAKE_UNTIL(gone == 1));
    CU_ASSERT(counts(f) == 11);
    fake_spawner_dies();
    CU_ASSERT_FATAL(FAKE_UNTIL(stats().spawner_losses == 1));
    CU_ASSERT(gone == 2 && counts(f) == 0);
    provision(f);
    pool_on_retired(fake.pool, f->key);
    CU_ASSERT(gone == 3 && counts(f) == 0);
    visit_end(f);
}

/* What a timeout leaves: the room initialises again before the next visit, and stays provisioned. */
static void test_provisioned_again(void)
{
    struct function_version *f = begin((struct pool_options){.freeze_ms = 5});
    uint32_t room = provision(f);
    struct visit v;
    visit_acquire(&v, f);
    deliver(&v);
    worker_reset(v.worker);
    CU_ASSERT(counts(f) == 10);
    CU_ASSERT_FATAL(fake_until(&again) && fake_until(&reinit.ready));
    CU_ASSERT(reinit.worker == v.worker && worker_was_reset(v.worker) && fake_is_provisioned(room));
    worker_release(reinit.worker);
    CU_ASSERT(counts(f) == 11 && gone == 0);
    visit_acquire(&v, f);
    CU_ASSERT(worker_is_ready(v.worker) && worker_room_id(v.worker) == room);
    deliver(&v);
    pool_unprovision(fake.pool, f->key, 0);
    CU_ASSERT(counts(f) == 0);
    respond(&v);
    CU_ASSERT_FATAL(FAKE_UNTIL(stats().workers == 0));
    CU_ASSERT(gone == 0); /* surplus: ended with its visit */
    visit_end(f);
}

static void test_provisioned_is_not_evicted(void)
{
    struct function_version *f = begin((struct pool_options){.freeze_ms = 5, .workers_max = 2, .wait_ms_max = 30}), *g = fake_version("g");
    struct visit v;
    provision(f);
    provision(f);
    visit_acquire(&v, g);
    CU_ASSERT_FATAL(fake_until(&v.failed));
    CU_ASSERT(stats().evicted == 0 && counts(f) == 22);
    pool_unprovision(fake.pool, f->key, 1);
    CU_ASSERT(counts(f) == 11);
    visit_acquire(&v, g);
    CU_ASSERT_FATAL(fake_until(&v.ready));
    worker_retire(v.worker);
    function_version_unref(g);
    visit_end(f);
}

TEST_MAIN("provisioned", TEST(test_provisioned_is_new), TEST(test_provisioned_spills), TEST(test_provisioned_waits_behind),
          TEST(test_provisioned_ends), TEST(test_provisioned_again), TEST(test_provisioned_is_not_evicted))
