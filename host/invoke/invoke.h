/* The visit: takes an event for a function version, admits it (or answers a throttle), finds a worker, delivers, completes.
 * Every way in (api, pollers, function URLs) joins here; none of them talks HTTP to get here. Loop thread only.
 *
 *     invoke_start(invoke, &request, on_done, req, &invocation);     // on_done exactly once, never from inside invoke_start
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/registry/concurrency.h"
#include "host/registry/registry.h"

struct invoke;
struct invocation;
struct loop;
struct pool;

struct invoke_options {
    struct loop *loop; /* borrowed for life, as pool */
    struct pool *pool;
    concurrency_fn *concurrency; /* reserved concurrency; NULL: there is none */
    void *concurrency_arg;
    unsigned account_concurrency; /* running invocations per account and region; 0: 1000, Lambda's default */
    int64_t init_ms_max;          /* of init on demand; 0: 10000, Lambda's */
};

int invoke_new(const struct invoke_options *options, struct invoke **ret_invoke, struct err *err) WARN_UNUSED;
/* Ends what still runs with INVOKE_SERVICE_ERROR (their done callbacks run here), frees. Before pool_free(). */
void invoke_free(struct invoke *invoke);
/* Invocations admitted and not yet complete (their runtime not yet idle again). */
unsigned invoke_running(const struct invoke *invoke);

/* A function got reserved concurrency, or gave it back: what runs already counts there. */
void invoke_reserve(struct invoke *invoke, const char *account, const char *region, const char *function, bool reserved);
/* The same of provisioned concurrency of a version. */
void invoke_provision(struct invoke *invoke, const struct function_version *version, unsigned provisioned);

#define INVOKE_TRACE_BYTES 512 /* of a trace header, with its NUL */

struct invoke_request {
    struct function_version *version; /* counted by invoke_start itself */
    const char *invoked_arn;          /* as AWS gives it to the function: with the qualifier that was asked for */
    const char *request_id;           /* a UUID; copied */
    void *payload;                    /* malloc'd, taken; a valid JSON document, or empty */
    size_t payload_len;
    const char *client_context; /* JSON on one line, ASCII, or NULL; copied */
    const char *trace_id;       /* or NULL; copied. A longer one than INVOKE_TRACE_BYTES has room for is replaced */
    bool log_tail;              /* result.log_tail wanted: waits for END and REPORT */
};

enum invoke_outcome {
    INVOKE_OK,             /* payload is the function's result */
    INVOKE_FUNCTION_ERROR, /* payload is the error object; function_error says "Unhandled" (or "Handled") */
    INVOKE_THROTTLED,      /* reason says which limit: "ConcurrentInvocationLimitExceeded", ... */
    INVOKE_NO_CAPACITY,    /* no memory for a worker within 1 s: reason as for a throttle */
    INVOKE_SERVICE_ERROR,  /* ours: the spawner died, ...: message; ServiceException */
    INVOKE_NOT_RUNNABLE,   /* the function's state forbids it, or its runtime is not there; message, code */
};

struct invoke_result {
    enum invoke_outcome outcome;
    const char *function_error; /* static */
    const char *reason;         /* static */
    const char *code;           /* static: an AWS error code for NOT_RUNNABLE and SERVICE_ERROR */
    const char *message;        /* borrowed */
    const char *payload;        /* borrowed for the call */
    size_t payload_len;
    const char *log_tail; /* last 4 KiB of the invocation's log, not yet base64; borrowed */
    size_t log_tail_len;
    const char *executed_version;
};

typedef void invoke_done_fn(void *arg, const struct invoke_result *result);

/* Never fails synchronously: throttles come through done too. *ret_invocation is valid until done has run. */
void invoke_start(struct invoke *invoke, const struct invoke_request *request, invoke_done_fn *done, void *arg,
                  struct invocation **ret_invocation);
/* The caller is gone: the invocation goes on as on Lambda, done will not be called. */
void invoke_detach(struct invocation *invocation);
