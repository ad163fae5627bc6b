/* Making stoked. Order matters: what needs root comes first (descriptor limits, the port, the data directory's owner, the
 * monitor), then privileges go for good, then everything that reads what others wrote. A part that fails leaves what was
 * made before it to app_free(), which takes apart whatever is there. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/app_state.h"
#include "host/extensions.h"
#include "host/invoke/invoke.h"
#include "host/invoke/provision.h"
#include "host/privileges.h"
#include "host/registry/provisioned.h"
#include "host/telemetry/logs.h"
#include "layers/runtimes/runtime_dir.h"
#include "lib/base/fd.h"
#include "lib/base/jobs.h"
#include "lib/base/log.h"
#include "lib/base/priority.h"
#include "lib/base/strutil.h"
#include "sandbox/spawn_proto.h"

#define BODY_BYTES_MAX (70ull << 20)                               /* a CreateFunction of 50 MB as base64, and its members */
#define SMALL_BODY_BYTES_MAX (API_PAYLOAD_BYTES_MAX + (64u << 10)) /* what is a little too large has Invoke's own answer */
#define HEADER_BYTES_MAX (64u << 10)
#define LISTEN_BACKLOG 1024
#define NOFILE_MAX 1048576
#define JOB_THREADS_MAX 4

/* Every idle worker costs three descriptors. As root the hard limit goes up, too. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit, wanted = {NOFILE_MAX, NOFILE_MAX};
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* the pool takes what there is */
}

static int find_program_dir(struct app *app, struct err *err)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n < 0)
        return err_errno(err, "finding the own program");
    path[n] = '\0';
    *strrchr(path, '/') = '\0';
    app->program_dir = str_format("%s", path);
    return 0;
}

