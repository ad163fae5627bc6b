/* Platform log lines. Error types come from the runtime, which may be hostile: whatever is no plain name is replaced, so that
 * no field can be forged inside a line of ours. */
#include "host/telemetry/report.h"

#include <stdlib.h>
#include <string.h>

#include "host/telemetry/log_stream.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"

static const char *plain_type(const char *type)
{
    size_t n = strspn(type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-$:");
    return n > 0 && n <= 128 && type[n] == '\0' ? type : "Runtime.Unknown";
}

static double ms(int64_t us)
{
    return (double)us / 1000.0;
}

int64_t report_billed_ms(int64_t duration_us, int64_t init_us)
{
    int64_t us = duration_us + (init_us > 0 ? init_us : 0);
    return us <= 0 ? 1 : (us + 999) / 1000;
}

static void write_json(const struct report_to *to, enum report_level level, const char *request_id, const char *type, cJSON *record)
{
    if (level < to->least) {
        cJSON_Delete(record);
        return;
    }
    char time[CLOCK_ISO_BYTES];
    clock_iso_utc(clock_wall_ms(), time);
    CLEANUP(json_freep) cJSON *doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "time", time);
    cJSON_AddStringToObject(doc, "type", type);
    cJSON_AddItemToObject(doc, "record", record);
    CLEANUP(freep) char *text = json_print(doc);
    log_stream_platform(to->stream, request_id, text, to->tail);
}

/* The number as AWS prints it, with three decimals, not as the shortest double. */
static void add_ms(cJSON *object, const char *name, int64_t us)
{
    CLEANUP(freep) char *text = str_format("%.3f", ms(us));
    cJSON_AddRawToObject(object, name, text);
}

static const char *init_type(const struct report_to *to)
{
    return to->provisioned ? "provisioned-concurrency" : "on-demand";
}

void report_init_start(const struct report_to *to, const struct report_runtime *runtime)
{
    struct report_to own = {.stream = to->stream, .json = to->json, .least = to->least}; /* LogResult begins after it, as on AWS */
    if (to->json) {
        cJSON *record = cJSON_CreateObject();
        cJSON_AddStringToObject(record, "initializationType", init_type(to));
        cJSON_AddStringToObject(record, "phase", "init");
        cJSON_AddStringToObject(record, "runtimeVersion", runtime->version);
        cJSON_AddStringToObject(record, "runtimeVersionArn", runtime->arn);
        cJSON_AddStringToObject(record, "functionName", runtime->function_name);
        cJSON_AddStringToObject(record, "functionVersion", runtime->function_version);
        if (runtime->note[0])
            cJSON_AddStringToObject(record, "note", runtime->note);
        write_json(&own, REPORT_INFO, "", "platform.initStart", record);
        return;
    }
    CLEANUP(freep)
    char *text = str_format("INIT_START Runtime Version: %s\tRuntime Version ARN: %s%s%s", runtime->version, runtime->arn,
                            runtime->note[0] ? "\tNote: " : "", runtime->note);
    log_stream_platform(own.stream, "", text, NULL);
}

void report_init_failed(const struct report_to *to, int64_t init_us, const char *phase, const char *status, const char *error_type)
{
    if (to->json) {
        cJSON *record = cJSON_CreateObject();
        cJSON_AddStringToObject(record, "initializationType", init_type(to));
        cJSON_AddStringToObject(record, "phase", phase);
        cJSON_AddStringToObject(record, "status", status);
        if (error_type)
            cJSON_AddStringToObject(record, "errorType", plain_type(error_type));
        add_ms(cJSON_AddObjectToObject(record, "metrics"), "durationMs", init_us);
        write_json(to, REPORT_WARN, "", "platform.initReport", record);
        return;
    }
    CLEANUP(freep)
    char *text = str_format("INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s%s%s", ms(init_us), phase, status,
                            error_type ? "\tError Type: " : "", error_type ? plain_type(error_type) : "");
    log_stream_platform(to->stream, "", text, to->tail);
}

