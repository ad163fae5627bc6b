/* `stoke concurrency`: how much of the account a function may take, and what of it is there before anybody asks. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/strutil.h"

#define WAIT_S 600
#define WAIT_STEP_US 100000

const char cli_concurrency_usage[] =
    "usage: stoke concurrency NAME                  what is reserved for it, and what is provisioned\n"
    "       stoke concurrency NAME COUNT | none     reserves so much; none gives it back\n"
    "       stoke concurrency NAME --provision QUALIFIER=COUNT [--no-wait]\n"
    "                                               keeps so many sandboxes of an alias or version initialised, and waits until\n"
    "                                               they are; QUALIFIER=none: no more\n";

static char *reserved_path(const char *name, const char *version)
{
    CLEANUP(freep) char *escaped = http_escape(name);
    return str_format("/%s/functions/%s/concurrency", version, escaped);
}

static char *provisioned_path(const char *name, const char *query, const char *qualifier)
{
    CLEANUP(freep) char *escaped = http_escape(name);
    CLEANUP(freep) char *value = http_escape(qualifier);
    return str_format("/2019-09-30/functions/%s/provisioned-concurrency?%s=%s", escaped, query, value);
}

/* ---- what is shown ---- */

static void print_reserved(const cJSON *tree)
{
    const cJSON *reserved = json_get(tree, "ReservedConcurrentExecutions");
    if (reserved)
        printf("%lld reserved\n", (long long)reserved->valuedouble);
    else
        puts("none reserved: it shares what the account has left");
}

/* "ready", "on its way" or "failed" rather than the API's words. */
static void print_provisioned(const cJSON *config)
{
    const char *arn = json_str(config, "FunctionArn"), *status = json_str(config, "Status"), *reason = json_str(config, "StatusReason");
    const char *qualifier = arn ? strrchr(arn, ':') + 1 : "it";
    bool ready = status && str_eq(status, "READY"), failed = status && str_eq(status, "FAILED");
    printf("%-16s %lld provisioned, %s", qualifier, (long long)json_int(config, "RequestedProvisionedConcurrentExecutions", 0),
           ready    ? "ready"
           : failed ? "failed"
                    : "on its way");
    if (!ready)
        printf(" (%lld allocated)", (long long)json_int(config, "AllocatedProvisionedConcurrentExecutions", 0));
    else
        printf(" (%lld free now)", (long long)json_int(config, "AvailableProvisionedConcurrentExecutions", 0));
    printf("%s%s\n", reason ? ": " : "", reason ? reason : "");
}

static void print_all(const cJSON *tree)
{
    const cJSON *config;
    print_reserved(tree);
    cJSON_ArrayForEach(config, json_get(tree, "ProvisionedConcurrencyConfigs"))
        print_provisioned(config);
}

static int show_all(struct cli *cli, const char *name)
{
    CLEANUP(freep) char *path = reserved_path(name, "2019-09-30");
    CLEANUP(freep) char *list = provisioned_path(name, "List", "ALL");
    CLEANUP(json_freep) cJSON *tree = NULL;
    CLEANUP(json_freep) cJSON *provisioned = NULL;
    int rc = cli_get(cli, "GET", path, NULL, &tree);
    if (rc == CLI_OK)
        rc = cli_get_all(cli, list, "ProvisionedConcurrencyConfigs", &provisioned);
    if (rc != CLI_OK)
        return rc;
    cJSON_AddItemToObject(tree, "ProvisionedConcurrencyConfigs", cJSON_DetachItemFromObject(provisioned, "ProvisionedConcurrencyConfigs"));
    return cli_show(cli, tree, print_all);
}

/* ---- what is changed ---- */

static int reserve(struct cli *cli, const char *name, int64_t count)
{
    CLEANUP(freep) char *path = reserved_path(name, "2017-10-31");
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    CLEANUP(json_freep) cJSON *tree = NULL;
    cJSON_AddNumberToObject(body, "ReservedConcurrentExecutions", (double)count);
    int rc = cli_get(cli, "PUT", path, body, &tree);
    return rc == CLI_OK ? cli_show(cli, tree, print_reserved) : rc;
}

static int give_back(struct cli *cli, const char *name)
{
    CLEANUP(freep) char *path = reserved_path(name, "2017-10-31");
    CLEANUP(json_freep) cJSON *none = cJSON_CreateObject();
    int rc = cli_delete(cli, path);
    return rc == CLI_OK ? cli_show(cli, none, print_reserved) : rc;
}

