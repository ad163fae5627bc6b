/* The life of one worker: states, deadlines, and the messages of its room. What its runtime says is in worker_session.c, what
 * a visit does with it in worker_visit.c, its measurements are in worker_measure.c. */
#include "host/pool/worker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/pool/env.h"
#include "host/pool/pool_calls.h"
#include "host/telemetry/log_stream.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

#define S(state) (1u << WORKER_##state)
#define CPU_MB_PER_CORE 1769 /* MemorySize that stands for one vCPU */

static const struct {
    const char *name;
    unsigned next;       /* states it may go to */
    int64_t deadline_us; /* 0: the pool or the visit sets one */
} states[WORKER_STATES] = {
    [WORKER_MAKING] = {"making", S(BOOTING) | S(BLANK) | S(DYING) | S(DEAD), 10 * 1000 * 1000},
    [WORKER_BOOTING] = {"booting", S(BLANK) | S(ASSIGNING) | S(DYING) | S(DEAD), 10 * 1000 * 1000},
    [WORKER_BLANK] = {"blank", S(ASSIGNING) | S(DYING) | S(DEAD), 0},
    [WORKER_ASSIGNING] = {"assigning", S(INIT) | S(RESETTING) | S(DYING) | S(DEAD), 10 * 1000 * 1000},
    [WORKER_INIT] = {"init", S(IDLE) | S(RESETTING) | S(DYING) | S(DEAD), 0},
    [WORKER_IDLE] = {"idle", S(BUSY) | S(FROZEN) | S(TERMINATING) | S(DYING) | S(DEAD), 0},
    [WORKER_BUSY] = {"busy", S(IDLE) | S(RESETTING) | S(DYING) | S(DEAD), 0},
    [WORKER_FROZEN] = {"frozen", S(IDLE) | S(DYING) | S(DEAD), 0},
    [WORKER_RESETTING] = {"resetting", S(BOOTING) | S(BLANK) | S(DYING) | S(DEAD), 10 * 1000 * 1000},
    [WORKER_TERMINATING] = {"terminating", S(ENDING) | S(DYING) | S(DEAD), 0},
    [WORKER_ENDING] = {"ending", S(DYING) | S(DEAD), 0},
    [WORKER_DYING] = {"dying", S(DEAD), 5 * 1000 * 1000},
    [WORKER_DEAD] = {"dead", 0, 0},
};

const char *worker_state_name(enum worker_state state)
{
    return states[state].name;
}

void worker_set_state(struct worker *worker, enum worker_state state)
{
    struct pool *pool = worker->pool;
    assert(states[worker->state].next & (1u << state));
    if (worker->state == WORKER_MAKING) {
        assert(pool->making > 0 && worker->zygote->making > 0);
        pool->making--;
        worker->zygote->making--;
    }
    log_debug("worker.state", "worker=%u from=%s to=%s after_us=%lld", worker->room_id, states[worker->state].name, states[state].name,
              (long long)(clock_mono_us() - worker->since_us));
    pool->count[worker->state]--;
    pool->count[state]++;
    worker->state = state;
    worker->since_us = clock_mono_us();
    if (states[state].deadline_us > 0)
        loop_timer_set(pool->loop, &worker->timer, worker->since_us + states[state].deadline_us);
    else
        loop_timer_cancel(pool->loop, &worker->timer);
}

void worker_put(struct worker *worker, struct worker_list *list)
{
    if (worker->list) {
        TAILQ_REMOVE(worker->list, worker, link);
        if (worker->list == &worker->zygote->blanks)
            worker->zygote->blank_count--;
        else if (!worker->provisioned)
            TAILQ_REMOVE(&worker->pool->lru, worker, lru_link);
    }
    worker->list = list;
    if (!list)
        return;
    TAILQ_INSERT_HEAD(list, worker, link);
    if (list == &worker->zygote->blanks)
        worker->zygote->blank_count++;
    else if (!worker->provisioned)
        TAILQ_INSERT_TAIL(&worker->pool->lru, worker, lru_link);
}

