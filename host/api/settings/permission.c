/* AddPermission, RemovePermission, GetPolicy, which see a policy as its statements, and PutResourcePolicy, GetResourcePolicy,
 * DeleteResourcePolicy, which see it whole. A policy is a setting of its function, an alias or a version; its RevisionId is theirs, so
 * that each change of it makes a new one. */
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/handlers.h"
#include "host/api/settings/common.h"
#include "host/api/settings/policy.h"
#include "host/api/settings/policy_check.h"
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

/* False: the call has failed. source: the operation that tells the current one. */
static bool check_revision(struct api_call *call, struct function_record *record, const char *qualifier, const char *source)
{
    CLEANUP(freep) char *current = revision_of(record, qualifier);
    struct err err;
    if (json_str(call->aws.input, "RevisionId") != NULL && *qualifier == '\0' && registry_check_idle(record, &err) < 0) {
        call_fail_err(call, &err); /* else the update and this could both be the one that changes it */
        return false;
    }
    return call_check_revision(call, current, source);
}

/* Writes the policy (text, or NULL: none is left) and a new RevisionId of what it is about. */
static void write_policy(struct function_record *record, const char *qualifier, const char *text, registry_written_fn *done, void *arg)
{
    struct setting_change changes[2] = {{SETTING_POLICY, qualifier, text}};
    CLEANUP(json_freep) cJSON *alias = setting_get(record, SETTING_ALIAS, qualifier);
    if (alias == NULL) {
        uint64_t version = 0;
        (void)function_name_version(qualifier, &version);
        registry_settings_revise(record, version, changes, 1, done, arg);
        return;
    }
    char revision[ID_UUID_BYTES];
    id_uuid(revision);
    cJSON_ReplaceItemInObjectCaseSensitive(alias, "RevisionId", cJSON_CreateString(revision));
    CLEANUP(freep) char *alias_text = json_print(alias);
    changes[1] = (struct setting_change){SETTING_ALIAS, qualifier, alias_text};
    registry_settings_write(record, changes, 2, done, arg);
}

static bool size_is_good(struct api_call *call, const char *text)
{
    if (strlen(text) <= POLICY_BYTES_MAX)
        return true;
    call_fail(call, "PolicyLengthExceededException", "The final policy size (%zu) is bigger than the limit (%d).", strlen(text),
              POLICY_BYTES_MAX);
    return false;
}

static bool may_have_policy(struct api_call *call, const struct function_name *name)
{
    if (!str_eq(name->qualifier, LATEST))
        return true;
    call_fail(call, "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.");
    return false;
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
        call_fail(call, "InvalidParameterValueException", "The provided principal was invalid. Please check the principal and try again.");
    return statement;
}

void add_permission(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    const char *sid = json_str(call->aws.input, "StatementId");
    if (!call_function_name(call, &name) || !may_have_policy(call, &name))
        return;
    if (!call_function_to_write(call, add_permission, &name, &record))
        return;
    if (!target_exists(record, name.qualifier)) {
        target_missing(call, &name);
        return;
    }
    if (!check_revision(call, record, name.qualifier, "GetPolicy"))
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
    if (!size_is_good(call, text))
        return;
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "Statement", shown);
    write_policy(record, name.qualifier, text, setting_answered, setting_answer(call, out));
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
    if (!check_revision(call, record, policy_key(&name), "GetPolicy"))
        return;
    CLEANUP(freep) char *text = policy_remove(policy, sid) ? json_print(policy) : NULL;
    write_policy(record, policy_key(&name), text, setting_answered, setting_answer(call, NULL));
}

/* Ends the call with the policy that the function has, if it is there. */
static void reply_policy(struct api_call *call, const struct function_name *name)
{
    struct function_record *record;
    struct err err;
    const char *policy = NULL;
    if (registry_find(call->api->options.registry, name, &record, &err) == 0)
        policy = registry_setting(record, SETTING_POLICY, policy_key(name));
    if (policy == NULL) {
        call_fail(call, "ResourceNotFoundException", "The resource you requested does not exist.");
        return;
    }
    CLEANUP(freep) char *revision = revision_of(record, policy_key(name));
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "Policy", policy);
    cJSON_AddStringToObject(out, "RevisionId", revision);
    call_reply(call, out);
}

