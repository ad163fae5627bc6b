/* Calls that the policy has an opinion on, as a table: what a worker does and what it must get. Arguments are
 * chosen so that the kernel by itself would answer otherwise, even to root; an EPERM then proves the filter.
 */
#pragma once

#include <stddef.h>

struct policy_call {
    const char *name;
    int (*fn)(void); /* 0 or errno */
    int want;        /* 0 or errno */
};

extern const struct policy_call policy_calls[];
extern const size_t policy_call_count;
