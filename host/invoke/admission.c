/* Concurrency limits; see admission.h. What a version runs within its provisioned concurrency is its own, as far as the function has
 * claimed it: while an alias moves, two versions have the sandboxes of one claim. What is beyond is counted with the function, and for a
 * function without a reservation with its account. A counter lives while something runs.
 *
 * Everything is counted twice, against the same limits: who waits for an answer, and whose sandbox runs. The first decides who is
 * admitted at all, the second who may run anywhere but in a sandbox that another gives back. */
#include "host/invoke/admission.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "host/registry/registry.h"

#define ACCOUNT_KEY_BYTES 48
#define FUNCTION_KEY_BYTES 256

enum { ASKED, ROOMS, COUNTS };

static const unsigned counts_of[][COUNTS] = {
    [ADMISSION_OUT] = {[ASKED] = 0, [ROOMS] = 0},
    [ADMISSION_HELD] = {[ASKED] = 1, [ROOMS] = 0},
    [ADMISSION_RUNNING] = {[ASKED] = 1, [ROOMS] = 1},
    [ADMISSION_SETTLING] = {[ASKED] = 0, [ROOMS] = 1},
};

struct account {
    UT_hash_handle hh;
    unsigned beyond[COUNTS]; /* of functions without a reservation */
    unsigned functions;
    TAILQ_HEAD(, admission_place) held; /* in the order they came */
    char key[ACCOUNT_KEY_BYTES];        /* "ACCOUNT REGION" */
};

struct function {
    UT_hash_handle hh;
    struct account *account;
    unsigned running[COUNTS];
    unsigned own[COUNTS]; /* what its versions run of that within what is provisioned for each */
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
    unsigned running[COUNTS], provisioned;
};

struct admission {
    unsigned limit;              /* of each account and region */
    concurrency_fn *concurrency; /* or NULL */
    void *concurrency_arg;
    struct account *accounts;
    struct function *functions;
    struct admission_slot *versions;
    admission_room_fn *on_room;
    void *on_room_arg;
};

struct admission *admission_new(unsigned account_concurrency, concurrency_fn *concurrency, void *concurrency_arg)
{
    struct admission *admission = calloc(1, sizeof *admission);
    if (!admission)
        return NULL;
    *admission = (struct admission){.limit = account_concurrency, .concurrency = concurrency, .concurrency_arg = concurrency_arg};
    return admission;
}

