/* Settings as their function's record holds them, and the resources of accounts; private to host/registry. */
#pragma once

#include <uthash.h>

#include "host/registry/settings.h"

struct db_conn;
struct registry;

/* Where invocations of an alias go. */
struct alias_route {
    bool latest; /* $LATEST; else: */
    uint64_t version;
    uint64_t second; /* 0: none */
    double second_weight;
};

struct setting {
    UT_hash_handle hh;
    char *value;              /* JSON */
    struct alias_route route; /* of an alias */
    size_t kind_len;
    char key[]; /* "KIND QUALIFIER" */
};

void record_set_setting(struct function_record *record, const char *kind, const char *qualifier, const char *value);
/* Everything about a qualifier that is no more: in memory, and on the writer thread. */
void record_drop_settings(struct function_record *record, const char *qualifier);
int record_drop_settings_work(struct db_conn *conn, int64_t id, const char *qualifier, struct err *err) WARN_UNUSED;
/* Writes one, on the writer thread. */
int record_setting_work(struct db_conn *conn, int64_t id, const struct setting_change *change, struct err *err) WARN_UNUSED;
void record_free_settings(struct function_record *record);
/* provisioned.c: the settings, aliases or versions have changed. */
void record_provision(struct function_record *record);
void registry_finish_moves(void *registry);                                                     /* of all aliases that can go on */
const struct alias_route *record_alias(const struct function_record *record, const char *name); /* or NULL */
int registry_load_settings(struct registry *registry, struct function_record **by_id, size_t count, struct err *err) WARN_UNUSED;

/* resources.c */
int registry_load_resources(struct registry *registry, struct err *err) WARN_UNUSED;
void registry_free_resources(struct registry *registry);
