/* What the subcommands of `stoke` share: the options every one takes, calls to the API, and how results and errors are shown.
 * Results go to stdout, everything else to stderr. Exit status: 0 done, 1 the function or the server said no, 2 wrong usage,
 * 3 nobody answers at the endpoint.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/http/client.h"
#include "lib/json/json.h"

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_UNREACHABLE = 3 };

struct cli {
    const char *endpoint, *account, *region;
    bool json; /* --output json */
    struct http_client *client;
};

/* A subcommand: argv[0] is its name; returns an enum cli_exit. */
typedef int cli_command_fn(struct cli *cli, int argc, char **argv);

cli_command_fn cli_deploy, cli_invoke, cli_list, cli_logs, cli_rm, cli_runtimes, cli_doctor;
cli_command_fn cli_publish, cli_versions, cli_alias, cli_concurrency, cli_layers;
/* What --help prints of each; also printed by cli_usage(). */
extern const char cli_deploy_usage[], cli_invoke_usage[], cli_list_usage[], cli_logs_usage[], cli_rm_usage[], cli_runtimes_usage[],
    cli_doctor_usage[], cli_publish_usage[], cli_versions_usage[], cli_alias_usage[], cli_concurrency_usage[], cli_layers_usage[];

/* "stoke: message" on stderr; returns status. */
int cli_fail(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Reports err and returns CLI_UNREACHABLE or CLI_FAILED. */
int cli_fail_err(const struct err *err);
/* Reports an answer of status >= 300 by its AWS error code and message; returns CLI_FAILED. */
int cli_fail_answer(const struct http_answer *answer);
/* Usage of the subcommand on stderr; returns CLI_USAGE. */
int cli_usage(const char *text);

/* One JSON call: body (borrowed, may be NULL) out, *ret_answer filled when it returns CLI_OK, whatever the HTTP status. */
int cli_call(struct cli *cli, const char *method, const char *path, const cJSON *body, struct http_answer *ret_answer);
/* The same for calls whose every failure ends the command: on success *ret_tree (owned) is the parsed answer. */
int cli_get(struct cli *cli, const char *method, const char *path, const cJSON *body, cJSON **ret_tree);
/* All pages of a list: an object with that one member. */
int cli_get_all(struct cli *cli, const char *path, const char *member, cJSON **ret_tree);
/* A DELETE whose every failure ends the command. */
int cli_delete(struct cli *cli, const char *path);
/* tree on stdout: as JSON, or by print. Returns CLI_OK. */
int cli_show(struct cli *cli, const cJSON *tree, void (*print)(const cJSON *tree));
/* The AWS error code of an answer ("ResourceNotFoundException"), or "". */
void cli_error_code(const struct http_answer *answer, char *out, size_t cap);
/* "/2015-03-31/functions/NAME" + suffix, escaped; malloc'd. */
char *cli_function_path(const char *name, const char *suffix);
/* In which way a function runs differently here than its runtime says; malloc'd, or NULL. */
char *cli_note_of(struct cli *cli, const char *name);
/* Prints tree as indented JSON on stdout. */
void cli_print_json(const cJSON *tree);
/* text on stdout with terminal escapes and control characters (but tab and newline) made visible as ^X. */
void cli_print_safe(const char *text, size_t len);
/* A bar on stderr when it is a terminal; done == total ends it. */
void cli_progress(void *label, size_t done, size_t total);

/* A zip as it is, or a directory zipped in a stable order with stable times: the same content has the same digest. Malloc'd. */
int archive_read(const char *path, char **ret_zip, size_t *ret_len, struct err *err) WARN_UNUSED;
/* The same of a directory alone. */
int archive_directory(const char *dir, char **ret_zip, size_t *ret_len, struct err *err) WARN_UNUSED;
/* Adds it to object as the member ZipFile. */
void archive_add(cJSON *object, const char *zip, size_t len);

/* "NAME", "NAME:VERSION" or an ARN as the ARN of a layer version, the newest if none is named; malloc'd. */
int cli_layer_arn(struct cli *cli, const char *layer, char **ret_arn);
