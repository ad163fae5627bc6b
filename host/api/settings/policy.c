/* The resource policies of functions as documents. */
#include "host/api/settings/policy.h"

#include <assert.h>
#include <string.h>

#include "lib/base/strutil.h"

/* Among them the two of Alexa, which are not under amazonaws.com
 * (https://docs.aws.amazon.com/lambda/latest/dg/services-alexa.html). */
bool policy_is_service(const char *principal)
{
    return str_ends(principal, ".amazonaws.com") || str_ends(principal, ".amazonaws.com.cn") || str_ends(principal, ".amazon.com");
}

bool policy_is_account(const char *principal)
{
    return strlen(principal) == 12 && strspn(principal, "0123456789") == 12;
}

static cJSON *principal_of(const char *principal, const char *partition)
{
    if (str_eq(principal, "*"))
        return cJSON_CreateString("*");
    cJSON *who = cJSON_CreateObject();
    if (policy_is_service(principal)) {
        cJSON_AddStringToObject(who, "Service", principal);
        return who;
    }
    if (policy_is_account(principal)) {
        CLEANUP(freep) char *arn = str_format("arn:%s:iam::%s:root", partition, principal);
        cJSON_AddStringToObject(who, "AWS", arn);
        return who;
    }
    if (str_starts(principal, "arn:")) {
        cJSON_AddStringToObject(who, "AWS", principal);
        return who;
    }
    cJSON_Delete(who);
    return NULL;
}

static const cJSON *value_of(const cJSON *input, const char *member)
{
    const cJSON *value = json_get(input, member);
    return cJSON_IsString(value) || cJSON_IsBool(value) ? value : NULL;
}

/* In the order of the members; each under its operator, made on first use. */
static cJSON *condition_of(const cJSON *input)
{
    static const struct {
        const char *member, *operator, * key;
    } conditions[] = {
        {"SourceAccount", "StringEquals", "AWS:SourceAccount"},
        {"PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"},
        {"OrganizationId", "StringEquals", "aws:PrincipalOrgID"}, /* what AddLayerVersionPermission calls it */
        {"EventSourceToken", "StringEquals", "lambda:EventSourceToken"},
        {"FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"},
        {"SourceArn", "ArnLike", "AWS:SourceArn"},
        {"InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"},
    };
    cJSON *condition = NULL;
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        const cJSON *value = value_of(input, conditions[i].member);
        if (value == NULL)
            continue;
        if (condition == NULL)
            condition = cJSON_CreateObject();
        cJSON *operator= json_get(condition, conditions[i].operator);
        if (operator== NULL)
            operator= cJSON_AddObjectToObject(condition, conditions[i].operator);
        const char *text = cJSON_IsString(value) ? value->valuestring : cJSON_IsTrue(value) ? "true" : "false";
        cJSON_AddStringToObject(operator, conditions[i].key, text);
    }
    return condition;
}

cJSON *policy_statement(const cJSON *input, const char *resource, const char *partition)
{
    const char *who = json_str(input, "Principal");
    cJSON *principal = principal_of(who != NULL ? who : "", partition);
    if (principal == NULL)
        return NULL;
    cJSON *statement = cJSON_CreateObject();
    cJSON_AddStringToObject(statement, "Sid", json_str(input, "StatementId"));
    cJSON_AddStringToObject(statement, "Effect", "Allow");
    cJSON_AddItemToObject(statement, "Principal", principal);
    cJSON_AddStringToObject(statement, "Action", json_str(input, "Action"));
    cJSON_AddStringToObject(statement, "Resource", resource);
    cJSON *condition = condition_of(input);
    if (condition != NULL)
        cJSON_AddItemToObject(statement, "Condition", condition);
    return statement;
}

void policy_add(cJSON **policy, cJSON *statement)
{
    if (*policy == NULL) {
        *policy = cJSON_CreateObject();
        cJSON_AddStringToObject(*policy, "Version", "2012-10-17");
        cJSON_AddStringToObject(*policy, "Id", "default");
        cJSON_AddArrayToObject(*policy, "Statement");
    }
    cJSON_AddItemToArray(json_get(*policy, "Statement"), statement);
}

static int index_of(const cJSON *policy, const char *sid)
{
    const cJSON *list = json_get(policy, "Statement"), *statement;
    int i = 0;
    cJSON_ArrayForEach(statement, list) {
        const char *own = json_str(statement, "Sid");
        if (own != NULL && str_eq(own, sid))
            return i;
        i++;
    }
    return -1;
}

bool policy_has(const cJSON *policy, const char *sid)
{
    return index_of(policy, sid) >= 0;
}

bool policy_remove(cJSON *policy, const char *sid)
{
    int i = index_of(policy, sid);
    assert(i >= 0);
    cJSON *list = json_get(policy, "Statement");
    cJSON_DeleteItemFromArray(list, i);
    return cJSON_GetArraySize(list) > 0;
}
