/* IAM's grammar of a policy, element by element. What is let through is what AddPermission, RemovePermission and GetPolicy can then
 * work on: statements in a list, each Sid once. */
#include "host/api/settings/policy_check.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "host/api/settings/policy.h"
#include "lib/base/strutil.h"

#define SID_MAX 100 /* StatementId in Lambda's model */
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define SID_CHARACTERS LETTERS "0123456789-_." /* likewise */
#define NUMBER_EXACT_MAX 9007199254740992.0    /* 2^53: what a double, and so cJSON, keeps to the last digit */

typedef bool text_fn(const char *text, const struct policy_owner *owner);

static bool is_member(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

static int check_members(const cJSON *object, const char *const *names, size_t count, const char *where, struct err *err)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, object) {
        if (!is_member(member->string, names, count))
            return err_set(err, ERR_INVALID, "%s has an unknown element: %.80s", where, member->string);
    }
    return 0;
}

/* A string or a list of some, each good. */
static bool texts_good(const cJSON *value, text_fn *good, const struct policy_owner *owner)
{
    if (cJSON_IsString(value))
        return good(value->valuestring, owner);
    const cJSON *text;
    cJSON_ArrayForEach(text, value) {
        if (!cJSON_IsString(text) || !good(text->valuestring, owner))
            return false;
    }
    return cJSON_IsArray(value) && value->child != NULL;
}

static bool is_some(const char *text, const struct policy_owner *owner)
{
    (void)owner;
    return *text != '\0';
}

static bool is_aws(const char *text, const struct policy_owner *owner)
{
    (void)owner;
    return str_eq(text, "*") || policy_is_account(text) || str_starts(text, "arn:");
}

static bool is_service(const char *text, const struct policy_owner *owner)
{
    (void)owner;
    return policy_is_service(text);
}

static bool is_action(const char *text, const struct policy_owner *owner)
{
    static const char vendor[] = "lambda:";
    (void)owner;
    if (str_eq(text, "*"))
        return true;
    const char *name = text + strlen(vendor);
    return strncasecmp(text, vendor, strlen(vendor)) == 0 && *name != '\0' && strspn(name, LETTERS "*?") == strlen(name);
}

/* IAM's * and ?. Not fnmatch(), which tries every way to split the text: a pattern of many * would keep the loop for hours. Here the
 * last * alone takes more, which is enough. */
static bool is_like(const char *text, const char *pattern)
{
    const char *star = NULL, *taken = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            taken = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++taken;
        } else {
            return false;
        }
    }
    return strspn(pattern, "*") == strlen(pattern);
}

/* The function, its versions and aliases, or a pattern that the policy's owner matches. */
static bool is_own_resource(const char *text, const struct policy_owner *owner)
{
    size_t len = strlen(owner->function);
    if (strncmp(text, owner->function, len) == 0 && (text[len] == ':' || text[len] == '\0'))
        return true;
    return is_like(owner->function, text) || is_like(owner->target, text);
}

static bool principal_good(const cJSON *principal)
{
    static const struct {
        const char *kind;
        text_fn *good;
    } kinds[] = {{"AWS", is_aws}, {"Service", is_service}, {"Federated", is_some}, {"CanonicalUser", is_some}};
    if (cJSON_IsString(principal))
        return str_eq(principal->valuestring, "*");
    const cJSON *who;
    cJSON_ArrayForEach(who, principal) {
        size_t i = 0;
        while (i < ARRAY_LEN(kinds) && (who->string == NULL || !str_eq(who->string, kinds[i].kind)))
            i++;
        if (i == ARRAY_LEN(kinds) || !texts_good(who, kinds[i].good, NULL))
            return false;
    }
    return cJSON_IsObject(principal) && principal->child != NULL;
}

/* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html */
static bool is_operator(const char *name)
{
    static const char *const operators[] = {"StringEquals",
                                            "StringNotEquals",
                                            "StringEqualsIgnoreCase",
                                            "StringNotEqualsIgnoreCase",
                                            "StringLike",
                                            "StringNotLike",
                                            "NumericEquals",
                                            "NumericNotEquals",
                                            "NumericLessThan",
                                            "NumericLessThanEquals",
                                            "NumericGreaterThan",
                                            "NumericGreaterThanEquals",
                                            "DateEquals",
                                            "DateNotEquals",
                                            "DateLessThan",
                                            "DateLessThanEquals",
                                            "DateGreaterThan",
                                            "DateGreaterThanEquals",
                                            "Bool",
                                            "BinaryEquals",
                                            "IpAddress",
                                            "NotIpAddress",
                                            "ArnEquals",
                                            "ArnLike",
                                            "ArnNotEquals",
                                            "ArnNotLike"};
    static const char if_exists[] = "IfExists";
    if (str_eq(name, "Null"))
        return true;
    if (str_starts(name, "ForAllValues:") || str_starts(name, "ForAnyValue:"))
        name = strchr(name, ':') + 1;
    size_t len = strlen(name);
    if (str_ends(name, if_exists))
        len -= strlen(if_exists);
    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (strlen(operators[i]) == len && strncmp(operators[i], name, len) == 0)
            return true;
    return false;
}

static bool value_good(const cJSON *value)
{
    return cJSON_IsString(value) || cJSON_IsBool(value) || (cJSON_IsNumber(value) && fabs(value->valuedouble) <= NUMBER_EXACT_MAX);
}

/* {"aws:SourceAccount": "111122223333", ...} */
static bool test_good(const cJSON *test)
{
    const cJSON *value, *one;
    cJSON_ArrayForEach(value, test) {
        if (value->string == NULL || *value->string == '\0' || (!cJSON_IsArray(value) && !value_good(value)))
            return false;
        if (!cJSON_IsArray(value))
            continue;
        cJSON_ArrayForEach(one, value) {
            if (!value_good(one))
                return false;
        }
    }
    return cJSON_IsObject(test) && test->child != NULL;
}

static int check_condition(const cJSON *condition, struct err *err)
{
    const cJSON *test;
    if (!cJSON_IsObject(condition))
        return err_set(err, ERR_INVALID, "Condition is not an object");
    cJSON_ArrayForEach(test, condition) {
        if (!is_operator(test->string))
            return err_set(err, ERR_INVALID, "Condition has an unknown operator: %.80s", test->string);
        if (!test_good(test))
            return err_set(err, ERR_INVALID, "Condition %s is not an object of values", test->string);
    }
    return 0;
}

/* The one of the two members that is there. */
static int one_of(const cJSON *statement, const char *name, const char *not_name, const cJSON **ret_value, struct err *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(statement, name);
    const cJSON *not_value = cJSON_GetObjectItemCaseSensitive(statement, not_name);
    if ((value == NULL) == (not_value == NULL))
        return err_set(err, ERR_INVALID, "a statement has %s %s and %s", value == NULL ? "neither" : "both", name, not_name);
    *ret_value = value != NULL ? value : not_value;
    return 0;
}

static int check_sid(const cJSON *statements, const cJSON *statement, struct err *err)
{
    const cJSON *sid = cJSON_GetObjectItemCaseSensitive(statement, "Sid"), *other;
    if (sid == NULL || (cJSON_IsString(sid) && *sid->valuestring == '\0')) /* an empty one is none, as elsewhere in AWS */
        return 0;
    if (!cJSON_IsString(sid) || strlen(sid->valuestring) > SID_MAX || strspn(sid->valuestring, SID_CHARACTERS) != strlen(sid->valuestring))
        return err_set(err, ERR_INVALID, "a Sid is not a string of up to %d letters, digits, '-', '_' and '.'", SID_MAX);
    cJSON_ArrayForEach(other, statements) {
        const char *its = other != statement ? json_str(other, "Sid") : NULL;
        if (its != NULL && str_eq(its, sid->valuestring))
            return err_set(err, ERR_INVALID, "two statements have the Sid %s", its);
    }
    return 0;
}

