/* What happens between an invocation and its worker: init, delivery, the function's timeout, crashes. Nothing here is called
 * from inside a worker_ function, so each handler may end the invocation. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "host/invoke/init_line.h"
#include "host/invoke/invocation.h"
#include "host/telemetry/report.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

/* ---- a worker ---- */

/* Duration and the function's deadline count from here. */
static void start_clock(struct invocation *inv)
{
    inv->start_us = clock_mono_us();
    inv->deadline_us = inv->start_us + (int64_t)inv->version->timeout_s * 1000000;
}

/* START, after what init printed: as on Lambda, also where init runs inside the invocation. */
static void say_start(struct invocation *inv)
{
    struct report_to to = invocation_lines(inv);
    log_stream_begin(inv->stream, inv->request_id, inv->tail);
    report_start(&to, inv->request_id, inv->version->version);
}

static void deliver(struct invocation *inv)
{
    int64_t left_us = inv->deadline_us - clock_mono_us();
    struct session_event event = {
        .request_id = inv->request_id,
        .deadline_epoch_ms = clock_wall_ms() + (left_us > 0 ? left_us / 1000 : 0),
        .function_arn = inv->invoked_arn,
        .trace_id = inv->trace_id,
        .client_context = inv->client_context,
        .payload = inv->payload_len ? inv->payload : "{}",
        .payload_len = inv->payload_len ? inv->payload_len : 2,
    };
    struct err err;
    invocation_set_phase(inv, INVOCATION_RUNNING);
    if (worker_deliver(inv->worker, &event, &err) < 0) {
        log_error("invoke.deliver_failed", "request=%s worker=%u error=%s", inv->request_id, worker_room_id(inv->worker), err.msg);
        inv->undeliverable = true;
        loop_timer_set(inv->invoke->loop, &inv->timer, 0);
        return;
    }
    loop_timer_set(inv->invoke->loop, &inv->timer, inv->deadline_us);
}

static const struct worker_events worker_events;

static void on_acquired(void *arg, struct worker *worker)
{
    struct invocation *inv = arg;
    inv->waiter = NULL;
    inv->worker = worker;
    admission_run(&inv->place);
    inv->stream = worker_log(worker);
    worker_attach(worker, &worker_events, inv);
    if (worker_is_ready(worker)) {
        start_clock(inv);
        say_start(inv);
        deliver(inv);
        return;
    }
    log_stream_begin(inv->stream, "", inv->tail); /* what init prints is in the tail, but of no invocation */
    if (worker_was_reset(worker)) {
        start_clock(inv);
        invocation_set_phase(inv, INVOCATION_REINIT);
        loop_timer_set(inv->invoke->loop, &inv->timer, inv->deadline_us);
    } else {
        invocation_set_phase(inv, INVOCATION_INIT);
        struct report_to to = invocation_lines(inv);
        init_line_start(&to, inv->version);
        loop_timer_set(inv->invoke->loop, &inv->timer, clock_mono_us() + inv->invoke->init_us_max);
    }
}

static void on_failed(void *arg, enum pool_failure failure, const char *message)
{
    struct invocation *inv = arg;
    inv->waiter = NULL;
    if (failure == POOL_HELD) {
        invocation_refuse(inv, INVOKE_THROTTLED, "TooManyRequestsException", "Rate Exceeded.");
        inv->result.reason = inv->place.reason;
        return;
    }
    log_warn("invoke.no_worker", "request=%s function=%s version=%s why=%s", inv->request_id, inv->version->name, inv->version->version,
             message);
    if (failure == POOL_NO_MEMORY)
        invocation_refuse(inv, INVOKE_NO_CAPACITY, "TooManyRequestsException", message);
    else
        invocation_refuse(inv, INVOKE_SERVICE_ERROR, "ServiceException", message);
}

const struct pool_waiter_events dispatch_waiter_events = {.acquired = on_acquired, .failed = on_failed};

/* ---- init ---- */

static void on_ready(void *arg)
{
    struct invocation *inv = arg;
    if (inv->phase == INVOCATION_INIT) {
        inv->init_us = clock_mono_us() - worker_init_us(inv->worker);
        start_clock(inv);
    }
    say_start(inv);
    deliver(inv);
}

