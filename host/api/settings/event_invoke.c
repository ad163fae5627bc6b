/* PutFunctionEventInvokeConfig and its kin: what happens to asynchronous events of a function, an alias or a version that fail. Stored
 * as AWS's FunctionEventInvokeConfig without the ARN; messages from recorded answers. */
#include <string.h>

#include "host/api/call.h"
#include "host/api/handlers.h"
#include "host/api/settings/common.h"
#include "lib/aws/arn.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

static cJSON *config_output(const struct function_name *name, const char *qualifier, const cJSON *config)
{
    char arn[FUNCTION_ARN_BYTES];
    function_name_arn(name, qualifier, arn);
    cJSON *out = cJSON_Duplicate(config, true);
    cJSON_AddStringToObject(out, "FunctionArn", arn);
    return out;
}

static void no_config(struct api_call *call, const struct function_name *name)
{
    char arn[FUNCTION_ARN_BYTES];
    function_name_arn(name, target_key(name), arn);
    call_fail(call, "ResourceNotFoundException", "The function %s doesn't have an EventInvokeConfig", arn);
}

/* ---- destinations ---- */

/* A function that is here, and another one than the configured. */
static bool check_function(struct api_call *call, const struct function_name *name, const char *arn)
{
    struct arn_function there;
    struct function_record *record;
    struct err err;
    if (arn_function_parse(arn, &there, &err) < 0) {
        call_fail(call, "InvalidParameterValueException", "The destination ARN %s is invalid.", arn);
        return false;
    }
    struct function_name target = *name;
    (void)str_copy(target.name, sizeof(target.name), there.name);
    bool local = str_eq(there.account, name->account) && str_eq(there.region, name->region);
    if (local && registry_find(call->api->options.registry, &target, &record, &err) < 0) {
        call_fail(call, "InvalidParameterValueException", "The destination ARN %s is invalid.", arn);
        return false;
    }
    if (local && str_eq(target.name, name->name)) {
        call_fail(call, "InvalidParameterValueException", "You can't specify the function as a destination for itself.");
        return false;
    }
    return true;
}

/* NULL: none. */
static const char *destination_of(const cJSON *wanted, const char *member)
{
    const char *arn = json_str(json_get(wanted, member), "Destination");
    return arn != NULL && *arn != '\0' ? arn : NULL;
}

static char *printed(const cJSON *wanted, const char *member)
{
    const char *arn = destination_of(wanted, member);
    return arn == NULL ? str_format("null") : str_format("%s(destination=%s)", member, arn);
}

static void fail_config(struct api_call *call, const cJSON *wanted)
{
    CLEANUP(freep) char *success = printed(wanted, "OnSuccess");
    CLEANUP(freep) char *failure = printed(wanted, "OnFailure");
    call_fail(call, "InvalidParameterValueException",
              "The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.", success, failure);
}

static bool check_destination(struct api_call *call, const struct function_name *name, const cJSON *wanted, const char *member)
{
    static const char *const services[] = {":sqs:", ":sns:", ":events:"};
    const char *arn = destination_of(wanted, member), *partition = strchr(arn, ':');
    const char *service = partition != NULL ? strchr(partition + 1, ':') : NULL;
    if (service == NULL)
        service = "";
    if (str_starts(service, ":lambda:"))
        return check_function(call, name, arn);
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (str_starts(service, services[i]))
            return true;
    if (str_eq(member, "OnFailure") && str_starts(service, ":s3:"))
        return true;
    fail_config(call, wanted);
    return false;
}

/* Both members, each with a destination or empty; NULL: the call has failed. wanted may be NULL. */
static cJSON *destinations(struct api_call *call, const struct function_name *name, const cJSON *wanted)
{
    static const char *const members[] = {"OnSuccess", "OnFailure"};
    cJSON *config = cJSON_CreateObject();
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *arn = destination_of(wanted, members[i]);
        cJSON *kept = cJSON_AddObjectToObject(config, members[i]);
        if (arn == NULL)
            continue;
        if (!check_destination(call, name, wanted, members[i])) {
            cJSON_Delete(config);
            return NULL;
        }
        cJSON_AddStringToObject(kept, "Destination", arn);
    }
    return config;
}

