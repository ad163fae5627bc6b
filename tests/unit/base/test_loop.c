/* The event loop: order of timers, removal inside callbacks, posting from threads, nesting. */
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "tests/unit/cunit.h"

struct many {
    struct loop_timer timer;
    int64_t due_us, *last;
    int *fired;
};

static void fired_in_order(void *arg)
{
    struct many *m = arg;
    CU_ASSERT(m->due_us >= *m->last);
    *m->last = m->due_us;
    (*m->fired)++;
}

static struct loop *make(void)
{
    struct loop *loop = NULL;
    struct err err;
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    return loop;
}

static void test_loop_timers_in_order(void)
{
    struct loop *loop = make();
    enum { COUNT = 500 };
    static struct many many[COUNT];
    int64_t base = clock_mono_us(), last = 0;
    int fired = 0, kept = 0;
    unsigned seed = 7;
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 1103515245 + 12345;
        many[i].due_us = base + seed / 65536 % 20000;
        many[i].last = &last;
        many[i].fired = &fired;
        loop_timer_init(&many[i].timer, fired_in_order, &many[i]);
        loop_timer_set(loop, &many[i].timer, many[i].due_us);
    }
    for (int i = 0; i < COUNT; i++)
        if (i % 3 == 0)
            loop_timer_cancel(loop, &many[i].timer);
        else
            kept++;
    for (int round = 0; round < 1000 && fired < kept; round++)
        loop_run_once(loop, 100);
    CU_ASSERT_EQUAL(fired, kept);
    for (int i = 0; i < COUNT; i++)
        CU_ASSERT_FALSE(loop_timer_is_set(&many[i].timer));
    loop_free(loop);
}

struct pair {
    struct loop_watch *watch[2];
    int calls;
};

static void remove_both(void *arg, uint32_t events)
{
    (void)events;
    struct pair *pair = arg;
    pair->calls++;
    for (int i = 0; i < 2; i++) {
        loop_remove(pair->watch[i]);
        pair->watch[i] = NULL;
    }
}

static void test_loop_remove_in_callback(void)
{
    struct loop *loop = make();
    int a[2], b[2];
    CU_ASSERT_EQUAL_FATAL(pipe(a) | pipe(b), 0);
    struct pair pair = {0};
    struct err err;
    CU_ASSERT_EQUAL(loop_add(loop, a[0], EPOLLIN, remove_both, &pair, &pair.watch[0], &err), 0);
    CU_ASSERT_EQUAL(loop_add(loop, b[0], EPOLLIN, remove_both, &pair, &pair.watch[1], &err), 0);
    CU_ASSERT_EQUAL(write(a[1], "x", 1) + write(b[1], "x", 1), 2);
    loop_run_once(loop, 1000); /* both are ready in one round: the second must not be called */
    loop_run_once(loop, 0);
    CU_ASSERT_EQUAL(pair.calls, 1);
    loop_free(loop);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static int order[200], order_len;

static void note(void *arg)
{
    order[order_len++] = (int)(intptr_t)arg;
}

static void *post_hundred(void *arg)
{
    for (intptr_t i = 0; i < 100; i++)
        loop_post(arg, note, (void *)i);
    return NULL;
}

static void test_loop_post(void)
{
    struct loop *loop = make();
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, post_hundred, loop), 0);
    for (int round = 0; round < 10000 && order_len < 100; round++)
        loop_run_once(loop, 1000);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(order_len, 100);
    for (int i = 0; i < order_len; i++)
        CU_ASSERT_EQUAL(order[i], i);
    loop_free(loop);
}

static void set_flag(void *arg)
{
    *(int *)arg = 1;
}

static void test_loop_nests(void)
{
    struct loop *loop = make();
    int flag = 0;
    struct loop_timer timer;
    loop_timer_init(&timer, set_flag, &flag);
    struct pollfd p = {.fd = loop_fd(loop), .events = POLLIN};
    CU_ASSERT_EQUAL(poll(&p, 1, 0), 0);
    loop_timer_set(loop, &timer, clock_mono_us() + 20000);
    loop_run_once(loop, 0);
    CU_ASSERT_EQUAL(flag, 0);
    CU_ASSERT_EQUAL(poll(&p, 1, 5000), 1); /* a due timer makes the nested descriptor readable */
    loop_run_once(loop, 0);
    CU_ASSERT_EQUAL(flag, 1);
    CU_ASSERT_EQUAL(poll(&p, 1, 0), 0);
    loop_free(loop);
}

static void post_again(void *arg)
{
    note((void *)1);
    loop_post(arg, note, (void *)2);
}

/* At the end: what is posted runs, also by what was posted; a timer that is due does not, until the next round. */
static void test_loop_run_posted(void)
{
    struct loop *loop = make();
    struct loop_timer timer;
    order_len = 0;
    loop_timer_init(&timer, note, (void *)3);
    loop_timer_set(loop, &timer, clock_mono_us() - 1);
    loop_post(loop, post_again, loop);
    while (order_len < 2)
        loop_run_posted(loop);
    CU_ASSERT(order_len == 2 && order[0] == 1 && order[1] == 2);
    loop_run_once(loop, 1000);
    CU_ASSERT(order_len == 3 && order[2] == 3);
    loop_free(loop);
}

TEST_MAIN("loop", TEST(test_loop_timers_in_order), TEST(test_loop_remove_in_callback), TEST(test_loop_post), TEST(test_loop_run_posted),
          TEST(test_loop_nests))
