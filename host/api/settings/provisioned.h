/* What UpdateAlias does to an alias with provisioned concurrency: its traffic stays where it is, by a weight of 1 as on AWS, until the
 * version that it moves to has its sandboxes (host/registry/provisioned.h then lets it go).
 *
 *     provisioned_alias_begin(record, name, alias, &move);        // alias as it is; loses the weight that held it
 *     ... the update's changes to alias; provisioned_alias_check(call, &move, alias) ...
 *     char *setting = provisioned_alias_end(&move, alias, ...);   // to be written with the alias
 */
#pragma once

#include "host/api/call.h"

struct alias_move {
    bool provisioned;
    uint64_t requested, from, serves; /* from: it has been moving, from there; serves: the version that has its traffic */
    int64_t modified_ms;
    char version[21]; /* before the update */
};

void provisioned_alias_begin(struct function_record *record, const char *name, cJSON *alias, struct alias_move *ret_move);
/* False: the call has failed. */
bool provisioned_alias_check(struct api_call *call, const struct alias_move *move, const cJSON *alias);
/* The new provisioned setting, malloc'd; NULL: the alias has none. routing_given: the update names a RoutingConfig, be it empty. */
char *provisioned_alias_end(const struct alias_move *move, cJSON *alias, bool routing_given);
