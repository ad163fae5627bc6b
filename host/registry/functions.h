/* What the control plane does with functions: create, update, delete, list, describe. Writes are claimed first (one at a
 * time per function), then committed; done runs on the loop after the commit reached the disk, so what was acknowledged is
 * there after any crash. Loop thread only.
 *
 *     registry_open(&options, &registry, &err);
 *     registry_create_begin(registry, &name, &record, &err);         // ERR_EXISTS: the name is taken
 *     ... unpack the archive on a thread; on failure registry_abandon(record) ...
 *     registry_create_commit(record, &draft, tags, created, call);   // created(call, record, NULL) -> Pending, then Active
 *
 * A new or changed function shows AWS's lifecycle: Pending or InProgress in the answer, Active and Successful right after; one that
 * nobody invokes becomes Inactive (idle.h).
 */
#pragma once

#include "host/registry/function_name.h"
#include "host/registry/registry.h"

struct function_record; /* a function and its versions; valid until its deletion was committed */
struct loop;
struct setting_change;

struct registry_options {
    const char *db_path;
    struct loop *loop;
    const struct runtimes *runtimes; /* borrowed for the registry's life */
    bool runtimes_exact;             /* only a runtime's own version will do */
    int64_t inactive_after_s;        /* versions that nobody invokes for so long become Inactive; 0: never */
};

int registry_open(const struct registry_options *options, struct registry **ret_registry, struct err *err) WARN_UNUSED;
/* Commits what is under way; no done callback runs any more. Versions still counted elsewhere live on. */
void registry_close(struct registry *registry);
/* Writes are on their way, or what follows from them: their callbacks are still to run. */
bool registry_is_busy(const struct registry *registry);

/* The host's runtimes changed: versions that could not run, or have a better interpreter now, are matched anew. The old
 * runtimes stay as long as the registry. */
void registry_set_runtimes(struct registry *registry, const struct runtimes *runtimes);

/* The new content of $LATEST; borrowed for the call. */
struct function_draft {
    const cJSON *config;     /* the members of AWS's FunctionConfiguration that a client sets, defaults filled in; each of
                              * its Layers with the Sha256 (hexadecimal) and UnpackedSize of its archive */
    const char *code_sha256; /* hexadecimal */
    uint64_t code_size, unpacked_size;
    bool publish;                         /* in the same commit, unless the newest version is the same */
    const char *description;              /* of what is published; NULL: its own */
    const struct setting_change *setting; /* of a new function, or NULL: in the same commit; its kind is static, its qualifier "" */
};

/* err is NULL after the commit. */
typedef void registry_done_fn(void *arg, struct function_record *record, const struct err *err);

/* Finds a function by its name alone; ERR_NOT_FOUND in AWS's words (with the name's qualifier in the ARN). */
int registry_find(struct registry *registry, const struct function_name *name, struct function_record **ret_record,
                  struct err *err) WARN_UNUSED;

/* Takes a free name. ERR_EXISTS in AWS's words. Ends in registry_create_commit() or registry_abandon(). */
int registry_create_begin(struct registry *registry, const struct function_name *name, struct function_record **ret_record,
                          struct err *err) WARN_UNUSED;
/* tags: an object of strings, or NULL; borrowed. When the write fails the name is free again and record is gone. */
void registry_create_commit(struct function_record *record, const struct function_draft *draft, const cJSON *tags, registry_done_fn *done,
                            void *arg);

/* Claims a function for an update. ERR_CONFLICT, in AWS's words, while another is under way. Ends in
 * registry_update_commit() or registry_abandon(). */
int registry_update_begin(struct function_record *record, struct err *err) WARN_UNUSED;
void registry_update_commit(struct function_record *record, const struct function_draft *draft, registry_done_fn *done, void *arg);
/* Gives a claim up; a function that was not created yet is gone. */
void registry_abandon(struct function_record *record);

/* ERR_CONFLICT, in AWS's words, while the function is being updated: its RevisionId is about to change. */
int registry_check_idle(const struct function_record *record, struct err *err) WARN_UNUSED;

