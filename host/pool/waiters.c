/* Visits that wait for a worker: in the order they came, for a bounded time. A soft waiter expects a worker that has answered
 * and will be idle in a moment; it becomes a hard one, for which a worker is made, when that does not happen. One that is held back by
 * a limit expects the same and does not become a hard one by itself. */
#include <stdlib.h>

#include "host/pool/pool_calls.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

static void forget_kind(struct pool_waiter *waiter)
{
    struct version *version = waiter->version;
    switch (waiter->kind) {
    case WAITER_HELD:
        version->held--;
        waiter->pool->held--;
        break;
    case WAITER_SOFT:
        version->soft--;
        break;
    case WAITER_HARD:
        TAILQ_REMOVE(&version->zygote->waiters, waiter, zygote_link);
        break;
    }
}

static void unlink_waiter(struct pool_waiter *waiter)
{
    struct version *version = waiter->version;
    if (waiter->provisioned)
        TAILQ_REMOVE(&version->awaited, waiter, link);
    else
        TAILQ_REMOVE(&version->waiters, waiter, link);
    forget_kind(waiter);
    waiter->pool->waiting--;
    loop_timer_cancel(waiter->pool->loop, &waiter->timer);
}

/* Where a new worker is asked for: visits in their order, before what is made ahead of any. */
static void enlist(struct pool_waiter *waiter)
{
    struct zygote *zygote = waiter->version->zygote;
    struct pool_waiter *before = TAILQ_LAST(&zygote->waiters, waiter_list);
    while (before && before->provisioned && !waiter->provisioned)
        before = TAILQ_PREV(before, waiter_list, zygote_link);
    if (before)
        TAILQ_INSERT_AFTER(&zygote->waiters, before, waiter, zygote_link);
    else
        TAILQ_INSERT_HEAD(&zygote->waiters, waiter, zygote_link);
    zygote_use(zygote);
}

/* How long to hope for a worker that has answered: as long as making another one would take, so that hoping in vain costs at most
 * twice the cold start, and never much of what a visit may wait for memory. */
static int64_t soft_wait_us(const struct version *version)
{
    const struct pool_options *options = &version->pool->options;
    int64_t init_us = version->init_took_us, most_us = options->wait_ms_max * 1000 / 2;
    if (init_us > most_us)
        init_us = most_us;
    return init_us > options->soft_wait_ms * 1000 ? init_us : options->soft_wait_ms * 1000;
}

/* It is of no kind yet, or no more. */
static void set_kind(struct pool_waiter *waiter, enum waiter_kind kind)
{
    struct pool *pool = waiter->pool;
    int64_t wait_us = kind == WAITER_SOFT ? soft_wait_us(waiter->version) : pool->options.wait_ms_max * 1000;
    waiter->kind = kind;
    loop_timer_set(pool->loop, &waiter->timer, waiter->since_us + wait_us);
    switch (kind) {
    case WAITER_HELD:
        waiter->version->held++;
        pool->held++;
        break;
    case WAITER_SOFT:
        waiter->version->soft++;
        break;
    case WAITER_HARD:
        enlist(waiter);
        break;
    }
}

void waiter_harden(struct pool_waiter *waiter)
{
    if (waiter->kind == WAITER_HARD)
        return;
    forget_kind(waiter);
    set_kind(waiter, WAITER_HARD);
}

/* Whether there is a worker to hope for. */
static enum waiter_kind kind_for(const struct version *version)
{
    return version->finishing > version->soft + version->held ? WAITER_SOFT : WAITER_HARD;
}

/* Rooms on their way go to those who wait first. */
static bool is_being_made_for(const struct pool_waiter *waiter)
{
    const struct pool_waiter *before = waiter;
    unsigned ahead = 0;
    while (ahead < waiter->version->zygote->making && (before = TAILQ_PREV(before, waiter_list, zygote_link)))
        ahead++;
    return ahead < waiter->version->zygote->making;
}

static void on_timer(void *arg)
{
    struct pool_waiter *waiter = arg;
    struct pool *pool = waiter->pool;
    int64_t now = clock_mono_us(), hard_us = waiter->since_us + POOL_WAIT_HARD_US;
    if (waiter->kind == WAITER_HELD) {
        waiter_fail(waiter, POOL_HELD, "no worker was given back in time");
    } else if (waiter->kind == WAITER_SOFT) {
        waiter_harden(waiter);
        pool_pump(pool);
    } else if (waiter->version->zygote->starved && !is_being_made_for(waiter)) {
        waiter_fail(waiter, POOL_NO_MEMORY, "no memory for another worker");
    } else if (now < hard_us) { /* what it waits for is being made; memory may still be refused to it */
        loop_timer_set(pool->loop, &waiter->timer, now + POOL_WAIT_LOOK_US < hard_us ? now + POOL_WAIT_LOOK_US : hard_us);
    } else {
        waiter_fail(waiter, POOL_NO_SPAWNER, "no sandbox could be made in time");
    }
}

