/* Operations to handlers: the table of what Stoke implements. An operation that AWS's model has and this table lacks gets
 * an error that names it; what a function may ask at its own endpoint is decided here, too. */
#include "host/api/api.h"

#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/code.h"
#include "host/api/handlers.h"
#include "host/api/missing.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"

/* For functions.endpoint = invoke: what a function may do besides nothing. */
enum access { ACCESS_ACCOUNT, ACCESS_INVOKE };

static const struct {
    const char *operation;
    api_handler_fn *handler;
    enum access access;
} operations[] = {
    {"Invoke", invoke_function, ACCESS_INVOKE},
    {"GetCallerIdentity", get_caller_identity, ACCESS_INVOKE},
    {"AddLayerVersionPermission", add_layer_version_permission, ACCESS_ACCOUNT},
    {"AddPermission", add_permission, ACCESS_ACCOUNT},
    {"CreateAlias", create_alias, ACCESS_ACCOUNT},
    {"CreateCodeSigningConfig", create_code_signing_config, ACCESS_ACCOUNT},
    {"CreateEventSourceMapping", create_event_source_mapping, ACCESS_ACCOUNT},
    {"CreateFunction", create_function, ACCESS_ACCOUNT},
    {"CreateFunctionUrlConfig", create_function_url_config, ACCESS_ACCOUNT},
    {"DeleteAlias", delete_alias, ACCESS_ACCOUNT},
    {"DeleteCodeSigningConfig", delete_code_signing_config, ACCESS_ACCOUNT},
    {"DeleteEventSourceMapping", delete_event_source_mapping, ACCESS_ACCOUNT},
    {"DeleteFunction", delete_function, ACCESS_ACCOUNT},
    {"DeleteFunctionCodeSigningConfig", delete_function_code_signing_config, ACCESS_ACCOUNT},
    {"DeleteFunctionConcurrency", delete_function_concurrency, ACCESS_ACCOUNT},
    {"DeleteFunctionEventInvokeConfig", delete_function_event_invoke_config, ACCESS_ACCOUNT},
    {"DeleteFunctionUrlConfig", delete_function_url_config, ACCESS_ACCOUNT},
    {"DeleteLayerVersion", delete_layer_version, ACCESS_ACCOUNT},
    {"DeleteProvisionedConcurrencyConfig", delete_provisioned_concurrency_config, ACCESS_ACCOUNT},
    {"DeleteResourcePolicy", delete_resource_policy, ACCESS_ACCOUNT},
    {"GetAccountSettings", get_account_settings, ACCESS_ACCOUNT},
    {"GetAlias", get_alias, ACCESS_ACCOUNT},
    {"GetCodeSigningConfig", get_code_signing_config, ACCESS_ACCOUNT},
    {"GetEventSourceMapping", get_event_source_mapping, ACCESS_ACCOUNT},
    {"GetFunction", get_function, ACCESS_ACCOUNT},
    {"GetFunctionCodeSigningConfig", get_function_code_signing_config, ACCESS_ACCOUNT},
    {"GetFunctionConcurrency", get_function_concurrency, ACCESS_ACCOUNT},
    {"GetFunctionConfiguration", get_function_configuration, ACCESS_ACCOUNT},
    {"GetFunctionEventInvokeConfig", get_function_event_invoke_config, ACCESS_ACCOUNT},
    {"GetFunctionRecursionConfig", get_function_recursion_config, ACCESS_ACCOUNT},
    {"GetFunctionUrlConfig", get_function_url_config, ACCESS_ACCOUNT},
    {"GetLayerVersion", get_layer_version, ACCESS_ACCOUNT},
    {"GetLayerVersionByArn", get_layer_version_by_arn, ACCESS_ACCOUNT},
    {"GetLayerVersionPolicy", get_layer_version_policy, ACCESS_ACCOUNT},
    {"GetPolicy", get_policy, ACCESS_ACCOUNT},
    {"GetProvisionedConcurrencyConfig", get_provisioned_concurrency_config, ACCESS_ACCOUNT},
    {"GetResourcePolicy", get_resource_policy, ACCESS_ACCOUNT},
    {"GetRuntimeManagementConfig", get_runtime_management_config, ACCESS_ACCOUNT},
    {"ListAliases", list_aliases, ACCESS_ACCOUNT},
    {"ListCodeSigningConfigs", list_code_signing_configs, ACCESS_ACCOUNT},
    {"ListEventSourceMappings", list_event_source_mappings, ACCESS_ACCOUNT},
    {"ListFunctionEventInvokeConfigs", list_function_event_invoke_configs, ACCESS_ACCOUNT},
    {"ListFunctionUrlConfigs", list_function_url_configs, ACCESS_ACCOUNT},
    {"ListFunctions", list_functions, ACCESS_ACCOUNT},
    {"ListFunctionsByCodeSigningConfig", list_functions_by_code_signing_config, ACCESS_ACCOUNT},
    {"ListLayerVersions", list_layer_versions, ACCESS_ACCOUNT},
    {"ListLayers", list_layers, ACCESS_ACCOUNT},
    {"ListProvisionedConcurrencyConfigs", list_provisioned_concurrency_configs, ACCESS_ACCOUNT},
    {"ListTags", list_tags, ACCESS_ACCOUNT},
    {"ListVersionsByFunction", list_versions_by_function, ACCESS_ACCOUNT},
    {"PublishLayerVersion", publish_layer_version, ACCESS_ACCOUNT},
    {"PublishVersion", publish_version, ACCESS_ACCOUNT},
    {"PutFunctionCodeSigningConfig", put_function_code_signing_config, ACCESS_ACCOUNT},
    {"PutFunctionConcurrency", put_function_concurrency, ACCESS_ACCOUNT},
    {"PutFunctionEventInvokeConfig", put_function_event_invoke_config, ACCESS_ACCOUNT},
    {"PutFunctionRecursionConfig", put_function_recursion_config, ACCESS_ACCOUNT},
    {"PutProvisionedConcurrencyConfig", put_provisioned_concurrency_config, ACCESS_ACCOUNT},
    {"PutResourcePolicy", put_resource_policy, ACCESS_ACCOUNT},
    {"PutRuntimeManagementConfig", put_runtime_management_config, ACCESS_ACCOUNT},
    {"RemoveLayerVersionPermission", remove_layer_version_permission, ACCESS_ACCOUNT},
    {"RemovePermission", remove_permission, ACCESS_ACCOUNT},
    {"TagResource", tag_resource, ACCESS_ACCOUNT},
    {"UntagResource", untag_resource, ACCESS_ACCOUNT},
    {"UpdateAlias", update_alias, ACCESS_ACCOUNT},
    {"UpdateCodeSigningConfig", update_code_signing_config, ACCESS_ACCOUNT},
    {"UpdateEventSourceMapping", update_event_source_mapping, ACCESS_ACCOUNT},
    {"UpdateFunctionCode", update_function_code, ACCESS_ACCOUNT},
    {"UpdateFunctionConfiguration", update_function_configuration, ACCESS_ACCOUNT},
    {"UpdateFunctionEventInvokeConfig", update_function_event_invoke_config, ACCESS_ACCOUNT},
    {"UpdateFunctionUrlConfig", update_function_url_config, ACCESS_ACCOUNT},
};