/* INIT_REPORT, after all that init printed. */
static void report_failed_init(struct invocation *inv, const char *phase, const char *status, const char *type)
{
    struct report_to to = invocation_lines(inv);
    int64_t took_us = clock_mono_us() - worker_init_us(inv->worker);
    worker_drain_log(inv->worker);
    report_init_failed(&to, took_us, phase, status, type);
}

/* Init has failed or taken too long. The first time it runs once more, inside the invocation and under the function's own
 * timeout, and this says true; the second time, or where no second is possible, the invocation has failed, which begins with START. */
static bool init_again(struct invocation *inv, const char *status, const char *type)
{
    if (inv->phase != INVOCATION_INIT) {
        report_failed_init(inv, "invoke", status, type);
        say_start(inv);
        return false;
    }
    report_failed_init(inv, "init", status, type);
    start_clock(inv);
    invocation_set_phase(inv, INVOCATION_REINIT);
    if (!worker_can_restart(inv->worker)) {
        say_start(inv);
        return false;
    }
    loop_timer_set(inv->invoke->loop, &inv->timer, inv->deadline_us);
    worker_restart(inv->worker);
    return true;
}

static bool initialises(const struct invocation *inv)
{
    return inv->phase == INVOCATION_INIT || inv->phase == INVOCATION_REINIT;
}

static void on_init_error(void *arg, const struct session_error *error)
{
    struct invocation *inv = arg;
    if (init_again(inv, "error", error->type))
        return;
    finish_status(inv, "error", error->type);
    finish_answer(inv, INVOKE_FUNCTION_ERROR, error->body, error->body_len);
    finish(inv, FINISH_RESET);
}

/* What Lambda's supervisor itself says of a failure, between START and END. */
static void say_failure(struct invocation *inv, const char *why, const char *type)
{
    if (inv->version->log_json)
        return; /* platform.report says it */
    CLEANUP(freep) char *line = str_format("RequestId: %s Error: %s\n%s", inv->request_id, why, type);
    log_stream_platform(inv->stream, inv->request_id, line, inv->tail);
}

static void on_exec_failed(void *arg, const struct session_exec_failure *failure)
{
    struct invocation *inv = arg;
    const char *type = init_line_exec_error(failure);
    if (init_again(inv, "error", type))
        return;
    char why[400];
    init_line_exec_failure(failure, why, sizeof why);
    say_failure(inv, why, type);
    finish_status(inv, "error", type);
    finish_error(inv, type, why);
    finish(inv, FINISH_RESET);
}

/* ---- the answer ---- */

static void answered(struct invocation *inv)
{
    worker_answered(inv->worker);
    admission_answered(&inv->place);
    int64_t deadline_us = inv->deadline_us;
    invocation_set_phase(inv, INVOCATION_FINISHING);
    loop_timer_set(inv->invoke->loop, &inv->timer, deadline_us);
}

static void on_response(void *arg, const char *body, size_t len)
{
    struct invocation *inv = arg;
    if (inv->phase != INVOCATION_RUNNING)
        return;
    answered(inv);
    finish_answer(inv, INVOKE_OK, body, len);
}

static void on_error(void *arg, const struct session_error *error)
{
    struct invocation *inv = arg;
    if (inv->phase != INVOCATION_RUNNING)
        return;
    answered(inv);
    if (inv->version->log_json) /* the REPORT line of the text format has no status for it */
        finish_status(inv, "error", error->type);
    finish_answer(inv, INVOKE_FUNCTION_ERROR, error->body, error->body_len);
}

static void on_too_large(void *arg, size_t len)
{
    struct invocation *inv = arg;
    (void)len;
    if (inv->phase != INVOCATION_RUNNING)
        return;
    answered(inv);
    finish_status(inv, "error", "Function.ResponseSizeTooLarge");
    finish_error(inv, "Function.ResponseSizeTooLarge", NULL);
}

static void on_idle(void *arg)
{
    struct invocation *inv = arg;
    if (inv->phase == INVOCATION_FINISHING)
        finish(inv, FINISH_RELEASE);
}