void admission_on_room(struct admission *admission, admission_room_fn *on_room, void *arg)
{
    admission->on_room = on_room;
    admission->on_room_arg = arg;
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
        TAILQ_INIT(&account->held);
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

static unsigned beyond(const struct function *function, int count)
{
    return function->running[count] - least(function->own[count], function->provisioned);
}

/* Around a change of the function's numbers: what lies beyond them is its account's. */
static void uncount(const struct function *function)
{
    for (int i = 0; i < COUNTS && !function->reserved; i++)
        function->account->beyond[i] -= beyond(function, i);
}

static void count(const struct function *function)
{
    for (int i = 0; i < COUNTS && !function->reserved; i++)
        function->account->beyond[i] += beyond(function, i);
}

static void set_counts(struct admission_slot *slot, const unsigned running[COUNTS], unsigned provisioned)
{
    struct function *function = slot->function;
    uncount(function);
    for (int i = 0; i < COUNTS; i++) {
        function->running[i] = function->running[i] - slot->running[i] + running[i];
        function->own[i] = function->own[i] - least(slot->running[i], slot->provisioned) + least(running[i], provisioned);
        slot->running[i] = running[i];
    }
    slot->provisioned = provisioned;
    count(function);
}

static void set_version_provisioned(struct admission_slot *slot, unsigned provisioned)
{
    const unsigned running[COUNTS] = {[ASKED] = slot->running[ASKED], [ROOMS] = slot->running[ROOMS]};
    set_counts(slot, running, provisioned);
}

static void set_provisioned(struct function *function, uint64_t provisioned)
{
    uncount(function);
    function->provisioned = (unsigned)provisioned;
    count(function);
}

static void set_reserved(struct function *function, bool reserved)
{
    uncount(function);
    function->reserved = reserved;
    count(function);
}

static void set_standing(struct admission_place *place, enum admission_standing standing)
{
    struct admission_slot *slot = place->slot;
    unsigned running[COUNTS];
    for (int i = 0; i < COUNTS; i++)
        running[i] = slot->running[i] - counts_of[place->standing][i] + counts_of[standing][i];
    if (place->standing == ADMISSION_HELD)
        TAILQ_REMOVE(&slot->function->account->held, place, link);
    if (standing == ADMISSION_HELD)
        TAILQ_INSERT_TAIL(&slot->function->account->held, place, link);
    set_counts(slot, running, slot->provisioned);
    place->standing = standing;
}

/* What the settings say now. */
static void look_up(struct admission_slot *slot, const struct function_version *version, struct concurrency *ret_may)
{
    const struct admission *admission = slot->admission;
    struct concurrency may = {.reserved = CONCURRENCY_UNRESERVED};
    if (admission->concurrency)
        admission->concurrency(admission->concurrency_arg, version, &may);
    set_reserved(slot->function, may.reserved != CONCURRENCY_UNRESERVED);
    set_provisioned(slot->function, may.provisioned);
    set_version_provisioned(slot, (unsigned)may.version_provisioned);
    *ret_may = may;
}

/* AWS's reason, or NULL: there is room. */
static const char *refusal(const struct admission_slot *slot, const struct concurrency *may, int count)
{
    const struct function *function = slot->function;
    unsigned limit = slot->admission->limit;
    bool own = slot->running[count] < slot->provisioned && function->own[count] < function->provisioned;
    if (function->reserved) {
        uint64_t reserved = (uint64_t)may->reserved, shared = may->provisioned < reserved ? reserved - may->provisioned : 0;
        bool full = function->running[count] >= reserved || (!own && beyond(function, count) >= shared);
        return full ? "ReservedFunctionConcurrentInvocationLimitExceeded" : NULL;
    }
    uint64_t shared = may->account_claimed < limit ? limit - may->account_claimed : 0;
    return !own && function->account->beyond[count] >= shared ? "ConcurrentInvocationLimitExceeded" : NULL;
}

static void forget_idle(struct admission_slot *slot)
{
    if (slot->running[ASKED] == 0 && slot->running[ROOMS] == 0)
        forget(slot);
}

bool admission_enter(struct admission *admission, const struct function_version *version, struct admission_place *place,
                     const char **ret_reason)
{
    struct concurrency may;
    struct admission_slot *slot = slot_get(admission, version);
    if (!slot) {
        *ret_reason = "ConcurrentInvocationLimitExceeded";
        return false;
    }
    look_up(slot, version, &may);
    const char *reason = refusal(slot, &may, ASKED);
    if (reason) {
        *ret_reason = reason;
        forget_idle(slot);
        return false;
    }
    *place = (struct admission_place){.slot = slot, .version = version, .reason = refusal(slot, &may, ROOMS)};
    set_standing(place, place->reason ? ADMISSION_HELD : ADMISSION_RUNNING);
    return true;
}

void admission_run(struct admission_place *place)
{
    if (place->standing == ADMISSION_HELD)
        set_standing(place, ADMISSION_RUNNING);
}

void admission_answered(struct admission_place *place)
{
    if (place->standing == ADMISSION_RUNNING)
        set_standing(place, ADMISSION_SETTLING);
}

static bool share_a_limit(const struct function *a, const struct function *b)
{
    return a == b || (!a->reserved && !b->reserved && a->account == b->account);
}

/* The numbers of function, or with NULL the settings, have changed: lets in the first of the account who was held and for whom there is
 * room now. */
static bool let_in(const struct admission *admission, struct account *account, const struct function *function)
{
    struct admission_place *place;
    const struct admission_slot *refused = NULL; /* a version's visits come in a row, and what is refused to one is to all */
    struct concurrency may;
    TAILQ_FOREACH(place, &account->held, link) {
        if (place->slot == refused || (function && !share_a_limit(place->slot->function, function)))
            continue;
        look_up(place->slot, place->version, &may);
        if (refusal(place->slot, &may, ROOMS)) {
            refused = place->slot;
            continue;
        }
        set_standing(place, ADMISSION_RUNNING);
        admission->on_room(admission->on_room_arg, place);
        return true;
    }
    return false;
}

/* Settings have changed, perhaps of a function that runs nothing: its claim was everybody's loss. */
static void let_all_in(const struct admission *admission)
{
    for (struct account *account = admission->accounts; account; account = account->hh.next)
        while (let_in(admission, account, NULL))
            ;
}

void admission_leave(struct admission_place *place)
{
    struct admission_slot *slot = place->slot;
    if (!slot)
        return;
    bool had_room = counts_of[place->standing][ROOMS] > 0;
    set_standing(place, ADMISSION_OUT);
    place->slot = NULL;
    if (had_room)
        let_in(slot->admission, slot->function->account, slot->function);
    forget_idle(slot);
}

void admission_reserve(struct admission *admission, const char *account, const char *region, const char *function, bool reserved)
{
    struct function *found = function_find(admission, account, region, function);
    if (found)
        set_reserved(found, reserved);
    let_all_in(admission);
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
        set_version_provisioned(slot, provisioned);
    let_all_in(admission);
}
