/* How long an idle worker is kept: a policy behind one function, so that a better one (histograms of arrival times) can take the
 * place of the fixed time. Loop thread only. */
#pragma once

#include <stdint.h>

struct function_version;

struct keep_alive {
    int64_t (*idle_us)(const struct keep_alive *policy, const struct function_version *version);
    int64_t fixed_us;
};

static inline int64_t keep_alive_fixed_us(const struct keep_alive *policy, const struct function_version *version)
{
    (void)version;
    return policy->fixed_us;
}

static inline struct keep_alive keep_alive_fixed(int64_t us)
{
    return (struct keep_alive){.idle_us = keep_alive_fixed_us, .fixed_us = us};
}
