/* The warm side of the pool: for each function version its idle workers, newest first, and the visits that wait. */
#include <assert.h>
#include <stdlib.h>

#include "host/pool/pool_calls.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

struct version *versions_get(struct pool *pool, struct function_version *about)
{
    struct version *version;
    HASH_FIND(hh, pool->versions, &about->key, sizeof about->key, version);
    if (version)
        return version;
    version = calloc(1, sizeof *version);
    if (!version)
        abort(); /* a few hundred bytes: the process cannot go on sensibly */
    version->pool = pool;
    version->key = about->key;
    version->about = about;
    function_version_ref(about);
    version->zygote = zygotes_get(pool, about);
    TAILQ_INIT(&version->idle);
    TAILQ_INIT(&version->resets);
    TAILQ_INIT(&version->ready);
    TAILQ_INIT(&version->provisioned);
    TAILQ_INIT(&version->waiters);
    TAILQ_INIT(&version->awaited);
    HASH_ADD(hh, pool->versions, key, sizeof version->key, version);
    return version;
}

void pool_extensions_free(struct pool_extensions *extensions)
{
    for (size_t i = 0; i < extensions->count; i++)
        free(extensions->names[i]);
    free(extensions->names);
    *extensions = (struct pool_extensions){0};
}

int version_expect_extensions(struct version *version, struct session *session, struct err *err)
{
    const struct pool_options *options = &version->pool->options;
    if (!version->extensions.names && options->extensions && version->about->layer_count > 0) {
        int rc = options->extensions(options->extensions_arg, version->about, &version->extensions, err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < version->extensions.count; i++) {
        int rc = session_expect_extension(session, version->extensions.names[i], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void version_put(struct version *version)
{
    if (version->workers > 0 || !TAILQ_EMPTY(&version->waiters) || !TAILQ_EMPTY(&version->awaited))
        return;
    assert(version->finishing == 0);
    HASH_DEL(version->pool->versions, version);
    pool_extensions_free(&version->extensions);
    function_version_unref(version->about);
    free(version);
}

struct worker *version_warm(struct version *version)
{
    struct worker *worker = TAILQ_FIRST(&version->ready);
    if (!worker)
        worker = TAILQ_FIRST(&version->idle);
    if (!worker)
        return NULL;
    worker_put(worker, NULL);
    if (worker->state == WORKER_FROZEN)
        worker_thaw(worker);
    loop_timer_cancel(version->pool->loop, &worker->timer);
    return worker;
}

void version_take_back(struct version *version, struct worker *worker, bool answered)
{
    struct pool *pool = version->pool;
    struct pool_waiter *waiter = TAILQ_FIRST(&version->waiters);
    while (waiter && waiter->kind == WAITER_HELD && !answered)
        waiter = TAILQ_NEXT(waiter, link);
    if (waiter) {
        waiter_serve(waiter, worker);
        return;
    }
    if (version->retired || pool->draining || worker->surplus) {
        worker_end(worker);
        pool_check_drained(pool);
        return;
    }
    if (worker->provisioned) {
        version_keep_provisioned(worker);
        return;
    }
    int64_t now = clock_mono_us();
    if (worker->state == WORKER_IDLE) {
        worker_put(worker, &version->idle);
        loop_timer_set(pool->loop, &worker->timer, now + pool->options.freeze_ms * 1000);
    } else {
        bool booting = worker->state == WORKER_BOOTING; /* has its own deadline until it has booted */
        worker_put(worker, &version->resets);
        if (!booting)
            loop_timer_set(pool->loop, &worker->timer, now + pool->keep_alive.idle_us(&pool->keep_alive, version->about));
    }
    if (!TAILQ_EMPTY(&pool->lru) && pool->waiting > 0)
        pool_pump(pool); /* it may have to make room for others */
}

void version_unanswer(struct worker *worker, bool ends)
{
    struct version *version = worker->version;
    if (!worker->answered)
        return;
    worker->answered = false;
    assert(version->finishing > 0);
    version->finishing--;
    unsigned served = version->finishing + (ends ? 0 : 1); /* one by this very worker, when it is released */
    struct pool_waiter *waiter, *next;
    for (waiter = TAILQ_FIRST(&version->waiters); waiter && version->soft > served; waiter = next) {
        next = TAILQ_NEXT(waiter, link);
        if (waiter->kind == WAITER_SOFT)
            waiter_harden(waiter);
    }
}

void version_retire(struct version *version)
{
    struct worker *worker;
    version->retired = true;
    version->workers++; /* keeps version over the loop */
    while ((worker = TAILQ_FIRST(&version->idle)) || (worker = TAILQ_FIRST(&version->resets)) || (worker = TAILQ_FIRST(&version->ready)))
        worker_end(worker);
    version->workers--;
    version_put(version);
}