static int open_port(struct app *app, struct err *err)
{
    const struct config *config = app->config;
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    socklen_t len = sizeof(*v4);
    const char *host = str_eq(config->listen_host, "localhost") ? "127.0.0.1" : config->listen_host;
    int yes = 1;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)config->listen_port);
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)config->listen_port);
        len = sizeof(*v6);
    }
    app->listen_fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (app->listen_fd < 0 || setsockopt(app->listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        bind(app->listen_fd, (struct sockaddr *)&address, len) < 0)
        return errno == EADDRINUSE
                   ? err_set(err, ERR_CONFLICT, "another program is listening on %s; choose another --listen", config->listen)
                   : err_errno(err, "listening on %s", config->listen);
    if (listen(app->listen_fd, LISTEN_BACKLOG) < 0 || getsockname(app->listen_fd, (struct sockaddr *)&address, &len) < 0)
        return err_errno(err, "listening on %s", config->listen);
    int port = ntohs(address.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
    app->address = str_format(strchr(config->listen_host, ':') != NULL ? "[%s]:%d" : "%s:%d", config->listen_host, port);
    return 0;
}

/* The monitor and its spawner keep the privileges that stoked is about to lose. */
static int start_spawner(struct app *app, struct err *err)
{
    CLEANUP(freep) char *beside = str_format("%s/stoke-spawner", app->program_dir);
    CLEANUP(freep) char *cgroup = str_format("stoke-%s", strrchr(app->address, ':') + 1);
    const struct spawn_options options = {
        .spawner_path = *app->config->spawner != '\0' ? app->config->spawner : beside,
        .data_dir = app->data.path,
        .cgroup_name = cgroup,
        .uid_base = (uint32_t)app->config->uid_base,
        .silence_us = app->config->spawner_silence_s * 1000000,
        .lock_fd = app->data.lock_fd,
    };
    if (access(options.spawner_path, X_OK) < 0)
        return err_errno(err, "the program %s", options.spawner_path);
    return spawn_client_start(app->loop, &options, &app_spawn_events, app, &app->spawner, err);
}

/* What rooms show at /var/runtime is put together while we may still write where a later stoked cannot. */
static int prepare_runtimes(struct app *app, struct err *err)
{
    CLEANUP(freep) char *beside = str_format("%s/runtimes", app->program_dir);
    app->runtimes_dir = str_format("%s/runtimes", app->data.path);
    return runtime_dir_prepare(*app->config->runtimes_dir != '\0' ? app->config->runtimes_dir : beside, app->data.path, err);
}

static int start_privileged(struct app *app, struct err *err)
{
    struct identity identity;
    umask(022); /* the data directory itself is closed; the trees in it are shown to sandboxes of other users */
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    int r = identity_find(app->config->user, &identity, err);
    if (r == 0)
        r = find_program_dir(app, err);
    if (r == 0)
        r = data_dir_open(app->config->data, &identity, &app->data, err);
    if (r == 0)
        r = prepare_runtimes(app, err);
    if (r == 0)
        r = open_port(app, err);
    if (r == 0)
        r = loop_new(&app->loop, err);
    if (r == 0)
        r = start_spawner(app, err);
    if (r == 0)
        r = privileges_drop(&identity, err);
    return r;
}

/* After the monitor was started, so that it does not inherit the mask; before there are threads, so that all do. */
static int catch_signals(struct app *app, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_errno(err, "blocking signals");
    sigdelset(&set, SIGHUP); /* blocked for good: a closed terminal ends nothing */
    app->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (app->signal_fd < 0)
        return err_errno(err, "receiving signals");
    return loop_add(app->loop, app->signal_fd, EPOLLIN, app_on_signal, app, &app->signal_watch, err);
}

void app_runtimes_options(const struct app *app, struct runtimes_options *ret)
{
    *ret = (struct runtimes_options){
        .search_path = app->config->runtimes_path,
        .extra_file = app->runtimes_list,
        .may_show = spawn_may_show,
    };
}

static int open_state(struct app *app, struct err *err)
{
    CLEANUP(freep) char *db_path = str_format("%s/stoke.db", app->data.path);
    struct runtimes_options interpreters;
    app->runtimes_list = str_format("%s/runtimes.list", app->data.path);
    app_runtimes_options(app, &interpreters);
    int r = data_dir_scratch(&app->data, "tmp", err);
    if (r == 0)
        r = store_open(app->data.fd, &app->store, err);
    if (r == 0)
        r = runtimes_scan(&interpreters, &app->runtimes, err);
    if (r < 0)
        return r;
    const struct registry_options options = {
        .db_path = db_path,
        .loop = app->loop,
        .runtimes = app->runtimes,
        .runtimes_exact = app->config->runtimes_exact,
        .inactive_after_s = app->config->functions_inactive_s,
    };
    r = registry_open(&options, &app->registry, err);
    if (r == 0)
        r = store_sweep(app->store, registry_code_is_live, app->registry, err);
    return r;
}

static int make_pool(struct app *app, struct err *err)
{
    const struct config *config = app->config;
    CLEANUP(freep) char *log_dir = str_format("%s/logs", app->data.path);
    CLEANUP(freep) char *python = str_format("%s/python", app->runtimes_dir);
    CLEANUP(freep) char *node = str_format("%s/nodejs", app->runtimes_dir);
    int r = logs_new(&(struct logs_options){.loop = app->loop, .dir = log_dir, .jobs = app->jobs}, &app->logs, err);
    if (r < 0)
        return r;
    const struct pool_options options = {
        .loop = app->loop,
        .logs = app->logs,
        .spawner = app->spawner,
        .endpoint = &app_endpoint_events,
        .endpoint_arg = app,
        .extensions = extensions_find,
        .extensions_arg = app->store,
        .var_runtime_python = python,
        .var_runtime_node = node,
        .memory_bytes = (uint64_t)config->memory_budget_mb << 20,
        .memory_spare_bytes = (uint64_t)config->memory_spare_mb << 20,
        .workers_max = (unsigned)config->pool_workers_max,
        .blanks_min = (unsigned)config->pool_blanks_min,
        .blanks_max = (unsigned)config->pool_blanks_max,
        .blanks_off = config->pool_blanks_min == 0,
        .keep_alive_ms = config->pool_keep_alive_s * 1000,
        .freeze_ms = config->pool_freeze_ms,
        .wait_ms_max = config->pool_wait_ms,
    };
    r = pool_new(&options, &app->pool, err);
    if (r < 0)
        return r;
    registry_on_retired(app->registry, pool_on_retired, app->pool);
    registry_on_active(app->registry, app_on_active, app);
    r = invoke_new(&(struct invoke_options){.loop = app->loop,
                                            .concurrency = registry_concurrency,
                                            .concurrency_arg = app->registry,
                                            .pool = app->pool,
                                            .account_concurrency = (unsigned)config->concurrency_account},
                   &app->invoke, err);
    if (r == 0)
        r = provision_new(&(struct provision_options){.loop = app->loop, .pool = app->pool, .reached = app_on_reached, .arg = app},
                          &app->provision, err);
    if (r == 0)
        registry_on_provisioned(app->registry, app_on_provisioned, app);
    return r;
}

static int open_front_door(struct app *app, struct err *err)
{
    const struct config *config = app->config;
    const struct api_options options = {
        .config = config,
        .loop = app->loop,
        .jobs = app->jobs,
        .checks = app->checks,
        .registry = app->registry,
        .store = app->store,
        .invoke = app->invoke,
        .provision = app->provision,
        .logs = app->logs,
        .runtimes = &app->runtimes,
        .health = app_on_health,
        .runtime_add = app_on_runtime_add,
        .runtimes_changed = app_on_runtimes_changed,
        .arg = app,
    };
    app->tmp_dir = str_format("%s/tmp", app->data.path);
    const struct http_options http = {
        .body_bytes_max = BODY_BYTES_MAX,
        .small_body_bytes_max = SMALL_BODY_BYTES_MAX,
        .header_bytes_max = HEADER_BYTES_MAX,
        .request_ms_max = config->http_request_s * 1000,
        .idle_ms_max = config->http_idle_s * 1000,
        .connections_max = (unsigned)config->http_connections,
        .tmp_dir = app->tmp_dir,
        .refusal = api_refusal,
    };
    struct http_listener *listener;
    int r = api_new(&options, &app->api, err);
    if (r == 0)
        r = http_server_new(app->loop, &http, api_on_request, app->api, &app->http, err);
    if (r == 0)
        r = http_server_add(app->http, fd_steal(&app->listen_fd), NULL, &listener, err);
    return r;
}

static int start_reclaiming(struct app *app, struct err *err)
{
    const struct reclaim_options options = {
        .loop = app->loop,
        .jobs = app->jobs,
        .store = app->store,
        .registry = app->registry,
        .spawner = app->spawner,
        .api = app->api,
    };
    int r = reclaim_new(&options, &app->reclaim, err);
    if (r == 0)
        registry_on_unused(app->registry, reclaim_on_unused, app->reclaim);
    return r;
}

/* A processor stays for what answers: on one that a deployment keeps busy, the loop and the runtime it waits for stand in line. */
static unsigned job_threads(const struct config *config)
{
    unsigned spare = processors_usable() - 1;
    if (config->job_threads > 0)
        return (unsigned)config->job_threads;
    return spare < 1 ? 1 : spare > JOB_THREADS_MAX ? JOB_THREADS_MAX : spare;
}

/* Deployments, and apart from them the checks that invocations wait for. */
static int start_jobs(struct app *app, struct err *err)
{
    const struct jobs_options jobs = {.threads = job_threads(app->config), .loop = app->loop, .background = true},
                              checks = {.threads = 1, .loop = app->loop};
    int r = jobs_new(&jobs, &app->jobs, err);
    return r == 0 ? jobs_new(&checks, &app->checks, err) : r;
}

int app_start(const struct config *config, struct app **ret_app, struct err *err)
{
    struct app *app = calloc(1, sizeof(*app));
    if (app == NULL)
        return err_set(err, ERR_NO_MEMORY, "the application");
    app->config = config;
    app->listen_fd = app->signal_fd = app->data.fd = app->data.lock_fd = -1;
    loop_timer_init(&app->stop_timer, app_on_stop_due, app);
    int r = start_privileged(app, err);
    if (r == 0)
        r = catch_signals(app, err);
    if (r == 0)
        r = start_jobs(app, err);
    if (r == 0)
        r = open_state(app, err);
    if (r == 0)
        r = make_pool(app, err);
    if (r == 0)
        r = open_front_door(app, err);
    if (r == 0)
        r = start_reclaiming(app, err);
    if (r < 0) {
        app_free(app);
        return r;
    }
    priority_prompt(); /* last: who is started inherits it, and the other threads and processes are not the loop */
    health_init(&app->health, config, app->data.path);
    log_info("start", "version=%s listen=%s data=%s functions=%zu", STOKE_VERSION, app->address, app->data.path,
             registry_count(app->registry));
    *ret_app = app;
    return 0;
}
