/* One target for each version, which looks again whenever something has changed; one start for each worker that is awaited or
 * initialises:
 *
 *             acquired                     ready
 *   AWAITED ───────────▶ INITIALISING ──────────────▶ freed, the worker is the pool's
 *      │ no worker            │ error, exit, timeout       ▲
 *      ▼                      ▼                            │ reset after a visit: begins here
 *   freed; the target starts another, at once or after a pause
 */
#include "host/invoke/provision.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

#include "host/invoke/init_line.h"
#include "host/pool/pool.h"
#include "host/pool/worker.h"
#include "host/registry/registry.h"
#include "host/telemetry/log_stream.h"
#include "host/telemetry/report.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"

#define INIT_MS_DEFAULT 130000
#define RETRY_MS_DEFAULT 1000
#define RETRY_MS_MAX 60000
#define STARTS_MAX 4   /* of one version at once: visits and other versions want rooms, too */
#define FAILURES_MAX 3 /* in a row, until the version counts as failed and pauses begin */
#define REASON_INIT "FUNCTION_ERROR_INIT_FAILURE"

struct start {
    struct target *target;
    struct pool_waiter *waiter; /* AWAITED */
    struct worker *worker;      /* INITIALISING */
    struct log_stream *stream;
    struct loop_timer timer;
    bool again; /* in a room that served before */
    TAILQ_ENTRY(start) link;
};

struct target {
    struct provision *provision;
    struct function_version *version; /* counted */
    uint64_t key;
    unsigned wanted, starts, failures;
    int64_t not_before_us; /* no new start */
    bool reached;          /* has been told */
    char reason[160];      /* of the last failure */
    struct loop_timer timer;
    TAILQ_HEAD(start_list, start) list;
    UT_hash_handle hh;
};

struct provision {
    struct provision_options options;
    struct target *targets;
    bool stopped;
};

static void look_again(struct target *target, int64_t when_us)
{
    loop_timer_set(target->provision->options.loop, &target->timer, when_us);
}

/* ---- one start ---- */

static void start_free(struct start *start)
{
    struct target *target = start->target;
    loop_timer_cancel(target->provision->options.loop, &start->timer);
    TAILQ_REMOVE(&target->list, start, link);
    target->starts--;
    free(start);
}

static void start_cancel(struct start *start)
{
    if (start->waiter)
        pool_cancel(start->waiter);
    if (start->worker) {
        log_stream_end(start->stream);
        worker_retire(start->worker);
    }
    start_free(start);
}

/* Frees the start; its worker is no longer its own. */
static void start_failed(struct start *start, const char *reason, int64_t pause_ms)
{
    struct target *target = start->target;
    const struct function_version *v = target->version;
    snprintf(target->reason, sizeof target->reason, "%s", reason);
    log_warn("provision.failed", "function=%s version=%s failures=%u next_ms=%lld reason=\"%s\"", v->name, v->version, target->failures,
             (long long)pause_ms, reason);
    start_free(start);
    int64_t not_before_us = clock_mono_us() + pause_ms * 1000;
    if (target->not_before_us < not_before_us)
        target->not_before_us = not_before_us;
    look_again(target, target->not_before_us);
}

/* Code that fails again and again is asked less and less often; so is for memory, which takes others' idle sandboxes each time. */
static int64_t growing_pause(struct target *target)
{
    unsigned failures = ++target->failures;
    if (failures < FAILURES_MAX)
        return 0;
    unsigned doublings = failures - FAILURES_MAX;
    int64_t pause_ms = doublings < 16 ? target->provision->options.retry_ms << doublings : RETRY_MS_MAX;
    return pause_ms < RETRY_MS_MAX ? pause_ms : RETRY_MS_MAX;
}

/* A new spawner is there in a moment, and asking costs nothing. */
static int64_t steady_pause(struct target *target)
{
    if (target->failures < FAILURES_MAX)
        target->failures++;
    return target->provision->options.retry_ms;
}

static struct report_to lines_of(const struct start *start)
{
    const struct function_version *v = start->target->version;
    return (struct report_to){.stream = start->stream, .json = v->log_json, .provisioned = true, .least = (enum report_level)v->log_system};
}

/* What the function's code is to blame for. */
static void init_failed(struct start *start, const char *status, const char *type)
{
    struct report_to to = lines_of(start);
    struct worker *worker = start->worker;
    worker_drain_log(worker);
    report_init_failed(&to, clock_mono_us() - worker_init_us(worker), "init", status, type);
    log_stream_end(start->stream);
    start->worker = NULL;
    worker_retire(worker);
    start_failed(start, REASON_INIT, growing_pause(start->target));
}

