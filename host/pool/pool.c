/* The pool itself: its options, the pump that gives waiting visits their workers, blanks in quiet moments, the reaper, and the
 * end. Real work goes first: blanks are refilled one at a time, a moment after the last cold visit. */
#include "host/pool/pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "host/pool/pool_calls.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/priority.h"
#include "lib/base/strutil.h"

#define FDS_PER_WORKER 6 /* three when idle, and connections while it works */
#define FDS_OTHERS 512
#define WORKERS_MAX 8000
#define DRAIN_KILL_US (5 * 1000 * 1000)
#define BLANK_MEASURED_EVERY 8

static void on_tick(void *arg);
static void on_refill(void *arg);
static void on_drain_timer(void *arg);

static unsigned workers_by_descriptors(void)
{
    struct rlimit limit = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t n = limit.rlim_cur > 2 * FDS_OTHERS ? (limit.rlim_cur - FDS_OTHERS) / FDS_PER_WORKER : FDS_OTHERS / FDS_PER_WORKER;
    return n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static char *copy_or_null(const char *text)
{
    return text && text[0] ? str_format("%s", text) : NULL;
}

static void fill_defaults(struct pool_options *o)
{
    o->endpoint_url = str_format("%s", o->endpoint_url ? o->endpoint_url : "http://127.0.0.1:4566");
    o->var_runtime_python = copy_or_null(o->var_runtime_python);
    o->var_runtime_node = copy_or_null(o->var_runtime_node);
    o->cpus = o->cpus ? o->cpus : processors_usable();
    o->workers_max = o->workers_max ? o->workers_max : workers_by_descriptors();
    o->blanks_min = o->blanks_min ? o->blanks_min : 4;
    o->blanks_max = o->blanks_max ? o->blanks_max : 64;
    o->keep_alive_ms = o->keep_alive_ms ? o->keep_alive_ms : 600 * 1000;
    o->freeze_ms = o->freeze_ms ? o->freeze_ms : 10;
    o->wait_ms_max = o->wait_ms_max ? o->wait_ms_max : 1000;
    o->soft_wait_ms = o->soft_wait_ms ? o->soft_wait_ms : 20;
    o->zygote_workers_max = o->zygote_workers_max ? o->zygote_workers_max : 1000;
    o->zygote_ms_max = o->zygote_ms_max ? o->zygote_ms_max : 1800 * 1000;
    o->zygote_idle_ms = o->zygote_idle_ms ? o->zygote_idle_ms : 3600 * 1000;
}

int pool_new(const struct pool_options *options, struct pool **ret_pool, struct err *err)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return err_set(err, ERR_NO_MEMORY, "no memory for the worker pool");
    pool->options = *options;
    fill_defaults(&pool->options);
    pool->loop = options->loop;
    TAILQ_INIT(&pool->lru);
    budget_init(&pool->budget, options->memory_bytes, options->memory_spare_bytes);
    pool->keep_alive = keep_alive_fixed(pool->options.keep_alive_ms * 1000);
    loop_timer_init(&pool->tick, on_tick, pool);
    loop_timer_init(&pool->refill_timer, on_refill, pool);
    loop_timer_init(&pool->drain_timer, on_drain_timer, pool);
    loop_timer_set(pool->loop, &pool->tick, clock_mono_us() + POOL_TICK_US);
    *ret_pool = pool;
    return 0;
}

/* All rooms are gone, or nobody cares any more. Visits hear lost. */
static void bury_all(struct pool *pool, const char *why)
{
    struct worker *worker;
    while ((worker = pool->rooms)) { /* a callback may take a worker that has not had its turn yet: it hears lost then */
        worker_tell_lost(worker, why);
        worker_bury(worker);
    }
}

/* The daemon ends. */
static void fail_waiters(struct pool *pool)
{
    static const char why[] = "the daemon is stopping";
    struct version *version, *next;
    HASH_ITER(hh, pool->versions, version, next) {
        version->workers++; /* keeps it over the loop */
        waiters_fail_all(&version->waiters, POOL_DRAINING, why);
        waiters_fail_all(&version->awaited, POOL_DRAINING, why);
        version->workers--;
        version_put(version);
    }
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pool->draining = true;
    pool->spawner_up = false;
    fail_waiters(pool);
    bury_all(pool, "the daemon is stopping");
    loop_timer_cancel(pool->loop, &pool->tick);
    loop_timer_cancel(pool->loop, &pool->refill_timer);
    loop_timer_cancel(pool->loop, &pool->drain_timer);
    zygotes_free(pool);
    free((char *)pool->options.endpoint_url);
    free((char *)pool->options.var_runtime_python);
    free((char *)pool->options.var_runtime_node);
    free(pool);
}

