/* The lines that Lambda itself writes: INIT_START, START, END, REPORT, INIT_REPORT, as text or, with the JSON log format, as
 * platform.* records. Loop thread only.
 *
 * Source: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html, .../telemetry-schema-reference.html,
 * .../monitoring-cloudwatchlogs-log-level.html (the level of each record) and the log lines in docs/runtime-contract.md.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct log_stream;
struct log_tail;

/* With JSON the function says from which level on the platform's records are wanted (LoggingConfig.SystemLogLevel). */
enum report_level { REPORT_DEBUG = -1, REPORT_INFO, REPORT_WARN };

/* Where the lines of one worker or invocation go. */
struct report_to {
    struct log_stream *stream;
    struct log_tail *tail; /* or NULL */
    bool json;
    bool provisioned;        /* how the worker came to be */
    enum report_level least; /* of what is written as JSON; text is whole */
};

struct report_runtime {
    const char *version; /* "python:3.11.2" */
    const char *arn;
    const char *note; /* what runs instead of what was asked for; or "" */
    const char *function_name, *function_version;
};

struct report_invocation {
    const char *request_id;
    int64_t duration_us;
    int64_t init_us; /* of a cold start; -1: none */
    uint32_t memory_mb;
    uint64_t peak_bytes;    /* measured */
    const char *status;     /* NULL (success), "timeout" or "error" */
    const char *error_type; /* with "error", or NULL */
};

/* Each hands its line or record to the log before it returns, keeps none of its arguments and cannot fail: what the log does not take is
 * lost. In JSON, records below to->least are not written. */

/* Never to the tail: what a caller sees of the log begins after it. */
void report_init_start(const struct report_to *to, const struct report_runtime *runtime);
/* phase "init" or "invoke"; status "timeout" or "error"; error_type or NULL. */
void report_init_failed(const struct report_to *to, int64_t init_us, const char *phase, const char *status, const char *error_type);
/* version: as AWS shows it, "$LATEST" or "7". */
void report_start(const struct report_to *to, const char *request_id, const char *version);
/* status as in report_invocation. */
void report_end(const struct report_to *to, const char *request_id, const char *status);
/* Text alone: in JSON report_end and report_invocation say it. */
void report_timeout(const struct report_to *to, const char *request_id, uint32_t timeout_s);
/* The memory shown is at least 1 MB and no more than memory_mb. */
void report_invocation(const struct report_to *to, const struct report_invocation *invocation);

/* The milliseconds charged: duration and, for a cold start, init, rounded up. */
int64_t report_billed_ms(int64_t duration_us, int64_t init_us);