static int check_statement(const cJSON *statements, const cJSON *statement, const struct policy_owner *owner, struct err *err)
{
    static const char *const members[] = {"Sid",       "Effect",   "Principal",   "NotPrincipal", "Action",
                                          "NotAction", "Resource", "NotResource", "Condition"};
    const cJSON *value;
    if (!cJSON_IsObject(statement))
        return err_set(err, ERR_INVALID, "a statement is not an object");
    int r = check_members(statement, members, ARRAY_LEN(members), "a statement", err);
    if (r < 0 || (r = check_sid(statements, statement, err)) < 0)
        return r;
    const char *effect = json_str(statement, "Effect");
    if (effect == NULL || (!str_eq(effect, "Allow") && !str_eq(effect, "Deny")))
        return err_set(err, ERR_INVALID, "Effect is neither Allow nor Deny");
    if ((r = one_of(statement, "Principal", "NotPrincipal", &value, err)) < 0)
        return r;
    if (!principal_good(value))
        return err_set(err, ERR_INVALID, "%s is not \"*\" or an object of AWS accounts and ARNs, services or identities", value->string);
    if ((r = one_of(statement, "Action", "NotAction", &value, err)) < 0)
        return r;
    if (!texts_good(value, is_action, owner))
        return err_set(err, ERR_INVALID, "%s is not an action of Lambda, or a list of some", value->string);
    if ((r = one_of(statement, "Resource", "NotResource", &value, err)) < 0)
        return r;
    if (!texts_good(value, str_eq(value->string, "Resource") ? is_own_resource : is_some, owner))
        return err_set(err, ERR_INVALID, "%s is not %s, one of its versions or aliases, or a list of some", value->string, owner->function);
    value = cJSON_GetObjectItemCaseSensitive(statement, "Condition");
    return value != NULL ? check_condition(value, err) : 0;
}

static int check(const cJSON *policy, const struct policy_owner *owner, struct err *err)
{
    static const char *const members[] = {"Version", "Id", "Statement"};
    int r = check_members(policy, members, ARRAY_LEN(members), "the policy", err);
    if (r < 0)
        return r;
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(policy, "Version"), *id = cJSON_GetObjectItemCaseSensitive(policy, "Id");
    if (version != NULL &&
        (!cJSON_IsString(version) || (!str_eq(version->valuestring, "2012-10-17") && !str_eq(version->valuestring, "2008-10-17"))))
        return err_set(err, ERR_INVALID, "Version is neither 2012-10-17 nor 2008-10-17");
    if (id != NULL && !cJSON_IsString(id))
        return err_set(err, ERR_INVALID, "Id is not a string");
    const cJSON *statements = cJSON_GetObjectItemCaseSensitive(policy, "Statement"), *statement;
    if (!cJSON_IsArray(statements) || statements->child == NULL)
        return err_set(err, ERR_INVALID, "Statement is not a statement or a list of some");
    cJSON_ArrayForEach(statement, statements) {
        if ((r = check_statement(statements, statement, owner, err)) < 0)
            return r;
    }
    return 0;
}

/* {"Statement": {...}} means {"Statement": [{...}]}. */
static void make_list(cJSON *policy)
{
    if (!cJSON_IsObject(json_get(policy, "Statement")))
        return;
    cJSON *list = cJSON_CreateArray();
    cJSON_AddItemToArray(list, cJSON_DetachItemFromObjectCaseSensitive(policy, "Statement"));
    cJSON_AddItemToObject(policy, "Statement", list);
}

int policy_parse(const char *text, const struct policy_owner *owner, cJSON **ret_policy, struct err *err)
{
    CLEANUP(json_freep) cJSON *policy = NULL;
    int r = json_parse(text, strlen(text), &policy, err);
    if (r < 0)
        return r;
    if (!cJSON_IsObject(policy))
        return err_set(err, ERR_INVALID, "the policy is not an object");
    make_list(policy);
    if ((r = check(policy, owner, err)) < 0)
        return r;
    *ret_policy = STEAL(policy);
    return 0;
}
