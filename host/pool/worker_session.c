/* What a worker's runtime says, and how it ends. An exit is passed on a moment late, so that an answer which is still in the
 * socket is heard first: whoever answers and exits at once has answered. */
#include "host/pool/pool_calls.h"
#include "host/telemetry/log_stream.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

static void on_booted(void *arg)
{
    struct worker *worker = arg;
    worker->booted = true;
    if (worker->state != WORKER_BOOTING)
        return; /* it was taken before it had booted: START waits in its socket */
    worker_set_state(worker, WORKER_BLANK);
    if (worker->version) { /* after a reset */
        worker_put(worker, NULL);
        version_take_back(worker->version, worker, false);
    } else if (worker->list) {
        worker_put(worker, worker->list); /* to the head: booted ones first */
    }
}

static void on_ready(void *arg)
{
    struct worker *worker = arg;
    if (worker->state == WORKER_ASSIGNING) /* faster than the spawner's ROOM_ASSIGNED */
        worker_set_state(worker, WORKER_INIT);
    if (worker->state != WORKER_INIT)
        return;
    struct pool *pool = worker->pool;
    uint32_t milli = worker_cpu_milli(pool, worker->version->about);
    struct err err;
    struct spawn_msg limit = {.op = SPAWN_ROOM_LIMIT, .limit.cpu_milli = milli};
    if (milli < WORKER_INIT_CPU_MILLI && worker_send(worker, &limit, &err) < 0)
        log_warn("worker.limit_failed", "worker=%u error=%s", worker->room_id, err.msg);
    worker_set_state(worker, WORKER_IDLE);
    worker->version->init_took_us = worker->since_us - worker->init_us;
    if (worker->events)
        worker->events->ready(worker->events_arg);
    else
        version_take_back(worker->version, worker, false);
    pool_refill_soon(pool);
}

int worker_start_session(struct worker *worker, struct err *err)
{
    size_t count = 0;
    while (worker->env[count])
        count++;
    worker->refused = NULL;
    int rc = version_expect_extensions(worker->version, worker->session, err);
    if (rc == 0)
        return session_start(worker->session, (const char *const *)worker->env, count, err);
    if (err->kind == ERR_LIMIT)
        worker->refused = "Extension.TooManyExtensions";
    else if (err->kind == ERR_INVALID)
        worker->refused = "Extension.InvalidExtensionName";
    else
        return rc;
    str_copy(worker->refusal, sizeof worker->refusal, err->msg);
    return 0;
}

static bool starts(struct worker *worker)
{
    if (worker->state == WORKER_ASSIGNING)
        worker_set_state(worker, WORKER_INIT);
    return worker->state == WORKER_INIT;
}

static void on_init_error(void *arg, const struct session_error *error)
{
    struct worker *worker = arg;
    if (!starts(worker))
        return;
    if (worker->events)
        worker->events->init_error(worker->events_arg, error);
    else
        worker_retire(worker);
}

void worker_tell_refusal(struct worker *worker)
{
    if (!worker->refused)
        return;
    CLEANUP(freep) char *body = str_format("{\"errorType\":\"%s\",\"errorMessage\":\"%s\"}", worker->refused, worker->refusal);
    log_info("worker.refused", "function=%s why=\"%s\"", worker->version->about->name, worker->refusal);
    on_init_error(worker, &(struct session_error){.type = worker->refused, .body = body, .body_len = strlen(body)});
}

static void on_exec_failed(void *arg, const struct session_exec_failure *failure)
{
    struct worker *worker = arg;
    if (!starts(worker))
        return;
    if (worker->events)
        worker->events->exec_failed(worker->events_arg, failure);
    else
        worker_retire(worker);
}

static void on_response(void *arg, const char *content_type, const char *body, size_t len)
{
    struct worker *worker = arg;
    (void)content_type;
    if (worker->state == WORKER_BUSY && worker->events)
        worker->events->response(worker->events_arg, body, len);
}

static void on_error(void *arg, const struct session_error *error)
{
    struct worker *worker = arg;
    if (worker->state == WORKER_BUSY && worker->events)
        worker->events->error(worker->events_arg, error);
}

