/* Running stoked: what the parts tell each other through the composition root, signals, and the way down. */
#include "host/app.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "host/app_state.h"
#include "host/invoke/invoke.h"
#include "host/invoke/provision.h"
#include "host/registry/provisioned.h"
#include "host/telemetry/logs.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/jobs.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

#define PREPARE_FUNCTIONS_MAX 64
#define ENDPOINT_CONNECTIONS_MAX 128            /* of one sandbox to the front door inside it */
#define ENDPOINT_INVOKE_BYTES_MAX (64u << 20)   /* of its requests at once: ten of the largest events, */
#define ENDPOINT_ACCOUNT_BYTES_MAX (128u << 20) /* or a deployment besides, where functions may deploy */
#define STOP_EXTRA_US 6000000                   /* what pool_drain() may take past its deadline, and a second */

/* ---- the spawner's events ---- */

static void announce(struct app *app)
{
    if (app->announced)
        return;
    app->announced = true;
    printf("stoke ready on http://%s, data in %s\n", app->address, app->data.path);
    fflush(stdout);
}

static void on_message(void *arg, const struct spawn_msg *msg, int *fds, size_t nfds)
{
    struct app *app = arg;
    if (app->pool != NULL && pool_spawn_message(app->pool, msg, fds, nfds))
        return;
    if (msg->op == SPAWN_HOST)
        health_set_host(&app->health, &msg->host);
    if (msg->op == SPAWN_TREE_FORGOTTEN && app->reclaim != NULL)
        reclaim_forgotten(app->reclaim, msg->tree.digest);
    for (size_t i = 0; i < nfds; i++)
        fd_closep(&fds[i]);
}

static void on_lost(void *arg)
{
    struct app *app = arg;
    log_error("spawner.lost", "effect=\"running invocations fail; a new spawner is on its way\"");
    app->health.spawner_losses++;
    if (app->state == APP_RUNNING)
        app->health.status = HEALTH_SPAWNER_LOST;
    pool_spawn_lost(app->pool);
}

static void prepare_one(void *arg, struct function_version *version)
{
    if (version->match.language == RUNTIME_PYTHON || version->match.language == RUNTIME_NODE || version->match.language == RUNTIME_PROVIDED)
        pool_prepare(arg, version);
}

static void on_up(void *arg)
{
    struct app *app = arg;
    struct err err;
    if (spawn_client_send(app->spawner, &(struct spawn_msg){.op = SPAWN_HOST_REPORT}, &err) < 0)
        log_warn("spawner.report", "error=\"%s\"", err.msg);
    if (app->state == APP_RUNNING)
        app->health.status = HEALTH_READY;
    pool_spawn_up(app->pool);
    registry_each_latest(app->registry, PREPARE_FUNCTIONS_MAX, prepare_one, app->pool); /* a first visit need not wait for an interpreter */
    announce(app);
}

static void on_gone(void *arg)
{
    struct app *app = arg;
    log_error("monitor.gone", "effect=\"nothing can be contained any more; stoked ends\"");
    app->status = 1;
    app->state = APP_STOPPED;
}

const struct spawn_events app_spawn_events = {.message = on_message, .lost = on_lost, .up = on_up, .gone = on_gone};

/* ---- stopping ---- */

static void on_drained(void *arg)
{
    struct app *app = arg;
    app->drained = true;
}

void app_on_stop_due(void *arg)
{
    struct app *app = arg;
    log_warn("stop.forced", "working=%u replying=%u", api_working(app->api), http_server_replying(app->http));
    app->state = APP_STOPPED;
}

static void stop(struct app *app, int64_t grace_us)
{
    int64_t deadline_us = clock_mono_us() + grace_us;
    app->state = APP_STOPPING;
    app->health.status = HEALTH_STOPPING;
    http_server_stop_accepting(app->http);
    provision_stop(app->provision);
    pool_drain(app->pool, deadline_us, on_drained, app);
    loop_timer_set(app->loop, &app->stop_timer, deadline_us + STOP_EXTRA_US);
}

void app_on_signal(void *arg, uint32_t events)
{
    struct app *app = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(app->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (app->state == APP_RUNNING) {
            log_info("stop", "signal=%s grace_s=%lld running=%u", strsignal((int)info.ssi_signo), (long long)app->config->shutdown_grace_s,
                     invoke_running(app->invoke));
            stop(app, app->config->shutdown_grace_s * 1000000);
        } else {
            log_warn("stop", "signal=%s effect=\"ending at once\"", strsignal((int)info.ssi_signo));
            app->state = APP_STOPPED;
        }
    }
}

/* ---- what a part asks of another ---- */

static void *on_endpoint_open(void *arg, struct function_version *version, int fd)
{
    struct app *app = arg;
    static const struct http_listener_limits account = {.connections_max = ENDPOINT_CONNECTIONS_MAX,
                                                        .bodies_bytes_max = ENDPOINT_ACCOUNT_BYTES_MAX},
                                             invoke = {.connections_max = ENDPOINT_CONNECTIONS_MAX,
                                                       .bodies_bytes_max = ENDPOINT_INVOKE_BYTES_MAX,
                                                       .small_bodies = true};
    struct http_listener *listener;
    struct err err;
    if (http_server_add(app->http, fd, version, &listener, &err) == 0) {
        http_listener_limit(listener, app->config->functions_endpoint == CONFIG_ENDPOINT_ACCOUNT ? &account : &invoke);
        return listener;
    }
    log_warn("endpoint.failed", "function=%s error=\"%s\"", version->name, err.msg);
    return NULL;
}

