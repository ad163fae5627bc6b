/* Reserved concurrency as numbers: one with each function, one sum for each account and region. */
#include "host/registry/concurrency.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/registry/function_record.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"

struct account_concurrency {
    UT_hash_handle hh;
    uint64_t reserved;
    char key[48]; /* "ACCOUNT REGION" */
};

static struct account_concurrency *find(struct registry *registry, const char *account, const char *region)
{
    char key[sizeof((struct account_concurrency *)0)->key];
    struct account_concurrency *found;
    snprintf(key, sizeof(key), "%s %s", account, region);
    HASH_FIND_STR(registry->accounts, key, found);
    return found;
}

static struct account_concurrency *find_or_make(struct registry *registry, const char *account, const char *region)
{
    struct account_concurrency *made = find(registry, account, region);
    if (made != NULL)
        return made;
    made = calloc(1, sizeof(*made));
    if (made == NULL)
        abort();
    snprintf(made->key, sizeof(made->key), "%s %s", account, region);
    HASH_ADD_STR(registry->accounts, key, made);
    return made;
}

void record_set_reserved(struct function_record *record, const char *value)
{
    struct account_concurrency *sum = find_or_make(record->registry, record->account, record->region);
    CLEANUP(json_freep) cJSON *document = NULL;
    struct err err;
    if (record->reserved != CONCURRENCY_UNRESERVED) {
        assert(sum->reserved >= (uint64_t)record->reserved);
        sum->reserved -= (uint64_t)record->reserved;
    }
    record->reserved = CONCURRENCY_UNRESERVED;
    if (value != NULL && json_parse(value, strlen(value), &document, &err) == 0)
        record->reserved = json_int(document, "ReservedConcurrentExecutions", CONCURRENCY_UNRESERVED);
    if (record->reserved != CONCURRENCY_UNRESERVED)
        sum->reserved += (uint64_t)record->reserved;
}

void registry_free_accounts(struct registry *registry)
{
    struct account_concurrency *account, *next;
    HASH_ITER(hh, registry->accounts, account, next) {
        HASH_DEL(registry->accounts, account);
        free(account);
    }
}

void registry_concurrency(void *arg, const struct function_version *version, struct concurrency *ret)
{
    struct registry *registry = arg;
    const struct function_record *record = record_lookup(registry, version->account, version->region, version->name);
    ret->reserved = record != NULL ? record->reserved : CONCURRENCY_UNRESERVED;
    ret->account_reserved = registry_account_reserved(registry, version->account, version->region);
}

int64_t registry_reserved(const struct function_record *record)
{
    return record->reserved;
}

uint64_t registry_account_reserved(struct registry *registry, const char *account, const char *region)
{
    const struct account_concurrency *sum = find(registry, account, region);
    return sum != NULL ? sum->reserved : 0;
}