static void on_ready(void *arg)
{
    struct start *start = arg;
    struct target *target = start->target;
    struct worker *worker = start->worker;
    target->failures = 0;
    worker_drain_log(worker);
    log_stream_end(start->stream);
    start_free(start);
    look_again(target, 0);
    worker_release(worker);
}

static void on_init_error(void *arg, const struct session_error *error)
{
    init_failed(arg, "error", error->type);
}

static void on_exec_failed(void *arg, const struct session_exec_failure *failure)
{
    struct start *start = arg;
    char why[400];
    init_line_exec_failure(failure, why, sizeof why);
    log_info("provision.exec_failed", "function=%s why=\"%s\"", start->target->version->name, why);
    init_failed(start, "error", init_line_exec_error(failure));
}

static void on_exited(void *arg, const struct worker_exit *exit)
{
    init_failed(arg, "error", exit->oom ? "Runtime.OutOfMemory" : "Runtime.ExitError");
}

static void on_lost(void *arg, const char *message)
{
    struct start *start = arg;
    struct target *target = start->target;
    log_stream_end(start->stream);
    log_info("provision.lost", "function=%s version=%s why=\"%s\"", target->version->name, target->version->version, message);
    start_free(start);
    target->not_before_us = clock_mono_us() + target->provision->options.retry_ms * 1000; /* nobody's failure, but no circle either */
    look_again(target, target->not_before_us);
}

static void on_init_timeout(void *arg)
{
    struct start *start = arg;
    start->target->failures = FAILURES_MAX; /* no second time that long before it counts */
    init_failed(start, "timeout", NULL);
}

/* No event is ever delivered, so nothing answers one. */
static const struct worker_events worker_events = {
    .ready = on_ready, .init_error = on_init_error, .exec_failed = on_exec_failed, .exited = on_exited, .lost = on_lost};

static void on_acquired(void *arg, struct worker *worker)
{
    struct start *start = arg;
    const struct target *target = start->target;
    const struct provision_options *options = &target->provision->options;
    int64_t limit_us = (int64_t)target->version->timeout_s * 1000000;
    start->waiter = NULL;
    start->worker = worker;
    start->stream = worker_log(worker);
    worker_attach(worker, &worker_events, start);
    log_stream_begin(start->stream, "", NULL);
    if (!start->again) {
        struct report_to to = lines_of(start);
        init_line_start(&to, target->version);
    }
    if (limit_us < options->init_ms_max * 1000)
        limit_us = options->init_ms_max * 1000;
    loop_timer_set(options->loop, &start->timer, clock_mono_us() + limit_us);
}

static void on_no_worker(void *arg, enum pool_failure failure, const char *message)
{
    struct start *start = arg;
    start->waiter = NULL;
    start_failed(start, message, failure == POOL_NO_MEMORY ? growing_pause(start->target) : steady_pause(start->target));
}

static const struct pool_waiter_events waiter_events = {.acquired = on_acquired, .failed = on_no_worker};

static struct start *start_new(struct target *target)
{
    struct start *start = calloc(1, sizeof *start);
    if (!start)
        abort(); /* a hundred bytes: the process cannot go on sensibly */
    start->target = target;
    loop_timer_init(&start->timer, on_init_timeout, start);
    TAILQ_INSERT_TAIL(&target->list, start, link);
    target->starts++;
    return start;
}

/* ---- a version ---- */

static unsigned awaited(const struct target *target)
{
    const struct start *start;
    unsigned n = 0;
    TAILQ_FOREACH(start, &target->list, link)
        n += start->waiter != NULL;
    return n;
}

static unsigned present(const struct target *target, unsigned *ret_ready)
{
    unsigned all;
    pool_count_provisioned(target->provision->options.pool, target->key, &all, ret_ready);
    return all;
}

static void shrink(struct target *target)
{
    struct start *start;
    unsigned ready;
    while (present(target, &ready) + awaited(target) > target->wanted && (start = TAILQ_LAST(&target->list, start_list)))
        start_cancel(start);
    pool_unprovision(target->provision->options.pool, target->key, target->wanted);
}

static void target_free(struct target *target)
{
    struct provision *provision = target->provision;
    struct start *start;
    while ((start = TAILQ_FIRST(&target->list)))
        start_cancel(start);
    loop_timer_cancel(provision->options.loop, &target->timer);
    HASH_DEL(provision->targets, target);
    function_version_unref(target->version);
    free(target);
}

static bool is_runnable(const struct function_version *version)
{
    return str_eq(version->state, "Active") && (version->match.language == RUNTIME_PROVIDED || version->match.interpreter);
}

