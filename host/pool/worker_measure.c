/* Measuring a worker's memory for REPORT lines and for the budget. A warm worker under load is asked about every 50 ms, not
 * once an invocation: the kernel's counters cost the spawner more than the invocation itself. */
#include <assert.h>

#include "host/pool/pool_calls.h"
#include "lib/base/clock.h"

#define CHARGE_MIN_BYTES (512u << 10) /* what the kernel keeps for a room even if nothing is charged to it */

static void ask(struct worker *worker)
{
    struct err err;
    if (worker_send(worker, &(struct spawn_msg){.op = SPAWN_ROOM_STAT}, &err) == 0)
        worker->measures_sent++;
    else
        worker_measures_finish(worker);
}

void worker_on_measure_timer(void *arg)
{
    struct worker *worker = arg;
    if (worker->measures_sent == worker->measures_back)
        ask(worker);
}

void worker_measure(struct worker *worker, struct worker_measure *measure, bool now)
{
    measure->worker = worker;
    measure->after = worker->measures_sent;
    TAILQ_INSERT_TAIL(&worker->measures, measure, link);
    worker->measures_waiting++;
    if (worker->measures_waiting > WORKER_MEASURES_MAX)
        worker_measures_finish(worker);
    else if (now)
        ask(worker);
    else if (!loop_timer_is_set(&worker->measure_timer))
        loop_timer_set(worker->pool->loop, &worker->measure_timer, clock_mono_us() + WORKER_MEASURE_US);
}

void worker_measure_cancel(struct worker_measure *measure)
{
    if (!measure->worker)
        return;
    TAILQ_REMOVE(&measure->worker->measures, measure, link);
    measure->worker->measures_waiting--;
    measure->worker = NULL;
}

static void answer(struct worker *worker, struct worker_measure *measure)
{
    worker_measure_cancel(measure);
    measure->fn(measure->arg, worker->peak_bytes);
}

void worker_measures_finish(struct worker *worker)
{
    while (!TAILQ_EMPTY(&worker->measures))
        answer(worker, TAILQ_FIRST(&worker->measures));
}

void worker_measured(struct worker *worker)
{
    struct worker_measure *measure;
    worker->measures_back++;
    while ((measure = TAILQ_FIRST(&worker->measures)) && (int32_t)(worker->measures_back - measure->after) > 0)
        answer(worker, measure);
    if (TAILQ_EMPTY(&worker->measures))
        loop_timer_cancel(worker->pool->loop, &worker->measure_timer);
    else if (!loop_timer_is_set(&worker->measure_timer))
        loop_timer_set(worker->pool->loop, &worker->measure_timer, clock_mono_us() + WORKER_MEASURE_US);
}

void worker_take_stats(struct worker *worker, const struct spawn_stats *stats)
{
    struct pool *pool = worker->pool;
    if (stats->memory_bytes == 0 && stats->peak_bytes == 0)
        return; /* a room that ended before it could be measured */
    if (worker->version && stats->net_packets > worker->stats.net_packets)
        function_version_count_network(worker->version->about, stats->net_bytes - worker->stats.net_bytes,
                                       stats->net_packets - worker->stats.net_packets);
    worker->stats = *stats;
    uint64_t peak = stats->peak_bytes > stats->memory_bytes ? stats->peak_bytes : stats->memory_bytes;
    if (peak > worker->peak_bytes)
        worker->peak_bytes = peak;
    if (!worker->version) {
        budget_learn(&worker->zygote->need, stats->memory_bytes);
    } else if (worker->state != WORKER_DYING) {
        budget_learn(&worker->version->need, worker->peak_bytes);
        budget_blend(&pool->need, worker->peak_bytes);
    }
    uint64_t charge = stats->memory_bytes < CHARGE_MIN_BYTES ? CHARGE_MIN_BYTES : stats->memory_bytes;
    bool at_work = worker->state == WORKER_BUSY || worker->state == WORKER_INIT;
    if (at_work && worker->version && charge < worker->version->need.bytes)
        charge = worker->version->need.bytes; /* it may grow as the others did */
    if (worker->state != WORKER_DYING)
        budget_charge(&pool->budget, &worker->charge_bytes, charge);
}

uint64_t worker_peak_bytes(const struct worker *worker)
{
    return worker->peak_bytes;
}