/* ---- giving visits their workers ---- */

static uint64_t need_of_worker(const struct version *version)
{
    static const uint64_t first_guess = 16ull << 20;
    const struct pool *pool = version->pool;
    return version->need.bytes ? version->need.bytes : pool->need.bytes ? pool->need.bytes : first_guess;
}

static uint64_t need_of_blank(const struct zygote *zygote)
{
    if (zygote->need.bytes)
        return zygote->need.bytes;
    return zygote->spec.kind == SPAWN_ZYGOTE_NODE ? 48ull << 20 : 8ull << 20;
}

/* Gives up the worker or blank that is missed least. False: there is none, or enough are dying already. */
static bool evict_one(struct pool *pool, const struct zygote *for_zygote)
{
    if (pool->count[WORKER_DYING] >= 4)
        return true;
    struct worker *worker = TAILQ_FIRST(&pool->lru);
    for (struct zygote *zygote = pool->zygotes; !worker && zygote; zygote = zygote->hh.next)
        if (zygote != for_zygote)
            worker = TAILQ_LAST(&zygote->blanks, worker_list);
    if (!worker)
        return false;
    pool->totals.evicted++;
    worker_kill(worker);
    return true;
}

static struct worker *first_blank(struct zygote *zygote, const struct pool_waiter *waiter)
{
    struct worker *worker = waiter->provisioned ? NULL : TAILQ_FIRST(&waiter->version->resets);
    return worker ? worker : TAILQ_FIRST(&zygote->blanks);
}

/* Serves the zygote's oldest visit with a blank. False when none is there or memory is short. */
static bool serve_with_blank(struct pool *pool, struct zygote *zygote)
{
    struct pool_waiter *waiter = TAILQ_FIRST(&zygote->waiters);
    struct worker *worker = waiter ? first_blank(zygote, waiter) : NULL;
    if (!worker)
        return false;
    uint64_t need = need_of_worker(waiter->version);
    if (need > worker->charge_bytes && !budget_admits(&pool->budget, need - worker->charge_bytes)) {
        zygote->starved = true;
        evict_one(pool, zygote);
        return false;
    }
    zygote->starved = false;
    if (!worker->version) {
        zygote_took_blank(zygote);
        pool->totals.blank_hits++;
    }
    pool->last_cold_us = clock_mono_us();
    waiter_serve(waiter, worker);
    pool_refill_soon(pool);
    return true;
}

static bool make_one(struct pool *pool, struct zygote *zygote)
{
    struct err err;
    uint64_t need = need_of_blank(zygote);
    struct pool_waiter *waiter = TAILQ_FIRST(&zygote->waiters);
    if (waiter && need < need_of_worker(waiter->version))
        need = need_of_worker(waiter->version);
    if (pool->room_count >= pool->options.workers_max || !budget_admits(&pool->budget, need)) {
        if (waiter) {
            zygote->starved = true;
            evict_one(pool, zygote);
        }
        return false;
    }
    if (worker_make(zygote, waiter ? waiter->version->about : NULL, &err) < 0) {
        log_warn("pool.make_failed", "error=%s", err.msg);
        return false;
    }
    zygote->starved = false;
    struct worker *worker;
    HASH_FIND(hh, pool->rooms, &pool->next_room, sizeof pool->next_room, worker);
    budget_charge(&pool->budget, &worker->charge_bytes, need_of_blank(zygote));
    return true;
}

static void pump_zygote(struct pool *pool, struct zygote *zygote)
{
    while (serve_with_blank(pool, zygote))
        ;
    if (zygote->state != ZYGOTE_UP) {
        if (!TAILQ_EMPTY(&zygote->waiters))
            zygote_use(zygote);
        return;
    }
    unsigned hard = 0;
    struct pool_waiter *waiter;
    TAILQ_FOREACH(waiter, &zygote->waiters, zygote_link)
        if (++hard >= POOL_MAKES_MAX)
            break;
    while (hard > zygote->making && pool->making < POOL_MAKES_MAX && make_one(pool, zygote)) {
        pool->totals.cold_makes++;
        pool->last_cold_us = clock_mono_us();
    }
}

