/* AddPermission, RemovePermission, GetPolicy. A policy is a setting of its function, an alias or a version; its RevisionId is theirs,
 * so that each change of it makes a new one. */
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/handlers.h"
#include "host/api/settings/common.h"
#include "host/api/settings/policy.h"
#include "lib/aws/arn.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"

#define LATEST "$LATEST"

/* The function itself and $LATEST are the same. */
static const char *policy_key(const struct function_name *name)
{
    return str_eq(name->qualifier, LATEST) ? "" : name->qualifier;
}

/* The RevisionId of what the policy is about, malloc'd. */
static char *revision_of(struct function_record *record, const char *qualifier)
{
    struct function_facts facts;
    struct err err;
    CLEANUP(json_freep) cJSON *alias = setting_get(record, SETTING_ALIAS, qualifier);
    if (alias != NULL)
        return strdup(json_str(alias, "RevisionId"));
    return strdup(registry_describe(record, qualifier, &facts, &err) == 0 ? facts.revision_id : "");
}

/* False: the call has failed. */
static bool check_revision(struct api_call *call, struct function_record *record, const char *qualifier)
{
    CLEANUP(freep) char *current = revision_of(record, qualifier);
    struct err err;
    if (json_str(call->aws.input, "RevisionId") != NULL && *qualifier == '\0' && registry_check_idle(record, &err) < 0) {
        call_fail_err(call, &err); /* else the update and this could both be the one that changes it */
        return false;
    }
    return call_check_revision(call, current, "GetPolicy");
}

/* Writes the policy (text, or NULL: none is left) and a new RevisionId of what it is about; the call ends with output (taken). */
static void write_policy(struct api_call *call, struct function_record *record, const char *qualifier, const char *text, cJSON *output)
{
    struct setting_change changes[2] = {{SETTING_POLICY, qualifier, text}};
    struct setting_answer *answer = setting_answer(call, output);
    CLEANUP(json_freep) cJSON *alias = setting_get(record, SETTING_ALIAS, qualifier);
    if (alias == NULL) {
        int64_t version = 0;
        (void)str_to_i64(qualifier, 1, INT64_MAX, &version);
        registry_settings_revise(record, (uint64_t)version, changes, 1, setting_answered, answer);
        return;
    }
    char revision[ID_UUID_BYTES];
    id_uuid(revision);
    cJSON_ReplaceItemInObjectCaseSensitive(alias, "RevisionId", cJSON_CreateString(revision));
    CLEANUP(freep) char *alias_text = json_print(alias);
    changes[1] = (struct setting_change){SETTING_ALIAS, qualifier, alias_text};
    registry_settings_write(record, changes, 2, setting_answered, answer);
}

/* The statement that the call asks for, or NULL: the call has failed. */
static cJSON *new_statement(struct api_call *call, const struct function_name *name)
{
    const cJSON *input = call->aws.input;
    char arn[FUNCTION_ARN_BYTES];
    if (json_str(input, "FunctionUrlAuthType") != NULL && !str_eq(json_str(input, "Action"), "lambda:InvokeFunctionUrl")) {
        call_fail(call, "InvalidParameterValueException", "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action");
        return NULL;
    }
    function_name_arn(name, policy_key(name), arn);
    cJSON *statement = policy_statement(input, arn, arn_partition(name->region));
    if (statement == NULL)
        call_fail(call, "InvalidParameterValueException",
                  "The provided principal was invalid. Please check the principal and try again.");
    return statement;
}

void add_permission(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    const char *sid = json_str(call->aws.input, "StatementId");
    if (!call_function_name(call, &name))
        return;
    if (str_eq(name.qualifier, LATEST)) {
        call_fail(call, "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.");
        return;
    }
    if (!call_function_to_write(call, add_permission, &name, &record))
        return;
    if (!target_exists(record, name.qualifier)) {
        target_missing(call, &name);
        return;
    }
    if (!check_revision(call, record, name.qualifier))
        return;
    CLEANUP(json_freep) cJSON *policy = setting_get(record, SETTING_POLICY, name.qualifier);
    if (policy_has(policy, sid)) {
        call_fail(call, "ResourceConflictException",
                  "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.",
                  sid);
        return;
    }
    cJSON *statement = new_statement(call, &name);
    if (statement == NULL)
        return;
    CLEANUP(freep) char *shown = json_print(statement);
    policy_add(&policy, statement);
    CLEANUP(freep) char *text = json_print(policy);
    if (strlen(text) > POLICY_BYTES_MAX) {
        call_fail(call, "PolicyLengthExceededException", "The final policy size (%zu) is bigger than the limit (%d).", strlen(text),
                  POLICY_BYTES_MAX);
        return;
    }
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "Statement", shown);
    write_policy(call, record, name.qualifier, text, out);
}

void remove_permission(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    struct err err;
    const char *sid = json_str(call->aws.input, "StatementId");
    if (!call_function_name(call, &name))
        return;
    if (registry_find(call->api->options.registry, &name, &record, &err) < 0) {
        char arn[FUNCTION_ARN_BYTES];
        function_name_arn(&name, name.qualifier, arn);
        call_fail(call, "ResourceNotFoundException", "No policy found for: %s", arn);
        return;
    }
    if (call_waits(call, record, remove_permission))
        return;
    if (!target_exists(record, name.qualifier)) {
        target_missing(call, &name);
        return;
    }
    CLEANUP(json_freep) cJSON *policy = setting_get(record, SETTING_POLICY, policy_key(&name));
    if (policy == NULL) {
        call_fail(call, "ResourceNotFoundException", "No policy is associated with the given resource.");
        return;
    }
    if (!policy_has(policy, sid)) {
        call_fail(call, "ResourceNotFoundException", "Statement %s is not found in resource policy.", sid);
        return;
    }
    if (!check_revision(call, record, policy_key(&name)))
        return;
    CLEANUP(freep) char *text = policy_remove(policy, sid) ? json_print(policy) : NULL;
    write_policy(call, record, policy_key(&name), text, NULL);
}

void get_policy(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    struct err err;
    if (!call_function_name(call, &name))
        return;
    const char *policy = NULL;
    if (registry_find(call->api->options.registry, &name, &record, &err) == 0)
        policy = registry_setting(record, SETTING_POLICY, policy_key(&name));
    if (policy == NULL) {
        call_fail(call, "ResourceNotFoundException", "The resource you requested does not exist.");
        return;
    }
    CLEANUP(freep) char *revision = revision_of(record, policy_key(&name));
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "Policy", policy);
    cJSON_AddStringToObject(out, "RevisionId", revision);
    call_reply(call, out);
}