static void on_too_large(void *arg, size_t len)
{
    struct worker *worker = arg;
    if (worker->state == WORKER_BUSY && worker->events)
        worker->events->too_large(worker->events_arg, len);
}

static void on_idle(void *arg)
{
    struct worker *worker = arg;
    if (worker->state != WORKER_BUSY)
        return;
    worker_set_state(worker, WORKER_IDLE);
    if (worker->events)
        worker->events->idle(worker->events_arg);
}

/* ---- ends ---- */

static void end_unvisited(struct worker *worker)
{
    struct pool *pool = worker->pool;
    if (!worker->version) { /* our own runtime ended: not at once again, or blanks would be made in a circle */
        log_warn("worker.blank_ended", "worker=%u state=%s wait_status=%d", worker->room_id, worker_state_name(worker->state),
                 worker->exit.wait_status);
        pool->totals.failures++;
        worker->zygote->refill_after_us = clock_mono_us() + POOL_REFILL_FAILED_US;
    }
    worker_kill(worker);
    pool_pump(pool);
}

void worker_on_exit_timer(void *arg)
{
    struct worker *worker = arg;
    if (worker->events)
        worker->events->exited(worker->events_arg, &worker->exit);
    else
        end_unvisited(worker);
}

void worker_saw_exit(struct worker *worker, int wait_status, const struct spawn_stats *stats)
{
    if (worker->state == WORKER_RESETTING || worker->state == WORKER_DYING)
        return; /* our own doing */
    worker_take_stats(worker, stats);
    if (stats->oom_kills > worker->oom_seen)
        worker->exit.oom = true;
    if (wait_status < 0)
        return; /* the OOM killer was there, the runtime still runs */
    if (worker_is_ending(worker)) {
        worker_runtime_ended(worker);
        return;
    }
    if (!worker->exit.known)
        loop_timer_set(worker->pool->loop, &worker->exit_timer, clock_mono_us() + WORKER_EXIT_GRACE_US);
    worker->exit.known = true;
    worker->exit.wait_status = wait_status;
    if (!worker->events)
        end_unvisited(worker);
}

static void on_broken(void *arg, const char *why)
{
    struct worker *worker = arg;
    if (worker->state == WORKER_RESETTING || worker_is_ending(worker))
        return; /* what is being killed speaks out of turn */
    log_info("worker.session_broken", "worker=%u state=%s why=%s", worker->room_id, worker_state_name(worker->state), why);
    if (!worker->events) {
        end_unvisited(worker);
        return;
    }
    if (worker->exit.known) /* its timer runs */
        return;
    worker->exit.why = "the runtime broke the protocol";
    loop_timer_set(worker->pool->loop, &worker->exit_timer, clock_mono_us() + WORKER_BROKEN_GRACE_US);
}

/* ---- output ---- */

void worker_on_log_timer(void *arg)
{
    struct worker *worker = arg;
    session_read_log(worker->session, true);
}

static void on_log(void *arg, const char *data, size_t len)
{
    struct worker *worker = arg;
    if (!worker->log) { /* no function yet: our own runtime while it boots */
        log_debug("worker.boot_output", "worker=%u text=%.*s", worker->room_id, (int)(len < 512 ? len : 512), data);
        return;
    }
    log_stream_feed(worker->log, data, len);
    int64_t pause_us = log_stream_pause_us(worker->log);
    if (pause_us > 0 && !loop_timer_is_set(&worker->log_timer)) {
        session_read_log(worker->session, false);
        loop_timer_set(worker->pool->loop, &worker->log_timer, clock_mono_us() + pause_us);
    }
}

void worker_drain_log(struct worker *worker)
{
    if (worker->session)
        session_drain_log(worker->session);
}

const struct session_events worker_session_events = {
    .booted = on_booted,
    .ready = on_ready,
    .init_error = on_init_error,
    .exec_failed = on_exec_failed,
    .response = on_response,
    .error = on_error,
    .too_large = on_too_large,
    .idle = on_idle,
    .broken = on_broken,
    .log = on_log,
};
