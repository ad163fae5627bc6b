/* Admission and the life of invocations; what happens with a worker is in dispatch.c, how it ends in finish.c. */
#include "host/invoke/invoke.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/invoke/invocation.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

#define ACCOUNT_CONCURRENCY_DEFAULT 1000
#define INIT_MS_DEFAULT 10000

#define P(phase) (1u << INVOCATION_##phase)
static const unsigned next_phases[INVOCATION_PHASES] = {
    [INVOCATION_REFUSED] = 0,
    [INVOCATION_WAITING] = P(REFUSED) | P(INIT) | P(REINIT) | P(RUNNING),
    [INVOCATION_INIT] = P(REINIT) | P(RUNNING) | P(REPORTING),
    [INVOCATION_REINIT] = P(RUNNING) | P(REPORTING),
    [INVOCATION_RUNNING] = P(FINISHING) | P(REPORTING),
    [INVOCATION_FINISHING] = P(REPORTING),
    [INVOCATION_REPORTING] = 0,
};

void invocation_set_phase(struct invocation *inv, enum invocation_phase phase)
{
    assert(next_phases[inv->phase] & (1u << phase));
    inv->phase = phase;
    loop_timer_cancel(inv->invoke->loop, &inv->timer);
}

/* Told to the pool from the loop, as this may come from inside one of its calls. */
static void on_room(void *arg, struct admission_place *place)
{
    struct invoke *invoke = arg;
    struct invocation *inv = CONTAINER_OF(place, struct invocation, place);
    loop_timer_set(invoke->loop, &inv->timer, 0);
}

int invoke_new(const struct invoke_options *options, struct invoke **ret_invoke, struct err *err)
{
    struct invoke *invoke = calloc(1, sizeof *invoke);
    unsigned limit = options->account_concurrency ? options->account_concurrency : ACCOUNT_CONCURRENCY_DEFAULT;
    if (invoke)
        invoke->admission = admission_new(limit, options->concurrency, options->concurrency_arg);
    if (!invoke || !invoke->admission) {
        free(invoke);
        return err_set(err, ERR_NO_MEMORY, "no memory for the dispatcher");
    }
    admission_on_room(invoke->admission, on_room, invoke);
    invoke->loop = options->loop;
    invoke->pool = options->pool;
    invoke->init_us_max = (options->init_ms_max ? options->init_ms_max : INIT_MS_DEFAULT) * 1000;
    TAILQ_INIT(&invoke->all);
    *ret_invoke = invoke;
    return 0;
}

static void give_up(struct invocation *inv)
{
    if (inv->waiter)
        pool_cancel(inv->waiter);
    inv->waiter = NULL;
    if (inv->phase == INVOCATION_REPORTING) {
        finish_report_now(inv);
        return;
    }
    if (inv->worker) {
        log_stream_end(inv->stream);
        worker_retire(inv->worker);
    }
    if (inv->phase != INVOCATION_REFUSED)
        inv->result =
            (struct invoke_result){.outcome = INVOKE_SERVICE_ERROR, .code = "ServiceException", .message = "The service is stopping."};
    invocation_answer(inv);
    invocation_free(inv);
}

void invoke_free(struct invoke *invoke)
{
    struct invocation *inv;
    if (!invoke)
        return;
    while ((inv = TAILQ_FIRST(&invoke->all)))
        give_up(inv);
    admission_free(invoke->admission);
    free(invoke);
}

void invoke_reserve(struct invoke *invoke, const char *account, const char *region, const char *function, bool reserved)
{
    admission_reserve(invoke->admission, account, region, function, reserved);
}

void invoke_provision(struct invoke *invoke, const struct function_version *version, unsigned provisioned)
{
    admission_provision(invoke->admission, version, provisioned);
}

unsigned invoke_running(const struct invoke *invoke)
{
    return invoke->count;
}

/* ---- one invocation ---- */

void invocation_free(struct invocation *inv)
{
    struct invoke *invoke = inv->invoke;
    worker_measure_cancel(&inv->measure);
    loop_timer_cancel(invoke->loop, &inv->timer);
    admission_leave(&inv->place);
    TAILQ_REMOVE(&invoke->all, inv, link);
    invoke->count--;
    inv->version->visits--;
    inv->version->visited_us = clock_mono_us();
    function_version_unref(inv->version);
    free(inv->invoked_arn);
    free(inv->client_context);
    free(inv->payload);
    free(inv->tail);
    free(inv->answer);
    free(inv);
}

struct report_to invocation_lines(const struct invocation *inv)
{
    const struct function_version *v = inv->version;
    return (struct report_to){.stream = inv->stream,
                              .tail = inv->tail,
                              .json = v->log_json,
                              .provisioned = inv->worker && worker_is_provisioned(inv->worker),
                              .least = (enum report_level)v->log_system};
}

void invocation_answer(struct invocation *inv)
{
    invoke_done_fn *done = inv->done;
    inv->done = NULL;
    if (inv->worker)
        admission_answered(&inv->place);
    else
        admission_leave(&inv->place);
    if (!done)
        return;
    char tail[LOG_TAIL_BYTES + 1];
    inv->result.executed_version = inv->version->version;
    if (inv->tail) {
        inv->result.log_tail_len = log_tail_copy(inv->tail, tail);
        inv->result.log_tail = tail;
    }
    done(inv->done_arg, &inv->result);
}

