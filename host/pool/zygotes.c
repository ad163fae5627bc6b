/* Zygotes: one per interpreter and account, started on demand, replaced regularly (its workers share one address space layout
 * and hash seed), restarted with a back-off when they die. Coming up is no success yet: one that ends again and again
 * right after it must not be started in a circle.
 *
 *             ZYGOTE_START              ZYGOTE_UP
 *   DOWN ──────────────────▶ STARTING ───────────▶ UP ──▶ a successor starts beside it; its UP makes it the one in use
 *    ▲      back-off             │ DOWN, 20 s       │ ZYGOTE_DOWN, spawner lost
 *    └────────────────────────────┴──────────────────┘
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/pool/pool_calls.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

static void on_timer(void *arg);
static void kill_blanks(struct zygote *zygote, unsigned keep);

static void fill_spec(const struct pool *pool, const struct function_version *version, struct spawn_zygote *spec)
{
    const struct runtime_match *match = &version->match;
    memset(spec, 0, sizeof *spec); /* it is a hash key: padding too */
    spec->kind = match->language == RUNTIME_PYTHON ? SPAWN_ZYGOTE_PYTHON
                 : match->language == RUNTIME_NODE ? SPAWN_ZYGOTE_NODE
                                                   : SPAWN_ZYGOTE_NATIVE;
    const char *dir = match->language == RUNTIME_PYTHON ? pool->options.var_runtime_python
                      : match->language == RUNTIME_NODE ? pool->options.var_runtime_node
                                                        : NULL;
    str_copy(spec->account, sizeof spec->account, version->account);
    str_copy(spec->var_runtime, sizeof spec->var_runtime, dir ? dir : "");
    if (match->interpreter) {
        str_copy(spec->interpreter, sizeof spec->interpreter, match->interpreter->path);
        str_copy(spec->prefix, sizeof spec->prefix, match->interpreter->prefix);
    }
}

struct zygote *zygotes_get(struct pool *pool, const struct function_version *version)
{
    struct spawn_zygote spec;
    struct zygote *zygote;
    fill_spec(pool, version, &spec);
    HASH_FIND(hh, pool->zygotes, &spec, sizeof spec, zygote);
    if (zygote)
        return zygote;
    zygote = calloc(1, sizeof *zygote);
    if (!zygote)
        abort(); /* a few hundred bytes: the process cannot go on sensibly */
    zygote->pool = pool;
    memcpy(&zygote->spec, &spec, sizeof spec);
    zygote->backoff_us = ZYGOTE_BACKOFF_MIN_US;
    zygote->window_us = clock_mono_us();
    TAILQ_INIT(&zygote->blanks);
    TAILQ_INIT(&zygote->waiters);
    loop_timer_init(&zygote->timer, on_timer, zygote);
    HASH_ADD(hh, pool->zygotes, spec, sizeof zygote->spec, zygote);
    return zygote;
}

static void stop(struct zygote *zygote, uint32_t id)
{
    struct err err;
    struct spawn_msg msg = {.op = SPAWN_ZYGOTE_STOP, .room_id = id};
    if (id != 0 && spawn_client_send(zygote->pool->options.spawner, &msg, &err) < 0 && zygote->pool->spawner_up)
        log_warn("zygote.stop_failed", "zygote=%u error=%s", id, err.msg);
}

static int send_start(struct zygote *zygote, uint32_t *ret_id, struct err *err)
{
    struct spawn_msg msg = {.op = SPAWN_ZYGOTE_START, .room_id = ++zygote->pool->next_zygote, .zygote = zygote->spec};
    int rc = spawn_client_send(zygote->pool->options.spawner, &msg, err);
    if (rc == 0)
        *ret_id = msg.room_id;
    return rc;
}

/* Not at once again, and later each time; one that was up for a while starts the count anew. */
static int64_t back_off(struct zygote *zygote)
{
    int64_t pause_us = zygote->backoff_us;
    zygote->backoff_us = pause_us * 2 < ZYGOTE_BACKOFF_MAX_US ? pause_us * 2 : ZYGOTE_BACKOFF_MAX_US;
    return clock_mono_us() + pause_us;
}

/* Its rooms that have a function live on; zygote_use() starts it anew. */
static void rest(struct zygote *zygote)
{
    kill_blanks(zygote, 0);
    stop(zygote, zygote->id);
    stop(zygote, zygote->next_id);
    zygote->id = zygote->next_id = 0;
    zygote->state = ZYGOTE_DOWN;
}

