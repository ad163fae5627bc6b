/* How a room ends that extensions live in, Lambda's shutdown phase: the runtime gets SIGTERM and a moment, then those that subscribed to it
 * SHUTDOWN and the rest of two seconds. Without extensions it ends at once.
 * Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html, "Shutdown phase" */
#include <signal.h>

#include "host/pool/pool_calls.h"
#include "lib/base/clock.h"

#define SHUTDOWN_MS 2000
#define RUNTIME_MS 600          /* of them, for the runtime */
#define RUNTIME_MS_INTERNAL 500 /* where all extensions are the runtime's own */

bool worker_ends_slowly(const struct worker *worker)
{
    return (worker->state == WORKER_IDLE || worker->state == WORKER_FROZEN) && session_extension_count(worker->session) > 0;
}

bool worker_is_ending(const struct worker *worker)
{
    return worker->state == WORKER_TERMINATING || worker->state == WORKER_ENDING;
}

static bool signal_runtime(struct worker *worker, int number)
{
    struct err err;
    return worker_send(worker, &(struct spawn_msg){.op = SPAWN_ROOM_SIGNAL, .signal = (uint32_t)number}, &err) == 0;
}

void worker_end(struct worker *worker)
{
    bool slowly = worker_ends_slowly(worker);
    if (slowly && worker->state == WORKER_FROZEN)
        worker_thaw(worker);
    if (!slowly || worker->state != WORKER_IDLE) {
        worker_kill(worker);
        return;
    }
    worker_put(worker, NULL);
    worker->events = NULL;
    version_drop_provisioned(worker);
    worker_set_state(worker, WORKER_TERMINATING);
    int64_t now = clock_mono_us(), wait_ms = session_has_external(worker->session) ? RUNTIME_MS : RUNTIME_MS_INTERNAL;
    worker->end_us = now + SHUTDOWN_MS * 1000;
    session_terminate(worker->session);
    if (signal_runtime(worker, SIGTERM))
        loop_timer_set(worker->pool->loop, &worker->timer, now + wait_ms * 1000);
    else
        worker_kill(worker);
}

static void tell_extensions(struct worker *worker)
{
    int64_t left_us = worker->end_us - clock_mono_us();
    if (left_us <= 0 || !session_wants_shutdown(worker->session)) {
        worker_kill(worker);
        return;
    }
    worker_set_state(worker, WORKER_ENDING);
    loop_timer_set(worker->pool->loop, &worker->timer, worker->end_us);
    session_shutdown(worker->session, "spindown", clock_wall_ms() + left_us / 1000);
}

void worker_runtime_ended(struct worker *worker)
{
    if (worker->state == WORKER_TERMINATING)
        tell_extensions(worker);
}

void worker_runtime_is_late(struct worker *worker)
{
    if (signal_runtime(worker, SIGKILL))
        tell_extensions(worker);
    else
        worker_kill(worker);
}