void pool_pump(struct pool *pool)
{
    pool->pump_again = true;
    if (pool->pumping)
        return; /* a callback's doing: the outer call goes round once more */
    pool->pumping = true;
    while (pool->pump_again) {
        pool->pump_again = false;
        struct zygote *zygote, *next;
        HASH_ITER(hh, pool->zygotes, zygote, next)
            if (!TAILQ_EMPTY(&zygote->waiters))
                pump_zygote(pool, zygote);
    }
    pool->pumping = false;
}

void pool_take_blank(struct pool *pool, struct worker *worker)
{
    struct zygote *zygote = worker->zygote;
    worker_put(worker, &zygote->blanks);
    if (!worker->booted && TAILQ_NEXT(worker, link)) { /* booted ones stay in front */
        TAILQ_REMOVE(&zygote->blanks, worker, link);
        TAILQ_INSERT_TAIL(&zygote->blanks, worker, link);
    }
    struct err err;
    bool measure = zygote->need.bytes == 0 || zygote->rooms_made % BLANK_MEASURED_EVERY == 0;
    pool_pump(pool);
    if (measure && worker->list == &zygote->blanks && worker_send(worker, &(struct spawn_msg){.op = SPAWN_ROOM_STAT}, &err) == 0)
        worker->measures_sent++;
    pool_refill_soon(pool);
}

/* ---- blanks in quiet moments ---- */

static bool refill_one(struct pool *pool)
{
    for (struct zygote *zygote = pool->zygotes; zygote; zygote = zygote->hh.next) {
        if (zygote->state != ZYGOTE_UP || clock_mono_us() < zygote->refill_after_us ||
            zygote->blank_count + zygote->making >= zygote_blank_target(zygote))
            continue;
        if (make_one(pool, zygote))
            return true;
    }
    return false;
}

static void on_refill(void *arg)
{
    struct pool *pool = arg;
    if (pool->draining || pool->waiting > pool->held || pool->making > 0)
        return; /* whatever ends that calls again */
    int64_t now = clock_mono_us();
    bool busy = pool->count[WORKER_ASSIGNING] + pool->count[WORKER_INIT] > 0;
    if (busy && now - pool->last_cold_us < POOL_REFILL_BUSY_US) {
        loop_timer_set(pool->loop, &pool->refill_timer, now + POOL_REFILL_US);
        return;
    }
    refill_one(pool);
}

void pool_refill_soon(struct pool *pool)
{
    if (!pool->draining && !loop_timer_is_set(&pool->refill_timer))
        loop_timer_set(pool->loop, &pool->refill_timer, clock_mono_us() + POOL_REFILL_US);
}

void pool_prepare(struct pool *pool, const struct function_version *version)
{
    zygote_use(zygotes_get(pool, version));
}

/* ---- the reaper ---- */

static void on_tick(void *arg)
{
    struct pool *pool = arg;
    int64_t now = clock_mono_us();
    loop_timer_set(pool->loop, &pool->tick, now + POOL_TICK_US);
    if (pool->draining)
        return;
    zygotes_tick(pool, now);
    if (budget_is_pressed(&pool->budget))
        evict_one(pool, NULL);
    if (pool->waiting > 0)
        pool_pump(pool);
}

void pool_on_retired(void *arg, uint64_t version_key)
{
    struct pool *pool = arg;
    struct version *version;
    HASH_FIND(hh, pool->versions, &version_key, sizeof version_key, version);
    if (version)
        version_retire(version);
}

/* ---- the spawner ---- */

bool pool_spawn_message(struct pool *pool, const struct spawn_msg *msg, int *fds, size_t nfds)
{
    if (msg->op == SPAWN_HOST || msg->op == SPAWN_TREE_FORGOTTEN)
        return false;
    if (zygotes_message(pool, msg))
        return true;
    struct worker *worker;
    HASH_FIND(hh, pool->rooms, &msg->room_id, sizeof msg->room_id, worker);
    if (worker)
        worker_message(worker, msg, fds, nfds);
    else
        for (size_t i = 0; i < nfds; i++)
            fd_closep(&fds[i]);
    if (msg->op == SPAWN_ROOM_DEAD && pool->waiting > 0)
        pool_pump(pool);
    return true;
}

