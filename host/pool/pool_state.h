/* Inside host/pool only: the structures its modules share. What they ask of each other is in pool_calls.h.
 * Who sits where:
 *
 *   pool.rooms (by id) ── every worker
 *   zygote.blanks ─────── BLANK without a version          zygote.waiters ── visits that need a new worker
 *   version.idle ──────── IDLE and FROZEN, newest first    version.waiters ─ all visits of the version, oldest first
 *   version.resets ────── BLANK with a version            version.awaited ─ who waits for a provisioned one
 *   version.ready ─────── IDLE and FROZEN, provisioned
 *   pool.lru ──────────── all of version.idle and version.resets, longest idle first
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "host/pool/budget.h"
#include "host/pool/keep_alive.h"
#include "host/pool/pool.h"
#include "host/pool/worker.h"
#include "host/registry/registry.h"
#include "lib/base/loop.h"
#include "sandbox/spawn_client.h"

TAILQ_HEAD(worker_list, worker);
TAILQ_HEAD(waiter_list, pool_waiter);
TAILQ_HEAD(measure_list, worker_measure);

struct zygote;

/* The pool of one function version; there while it has workers or waiters. */
struct version {
    struct pool *pool;
    uint64_t key;
    struct function_version *about; /* counted */
    struct zygote *zygote;          /* borrowed; zygotes live as long as the pool */
    struct worker_list idle, resets, ready;
    struct worker_list provisioned; /* in whatever state but dying */
    struct waiter_list waiters, awaited;
    unsigned workers;               /* all that are assigned to it, dying ones too */
    unsigned finishing, soft, held; /* workers BUSY, but answered; waiters of those two kinds, that wait for one */
    int64_t init_took_us;           /* of the last worker that became ready; 0 before */
    bool retired;
    struct budget_need need;           /* what a worker of it is measured to take */
    struct pool_extensions extensions; /* names NULL: not yet asked for */
    UT_hash_handle hh;
};

struct worker {
    struct pool *pool;
    struct zygote *zygote;
    struct version *version;     /* NULL: blank */
    uint32_t room_id, zygote_id; /* zygote_id: which one of `zygote` was asked for it */
    enum worker_state state;
    int64_t since_us;         /* in this state */
    struct loop_timer timer;  /* the state's deadline */
    struct worker_list *list; /* where it is linked, or NULL */
    TAILQ_ENTRY(worker) link, lru_link, provisioned_link;

    struct session *session;
    int endpoint_fd;
    void *endpoint;
    struct log_stream *log;
    struct loop_timer log_timer;        /* reading of its output is paused until then */
    const struct worker_events *events; /* NULL: no visit */
    void *events_arg;
    void *held; /* owned: a payload that the session may still be sending */
    char **env; /* NULL-terminated; kept for a reset */

    int64_t init_us, end_us;                    /* end_us: when it is killed, while it is ending */
    bool booted, was_reset, answered, one_life; /* one_life: its room cannot be reset */
    bool restarting;                            /* a reset whose visit waits */
    const char *refused;                        /* the error type that its init ends with, unstarted; or NULL. refusal says why */
    bool provisioned, surplus;                  /* surplus: was provisioned, ends with its visit */
    char refusal[160];
    uint32_t kill_tries;

    struct loop_timer exit_timer;
    struct worker_exit exit;
    struct spawn_stats stats;
    uint64_t peak_bytes, charge_bytes; /* charge: what the budget counts for it */
    uint32_t oom_seen;                 /* oom_kills of earlier lives of its runtime */
    uint32_t measures_sent, measures_back, measures_waiting;
    struct measure_list measures;
    struct loop_timer measure_timer;
    UT_hash_handle hh;
};

struct pool_waiter {
    struct pool *pool;
    struct version *version;
    const struct pool_waiter_events *events;
    void *arg;
    struct loop_timer timer;
    int64_t since_us;
    /* May only have a worker that was given back; hopes for one; is in zygote->waiters too, as one is made for it. */
    enum waiter_kind { WAITER_HELD, WAITER_SOFT, WAITER_HARD } kind;
    bool provisioned; /* in version->awaited rather than version->waiters */
    unsigned failures;
    TAILQ_ENTRY(pool_waiter) link, zygote_link;
};

enum zygote_state {
    ZYGOTE_DOWN,     /* not asked for, or waiting out its back-off */
    ZYGOTE_STARTING, /* ZYGOTE_START was sent, nothing serves yet */
    ZYGOTE_UP,
};

struct zygote {
    struct pool *pool;
    struct spawn_zygote spec; /* the key */
    enum zygote_state state;
    uint32_t id, next_id;    /* next_id: the successor that is starting, or 0 */
    struct loop_timer timer; /* start deadline, or back-off */
    int64_t started_us, used_us, backoff_us;
    int64_t successor_after_us; /* no other successor before: the last one did not come up */
    unsigned rooms_made, failures;
    unsigned making;         /* ROOM_MAKEs on the way */
    bool starved;            /* the budget refused a worker for its visits */
    int64_t refill_after_us; /* no blanks before: a room could not be made */
    unsigned blank_count, taken_now, taken_before;
    int64_t window_us;
    struct budget_need need;   /* what a blank of it is measured to take */
    struct worker_list blanks; /* BOOTING ones too, behind the booted */
    struct waiter_list waiters;
    UT_hash_handle hh;
};

struct pool {
    struct pool_options options; /* strings owned */
    struct loop *loop;
    struct worker *rooms;
    struct version *versions;
    struct zygote *zygotes;
    struct worker_list lru;
    struct budget budget;
    struct budget_need need; /* of a worker whose version was never measured */
    struct keep_alive keep_alive;
    uint32_t next_room, next_zygote;
    unsigned count[WORKER_STATES], room_count, waiting, held, making, provisioned; /* waiting: the held ones too */
    bool spawner_up, draining, drain_killed, pumping, pump_again;
    struct loop_timer tick, refill_timer, drain_timer;
    int64_t last_cold_us, drain_deadline_us;
    const struct pool_provision_events *provision; /* or NULL */
    void *provision_arg;
    void (*drain_done)(void *arg);
    void *drain_arg;
    struct pool_stats totals; /* the counters only */
};
