/* The resource policies of functions as documents: what AddPermission writes and GetPolicy shows. Pure; any thread.
 *
 *     cJSON *statement = policy_statement(input, resource_arn, "aws");     // NULL: the principal is invalid
 *     policy_add(&policy, statement);
 *
 * Source: https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html and recorded answers.
 */
#pragma once

#include "lib/json/json.h"

#define POLICY_BYTES_MAX 20480 /* https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (resource-based policy) */

/* The domain name of a service, and an account's number. */
bool policy_is_service(const char *principal);
bool policy_is_account(const char *principal);
/* A statement from AddPermission's input, owned; NULL if its Principal is none. */
cJSON *policy_statement(const cJSON *input, const char *resource, const char *partition);
/* Appends a statement (taken); *policy NULL: a new policy. */
void policy_add(cJSON **policy, cJSON *statement);
bool policy_has(const cJSON *policy, const char *sid);
/* Takes the statement out, which must be there. False: the policy is empty now. */
bool policy_remove(cJSON *policy, const char *sid);
