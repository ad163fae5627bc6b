/* What a client may set of a function: AWS's defaults, AWS's refusals, and ours for what Stoke does not have. The stored
 * configuration is the part of AWS's FunctionConfiguration that clients set, complete, so that nothing of it depends on
 * later defaults. Constraints of single values were checked against the service model before. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/function/function.h"
#include "host/api/handlers.h"
#include "host/api/layer/layer.h"
#include "host/api/missing.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

#define ENVIRONMENT_BYTES_MAX 4096
#define SNAPSHOT_STORAGE_MB_MAX 512 /* https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html, supported features and limitations */

static void put_copy(cJSON *object, const char *name, const cJSON *input)
{
    const cJSON *value = json_get(input, name);
    if (value != NULL)
        json_set(object, name, cJSON_Duplicate(value, true));
}

static bool not_empty(const cJSON *value)
{
    if (cJSON_IsString(value))
        return *value->valuestring != '\0';
    if (cJSON_IsBool(value))
        return cJSON_IsTrue(value);
    return value != NULL && (value->child != NULL || cJSON_IsNumber(value));
}

/* Members that change nothing when empty and are not available otherwise. */
static const struct {
    const char *parent, *member; /* parent: "" for the input itself */
    const char *what, *missing;
} unavailable[] = {
    {"", "PublishTo", "PublishTo", MISSING_CAPACITY},
    {"", "S3Bucket", "Code from S3 (S3Bucket)", MISSING_S3},
    {"", "S3Key", "Code from S3 (S3Key)", MISSING_S3},
    {"", "SourceKMSKeyArn", "SourceKMSKeyArn", MISSING_KMS},
    {"Code", "S3Bucket", "Code from S3 (Code.S3Bucket)", MISSING_S3},
    {"Code", "S3Key", "Code from S3 (Code.S3Key)", MISSING_S3},
    {"Code", "ImageUri", "Code from a container image (Code.ImageUri)", MISSING_IMAGES},
    {"Code", "SourceKMSKeyArn", "Code.SourceKMSKeyArn", MISSING_KMS},
    {"", "ImageConfig", "ImageConfig", MISSING_IMAGES},
    {"", "FileSystemConfigs", "FileSystemConfigs (EFS)", MISSING_EFS},
    {"", "KMSKeyArn", "KMSKeyArn", MISSING_KMS},
    {"", "CapacityProviderConfig", "CapacityProviderConfig", MISSING_CAPACITY},
    {"", "DurableConfig", "DurableConfig", MISSING_DURABLE},
    {"", "TenancyConfig", "TenancyConfig", MISSING_TENANTS},
    {"VpcConfig", "SubnetIds", "VpcConfig (networks of one's own)", MISSING_VPC},
    {"VpcConfig", "SecurityGroupIds", "VpcConfig (networks of one's own)", MISSING_VPC},
};

bool function_config_refuse(struct api_call *call, const cJSON *input)
{
    for (size_t i = 0; i < ARRAY_LEN(unavailable); i++) {
        const cJSON *parent = *unavailable[i].parent != '\0' ? json_get(input, unavailable[i].parent) : input;
        if (parent == NULL || !not_empty(json_get(parent, unavailable[i].member)))
            continue;
        call_fail_unsupported(call, unavailable[i].what, unavailable[i].missing);
        return false;
    }
    const char *package = json_str(input, "PackageType");
    if (package != NULL && str_eq(package, "Image")) {
        call_fail_unsupported(call, "PackageType Image", MISSING_IMAGES);
        return false;
    }
    return true;
}

/* Names that the execution environment sets itself
 * (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html). */
static const char *const reserved[] = {
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
};

static bool check_environment(struct api_call *call, const cJSON *variables)
{
    CLEANUP(buf_free) struct buf used = BUF_INIT(4096);
    const cJSON *item;
    cJSON_ArrayForEach(item, variables) {
        for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
            if (str_eq(reserved[i], item->string) && buf_printf(&used, "%s%s", used.len > 0 ? ", " : "", reserved[i]) < 0)
                abort();
    }
    if (used.len > 0) {
        call_fail(call, "InvalidParameterValueException",
                  "Lambda was unable to configure your environment variables because the environment variables you have "
                  "provided contains reserved keys that are currently not supported for modification. Reserved keys used "
                  "in this request: %s",
                  used.data);
        return false;
    }
    CLEANUP(freep) char *text = json_print(variables);
    if (strlen(text) > ENVIRONMENT_BYTES_MAX) {
        call_fail(call, "InvalidParameterValueException",
                  "Lambda was unable to configure your environment variables because the environment variables you have "
                  "provided exceeded the 4KB limit. String measured: %s",
                  text);
        return false;
    }
    return true;
}

static bool put_environment(struct api_call *call, cJSON *config, const cJSON *input)
{
    const cJSON *environment = json_get(input, "Environment");
    if (environment == NULL)
        return true;
    const cJSON *variables = json_get(environment, "Variables");
    if (variables != NULL && !check_environment(call, variables))
        return false;
    cJSON *kept = cJSON_CreateObject();
    cJSON_AddItemToObject(kept, "Variables", variables != NULL ? cJSON_Duplicate(variables, true) : cJSON_CreateObject());
    json_set(config, "Environment", kept);
    return true;
}

