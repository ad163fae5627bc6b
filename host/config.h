/* The daemon's configuration: one table says every setting's name, type, unit, bounds, default and help; it parses the
 * command line and the file, and prints --help and docs/configuration.md. Immutable after config_load(), any thread.
 *
 *     struct config *config;
 *     if (config_load(argc, argv, &config, &err) < 0) ...     // names the option, the file's line, the bound
 *     config->listen_port ... config_free(config);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/err.h"

enum config_retired { CONFIG_RETIRED_REFUSE, CONFIG_RETIRED_ALLOW };
enum config_network { CONFIG_NETWORK_ISOLATED, CONFIG_NETWORK_PUBLIC };
enum config_endpoint { CONFIG_ENDPOINT_NONE, CONFIG_ENDPOINT_INVOKE, CONFIG_ENDPOINT_ACCOUNT };

/* Texts are never NULL; an empty one is "not set". */
struct config {
    char *listen;      /* "127.0.0.1:4566" */
    char *listen_host; /* its parts; brackets of an IPv6 address removed */
    int64_t listen_port;
    bool listen_public;
    char *data; /* absolute after app_start() made it */
    char *user;
    int64_t shutdown_grace_s;
    int64_t log_level;               /* enum log_level */
    char *http_hosts, *http_origins; /* separated by commas */
    int64_t http_connections, http_request_s, http_idle_s;
    char *runtimes_path, *runtimes_dir;
    int64_t runtimes_retired; /* enum config_retired */
    bool runtimes_exact;
    int64_t network;              /* enum config_network */
    int64_t functions_endpoint;   /* enum config_endpoint */
    int64_t functions_inactive_s; /* 0: never */
    int64_t concurrency_account;
    int64_t memory_budget_mb, memory_spare_mb;
    int64_t pool_blanks_min, pool_blanks_max, pool_workers_max, pool_keep_alive_s, pool_freeze_ms, pool_wait_ms;
    int64_t job_threads;
    char *spawner;
    int64_t spawner_silence_s;
    int64_t uid_base;
};

enum config_action { CONFIG_RUN, CONFIG_HELP, CONFIG_PAGE, CONFIG_VERSION };

/* Reads the command line and the file it names. *ret_action other than CONFIG_RUN: print and exit. ERR_INVALID for an
 * unknown name, a value out of bounds, a duplicate; ERR_UNSUPPORTED for a value that is known and not available. */
int config_load(int argc, char **argv, struct config **ret_config, enum config_action *ret_action, struct err *err) WARN_UNUSED;
void config_free(struct config *config);

/* For --help. */
void config_print_help(FILE *out);
/* docs/configuration.md. */
void config_print_page(FILE *out);