int worker_send(struct worker *worker, struct spawn_msg *msg, struct err *err)
{
    msg->room_id = worker->room_id;
    return spawn_client_send(worker->pool->options.spawner, msg, err);
}

/* ---- its deadline ---- */

static void freeze(struct worker *worker)
{
    struct err err;
    worker_set_state(worker, WORKER_FROZEN);
    if (worker_send(worker, &(struct spawn_msg){.op = SPAWN_ROOM_FREEZE}, &err) < 0) {
        worker_kill(worker);
        return;
    }
    worker->measures_sent++;
    const struct keep_alive *keep = &worker->pool->keep_alive;
    if (!worker->provisioned)
        loop_timer_set(worker->pool->loop, &worker->timer, clock_mono_us() + keep->idle_us(keep, worker->version->about));
}

static void try_kill(struct worker *worker)
{
    struct err err;
    worker->kill_tries++;
    if (worker_send(worker, &(struct spawn_msg){.op = SPAWN_ROOM_KILL}, &err) < 0 && worker->pool->spawner_up)
        log_warn("worker.kill_failed", "worker=%u error=%s", worker->room_id, err.msg);
}

static void on_deadline(void *arg)
{
    struct worker *worker = arg;
    switch (worker->state) {
    case WORKER_MAKING:
    case WORKER_BOOTING:
    case WORKER_ASSIGNING:
    case WORKER_RESETTING:
        log_warn("worker.stuck", "worker=%u state=%s", worker->room_id, states[worker->state].name);
        worker->pool->totals.failures++;
        worker_tell_lost(worker, "the sandbox did not get ready in time");
        worker_kill(worker);
        pool_pump(worker->pool);
        return;
    case WORKER_IDLE:
        freeze(worker);
        return;
    case WORKER_BLANK:
    case WORKER_FROZEN:
        worker->pool->totals.expired++;
        worker_end(worker);
        return;
    case WORKER_TERMINATING:
        worker_runtime_is_late(worker);
        return;
    case WORKER_ENDING:
        worker_kill(worker);
        return;
    case WORKER_DYING:
        if (worker->kill_tries < WORKER_KILL_TRIES) {
            try_kill(worker);
            loop_timer_set(worker->pool->loop, &worker->timer, clock_mono_us() + states[WORKER_DYING].deadline_us);
            return;
        }
        log_error("worker.undead", "worker=%u note=the spawner never said that its room is gone", worker->room_id);
        worker_bury(worker);
        return;
    case WORKER_INIT:
    case WORKER_BUSY:
        worker_tell_lost(worker, "the spawner takes no messages");
        worker_kill(worker);
        return;
    case WORKER_DEAD:
    case WORKER_STATES:
        assert(!"a deadline in a state that has none");
    }
}

/* ---- making and assigning ---- */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t worker_cpu_milli(const struct pool *pool, const struct function_version *about)
{
    return min_u32(about->memory_mb * 1000 / CPU_MB_PER_CORE, pool->options.cpus * 1000);
}

static void fill_assign(const struct pool *pool, const struct function_version *about, struct spawn_assign *assign)
{
    uint32_t milli = worker_cpu_milli(pool, about), cores = (about->memory_mb + CPU_MB_PER_CORE - 1) / CPU_MB_PER_CORE;
    *assign = (struct spawn_assign){
        .version_key = about->key,
        .memory_mb = about->memory_mb,
        .cpu_milli = milli < WORKER_INIT_CPU_MILLI ? WORKER_INIT_CPU_MILLI : milli,
        .cpu_count = min_u32(cores < 2 ? 2 : cores, pool->options.cpus),
        .tmp_mb = about->tmp_mb,
        .pids_max = SPAWN_ROOM_TASKS,
        .layer_count = (uint32_t)about->layer_count,
    };
    str_copy(assign->code, sizeof assign->code, about->code_sha256);
    for (size_t i = 0; i < about->layer_count; i++)
        str_copy(assign->layer[i], sizeof assign->layer[i], about->layer_sha256[i]);
}