/* Until the sandboxes are there, or cannot be. */
static int wait_ready(struct cli *cli, const char *path, const char *qualifier, cJSON **ret_config)
{
    CLEANUP(freep) char *label = str_format("initialising %s", qualifier);
    for (int64_t waited = 0; waited < WAIT_S * 1000000LL; waited += WAIT_STEP_US) {
        CLEANUP(json_freep) cJSON *config = NULL;
        int rc = cli_get(cli, "GET", path, NULL, &config);
        if (rc != CLI_OK)
            return rc;
        const char *status = json_str(config, "Status"), *reason = json_str(config, "StatusReason");
        size_t requested = (size_t)json_int(config, "RequestedProvisionedConcurrentExecutions", 0);
        size_t allocated = (size_t)json_int(config, "AllocatedProvisionedConcurrentExecutions", 0);
        if (status && str_eq(status, "READY")) {
            cli_progress(label, requested, requested);
            *ret_config = STEAL(config);
            return CLI_OK;
        }
        if (status && str_eq(status, "FAILED"))
            return cli_fail(CLI_FAILED, "%s failed: %s", qualifier, reason ? reason : "no reason given");
        if (allocated < requested)
            cli_progress(label, allocated, requested);
        usleep(WAIT_STEP_US);
    }
    return cli_fail(CLI_FAILED, "%s is still not ready after %d s; it goes on", qualifier, WAIT_S);
}

static int provision(struct cli *cli, const char *name, const char *qualifier, int64_t count, bool wait)
{
    CLEANUP(freep) char *path = provisioned_path(name, "Qualifier", qualifier);
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    CLEANUP(json_freep) cJSON *begun = NULL;
    CLEANUP(json_freep) cJSON *ready = NULL;
    cJSON_AddNumberToObject(body, "ProvisionedConcurrentExecutions", (double)count);
    int rc = cli_get(cli, "PUT", path, body, &begun);
    if (rc == CLI_OK && wait)
        rc = wait_ready(cli, path, qualifier, &ready);
    if (rc != CLI_OK)
        return rc;
    CLEANUP(freep) char *shown = str_format(":%s", qualifier); /* Put and Get answer without the ARN that a list has */
    cJSON *config = ready ? ready : begun;
    if (cli->json) {
        cli_print_json(config);
        return CLI_OK;
    }
    cJSON_AddStringToObject(config, "FunctionArn", shown);
    print_provisioned(config);
    return CLI_OK;
}

static int unprovision(struct cli *cli, const char *name, const char *qualifier)
{
    CLEANUP(freep) char *path = provisioned_path(name, "Qualifier", qualifier);
    int rc = cli_delete(cli, path);
    if (rc == CLI_OK && !cli->json)
        printf("%-16s none provisioned\n", qualifier);
    return rc;
}

/* "live=5" or "live=none". */
static int provision_words(struct cli *cli, const char *name, const char *words, bool wait)
{
    const char *equals = strchr(words, '=');
    int64_t count;
    if (!equals || equals == words || (!str_eq(equals + 1, "none") && !str_to_i64(equals + 1, 0, INT32_MAX, &count)))
        return cli_fail(CLI_USAGE, "--provision takes QUALIFIER=COUNT or QUALIFIER=none, not \"%s\"", words);
    CLEANUP(freep) char *qualifier = str_format("%.*s", (int)(equals - words), words);
    if (str_eq(equals + 1, "none"))
        return unprovision(cli, name, qualifier);
    return provision(cli, name, qualifier, count, wait);
}

int cli_concurrency(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"provision", required_argument, NULL, 'p'}, {"no-wait", no_argument, NULL, 'n'}, {0}};
    const char *provisioned = NULL;
    bool wait = true;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'p' && !provisioned)
            provisioned = optarg;
        else if (c == 'n')
            wait = false;
        else
            return cli_usage(cli_concurrency_usage);
    }
    int left = argc - optind;
    int64_t count;
    if (left == 1 && provisioned)
        return provision_words(cli, argv[optind], provisioned, wait);
    if (left == 1 && wait)
        return show_all(cli, argv[optind]);
    if (left == 2 && !provisioned && wait && str_eq(argv[optind + 1], "none"))
        return give_back(cli, argv[optind]);
    if (left == 2 && !provisioned && wait && str_to_i64(argv[optind + 1], 0, INT32_MAX, &count))
        return reserve(cli, argv[optind], count);
    return cli_usage(cli_concurrency_usage);
}
