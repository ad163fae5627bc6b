/* A visit that counts what it hears. visit.c belongs to the tests that play one. */
#pragma once

#include "host/pool/pool.h"
#include "host/pool/worker.h"

struct visit {
    struct worker *worker;
    struct pool_waiter *waiter;
    int acquired, failed, ready, response, idle, exited, lost, init_error;
    enum pool_failure failure;
    struct worker_exit exit;
    int order; /* of being acquired, from 1 */
};

extern int visit_order; /* of the last one that was acquired */
extern const struct worker_events visit_events;
extern const struct pool_waiter_events visit_waiter_events;

/* Begins anew in v, for a worker of the version. */
void visit_acquire(struct visit *v, struct function_version *version);
/* Acquires, waits for ready, delivers, answers, releases. The room's id. */
uint32_t visit_once(struct function_version *version);
/* Of a test: gives the version back, ends the pool, and sees that nobody else has a version. */
void visit_end(struct function_version *version);
