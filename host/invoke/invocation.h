/* Inside host/invoke only: one invocation on its way.
 *
 *            acquired, cold        ready             response, error          idle               measured
 *   WAITING ───────────────▶ INIT ───────▶ RUNNING ──────────────▶ FINISHING ──────▶ REPORTING ──────────▶ freed
 *      │  acquired, warm      │10 s, error     ▲  timeout, exit: answered, worker reset ─▲
 *      ├──────────────────────┼────────────────┤
 *      │  acquired, reset     ▼                │
 *      └──────────────────▶ REINIT ────────────┘
 *
 *   REFUSED: answered from the loop, never had a worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "host/invoke/admission.h"
#include "host/invoke/invoke.h"
#include "host/pool/pool.h"
#include "host/pool/worker.h"
#include "host/telemetry/log_stream.h"
#include "host/telemetry/report.h"
#include "lib/base/loop.h"

#define REPORT_WAIT_US (1000 * 1000)      /* for a measurement; then REPORT says what is known */
#define INVOKE_RESPONSE_BYTES_MAX 6291556 /* of a response; larger ones are Function.ResponseSizeTooLarge */

enum invocation_phase {
    INVOCATION_REFUSED,   /* its answer goes out with the next turn of the loop */
    INVOCATION_WAITING,   /* for a worker */
    INVOCATION_INIT,      /* cold: user code loads, START is not yet written */
    INVOCATION_REINIT,    /* user code loads again, under the function's own timeout; nor here */
    INVOCATION_RUNNING,   /* delivered */
    INVOCATION_FINISHING, /* the answer is known, the runtime is not idle yet */
    INVOCATION_REPORTING, /* the worker is given back, REPORT waits for a measurement */
    INVOCATION_PHASES,
};

struct invocation {
    struct invoke *invoke;
    struct function_version *version; /* counted */
    struct admission_place place;     /* left when its worker is given back */
    enum invocation_phase phase;
    struct loop_timer timer; /* the phase's deadline; while WAITING: it need not be held any more */
    invoke_done_fn *done;    /* NULL: answered or detached */
    void *done_arg;
    TAILQ_ENTRY(invocation) link;

    char request_id[64], trace_id[INVOKE_TRACE_BYTES];
    char *invoked_arn, *client_context; /* owned */
    void *payload;                      /* owned */
    size_t payload_len;
    struct log_tail *tail; /* owned; NULL: not wanted */

    struct pool_waiter *waiter;                     /* while WAITING */
    struct worker *worker;                          /* INIT to FINISHING */
    struct log_stream *stream;                      /* the worker's, until REPORT is written */
    int64_t start_us, deadline_us, end_us, init_us; /* init_us: -1 unless this was a cold start */

    /* What is known of the answer while log_tail makes it wait, and of the end. */
    struct invoke_result result;
    char *answer;         /* owned: result.payload or result.message */
    const char *status;   /* of REPORT: NULL, "timeout", "error" */
    char error_type[160]; /* of REPORT with a status, or "" */
    struct worker_measure measure;
    uint64_t peak_bytes;
    bool undeliverable;    /* the session refused the event: ends as a service error */
    bool pinned, measured; /* pinned: REPORT waits although it was measured */
};

TAILQ_HEAD(invocation_list, invocation);

struct invoke {
    struct loop *loop;
    struct pool *pool;
    struct admission *admission;
    struct invocation_list all;
    unsigned count;
    int64_t init_us_max; /* then init starts again, under the function's timeout */
};

/* ---- invoke.c ---- */
void invocation_set_phase(struct invocation *inv, enum invocation_phase phase);
/* Calls done, once. */
void invocation_answer(struct invocation *inv);
void invocation_free(struct invocation *inv);
/* Where the platform's lines about it go. */
struct report_to invocation_lines(const struct invocation *inv);
/* For an end without a worker: answered from the loop. message is copied. */
void invocation_refuse(struct invocation *inv, enum invoke_outcome outcome, const char *code, const char *message);

/* ---- dispatch.c ---- */
extern const struct pool_waiter_events dispatch_waiter_events;
void dispatch_on_timer(void *arg);

/* ---- finish.c ---- */
/* The runtime's own answer; body is borrowed for the call. */
void finish_answer(struct invocation *inv, enum invoke_outcome outcome, const char *body, size_t len);
/* The same with an error object of ours: {"errorType","errorMessage"}. */
void finish_error(struct invocation *inv, const char *type, const char *message);
enum finish_worker { FINISH_RELEASE, FINISH_RESET, FINISH_LOST };
/* END, what becomes of the worker, measurement, REPORT; then the answer if it waited, and the invocation is freed. */
void finish(struct invocation *inv, enum finish_worker what);
void finish_status(struct invocation *inv, const char *status, const char *error_type);
void finish_report_now(struct invocation *inv); /* no longer waits for the measurement */
