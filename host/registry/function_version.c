/* Function versions for the data plane: built from a stored row when first needed, counted, freed with their last user. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "host/registry/function_record.h"
#include "lib/aws/arn.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"

void function_version_ref(struct function_version *version)
{
    version->refs++;
}

void function_version_unref(struct function_version *version)
{
    assert(version->refs > 0);
    if (--version->refs > 0)
        return;
    for (size_t i = 0; i < version->env_count; i++)
        free(version->env[i]);
    free(version->env);
    free(version->name);
    free(version->version);
    free(version->arn);
    free(version->runtime);
    free(version->handler);
    free(version->role);
    free(version->log_group);
    free(version->log_level);
    free(version->state_reason);
    free(version->state_reason_code);
    struct registry *registry = version->registry;
    registry->versions--;
    for (size_t i = 0; !registry->closed && i < version->layer_count; i++)
        code_use_drop(registry, version->layer_sha256[i]);
    if (registry->closed)
        registry_free_if_unneeded(registry);
    else
        code_use_drop(registry, version->code_sha256);
    free(version);
}

void function_version_count_network(const struct function_version *version, uint64_t bytes, uint64_t packets)
{
    struct function_record *record =
        version->registry->closed ? NULL : record_lookup(version->registry, version->account, version->region, version->name);
    if (record == NULL)
        return; /* it was deleted */
    record->net_bytes += bytes;
    record->net_packets += packets;
}

static char *copy(const char *text)
{
    char *s = strdup(text != NULL ? text : "");
    if (s == NULL)
        abort();
    return s;
}

static void read_env(struct function_version *version, const cJSON *config)
{
    const cJSON *variables = json_get(json_get(config, "Environment"), "Variables");
    int count = variables != NULL ? cJSON_GetArraySize(variables) : 0;
    if (count == 0)
        return;
    version->env = calloc((size_t)count, sizeof(*version->env));
    if (version->env == NULL)
        abort();
    const cJSON *item;
    cJSON_ArrayForEach(item, variables) {
        if (cJSON_IsString(item))
            version->env[version->env_count++] = str_format("%s=%s", item->string, item->valuestring);
    }
}

static void read_layers(struct function_version *version, const struct version_row *row)
{
    const char *at = row->layers;
    while (version->layer_count < FUNCTION_LAYERS_MAX && row_next_layer(&at, version->layer_sha256[version->layer_count]))
        code_use_add(version->registry, version->layer_sha256[version->layer_count++]);
}

static void set_failed(struct function_version *version, const char *code, const char *reason)
{
    memset(&version->match, 0, sizeof(version->match));
    version->state = "Failed";
    version->state_reason = copy(reason);
    version->state_reason_code = copy(code);
}

/* arm64 code on x86-64, or the other way round: interpreted code runs, native code does not load. */
static void note_architecture(struct function_version *version)
{
    struct utsname host;
    struct runtime_match *match = &version->match;
    if (uname(&host) < 0 || version->arm64 == str_eq(host.machine, "aarch64"))
        return;
    size_t len = strlen(match->note);
    snprintf(match->note + len, sizeof(match->note) - len,
             "%sthe function is for %s, this machine is %.32s: native code in it does not load", len > 0 ? "; " : "",
             version->arm64 ? "arm64" : "x86_64", host.machine);
}

/* How it runs on this host, which may have changed since the last start: the state follows. */
static void match_runtime(struct function_version *version, const struct registry *registry)
{
    struct err err;
    version->state = "Active";
    if (runtimes_match(registry->runtimes, version->runtime, registry->runtimes_exact, &version->match, &err) < 0)
        set_failed(version, "InvalidRuntime", err.msg);
    else
        note_architecture(version);
}

static void read_logging(struct function_version *version, const cJSON *config)
{
    const cJSON *logging = json_get(config, "LoggingConfig");
    const char *group = json_str(logging, "LogGroup"), *format = json_str(logging, "LogFormat");
    const char *level = json_str(logging, "ApplicationLogLevel"), *system = json_str(logging, "SystemLogLevel");
    version->log_group = group != NULL ? copy(group) : str_format("/aws/lambda/%s", version->name);
    version->log_json = format != NULL && str_eq(format, "JSON");
    if (!version->log_json)
        return;
    version->log_level = copy(level != NULL ? level : "INFO");
    version->log_system = system == NULL            ? LOG_SYSTEM_INFO
                          : str_eq(system, "DEBUG") ? LOG_SYSTEM_DEBUG
                          : str_eq(system, "WARN")  ? LOG_SYSTEM_WARN
                                                    : LOG_SYSTEM_INFO;
}

static struct function_version *version_build(const struct function_record *record, const struct version_row *row)
{
    CLEANUP(json_freep) cJSON *config = NULL;
    struct err err;
    struct function_version *version = calloc(1, sizeof(*version));
    if (version == NULL)
        abort();
    int parsed = json_parse(row->config, strlen(row->config), &config, &err);
    version->refs = 1;
    version->registry = record->registry;
    version->registry->versions++;
    code_use_add(version->registry, row->code_sha256);
    version->key = ++record->registry->next_key;
    (void)str_copy(version->account, sizeof(version->account), record->account);
    (void)str_copy(version->region, sizeof(version->region), record->region);
    version->name = copy(record->name);
    version->version = row->number == 0 ? copy("$LATEST") : str_format("%llu", (unsigned long long)row->number);
    char arn[ARN_FUNCTION_BYTES];
    arn_function_format(record->region, record->account, record->name, NULL, arn);
    version->arn = copy(arn);
    version->runtime = copy(json_str(config, "Runtime"));
    version->handler = copy(json_str(config, "Handler"));
    version->role = copy(json_str(config, "Role"));
    const cJSON *architecture = cJSON_GetArrayItem(json_get(config, "Architectures"), 0);
    version->arm64 = cJSON_IsString(architecture) && str_eq(architecture->valuestring, "arm64");
    version->memory_mb = (uint32_t)json_int(config, "MemorySize", 128);
    version->timeout_s = (uint32_t)json_int(config, "Timeout", 3);
    version->tmp_mb = (uint32_t)json_int(json_get(config, "EphemeralStorage"), "Size", 512);
    read_env(version, config);
    (void)str_copy(version->code_sha256, sizeof(version->code_sha256), row->code_sha256);
    read_layers(version, row);
    read_logging(version, config);
    if (parsed < 0) /* one damaged row must not keep the other functions from running */
        set_failed(version, "InternalError", err.msg);
    else
        match_runtime(version, record->registry);
    return version;
}

struct function_version *row_version(struct function_record *record, struct version_row *row)
{
    if (row->built == NULL)
        row->built = version_build(record, row);
    return row->built;
}
