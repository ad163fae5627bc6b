/* Inside host/telemetry only: one function's two log files and the bytes not yet written to them. See logs.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "host/telemetry/logs.h"
#include "lib/base/buf.h"
#include "lib/base/loop.h"

#define LOG_STORE_CURRENT "current.log"
#define LOG_STORE_PREVIOUS "previous.log"
#define LOG_STORE_FILE_BYTES (8u << 20)
#define LOG_STORE_FLUSH_BYTES (64u << 10) /* written at once when so much waits */
#define LOG_STORE_FLUSH_US (50 * 1000)    /* and after this time at the latest */
#define LOG_STORE_PENDING_MAX (LOG_STORE_FLUSH_BYTES + 2u * LOG_LINE_BYTES_MAX + 4096)
#define LOG_STORE_BURST_BYTES (64u << 20)      /* of all functions together, then ... */
#define LOG_STORE_RATE_BYTES_PER_S (32u << 20) /* ... this; what is above is dropped and counted */

struct logs_follower {
    struct log_group *group;
    log_record_fn *fn;
    void *arg;
    TAILQ_ENTRY(logs_follower) link;
};

struct log_group {
    struct logs *logs;
    char *path;    /* owned: account/region/key below logs->dir; the key */
    unsigned refs; /* streams and followers */
    int64_t size;  /* of current.log; -1: not looked at yet */
    struct buf pending;
    TAILQ_HEAD(, logs_follower) followers;
    TAILQ_ENTRY(log_group) dirty_link; /* in logs->dirty while pending is not empty */
    bool dirty;
    UT_hash_handle hh;
};

TAILQ_HEAD(log_group_list, log_group);

struct logs {
    struct loop *loop;
    struct jobs *jobs;
    int dirfd;
    uint64_t file_bytes_max;
    struct log_group *groups; /* by path */
    struct log_group_list dirty;
    struct loop_timer flush_timer;
    int64_t tokens, tokens_us; /* of the rate of all functions */
    bool failing;              /* the last write failed: say so once */
};

int log_group_get(struct logs *logs, const struct log_name *name, struct log_group **ret_group, struct err *err) WARN_UNUSED;
void log_group_put(struct log_group *group);
/* Hands the record to followers and queues it. */
void log_group_write(struct log_group *group, const struct log_record *record);
void log_group_flush(struct log_group *group);
/* Whether the function may write so many bytes now; takes them from the common rate. */
bool logs_admit(struct logs *logs, size_t bytes);