/* Which visit will have it is not decided; most likely the one it is made for. */
static void expect(struct worker *worker, const struct function_version *visitor)
{
    struct spawn_msg msg = {.op = SPAWN_ROOM_EXPECT};
    struct err err;
    fill_assign(worker->pool, visitor, &msg.assign);
    if (worker_send(worker, &msg, &err) < 0)
        log_debug("worker.expect", "worker=%u error=%s", worker->room_id, err.msg);
}

int worker_make(struct zygote *zygote, const struct function_version *visitor, struct err *err)
{
    struct pool *pool = zygote->pool;
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return err_set(err, ERR_NO_MEMORY, "no memory for a worker");
    worker->pool = pool;
    worker->zygote = zygote;
    worker->zygote_id = zygote->id;
    worker->room_id = ++pool->next_room;
    worker->endpoint_fd = -1;
    worker->since_us = clock_mono_us();
    TAILQ_INIT(&worker->measures);
    loop_timer_init(&worker->timer, on_deadline, worker);
    loop_timer_init(&worker->exit_timer, worker_on_exit_timer, worker);
    loop_timer_init(&worker->log_timer, worker_on_log_timer, worker);
    loop_timer_init(&worker->measure_timer, worker_on_measure_timer, worker);
    struct spawn_msg make = {.op = SPAWN_ROOM_MAKE, .make = {.zygote_id = zygote->id, .awaited = visitor != NULL}};
    int rc = worker_send(worker, &make, err);
    if (rc < 0) {
        free(worker);
        return rc;
    }
    if (visitor)
        expect(worker, visitor);
    HASH_ADD(hh, pool->rooms, room_id, sizeof worker->room_id, worker);
    pool->room_count++;
    pool->count[WORKER_MAKING]++;
    pool->making++;
    zygote->making++;
    zygote->rooms_made++;
    pool->totals.made++;
    loop_timer_set(pool->loop, &worker->timer, worker->since_us + states[WORKER_MAKING].deadline_us);
    return 0;
}

/* Gives a blank its function: environment, log stream, endpoint. */
static int dress(struct worker *worker, struct version *version, struct err *err)
{
    struct pool *pool = worker->pool;
    struct function_version *about = version->about;
    char stream_name[ENV_LOG_STREAM_BYTES];
    env_log_stream_name(about, stream_name);
    size_t count;
    char log_key[LOG_GROUP_KEY_BYTES];
    log_group_key(about->log_group, log_key);
    struct log_name name = {.account = about->account, .region = about->region, .key = log_key};
    const struct env_about env = {
        .version = about, .log_stream = stream_name, .endpoint_url = pool->options.endpoint_url, .provisioned = worker->provisioned};
    int rc = env_build(&env, &worker->env, &count, err);
    if (rc == 0)
        rc = log_stream_open(pool->options.logs, &name, stream_name, &worker->log, err);
    if (rc < 0)
        return rc;
    worker->version = version;
    version->workers++;
    if (worker->provisioned)
        version_add_provisioned(worker);
    if (pool->options.endpoint && worker->endpoint_fd >= 0)
        worker->endpoint = pool->options.endpoint->open(pool->options.endpoint_arg, about, fd_steal(&worker->endpoint_fd));
    session_describe(worker->session, &(struct session_about){.function_name = about->name,
                                                              .function_version = about->version,
                                                              .handler = about->handler ? about->handler : "",
                                                              .account = about->account});
    return 0;
}