int api_new(const struct api_options *options, struct api **ret_api, struct err *err)
{
    struct api *api = calloc(1, sizeof(*api));
    if (api == NULL)
        return err_set(err, ERR_NO_MEMORY, "the front door");
    api->options = *options;
    STAILQ_INIT(&api->held);
    id_random(api->secret, sizeof(api->secret));
    *ret_api = api;
    return 0;
}

void api_free(struct api *api)
{
    free(api);
}

unsigned api_working(const struct api *api)
{
    return api->working;
}

bool api_uploading(const struct api *api)
{
    return api->uploads > 0;
}

void api_hold_uploads(struct api *api, bool hold)
{
    api->uploads_held = hold;
    if (!hold)
        code_release_held(api);
}

void api_on_uploads_ended(struct api *api, void (*fn)(void *arg), void *arg)
{
    api->uploads_ended = fn;
    api->uploads_ended_arg = arg;
}

/* A function at its own endpoint is itself, whatever key it sends. */
static void act_as_caller(struct api_call *call)
{
    if (call->caller == NULL)
        return;
    (void)str_copy(call->aws.account, sizeof(call->aws.account), call->caller->account);
    (void)str_copy(call->aws.region, sizeof(call->aws.region), call->caller->region);
}

static bool may(const struct api_call *call, enum access access)
{
    if (call->caller == NULL)
        return true;
    int64_t mode = call->api->options.config->functions_endpoint;
    return mode == CONFIG_ENDPOINT_ACCOUNT || (mode == CONFIG_ENDPOINT_INVOKE && access == ACCESS_INVOKE);
}

static void refuse(struct api_call *call)
{
    CLEANUP(freep) char *arn = call_caller_arn(call);
    call_fail(call, "AccessDeniedException",
              "User: %s is not authorized to perform: %s (functions.endpoint in the configuration of stoked chooses what "
              "functions may do)",
              arn, call->aws.op_name);
}

/* What an operation without a handler lacks, by a part of its name. */
static void refuse_unsupported(struct api_call *call)
{
    static const struct {
        const char *part, *missing;
    } things[] = {
        /* clang-format off */
        {"DurableExecution", MISSING_DURABLE},
        {"CapacityProvider", MISSING_CAPACITY},
        {"FunctionScalingConfig", MISSING_CAPACITY},
        {"InvokeAsync", MISSING_QUEUE},
        {"InvokeWithResponseStream", MISSING_STREAMS},
        /* clang-format on */
    };
    const char *missing = MISSING_STS;
    for (size_t i = 0; i < ARRAY_LEN(things); i++)
        if (strstr(call->aws.op_name, things[i].part) != NULL)
            missing = things[i].missing;
    call_fail_unsupported(call, call->aws.op_name, missing);
}

void api_dispatch(struct api *api, struct http_req *req, const struct aws_request *request)
{
    struct api_call *call = call_new(api, req, request);
    struct aws_error error = {0};
    if (aws_route(&call->request, &call->aws, &error) < 0) {
        call_end_error(call, &error);
        return;
    }
    act_as_caller(call);
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (!str_eq(operations[i].operation, call->aws.op_name))
            continue;
        if (!may(call, operations[i].access))
            refuse(call);
        else if (aws_parse(&call->aws, &error) < 0)
            call_end_error(call, &error);
        else
            operations[i].handler(call);
        return;
    }
    if (!may(call, ACCESS_ACCOUNT))
        refuse(call);
    else
        refuse_unsupported(call);
}
