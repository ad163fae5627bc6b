/* One room as the host sees it: its state, its session, its log stream, its measurements. A visit (an invocation) holds a
 * worker from pool_waiter_events.acquired until it releases, resets or retires it, or hears lost. Loop thread only.
 *
 *     worker_attach(worker, &events, visit);               // first thing in acquired
 *     if (worker_is_ready(worker)) worker_deliver(worker, &event, &err);   // else events.ready comes
 *     ... events.response, then events.idle                // the order of all callbacks: below
 *     worker_release(worker);
 *
 *            ROOM_READY        BOOTED        taken           ROOM_ASSIGNED     ready
 *   MAKING ─────────▶ BOOTING ───────▶ BLANK ─────▶ ASSIGNING ───────▶ INIT ───────▶ IDLE ◀────▶ BUSY
 *                        ▲               (native: BLANK at once)        │         10 ms│▲ thaw     │
 *                        └──────────── RESETTING ◀──────────────────────┴──────────────┼┼──────────┘ timeout, crash
 *                                                                                    ▼│
 *   any state ──▶ DYING ──ROOM_DEAD──▶ DEAD                                          FROZEN
 *   IDLE ──keep-alive, update, the end of stoked──▶ TERMINATING ──▶ ENDING ──▶ DYING     (with extensions; else DYING at once)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/base/err.h"
#include "runtime-api/session.h"

struct function_version;
struct log_stream;
struct worker;

enum worker_state {
    WORKER_MAKING,      /* ROOM_MAKE was sent */
    WORKER_BOOTING,     /* sealed; our runtime in it has not said BOOTED */
    WORKER_BLANK,       /* sealed and booted, no user code. After a reset it has a function version and serves only that */
    WORKER_ASSIGNING,   /* ROOM_ASSIGN and START were sent */
    WORKER_INIT,        /* GO: user code loads */
    WORKER_IDLE,        /* waits for an event; held by a visit or in the warm pool */
    WORKER_BUSY,        /* an event was delivered and the runtime has not asked for the next */
    WORKER_FROZEN,      /* idle, and its processes do not run */
    WORKER_RESETTING,   /* ROOM_RESET was sent */
    WORKER_TERMINATING, /* its runtime got SIGTERM and has a moment */
    WORKER_ENDING,      /* its extensions were told SHUTDOWN and have a moment */
    WORKER_DYING,       /* ROOM_KILL was sent */
    WORKER_DEAD,        /* nothing of it is left; freed at once */
    WORKER_STATES,
};

struct worker_exit {
    bool known;      /* wait_status is there */
    int wait_status; /* as waitpid(2) gives it */
    bool oom;        /* the kernel killed for lack of memory in this life of the runtime */
    const char *why; /* what broke when nothing exited, or NULL */
};

/* What a visit hears. Never called from inside a worker_ function. The visit ends only by its own call, or by lost. */
struct worker_events {
    void (*ready)(void *arg); /* init is done, worker_deliver() may be called */
    void (*init_error)(void *arg, const struct session_error *error);
    void (*exec_failed)(void *arg, const struct session_exec_failure *failure);
    void (*response)(void *arg, const char *body, size_t len);
    void (*error)(void *arg, const struct session_error *error);
    void (*too_large)(void *arg, size_t len);
    void (*idle)(void *arg); /* after one of the three: it can be released */
    /* The runtime ended or broke its protocol. What it had sent before has been heard first. */
    void (*exited)(void *arg, const struct worker_exit *exit);
    /* The room is gone by no fault of the function; the worker is no longer the visit's. */
    void (*lost)(void *arg, const char *message);
};

void worker_attach(struct worker *worker, const struct worker_events *events, void *arg);
/* Whether it waits for an event (a warm one); else it initialises and ready follows. */
bool worker_is_ready(const struct worker *worker);
/* Whether this runtime process starts again in a room that served before: no Init Duration, no INIT_START. */
bool worker_was_reset(const struct worker *worker);
bool worker_is_provisioned(const struct worker *worker);
/* When user code began to load (monotonic). */
int64_t worker_init_us(const struct worker *worker);
struct log_stream *worker_log(const struct worker *worker);
const struct function_version *worker_version(const struct worker *worker);
enum worker_state worker_state(const struct worker *worker);
const char *worker_state_name(enum worker_state state);
uint32_t worker_room_id(const struct worker *worker);

/* IDLE -> BUSY. The event's payload is borrowed until response, error or the end of the visit. */
int worker_deliver(struct worker *worker, const struct session_event *event, struct err *err) WARN_UNUSED;
/* The client has its answer; the worker is about to be idle: visits of the version better wait for it a moment. */
void worker_answered(struct worker *worker);
/* Takes an event's payload that the session may still be sending when the visit ends; freed when it no longer can. */
void worker_hold(struct worker *worker, void *payload);
/* Takes the rest of what the runtime wrote into the log stream. */
void worker_drain_log(struct worker *worker);

/* The three ends of a visit; the worker must not be used by it afterwards. */
void worker_release(struct worker *worker); /* after idle */
void worker_reset(struct worker *worker);   /* everything in it is killed, /tmp kept; the next visit initialises again */
void worker_retire(struct worker *worker);
/* False: its zygote is gone, which alone could put another runtime into its room, or the host has no room that is safe to clear. A reset
 * ends it then. */
bool worker_can_restart(const struct worker *worker);
/* Resets and stays with the visit, which hears ready or init_error again: init past its 10 seconds. */
void worker_restart(struct worker *worker);

/* A measurement of the worker's memory for one REPORT line; embedded in its owner, which cancels it before it goes away. */
struct worker_measure {
    void (*fn)(void *arg, uint64_t peak_bytes);
    void *arg;
    struct worker *worker; /* NULL: none is awaited */
    uint32_t after;        /* answered by the first measurement asked for after this many */
    TAILQ_ENTRY(worker_measure) link;
};

/* fn(arg, peak) exactly once, also when the worker dies first: at once if now is set (a message to the spawner), else with the
 * freeze that follows, within about 50 ms. The worker's log stream lives until fn has returned. Perhaps from inside. */
void worker_measure(struct worker *worker, struct worker_measure *measure, bool now);
void worker_measure_cancel(struct worker_measure *measure);
/* The largest memory use measured so far. */
uint64_t worker_peak_bytes(const struct worker *worker);
