/* The health page: one JSON object that `stoke doctor` shows to people and monitoring reads. */
#include "host/health.h"

#include <string.h>
#include <unistd.h>

#include "host/api/settings/stored_only.h"
#include "host/invoke/invoke.h"
#include "host/pool/pool.h"
#include "host/registry/functions.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

static const char *const status_names[] = {
    [HEALTH_STARTING] = "starting",
    [HEALTH_READY] = "ready",
    [HEALTH_SPAWNER_LOST] = "restarting the spawner",
    [HEALTH_STOPPING] = "stopping",
};
static const char *const network_names[] = {[CONFIG_NETWORK_ISOLATED] = "isolated", [CONFIG_NETWORK_PUBLIC] = "public"};
static const char *const endpoint_names[] = {
    [CONFIG_ENDPOINT_NONE] = "none",
    [CONFIG_ENDPOINT_INVOKE] = "invoke",
    [CONFIG_ENDPOINT_ACCOUNT] = "account",
};

void health_init(struct health *health, const struct config *config, const char *data)
{
    *health = (struct health){.config = config, .data = data, .started_us = clock_mono_us()};
}

void health_set_host(struct health *health, const struct spawn_host *host)
{
    health->host = *host;
    health->host.missing[sizeof(health->host.missing) - 1] = '\0';
    health->host.tmp_backend[sizeof(health->host.tmp_backend) - 1] = '\0';
    health->has_host = true;
}

static void add_lines(cJSON *list, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        CLEANUP(freep) char *line = str_format("%.*s", (int)n, text);
        if (n > 0)
            cJSON_AddItemToArray(list, cJSON_CreateString(line));
        text += n + (text[n] == '\n');
    }
}

static bool has_language(const struct runtimes *runtimes, enum runtime_language language)
{
    for (size_t i = 0; i < runtimes_count(runtimes); i++)
        if (runtimes_at(runtimes, i)->language == language)
            return true;
    return false;
}

static cJSON *host_json(const struct health *health, const struct runtimes *runtimes)
{
    const struct spawn_host *host = &health->host;
    cJSON *out = cJSON_CreateObject(), *missing = cJSON_CreateArray();
    if (health->has_host) {
        cJSON_AddStringToObject(out, "mode", host->rootless ? "rootless" : "root");
        cJSON_AddNumberToObject(out, "cgroup version", host->cgroup_version);
        cJSON_AddBoolToObject(out, "CPU limits", host->has_cpu != 0);
        cJSON_AddBoolToObject(out, "memory limits", host->has_memory != 0);
        cJSON_AddBoolToObject(out, "process limits", host->has_pids != 0);
        cJSON_AddBoolToObject(out, "freezing of idle sandboxes", host->has_freezer != 0);
        cJSON_AddBoolToObject(out, "user namespaces", host->has_userns != 0);
        cJSON_AddBoolToObject(out, "a user id of its own for each sandbox", host->unique_uids != 0);
        cJSON_AddBoolToObject(out, "BPF as a second lock and meter", host->has_bpf != 0);
        cJSON_AddStringToObject(out, "/tmp of functions", host->tmp_backend);
        add_lines(missing, host->missing);
    } else {
        cJSON_AddItemToArray(missing, cJSON_CreateString("The spawner has not reported yet what this host can enforce."));
    }
    if (!has_language(runtimes, RUNTIME_PYTHON))
        cJSON_AddItemToArray(missing, cJSON_CreateString("Python for python3.* functions: install python3, or name its "
                                                         "directory in runtimes.path."));
    if (!has_language(runtimes, RUNTIME_NODE))
        cJSON_AddItemToArray(missing, cJSON_CreateString("Node.js for nodejs* functions: install nodejs, or name its "
                                                         "directory in runtimes.path."));
    cJSON_AddItemToObject(out, "missing", missing);
    return out;
}

static cJSON *pool_json(const struct pool *pool)
{
    struct pool_stats stats;
    cJSON *out = cJSON_CreateObject();
    pool_get_stats(pool, &stats);
    const struct {
        const char *name;
        double value;
    } rows[] = {
        {"workers", stats.workers},
        {"blanks", stats.blanks},
        {"idle", stats.idle},
        {"frozen", stats.frozen},
        {"busy", stats.busy},
        {"making", stats.making},
        {"dying", stats.dying},
        {"waiting", stats.waiting},
        {"zygotes", stats.zygotes_up},
        {"provisioned", stats.provisioned},
        {"made", (double)stats.made},
        {"warmHits", (double)stats.warm_hits},
        {"blankHits", (double)stats.blank_hits},
        {"coldMakes", (double)stats.cold_makes},
        {"evicted", (double)stats.evicted},
        {"expired", (double)stats.expired},
        {"failures", (double)stats.failures},
        {"memoryUsedBytes", (double)stats.memory_used_bytes},
        {"memoryLimitBytes", (double)stats.memory_limit_bytes},
        {"memoryReserveBytes", (double)stats.reserve_bytes},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cJSON_AddNumberToObject(out, rows[i].name, rows[i].value);
    return out;
}

cJSON *health_json(const struct health *health, const struct health_sources *sources)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "status", status_names[health->status]);
    cJSON_AddBoolToObject(out, "ready", health->status == HEALTH_READY);
    cJSON_AddStringToObject(out, "version", STOKE_VERSION);
    cJSON_AddNumberToObject(out, "pid", getpid());
    cJSON_AddStringToObject(out, "data", health->data);
    cJSON_AddNumberToObject(out, "uptimeSeconds", (double)((clock_mono_us() - health->started_us) / 1000000));
    cJSON_AddNumberToObject(out, "functions", (double)registry_count(sources->registry));
    cJSON_AddNumberToObject(out, "running", invoke_running(sources->invoke));
    cJSON_AddNumberToObject(out, "spawnerLosses", (double)health->spawner_losses);
    cJSON_AddStringToObject(out, "network", network_names[health->config->network]);
    cJSON_AddStringToObject(out, "functionsEndpoint", endpoint_names[health->config->functions_endpoint]);
    cJSON_AddItemToObject(out, "storedOnly", stored_only_all());
    cJSON_AddItemToObject(out, "host", host_json(health, sources->runtimes));
    cJSON_AddItemToObject(out, "pool", pool_json(sources->pool));
    return out;
}
