/* Removing archives, one after the other:
 *
 *           pause over             forgotten              removed
 *   IDLE -------------> FORGETTING ---------> REMOVING ------------> IDLE
 *     ^                  |      ^ |               (a job thread; new uploads wait)
 *     +------------------+      | | forgotten, but uploads are under way: one may have found this very archive
 *       no answer in time,      | v
 *       used again              HOLDING
 *                                 (new uploads wait) those under way have ended; forgotten once more, as it may have been used meanwhile
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

#define PAUSE_US 500000        /* between two archives: nobody waits for this */
#define HURRY_ITEMS 8          /* more that wait are removed without a pause */
#define HELD_US 500000         /* for so long many are removed before the uploads that wait get a turn */
#define ANSWER_US 5000000      /* the spawner may have died in between */
#define ANSWER_HELD_US 1000000 /* while uploads wait for it */
#define WAITING_MAX 100000     /* beyond it, the next start sweeps */

enum reclaim_state {
    RECLAIM_IDLE,       /* the timer is the pause, if anything waits */
    RECLAIM_FORGETTING, /* the timer is the deadline of the spawner's answer */
    RECLAIM_HOLDING,    /* no timer until no upload is under way */
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
    struct item *current; /* but for IDLE */
    bool held;            /* new uploads wait; always while REMOVING */
    int64_t let_go_us;    /* 0: nothing was removed since they wait */
    struct err job_err;
    bool job_failed;
    bool stopped; /* nothing comes after the current one */
    struct loop_timer timer;
};

static void hold(struct reclaim *reclaim, bool held)
{
    if (reclaim->held == held)
        return;
    reclaim->held = held;
    reclaim->let_go_us = 0;
    api_hold_uploads(reclaim->options.api, held);
}

/* The current one is done with. */
static void wait_for_pause(struct reclaim *reclaim, int64_t pause_us)
{
    reclaim->state = RECLAIM_IDLE;
    if (pause_us > 0 || reclaim->stopped || clock_mono_us() >= reclaim->let_go_us)
        hold(reclaim, false); /* else as many uploads would leave more behind than is removed between them */
    if (!STAILQ_EMPTY(&reclaim->waiting))
        loop_timer_set(reclaim->options.loop, &reclaim->timer, clock_mono_us() + pause_us);
}

static void put_back(struct reclaim *reclaim)
{
    STAILQ_INSERT_TAIL(&reclaim->waiting, reclaim->current, link);
    reclaim->current = NULL;
    wait_for_pause(reclaim, PAUSE_US);
}

static void drop_current(struct reclaim *reclaim)
{
    free(reclaim->current);
    reclaim->current = NULL;
    reclaim->count--;
    wait_for_pause(reclaim, reclaim->count > HURRY_ITEMS ? 0 : PAUSE_US);
}

static void ask_spawner(struct reclaim *reclaim)
{
    struct spawn_msg msg = {.op = SPAWN_TREE_FORGET};
    struct err err;
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
    loop_timer_set(reclaim->options.loop, &reclaim->timer, clock_mono_us() + (reclaim->held ? ANSWER_HELD_US : ANSWER_US));
}

static void on_timer(void *arg)
{
    struct reclaim *reclaim = arg;
    if (reclaim->state == RECLAIM_FORGETTING) {
        put_back(reclaim);
    } else if (reclaim->state == RECLAIM_HOLDING) {
        ask_spawner(reclaim);
    } else if (reclaim->state == RECLAIM_IDLE && !STAILQ_EMPTY(&reclaim->waiting)) {
        reclaim->current = STAILQ_FIRST(&reclaim->waiting);
        STAILQ_REMOVE_HEAD(&reclaim->waiting, link);
        ask_spawner(reclaim);
    }
}

/* None is under way, and no new one begins before we let go. */
static void on_uploads_ended(void *arg)
{
    struct reclaim *reclaim = arg;
    if (reclaim->state == RECLAIM_HOLDING)
        loop_timer_set(reclaim->options.loop, &reclaim->timer, clock_mono_us());
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
    drop_current(reclaim);
}

void reclaim_forgotten(struct reclaim *reclaim, const char *sha256_hex)
{
    if (reclaim->state != RECLAIM_FORGETTING || !str_eq(reclaim->current->sha256, sha256_hex))
        return; /* an answer that came too late */
    loop_timer_cancel(reclaim->options.loop, &reclaim->timer);
    if (registry_code_is_live(reclaim->options.registry, sha256_hex)) {
        drop_current(reclaim);
        return;
    }
    hold(reclaim, true);
    if (api_uploading(reclaim->options.api)) {
        reclaim->state = RECLAIM_HOLDING;
    } else {
        reclaim->state = RECLAIM_REMOVING;
        if (reclaim->let_go_us == 0)
            reclaim->let_go_us = clock_mono_us() + HELD_US;
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
        wait_for_pause(reclaim, PAUSE_US);
}

int reclaim_new(const struct reclaim_options *options, struct reclaim **ret_reclaim, struct err *err)
{
    struct reclaim *reclaim = calloc(1, sizeof(*reclaim));
    if (reclaim == NULL)
        return err_set(err, ERR_NO_MEMORY, "the reclaiming of archives");
    reclaim->options = *options;
    STAILQ_INIT(&reclaim->waiting);
    loop_timer_init(&reclaim->timer, on_timer, reclaim);
    api_on_uploads_ended(options->api, on_uploads_ended, reclaim);
    *ret_reclaim = reclaim;
    return 0;
}

void reclaim_stop(struct reclaim *reclaim)
{
    if (reclaim == NULL)
        return;
    reclaim->stopped = true;
    if (reclaim->state == RECLAIM_REMOVING) /* removed() lets go */
        return;
    if (reclaim->current != NULL)
        put_back(reclaim);
    hold(reclaim, false);
    loop_timer_cancel(reclaim->options.loop, &reclaim->timer);
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
