/* How an invocation ends: the client's answer first (unless the log tail belongs to it), END, the worker's way back, and REPORT
 * when its memory has been measured. */
#include <stdlib.h>
#include <string.h>

#include "host/invoke/invocation.h"
#include "host/telemetry/report.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"

void finish_status(struct invocation *inv, const char *status, const char *error_type)
{
    if (inv->status)
        return; /* the first failure names the invocation's end */
    inv->status = status;
    str_copy(inv->error_type, sizeof inv->error_type, error_type ? error_type : "");
}

void finish_answer(struct invocation *inv, enum invoke_outcome outcome, const char *body, size_t len)
{
    struct invoke_result *result = &inv->result;
    *result = (struct invoke_result){.outcome = outcome};
    if (outcome == INVOKE_SERVICE_ERROR) {
        result->code = "ServiceException";
        result->message = body;
    } else {
        result->function_error = outcome == INVOKE_FUNCTION_ERROR ? "Unhandled" : NULL;
        result->payload = body;
        result->payload_len = len;
    }
    if (!inv->done)
        return;
    if (!inv->tail) {
        invocation_answer(inv);
        return;
    }
    /* It waits for END and REPORT: keep the body. */
    inv->answer = malloc(len + 1);
    if (!inv->answer) {
        *result = (struct invoke_result){
            .outcome = INVOKE_SERVICE_ERROR, .code = "ServiceException", .message = "There is no memory to hold the response."};
        return;
    }
    if (len)
        memcpy(inv->answer, body, len);
    inv->answer[len] = '\0';
    if (outcome == INVOKE_SERVICE_ERROR)
        result->message = inv->answer;
    else
        result->payload = inv->answer;
}

void finish_error(struct invocation *inv, const char *type, const char *message)
{
    CLEANUP(freep)
    char *text = message ? str_format("RequestId: %s Error: %s", inv->request_id, message)
                         : str_format("Response payload size exceeded maximum allowed payload size (%d bytes).", INVOKE_RESPONSE_BYTES_MAX);
    CLEANUP(json_freep) cJSON *answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "errorType", type);
    cJSON_AddStringToObject(answer, "errorMessage", text);
    CLEANUP(freep) char *body = json_print(answer);
    finish_answer(inv, INVOKE_FUNCTION_ERROR, body, strlen(body));
}

static void report(struct invocation *inv)
{
    const struct function_version *v = inv->version;
    struct report_to to = invocation_lines(inv);
    int64_t duration_us = inv->end_us - inv->start_us, timeout_us = (int64_t)v->timeout_s * 1000000;
    struct report_invocation line = {
        .request_id = inv->request_id,
        .duration_us = duration_us > timeout_us ? timeout_us : duration_us, /* the moment it takes us to notice is not theirs */
        .init_us = inv->init_us,
        .memory_mb = v->memory_mb,
        .peak_bytes = inv->peak_bytes,
        .status = inv->status,
        .error_type = inv->error_type[0] ? inv->error_type : NULL,
    };
    report_invocation(&to, &line);
    log_debug("invoke.done", "request=%s function=%s version=%s duration_us=%lld status=%s", inv->request_id, v->name, v->version,
              (long long)duration_us, inv->status ? inv->status : "success");
    invocation_answer(inv);
    invocation_free(inv);
}

static void on_measured(void *arg, uint64_t peak_bytes)
{
    struct invocation *inv = arg;
    if (peak_bytes > inv->peak_bytes)
        inv->peak_bytes = peak_bytes;
    inv->measured = true;
    if (!inv->pinned)
        report(inv);
}

void finish_report_now(struct invocation *inv)
{
    worker_measure_cancel(&inv->measure);
    report(inv);
}

void finish(struct invocation *inv, enum finish_worker what)
{
    struct worker *worker = inv->worker;
    struct report_to to = invocation_lines(inv);
    inv->end_us = clock_mono_us();
    worker_drain_log(worker);
    report_end(&to, inv->request_id, inv->status);
    log_stream_end(inv->stream);
    invocation_set_phase(inv, INVOCATION_REPORTING);
    inv->worker = NULL;
    worker_hold(worker, what == FINISH_RELEASE ? NULL : STEAL(inv->payload));
    if (what == FINISH_LOST) {
        on_measured(inv, worker_peak_bytes(worker));
        return;
    }
    /* Measured before a reset kills what is to be measured; the report itself comes after the worker is given back. */
    inv->pinned = true;
    inv->measure = (struct worker_measure){.fn = on_measured, .arg = inv};
    worker_measure(worker, &inv->measure, inv->tail || what == FINISH_RESET);
    if (what == FINISH_RELEASE)
        worker_release(worker);
    else
        worker_reset(worker);
    admission_leave(&inv->place); /* afterwards: who was held for this very worker has it, and counts */
    inv->pinned = false;
    if (inv->measured)
        report(inv);
    else
        loop_timer_set(inv->invoke->loop, &inv->timer, inv->end_us + REPORT_WAIT_US);
}
