/* Finding a room: the workers of every function version, warm, blank or yet to be made, under one memory budget. Owns the
 * workers, their zygotes and their sessions; talks to the spawner through a spawn_client that the composition root owns.
 * Loop thread only.
 *
 *     spawn_client_start(..., events that call pool_spawn_*, ...); pool_new(&options, &pool, &err);
 *     registry_on_retired(registry, pool_on_retired, pool);
 *     pool_acquire(pool, version, &visit_events, visit, &waiter);    // warm -> blank -> made
 *     ... events.acquired(visit, worker)                             // then worker.h; pool_release() at the end
 *
 * Measured behaviour and traps: docs/architecture.md, "How a worker is made".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct function_version;
struct log_stream;
struct logs;
struct loop;
struct pool;
struct pool_waiter;
struct spawn_client;
struct spawn_msg;
struct worker;

/* Adds and removes a worker's endpoint listener (Stoke's own front door inside the room). */
struct pool_endpoint_events {
    /* The worker got its function. fd (listening, taken) is served as that function's role from now on; version is alive
     * until close. Returns a handle for close, or NULL when it could not be added. */
    void *(*open)(void *arg, struct function_version *version, int fd);
    void (*close)(void *arg, void *handle);
};

/* The external extensions in a version's layers, for pool_options: names is never NULL. The caller frees the list with
 * pool_extensions_free(). */
struct pool_extensions {
    char **names;
    size_t count;
};
typedef int pool_extensions_fn(void *arg, const struct function_version *version, struct pool_extensions *ret_extensions, struct err *err);
void pool_extensions_free(struct pool_extensions *extensions);

/* Strings are copied. 0 or NULL means the default in brackets. */
struct pool_options {
    struct loop *loop; /* borrowed for life, as are logs and spawner */
    struct logs *logs;
    struct spawn_client *spawner;
    const struct pool_endpoint_events *endpoint; /* static table, or NULL: nobody serves it */
    void *endpoint_arg;
    pool_extensions_fn *extensions; /* asked once a version [none has any] */
    void *extensions_arg;
    const char *var_runtime_python; /* host directories shown at /var/runtime; absolute, or NULL for none */
    const char *var_runtime_node;
    const char *endpoint_url;    /* AWS_ENDPOINT_URL inside [http://127.0.0.1:4566] */
    unsigned cpus;               /* of the host [as seen] */
    uint64_t memory_bytes;       /* for all rooms together [80 % of what is available at start] */
    uint64_t memory_spare_bytes; /* of the host's available memory always left alone [256 MiB] */
    unsigned workers_max;        /* rooms in all [what the descriptor limit allows, at most 8000] */
    unsigned blanks_min;         /* sealed, booted blanks kept per zygote; use blanks_off for none [4] */
    unsigned blanks_max;         /* however high the demand [64] */
    bool blanks_off;
    int64_t keep_alive_ms; /* an idle worker is kept this long [600000] */
    int64_t freeze_ms;     /* and frozen after this [10] */
    int64_t wait_ms_max;   /* a visit waits this long for memory, or held back by a limit [1000] */
    int64_t soft_wait_ms;  /* and this long for a worker that has answered and will be idle, or as long as its version's init takes [20] */
    unsigned zygote_workers_max; /* a zygote is replaced after so many rooms [1000] */
    int64_t zygote_ms_max;       /* or this age [1800000] */
    int64_t zygote_idle_ms;      /* and stopped, with its blanks, when nothing asked for it so long [3600000] */
};

int pool_new(const struct pool_options *options, struct pool **ret_pool, struct err *err) WARN_UNUSED;
/* Frees all workers' host side at once (call pool_drain() first for an orderly end; the spawner's end kills the rooms). */
void pool_free(struct pool *pool);

/* What spawn_events brings; the composition root passes it on. message returns false, and leaves the descriptors alone, for
 * a message that is not about zygotes or rooms (SPAWN_HOST, SPAWN_TREE_FORGOTTEN). */
