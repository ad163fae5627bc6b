/* AddLayerVersionPermission, RemoveLayerVersionPermission, GetLayerVersionPolicy. A layer version's policy says which other accounts may
 * use it, and has a RevisionId of its own. */
#include <string.h>

#include "host/api/call.h"
#include "host/api/handlers.h"
#include "host/api/layer/layer.h"
#include "host/api/settings/common.h"
#include "host/api/settings/policy.h"
#include "lib/aws/arn.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"

/* The version that the call is about. False: the call has failed. */
static bool wanted(struct api_call *call, struct layer_name *name, struct layer_facts *facts)
{
    char arn[LAYER_ARN_BYTES];
    if (!layer_of_call(call, name))
        return false;
    if (layers_describe(call->api->options.registry, name, layer_number_of_call(call), facts))
        return true;
    layer_name_arn(name, 0, arn);
    call_fail(call, "ResourceNotFoundException", "Layer version %s:%lld does not exist.", arn,
              (long long)json_int(call->aws.input, "VersionNumber", 0));
    return false;
}

/* The same for a handler that changes it. False: the call has failed, or waits. */
static bool wanted_to_write(struct api_call *call, api_handler_fn *handler, struct layer_name *name, struct layer_facts *facts)
{
    return wanted(call, name, facts) && !layer_waits(call, name, handler);
}

/* False: the call has failed. */
static bool check_revision(struct api_call *call, const struct layer_facts *facts)
{
    return call_check_revision(call, facts->policy_revision, "GetLayerPolicy");
}

void add_layer_version_permission(struct api_call *call)
{
    const char *sid = json_str(call->aws.input, "StatementId");
    struct layer_name name;
    struct layer_facts facts;
    char arn[LAYER_ARN_BYTES], revision[ID_UUID_BYTES];
    if (!wanted_to_write(call, add_layer_version_permission, &name, &facts) || !check_revision(call, &facts))
        return;
    CLEANUP(json_freep) cJSON *policy = setting_parse(facts.policy);
    if (policy_has(policy, sid)) {
        call_fail(call, "ResourceConflictException",
                  "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.",
                  sid);
        return;
    }
    layer_name_arn(&name, facts.number, arn);
    cJSON *statement = policy_statement(call->aws.input, arn, arn_partition(name.region));
    if (statement == NULL) {
        call_fail(call, "InvalidParameterValueException", "The provided principal was invalid. Please check the principal and try again.");
        return;
    }
    CLEANUP(freep) char *shown = json_print(statement);
    policy_add(&policy, statement);
    CLEANUP(freep) char *text = json_print(policy);
    if (strlen(text) > POLICY_BYTES_MAX) {
        call_fail(call, "PolicyLengthExceededException", "The final policy size (%zu) is bigger than the limit (%d).", strlen(text),
                  POLICY_BYTES_MAX);
        return;
    }
    id_uuid(revision);
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "Statement", shown);
    cJSON_AddStringToObject(out, "RevisionId", revision);
    layers_set_policy(call->api->options.registry, &name, facts.number, text, revision, setting_answered, setting_answer(call, out));
}

void remove_layer_version_permission(struct api_call *call)
{
    const char *sid = json_str(call->aws.input, "StatementId");
    struct layer_name name;
    struct layer_facts facts;
    char revision[ID_UUID_BYTES];
    if (!wanted_to_write(call, remove_layer_version_permission, &name, &facts))
        return;
    CLEANUP(json_freep) cJSON *policy = setting_parse(facts.policy);
    if (policy == NULL) {
        call_fail(call, "ResourceNotFoundException", "No policy is associated with the given resource.");
        return;
    }
    if (!policy_has(policy, sid)) {
        call_fail(call, "ResourceNotFoundException", "Statement %s is not found in resource policy.", sid);
        return;
    }
    if (!check_revision(call, &facts))
        return;
    id_uuid(revision);
    CLEANUP(freep) char *text = policy_remove(policy, sid) ? json_print(policy) : NULL;
    layers_set_policy(call->api->options.registry, &name, facts.number, text, revision, setting_answered, setting_answer(call, NULL));
}

void get_layer_version_policy(struct api_call *call)
{
    struct layer_name name;
    struct layer_facts facts;
    if (!wanted(call, &name, &facts))
        return;
    if (facts.policy == NULL) {
        call_fail(call, "ResourceNotFoundException", "No policy is associated with the given resource.");
        return;
    }
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "Policy", facts.policy);
    cJSON_AddStringToObject(out, "RevisionId", facts.policy_revision);
    call_reply(call, out);
}
