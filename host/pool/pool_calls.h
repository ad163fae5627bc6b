/* Inside host/pool only: what its modules ask of each other. worker*.c move one worker, zygotes.c the interpreters' zygotes and
 * their blanks, versions.c a version's warm workers,
 * provisioned.c those that are made ahead, waiters.c the visits that wait, pool.c joins them; budget.h, env.h and
 * keep_alive.h stand alone. */
#pragma once

#include "host/pool/pool_limits.h"
#include "host/pool/pool_state.h"

/* ---- worker.c ---- */
/* visitor: the version of the visit that it is made for, or NULL. */
int worker_make(struct zygote *zygote, const struct function_version *visitor, struct err *err) WARN_UNUSED;
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
/* The CPU that a version's memory buys, in thousandths of one; no more than the host has. */
uint32_t worker_cpu_milli(const struct pool *pool, const struct function_version *about);
/* Moves it to the head of list: its zygote's blanks, one of its version's lists (there it can be evicted), or NULL. */
void worker_put(struct worker *worker, struct worker_list *list);
int worker_send(struct worker *worker, struct spawn_msg *msg, struct err *err) WARN_UNUSED;

/* ---- worker_end.c ---- */
/* Kills an idle worker; one with extensions after a moment for its runtime and for them. */
void worker_end(struct worker *worker);
bool worker_ends_slowly(const struct worker *worker);
bool worker_is_ending(const struct worker *worker); /* in that moment */
void worker_runtime_ended(struct worker *worker);   /* in that moment its runtime has ended, */
void worker_runtime_is_late(struct worker *worker); /* or has not, and is killed */

/* ---- worker_session.c ---- */
extern const struct session_events worker_session_events;
/* Sends START with worker->env; where the version's extensions cannot run, notes that instead: no START, and the visit hears of it
 * from worker_tell_refusal() once the room has the function. */
int worker_start_session(struct worker *worker, struct err *err) WARN_UNUSED;
void worker_tell_refusal(struct worker *worker);
void worker_saw_exit(struct worker *worker, int wait_status, const struct spawn_stats *stats);
void worker_on_exit_timer(void *arg);
void worker_on_log_timer(void *arg);

/* ---- worker_measure.c ---- */
void worker_on_measure_timer(void *arg);
void worker_take_stats(struct worker *worker, const struct spawn_stats *stats);
void worker_measured(struct worker *worker);        /* a reply to STAT or FREEZE came */
void worker_measures_finish(struct worker *worker); /* answers all with what is known */

/* ---- zygotes.c ---- */
struct zygote *zygotes_get(struct pool *pool, const struct function_version *version);
void zygote_use(struct zygote *zygote); /* there is demand: starts it if it is down */
void zygote_took_blank(struct zygote *zygote);
unsigned zygote_blank_target(const struct zygote *zygote);
bool zygotes_message(struct pool *pool, const struct spawn_msg *msg);
void zygotes_lost(struct pool *pool);
void zygotes_up(struct pool *pool);
void zygotes_tick(struct pool *pool, int64_t now);
void zygotes_free(struct pool *pool);

/* ---- versions.c ---- */
struct version *versions_get(struct pool *pool, struct function_version *about);
/* Names the version's external extensions to a session that is about to start. ERR_LIMIT, ERR_INVALID: it has extensions that cannot
 * run; the message needs no escape in JSON. */
int version_expect_extensions(struct version *version, struct session *session, struct err *err) WARN_UNUSED;
void version_put(struct version *version); /* drops it if nothing uses it */
/* A worker of it is free (IDLE, or BLANK after a reset): serves a waiter or joins the pool. answered: by a visit that counts no
 * longer, so that one which was held may have it. */
void version_take_back(struct version *version, struct worker *worker, bool answered);
struct worker *version_warm(struct version *version);
void version_unanswer(struct worker *worker, bool ends); /* a finishing worker finishes no more; ends: nor is it idle then */
void version_retire(struct version *version);

/* ---- provisioned.c ---- */
void version_add_provisioned(struct worker *worker);
/* It is dying, or no longer provisioned. */
void version_drop_provisioned(struct worker *worker);
/* An idle or reset one is back and nobody waits for it. */
void version_keep_provisioned(struct worker *worker);

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
