/* Concurrency limits; see admission.h. A function's counter lives while something of it runs, an account's while one of its
 * functions' does. */
#include "host/invoke/admission.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "host/registry/registry.h"

#define ACCOUNT_KEY_BYTES 48
#define FUNCTION_KEY_BYTES 256

struct account {
    UT_hash_handle hh;
    unsigned unreserved; /* invocations of functions without a reservation */
    unsigned functions;
    char key[ACCOUNT_KEY_BYTES]; /* "ACCOUNT REGION" */
};

struct admission_slot { /* a function; counted, not one each */
    UT_hash_handle hh;
    struct admission *admission;
    struct account *account;
    unsigned running;
    bool reserved;
    char key[FUNCTION_KEY_BYTES]; /* "ACCOUNT REGION NAME" */
};

struct admission {
    unsigned limit; /* of each account and region */
    concurrency_fn *concurrency; /* or NULL */
    void *concurrency_arg;
    struct account *accounts;
    struct admission_slot *functions;
};

struct admission *admission_new(unsigned account_concurrency, concurrency_fn *concurrency, void *concurrency_arg)
{
    struct admission *admission = calloc(1, sizeof *admission);
    if (admission)
        *admission = (struct admission){
            .limit = account_concurrency, .concurrency = concurrency, .concurrency_arg = concurrency_arg};
    return admission;
}

static void forget(struct admission_slot *slot)
{
    struct admission *admission = slot->admission;
    struct account *account = slot->account;
    HASH_DEL(admission->functions, slot);
    free(slot);
    if (--account->functions == 0) {
        HASH_DEL(admission->accounts, account);
        free(account);
    }
}

void admission_free(struct admission *admission)
{
    struct admission_slot *slot, *next;
    if (!admission)
        return;
    HASH_ITER(hh, admission->functions, slot, next)
        forget(slot);
    free(admission);
}

static struct account *account_get(struct admission *admission, const char *name, const char *region)
{
    char key[ACCOUNT_KEY_BYTES];
    struct account *account;
    snprintf(key, sizeof key, "%s %s", name, region);
    HASH_FIND_STR(admission->accounts, key, account);
    if (!account && (account = calloc(1, sizeof *account))) {
        snprintf(account->key, sizeof account->key, "%s", key);
        HASH_ADD_STR(admission->accounts, key, account);
    }
    return account;
}

static struct admission_slot *slot_find(const struct admission *admission, const char *account, const char *region, const char *function)
{
    char key[FUNCTION_KEY_BYTES];
    struct admission_slot *slot;
    snprintf(key, sizeof key, "%s %s %s", account, region, function);
    HASH_FIND_STR(admission->functions, key, slot);
    return slot;
}

/* A new one is idle; NULL: no memory. */
static struct admission_slot *slot_get(struct admission *admission, const struct function_version *version)
{
    struct admission_slot *slot = slot_find(admission, version->account, version->region, version->name);
    struct account *account = slot ? slot->account : account_get(admission, version->account, version->region);
    if (slot || !account)
        return slot;
    if ((slot = calloc(1, sizeof *slot))) {
        slot->admission = admission;
        slot->account = account;
        account->functions++;
        snprintf(slot->key, sizeof slot->key, "%s %s %s", version->account, version->region, version->name);
        HASH_ADD_STR(admission->functions, key, slot);
    } else if (account->functions == 0) {
        HASH_DEL(admission->accounts, account);
        free(account);
    }
    return slot;
}

static void set_reserved(struct admission_slot *slot, bool reserved)
{
    if (slot->reserved == reserved)
        return;
    slot->reserved = reserved;
    if (reserved)
        slot->account->unreserved -= slot->running;
    else
        slot->account->unreserved += slot->running;
}

/* AWS's reason, or NULL: there is room. */
static const char *refusal(const struct admission *admission, const struct admission_slot *slot, const struct concurrency *may)
{
    if (slot->reserved)
        return slot->running >= (uint64_t)may->reserved ? "ReservedFunctionConcurrentInvocationLimitExceeded" : NULL;
    uint64_t shared = may->account_reserved < admission->limit ? admission->limit - may->account_reserved : 0;
    return slot->account->unreserved >= shared ? "ConcurrentInvocationLimitExceeded" : NULL;
}

bool admission_enter(struct admission *admission, const struct function_version *version, struct admission_slot **ret_slot,
                     const char **ret_reason)
{
    struct concurrency may = {.reserved = CONCURRENCY_UNRESERVED};
    struct admission_slot *slot = slot_get(admission, version);
    if (!slot) {
        *ret_reason = "ConcurrentInvocationLimitExceeded";
        return false;
    }
    if (admission->concurrency)
        admission->concurrency(admission->concurrency_arg, version, &may);
    set_reserved(slot, may.reserved != CONCURRENCY_UNRESERVED);
    const char *reason = refusal(admission, slot, &may);
    if (reason) {
        *ret_reason = reason;
        if (slot->running == 0)
            forget(slot);
        return false;
    }
    slot->running++;
    if (!slot->reserved)
        slot->account->unreserved++;
    *ret_slot = slot;
    return true;
}

void admission_leave(struct admission_slot *slot)
{
    if (!slot)
        return;
    if (!slot->reserved)
        slot->account->unreserved--;
    if (--slot->running == 0)
        forget(slot);
}

void admission_reserve(struct admission *admission, const char *account, const char *region, const char *function, bool reserved)
{
    struct admission_slot *slot = slot_find(admission, account, region, function);
    if (slot)
        set_reserved(slot, reserved);
}