void report_start(const struct report_to *to, const char *request_id, const char *version)
{
    if (to->json) {
        cJSON *record = cJSON_CreateObject();
        cJSON_AddStringToObject(record, "requestId", request_id);
        cJSON_AddStringToObject(record, "version", version);
        write_json(to, REPORT_INFO, request_id, "platform.start", record);
        return;
    }
    CLEANUP(freep) char *text = str_format("START RequestId: %s Version: %s", request_id, version);
    log_stream_platform(to->stream, request_id, text, to->tail);
}

void report_end(const struct report_to *to, const char *request_id, const char *status)
{
    if (to->json) {
        cJSON *record = cJSON_CreateObject();
        cJSON_AddStringToObject(record, "requestId", request_id);
        cJSON_AddStringToObject(record, "status", status ? status : "success");
        write_json(to, status ? REPORT_WARN : REPORT_DEBUG, request_id, "platform.runtimeDone", record);
        return;
    }
    CLEANUP(freep) char *text = str_format("END RequestId: %s", request_id);
    log_stream_platform(to->stream, request_id, text, to->tail);
}

void report_timeout(const struct report_to *to, const char *request_id, uint32_t timeout_s)
{
    if (to->json)
        return; /* platform.runtimeDone and platform.report say it */
    char time[CLOCK_ISO_BYTES];
    clock_iso_utc(clock_wall_ms(), time);
    CLEANUP(freep) char *text = str_format("%s %s Task timed out after %u.00 seconds", time, request_id, timeout_s);
    log_stream_platform(to->stream, request_id, text, to->tail);
}

static void report_json(const struct report_to *to, const struct report_invocation *inv, uint64_t peak_mb)
{
    cJSON *record = cJSON_CreateObject();
    cJSON_AddStringToObject(record, "requestId", inv->request_id);
    cJSON *metrics = cJSON_AddObjectToObject(record, "metrics");
    add_ms(metrics, "durationMs", inv->duration_us);
    cJSON_AddNumberToObject(metrics, "billedDurationMs", (double)report_billed_ms(inv->duration_us, inv->init_us));
    cJSON_AddNumberToObject(metrics, "memorySizeMB", inv->memory_mb);
    cJSON_AddNumberToObject(metrics, "maxMemoryUsedMB", (double)peak_mb);
    if (inv->init_us >= 0)
        add_ms(metrics, "initDurationMs", inv->init_us);
    cJSON_AddStringToObject(record, "status", inv->status ? inv->status : "success");
    if (inv->error_type)
        cJSON_AddStringToObject(record, "errorType", plain_type(inv->error_type));
    write_json(to, inv->status ? REPORT_WARN : REPORT_INFO, inv->request_id, "platform.report", record);
}

void report_invocation(const struct report_to *to, const struct report_invocation *inv)
{
    uint64_t peak_mb = (inv->peak_bytes + (1u << 20) - 1) >> 20;
    peak_mb = peak_mb < 1 ? 1 : peak_mb > inv->memory_mb ? inv->memory_mb : peak_mb;
    if (to->json) {
        report_json(to, inv, peak_mb);
        return;
    }
    CLEANUP(buf_free) struct buf b = BUF_INIT(4096);
    int rc = buf_printf(&b,
                        "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %lld ms\tMemory Size: %u MB\tMax Memory "
                        "Used: %llu MB\t",
                        inv->request_id, ms(inv->duration_us), (long long)report_billed_ms(inv->duration_us, inv->init_us), inv->memory_mb,
                        (unsigned long long)peak_mb);
    if (rc == 0 && inv->init_us >= 0)
        rc = buf_printf(&b, "Init Duration: %.2f ms\t", ms(inv->init_us));
    if (rc == 0 && inv->status)
        rc = buf_printf(&b, "Status: %s", inv->status);
    if (rc == 0 && inv->error_type)
        rc = buf_printf(&b, "\tError Type: %s", plain_type(inv->error_type));
    if (rc == 0)
        log_stream_platform(to->stream, inv->request_id, b.data, to->tail);
}
