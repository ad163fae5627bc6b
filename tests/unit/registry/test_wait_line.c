/* Lines of who waits for a write: each runs once and in turn, newcomers stand behind, a turn without a write is given on, and nobody is
 * forgotten when what they wait for goes. */
#include <stdlib.h>

#include "host/registry/function_record.h"
#include "host/registry/wait_line.h"
#include "tests/unit/cunit.h"

#define MANY 200

struct caller {
    int number;
    bool writes;
};

static struct registry *registry;
static struct wait_line line;
static struct caller callers[MANY];
static int runs, order[MANY];
static struct caller *writer; /* whose write is on its way */

static void begin(void)
{
    struct err err;
    CU_ASSERT_PTR_NOT_NULL_FATAL(registry = calloc(1, sizeof(*registry)));
    CU_ASSERT_EQUAL_FATAL(loop_new(&registry->loop, &err), 0);
    wait_line_init(&line, registry);
    runs = 0;
    writer = NULL;
    for (int i = 0; i < MANY; i++)
        callers[i] = (struct caller){.number = i, .writes = true};
}

static void end(void)
{
    CU_ASSERT_EQUAL(registry->posted, 0);
    CU_ASSERT_TRUE(STAILQ_EMPTY(&line.waiting));
    loop_free(registry->loop);
    free(registry);
}

/* As a handler does: look whether it is its turn, else wait and begin anew. */
static void handle(void *arg)
{
    struct caller *caller = arg;
    runs++;
    if (wait_line_wait(&line, handle, caller))
        return;
    order[caller->number] = runs;
    if (!caller->writes)
        return;
    wait_line_begin(&line);
    writer = caller;
}

static void commit(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(writer);
    writer = NULL;
    wait_line_end(&line);
}

static void turn(void)
{
    loop_run_once(registry->loop, 0);
}

static void test_wait_line_each_runs_once(void)
{
    begin();
    for (int i = 0; i < MANY; i++)
        handle(&callers[i]);
    CU_ASSERT(runs == MANY && writer == &callers[0]);
    for (int i = 0; i < MANY; i++) {
        CU_ASSERT_PTR_EQUAL_FATAL(writer, &callers[i]);
        commit();
        turn();
    }
    CU_ASSERT_EQUAL(runs, 2 * MANY - 1); /* once to stand in line, once in turn */
    CU_ASSERT_PTR_NULL(writer);
    CU_ASSERT_FALSE(wait_line_wait(&line, handle, NULL));
    end();
}

static void test_wait_line_newcomers_stand_behind(void)
{
    begin();
    for (int i = 0; i < 2; i++)
        handle(&callers[i]);
    commit();
    handle(&callers[2]); /* 1 is called and has not run yet */
    CU_ASSERT_PTR_NULL(writer);
    turn();
    CU_ASSERT_PTR_EQUAL(writer, &callers[1]);
    commit();
    turn();
    CU_ASSERT_PTR_EQUAL(writer, &callers[2]);
    commit();
    end();
}

static void test_wait_line_a_turn_without_a_write(void)
{
    begin();
    callers[1].writes = callers[2].writes = false;
    for (int i = 0; i < 4; i++)
        handle(&callers[i]);
    commit();
    for (int i = 0; i < 3; i++)
        turn();
    CU_ASSERT_PTR_EQUAL(writer, &callers[3]);
    CU_ASSERT(order[1] < order[2] && order[2] < order[3]);
    commit();
    end();
}

/* A write that begins and is over before its caller's function returns. */
static void write_at_once(void *arg)
{
    handle(arg);
    commit();
}

static void test_wait_line_over_at_once(void)
{
    begin();
    handle(&callers[0]);
    CU_ASSERT_TRUE(wait_line_wait(&line, write_at_once, &callers[1]));
    handle(&callers[2]);
    commit();
    turn();
    turn();
    CU_ASSERT_PTR_EQUAL(writer, &callers[2]);
    commit();
    end();
}

static void count(void *arg)
{
    (void)arg;
    runs++;
}

static void test_wait_line_close_and_drop(void)
{
    begin();
    wait_line_begin(&line);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_TRUE(wait_line_wait(&line, count, NULL));
    wait_line_end(&line); /* the first is called */
    wait_line_close(&line);
    turn();
    turn();
    CU_ASSERT_EQUAL(runs, 3);
    wait_line_init(&line, registry);
    wait_line_begin(&line);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_TRUE(wait_line_wait(&line, count, NULL));
    wait_line_end(&line);
    wait_line_drop(&line);
    turn();
    turn();
    CU_ASSERT_EQUAL(runs, 4); /* whose turn it was already; of a registry that is closed not even that */
    end();
}

TEST_MAIN("wait_line", TEST(test_wait_line_each_runs_once), TEST(test_wait_line_newcomers_stand_behind),
          TEST(test_wait_line_a_turn_without_a_write), TEST(test_wait_line_over_at_once), TEST(test_wait_line_close_and_drop))
