/* Inside host/pool only: the structures its modules share. worker.c moves one worker, zygotes.c the interpreters' zygotes and
 * their blanks, versions.c a version's warm workers and waiters, pool.c joins them; budget.h, env.h and keep_alive.h stand
 * alone. Who sits where:
 *
 *   pool.rooms (by id) ── every worker
 *   zygote.blanks ─────── BLANK without a version          zygote.waiters ── visits that need a new worker
 *   version.idle ──────── IDLE and FROZEN, newest first    version.waiters ─ all visits of the version, oldest first
 *   version.resets ────── BLANK with a version
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

/* Every limit and time of the pool that is no option. */
#define POOL_MAKES_MAX 32                          /* ROOM_MAKEs on the way at once */
#define POOL_WAIT_HARD_US (10 * 1000 * 1000)       /* a visit waits no longer for a worker, whatever the reason */
#define POOL_SOFT_WAIT_US (20 * 1000)              /* for a worker that has answered and will be idle */
#define POOL_MAKE_TRIES 3
#define POOL_REFILL_US 2000                        /* blanks are made this long after the last cold visit */
#define POOL_REFILL_BUSY_US 20000                  /* ... but no later than this while others initialise */
#define POOL_REFILL_FAILED_US (5 * 1000 * 1000)
#define POOL_TICK_US (1000 * 1000)                 /* the reaper's round */
#define POOL_DEMAND_US (10 * 1000 * 1000)          /* window in which blanks taken set the target */
#define WORKER_EXIT_GRACE_US 5000                  /* what a runtime sent before it ended is read first */
#define WORKER_BROKEN_GRACE_US (100 * 1000)        /* a broken session: its exit status may follow */
#define WORKER_MEASURE_US (50 * 1000)
#define WORKER_MEASURES_MAX 1024
#define WORKER_KILL_TRIES 3
#define ZYGOTE_START_US (20 * 1000 * 1000)
#define ZYGOTE_BACKOFF_MIN_US (100 * 1000)
#define ZYGOTE_BACKOFF_MAX_US (5 * 1000 * 1000)
#define ZYGOTE_TRIES 3                             /* failed starts until waiting visits hear of it */

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
    struct worker_list idle, resets;
    struct waiter_list waiters;
    unsigned workers;   /* all that are assigned to it, dying ones too */
    unsigned finishing; /* BUSY, but answered */
    unsigned soft;      /* waiters that wait for one of those */
    bool retired;
    struct budget_need need; /* what a worker of it is measured to take */
    UT_hash_handle hh;
};

struct worker {
    struct pool *pool;
    struct zygote *zygote;
    struct version *version; /* NULL: blank */
    uint32_t room_id;
    enum worker_state state;
    int64_t since_us; /* in this state */
    struct loop_timer timer; /* the state's deadline */
    struct worker_list *list; /* where it is linked, or NULL */
    TAILQ_ENTRY(worker) link, lru_link;

    struct session *session;
    int endpoint_fd;
    void *endpoint;
    struct log_stream *log;
    struct loop_timer log_timer; /* reading of its output is paused until then */
    const struct worker_events *events; /* NULL: no visit */
    void *events_arg;
    void *held;                         /* owned: a payload that the session may still be sending */
    char **env;                         /* NULL-terminated; kept for a reset */

    int64_t init_us;
    bool booted, was_reset, answered;
    bool restarting; /* a reset whose visit waits */
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
    bool soft;    /* only in version->waiters */
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
    uint32_t id, next_id; /* next_id: the successor that is starting, or 0 */
    struct loop_timer timer; /* start deadline, or back-off */
    int64_t started_us, used_us, backoff_us;
    unsigned rooms_made, failures;
    unsigned making;   /* ROOM_MAKEs on the way */
    bool starved;      /* the budget refused a worker for its visits */
    int64_t refill_after_us; /* no blanks before: a room could not be made */
    unsigned blank_count, taken_now, taken_before;
    int64_t window_us;
    struct budget_need need; /* what a blank of it is measured to take */
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
    unsigned count[WORKER_STATES], room_count, waiting, making;
    bool spawner_up, draining, pumping, pump_again;
    struct loop_timer tick, refill_timer, drain_timer;
    int64_t last_cold_us, drain_deadline_us;
    bool drain_killed;
    void (*drain_done)(void *arg);
    void *drain_arg;
    struct pool_stats totals; /* the counters only */
};

