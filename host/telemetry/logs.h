/* Where functions' log lines are kept: DATA/logs/<account>/<region>/<key of the log group>/, two files of bounded size that take turns. One
 * record a line with time, log stream, request id and origin, so that a line a function forged stays marked as the
 * function's own. Writing is buffered for a few milliseconds; reading flushes first. Loop thread only.
 *
 *     logs_new(&options, &logs, &err);
 *     logs_read(logs, &name, &(struct log_span){.since_us = us, .limit = 1000}, on_record, arg, &err);
 *     logs_follow(logs, &name, on_record, arg, &follower, &err); ... logs_unfollow(follower);
 *
 * Writers use log_stream.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define LOG_LINE_BYTES_MAX (256 * 1024) /* CloudWatch's limit of an event; longer lines are cut into several */

struct logs;
struct logs_follower;
struct loop;

struct jobs;

struct logs_options {
    struct loop *loop;       /* borrowed for life */
    const char *dir;         /* absolute; made with its parents' existing; copied */
    struct jobs *jobs;       /* frees what rotation leaves; borrowed for life; NULL: the loop does */
    uint64_t file_bytes_max; /* of each of the two files [8 MiB] */
};

/* Which log; borrowed strings. Characters outside [A-Za-z0-9_-] are refused. */
struct log_name {
    const char *account, *region;
    const char *key; /* the function's name, or log_group_key() */
};

#define LOG_GROUP_KEY_BYTES 144
/* The key of a log group: NAME for /aws/lambda/NAME, the standard group of a function; for any other a digest behind a "=", which no
 * function's name has. */
void log_group_key(const char *group, char out[LOG_GROUP_KEY_BYTES]);

struct log_record {
    int64_t time_us;        /* wall clock, since 1970 */
    bool platform;          /* written by Stoke; false: the function wrote it, whatever it looks like */
    const char *stream;     /* "2026/11/21/[$LATEST]0123..." */
    const char *request_id; /* "" outside an invocation */
    const char *text;       /* without the line end; not NUL-terminated, any bytes */
    size_t len;
};

typedef void log_record_fn(void *arg, const struct log_record *record);

int logs_new(const struct logs_options *options, struct logs **ret_logs, struct err *err) WARN_UNUSED;
/* Flushes. No streams may be open. */
void logs_free(struct logs *logs);

/* Of the records at or after since_us the last ones, or the first, at most limit. */
struct log_span {
    int64_t since_us;
    size_t limit;
    bool first;
    bool (*enough)(void *arg); /* asked before each record; NULL: never */
};

/* Calls fn with the records of the span, oldest first. No log yet is no error. */
int logs_read(struct logs *logs, const struct log_name *name, const struct log_span *span, log_record_fn *fn, void *arg,
              struct err *err) WARN_UNUSED;
/* Calls fn for every record from now on, as it is written. fn must not write to that log. ERR_INVALID for a bad name. */
int logs_follow(struct logs *logs, const struct log_name *name, log_record_fn *fn, void *arg, struct logs_follower **ret_follower,
                struct err *err) WARN_UNUSED;
void logs_unfollow(struct logs_follower *follower);
