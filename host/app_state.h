/* The parts of stoked; private to host/app.c, which runs them, and host/app_start.c, which makes them. */
#pragma once

#include "host/api/api.h"
#include "host/app.h"
#include "host/data_dir.h"
#include "host/health.h"
#include "host/pool/pool.h"
#include "host/reclaim.h"
#include "lib/base/loop.h"
#include "lib/http/server.h"
#include "sandbox/spawn_client.h"

enum app_state {
    APP_RUNNING,
    APP_STOPPING, /* a signal came: running invocations finish */
    APP_STOPPED,
};

struct app {
    const struct config *config;
    enum app_state state;
    int status;
    bool drained, announced;
    struct data_dir data;
    int listen_fd, signal_fd;
    struct loop *loop;
    struct loop_watch *signal_watch;
    struct loop_timer stop_timer;
    struct jobs *jobs, *checks;
    struct spawn_client *spawner;
    struct store *store;
    struct runtimes *runtimes;
    struct runtimes **runtimes_before; /* replaced ones: versions still point into them */
    size_t runtimes_before_count;
    struct registry *registry;
    struct logs *logs;
    struct pool *pool;
    struct invoke *invoke;
    struct provision *provision;
    struct api *api;
    struct http_server *http;
    struct reclaim *reclaim;
    struct health health;
    char *address, *program_dir, *runtimes_dir, *runtimes_list, *tmp_dir;
};

/* app.c: what the parts call. */
extern const struct spawn_events app_spawn_events;
extern const struct pool_endpoint_events app_endpoint_events;
loop_event_fn app_on_signal;
loop_timer_fn app_on_stop_due;
registry_active_fn app_on_active;
void app_on_provisioned(void *arg, struct function_version *version, unsigned wanted);
void app_on_reached(void *arg, const struct function_version *version);
cJSON *app_on_health(void *arg);
int app_on_runtime_add(void *arg, const char *name, const char *path, struct runtimes **ret_runtimes, struct err *err);
void app_on_runtimes_changed(void *arg, struct runtimes *runtimes);
/* app_start.c: where interpreters are looked for. */
void app_runtimes_options(const struct app *app, struct runtimes_options *ret);
