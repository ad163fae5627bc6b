/* Whether a document is a resource policy, and what it may be about: IAM's grammar as far as it goes without knowing who exists.
 * Pure; any thread.
 *
 *     const struct policy_owner owner = {function_arn, target_arn};
 *     if (policy_parse(text, &owner, &policy, &err) < 0) ...
 *
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html and
 * https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
 */
#pragma once

#include "lib/json/json.h"

struct policy_owner {              /* ARNs, borrowed */
    const char *function, *target; /* target: of the alias or version that the policy belongs to, else the function's again */
};

/* The policy, owned, in the one form that is stored: Statement is a list, even of one. ERR_INVALID, with what is wrong, for anything
 * else. */
int policy_parse(const char *text, const struct policy_owner *owner, cJSON **ret_policy, struct err *err) WARN_UNUSED;