void pool_spawn_lost(struct pool *pool)
{
    log_error("pool.spawner_lost", "workers=%u", pool->room_count);
    pool->spawner_up = false;
    pool->totals.spawner_losses++;
    zygotes_lost(pool);
    bury_all(pool, "the process that keeps sandboxes ended");
}

void pool_spawn_up(struct pool *pool)
{
    pool->spawner_up = true;
    zygotes_up(pool);
    pool_pump(pool);
}

/* ---- the end ---- */

static bool worker_is_held(const struct worker *worker)
{
    return worker->state == WORKER_ASSIGNING || worker->state == WORKER_INIT || worker->state == WORKER_BUSY;
}

/* Visits that are out of time end, and who is to hear of the end, or to be measured, does. All others end with the spawner, whom the
 * monitor kills: at once, where rooms that are taken down one after the other take ten milliseconds each. */
static void end_everything(struct pool *pool)
{
    struct worker *worker, *next;
    pool->drain_killed = true;
    HASH_ITER(hh, pool->rooms, worker, next)
        worker_tell_lost(worker, "the daemon is stopping");
    HASH_ITER(hh, pool->rooms, worker, next)
        if (!worker_is_ending(worker) && (worker_is_held(worker) || worker_ends_slowly(worker) || worker->measures_waiting > 0))
            worker_end(worker);
    loop_timer_set(pool->loop, &pool->drain_timer, clock_mono_us() + DRAIN_KILL_US);
}

static void on_drain_timer(void *arg)
{
    struct pool *pool = arg;
    if (!pool->drain_killed) {
        fail_waiters(pool);
        end_everything(pool);
        pool_check_drained(pool);
    } else if (pool->drain_done) {
        void (*done)(void *) = pool->drain_done;
        pool->drain_done = NULL;
        done(pool->drain_arg);
    }
}

/* A visit may be in a room that is being reset for it. */
static bool somebody_restarts(const struct pool *pool)
{
    for (const struct worker *worker = pool->rooms; worker; worker = worker->hh.next)
        if (worker->restarting)
            return true;
    return false;
}

void pool_check_drained(struct pool *pool)
{
    if (!pool->draining || !pool->drain_done)
        return;
    unsigned held = pool->count[WORKER_ASSIGNING] + pool->count[WORKER_INIT] + pool->count[WORKER_BUSY] + pool->waiting;
    if (held == 0 && !pool->drain_killed && !somebody_restarts(pool))
        loop_timer_set(pool->loop, &pool->drain_timer, 0);
    else if (pool->drain_killed && pool->count[WORKER_TERMINATING] + pool->count[WORKER_ENDING] + pool->count[WORKER_DYING] == 0)
        loop_timer_set(pool->loop, &pool->drain_timer, 0);
}

void pool_drain(struct pool *pool, int64_t deadline_us, void (*done)(void *arg), void *arg)
{
    pool->draining = true;
    pool->drain_deadline_us = deadline_us;
    pool->drain_done = done;
    pool->drain_arg = arg;
    loop_timer_set(pool->loop, &pool->drain_timer, deadline_us);
    pool_check_drained(pool);
}

void pool_get_stats(const struct pool *pool, struct pool_stats *ret_stats)
{
    *ret_stats = pool->totals;
    ret_stats->workers = pool->room_count;
    ret_stats->idle = pool->count[WORKER_IDLE];
    ret_stats->frozen = pool->count[WORKER_FROZEN];
    ret_stats->busy = pool->count[WORKER_BUSY];
    ret_stats->making = pool->making;
    ret_stats->dying = pool->count[WORKER_DYING];
    ret_stats->waiting = pool->waiting;
    ret_stats->provisioned = pool->provisioned;
    ret_stats->memory_used_bytes = pool->budget.used_bytes;
    ret_stats->memory_limit_bytes = pool->budget.limit_bytes;
    ret_stats->reserve_bytes = pool->need.bytes;
    for (const struct zygote *zygote = pool->zygotes; zygote; zygote = zygote->hh.next) {
        ret_stats->blanks += zygote->blank_count;
        ret_stats->zygotes_up += zygote->state == ZYGOTE_UP;
    }
}
