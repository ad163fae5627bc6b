/* The thread pool: all work is done before its done callback, which runs on the loop's thread. */
#include <pthread.h>

#include "lib/base/jobs.h"
#include "lib/base/loop.h"
#include "tests/unit/cunit.h"

static pthread_t loop_thread;
static int finished;

static void work(void *arg)
{
    *(int *)arg += 1;
}

static void done(void *arg)
{
    CU_ASSERT(pthread_equal(pthread_self(), loop_thread));
    CU_ASSERT_EQUAL(*(int *)arg, 1);
    finished++;
}

static void test_jobs_all_done(void)
{
    static int jobs_arg[300];
    struct loop *loop = NULL;
    struct jobs *jobs = NULL;
    struct err err;
    loop_thread = pthread_self();
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    CU_ASSERT_EQUAL_FATAL(jobs_new(&(struct jobs_options){.threads = 3, .loop = loop}, &jobs, &err), 0);
    for (int i = 0; i < 300; i++)
        jobs_submit(jobs, work, done, &jobs_arg[i]);
    for (int round = 0; round < 10000 && finished < 200; round++)
        loop_run_once(loop, 1000);
    CU_ASSERT_EQUAL(jobs_unfinished(jobs), 300 - (unsigned)finished);
    jobs_free(jobs); /* waits for the rest */
    CU_ASSERT_EQUAL(finished, 300);
    loop_free(loop);
}

TEST_MAIN("jobs", TEST(test_jobs_all_done))
