/* Functions and their rows in memory: making, finding, freeing, and the one place that changes a record's state. */
#include "host/registry/function_record.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"

/* Which state may follow which; everything else is a bug of ours. */
static const bool transitions[RECORD_STATES][RECORD_STATES] = {
    [RECORD_RESERVED] = {[RECORD_PENDING] = true, [RECORD_READY] = true}, /* READY: loaded at start */
    [RECORD_PENDING] = {[RECORD_READY] = true},
    [RECORD_READY] = {[RECORD_CLAIMED] = true, [RECORD_DELETING] = true},
    [RECORD_CLAIMED] = {[RECORD_READY] = true, [RECORD_SETTLING] = true},
    [RECORD_SETTLING] = {[RECORD_READY] = true},
    [RECORD_DELETING] = {[RECORD_READY] = true},
};

void record_set_state(struct function_record *record, enum record_state to)
{
    assert(transitions[record->state][to]);
    record->state = to;
}

bool record_is_visible(const struct function_record *record)
{
    return record->state != RECORD_RESERVED;
}

size_t record_key(const char *account, const char *region, const char *name, char key[FUNCTION_KEY_BYTES])
{
    char *p = stpcpy(key, account);
    *p++ = ' ';
    p = stpcpy(p, region);
    *p++ = ' ';
    p = stpcpy(p, name);
    assert(p < key + FUNCTION_KEY_BYTES);
    return (size_t)(p - key);
}

struct function_record *record_lookup(const struct registry *registry, const char *account, const char *region, const char *name)
{
    char key[FUNCTION_KEY_BYTES];
    struct function_record *record;
    size_t len = record_key(account, region, name, key);
    HASH_FIND(hh, registry->functions, key, len, record);
    return record;
}

struct function_record *record_new(struct registry *registry, const char *account, const char *region, const char *name)
{
    char key[FUNCTION_KEY_BYTES];
    size_t len = record_key(account, region, name, key);
    struct function_record *record = calloc(1, sizeof(*record) + len + 1);
    if (record == NULL)
        abort();
    record->registry = registry;
    record->state = RECORD_RESERVED;
    (void)str_copy(record->account, sizeof(record->account), account);
    (void)str_copy(record->region, sizeof(record->region), region);
    memcpy(record->key, key, len + 1);
    record->name = record->key + len - strlen(name);
    wait_line_init(&record->line, registry);
    record->reserved = CONCURRENCY_UNRESERVED;
    HASH_ADD_KEYPTR(hh, registry->functions, record->key, len, record);
    return record;
}

void record_free(struct function_record *record)
{
    struct registry *registry = record->registry;
    HASH_DEL(registry->functions, record);
    if (record_is_visible(record))
        registry->committed--;
    row_free(registry, record->latest);
    row_free(registry, record->before);
    for (size_t i = 0; i < record->published_count; i++)
        row_free(registry, record->published[i]);
    free(record->published);
    record_set_reserved(record, NULL);
    record_set_provisioned(record, 0);
    record_free_settings(record);
    wait_line_close(&record->line);
    free(record->tags);
    free(record);
}

void code_use_add(struct registry *registry, const char *sha256)
{
    struct code_use *use;
    HASH_FIND_STR(registry->codes, sha256, use);
    if (use == NULL) {
        use = calloc(1, sizeof(*use));
        if (use == NULL)
            abort();
        (void)str_copy(use->sha256, sizeof(use->sha256), sha256);
        HASH_ADD_STR(registry->codes, sha256, use);
    }
    use->users++;
}

void code_use_drop(struct registry *registry, const char *sha256)
{
    struct code_use *use;
    HASH_FIND_STR(registry->codes, sha256, use);
    assert(use != NULL && use->users > 0);
    if (--use->users == 0) {
        HASH_DEL(registry->codes, use);
        if (registry->unused != NULL)
            registry->unused(registry->unused_arg, use->sha256);
        free(use);
    }
}

bool row_next_layer(const char **at, char sha256[SHA256_HEX_BYTES])
{
    size_t len = SHA256_HEX_BYTES - 1;
    if (*at == NULL || strnlen(*at, len) < len)
        return false;
    memcpy(sha256, *at, len);
    sha256[len] = '\0';
    *at = (*at)[len] == ' ' ? *at + len + 1 : NULL;
    return true;
}

