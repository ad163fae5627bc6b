/* `stoke publish`, `stoke versions` and `stoke alias`: which code runs under which name. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/base/strutil.h"

const char cli_publish_usage[] = "usage: stoke publish NAME [--description TEXT]\n";
const char cli_versions_usage[] = "usage: stoke versions NAME\n";
const char cli_alias_usage[] = "usage: stoke alias NAME                       lists the aliases\n"
                               "       stoke alias NAME ALIAS --version VERSION [--shift VERSION=PERCENT%] [--description TEXT]\n"
                               "                                              makes or changes one; --shift none: all to VERSION\n"
                               "       stoke alias NAME ALIAS --delete\n";

/* ---- versions ---- */

static void print_published(const cJSON *version)
{
    printf("%s version %s, code %.12s\n", json_str(version, "FunctionName"), json_str(version, "Version"), json_str(version, "CodeSha256"));
}

int cli_publish(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"description", required_argument, NULL, 'd'}, {0}};
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c != 'd')
            return cli_usage(cli_publish_usage);
        cJSON_AddStringToObject(body, "Description", optarg);
    }
    if (argc - optind != 1)
        return cli_usage(cli_publish_usage);
    CLEANUP(freep) char *path = cli_function_path(argv[optind], "/versions");
    CLEANUP(json_freep) cJSON *version = NULL;
    int rc = cli_get(cli, "POST", path, body, &version);
    return rc == CLI_OK ? cli_show(cli, version, print_published) : rc;
}

static void print_versions(const cJSON *tree)
{
    const cJSON *v;
    printf("%-8s  %-19s  %-12s  %s\n", "VERSION", "CHANGED", "CODE", "DESCRIPTION");
    cJSON_ArrayForEach(v, json_get(tree, "Versions")) {
        const char *description = json_str(v, "Description");
        printf("%-8s  %.19s  %.12s  ", json_str(v, "Version"), json_str(v, "LastModified"), json_str(v, "CodeSha256"));
        cli_print_safe(description ? description : "", description ? strlen(description) : 0);
        putchar('\n');
    }
}

int cli_versions(struct cli *cli, int argc, char **argv)
{
    if (argc != 2 || argv[1][0] == '-')
        return cli_usage(cli_versions_usage);
    CLEANUP(freep) char *path = cli_function_path(argv[1], "/versions");
    CLEANUP(json_freep) cJSON *tree = NULL;
    int rc = cli_get_all(cli, path, "Versions", &tree);
    return rc == CLI_OK ? cli_show(cli, tree, print_versions) : rc;
}

/* ---- aliases ---- */

static void print_alias(const cJSON *alias)
{
    const cJSON *shift = json_get(json_get(alias, "RoutingConfig"), "AdditionalVersionWeights");
    const char *description = json_str(alias, "Description");
    printf("%-16s -> %s", json_str(alias, "Name"), json_str(alias, "FunctionVersion"));
    if (shift && shift->child)
        printf(" (%g%% to %s)", shift->child->valuedouble * 100, shift->child->string);
    if (description && *description) {
        fputs("  ", stdout);
        cli_print_safe(description, strlen(description));
    }
    putchar('\n');
}

static void print_aliases(const cJSON *tree)
{
    const cJSON *alias;
    cJSON_ArrayForEach(alias, json_get(tree, "Aliases"))
        print_alias(alias);
}

/* "4=10%" or "4=0.1" as a RoutingConfig; "none" as an empty one. False: it is neither. */
static bool add_shift(cJSON *body, const char *text)
{
    cJSON *routing = cJSON_CreateObject(), *weights = cJSON_AddObjectToObject(routing, "AdditionalVersionWeights");
    json_set(body, "RoutingConfig", routing);
    if (str_eq(text, "none"))
        return true;
    const char *equals = strchr(text, '=');
    char *end;
    if (!equals || equals == text || equals[1] == '\0')
        return false;
    double weight = strtod(equals + 1, &end);
    if (str_eq(end, "%"))
        weight /= 100;
    else if (*end != '\0')
        return false;
    CLEANUP(freep) char *version = str_format("%.*s", (int)(equals - text), text);
    cJSON_AddNumberToObject(weights, version, weight);
    return weight >= 0 && weight <= 1;
}

/* Changes the alias, or makes it if there is none. */
static int put_alias(struct cli *cli, const char *function, const char *name, cJSON *body)
{
    CLEANUP(freep) char *escaped = http_escape(name);
    CLEANUP(freep) char *suffix = str_format("/aliases/%s", escaped);
    CLEANUP(freep) char *path = cli_function_path(function, suffix);
    CLEANUP(freep) char *all = cli_function_path(function, "/aliases");
    CLEANUP(json_freep) cJSON *alias = NULL;
    struct http_answer answer;
    int rc = cli_call(cli, "GET", path, NULL, &answer);
    if (rc != CLI_OK)
        return rc;
    bool exists = answer.status == 200;
    if (!exists && answer.status != 404)
        rc = cli_fail_answer(&answer);
    http_answer_free(&answer);
    if (rc != CLI_OK)
        return rc;
    if (!exists)
        cJSON_AddStringToObject(body, "Name", name);
    rc = exists ? cli_get(cli, "PUT", path, body, &alias) : cli_get(cli, "POST", all, body, &alias);
    return rc == CLI_OK ? cli_show(cli, alias, print_alias) : rc;
}

static void print_deleted(const cJSON *tree)
{
    printf("deleted %s\n", json_get(tree, "Deleted")->child->valuestring);
}

static int delete_alias(struct cli *cli, const char *function, const char *name)
{
    CLEANUP(freep) char *escaped = http_escape(name);
    CLEANUP(freep) char *suffix = str_format("/aliases/%s", escaped);
    CLEANUP(freep) char *path = cli_function_path(function, suffix);
    int rc = cli_delete(cli, path);
    if (rc != CLI_OK)
        return rc;
    CLEANUP(json_freep) cJSON *out = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(out, "Deleted"), cJSON_CreateString(name));
    return cli_show(cli, out, print_deleted);
}

int cli_alias(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"version", required_argument, NULL, 'v'},
                                            {"shift", required_argument, NULL, 's'},
                                            {"description", required_argument, NULL, 'd'},
                                            {"delete", no_argument, NULL, 'x'},
                                            {0}};
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    CLEANUP(json_freep) cJSON *tree = NULL;
    bool gone = false;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'v')
            json_set(body, "FunctionVersion", cJSON_CreateString(optarg));
        else if (c == 'd')
            json_set(body, "Description", cJSON_CreateString(optarg));
        else if (c == 'x')
            gone = true;
        else if (c != 's')
            return cli_usage(cli_alias_usage);
        else if (!add_shift(body, optarg))
            return cli_fail(CLI_USAGE, "--shift takes VERSION=PERCENT%% or none, not \"%s\"", optarg);
    }
    int left = argc - optind;
    if (left == 2 && gone && !body->child)
        return delete_alias(cli, argv[optind], argv[optind + 1]);
    if (left == 2 && !gone && body->child)
        return put_alias(cli, argv[optind], argv[optind + 1], body);
    if (left != 1 || gone || body->child)
        return cli_usage(cli_alias_usage);
    CLEANUP(freep) char *path = cli_function_path(argv[optind], "/aliases");
    int rc = cli_get_all(cli, path, "Aliases", &tree);
    return rc == CLI_OK ? cli_show(cli, tree, print_aliases) : rc;
}