static bool is_crowded(const struct pool *pool)
{
    unsigned standing = 0;
    for (const struct zygote *zygote = pool->zygotes; zygote; zygote = zygote->hh.next)
        standing += zygote->state != ZYGOTE_DOWN;
    return standing >= ZYGOTES_MAX;
}

/* Accounts cost nothing to name: the zygote that was not asked for the longest makes place for the one that is. */
static void make_place(struct pool *pool)
{
    struct zygote *oldest = NULL;
    for (struct zygote *zygote = pool->zygotes; zygote; zygote = zygote->hh.next)
        if (zygote->state == ZYGOTE_UP && TAILQ_EMPTY(&zygote->waiters) && zygote->making == 0 &&
            (!oldest || zygote->used_us < oldest->used_us))
            oldest = zygote;
    if (oldest)
        rest(oldest);
}

static void start(struct zygote *zygote)
{
    struct pool *pool = zygote->pool;
    struct err err;
    if (!pool->spawner_up || pool->draining)
        return; /* zygotes_up() comes back to it */
    if (is_crowded(pool)) {
        if (TAILQ_EMPTY(&zygote->waiters))
            return; /* it was to be there ahead of its first visit */
        make_place(pool);
    }
    if (send_start(zygote, &zygote->id, &err) < 0) {
        log_warn("zygote.start_failed", "interpreter=%s error=%s", zygote->spec.interpreter, err.msg);
        loop_timer_set(pool->loop, &zygote->timer, back_off(zygote));
        return;
    }
    zygote->state = ZYGOTE_STARTING;
    loop_timer_set(pool->loop, &zygote->timer, clock_mono_us() + ZYGOTE_START_US);
}

void zygote_use(struct zygote *zygote)
{
    zygote->used_us = clock_mono_us();
    if (zygote->state == ZYGOTE_DOWN && !loop_timer_is_set(&zygote->timer))
        start(zygote);
}

static bool wanted(const struct zygote *zygote, int64_t now)
{
    return !TAILQ_EMPTY(&zygote->waiters) || (zygote->used_us != 0 && now - zygote->used_us < zygote->pool->options.zygote_idle_ms * 1000);
}

/* The current zygote is gone or did not come up. */
static void went_down(struct zygote *zygote, const char *why)
{
    struct pool *pool = zygote->pool;
    if (zygote->state == ZYGOTE_UP && clock_mono_us() - zygote->started_us >= ZYGOTE_STEADY_US) {
        zygote->failures = 0;
        zygote->backoff_us = ZYGOTE_BACKOFF_MIN_US;
    }
    zygote->state = ZYGOTE_DOWN;
    zygote->id = 0;
    zygote->failures++;
    log_warn("zygote.down", "account=%s interpreter=%s failures=%u why=%s", zygote->spec.account,
             zygote->spec.interpreter[0] ? zygote->spec.interpreter : "native", zygote->failures, why);
    if (zygote->next_id != 0) { /* the successor takes over as soon as it is up */
        zygote->id = zygote->next_id;
        zygote->next_id = 0;
        zygote->state = ZYGOTE_STARTING;
        loop_timer_set(pool->loop, &zygote->timer, clock_mono_us() + ZYGOTE_START_US);
        return;
    }
    if (zygote->failures >= ZYGOTE_TRIES)
        waiters_fail_all(&zygote->waiters, POOL_NO_SPAWNER, why);
    loop_timer_set(pool->loop, &zygote->timer, back_off(zygote));
}

static void on_timer(void *arg)
{
    struct zygote *zygote = arg;
    if (zygote->state == ZYGOTE_STARTING) {
        stop(zygote, zygote->id);
        went_down(zygote, "the zygote did not start in time");
    } else if (zygote->state == ZYGOTE_DOWN && wanted(zygote, clock_mono_us())) {
        start(zygote);
    }
}

static void came_up(struct zygote *zygote, uint32_t id)
{
    if (id == zygote->next_id) {
        stop(zygote, zygote->id); /* its rooms live on */
        zygote->id = id;
        zygote->next_id = 0;
    }
    zygote->state = ZYGOTE_UP;
    zygote->started_us = clock_mono_us();
    zygote->rooms_made = 0;
    loop_timer_cancel(zygote->pool->loop, &zygote->timer);
    log_info("zygote.up", "account=%s interpreter=%s zygote=%u", zygote->spec.account,
             zygote->spec.interpreter[0] ? zygote->spec.interpreter : "native", id);
    pool_pump(zygote->pool);
    pool_refill_soon(zygote->pool);
}