static void tell_reached(struct target *target)
{
    const struct provision_options *options = &target->provision->options;
    const struct function_version *v = target->version;
    target->reached = true;
    log_info("provision.ready", "function=%s version=%s sandboxes=%u", v->name, v->version, target->wanted);
    if (options->reached)
        options->reached(options->arg, v); /* may change the targets, this one too: the last thing done here */
}

static void on_look(void *arg)
{
    struct target *target = arg;
    struct provision *provision = target->provision;
    unsigned ready;
    if (provision->stopped)
        return;
    if (!is_runnable(target->version)) {
        target->failures = FAILURES_MAX;
        const char *why = target->version->state_reason;
        snprintf(target->reason, sizeof target->reason, "%s", why ? why : "The runtime of this function is not on this host.");
        return;
    }
    shrink(target);
    unsigned missing = target->wanted - present(target, &ready);
    while (awaited(target) < missing && target->starts < STARTS_MAX && clock_mono_us() >= target->not_before_us) {
        struct start *start = start_new(target);
        pool_acquire_provisioned(provision->options.pool, target->version, &waiter_events, start, &start->waiter);
        missing = target->wanted - present(target, &ready);
    }
    if (awaited(target) < missing && target->starts < STARTS_MAX) /* a pause: what woke us up had taken its timer */
        look_again(target, target->not_before_us);
    if (!target->reached && ready >= target->wanted)
        tell_reached(target);
}

static struct target *find(const struct provision *provision, uint64_t key)
{
    struct target *target;
    HASH_FIND(hh, provision->targets, &key, sizeof key, target);
    return target;
}

static struct target *target_new(struct provision *provision, struct function_version *version)
{
    struct target *target = calloc(1, sizeof *target);
    if (!target)
        abort();
    target->provision = provision;
    target->version = version;
    target->key = version->key;
    function_version_ref(version);
    loop_timer_init(&target->timer, on_look, target);
    TAILQ_INIT(&target->list);
    HASH_ADD(hh, provision->targets, key, sizeof target->key, target);
    return target;
}

void provision_set(void *arg, struct function_version *version, unsigned wanted)
{
    struct provision *provision = arg;
    struct target *target = find(provision, version->key);
    if (wanted == 0) {
        if (target)
            target_free(target);
        pool_unprovision(provision->options.pool, version->key, 0);
        return;
    }
    if (!target)
        target = target_new(provision, version);
    target->wanted = wanted;
    target->reached = false;
    target->failures = 0; /* the user has said something new: no pause */
    target->not_before_us = 0;
    look_again(target, 0);
}

void provision_get(const struct provision *provision, uint64_t version_key, struct provision_state *ret_state)
{
    const struct target *target = find(provision, version_key);
    *ret_state = (struct provision_state){0};
    if (!target)
        return;
    ret_state->wanted = target->wanted;
    ret_state->allocated = present(target, &ret_state->available);
    if (target->failures >= FAILURES_MAX)
        ret_state->failure = target->reason;
}

/* ---- what the pool says ---- */

static void on_gone(void *arg, uint64_t version_key)
{
    struct target *target = find(arg, version_key);
    if (target)
        look_again(target, 0); /* from the loop: this may come from inside any of the pool's functions */
}

static void on_again(void *arg, struct worker *worker)
{
    struct provision *provision = arg;
    struct target *target = find(provision, worker_version(worker)->key);
    if (!target || provision->stopped) {
        worker_retire(worker);
        return;
    }
    struct start *start = start_new(target);
    start->again = true;
    on_acquired(start, worker);
}

static const struct pool_provision_events pool_events = {.gone = on_gone, .again = on_again};

int provision_new(const struct provision_options *options, struct provision **ret_provision, struct err *err)
{
    struct provision *provision = calloc(1, sizeof *provision);
    if (!provision)
        return err_set(err, ERR_NO_MEMORY, "no memory for provisioned concurrency");
    provision->options = *options;
    if (provision->options.init_ms_max == 0)
        provision->options.init_ms_max = INIT_MS_DEFAULT;
    if (provision->options.retry_ms == 0)
        provision->options.retry_ms = RETRY_MS_DEFAULT;
    pool_on_provisioned(options->pool, &pool_events, provision);
    *ret_provision = provision;
    return 0;
}

void provision_stop(struct provision *provision)
{
    struct target *target, *next;
    struct start *start;
    provision->stopped = true;
    HASH_ITER(hh, provision->targets, target, next)
        while ((start = TAILQ_FIRST(&target->list)))
            start_cancel(start);
}

void provision_free(struct provision *provision)
{
    struct target *target, *next;
    if (!provision)
        return;
    pool_on_provisioned(provision->options.pool, NULL, NULL);
    HASH_ITER(hh, provision->targets, target, next)
        target_free(target);
    free(provision);
}