/* ---- the bad ends ---- */

void dispatch_on_timer(void *arg)
{
    struct invocation *inv = arg;
    struct report_to to = invocation_lines(inv);
    if (inv->phase == INVOCATION_WAITING) {
        pool_let(inv->waiter);
        return;
    }
    if (inv->phase == INVOCATION_REPORTING) {
        finish_report_now(inv);
        return;
    }
    if (inv->phase == INVOCATION_INIT && !worker_can_restart(inv->worker)) { /* what runs is the second try as well */
        report_failed_init(inv, "init", "timeout", NULL);
        start_clock(inv);
        invocation_set_phase(inv, INVOCATION_REINIT);
        loop_timer_set(inv->invoke->loop, &inv->timer, inv->deadline_us);
        return;
    }
    if (initialises(inv) && init_again(inv, "timeout", NULL))
        return;
    if (inv->undeliverable) {
        static const char why[] = "The event could not be handed to the runtime.";
        finish_status(inv, "error", "Sandbox.Failure");
        finish_answer(inv, INVOKE_SERVICE_ERROR, why, strlen(why));
        finish(inv, FINISH_RESET);
        return;
    }
    worker_drain_log(inv->worker);
    report_timeout(&to, inv->request_id, inv->version->timeout_s);
    finish_status(inv, "timeout", NULL);
    if (inv->phase != INVOCATION_FINISHING) {
        CLEANUP(freep) char *why = str_format("Task timed out after %u.00 seconds", inv->version->timeout_s);
        finish_error(inv, "Sandbox.Timedout", why);
    }
    finish(inv, FINISH_RESET);
}

/* In Go's words, as Lambda's supervisor is written in it. */
static void describe_exit(const struct worker_exit *exit, char *out, size_t cap)
{
    if (exit->known && WIFSIGNALED(exit->wait_status)) {
        snprintf(out, cap, "Runtime exited with error: signal: %s", strsignal(WTERMSIG(exit->wait_status)));
        for (char *c = strstr(out, "signal: ") + strlen("signal: "); *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c - 'A' + 'a');
    } else if (exit->known && WEXITSTATUS(exit->wait_status) != 0) {
        snprintf(out, cap, "Runtime exited with error: exit status %d", WEXITSTATUS(exit->wait_status));
    } else {
        snprintf(out, cap, "Runtime exited without providing a reason");
    }
}

static void on_exited(void *arg, const struct worker_exit *exit)
{
    struct invocation *inv = arg;
    const char *type = exit->oom ? "Runtime.OutOfMemory" : "Runtime.ExitError";
    char why[256];
    describe_exit(exit, why, sizeof why);
    if (initialises(inv) && init_again(inv, "error", type))
        return;
    worker_drain_log(inv->worker);
    say_failure(inv, why, "Runtime.ExitError");
    finish_status(inv, "error", type);
    if (exit->oom) /* the kernel stops counting where the limit is */
        inv->peak_bytes = (uint64_t)inv->version->memory_mb << 20;
    if (inv->phase != INVOCATION_FINISHING)
        finish_error(inv, "Runtime.ExitError", why);
    finish(inv, FINISH_RESET);
}

static void on_lost(void *arg, const char *message)
{
    struct invocation *inv = arg;
    log_warn("invoke.lost", "request=%s function=%s version=%s worker=%u why=%s", inv->request_id, inv->version->name,
             inv->version->version, worker_room_id(inv->worker), message);
    if (inv->phase == INVOCATION_INIT)
        start_clock(inv);
    if (initialises(inv))
        say_start(inv);
    finish_status(inv, "error", "Sandbox.Failure");
    if (inv->phase != INVOCATION_FINISHING)
        finish_answer(inv, INVOKE_SERVICE_ERROR, message, strlen(message));
    finish(inv, FINISH_LOST);
}

static const struct worker_events worker_events = {
    .ready = on_ready,
    .init_error = on_init_error,
    .exec_failed = on_exec_failed,
    .response = on_response,
    .error = on_error,
    .too_large = on_too_large,
    .idle = on_idle,
    .exited = on_exited,
    .lost = on_lost,
};