int worker_assign(struct worker *worker, struct version *version, struct err *err)
{
    struct pool *pool = worker->pool;
    worker_put(worker, NULL);
    int rc = worker->version ? 0 : dress(worker, version, err);
    struct spawn_msg msg = {.op = SPAWN_ROOM_ASSIGN};
    fill_assign(pool, version->about, &msg.assign);
    if (rc == 0)
        rc = worker_send(worker, &msg, err);
    if (rc == 0) /* acted on after GO only, so it travels beside the assignment */
        rc = worker_start_session(worker, err);
    if (rc < 0) {
        worker_kill(worker);
        return rc;
    }
    worker_set_state(worker, WORKER_ASSIGNING);
    worker->init_us = worker->since_us;
    worker->exit = (struct worker_exit){0};
    worker->oom_seen = worker->stats.oom_kills;
    uint64_t need = version->need.bytes ? version->need.bytes : pool->need.bytes;
    if (need > worker->charge_bytes)
        budget_charge(&pool->budget, &worker->charge_bytes, need);
    return 0;
}

/* ---- messages of its room ---- */

static bool boots(const struct worker *worker)
{
    return worker->zygote->spec.kind != SPAWN_ZYGOTE_NATIVE;
}

static int take_session(struct worker *worker, int *fds, size_t nfds, struct err *err)
{
    if (worker->state == WORKER_RESETTING && nfds == 2) {
        worker->peak_bytes = 0; /* of those who are gone */
        return session_renew(worker->session, fd_steal(&fds[SPAWN_FD_CHANNEL]), fd_steal(&fds[SPAWN_FD_LOG]), err);
    }
    if (worker->state == WORKER_MAKING && nfds == SPAWN_FD_COUNT) {
        worker->endpoint_fd = fd_steal(&fds[SPAWN_FD_ENDPOINT]);
        struct session_fds session_fds = {.channel = fd_steal(&fds[SPAWN_FD_CHANNEL]),
                                          .log = fd_steal(&fds[SPAWN_FD_LOG]),
                                          .runtime_listener = fd_steal(&fds[SPAWN_FD_RUNTIME])};
        return session_new(worker->pool->loop, &session_fds, &worker_session_events, worker, &worker->session, err);
    }
    return err_set(err, ERR_CORRUPT, "the spawner sent %zu descriptors", nfds);
}

static void on_room_ready(struct worker *worker, const struct spawn_msg *msg, int *fds, size_t nfds)
{
    struct pool *pool = worker->pool;
    bool fresh = worker->state == WORKER_MAKING;
    if (!fresh && worker->state != WORKER_RESETTING)
        return; /* being killed meanwhile */
    struct err err;
    worker->booted = !boots(worker);
    worker->one_life = msg->ready.one_life != 0;
    if (take_session(worker, fds, nfds, &err) < 0) {
        log_warn("worker.session_failed", "worker=%u error=%s", worker->room_id, err.msg);
        struct zygote *zygote = worker->zygote;
        worker_tell_lost(worker, err.msg);
        worker_kill(worker);
        if (fresh) { /* the next would fare no better: stoked has no descriptors left */
            zygote->refill_after_us = clock_mono_us() + POOL_REFILL_FAILED_US;
            waiters_fail_zygote(zygote, err.msg);
        }
        return;
    }
    worker_hold(worker, NULL);
    worker_set_state(worker, worker->booted ? WORKER_BLANK : WORKER_BOOTING);
    if (fresh) {
        pool_take_blank(pool, worker);
    } else if (worker->restarting) {
        worker->restarting = false;
        const struct worker_events *events = worker->events;
        void *arg = worker->events_arg;
        if (worker_assign(worker, worker->version, &err) < 0 && events)
            events->lost(arg, err.msg);
    } else {
        version_take_back(worker->version, worker, false);
    }
}

static void on_room_failed(struct worker *worker, const struct spawn_msg *msg)
{
    struct pool *pool = worker->pool;
    char why[SPAWN_TEXT_MAX + 128];
    snprintf(why, sizeof why, "%.32s: %.255s (%s)", msg->failed.stage, msg->failed.text, strerror(msg->failed.code));
    log_warn("worker.room_failed", "worker=%u state=%s error=%s", worker->room_id, states[worker->state].name, why);
    pool->totals.failures++;
    if (worker->state == WORKER_MAKING) {
        struct zygote *zygote = worker->zygote;
        bool orphan = worker->zygote_id != zygote->id; /* one death ends many rooms, and is counted with the zygote */
        worker_bury(worker);
        if (!orphan) {
            zygote->refill_after_us = clock_mono_us() + POOL_REFILL_FAILED_US;
            waiters_fail_zygote(zygote, why);
        }
    } else if (worker->state != WORKER_DYING) {
        worker_tell_lost(worker, why);
        worker_kill(worker);
    }
    pool_pump(pool);
}

