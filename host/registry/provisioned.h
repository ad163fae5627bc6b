/* Provisioned concurrency as the settings of a function say it, turned into how many sandboxes each of its versions should have. Who
 * makes them is host/invoke/provision.h. Loop thread only.
 *
 *     registry_on_provisioned(registry, provision_set, provision);       // told of every version and number, now and at each change
 *     registry_provisioned_reached(registry, version);                   // it has them: aliases that wait for that move on
 *
 * An alias that moves while it has provisioned concurrency goes on sending its traffic to the old version, by a weight of 1 as on AWS,
 * until the new one has all its sandboxes; the setting remembers from where, so that a crash in between loses nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct function_record;
struct function_version;
struct registry;

/* Of one alias or version; borrowed until the next change of the function. */
struct provisioned_part {
    struct function_version *version;
    uint64_t share;  /* of that version's sandboxes */
    uint64_t before; /* what other aliases have of them first */
};

struct provisioned_config {
    const char *qualifier;
    uint64_t requested;
    int64_t modified_ms;
    bool moving; /* the part is what the alias moves to */
    struct provisioned_part parts[2];
    size_t part_count;
};

/* By qualifier; the caller frees *ret_configs. */
size_t registry_provisioned(struct function_record *record, struct provisioned_config **ret_configs);
/* False: there is none for that qualifier. */
bool registry_provisioned_find(struct function_record *record, const char *qualifier, struct provisioned_config *ret_config);
/* All that is requested for the function. */
uint64_t registry_provisioned_sum(const struct function_record *record);

/* The setting. moves_from: a version's number, or 0; malloc'd. */
char *provisioned_value(uint64_t requested, int64_t modified_ms, uint64_t moves_from);
/* What moves_from is now; 0: none, or no such setting. */
uint64_t registry_provisioned_moves_from(const struct function_record *record, const char *qualifier);

/* wanted: 0 for one that needs no more. version is borrowed. */
typedef void registry_provisioned_fn(void *arg, struct function_version *version, unsigned wanted);
/* At most one listener; it hears of all at once. */
void registry_on_provisioned(struct registry *registry, registry_provisioned_fn *fn, void *arg);
void registry_provisioned_reached(struct registry *registry, const struct function_version *version);
