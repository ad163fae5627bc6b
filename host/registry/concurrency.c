/* Reserved and provisioned concurrency as numbers: both with each function, one sum for each account and region. */
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
    uint64_t claimed, promised;
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

/* What the function has for itself: its reservation, which includes what is provisioned, or that alone. */
static uint64_t claim_of(const struct function_record *record)
{
    return record->reserved != CONCURRENCY_UNRESERVED ? (uint64_t)record->reserved : record->provisioned;
}

static void set_claim(struct function_record *record, int64_t reserved, uint64_t provisioned)
{
    struct account_concurrency *sum = find_or_make(record->registry, record->account, record->region);
    assert(sum->claimed >= claim_of(record));
    sum->claimed -= claim_of(record);
    record->reserved = reserved;
    record->provisioned = provisioned;
    sum->claimed += claim_of(record);
}

void record_set_reserved(struct function_record *record, const char *value)
{
    CLEANUP(json_freep) cJSON *document = NULL;
    struct err err;
    int64_t reserved = CONCURRENCY_UNRESERVED;
    if (value != NULL && json_parse(value, strlen(value), &document, &err) == 0)
        reserved = json_int(document, "ReservedConcurrentExecutions", CONCURRENCY_UNRESERVED);
    set_claim(record, reserved, record->provisioned);
}

void record_set_provisioned(struct function_record *record, uint64_t sum)
{
    set_claim(record, record->reserved, sum);
}

void registry_promise(struct function_record *record, uint64_t claim)
{
    assert(!record->line.busy && record->promised == 0);
    if (claim <= claim_of(record))
        return;
    record->promised = claim - claim_of(record);
    find_or_make(record->registry, record->account, record->region)->promised += record->promised;
}

void record_end_promise(struct function_record *record)
{
    if (record->promised == 0)
        return;
    struct account_concurrency *sum = find(record->registry, record->account, record->region);
    assert(sum != NULL && sum->promised >= record->promised);
    sum->promised -= record->promised;
    record->promised = 0;
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
    *ret = (struct concurrency){.reserved = CONCURRENCY_UNRESERVED,
                                .account_claimed = registry_account_claimed(registry, version->account, version->region)};
    if (record == NULL)
        return;
    ret->reserved = record->reserved;
    ret->provisioned = record->provisioned;
    const struct version_row *row = record->provisioned > 0 ? record_row(record, version->version) : NULL;
    ret->version_provisioned = row != NULL ? row->provisioned : 0;
}

int64_t registry_reserved(const struct function_record *record)
{
    return record->reserved;
}

uint64_t registry_claimed(const struct function_record *record)
{
    return claim_of(record);
}

uint64_t registry_account_promised(struct registry *registry, const char *account, const char *region)
{
    const struct account_concurrency *sum = find(registry, account, region);
    return sum != NULL ? sum->claimed + sum->promised : 0;
}

uint64_t registry_account_claimed(struct registry *registry, const char *account, const char *region)
{
    const struct account_concurrency *sum = find(registry, account, region);
    return sum != NULL ? sum->claimed : 0;
}