void worker_message(struct worker *worker, const struct spawn_msg *msg, int *fds, size_t nfds)
{
    switch (msg->op) {
    case SPAWN_ROOM_READY:
        on_room_ready(worker, msg, fds, nfds);
        break;
    case SPAWN_ROOM_FAILED:
        on_room_failed(worker, msg);
        break;
    case SPAWN_ROOM_ASSIGNED:
        /* Late where the runtime's READY was faster: the time counts all the same. */
        if (msg->assigned.go_us >= worker->init_us && msg->assigned.go_us <= clock_mono_us())
            worker->init_us = msg->assigned.go_us;
        if (worker->state == WORKER_ASSIGNING)
            worker_set_state(worker, WORKER_INIT);
        worker_tell_refusal(worker);
        break;
    case SPAWN_ROOM_FROZEN:
    case SPAWN_ROOM_STATS:
        worker_take_stats(worker, &msg->stats);
        worker_measured(worker);
        break;
    case SPAWN_ROOM_EXITED:
        worker_saw_exit(worker, msg->exited.wait_status, &msg->exited.stats);
        break;
    case SPAWN_ROOM_DEAD:
        if (worker->state != WORKER_DYING) /* unasked: something outside killed it */
            worker_tell_lost(worker, "the sandbox ended");
        worker_take_stats(worker, &msg->stats);
        worker_bury(worker);
        break;
    default:
        log_warn("worker.unknown_message", "worker=%u op=%u", worker->room_id, msg->op);
    }
    for (size_t i = 0; i < nfds; i++)
        fd_closep(&fds[i]);
}

/* ---- ends ---- */

void worker_tell_lost(struct worker *worker, const char *message)
{
    const struct worker_events *events = worker->events;
    worker->events = NULL;
    if (events)
        events->lost(worker->events_arg, message);
}

/* Closes everything on the host's side but what the log of the last invocation needs. */
static void close_session(struct worker *worker)
{
    struct pool *pool = worker->pool;
    worker_drain_log(worker);
    session_free(worker->session);
    worker->session = NULL;
    worker_hold(worker, NULL);
    if (worker->endpoint)
        pool->options.endpoint->close(pool->options.endpoint_arg, worker->endpoint);
    worker->endpoint = NULL;
    fd_closep(&worker->endpoint_fd);
    loop_timer_cancel(pool->loop, &worker->log_timer);
    loop_timer_cancel(pool->loop, &worker->exit_timer);
}

void worker_kill(struct worker *worker)
{
    if (worker->state == WORKER_DYING || worker->state == WORKER_DEAD)
        return;
    version_unanswer(worker, true);
    worker_put(worker, NULL);
    worker->events = NULL;
    version_drop_provisioned(worker);
    close_session(worker);
    worker_set_state(worker, WORKER_DYING);
    try_kill(worker);
}

void worker_bury(struct worker *worker)
{
    struct pool *pool = worker->pool;
    version_unanswer(worker, true);
    worker_put(worker, NULL);
    version_drop_provisioned(worker);
    close_session(worker);
    worker_set_state(worker, WORKER_DEAD);
    worker_measures_finish(worker);
    loop_timer_cancel(pool->loop, &worker->measure_timer);
    budget_charge(&pool->budget, &worker->charge_bytes, 0);
    HASH_DEL(pool->rooms, worker);
    pool->room_count--;
    pool->count[WORKER_DEAD]--;
    log_stream_close(worker->log);
    env_free(worker->env);
    struct version *version = worker->version;
    free(worker);
    if (version) {
        version->workers--;
        version_put(version);
    }
    pool_refill_soon(pool);
    pool_check_drained(pool);
}
