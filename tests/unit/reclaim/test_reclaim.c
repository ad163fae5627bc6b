/* When archives are removed: never while an upload is under way that may have found them, and in the end all the same. The registry, the
 * spawner, the uploads and the job thread are played here. */
#include "host/reclaim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/api/api.h"
#include "host/registry/functions.h"
#include "layers/store.h"
#include "lib/base/clock.h"
#include "lib/base/jobs.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "sandbox/spawn_client.h"
#include "tests/unit/cunit.h"

static struct {
    struct loop *loop;
    struct reclaim *reclaim;
    char live[SHA256_HEX_BYTES];      /* what a version uses */
    char forgotten[SHA256_HEX_BYTES]; /* what the spawner was asked for last */
    int asked, removed, uploads, releases;
    bool held;
    jobs_fn *work, *done; /* of a removal that has not run */
    void *job;
    void (*ended)(void *arg);
    void *ended_arg;
} fake;

int registry_code_is_live(void *arg, const char *sha256_hex)
{
    (void)arg;
    return str_eq(fake.live, sha256_hex);
}

int spawn_client_send(struct spawn_client *client, const struct spawn_msg *msg, struct err *err)
{
    (void)client, (void)err;
    CU_ASSERT_EQUAL(msg->op, SPAWN_TREE_FORGET);
    str_copy(fake.forgotten, sizeof(fake.forgotten), msg->tree.digest);
    fake.asked++;
    return 0;
}

void jobs_submit(struct jobs *jobs, jobs_fn *work, jobs_fn *done, void *arg)
{
    (void)jobs;
    CU_ASSERT_PTR_NULL(fake.work);
    CU_ASSERT(fake.uploads == 0 && fake.held);
    fake.work = work;
    fake.done = done;
    fake.job = arg;
}

int store_remove(struct store *store, const char *sha256_hex, struct err *err)
{
    (void)store, (void)err;
    CU_ASSERT(!str_eq(fake.live, sha256_hex));
    fake.removed++;
    return 0;
}

bool api_uploading(const struct api *api)
{
    (void)api;
    return fake.uploads > 0;
}

void api_hold_uploads(struct api *api, bool hold)
{
    (void)api;
    CU_ASSERT(fake.held != hold);
    fake.held = hold;
    fake.releases += !hold;
}

void api_on_uploads_ended(struct api *api, void (*fn)(void *arg), void *arg)
{
    (void)api;
    fake.ended = fn;
    fake.ended_arg = arg;
}

static void begin(void)
{
    struct err err;
    memset(&fake, 0, sizeof(fake));
    CU_ASSERT_EQUAL_FATAL(loop_new(&fake.loop, &err), 0);
    CU_ASSERT_EQUAL_FATAL(reclaim_new(&(struct reclaim_options){.loop = fake.loop}, &fake.reclaim, &err), 0);
}

static void end(void)
{
    reclaim_stop(fake.reclaim);
    CU_ASSERT_FALSE(fake.held);
    reclaim_free(fake.reclaim);
    loop_free(fake.loop);
}

/* Runs the loop until the spawner was asked so often; false: not within so long. */
static bool asked(int wanted, int64_t within_ms)
{
    int64_t until = clock_mono_us() + within_ms * 1000;
    while (fake.asked < wanted && clock_mono_us() < until)
        loop_run_once(fake.loop, 5);
    return fake.asked == wanted;
}

static void answer(void)
{
    char digest[SHA256_HEX_BYTES];
    str_copy(digest, sizeof(digest), fake.forgotten);
    reclaim_forgotten(fake.reclaim, digest);
}

static void run_job(void)
{
    jobs_fn *work = STEAL(fake.work);
    CU_ASSERT_PTR_NOT_NULL_FATAL(work);
    work(fake.job);
    fake.done(fake.job);
}

static void upload_ends(void)
{
    if (--fake.uploads == 0)
        fake.ended(fake.ended_arg);
}

