/* The end of a drain whose last visits never get a worker. */
#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"
#include "tests/unit/pool/visit.h"

static int drained;

static void on_drained(void *arg)
{
    (void)arg, drained++;
}

/* Visits that wait for a zygote that is down: with the last that fails or is cancelled there is nothing to wait for. */
static void test_pool_drain_ends_with_the_last_waiter(void)
{
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        fake_open(&(struct pool_options){.blanks_off = true});
        struct function_version *f = fake_version("f");
        struct visit a, b;
        fake.fail = 1ull << SPAWN_ZYGOTE_START;
        visit_acquire(&a, f);
        visit_acquire(&b, f);
        CU_ASSERT_FATAL(FAKE_UNTIL(fake_count(SPAWN_ZYGOTE_START) == 2));
        fake.mute = 1ull << SPAWN_ZYGOTE_START;
        CU_ASSERT_FATAL(FAKE_UNTIL(fake_count(SPAWN_ZYGOTE_START) == 3)); /* the last try */
        drained = 0;
        pool_drain(fake.pool, INT64_MAX / 2, on_drained, NULL);
        fake_run(5);
        CU_ASSERT(drained == 0);
        if (cancelled) {
            pool_cancel(a.waiter);
            fake_run(5);
            CU_ASSERT(drained == 0 && b.failed == 0);
            pool_cancel(b.waiter);
        } else {
            fake_message(&(struct spawn_msg){.op = SPAWN_ZYGOTE_DOWN, .room_id = fake_last(SPAWN_ZYGOTE_START)->room_id});
            CU_ASSERT(fake_until(&b.failed));
            CU_ASSERT(a.failure == POOL_NO_SPAWNER && b.failure == POOL_NO_SPAWNER);
        }
        CU_ASSERT(fake_until(&drained));
        function_version_unref(f);
        fake_close();
        CU_ASSERT(fake_versions == 0);
    }
}

TEST_MAIN("pool_drain", TEST(test_pool_drain_ends_with_the_last_waiter))