static void on_timer(void *arg)
{
    struct invocation *inv = arg;
    if (inv->phase == INVOCATION_REFUSED) {
        invocation_answer(inv);
        invocation_free(inv);
    } else {
        dispatch_on_timer(inv);
    }
}

void invocation_refuse(struct invocation *inv, enum invoke_outcome outcome, const char *code, const char *message)
{
    admission_leave(&inv->place);
    free(inv->answer);
    inv->answer = message ? str_format("%s", message) : NULL;
    inv->result = (struct invoke_result){.outcome = outcome, .code = code, .message = inv->answer};
    if (outcome == INVOKE_THROTTLED || outcome == INVOKE_NO_CAPACITY)
        inv->result.reason = "ConcurrentInvocationLimitExceeded";
    if (inv->phase != INVOCATION_REFUSED)
        invocation_set_phase(inv, INVOCATION_REFUSED);
    loop_timer_set(inv->invoke->loop, &inv->timer, 0);
}

/* The trace header that X-Ray's format asks for; every runtime client expects one. */
static void make_trace_id(char *out, size_t cap)
{
    unsigned char random[20];
    char hex[2 * sizeof random + 1];
    id_random(random, sizeof random);
    id_hex(random, sizeof random, hex);
    CLEANUP(freep) char *text = str_format("Root=1-%08llx-%.24s;Parent=%.16s;Sampled=0", (unsigned long long)time(NULL), hex, hex + 24);
    str_copy(out, cap, text);
}

static struct invocation *invocation_new(struct invoke *invoke, const struct invoke_request *request, invoke_done_fn *done, void *arg)
{
    struct invocation *inv = calloc(1, sizeof *inv);
    if (!inv)
        abort(); /* lib/http bounds the requests at work; a process this short of memory cannot go on */
    inv->invoke = invoke;
    inv->version = request->version;
    function_version_ref(inv->version);
    inv->version->visits++;
    inv->phase = INVOCATION_WAITING;
    inv->done = done;
    inv->done_arg = arg;
    inv->init_us = -1;
    inv->invoked_arn = str_format("%s", request->invoked_arn);
    inv->client_context = request->client_context ? str_format("%s", request->client_context) : NULL;
    inv->payload = request->payload;
    inv->payload_len = request->payload_len;
    str_copy(inv->request_id, sizeof inv->request_id, request->request_id);
    if (!request->trace_id || !str_copy(inv->trace_id, sizeof inv->trace_id, request->trace_id))
        make_trace_id(inv->trace_id, sizeof inv->trace_id);
    if (request->log_tail)
        inv->tail = calloc(1, sizeof *inv->tail);
    loop_timer_init(&inv->timer, on_timer, inv);
    TAILQ_INSERT_TAIL(&invoke->all, inv, link);
    invoke->count++;
    return inv;
}

/* True if its state lets it run; else the invocation is refused with what AWS says. */
static bool is_runnable(struct invocation *inv)
{
    const struct function_version *v = inv->version;
    bool has_runtime = v->match.language == RUNTIME_PROVIDED || v->match.interpreter;
    if (str_eq(v->state, "Active") && has_runtime)
        return true;
    if (str_eq(v->state, "Pending")) {
        invocation_refuse(inv, INVOKE_NOT_RUNNABLE, "ResourceConflictException",
                          "The operation cannot be performed at this time. The function is currently in the following state: "
                          "Pending");
    } else if (!has_runtime || (v->state_reason_code && str_eq(v->state_reason_code, "InvalidRuntime"))) {
        invocation_refuse(inv, INVOKE_NOT_RUNNABLE, "InvalidRuntimeException",
                          v->state_reason ? v->state_reason : "The runtime of this function is not on this host.");
    } else {
        CLEANUP(freep)
        char *text = str_format("The operation cannot be performed at this time. The function is currently in "
                                "the following state: %s%s%s",
                                v->state, v->state_reason ? ": " : "", v->state_reason ? v->state_reason : "");
        invocation_refuse(inv, INVOKE_NOT_RUNNABLE, "ResourceConflictException", text);
    }
    return false;
}

void invoke_start(struct invoke *invoke, const struct invoke_request *request, invoke_done_fn *done, void *arg,
                  struct invocation **ret_invocation)
{
    struct invocation *inv = invocation_new(invoke, request, done, arg);
    const char *reason;
    *ret_invocation = inv;
    if (!is_runnable(inv))
        return;
    if (!admission_enter(invoke->admission, inv->version, &inv->place, &reason)) {
        invocation_refuse(inv, INVOKE_THROTTLED, "TooManyRequestsException", "Rate Exceeded.");
        inv->result.reason = reason;
        return;
    }
    if (inv->place.standing == ADMISSION_HELD)
        pool_await(invoke->pool, inv->version, &dispatch_waiter_events, inv, &inv->waiter);
    else
        pool_acquire(invoke->pool, inv->version, &dispatch_waiter_events, inv, &inv->waiter);
}

void invoke_detach(struct invocation *invocation)
{
    invocation->done = NULL;
}
