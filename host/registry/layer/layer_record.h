/* Layers as the registry holds them; private to host/registry. */
#pragma once

#include <uthash.h>

#include "host/registry/layer/layers.h"
#include "host/registry/wait_line.h"
#include "lib/base/id.h"
#include "lib/crypto/digest.h"

#define LAYER_KEY_BYTES (13 + 32 + LAYER_NAME_MAX + 1)

struct layer_version {
    uint64_t number, code_size, unpacked_size;
    int64_t created_ms;
    char code_sha256[SHA256_HEX_BYTES];
    char revision[ID_UUID_BYTES]; /* of the policy */
    char *about, *policy;
};

struct layer {
    UT_hash_handle hh;
    struct layer_name name;
    struct layer_version **versions; /* committed; oldest first */
    size_t count;
    uint64_t last_number;  /* given out */
    struct wait_line line; /* busy: a change of a version is on its way to the disk */
    char key[LAYER_KEY_BYTES];
};

struct layer *layer_lookup(const struct registry *registry, const struct layer_name *name); /* or NULL */
struct layer *layer_obtain(struct registry *registry, const struct layer_name *name);       /* made if there is none */

/* Counts the archive's use. */
struct layer_version *layer_version_new(struct registry *registry, uint64_t number, const char *about, const char *code_sha256);
void layer_version_free(struct registry *registry, struct layer_version *version);
void layer_version_discard(struct layer_version *version);          /* of a registry that is closed */
void layer_add(struct layer *layer, struct layer_version *version); /* taken */
void layer_remove(struct registry *registry, struct layer *layer, uint64_t number);
/* The place of a version; layer->count if there is none. */
size_t layer_index(const struct layer *layer, uint64_t number);
void layer_describe(const struct layer *layer, const struct layer_version *version, struct layer_facts *ret_facts);