/* Taking all variables away takes the block with them, as on AWS; a block that does not speak of variables changes nothing. */
static bool change_environment(struct api_call *call, cJSON *config, const cJSON *input)
{
    const cJSON *variables = json_get(json_get(input, "Environment"), "Variables");
    if (variables == NULL)
        return true;
    if (variables->child != NULL)
        return put_environment(call, config, input);
    cJSON_DeleteItemFromObjectCaseSensitive(config, "Environment");
    return true;
}

static bool runtime_is_usable(struct api_call *call, const char *runtime)
{
    const char *replacement = NULL;
    switch (runtime_status(runtime, &replacement)) {
    case RUNTIME_CURRENT:
        break;
    case RUNTIME_UNKNOWN: /* lib/aws refuses what AWS does not know; this is a newer identifier than our table */
        call_fail(call, "InvalidParameterValueException",
                  "Value %s at 'runtime' failed to satisfy constraint: Member must be a runtime that Stoke knows", runtime);
        return false;
    case RUNTIME_RETIRED:
        if (call->api->options.config->runtimes_retired == CONFIG_RETIRED_ALLOW) {
            log_warn("runtime.retired", "runtime=%s request_id=%s", runtime, call->aws.request_id);
            break;
        }
        call_fail(call, "InvalidParameterValueException",
                  "The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We "
                  "recommend you use %s%s%s while creating or updating functions.",
                  runtime, replacement != NULL ? "the new runtime (" : "a supported runtime", replacement != NULL ? replacement : "",
                  replacement != NULL ? ")" : "");
        return false;
    }
    struct runtime_match match;
    struct err err;
    bool exact = call->api->options.config->runtimes_exact;
    if (exact && runtimes_match(*call->api->options.runtimes, runtime, true, &match, &err) < 0 && err.kind == ERR_UNSUPPORTED) {
        call_fail(call, "InvalidParameterValueException", "%s", err.msg);
        return false;
    }
    return true;
}

/* Text has no levels; JSON has INFO unless the client says otherwise. */
static bool put_logging(struct api_call *call, cJSON *config, const cJSON *input, const struct function_name *name)
{
    const cJSON *wanted = json_get(input, "LoggingConfig"), *old = json_get(config, "LoggingConfig");
    if (wanted == NULL && old != NULL)
        return true;
    const char *format = json_str(wanted, "LogFormat");
    if (format == NULL)
        format = json_str(old, "LogFormat");
    if (format == NULL)
        format = "Text";
    cJSON *logging = cJSON_CreateObject();
    cJSON_AddStringToObject(logging, "LogFormat", format);
    static const char *const levels[] = {"ApplicationLogLevel", "SystemLogLevel"};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        const char *level = json_str(wanted, levels[i]);
        if (str_eq(format, "JSON")) {
            if (level == NULL)
                level = json_str(old, levels[i]);
            cJSON_AddStringToObject(logging, levels[i], level != NULL ? level : "INFO");
        } else if (level != NULL) {
            cJSON_Delete(logging);
            call_fail(call, "InvalidParameterValueException",
                      "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the "
                      "LogFormat to \"Json\" and try again.");
            return false;
        }
    }
    const char *group = json_str(wanted, "LogGroup");
    if (group == NULL || *group == '\0')
        group = json_str(old, "LogGroup");
    CLEANUP(freep) char *standard = str_format("/aws/lambda/%s", name->name);
    cJSON_AddStringToObject(logging, "LogGroup", group != NULL ? group : standard);
    json_set(config, "LoggingConfig", logging);
    return true;
}

/* From the first version on that AWS names (https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html, supported runtimes). */
static bool runtime_has_snapshots(const char *runtime)
{
    static const struct {
        const char *language;
        double least;
    } languages[] = {{"java", 11}, {"python3.", 12}, {"dotnet", 8}};
    for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
        size_t len = strlen(languages[i].language);
        if (strncmp(runtime, languages[i].language, len) == 0)
            return isdigit((unsigned char)runtime[len]) && strtod(runtime + len, NULL) >= languages[i].least;
    }
    return false;
}

/* SnapStart, against the runtime that the function then has. */
static bool put_snap_start(struct api_call *call, cJSON *config, const cJSON *input)
{
    const char *apply_on = json_str(json_get(input, "SnapStart"), "ApplyOn"), *runtime = json_str(config, "Runtime");
    if (apply_on == NULL)
        apply_on = json_str(json_get(config, "SnapStart"), "ApplyOn");
    bool applies = apply_on != NULL && str_eq(apply_on, "PublishedVersions");
    if (applies && (runtime == NULL || !runtime_has_snapshots(runtime))) {
        call_fail(call, "InvalidParameterValueException", "%s is not supported for SnapStart enabled functions.",
                  runtime != NULL ? runtime : "");
        return false;
    }
    if (applies && json_int(json_get(config, "EphemeralStorage"), "Size", 0) > SNAPSHOT_STORAGE_MB_MAX) {
        call_fail(call, "InvalidParameterValueException",
                  "Ephemeral storage greater than %d MB is not supported for SnapStart enabled functions.", SNAPSHOT_STORAGE_MB_MAX);
        return false;
    }
    cJSON *snap = cJSON_CreateObject();
    cJSON_AddStringToObject(snap, "ApplyOn", applies ? "PublishedVersions" : "None");
    cJSON_AddStringToObject(snap, "OptimizationStatus", "Off");
    json_set(config, "SnapStart", snap);
    return true;
}