bool zygotes_message(struct pool *pool, const struct spawn_msg *msg)
{
    if (msg->op != SPAWN_ZYGOTE_UP && msg->op != SPAWN_ZYGOTE_DOWN)
        return false;
    for (struct zygote *zygote = pool->zygotes; zygote; zygote = zygote->hh.next) {
        if (msg->room_id == 0 || (msg->room_id != zygote->id && msg->room_id != zygote->next_id))
            continue;
        char why[SPAWN_TEXT_MAX + 128];
        snprintf(why, sizeof why, "%.32s: %.255s (%s)", msg->failed.stage, msg->failed.text, strerror(msg->failed.code));
        if (msg->op == SPAWN_ZYGOTE_UP) {
            came_up(zygote, msg->room_id);
        } else if (msg->room_id == zygote->next_id) {
            zygote->next_id = 0; /* the old one serves on */
            zygote->successor_after_us = back_off(zygote);
            log_warn("zygote.successor_down", "interpreter=%s why=%s", zygote->spec.interpreter, why);
        } else {
            went_down(zygote, why);
            pool_pump(pool);
        }
        break;
    }
    return true; /* of one that was stopped: nothing to do */
}

/* ---- blanks ---- */

static void turn_window(struct zygote *zygote, int64_t now)
{
    if (now - zygote->window_us < POOL_DEMAND_US)
        return;
    zygote->taken_before = now - zygote->window_us < 2 * POOL_DEMAND_US ? zygote->taken_now : 0;
    zygote->taken_now = 0;
    zygote->window_us = now;
}

void zygote_took_blank(struct zygote *zygote)
{
    turn_window(zygote, clock_mono_us());
    zygote->taken_now++;
}

/* As many as were taken in the last ten seconds or so, within the configured bounds. */
unsigned zygote_blank_target(const struct zygote *zygote)
{
    const struct pool_options *options = &zygote->pool->options;
    if (options->blanks_off)
        return 0;
    unsigned target = zygote->taken_now > zygote->taken_before ? zygote->taken_now : zygote->taken_before;
    target = target < options->blanks_min ? options->blanks_min : target;
    return target > options->blanks_max ? options->blanks_max : target;
}

static void kill_blanks(struct zygote *zygote, unsigned keep)
{
    while (zygote->blank_count > keep)
        worker_kill(TAILQ_LAST(&zygote->blanks, worker_list));
}

/* ---- all of them ---- */

void zygotes_tick(struct pool *pool, int64_t now)
{
    for (struct zygote *zygote = pool->zygotes; zygote; zygote = zygote->hh.next) {
        turn_window(zygote, now);
        if (zygote->state == ZYGOTE_DOWN && !wanted(zygote, now))
            kill_blanks(zygote, 0);
        if (zygote->state != ZYGOTE_UP)
            continue;
        if (!wanted(zygote, now) && zygote->making == 0) {
            rest(zygote);
            continue;
        }
        kill_blanks(zygote, zygote_blank_target(zygote) * 2);
        bool old = zygote->rooms_made >= pool->options.zygote_workers_max || now - zygote->started_us > pool->options.zygote_ms_max * 1000;
        struct err err;
        if (old && zygote->next_id == 0 && now >= zygote->successor_after_us && send_start(zygote, &zygote->next_id, &err) < 0)
            log_warn("zygote.start_failed", "interpreter=%s error=%s", zygote->spec.interpreter, err.msg);
    }
    pool_refill_soon(pool);
}

void zygotes_lost(struct pool *pool)
{
    for (struct zygote *zygote = pool->zygotes; zygote; zygote = zygote->hh.next) {
        zygote->state = ZYGOTE_DOWN;
        zygote->id = zygote->next_id = 0;
        zygote->backoff_us = ZYGOTE_BACKOFF_MIN_US;
        loop_timer_cancel(pool->loop, &zygote->timer);
    }
}

void zygotes_up(struct pool *pool)
{
    int64_t now = clock_mono_us();
    for (struct zygote *zygote = pool->zygotes; zygote; zygote = zygote->hh.next)
        if (zygote->state == ZYGOTE_DOWN && wanted(zygote, now))
            start(zygote);
}

void zygotes_free(struct pool *pool)
{
    struct zygote *zygote, *next;
    HASH_ITER(hh, pool->zygotes, zygote, next) {
        loop_timer_cancel(pool->loop, &zygote->timer);
        HASH_DEL(pool->zygotes, zygote);
        free(zygote);
    }
}
