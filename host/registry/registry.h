/* Who is it: functions and their versions, by account, region, name or ARN, and qualifier. The truth is in DATA/stoke.db;
 * all of it is also in memory, so resolving never waits. A function version is an immutable, counted record: an update
 * makes a new one, and whoever runs the old one keeps it alive. Loop thread only.
 *
 *     registry_resolve(registry, account, region, "hello", "$LATEST", &version, &err);
 *     ... function_version_unref(version);
 *
 * The front door inside a worker (http_server_add() of its endpoint listener) has its struct function_version as the
 * listener's context, counted by the worker for as long as the listener lives; the public listener's context is NULL.
 * What the control plane does with functions is in functions.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layers/runtimes/runtimes.h"
#include "layers/store.h"
#include "lib/base/err.h"
#include "lib/json/json.h"

#define FUNCTION_LAYERS_MAX 5

/* One version of one function as the data plane needs it. Immutable; strings owned. */
struct function_version {
    uint64_t key; /* unique for the daemon's life; an update of $LATEST has a new one: workers of the old are retired */
    unsigned refs;
    char account[13], region[32];
    char *name;
    char *version; /* "$LATEST" or "7" */
    char *arn;     /* of the function, unqualified */
    char *runtime; /* "python3.12" */
    char *handler;
    char *role;
    bool arm64;
    uint32_t memory_mb, timeout_s, tmp_mb;
    char **env; /* "NAME=value", the user's variables */
    size_t env_count;
    char code_sha256[SHA256_HEX_BYTES];
    char layer_sha256[FUNCTION_LAYERS_MAX][SHA256_HEX_BYTES];
    size_t layer_count;
    struct runtime_match match; /* how it runs here */
    char *log_group;            /* "/aws/lambda/NAME" unless LoggingConfig says otherwise */
    bool log_json;
    char *log_level; /* ApplicationLogLevel, with log_json: "INFO" unless LoggingConfig says otherwise; else NULL */
    enum log_system_level { LOG_SYSTEM_DEBUG = -1, LOG_SYSTEM_INFO, LOG_SYSTEM_WARN } log_system; /* SystemLogLevel */
    const char *state;                                                                            /* "Active", "Failed" ... : static */
    char *state_reason;                                                                           /* or NULL */
    char *state_reason_code;
    struct registry *registry; /* its own business */
    unsigned visits;           /* host/invoke's, not immutable: invocations under way, */
    int64_t visited_us;        /* and when the last one ended, on the monotonic clock; for the registry to see who is idle */
};

/* Counted: the last unref frees it, though the registry may be closed by then. */
void function_version_ref(struct function_version *version);
void function_version_unref(struct function_version *version);
/* Adds what one of its workers has sent and received over its loopback to what its function has since stoked began. */
void function_version_count_network(const struct function_version *version, uint64_t bytes, uint64_t packets);

struct registry;

/* Finds the version an invocation means. identifier: name, partial or full ARN, perhaps with a qualifier inside; qualifier:
 * the parameter, or NULL. *ret_version is counted for the caller. ERR_NOT_FOUND, ERR_INVALID, ERR_DENIED (another account's)
 * and ERR_CONFLICT (still Pending) carry AWS's message. */
int registry_resolve(struct registry *registry, const char *account, const char *region, const char *identifier, const char *qualifier,
                     struct function_version **ret_version, struct err *err) WARN_UNUSED;
/* The same for an invocation that will run. ERR_UNAVAILABLE, with AWS's message: the version was Inactive, and is on its way back. */
int registry_resolve_visit(struct registry *registry, const char *account, const char *region, const char *identifier,
                           const char *qualifier, struct function_version **ret_version, struct err *err) WARN_UNUSED;

/* Called on the loop whenever a version stops being current (code or configuration changed, function deleted, Inactive): its idle
 * workers can be retired. At most one listener. */
typedef void registry_retired_fn(void *arg, uint64_t version_key);
void registry_on_retired(struct registry *registry, registry_retired_fn *fn, void *arg);

/* Called on the loop whenever a version becomes what $LATEST runs, or Active again, and can run: its room can be prepared. At most one. */
typedef void registry_active_fn(void *arg, struct function_version *version);
void registry_on_active(struct registry *registry, registry_active_fn *fn, void *arg);
