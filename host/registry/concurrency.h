/* Who may run how much: reserved and provisioned concurrency of functions, and what their account has left. The numbers of
 * the settings, kept ready for every invocation. Loop thread only. */
#pragma once

#include <stdint.h>

struct function_record;
struct function_version;
struct registry;

#define CONCURRENCY_UNRESERVED (-1)

struct concurrency {
    int64_t reserved;             /* of the function; CONCURRENCY_UNRESERVED: none */
    uint64_t provisioned;         /* of the function, within its reservation if it has one */
    uint64_t version_provisioned; /* of this version */
    uint64_t account_claimed;     /* by all functions of its account and region: what is reserved, and what is provisioned without that */
};

/* Who tells the dispatcher. */
typedef void concurrency_fn(void *arg, const struct function_version *version, struct concurrency *ret);

/* A concurrency_fn; arg is the registry. The version's function may be gone: then it has no reservation. */
void registry_concurrency(void *arg, const struct function_version *version, struct concurrency *ret);
int64_t registry_reserved(const struct function_record *record);
/* What it takes out of its account: its reservation, else what is provisioned. */
uint64_t registry_claimed(const struct function_record *record);
uint64_t registry_account_claimed(struct registry *registry, const char *account, const char *region);
/* The same with what is promised to writes that are not on the disk yet: what a new claim is checked against. */
uint64_t registry_account_promised(struct registry *registry, const char *account, const char *region);
/* The function will claim that much once the settings that its caller writes next are on the disk. Taken back when that write is over,
 * whichever way. */
void registry_promise(struct function_record *record, uint64_t claim);
