/* The registry's own view of a function; private to host/registry. Who may do what is one state machine:
 *
 *              create_begin                create committed          settled
 *   (nothing) -------------> RESERVED ----------------------> PENDING ------> READY <---------------+
 *                               |                                              |  ^                 |
 *                               v abandon, write failed           update_begin |  | abandon,        | settled
 *                           (nothing)                                          v  | write failed    |
 *                                                                            CLAIMED --------> SETTLING
 *                                          delete, write failed                   update committed
 *                            (nothing) <-------- DELETING <--- READY
 *
 * Committed rows are immutable: an update makes a new row and, for invocations, a new struct function_version.
 */
#pragma once

#include <sys/queue.h>
#include <uthash.h>

#include "host/registry/concurrency.h"
#include "host/registry/functions.h"
#include "host/registry/provisioned.h"
#include "host/registry/record_settings.h"
#include "host/registry/version_row.h"
#include "host/registry/wait_line.h"
#include "lib/base/id.h"
#include "lib/base/loop.h"
#include "lib/db/db.h"

#define FUNCTION_KEY_BYTES (13 + 32 + FUNCTION_NAME_MAX + 1)

enum record_state {
    RECORD_RESERVED, /* the name is taken, nothing is committed: invisible to readers */
    RECORD_PENDING,  /* committed; AWS's State Pending */
    RECORD_READY,    /* Active, or Failed if its runtime is not there */
    RECORD_CLAIMED,  /* an update is being prepared; readers and invocations see the old row */
    RECORD_SETTLING, /* an update is committed: readers see the new row, invocations still the old one */
    RECORD_DELETING, /* the deletion is on its way to the disk; readers still see it */
    RECORD_STATES
};

struct function_record {
    struct registry *registry;
    UT_hash_handle hh;
    char account[13], region[32];
    char *name; /* in key */
    int64_t id;
    enum record_state state;
    char *tags;                 /* JSON object or NULL */
    struct version_row *latest; /* what readers see; NULL while RESERVED */
    struct version_row *before; /* SETTLING: what invocations see */
    struct version_row **published;
    size_t published_count;
    uint64_t last_version;           /* number of the newest that was ever published */
    struct setting *settings;        /* by key */
    int64_t reserved;                /* concurrency; CONCURRENCY_UNRESERVED: none */
    uint64_t provisioned;            /* concurrency, of all its aliases and versions */
    uint64_t promised;               /* what it will claim beyond that, when the write under way is on the disk */
    uint64_t net_bytes, net_packets; /* over its workers' loopbacks since stoked began, where the host counts them */
    struct wait_line line;           /* busy: settings, tags or its deletion are on their way to the disk */
    char key[];                      /* "ACCOUNT REGION NAME" */
};

/* How many rows and built versions use an archive. */
struct code_use {
    UT_hash_handle hh;
    char sha256[SHA256_HEX_BYTES];
    uint64_t users;
};

struct registry {
    struct db *db;
    struct loop *loop;
    const struct runtimes *runtimes;
    bool runtimes_exact;
    struct function_record *functions; /* by key */
    struct code_use *codes;
    struct layer *layers;           /* by key */
    struct resource_shelf *shelves; /* by account, region and kind */
    struct account_concurrency *accounts;
    size_t committed; /* functions that are not merely RESERVED */
    uint64_t next_key;
    registry_retired_fn *retired;
    void *retired_arg;
    registry_active_fn *active;
    void *active_arg;
    registry_provisioned_fn *provisioned;
    void *provisioned_arg;
    struct loop_timer moves; /* of aliases, to be tried again */
    registry_unused_fn *unused;
    void *unused_arg;
    int64_t inactive_after_us; /* 0: never */
    struct loop_timer look;    /* for versions that have been idle for so long */
    unsigned versions;         /* built and not yet freed */
    unsigned posted;           /* callbacks of writes and settlings that the loop will still run */
    bool closed;               /* they and the versions then only free what is theirs, and the last one the registry */
};

/* concurrency.c: value is the setting, or NULL */
void record_set_reserved(struct function_record *record, const char *value);
void record_set_provisioned(struct function_record *record, uint64_t sum);
void record_end_promise(struct function_record *record); /* the write is over */
void registry_free_accounts(struct registry *registry);

void code_use_add(struct registry *registry, const char *sha256);
void code_use_drop(struct registry *registry, const char *sha256);
/* Frees a closed registry that nobody needs any more. */
void registry_free_if_unneeded(struct registry *registry);

/* A callback posted earlier runs now: false if the registry was closed meanwhile. */
bool registry_enter(struct registry *registry);

/* "account region name" into key; returns its length. */
size_t record_key(const char *account, const char *region, const char *name, char key[FUNCTION_KEY_BYTES]);
struct function_record *record_lookup(const struct registry *registry, const char *account, const char *region, const char *name);
/* A record in the hash, RESERVED. */
struct function_record *record_new(struct registry *registry, const char *account, const char *region, const char *name);
void record_free(struct function_record *record); /* out of the hash; retires what was built */
void record_set_state(struct function_record *record, enum record_state to);
bool record_is_visible(const struct function_record *record);

bool row_same_as_newest(const struct function_record *record, const struct version_row *latest);
struct version_row *record_published(const struct function_record *record, uint64_t number); /* or NULL */
/* Where it is in published, or the next higher one. */
size_t record_published_from(const struct function_record *record, uint64_t number);
void record_add_published(struct function_record *record, struct version_row *row); /* taken; NULL: nothing */
void record_remove_published(struct function_record *record, uint64_t number);
void record_settle_published(struct function_record *record);
/* The row of a qualifier ("" and "$LATEST": the latest), or NULL. */
struct version_row *record_row(const struct function_record *record, const char *qualifier);
/* The row's version for the data plane, made on first use. Borrowed. */
struct function_version *row_version(struct function_record *record, struct version_row *row);

int registry_load(struct registry *registry, struct err *err) WARN_UNUSED;
int registry_load_layers(struct registry *registry, struct err *err) WARN_UNUSED;
void registry_free_layers(struct registry *registry);

/* The schema, one migration a string. */
extern const char *const registry_migrations[];
extern const size_t registry_migration_count;