bool pool_spawn_message(struct pool *pool, const struct spawn_msg *msg, int *fds, size_t nfds);
void pool_spawn_lost(struct pool *pool);
void pool_spawn_up(struct pool *pool);

/* A registry_retired_fn: retires the idle workers of that version now, busy ones when they finish. */
void pool_on_retired(void *pool, uint64_t version_key);

/* Starts the version's zygote and its blanks ahead of the first visit; to be called when a function is created. */
void pool_prepare(struct pool *pool, const struct function_version *version);

enum pool_failure {
    POOL_NO_MEMORY,  /* the budget had no room within wait_ms_max */
    POOL_NO_SPAWNER, /* the spawner died, or cannot make rooms; message says why */
    POOL_DRAINING,
    POOL_HELD, /* pool_await(): nobody gave a worker back within wait_ms_max */
};

/* What a visit hears while it waits; exactly one of the two, perhaps from inside pool_acquire(). */
struct pool_waiter_events {
    void (*acquired)(void *arg, struct worker *worker);
    void (*failed)(void *arg, enum pool_failure failure, const char *message);
};

/* Asks for a worker of version (counted by the pool itself). *ret_waiter is NULL when it was answered at once, else valid
 * until one of the events. */
void pool_acquire(struct pool *pool, struct function_version *version, const struct pool_waiter_events *events, void *arg,
                  struct pool_waiter **ret_waiter);
/* As pool_acquire(), but for a visit beyond a limit: it gets nothing but a worker that another gives back after an answer, until
 * pool_let() says that it may have any. The waiter is valid, unless the pool is draining. */
void pool_await(struct pool *pool, struct function_version *version, const struct pool_waiter_events *events, void *arg,
                struct pool_waiter **ret_waiter);
void pool_let(struct pool_waiter *waiter);
void pool_cancel(struct pool_waiter *waiter);

/* ---- provisioned workers: made ahead of any visit; never evicted, never too old ---- */

struct pool_provision_events {
    /* One of the version's is no more: killed, crashed, lost with the spawner, retired. From inside any call. */
    void (*gone)(void *arg, uint64_t version_key);
    /* One was reset after a visit and begins to initialise again: the listener's as if it had been acquired. */
    void (*again)(void *arg, struct worker *worker);
};
/* At most one listener; NULL ends it. */
void pool_on_provisioned(struct pool *pool, const struct pool_provision_events *events, void *arg);
/* As pool_acquire(), but the worker is always a new one, which events.acquired lets initialise. Released, it serves visits of the
 * version before any other, and is replaced by nobody but its listener. Visits go first where both wait. */
void pool_acquire_provisioned(struct pool *pool, struct function_version *version, const struct pool_waiter_events *events, void *arg,
                              struct pool_waiter **ret_waiter);
/* The version's provisioned workers, those that initialise too, and how many of them are past that. */
void pool_count_provisioned(const struct pool *pool, uint64_t version_key, unsigned *ret_all, unsigned *ret_ready);
/* Gives up what is more than keep, without gone: idle ones end now, others when whoever has them releases them. */
void pool_unprovision(struct pool *pool, uint64_t version_key, unsigned keep);

/* No new visits; waits for the running ones until deadline_us (monotonic), then for those whose extensions are told; done(arg) at the
 * latest 5 s after the deadline. All other rooms, and the zygotes, are left to end with the spawner. */
void pool_drain(struct pool *pool, int64_t deadline_us, void (*done)(void *arg), void *arg);

/* For health, metrics and tests. */
struct pool_stats {
    unsigned workers, blanks, idle, frozen, busy, making, dying, waiting, zygotes_up, provisioned;
    uint64_t made, warm_hits, blank_hits, cold_makes, evicted, expired, failures, spawner_losses;
    uint64_t memory_used_bytes, memory_limit_bytes, reserve_bytes;
};
void pool_get_stats(const struct pool *pool, struct pool_stats *ret_stats);