static void on_endpoint_close(void *arg, void *handle)
{
    (void)arg;
    http_listener_close(handle);
}

const struct pool_endpoint_events app_endpoint_events = {.open = on_endpoint_open, .close = on_endpoint_close};

void app_on_active(void *arg, struct function_version *version)
{
    struct app *app = arg;
    pool_prepare(app->pool, version);
}

/* What a version's sandboxes are to be: counted for who may run, and made. */
void app_on_provisioned(void *arg, struct function_version *version, unsigned wanted)
{
    struct app *app = arg;
    invoke_provision(app->invoke, version, wanted);
    provision_set(app->provision, version, wanted);
}

void app_on_reached(void *arg, const struct function_version *version)
{
    struct app *app = arg;
    registry_provisioned_reached(app->registry, version);
}

cJSON *app_on_health(void *arg)
{
    struct app *app = arg;
    const struct health_sources sources = {.registry = app->registry, .runtimes = app->runtimes, .pool = app->pool, .invoke = app->invoke};
    return health_json(&app->health, &sources);
}

/* `stoke runtimes add`: registered in DATA/runtimes.list, then the host is looked at again. On a job thread: reads what never
 * changes. */
int app_on_runtime_add(void *arg, const char *name, const char *path, struct runtimes **ret_runtimes, struct err *err)
{
    const struct app *app = arg;
    struct runtimes_options options;
    app_runtimes_options(app, &options);
    int r = runtimes_add(&options, name, path, err);
    if (r == 0)
        r = runtimes_scan(&options, ret_runtimes, err);
    if (r == 0)
        log_info("runtime.added", "name=%s path=%s", name, path);
    return r;
}

/* What runs goes on with what it has, what is asked for next gets the new; the old list stays, as versions still refer to it. */
void app_on_runtimes_changed(void *arg, struct runtimes *runtimes)
{
    struct app *app = arg;
    app->runtimes_before = reallocarray(app->runtimes_before, app->runtimes_before_count + 1, sizeof(struct runtimes *));
    if (app->runtimes_before == NULL)
        abort();
    app->runtimes_before[app->runtimes_before_count++] = app->runtimes;
    app->runtimes = runtimes;
    registry_set_runtimes(app->registry, runtimes);
    registry_each_latest(app->registry, PREPARE_FUNCTIONS_MAX, prepare_one, app->pool);
}

/* ---- the loop ---- */

int app_run(struct app *app)
{
    while (app->state != APP_STOPPED) {
        http_server_run_once(app->http, -1);
        if (app->state == APP_STOPPING && app->drained && api_working(app->api) == 0 && http_server_replying(app->http) == 0)
            app->state = APP_STOPPED;
    }
    return app->status;
}

/* What is at work on other threads ends while all that it reports to is there. Nothing new comes in meanwhile. */
static void finish_work(struct app *app)
{
    while ((app->jobs != NULL && jobs_unfinished(app->jobs) > 0) || (app->checks != NULL && jobs_unfinished(app->checks) > 0) ||
           (app->registry != NULL && registry_is_busy(app->registry)))
        loop_run_posted(app->loop);
}

/* The reverse of the start; every part may be missing. invoke and pool first: they answer what still runs, and close the
 * listeners of the server. */
void app_free(struct app *app)
{
    if (app == NULL)
        return;
    if (app->registry != NULL) {
        registry_on_retired(app->registry, NULL, NULL);
        registry_on_active(app->registry, NULL, NULL);
        registry_on_provisioned(app->registry, NULL, NULL);
        registry_on_unused(app->registry, NULL, NULL);
    }
    reclaim_stop(app->reclaim);
    finish_work(app);
    if (app->invoke != NULL)
        invoke_free(app->invoke);
    provision_free(app->provision);
    if (app->pool != NULL)
        pool_free(app->pool);
    if (app->http != NULL)
        http_server_free(app->http);
    if (app->api != NULL)
        api_free(app->api);
    if (app->logs != NULL)
        logs_free(app->logs);
    if (app->spawner != NULL)
        spawn_client_stop(app->spawner);
    jobs_free(app->jobs);
    jobs_free(app->checks);
    reclaim_free(app->reclaim);
    registry_close(app->registry);
    if (app->store != NULL)
        store_close(app->store);
    if (app->runtimes != NULL)
        runtimes_free(app->runtimes);
    for (size_t i = 0; i < app->runtimes_before_count; i++)
        runtimes_free(app->runtimes_before[i]);
    free(app->runtimes_before);
    if (app->loop != NULL) {
        loop_timer_cancel(app->loop, &app->stop_timer);
        loop_remove(app->signal_watch);
        loop_free(app->loop);
    }
    fd_closep(&app->signal_fd);
    fd_closep(&app->listen_fd);
    data_dir_close(&app->data);
    free(app->address);
    free(app->program_dir);
    free(app->runtimes_dir);
    free(app->runtimes_list);
    free(app->tmp_dir);
    free(app);
}