static void test_reclaim_alone(void)
{
    begin();
    reclaim_on_unused(fake.reclaim, "a");
    CU_ASSERT_FATAL(asked(1, 5000));
    CU_ASSERT_FALSE(fake.held);
    answer();
    CU_ASSERT(fake.held && fake.removed == 0);
    run_job();
    CU_ASSERT(!fake.held && fake.removed == 1);
    end();
}

/* New uploads wait until those under way have ended and the archive is gone; it is forgotten anew, as it may have been used meanwhile. */
static void test_reclaim_during_uploads(void)
{
    begin();
    reclaim_on_unused(fake.reclaim, "a");
    CU_ASSERT_FATAL(asked(1, 5000));
    fake.uploads = 2;
    answer();
    CU_ASSERT(fake.held && fake.work == NULL);
    upload_ends();
    CU_ASSERT(!asked(2, 50) && fake.held);
    upload_ends();
    CU_ASSERT_FATAL(asked(2, 5000));
    CU_ASSERT(fake.held && fake.work == NULL);
    answer();
    run_job();
    CU_ASSERT(!fake.held && fake.removed == 1);
    end();
}

static void test_reclaim_spares_what_an_upload_found(void)
{
    begin();
    reclaim_on_unused(fake.reclaim, "a");
    CU_ASSERT_FATAL(asked(1, 5000));
    fake.uploads = 1;
    answer();
    str_copy(fake.live, sizeof(fake.live), "a");
    upload_ends();
    CU_ASSERT_FALSE(asked(2, 50));
    CU_ASSERT(!fake.held && fake.work == NULL);
    end();
}

/* A spawner that does not answer, or a stop, lets the uploads go. */
static void test_reclaim_lets_go(void)
{
    begin();
    reclaim_on_unused(fake.reclaim, "a");
    CU_ASSERT_FATAL(asked(1, 5000));
    fake.uploads = 1;
    answer();
    upload_ends();
    CU_ASSERT_FATAL(asked(2, 5000));
    int64_t until = clock_mono_us() + 4 * 1000 * 1000;
    while (fake.held && clock_mono_us() < until)
        loop_run_once(fake.loop, 5);
    CU_ASSERT_FALSE(fake.held);
    CU_ASSERT_FATAL(asked(3, 5000));
    fake.uploads = 1;
    answer();
    CU_ASSERT_TRUE(fake.held);
    end();
}

/* A stop in the middle of many: the removal that has begun ends, and lets go. */
static void test_reclaim_stops(void)
{
    begin();
    for (int i = 0; i < 20; i++)
        reclaim_on_unused(fake.reclaim, "a");
    CU_ASSERT_FATAL(asked(1, 5000));
    answer();
    reclaim_stop(fake.reclaim);
    CU_ASSERT(fake.held && fake.removed == 0);
    run_job();
    CU_ASSERT(!fake.held && fake.removed == 1);
    end();
}

/* Many that wait are removed without a pause, several before uploads get a turn; the last few one by one. */
static void test_reclaim_many(void)
{
    begin();
    for (int i = 0; i < 100; i++) {
        char digest[8];
        snprintf(digest, sizeof(digest), "a%d", i);
        reclaim_on_unused(fake.reclaim, digest);
    }
    int64_t from = clock_mono_us();
    for (int i = 1; i <= 92; i++) {
        CU_ASSERT_FATAL(asked(i, 5000));
        answer();
        run_job();
    }
    CU_ASSERT(clock_mono_us() - from < 5 * 1000 * 1000); /* at two a second it took 46 */
    CU_ASSERT_FALSE(asked(93, 100));
    CU_ASSERT(!fake.held && fake.releases >= 1 && fake.releases < 46);
    end();
}

TEST_MAIN("reclaim", TEST(test_reclaim_alone), TEST(test_reclaim_during_uploads), TEST(test_reclaim_spares_what_an_upload_found),
          TEST(test_reclaim_lets_go), TEST(test_reclaim_stops), TEST(test_reclaim_many))