/* ---- worker.c ---- */
int worker_make(struct zygote *zygote, struct err *err) WARN_UNUSED;
/* BLANK or BOOTING -> ASSIGNING for version (or its own after a reset); on failure the worker is dying. */
int worker_assign(struct worker *worker, struct version *version, struct err *err) WARN_UNUSED;
void worker_message(struct worker *worker, const struct spawn_msg *msg, int *fds, size_t nfds);
void worker_kill(struct worker *worker);
void worker_thaw(struct worker *worker);
/* Tells the visit, if there is one, and forgets it. */
void worker_tell_lost(struct worker *worker, const char *message);
/* The room is gone: frees everything. */
void worker_bury(struct worker *worker);
void worker_set_state(struct worker *worker, enum worker_state state);
/* Moves it to the head of list: its zygote's blanks, one of its version's lists (there it can be evicted), or NULL. */
void worker_put(struct worker *worker, struct worker_list *list);
int worker_send(struct worker *worker, struct spawn_msg *msg, struct err *err) WARN_UNUSED;

/* ---- worker_session.c ---- */
extern const struct session_events worker_session_events;
void worker_saw_exit(struct worker *worker, int wait_status, const struct spawn_stats *stats);
void worker_on_exit_timer(void *arg);
void worker_on_log_timer(void *arg);

/* ---- worker_measure.c ---- */
void worker_on_measure_timer(void *arg);
void worker_take_stats(struct worker *worker, const struct spawn_stats *stats);
void worker_measured(struct worker *worker);          /* a reply to STAT or FREEZE came */
void worker_measures_finish(struct worker *worker);   /* answers all with what is known */

/* ---- zygotes.c ---- */
struct zygote *zygotes_get(struct pool *pool, const struct function_version *version);
void zygote_use(struct zygote *zygote); /* there is demand: starts it if it is down */
void zygote_took_blank(struct zygote *zygote);
unsigned zygote_blank_target(const struct zygote *zygote);
bool zygotes_message(struct pool *pool, const struct spawn_msg *msg);
void zygotes_lost(struct pool *pool);
void zygotes_up(struct pool *pool);
void zygotes_tick(struct pool *pool, int64_t now);
void zygotes_stop_all(struct pool *pool);
void zygotes_free(struct pool *pool);

/* ---- versions.c ---- */
struct version *versions_get(struct pool *pool, struct function_version *about);
void version_put(struct version *version); /* drops it if nothing uses it */
/* A worker of it is free (IDLE, or BLANK after a reset): serves a waiter or joins the pool. */
void version_take_back(struct version *version, struct worker *worker);
struct worker *version_warm(struct version *version);
void version_unanswer(struct worker *worker); /* a finishing worker finishes no more */
void version_retire(struct version *version);

/* ---- waiters.c ---- */
void waiter_serve(struct pool_waiter *waiter, struct worker *worker);
void waiter_fail(struct pool_waiter *waiter, enum pool_failure failure, const char *message);
void waiter_harden(struct pool_waiter *waiter);
void waiters_fail_all(struct waiter_list *list, enum pool_failure failure, const char *message);
void waiters_fail_zygote(struct zygote *zygote, const char *message);

/* ---- pool.c ---- */
/* A fresh, booted or at least sealed worker. */
void pool_take_blank(struct pool *pool, struct worker *worker);
void pool_pump(struct pool *pool);
void pool_refill_soon(struct pool *pool);
void pool_check_drained(struct pool *pool);
