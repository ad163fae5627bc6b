/* Concurrency limits; see admission.h. An account's counter lives while something of it runs. */
#include "host/invoke/admission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "host/registry/registry.h"

struct admission_slot { /* an account in a region; counted, not one each */
    struct admission *admission;
    char key[64];
    unsigned running;
    UT_hash_handle hh;
};

struct admission {
    unsigned limit;
    struct admission_slot *accounts;
};

struct admission *admission_new(unsigned account_concurrency)
{
    struct admission *admission = calloc(1, sizeof *admission);
    if (admission)
        admission->limit = account_concurrency;
    return admission;
}

void admission_free(struct admission *admission)
{
    struct admission_slot *slot, *next;
    if (!admission)
        return;
    HASH_ITER(hh, admission->accounts, slot, next) {
        HASH_DEL(admission->accounts, slot);
        free(slot);
    }
    free(admission);
}

bool admission_enter(struct admission *admission, const struct function_version *version, struct admission_slot **ret_slot,
                     const char **ret_reason)
{
    char key[sizeof((struct admission_slot *)0)->key];
    snprintf(key, sizeof key, "%s/%s", version->account, version->region);
    struct admission_slot *slot;
    HASH_FIND_STR(admission->accounts, key, slot);
    if (!slot && (slot = calloc(1, sizeof *slot))) {
        slot->admission = admission;
        memcpy(slot->key, key, sizeof key);
        HASH_ADD_STR(admission->accounts, key, slot);
    }
    if (!slot || slot->running >= admission->limit) {
        *ret_reason = "ConcurrentInvocationLimitExceeded";
        return false;
    }
    slot->running++;
    *ret_slot = slot;
    return true;
}

void admission_leave(struct admission_slot *slot)
{
    if (!slot || --slot->running > 0)
        return;
    HASH_DEL(slot->admission->accounts, slot);
    free(slot);
}
