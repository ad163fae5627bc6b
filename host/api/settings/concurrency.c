/* PutFunctionConcurrency, GetFunctionConcurrency, DeleteFunctionConcurrency: what a function has for itself, and no more. */
#include <inttypes.h>
#include <stdlib.h>

#include "host/api/call.h"
#include "host/api/handlers.h"
#include "host/api/settings/settings.h"
#include "host/invoke/invoke.h"
#include "host/registry/concurrency.h"
#include "host/registry/provisioned.h"
#include "lib/base/strutil.h"

#define MEMBER "ReservedConcurrentExecutions"

uint64_t concurrency_floor(const struct api *api)
{
    uint64_t limit = (uint64_t)api->options.config->concurrency_account;
    return limit < UNRESERVED_MIN ? limit : UNRESERVED_MIN;
}

static bool leaves_enough(struct api_call *call, const struct function_record *record, uint64_t wanted)
{
    const struct api_options *options = &call->api->options;
    uint64_t limit = (uint64_t)options->config->concurrency_account, least = concurrency_floor(call->api);
    uint64_t others = registry_account_promised(options->registry, call->aws.account, call->aws.region);
    others -= registry_claimed(record);
    if (wanted == 0 || others + wanted + least <= limit)
        return true;
    call_fail_untyped(
        call, "InvalidParameterValueException",
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum "
        "value of [%" PRIu64 "].",
        least);
    return false;
}

/* What is provisioned is part of what is reserved. */
static bool holds_provisioned(struct api_call *call, const struct function_record *record, uint64_t wanted)
{
    uint64_t provisioned = registry_provisioned_sum(record);
    if (wanted >= provisioned)
        return true;
    call_fail_untyped(call, "InvalidParameterValueException",
                      " ReservedConcurrentExecutions  %" PRIu64
                      " should not be lower than function's total provisioned concurrency [%" PRIu64 "].",
                      wanted, provisioned);
    return false;
}

static void written(void *arg, const struct err *err)
{
    struct api_call *call = arg;
    const cJSON *wanted = json_get(call->aws.input, MEMBER);
    struct function_name name;
    struct err ignored;
    if (err != NULL) {
        call_fail_err(call, err);
        return;
    }
    if (function_name_parse(json_str(call->aws.input, "FunctionName"), NULL, call->aws.account, call->aws.region, &name, &ignored) == 0)
        invoke_reserve(call->api->options.invoke, name.account, name.region, name.name, wanted != NULL);
    cJSON *out = NULL;
    if (wanted != NULL) {
        out = cJSON_CreateObject();
        cJSON_AddItemToObject(out, MEMBER, cJSON_Duplicate(wanted, true));
    }
    call_reply(call, out);
}

static void write_reserved(struct api_call *call, struct function_record *record, const char *value)
{
    const struct setting_change change = {SETTING_CONCURRENCY, "", value};
    registry_settings_write(record, &change, 1, written, call);
}

void put_function_concurrency(struct api_call *call)
{
    int64_t wanted = json_int(call->aws.input, MEMBER, 0);
    struct function_name name;
    struct function_record *record;
    if (!call_whole_name(call, &name) || !call_function_to_write(call, put_function_concurrency, &name, &record) ||
        !leaves_enough(call, record, (uint64_t)wanted) || !holds_provisioned(call, record, (uint64_t)wanted))
        return;
    CLEANUP(freep) char *value = str_format("{\"" MEMBER "\":%" PRId64 "}", wanted);
    registry_promise(record, (uint64_t)wanted);
    write_reserved(call, record, value);
}

void delete_function_concurrency(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!call_whole_name(call, &name) || !call_function_to_write(call, delete_function_concurrency, &name, &record))
        return;
    if (registry_reserved(record) == CONCURRENCY_UNRESERVED)
        call_reply(call, NULL);
    else
        write_reserved(call, record, NULL);
}

void get_function_concurrency(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!call_function(call, &name, &record))
        return;
    cJSON *out = cJSON_CreateObject();
    if (registry_reserved(record) != CONCURRENCY_UNRESERVED)
        cJSON_AddNumberToObject(out, MEMBER, (double)registry_reserved(record));
    call_reply(call, out);
}
