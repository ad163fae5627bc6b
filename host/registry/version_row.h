/* One version of a function as stored: immutable, counted as a user of its archives; private to host/registry. Functions in
 * function_record.c. */
#pragma once

#include "host/registry/idle.h"
#include "host/registry/registry.h"
#include "lib/base/id.h"

struct version_row {
    uint64_t number; /* 0: $LATEST */
    uint64_t code_size, unpacked_size;
    int64_t modified_ms;
    char code_sha256[SHA256_HEX_BYTES];
    char revision_id[ID_UUID_BYTES];
    char unsettled_revision_id[ID_UUID_BYTES]; /* shown while PENDING or SETTLING; empty after a start */
    uint32_t provisioned, wanted;              /* sandboxes to be there; wanted: while that is counted */
    int64_t wished_ms, told_ms;                /* when that was last asked for, and of what time the listener has heard */
    bool reached;                              /* they are */
    enum row_rest rest;
    int64_t awake_us;               /* since then, on the monotonic clock */
    bool settling;                  /* published a moment ago: shown as Pending */
    struct function_version *built; /* made on first use, so that a start only reads text; counted */
    char *config;                   /* JSON */
    char *layers;                   /* the digests of its layers, a space between them; NULL: none */
};

struct row_content { /* borrowed */
    const char *config, *code_sha256, *layers;
    uint64_t code_size, unpacked_size;
};

/* Copies; counts the use of the archives. */
struct version_row *row_new(struct registry *registry, uint64_t number, const struct row_content *content);
void row_free(struct registry *registry, struct version_row *row);
void row_retire(struct registry *registry, struct version_row *row);      /* its built version is no longer current */
void row_unprovision(struct registry *registry, struct version_row *row); /* provisioned.c: it needs no more */
/* A row that never became a record's, of a registry that is closed. */
void row_discard(struct version_row *row);

/* Takes the next digest out of a row's layers; *at NULL: none is left. */
bool row_next_layer(const char **at, char sha256[SHA256_HEX_BYTES]);