void waiter_serve(struct pool_waiter *waiter, struct worker *worker)
{
    const struct pool_waiter_events *events = waiter->events;
    struct version *version = waiter->version;
    void *arg = waiter->arg;
    struct err err;
    worker->provisioned |= waiter->provisioned;                                     /* before it is assigned: its environment tells */
    if (worker->state != WORKER_IDLE && worker_assign(worker, version, &err) < 0) { /* it may have died a moment ago */
        if (++waiter->failures >= POOL_MAKE_TRIES) {
            waiter_fail(waiter, POOL_NO_SPAWNER, err.msg);
            return;
        }
        waiter_harden(waiter);
        pool_pump(waiter->pool);
        return;
    }
    unlink_waiter(waiter);
    free(waiter);
    events->acquired(arg, worker);
}

void waiter_fail(struct pool_waiter *waiter, enum pool_failure failure, const char *message)
{
    const struct pool_waiter_events *events = waiter->events;
    struct version *version = waiter->version;
    void *arg = waiter->arg;
    unlink_waiter(waiter);
    pool_check_drained(waiter->pool);
    free(waiter);
    version_put(version);
    events->failed(arg, failure, message);
}

void waiters_fail_all(struct waiter_list *list, enum pool_failure failure, const char *message)
{
    struct pool_waiter *waiter, *last = TAILQ_LAST(list, waiter_list);
    bool more = last != NULL;
    while (more && (waiter = TAILQ_FIRST(list))) {
        more = waiter != last; /* those that a callback adds are not failed */
        waiter_fail(waiter, failure, message);
    }
}

/* A room of the zygote could not be made: its oldest visit pays for it, after some tries. */
void waiters_fail_zygote(struct zygote *zygote, const char *message)
{
    struct pool_waiter *waiter = TAILQ_FIRST(&zygote->waiters);
    if (waiter && ++waiter->failures >= POOL_MAKE_TRIES)
        waiter_fail(waiter, POOL_NO_SPAWNER, message);
}

static struct pool_waiter *enqueue(struct version *version, const struct pool_waiter_events *events, void *arg, bool provisioned,
                                   enum waiter_kind kind)
{
    struct pool *pool = version->pool;
    struct pool_waiter *waiter = calloc(1, sizeof *waiter);
    if (!waiter)
        return NULL;
    *waiter = (struct pool_waiter){.pool = pool, .version = version, .events = events, .arg = arg, .since_us = clock_mono_us()};
    waiter->provisioned = provisioned;
    loop_timer_init(&waiter->timer, on_timer, waiter);
    if (provisioned)
        TAILQ_INSERT_TAIL(&version->awaited, waiter, link);
    else
        TAILQ_INSERT_TAIL(&version->waiters, waiter, link);
    pool->waiting++;
    set_kind(waiter, kind);
    return waiter;
}

static void wait_for_worker(struct version *version, const struct pool_waiter_events *events, void *arg, bool provisioned,
                            enum waiter_kind kind, struct pool_waiter **ret_waiter)
{
    struct pool_waiter *waiter = enqueue(version, events, arg, provisioned, kind);
    if (!waiter) {
        version_put(version);
        events->failed(arg, POOL_NO_MEMORY, "no memory for a waiting visit");
        return;
    }
    /* Set first: the pump may serve or fail it right away, and free it; then the caller's event has forgotten it. */
    *ret_waiter = waiter;
    if (kind == WAITER_HARD)
        pool_pump(version->pool);
}

void pool_acquire(struct pool *pool, struct function_version *about, const struct pool_waiter_events *events, void *arg,
                  struct pool_waiter **ret_waiter)
{
    *ret_waiter = NULL;
    if (pool->draining) {
        events->failed(arg, POOL_DRAINING, "the daemon is stopping");
        return;
    }
    struct version *version = versions_get(pool, about);
    struct worker *worker = version_warm(version);
    if (worker) {
        pool->totals.warm_hits++;
        events->acquired(arg, worker);
        return;
    }
    wait_for_worker(version, events, arg, false, kind_for(version), ret_waiter);
}

void pool_await(struct pool *pool, struct function_version *about, const struct pool_waiter_events *events, void *arg,
                struct pool_waiter **ret_waiter)
{
    *ret_waiter = NULL;
    if (pool->draining)
        events->failed(arg, POOL_DRAINING, "the daemon is stopping");
    else
        wait_for_worker(versions_get(pool, about), events, arg, false, WAITER_HELD, ret_waiter);
}

void pool_let(struct pool_waiter *waiter)
{
    struct pool *pool = waiter->pool;
    struct version *version = waiter->version;
    if (waiter->kind != WAITER_HELD)
        return;
    struct worker *worker = version_warm(version);
    if (worker) {
        pool->totals.warm_hits++;
        waiter_serve(waiter, worker);
        return;
    }
    forget_kind(waiter);
    set_kind(waiter, kind_for(version));
    if (waiter->kind == WAITER_HARD)
        pool_pump(pool);
}

void pool_acquire_provisioned(struct pool *pool, struct function_version *about, const struct pool_waiter_events *events, void *arg,
                              struct pool_waiter **ret_waiter)
{
    *ret_waiter = NULL;
    if (pool->draining)
        events->failed(arg, POOL_DRAINING, "the daemon is stopping");
    else
        wait_for_worker(versions_get(pool, about), events, arg, true, WAITER_HARD, ret_waiter);
}

void pool_cancel(struct pool_waiter *waiter)
{
    struct version *version = waiter->version;
    unlink_waiter(waiter);
    pool_check_drained(waiter->pool);
    free(waiter);
    version_put(version);
}
