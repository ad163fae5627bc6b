/* How many invocations may run at once. A version has what is provisioned for it. A function with reserved concurrency has that many
 * and no more, of which its other versions share what is not provisioned; all other functions share what their account and region have
 * left. Loop thread only.
 *
 *     if (admission_enter(admission, version, &slot, &reason)) ... admission_leave(slot);
 */
#pragma once

#include <stdbool.h>

#include "host/registry/concurrency.h"

struct admission;
struct admission_slot; /* what one admitted invocation occupies */
struct function_version;

/* concurrency: NULL: nothing is reserved. NULL: no memory. */
struct admission *admission_new(unsigned account_concurrency, concurrency_fn *concurrency, void *concurrency_arg);
void admission_free(struct admission *admission); /* all slots have been left */
/* False with AWS's reason (static) when a limit is reached. */
bool admission_enter(struct admission *admission, const struct function_version *version, struct admission_slot **ret_slot,
                     const char **ret_reason);
void admission_leave(struct admission_slot *slot); /* NULL is allowed */
/* A reservation was made or taken back: what runs now counts where it belongs. */
void admission_reserve(struct admission *admission, const char *account, const char *region, const char *function, bool reserved);
/* The same of a version's provisioned concurrency; the function's is asked for. */
void admission_provision(struct admission *admission, const struct function_version *version, unsigned provisioned);
