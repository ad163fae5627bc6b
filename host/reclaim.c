/* Removing archives, one after the other:
 *
 *           pause over             forgotten              removed
 *   IDLE -------------> FORGETTING ---------> REMOVING ------------> IDLE
 *     ^                     |                     (a job thread; uploads wait)
 *     +---------------------+ no answer in time, used again, uploads under way: later
 */
#include "host/reclaim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "host/api/api.h"
#include "host/registry/functions.h"
#include "lib/base/clock.h"
#include "lib/base/jobs.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "sandbox/spawn_client.h"

#define PAUSE_US 500000    /* between two archives: nobody waits for this */
#define ANSWER_US 5000000  /* the spawner may have died in between */
#define WAITING_MAX 100000 /* beyond it, the next start sweeps */

enum reclaim_state {
    RECLAIM_IDLE,       /* the timer is the pause, if anything waits */
    RECLAIM_FORGETTING, /* the timer is the deadline of the spawner's answer */
    RECLAIM_REMOVING,   /* no timer */
};

struct item {
    char sha256[SHA256_HEX_BYTES];
    STAILQ_ENTRY(item) link;
};

struct reclaim {
    struct reclaim_options options;
    enum reclaim_state state;
    STAILQ_HEAD(, item) waiting;
    size_t count;
    struct item *current; /* FORGETTING, REMOVING */
    struct err job_err;
    bool job_failed;
    struct loop_timer timer;
};

static void wait_for_pause(struct reclaim *reclaim)
{
    reclaim->state = RECLAIM_IDLE;
    if (!STAILQ_EMPTY(&reclaim->waiting))
        loop_timer_set(reclaim->options.loop, &reclaim->timer, clock_mono_us() + PAUSE_US);
}

static void put_back(struct reclaim *reclaim)
{
    STAILQ_INSERT_TAIL(&reclaim->waiting, reclaim->current, link);
    reclaim->current = NULL;
    wait_for_pause(reclaim);
}

static void drop_current(struct reclaim *reclaim)
{
    free(reclaim->current);
    reclaim->current = NULL;
    reclaim->count--;
    wait_for_pause(reclaim);
}

static void ask_spawner(struct reclaim *reclaim)
{
    struct spawn_msg msg = {.op = SPAWN_TREE_FORGET};
    struct err err;
    reclaim->current = STAILQ_FIRST(&reclaim->waiting);
    STAILQ_REMOVE_HEAD(&reclaim->waiting, link);
    if (registry_code_is_live(reclaim->options.registry, reclaim->current->sha256)) {
        drop_current(reclaim); /* deployed again meanwhile */
        return;
    }
    (void)str_copy(msg.tree.digest, sizeof(msg.tree.digest), reclaim->current->sha256);
    if (spawn_client_send(reclaim->options.spawner, &msg, &err) < 0) {
        put_back(reclaim);
        return;
    }
    reclaim->state = RECLAIM_FORGETTING;
    loop_timer_set(reclaim->options.loop, &reclaim->timer, clock_mono_us() + ANSWER_US);
}

static void on_timer(void *arg)
{
    struct reclaim *reclaim = arg;
    if (reclaim->state == RECLAIM_FORGETTING)
        put_back(reclaim);
    else if (reclaim->state == RECLAIM_IDLE && !STAILQ_EMPTY(&reclaim->waiting))
        ask_spawner(reclaim);
}

/* Job thread. */
static void remove_work(void *arg)
{
    struct reclaim *reclaim = arg;
    reclaim->job_failed = store_remove(reclaim->options.store, reclaim->current->sha256, &reclaim->job_err) < 0;
}

static void removed(void *arg)
{
    struct reclaim *reclaim = arg;
    if (reclaim->job_failed)
        log_warn("code.remove", "code=%.12s error=\"%s\"", reclaim->current->sha256, reclaim->job_err.msg);
    else
        log_info("code.removed", "code=%.12s", reclaim->current->sha256);
    api_hold_uploads(reclaim->options.api, false);
    drop_current(reclaim);
}

void reclaim_forgotten(struct reclaim *reclaim, const char *sha256_hex)
{
    if (reclaim->state != RECLAIM_FORGETTING || !str_eq(reclaim->current->sha256, sha256_hex))
        return; /* an answer that came too late */
    loop_timer_cancel(reclaim->options.loop, &reclaim->timer);
    if (registry_code_is_live(reclaim->options.registry, sha256_hex)) {
        drop_current(reclaim);
    } else if (api_uploading(reclaim->options.api)) {
        put_back(reclaim); /* it could be the same archive */
    } else {
        reclaim->state = RECLAIM_REMOVING;
        api_hold_uploads(reclaim->options.api, true);
        jobs_submit(reclaim->options.jobs, remove_work, removed, reclaim);
    }
}

void reclaim_on_unused(void *arg, const char *sha256_hex)
{
    struct reclaim *reclaim = arg;
    if (reclaim->count == WAITING_MAX)
        return;
    struct item *item = calloc(1, sizeof(*item));
    if (item == NULL)
        abort();
    (void)str_copy(item->sha256, sizeof(item->sha256), sha256_hex);
    STAILQ_INSERT_TAIL(&reclaim->waiting, item, link);
    reclaim->count++;
    if (reclaim->state == RECLAIM_IDLE && !loop_timer_is_set(&reclaim->timer))
        wait_for_pause(reclaim);
}

int reclaim_new(const struct reclaim_options *options, struct reclaim **ret_reclaim, struct err *err)
{
    struct reclaim *reclaim = calloc(1, sizeof(*reclaim));
    if (reclaim == NULL)
        return err_set(err, ERR_NO_MEMORY, "the reclaiming of archives");
    reclaim->options = *options;
    STAILQ_INIT(&reclaim->waiting);
    loop_timer_init(&reclaim->timer, on_timer, reclaim);
    *ret_reclaim = reclaim;
    return 0;
}

void reclaim_free(struct reclaim *reclaim)
{
    struct item *item;
    if (reclaim == NULL)
        return;
    loop_timer_cancel(reclaim->options.loop, &reclaim->timer);
    while ((item = STAILQ_FIRST(&reclaim->waiting)) != NULL) {
        STAILQ_REMOVE_HEAD(&reclaim->waiting, link);
        free(item);
    }
    free(reclaim->current);
    free(reclaim);
}
