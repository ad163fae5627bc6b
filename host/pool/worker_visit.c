/* What a visit does with the worker it holds: delivers its event, and gives it back in one of three ways. */
#include <assert.h>
#include <stdlib.h>

#include "host/pool/pool_calls.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

void worker_thaw(struct worker *worker)
{
    struct err err;
    if (worker->state != WORKER_FROZEN)
        return;
    if (worker_send(worker, &(struct spawn_msg){.op = SPAWN_ROOM_THAW}, &err) < 0)
        log_warn("worker.thaw_failed", "worker=%u error=%s", worker->room_id, err.msg);
    worker_set_state(worker, WORKER_IDLE);
}

int worker_deliver(struct worker *worker, const struct session_event *event, struct err *err)
{
    assert(worker->events && worker->state == WORKER_IDLE);
    int rc = session_invoke(worker->session, event, err);
    if (rc < 0)
        return rc;
    worker_set_state(worker, WORKER_BUSY);
    return 0;
}

void worker_answered(struct worker *worker)
{
    if (worker->state != WORKER_BUSY || worker->answered)
        return;
    worker->answered = true;
    worker->version->finishing++;
}

void worker_hold(struct worker *worker, void *payload)
{
    free(worker->held);
    worker->held = payload;
}

void worker_release(struct worker *worker)
{
    assert(worker->events && worker->state == WORKER_IDLE);
    bool answered = worker->answered;
    worker->events = NULL;
    version_unanswer(worker, worker->exit.known);
    if (worker->exit.known) /* it ended right after its last answer */
        worker_kill(worker);
    else
        version_take_back(worker->version, worker, answered);
}

void worker_retire(struct worker *worker)
{
    struct pool *pool = worker->pool;
    worker->events = NULL;
    worker_kill(worker);
    pool_pump(pool);
}

bool worker_can_restart(const struct worker *worker)
{
    return worker->zygote_id == worker->zygote->id && !worker->one_life;
}

/* for_visit: the same visit goes on in it, so being retired does not matter yet. */
static bool begin_reset(struct worker *worker, bool for_visit)
{
    struct err err;
    version_unanswer(worker, true);
    worker_drain_log(worker);
    loop_timer_cancel(worker->pool->loop, &worker->exit_timer);
    bool can = worker->state == WORKER_INIT || worker->state == WORKER_BUSY || worker->state == WORKER_ASSIGNING;
    bool wanted = for_visit || (!worker->version->retired && !worker->pool->draining && !worker->surplus);
    if (!can || !wanted || !worker_can_restart(worker) || worker_send(worker, &(struct spawn_msg){.op = SPAWN_ROOM_RESET}, &err) < 0)
        return false;
    worker->was_reset = true;
    worker->restarting = for_visit;
    worker_set_state(worker, WORKER_RESETTING);
    return true;
}

void worker_reset(struct worker *worker)
{
    struct pool *pool = worker->pool;
    worker->events = NULL;
    if (!begin_reset(worker, false))
        worker_kill(worker);
    pool_pump(pool);
}

void worker_restart(struct worker *worker)
{
    assert(worker->events);
    if (!begin_reset(worker, true))
        loop_timer_set(worker->pool->loop, &worker->timer, 0); /* says lost, from the loop */
}

/* ---- small questions ---- */

void worker_attach(struct worker *worker, const struct worker_events *events, void *arg)
{
    assert(!worker->events);
    worker->events = events;
    worker->events_arg = arg;
}

bool worker_is_ready(const struct worker *worker)
{
    return worker->state == WORKER_IDLE;
}

bool worker_was_reset(const struct worker *worker)
{
    return worker->was_reset;
}

bool worker_is_provisioned(const struct worker *worker)
{
    return worker->provisioned;
}

int64_t worker_init_us(const struct worker *worker)
{
    return worker->init_us;
}

struct log_stream *worker_log(const struct worker *worker)
{
    return worker->log;
}

const struct function_version *worker_version(const struct worker *worker)
{
    return worker->version ? worker->version->about : NULL;
}

enum worker_state worker_state(const struct worker *worker)
{
    return worker->state;
}

uint32_t worker_room_id(const struct worker *worker)
{
    return worker->room_id;
}