/* ---- writing ---- */

/* The function to write to. False: the call has failed, or waits. */
static bool begin(struct api_call *call, api_handler_fn *handler, struct function_name *name, struct function_record **record)
{
    const cJSON *input = call->aws.input;
    struct err err;
    if (!call_function_name(call, name))
        return false;
    if (json_get(input, "MaximumRetryAttempts") == NULL && json_get(input, "MaximumEventAgeInSeconds") == NULL &&
        json_get(input, "DestinationConfig") == NULL) {
        call_fail(call, "InvalidParameterValueException", "You must specify at least one of error handling or destination setting.");
        return false;
    }
    if (registry_find(call->api->options.registry, name, record, &err) < 0 || !target_exists(*record, name->qualifier)) {
        call_fail(call, "ResourceNotFoundException", "The function doesn't exist.");
        return false;
    }
    return !call_waits(call, *record, handler);
}

/* Takes config; what the call gives replaces what is there. */
static void write_config(struct api_call *call, struct function_record *record, const struct function_name *name, cJSON *taken)
{
    static const char *const numbers[] = {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"};
    const cJSON *input = call->aws.input, *wanted = json_get(input, "DestinationConfig");
    CLEANUP(json_freep) cJSON *config = taken;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (json_get(input, numbers[i]) != NULL)
            json_set(config, numbers[i], cJSON_Duplicate(json_get(input, numbers[i]), true));
    if (wanted != NULL || json_get(config, "DestinationConfig") == NULL) {
        cJSON *both = destinations(call, name, wanted);
        if (both == NULL)
            return;
        json_set(config, "DestinationConfig", both);
    }
    json_set(config, "LastModified", cJSON_CreateNumber((double)clock_wall_ms() / 1000));
    setting_put(call, record, SETTING_EVENT_INVOKE, target_key(name), config, config_output(name, target_key(name), config));
}

void put_function_event_invoke_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (begin(call, put_function_event_invoke_config, &name, &record))
        write_config(call, record, &name, cJSON_CreateObject());
}

void update_function_event_invoke_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!begin(call, update_function_event_invoke_config, &name, &record))
        return;
    cJSON *config = setting_get(record, SETTING_EVENT_INVOKE, target_key(&name));
    if (config == NULL)
        no_config(call, &name);
    else
        write_config(call, record, &name, config);
}

/* ---- what is there ---- */

/* The configuration of the call, owned; NULL: the call has failed. */
static cJSON *existing(struct api_call *call, struct function_name *name, struct function_record **record)
{
    struct err err;
    cJSON *config = NULL;
    if (!call_function_name(call, name))
        return NULL;
    if (registry_find(call->api->options.registry, name, record, &err) == 0)
        config = setting_get(*record, SETTING_EVENT_INVOKE, target_key(name));
    if (config == NULL)
        no_config(call, name);
    return config;
}

void get_function_event_invoke_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    CLEANUP(json_freep) cJSON *config = existing(call, &name, &record);
    if (config != NULL)
        call_reply(call, config_output(&name, target_key(&name), config));
}

void delete_function_event_invoke_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    CLEANUP(json_freep) cJSON *config = existing(call, &name, &record);
    if (config != NULL && !call_waits(call, record, delete_function_event_invoke_config))
        setting_put(call, record, SETTING_EVENT_INVOKE, target_key(&name), NULL, NULL);
}

static cJSON *listed(const struct api_call *call, const struct function_name *name, const char *qualifier, const cJSON *config)
{
    (void)call;
    return config_output(name, qualifier, config);
}

void list_function_event_invoke_configs(struct api_call *call)
{
    setting_list(call, &(struct setting_list){.kind = SETTING_EVENT_INVOKE,
                                              .member = "FunctionEventInvokeConfigs",
                                              .missing = "The function doesn't exist.",
                                              .output = listed});
}
