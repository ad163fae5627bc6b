/* Concurrency limits; see admission.h. What a version runs within its provisioned concurrency is its own, as far as the function has
 * claimed it: while an alias moves, two versions have the sandboxes of one claim. What is beyond is counted with the function, and for a
 * function without a reservation with its account. A counter lives while something runs. */
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
    unsigned beyond; /* of functions without a reservation */
    unsigned functions;
    char key[ACCOUNT_KEY_BYTES]; /* "ACCOUNT REGION" */
};

struct function {
    UT_hash_handle hh;
    struct account *account;
    unsigned running;
    unsigned own;         /* what its versions run of that within what is provisioned for each */
    unsigned provisioned; /* of the function: no more than that is its own */
    unsigned versions;
    bool reserved;
    char key[FUNCTION_KEY_BYTES]; /* "ACCOUNT REGION NAME" */
};

struct admission_slot { /* a version; counted, not one each */
    UT_hash_handle hh;
    struct admission *admission;
    struct function *function;
    uint64_t key;
    unsigned running, provisioned;
};

struct admission {
    unsigned limit;              /* of each account and region */
    concurrency_fn *concurrency; /* or NULL */
    void *concurrency_arg;
    struct account *accounts;
    struct function *functions;
    struct admission_slot *versions;
};

struct admission *admission_new(unsigned account_concurrency, concurrency_fn *concurrency, void *concurrency_arg)
{
    struct admission *admission = calloc(1, sizeof *admission);
    if (admission)
        *admission = (struct admission){.limit = account_concurrency, .concurrency = concurrency, .concurrency_arg = concurrency_arg};
    return admission;
}

static void forget_function(struct admission *admission, struct function *function)
{
    struct account *account = function->account;
    HASH_DEL(admission->functions, function);
    free(function);
    if (--account->functions == 0) {
        HASH_DEL(admission->accounts, account);
        free(account);
    }
}

static void forget(struct admission_slot *slot)
{
    struct admission *admission = slot->admission;
    struct function *function = slot->function;
    HASH_DEL(admission->versions, slot);
    free(slot);
    if (--function->versions == 0)
        forget_function(admission, function);
}

void admission_free(struct admission *admission)
{
    struct admission_slot *slot, *next;
    if (!admission)
        return;
    HASH_ITER(hh, admission->versions, slot, next)
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

static struct function *function_find(const struct admission *admission, const char *account, const char *region, const char *name)
{
    char key[FUNCTION_KEY_BYTES];
    struct function *function;
    snprintf(key, sizeof key, "%s %s %s", account, region, name);
    HASH_FIND_STR(admission->functions, key, function);
    return function;
}

/* A new one has no versions; NULL: no memory. */
static struct function *function_get(struct admission *admission, const struct function_version *version)
{
    struct function *function = function_find(admission, version->account, version->region, version->name);
    struct account *account = function ? function->account : account_get(admission, version->account, version->region);
    if (function || !account)
        return function;
    if ((function = calloc(1, sizeof *function))) {
        function->account = account;
        account->functions++;
        snprintf(function->key, sizeof function->key, "%s %s %s", version->account, version->region, version->name);
        HASH_ADD_STR(admission->functions, key, function);
    } else if (account->functions == 0) {
        HASH_DEL(admission->accounts, account);
        free(account);
    }
    return function;
}

/* A new one is idle; NULL: no memory. */
static struct admission_slot *slot_get(struct admission *admission, const struct function_version *version)
{
    struct admission_slot *slot;
    HASH_FIND(hh, admission->versions, &version->key, sizeof version->key, slot);
    struct function *function = slot ? slot->function : function_get(admission, version);
    if (slot || !function)
        return slot;
    if ((slot = calloc(1, sizeof *slot))) {
        slot->admission = admission;
        slot->function = function;
        slot->key = version->key;
        function->versions++;
        HASH_ADD(hh, admission->versions, key, sizeof slot->key, slot);
    } else if (function->versions == 0) {
        forget_function(admission, function);
    }
    return slot;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned beyond(const struct function *function)
{
    return function->running - least(function->own, function->provisioned);
}

/* Numbers of the function have changed; before: what lay beyond then. */
static void recount(struct function *function, unsigned before)
{
    if (!function->reserved)
        function->account->beyond = function->account->beyond - before + beyond(function);
}

static void set_counts(struct admission_slot *slot, unsigned running, unsigned provisioned)
{
    struct function *function = slot->function;
    unsigned before = beyond(function);
    function->running = function->running - slot->running + running;
    function->own = function->own - least(slot->running, slot->provisioned) + least(running, provisioned);
    slot->running = running;
    slot->provisioned = provisioned;
    recount(function, before);
}

static void set_provisioned(struct function *function, uint64_t provisioned)
{
    unsigned before = beyond(function);
    function->provisioned = (unsigned)provisioned;
    recount(function, before);
}

static void set_reserved(struct function *function, bool reserved)
{
    if (function->reserved == reserved)
        return;
    function->reserved = reserved;
    if (reserved)
        function->account->beyond -= beyond(function);
    else
        function->account->beyond += beyond(function);
}

/* AWS's reason, or NULL: there is room. */
static const char *refusal(const struct admission *admission, const struct admission_slot *slot, const struct concurrency *may)
{
    const struct function *function = slot->function;
    bool own = slot->running < slot->provisioned && function->own < function->provisioned;
    if (function->reserved) {
        uint64_t reserved = (uint64_t)may->reserved, shared = may->provisioned < reserved ? reserved - may->provisioned : 0;
        bool full = function->running >= reserved || (!own && beyond(function) >= shared);
        return full ? "ReservedFunctionConcurrentInvocationLimitExceeded" : NULL;
    }
    uint64_t shared = may->account_claimed < admission->limit ? admission->limit - may->account_claimed : 0;
    return !own && function->account->beyond >= shared ? "ConcurrentInvocationLimitExceeded" : NULL;
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
    set_reserved(slot->function, may.reserved != CONCURRENCY_UNRESERVED);
    set_provisioned(slot->function, may.provisioned);
    set_counts(slot, slot->running, (unsigned)may.version_provisioned);
    const char *reason = refusal(admission, slot, &may);
    if (reason) {
        *ret_reason = reason;
        if (slot->running == 0)
            forget(slot);
        return false;
    }
    set_counts(slot, slot->running + 1, slot->provisioned);
    *ret_slot = slot;
    return true;
}

void admission_leave(struct admission_slot *slot)
{
    if (!slot)
        return;
    set_counts(slot, slot->running - 1, slot->provisioned);
    if (slot->running == 0)
        forget(slot);
}

void admission_reserve(struct admission *admission, const char *account, const char *region, const char *function, bool reserved)
{
    struct function *found = function_find(admission, account, region, function);
    if (found)
        set_reserved(found, reserved);
}

void admission_provision(struct admission *admission, const struct function_version *version, unsigned provisioned)
{
    struct concurrency may = {0};
    struct admission_slot *slot;
    struct function *function = function_find(admission, version->account, version->region, version->name);
    if (function && admission->concurrency) {
        admission->concurrency(admission->concurrency_arg, version, &may);
        set_provisioned(function, may.provisioned);
    }
    HASH_FIND(hh, admission->versions, &version->key, sizeof version->key, slot);
    if (slot)
        set_counts(slot, slot->running, provisioned);
}
