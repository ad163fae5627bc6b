/* What is asked about an account rather than a function: GetAccountSettings, GetCallerIdentity. */
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/handlers.h"
#include "host/registry/concurrency.h"
#include "host/registry/layer/layers.h"
#include "lib/base/strutil.h"

/* Lambda's own limits, in bytes (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). */
#define TOTAL_CODE_BYTES 80530636800.0
#define UNZIPPED_BYTES 262144000.0
#define ZIPPED_BYTES 52428800.0

void get_account_settings(struct api_call *call)
{
    uint64_t functions, bytes;
    double concurrency = (double)call->api->options.config->concurrency_account;
    double claimed = (double)registry_account_claimed(call->api->options.registry, call->aws.account, call->aws.region);
    registry_usage(call->api->options.registry, call->aws.account, call->aws.region, &functions, &bytes);
    bytes += layers_code_bytes(call->api->options.registry, call->aws.account, call->aws.region);
    cJSON *out = cJSON_CreateObject();
    cJSON *limit = cJSON_AddObjectToObject(out, "AccountLimit"), *usage = cJSON_AddObjectToObject(out, "AccountUsage");
    cJSON_AddNumberToObject(limit, "TotalCodeSize", TOTAL_CODE_BYTES);
    cJSON_AddNumberToObject(limit, "CodeSizeUnzipped", UNZIPPED_BYTES);
    cJSON_AddNumberToObject(limit, "CodeSizeZipped", ZIPPED_BYTES);
    cJSON_AddNumberToObject(limit, "ConcurrentExecutions", concurrency);
    cJSON_AddNumberToObject(limit, "UnreservedConcurrentExecutions", concurrency - claimed);
    cJSON_AddNumberToObject(usage, "TotalCodeSize", (double)bytes);
    cJSON_AddNumberToObject(usage, "FunctionCount", (double)functions);
    call_reply(call, out);
}

char *call_caller_arn(const struct api_call *call)
{
    if (call->caller == NULL)
        return str_format("arn:aws:iam::%s:root", call->aws.account);
    const char *slash = strrchr(call->caller->role, '/');
    return str_format("arn:aws:sts::%s:assumed-role/%s/%s", call->aws.account, slash != NULL ? slash + 1 : call->caller->role,
                      call->caller->name);
}

void get_caller_identity(struct api_call *call)
{
    CLEANUP(freep) char *arn = call_caller_arn(call);
    cJSON *out = cJSON_CreateObject();
    if (call->caller == NULL) {
        cJSON_AddStringToObject(out, "UserId", call->aws.account);
    } else { /* role id and session name, as STS gives them for an assumed role */
        CLEANUP(freep) char *id = str_format("AROASTOKE%s:%s", call->aws.account, call->caller->name);
        cJSON_AddStringToObject(out, "UserId", id);
    }
    cJSON_AddStringToObject(out, "Account", call->aws.account);
    cJSON_AddStringToObject(out, "Arn", arn);
    call_reply(call, out);
}