struct version_row *row_new(struct registry *registry, uint64_t number, const struct row_content *content)
{
    struct version_row *row = calloc(1, sizeof(*row));
    if (row == NULL)
        abort();
    row->number = number;
    row->awake_us = clock_mono_us();
    row->code_size = content->code_size;
    row->unpacked_size = content->unpacked_size;
    row->config = strdup(content->config);
    row->layers = content->layers != NULL ? strdup(content->layers) : NULL;
    if (row->config == NULL || (row->layers == NULL && content->layers != NULL))
        abort();
    bool fits = str_copy(row->code_sha256, sizeof(row->code_sha256), content->code_sha256);
    assert(fits);
    code_use_add(registry, row->code_sha256);
    char layer[SHA256_HEX_BYTES];
    for (const char *at = row->layers; row_next_layer(&at, layer);)
        code_use_add(registry, layer);
    return row;
}

void row_free(struct registry *registry, struct version_row *row)
{
    if (row == NULL)
        return;
    char layer[SHA256_HEX_BYTES];
    for (const char *at = row->layers; row_next_layer(&at, layer);)
        code_use_drop(registry, layer);
    code_use_drop(registry, row->code_sha256);
    row_unprovision(registry, row);
    row_retire(registry, row);
    row_discard(row);
}

void row_retire(struct registry *registry, struct version_row *row)
{
    if (row->built == NULL)
        return;
    uint64_t key = row->built->key;
    function_version_unref(row->built);
    row->built = NULL;
    if (registry->retired != NULL)
        registry->retired(registry->retired_arg, key);
}

void row_discard(struct version_row *row)
{
    if (row == NULL)
        return;
    free(row->config);
    free(row->layers);
    free(row);
}

size_t record_published_from(const struct function_record *record, uint64_t number)
{
    size_t low = 0, high = record->published_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (record->published[mid]->number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct version_row *record_published(const struct function_record *record, uint64_t number)
{
    size_t i = record_published_from(record, number);
    return i < record->published_count && record->published[i]->number == number ? record->published[i] : NULL;
}

void record_add_published(struct function_record *record, struct version_row *row)
{
    if (row == NULL)
        return;
    record->published = reallocarray(record->published, record->published_count + 1, sizeof(*record->published));
    if (record->published == NULL)
        abort();
    record->published[record->published_count++] = row;
    if (row->number > record->last_version)
        record->last_version = row->number;
}

void record_remove_published(struct function_record *record, uint64_t number)
{
    for (size_t i = 0; i < record->published_count; i++) {
        struct version_row *row = record->published[i];
        if (row->number != number)
            continue;
        record->published_count--;
        memmove(record->published + i, record->published + i + 1, (record->published_count - i) * sizeof(*record->published));
        row_free(record->registry, row);
        return;
    }
}

void record_settle_published(struct function_record *record)
{
    for (size_t i = record->published_count; i-- > 0 && record->published[i]->settling;)
        record->published[i]->settling = false;
}

/* Whether $LATEST still is what was published. A description counts where it was configured; the one that a version got when it
 * was published does not. */
static bool same_config(const char *published, const char *latest)
{
    CLEANUP(json_freep) cJSON *x = NULL, *y = NULL;
    struct err err;
    if (json_parse(published, strlen(published), &x, &err) < 0 || json_parse(latest, strlen(latest), &y, &err) < 0)
        return false;
    cJSON *configured = cJSON_DetachItemFromObjectCaseSensitive(x, LATEST_DESCRIPTION);
    if (configured != NULL) {
        cJSON_DeleteItemFromObjectCaseSensitive(x, "Description");
        cJSON_AddItemToObject(x, "Description", configured);
    }
    return cJSON_Compare(x, y, true);
}

bool row_same_as_newest(const struct function_record *record, const struct version_row *latest)
{
    const struct version_row *newest = record->published_count > 0 ? record->published[record->published_count - 1] : NULL;
    return newest != NULL && str_eq(newest->code_sha256, latest->code_sha256) && same_config(newest->config, latest->config);
}

struct version_row *record_row(const struct function_record *record, const char *qualifier)
{
    if (qualifier == NULL || *qualifier == '\0' || str_eq(qualifier, "$LATEST"))
        return record->latest;
    uint64_t number;
    return function_name_version(qualifier, &number) ? record_published(record, number) : NULL;
}