void get_policy(struct api_call *call)
{
    struct function_name name;
    if (call_function_name(call, &name))
        reply_policy(call, &name);
}

/* The function, version or alias that the call's ResourceArn names. False: the call has failed. */
static bool resource_name(struct api_call *call, struct function_name *ret_name)
{
    const char *arn = json_str(call->aws.input, "ResourceArn");
    struct err err;
    if (strstr(arn, ":runtime/") != NULL) { /* the model knows runtimes of accounts; nothing in Stoke, or in Lambda's API, makes one */
        call_fail(call, "ResourceNotFoundException", "The resource you requested does not exist.");
        return false;
    }
    if (function_name_parse(arn, NULL, call->aws.account, call->aws.region, ret_name, &err) == 0)
        return true;
    call_fail_err(call, &err);
    return false;
}

/* The same, and what is there, for a handler that will write. False: the call has failed, or waits. */
static bool resource_to_write(struct api_call *call, api_handler_fn *handler, struct function_name *ret_name,
                              struct function_record **ret_record)
{
    struct err err;
    if (!resource_name(call, ret_name))
        return false;
    if (registry_find(call->api->options.registry, ret_name, ret_record, &err) < 0) {
        call_fail_err(call, &err);
        return false;
    }
    if (call_waits(call, *ret_record, handler))
        return false;
    if (target_exists(*ret_record, ret_name->qualifier))
        return true;
    target_missing(call, ret_name);
    return false;
}

/* The call's Policy as it is stored, malloc'd, or NULL: the call has failed. A policy for everybody ("Principal": "*") is one like
 * others, as for AddPermission: what would make it a PublicPolicyException, an account's setting to block those, is not in the API. */
static char *new_policy(struct api_call *call, const struct function_name *name)
{
    char function[FUNCTION_ARN_BYTES], target[FUNCTION_ARN_BYTES];
    CLEANUP(json_freep) cJSON *policy = NULL;
    struct err err;
    function_name_arn(name, "", function);
    function_name_arn(name, name->qualifier, target);
    if (policy_parse(json_str(call->aws.input, "Policy"), &(struct policy_owner){function, target}, &policy, &err) < 0) {
        call_fail(call, "InvalidParameterValueException", "The provided policy is not valid: %s", err.msg);
        return NULL;
    }
    CLEANUP(freep) char *text = json_print(policy);
    return size_is_good(call, text) ? STEAL(text) : NULL;
}

/* What a PutResourcePolicy ends with once the policy is on the disk: its RevisionId is known only then. */
struct put {
    struct api_call *call;
    struct function_name name;
};

static void put_done(void *arg, const struct err *err)
{
    struct put *put = arg;
    if (err == NULL)
        reply_policy(put->call, &put->name);
    else
        call_fail_err(put->call, err);
    free(put);
}

void put_resource_policy(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!resource_to_write(call, put_resource_policy, &name, &record) || !may_have_policy(call, &name))
        return;
    CLEANUP(freep) char *text = new_policy(call, &name);
    if (text == NULL || !check_revision(call, record, name.qualifier, "GetResourcePolicy"))
        return;
    struct put *put = malloc(sizeof(*put));
    if (put == NULL)
        abort();
    *put = (struct put){call, name};
    write_policy(record, name.qualifier, text, put_done, put);
}

void get_resource_policy(struct api_call *call)
{
    struct function_name name;
    if (resource_name(call, &name))
        reply_policy(call, &name);
}

void delete_resource_policy(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!resource_to_write(call, delete_resource_policy, &name, &record))
        return;
    if (registry_setting(record, SETTING_POLICY, policy_key(&name)) == NULL) {
        call_fail(call, "ResourceNotFoundException", "No policy is associated with the given resource.");
        return;
    }
    if (check_revision(call, record, policy_key(&name), "GetResourcePolicy"))
        write_policy(record, policy_key(&name), NULL, setting_answered, setting_answer(call, NULL));
}