/* A queue or a topic; an empty ARN takes it away. */
static bool put_dead_letters(struct api_call *call, cJSON *config, const cJSON *input)
{
    const char *arn = json_str(json_get(input, "DeadLetterConfig"), "TargetArn");
    if (arn == NULL)
        return true;
    if (*arn == '\0') {
        cJSON_DeleteItemFromObjectCaseSensitive(config, "DeadLetterConfig");
        return true;
    }
    const char *partition = strchr(arn, ':'), *service = partition != NULL ? strchr(partition + 1, ':') : NULL;
    if (service == NULL || !(str_starts(service, ":sqs:") || str_starts(service, ":sns:"))) {
        call_fail(call, "InvalidParameterValueException", "The dead letter target %s is neither an SQS queue nor an SNS topic.", arn);
        return false;
    }
    cJSON *kept = cJSON_CreateObject();
    cJSON_AddStringToObject(kept, "TargetArn", arn);
    json_set(config, "DeadLetterConfig", kept);
    return true;
}

static void put_defaults(cJSON *config)
{
    static const char *const architectures[] = {"x86_64"};
    cJSON_AddStringToObject(config, "Description", "");
    cJSON_AddNumberToObject(config, "Timeout", 3);
    cJSON_AddNumberToObject(config, "MemorySize", 128);
    cJSON_AddStringToObject(config, "PackageType", "Zip");
    cJSON_AddItemToObject(config, "Architectures", cJSON_CreateStringArray(architectures, 1));
    cJSON_AddStringToObject(cJSON_AddObjectToObject(config, "TracingConfig"), "Mode", "PassThrough");
    cJSON_AddNumberToObject(cJSON_AddObjectToObject(config, "EphemeralStorage"), "Size", 512);
}

/* What create and update have in common. */
static bool put_members(struct api_call *call, cJSON *config, const struct function_name *name)
{
    static const char *const plain[] = {"Role",       "Runtime",          "Handler",       "Description",  "Timeout",
                                        "MemorySize", "EphemeralStorage", "Architectures", "TracingConfig"};
    const cJSON *input = call->aws.input;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        put_copy(config, plain[i], input);
    const char *mode = json_str(json_get(input, "TracingConfig"), "Mode");
    if (mode != NULL && str_eq(mode, "Active"))
        log_warn("function.tracing", "function=%s mode=Active traces=\"are not recorded\"", name->name);
    return put_snap_start(call, config, input) && put_dead_letters(call, config, input) && put_logging(call, config, input, name) &&
           layer_attach(call, config, name->region);
}

cJSON *function_config_new(struct api_call *call, const struct function_name *name)
{
    const cJSON *input = call->aws.input;
    const char *runtime = json_str(input, "Runtime"), *handler = json_str(input, "Handler");
    if (!function_config_refuse(call, input))
        return NULL;
    if (runtime == NULL || handler == NULL) {
        call_fail(call, "InvalidParameterValueException",
                  "Runtime and Handler are mandatory parameters for functions created with deployment packages.");
        return NULL;
    }
    if (!runtime_is_usable(call, runtime))
        return NULL;
    cJSON *config = cJSON_CreateObject();
    put_defaults(config);
    if (!put_environment(call, config, input) || !put_members(call, config, name)) {
        cJSON_Delete(config);
        return NULL;
    }
    return config;
}

cJSON *function_config_changed(struct api_call *call, const char *old, const struct function_name *name)
{
    const cJSON *input = call->aws.input;
    const char *runtime = json_str(input, "Runtime");
    cJSON *config = NULL;
    struct err err;
    if (!function_config_refuse(call, input) || (runtime != NULL && !runtime_is_usable(call, runtime)))
        return NULL;
    if (json_parse(old, strlen(old), &config, &err) < 0) {
        call_fail_err(call, &err);
        return NULL;
    }
    if (json_get(input, "VpcConfig") != NULL) { /* without members, as function_config_refuse() saw to */
        cJSON *vpc = cJSON_CreateObject();
        cJSON_AddArrayToObject(vpc, "SubnetIds");
        cJSON_AddArrayToObject(vpc, "SecurityGroupIds");
        cJSON_AddStringToObject(vpc, "VpcId", "");
        cJSON_AddBoolToObject(vpc, "Ipv6AllowedForDualStack", false);
        json_set(config, "VpcConfig", vpc);
    }
    if (!change_environment(call, config, input) || !put_members(call, config, name)) {
        cJSON_Delete(config);
        return NULL;
    }
    return config;
}
