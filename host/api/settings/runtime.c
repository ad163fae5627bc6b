/* PutRuntimeManagementConfig, GetRuntimeManagementConfig of a version; PutFunctionRecursionConfig, GetFunctionRecursionConfig. */
#include "host/api/call.h"
#include "host/api/handlers.h"
#include "host/api/settings/common.h"
#include "lib/base/strutil.h"

/* ---- runtime management ---- */

/* The qualifier is a version, and there. False: the call has failed. */
static bool is_version(struct api_call *call, struct function_record *record, const struct function_name *name)
{
    if (target_is_version(target_key(name)) && target_exists(record, name->qualifier))
        return true;
    if (target_exists(record, name->qualifier))
        call_fail(call, "InvalidParameterValueException", "Runtime management belongs to a version of a function, not to an alias.");
    else
        target_missing(call, name);
    return false;
}

static cJSON *management_output(const struct function_name *name, const cJSON *config)
{
    char arn[FUNCTION_ARN_BYTES];
    cJSON *out = config != NULL ? cJSON_Duplicate(config, true) : cJSON_CreateObject();
    if (config == NULL)
        cJSON_AddStringToObject(out, "UpdateRuntimeOn", "Auto");
    function_name_arn(name, target_key(name), arn);
    cJSON_AddStringToObject(out, "FunctionArn", arn);
    return out;
}

void put_runtime_management_config(struct api_call *call)
{
    const char *mode = json_str(call->aws.input, "UpdateRuntimeOn"), *arn = json_str(call->aws.input, "RuntimeVersionArn");
    struct function_name name;
    struct function_record *record;
    if (!call_function_to_write(call, put_runtime_management_config, &name, &record) || !is_version(call, record, &name))
        return;
    bool manual = str_eq(mode, "Manual");
    if (manual != (arn != NULL)) {
        call_fail(call, "InvalidParameterValueException",
                  manual ? "RuntimeVersionArn is required when UpdateRuntimeOn is Manual."
                         : "RuntimeVersionArn is only allowed when UpdateRuntimeOn is Manual.");
        return;
    }
    CLEANUP(json_freep) cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "UpdateRuntimeOn", mode);
    if (manual)
        cJSON_AddStringToObject(config, "RuntimeVersionArn", arn);
    setting_put(call, record, SETTING_RUNTIME_MANAGEMENT, target_key(&name), config, management_output(&name, config));
}

void get_runtime_management_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!call_function(call, &name, &record) || !is_version(call, record, &name))
        return;
    CLEANUP(json_freep) cJSON *config = setting_get(record, SETTING_RUNTIME_MANAGEMENT, target_key(&name));
    call_reply(call, management_output(&name, config));
}

/* ---- recursion ---- */

static cJSON *recursion_output(const char *mode)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "RecursiveLoop", mode);
    return out;
}

void put_function_recursion_config(struct api_call *call)
{
    const char *mode = json_str(call->aws.input, "RecursiveLoop");
    struct function_name name;
    struct function_record *record;
    if (!call_function_to_write(call, put_function_recursion_config, &name, &record))
        return;
    CLEANUP(json_freep) cJSON *config = recursion_output(mode);
    setting_put(call, record, SETTING_RECURSION, "", config, recursion_output(mode));
}

void get_function_recursion_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!call_function(call, &name, &record))
        return;
    CLEANUP(json_freep) cJSON *config = setting_get(record, SETTING_RECURSION, "");
    call_reply(call, recursion_output(config != NULL ? json_str(config, "RecursiveLoop") : "Terminate"));
}
