/* How many invocations may run at once: per account and region. Reserved and provisioned concurrency of single functions join
 * here, in front of the account's limit. Loop thread only.
 *
 *     if (admission_enter(admission, version, &slot, &reason)) ... admission_leave(slot);
 */
#pragma once

#include <stdbool.h>

struct admission;
struct admission_slot; /* what one admitted invocation occupies */
struct function_version;

struct admission *admission_new(unsigned account_concurrency); /* NULL: no memory */
void admission_free(struct admission *admission);              /* all slots have been left */
/* False with AWS's reason (static) when a limit is reached. */
bool admission_enter(struct admission *admission, const struct function_version *version, struct admission_slot **ret_slot,
                     const char **ret_reason);
void admission_leave(struct admission_slot *slot); /* NULL is allowed */
