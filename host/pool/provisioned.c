/* Provisioned workers as the pool keeps them: apart from those that can be evicted, frozen like all others, and never too old. How many
 * there should be, and how they initialise, is their listener's business. */
#include <assert.h>

#include "host/pool/pool_calls.h"
#include "lib/base/clock.h"

void pool_on_provisioned(struct pool *pool, const struct pool_provision_events *events, void *arg)
{
    pool->provision = events;
    pool->provision_arg = arg;
}

void version_add_provisioned(struct worker *worker)
{
    TAILQ_INSERT_TAIL(&worker->version->provisioned, worker, provisioned_link);
    worker->pool->provisioned++;
}

/* Where it was linked, it was linked as a provisioned one: it leaves all lists first. */
static void forget(struct worker *worker)
{
    worker_put(worker, NULL);
    TAILQ_REMOVE(&worker->version->provisioned, worker, provisioned_link);
    worker->provisioned = false;
    worker->pool->provisioned--;
}

void version_drop_provisioned(struct worker *worker)
{
    struct pool *pool = worker->pool;
    if (!worker->provisioned || !worker->version) /* without a version it has not become one */
        return;
    forget(worker);
    if (pool->provision)
        pool->provision->gone(pool->provision_arg, worker->version->key);
}

void version_keep_provisioned(struct worker *worker)
{
    struct pool *pool = worker->pool;
    struct err err;
    if (worker->state == WORKER_IDLE) {
        worker_put(worker, &worker->version->ready);
        loop_timer_set(pool->loop, &worker->timer, clock_mono_us() + pool->options.freeze_ms * 1000);
    } else if (!pool->provision) {
        worker_kill(worker);
    } else if (worker_assign(worker, worker->version, &err) == 0) { /* else it is dying, which its listener has heard */
        pool->provision->again(pool->provision_arg, worker);
    }
}

static struct version *find(const struct pool *pool, uint64_t key)
{
    struct version *version;
    HASH_FIND(hh, pool->versions, &key, sizeof key, version);
    return version;
}

static bool is_past_init(const struct worker *worker)
{
    return worker->state == WORKER_IDLE || worker->state == WORKER_FROZEN || worker->state == WORKER_BUSY;
}

void pool_count_provisioned(const struct pool *pool, uint64_t version_key, unsigned *ret_all, unsigned *ret_ready)
{
    const struct version *version = find(pool, version_key);
    const struct worker *worker;
    *ret_all = *ret_ready = 0;
    if (!version)
        return;
    TAILQ_FOREACH(worker, &version->provisioned, provisioned_link) {
        ++*ret_all;
        *ret_ready += is_past_init(worker);
    }
}

void pool_unprovision(struct pool *pool, uint64_t version_key, unsigned keep)
{
    struct version *version = find(pool, version_key);
    unsigned all, ready;
    struct worker *worker, *next;
    pool_count_provisioned(pool, version_key, &all, &ready);
    if (all <= keep)
        return;
    unsigned surplus = all - keep;
    version->workers++; /* keeps it over the loops */
    while (surplus > 0 && (worker = TAILQ_LAST(&version->ready, worker_list))) {
        forget(worker);
        worker_end(worker);
        surplus--;
    }
    for (worker = TAILQ_FIRST(&version->provisioned); worker && surplus > 0; worker = next) {
        next = TAILQ_NEXT(worker, provisioned_link);
        forget(worker);
        worker->surplus = true;
        surplus--;
    }
    version->workers--;
    version_put(version);
}
