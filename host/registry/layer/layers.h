/* Layers of accounts and regions, and their immutable, numbered versions. Committed before done runs on the loop; readers see what is
 * committed. A number is given once: publishing needs no waiting, and what was deleted never comes back. Loop thread only.
 *
 *     layers_publish(registry, &name, &draft, published, call);           // published(call, facts, NULL)
 *     if (layers_wait(registry, &name, again, call)) return;              // before checking, then changing a version
 *     layers_set_policy(registry, &name, 1, text, revision, done, call);
 *
 * The archive of a version is live while the version is there, and as long as a function version refers to it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/registry/layer/layer_name.h"
#include "host/registry/settings.h"
#include "lib/json/json.h"

struct layer;

/* A new version; borrowed for the call. */
struct layer_draft {
    const cJSON *about;      /* Description, LicenseInfo, CompatibleRuntimes, CompatibleArchitectures: what AWS shows of them */
    const char *code_sha256; /* hexadecimal */
    uint64_t code_size, unpacked_size;
};

/* One version; everything borrowed, until the next change of the layer. */
struct layer_facts {
    const struct layer_name *layer; /* without a number */
    uint64_t number;
    const char *about; /* the draft's, as JSON text */
    const char *code_sha256;
    uint64_t code_size, unpacked_size;
    int64_t created_ms;
    const char *policy;          /* JSON text, or NULL */
    const char *policy_revision; /* of a policy */
};

/* Runs once on the loop, never when the registry is closed before. Exactly one of facts and err is NULL; both are borrowed. */
typedef void layers_published_fn(void *arg, const struct layer_facts *facts, const struct err *err);
/* Copies name and draft. done: after the commit, with the new version; or with what kept it from the disk. */
void layers_publish(struct registry *registry, const struct layer_name *name, const struct layer_draft *draft, layers_published_fn *done,
                    void *arg);

/* True while the layer is being changed: fn(arg) then runs once, when it is not. */
bool layers_wait(struct registry *registry, const struct layer_name *name, void (*fn)(void *arg), void *arg);
/* Of a version that is there (asserted), while nobody else changes the layer. Everything is copied; policy and revision: NULL for none.
 * done: after the commit, when readers see it, or with the error that left all as it was. */
void layers_set_policy(struct registry *registry, const struct layer_name *name, uint64_t number, const char *policy, const char *revision,
                       registry_written_fn *done, void *arg);
/* The same rules. Its archive is live as long as a function version refers to it. */
void layers_delete(struct registry *registry, const struct layer_name *name, uint64_t number, registry_written_fn *done, void *arg);

/* False: there is no such version. */
bool layers_describe(struct registry *registry, const struct layer_name *name, uint64_t number, struct layer_facts *ret_facts);
/* The layers of an account and region that have versions, from the name `from` on (NULL: all), by name. The caller frees. */
size_t layers_list(struct registry *registry, const char *account, const char *region, const char *from, const struct layer ***ret_layers);
/* A layer that has or had versions, or NULL. */
const struct layer *layers_find(struct registry *registry, const struct layer_name *name);
/* Versions of a layer, newest first. */
size_t layer_version_count(const struct layer *layer);
void layer_describe_at(const struct layer *layer, size_t i, struct layer_facts *ret_facts);
/* The bytes of an account's archives in a region. */
uint64_t layers_code_bytes(struct registry *registry, const char *account, const char *region);
