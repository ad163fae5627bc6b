/* Layers in memory. A layer is kept when its last version is gone: its numbers are used up. */
#include "host/registry/layer/layers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "host/registry/function_record.h"
#include "host/registry/layer/layer_record.h"
#include "lib/base/strutil.h"

/* ---- memory ---- */

static size_t make_key(const struct layer_name *name, char key[LAYER_KEY_BYTES])
{
    char *p = stpcpy(key, name->account);
    *p++ = ' ';
    p = stpcpy(p, name->region);
    *p++ = ' ';
    p = stpcpy(p, name->name);
    return (size_t)(p - key);
}

struct layer *layer_lookup(const struct registry *registry, const struct layer_name *name)
{
    char key[LAYER_KEY_BYTES];
    struct layer *layer;
    size_t len = make_key(name, key);
    HASH_FIND(hh, registry->layers, key, len, layer);
    return layer;
}

struct layer *layer_obtain(struct registry *registry, const struct layer_name *name)
{
    struct layer *layer = layer_lookup(registry, name);
    if (layer != NULL)
        return layer;
    layer = calloc(1, sizeof(*layer));
    if (layer == NULL)
        abort();
    layer->name = *name;
    layer->name.number = 0;
    wait_line_init(&layer->line, registry);
    size_t len = make_key(name, layer->key);
    HASH_ADD_KEYPTR(hh, registry->layers, layer->key, len, layer);
    return layer;
}

struct layer_version *layer_version_new(struct registry *registry, uint64_t number, const char *about, const char *code_sha256)
{
    struct layer_version *version = calloc(1, sizeof(*version));
    if (version == NULL)
        abort();
    version->number = number;
    version->about = strdup(about);
    if (version->about == NULL)
        abort();
    bool fits = str_copy(version->code_sha256, sizeof(version->code_sha256), code_sha256);
    assert(fits);
    code_use_add(registry, version->code_sha256);
    return version;
}

void layer_version_discard(struct layer_version *version)
{
    if (version == NULL)
        return;
    free(version->about);
    free(version->policy);
    free(version);
}

void layer_version_free(struct registry *registry, struct layer_version *version)
{
    code_use_drop(registry, version->code_sha256);
    layer_version_discard(version);
}

void layer_add(struct layer *layer, struct layer_version *version)
{
    layer->versions = reallocarray(layer->versions, layer->count + 1, sizeof(*layer->versions));
    if (layer->versions == NULL)
        abort();
    layer->versions[layer->count++] = version;
}

size_t layer_index(const struct layer *layer, uint64_t number)
{
    size_t i = 0;
    while (i < layer->count && layer->versions[i]->number != number)
        i++;
    return i;
}

void layer_remove(struct registry *registry, struct layer *layer, uint64_t number)
{
    size_t i = layer_index(layer, number);
    assert(i < layer->count);
    layer_version_free(registry, layer->versions[i]);
    layer->count--;
    memmove(layer->versions + i, layer->versions + i + 1, (layer->count - i) * sizeof(*layer->versions));
}

void registry_free_layers(struct registry *registry)
{
    struct layer *layer, *next;
    HASH_ITER(hh, registry->layers, layer, next) {
        HASH_DEL(registry->layers, layer);
        for (size_t i = 0; i < layer->count; i++)
            layer_version_free(registry, layer->versions[i]);
        wait_line_drop(&layer->line);
        free(layer->versions);
        free(layer);
    }
}

/* ---- reading ---- */

void layer_describe(const struct layer *layer, const struct layer_version *version, struct layer_facts *ret_facts)
{
    *ret_facts = (struct layer_facts){
        .layer = &layer->name,
        .number = version->number,
        .about = version->about,
        .code_sha256 = version->code_sha256,
        .code_size = version->code_size,
        .unpacked_size = version->unpacked_size,
        .created_ms = version->created_ms,
        .policy = version->policy,
        .policy_revision = version->policy != NULL ? version->revision : NULL,
    };
}

bool layers_describe(struct registry *registry, const struct layer_name *name, uint64_t number, struct layer_facts *ret_facts)
{
    const struct layer *layer = layer_lookup(registry, name);
    size_t i = layer != NULL ? layer_index(layer, number) : 0;
    if (layer == NULL || i == layer->count)
        return false;
    layer_describe(layer, layer->versions[i], ret_facts);
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct layer *const *x = a, *const *y = b;
    return strcmp((*x)->name.name, (*y)->name.name);
}

static bool is_in(const struct layer *layer, const char *account, const char *region)
{
    return str_eq(layer->name.region, region) && str_eq(layer->name.account, account);
}

size_t layers_list(struct registry *registry, const char *account, const char *region, const char *from, const struct layer ***ret_layers)
{
    size_t n = 0;
    const struct layer **list = malloc((HASH_COUNT(registry->layers) + 1) * sizeof(*list));
    if (list == NULL)
        abort();
    for (const struct layer *layer = registry->layers; layer != NULL; layer = layer->hh.next)
        if (layer->count > 0 && is_in(layer, account, region) && (from == NULL || strcmp(layer->name.name, from) >= 0))
            list[n++] = layer;
    qsort(list, n, sizeof(*list), by_name);
    *ret_layers = list;
    return n;
}

const struct layer *layers_find(struct registry *registry, const struct layer_name *name)
{
    return layer_lookup(registry, name);
}

size_t layer_version_count(const struct layer *layer)
{
    return layer->count;
}

void layer_describe_at(const struct layer *layer, size_t i, struct layer_facts *ret_facts)
{
    assert(i < layer->count);
    layer_describe(layer, layer->versions[layer->count - 1 - i], ret_facts);
}

uint64_t layers_code_bytes(struct registry *registry, const char *account, const char *region)
{
    uint64_t bytes = 0;
    for (const struct layer *layer = registry->layers; layer != NULL; layer = layer->hh.next)
        for (size_t i = 0; is_in(layer, account, region) && i < layer->count; i++)
            bytes += layer->versions[i]->code_size;
    return bytes;
}

/* ---- one change at a time ---- */

bool layers_wait(struct registry *registry, const struct layer_name *name, void (*fn)(void *arg), void *arg)
{
    struct layer *layer = layer_lookup(registry, name);
    return layer != NULL && wait_line_wait(&layer->line, fn, arg);
}
