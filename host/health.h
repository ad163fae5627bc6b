/* What GET /_stoke/health says: version, readiness, and what this host can and cannot enforce, each missing thing as a plain
 * sentence. Loop thread only.
 *
 *     health_init(&health, config, data_path);
 *     health_set_host(&health, &msg->host);           // the spawner's report
 *     cJSON *body = health_json(&health, &sources);
 */
#pragma once

#include <stdint.h>

#include "host/config.h"
#include "lib/json/json.h"
#include "sandbox/spawn_proto.h"

struct api;
struct invoke;
struct pool;
struct registry;
struct runtimes;

enum health_status { HEALTH_STARTING, HEALTH_READY, HEALTH_SPAWNER_LOST, HEALTH_STOPPING };

struct health {
    const struct config *config; /* borrowed, as data */
    const char *data;
    enum health_status status;
    int64_t started_us;
    uint64_t spawner_losses;
    bool has_host;
    struct spawn_host host;
};

struct health_sources {
    const struct registry *registry;
    const struct runtimes *runtimes;
    const struct pool *pool;
    const struct invoke *invoke;
};

void health_init(struct health *health, const struct config *config, const char *data);
void health_set_host(struct health *health, const struct spawn_host *host);
/* Owned by the caller. */
cJSON *health_json(const struct health *health, const struct health_sources *sources);