/* Publishes $LATEST; done sees the new version as the last of registry_describe_at(). description: NULL for $LATEST's own.
 * Returns 1 without calling done if the newest version is the same, the description apart. ERR_CONFLICT while an update is under
 * way. */
int registry_publish(struct function_record *record, const char *description, registry_done_fn *done, void *arg,
                     struct err *err) WARN_UNUSED;
/* Deletes a published version, which must exist, with the settings about it. Not while settings are being written. */
int registry_delete_version(struct function_record *record, uint64_t number, registry_done_fn *done, void *arg,
                            struct err *err) WARN_UNUSED;
/* Deletes the function with all versions and settings; done's record is NULL. ERR_CONFLICT while an update is under way. Not while
 * settings are being written. */
int registry_delete(struct function_record *record, registry_done_fn *done, void *arg, struct err *err) WARN_UNUSED;

/* In a published version's configuration: the description that $LATEST had, where publishing gave another. Nobody is shown it. */
#define LATEST_DESCRIPTION "LatestDescription"

/* One version as AWS describes it; everything borrowed, until the next change of the function. */
struct function_facts {
    const char *account, *region, *name;
    char version[21];   /* "$LATEST" or a number */
    const char *config; /* the draft's config as JSON text */
    const char *code_sha256;
    uint64_t code_size, unpacked_size;
    int64_t modified_ms;
    const char *revision_id;
    const char *state, *state_reason, *state_reason_code;                         /* the last two may be NULL */
    const char *update_status, *update_status_reason, *update_status_reason_code; /* may be NULL */
    const struct runtime_match *match;                                            /* how it runs here */
    const char *tags;                                                             /* JSON object or NULL */
    uint64_t net_bytes, net_packets; /* over its workers' loopbacks since stoked began; 0 where the host does not count them */
    int64_t reserved;                /* concurrency; CONCURRENCY_UNRESERVED: none */
};
/* qualifier: NULL or empty for $LATEST; of an alias the version it points to. ERR_NOT_FOUND in AWS's words. */
int registry_describe(struct function_record *record, const char *qualifier, struct function_facts *ret_facts, struct err *err) WARN_UNUSED;
/* Versions of a function: 0 is $LATEST, then the published ones, oldest first. */
size_t registry_version_count(const struct function_record *record);
void registry_describe_at(struct function_record *record, size_t i, struct function_facts *ret_facts);
/* The first of them with that number or a higher one; 0 for number 0, which stands for $LATEST. */
size_t registry_version_from(const struct function_record *record, uint64_t number);

/* The functions of an account and region from the name `from` on (NULL: all), by name. The caller frees *ret_records. */
size_t registry_list(struct registry *registry, const char *account, const char *region, const char *from,
                     struct function_record ***ret_records);
const char *registry_record_name(const struct function_record *record);
/* How many functions an account has in a region, and the bytes of their archives. */
void registry_usage(struct registry *registry, const char *account, const char *region, uint64_t *ret_functions, uint64_t *ret_code_bytes);
/* Calls fn with the latest version (borrowed) of up to max functions, of whatever account: to prepare for them at the start. */
void registry_each_latest(struct registry *registry, size_t max, void (*fn)(void *arg, struct function_version *version), void *arg);
/* All functions of the host; for health. */
size_t registry_count(const struct registry *registry);

/* Whether any version uses that archive, or one that is no more is still counted by its workers; arg is the registry (the
 * shape that store_sweep() wants). */
int registry_code_is_live(void *arg, const char *sha256_hex);
/* Keeps an archive that was stored and that no version has yet, until it is let go of. */
void registry_code_keep(struct registry *registry, const char *sha256_hex);
void registry_code_let_go(struct registry *registry, const char *sha256_hex);
/* An archive was stored for nothing: the listener below hears of it, unless it is live. */
void registry_code_spared(struct registry *registry, const char *sha256_hex);
/* Called on the loop when an archive stops being live. At most one listener. */
typedef void registry_unused_fn(void *arg, const char *sha256_hex);
void registry_on_unused(struct registry *registry, registry_unused_fn *fn, void *arg);
