/* Assembles environments; see env.h. */
#include "host/pool/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/registry/registry.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"

#define OWN_MAX 48 /* variables that Lambda sets */

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
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    /* ours: they would turn a client to a mode that is not served, or lead it away from Stoke */
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "_LAMBDA_SERVER_PORT",
    "_LAMBDA_TELEMETRY_LOG_FD",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
};

struct list {
    char **items;
    size_t count, cap;
};

bool env_is_reserved(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (strlen(reserved[i]) == len && memcmp(reserved[i], name, len) == 0)
            return true;
    return false;
}

void env_log_stream_name(const struct function_version *version, char out[ENV_LOG_STREAM_BYTES])
{
    unsigned char random[16];
    char hex[2 * sizeof random + 1], day[16];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(day, sizeof day, "%Y/%m/%d", &tm);
    id_random(random, sizeof random);
    id_hex(random, sizeof random, hex);
    CLEANUP(freep) char *standard = str_format("/aws/lambda/%s", version->name);
    const char *function = str_eq(version->log_group, standard) ? "" : version->name; /* said where others may write, too */
    CLEANUP(freep) char *name = str_format("%s/%s[%s]%s", day, function, version->version, hex);
    str_copy(out, ENV_LOG_STREAM_BYTES, name);
}

/* Adds "name=value"; takes value (from str_format or random_text). */
static void add(struct list *env, const char *name, char *value)
{
    if (env->count < env->cap)
        env->items[env->count++] = str_format("%s=%s", name, value);
    free(value);
}

static void add_text(struct list *env, const char *name, const char *value)
{
    add(env, name, str_format("%s", value));
}

static char *random_text(const char *prefix, const char *alphabet, size_t n)
{
    unsigned char random[512];
    char text[sizeof random + 1];
    id_random(random, n);
    for (size_t i = 0; i < n; i++)
        text[i] = alphabet[random[i] % strlen(alphabet)];
    text[n] = '\0';
    return str_format("%s%s", prefix, text);
}

static void add_credentials(struct list *env)
{
    static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    add(env, "AWS_ACCESS_KEY_ID", random_text("ASIA", base32, 16));
    add(env, "AWS_SECRET_ACCESS_KEY", random_text("", base64, 40));
    add(env, "AWS_SESSION_TOKEN", random_text("IQoJb3JpZ2luX2Vj", base64, 240));
}

static void add_function(struct list *env, const struct env_about *about)
{
    const struct function_version *v = about->version;
    add_text(env, "AWS_REGION", v->region);
    add_text(env, "AWS_DEFAULT_REGION", v->region);
    add_text(env, "AWS_LAMBDA_FUNCTION_NAME", v->name);
    add_text(env, "AWS_LAMBDA_FUNCTION_VERSION", v->version);
    add(env, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str_format("%u", v->memory_mb));
    add_text(env, "AWS_LAMBDA_LOG_GROUP_NAME", v->log_group);
    add_text(env, "AWS_LAMBDA_LOG_STREAM_NAME", about->log_stream);
    add_text(env, "AWS_LAMBDA_INITIALIZATION_TYPE", about->provisioned ? "provisioned-concurrency" : "on-demand");
    add_text(env, "_HANDLER", v->handler ? v->handler : "");
    if (v->log_json) {
        add_text(env, "AWS_LAMBDA_LOG_FORMAT", "JSON");
        add_text(env, "AWS_LAMBDA_LOG_LEVEL", v->log_level ? v->log_level : "INFO");
    }
}

static void add_common(struct list *env, const char *endpoint_url)
{
    add_text(env, "AWS_LAMBDA_RUNTIME_API", ENV_RUNTIME_API);
    add_text(env, "AWS_ENDPOINT_URL", endpoint_url);
    add_text(env, "AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
    add_text(env, "AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000");
    add_text(env, "_AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1");
    add_text(env, "_AWS_XRAY_DAEMON_PORT", "2000");
    unsigned char random[12];
    char hex[2 * sizeof random + 1];
    id_random(random, sizeof random);
    id_hex(random, sizeof random, hex);
    add(env, "_X_AMZN_TRACE_ID", str_format("Root=1-%08llx-%s;Sampled=0", (unsigned long long)time(NULL), hex));
    add_text(env, "LAMBDA_TASK_ROOT", "/var/task");
    add_text(env, "LAMBDA_RUNTIME_DIR", "/var/runtime");
    add_text(env, "PWD", "/var/task");
    add_text(env, "SHLVL", "0");
    add_text(env, "LANG", "en_US.UTF-8");
    add_text(env, "LC_CTYPE", "C.UTF-8");
    add_text(env, "TZ", ":UTC");
    add_text(env, "PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin");
    add_text(env, "LD_LIBRARY_PATH",
             "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:"
             "/opt/lib");
}

/* Layers have directories for a version: that of the function's runtime, then that of the interpreter, where it is another. */
static void add_node_path(struct list *env, const struct function_version *v)
{
    int runtime = atoi(v->runtime + strcspn(v->runtime, "0123456789")),
        interpreter = v->match.interpreter ? v->match.interpreter->major : 0;
    char other[64] = "";
    if (interpreter && interpreter != runtime)
        snprintf(other, sizeof other, "/opt/nodejs/node%d/node_modules:", interpreter);
    add(env, "NODE_PATH",
        str_format("/opt/nodejs/node%d/node_modules:%s/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:"
                   "/var/task",
                   runtime, other));
}

static void add_runtime(struct list *env, const struct function_version *v)
{
    if (v->match.language != RUNTIME_PROVIDED)
        add(env, "AWS_EXECUTION_ENV", str_format("AWS_Lambda_%s", v->runtime));
    switch (v->match.language) {
    case RUNTIME_PYTHON:
        add_text(env, "PYTHONPATH", "/var/runtime");
        break;
    case RUNTIME_NODE:
        add_node_path(env, v);
        break;
    case RUNTIME_PROVIDED: /* virtual machines size their heaps from the host's memory unless told otherwise */
        add(env, "JAVA_TOOL_OPTIONS", str_format("-XX:MaxRAM=%um", v->memory_mb));
        add(env, "DOTNET_GCHeapHardLimit", str_format("0x%llx", (unsigned long long)v->memory_mb << 20));
        break;
    case RUNTIME_NONE:
    case RUNTIME_OTHER:
        break;
    }
}

static void add_user(struct list *env, const char *variable)
{
    const char *eq = strchr(variable, '=');
    size_t name_len = eq ? (size_t)(eq - variable) : 0;
    if (name_len == 0 || env_is_reserved(variable, name_len))
        return;
    for (size_t i = 0; i < env->count; i++) {
        if (strncmp(env->items[i], variable, name_len + 1) == 0) {
            free(env->items[i]);
            env->items[i] = str_format("%s", variable);
            return;
        }
    }
    if (env->count < env->cap)
        env->items[env->count++] = str_format("%s", variable);
}

int env_build(const struct env_about *about, char ***ret_env, size_t *ret_count, struct err *err)
{
    const struct function_version *version = about->version;
    struct list env = {.cap = OWN_MAX + version->env_count};
    env.items = calloc(env.cap + 1, sizeof *env.items);
    if (!env.items)
        return err_set(err, ERR_NO_MEMORY, "no memory for the environment of %s", version->name);
    add_credentials(&env);
    add_function(&env, about);
    add_common(&env, about->endpoint_url);
    add_runtime(&env, version);
    for (size_t i = 0; i < version->env_count; i++)
        add_user(&env, version->env[i]);
    *ret_env = env.items;
    *ret_count = env.count;
    return 0;
}

void env_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}
