/* `stoke layers`: what functions share under /opt. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/base/strutil.h"

#define LAYERS_PATH "/2018-10-31/layers"

const char cli_layers_usage[] =
    "usage: stoke layers [--names]                 lists the layers\n"
    "       stoke layers publish NAME [PATH] [--runtime ID] [--architecture x86_64|arm64] [--description TEXT] [--license TEXT]\n"
    "                                              a directory or a .zip, seen under /opt: python/, nodejs/, bin/, lib/ ...;\n"
    "                                              --runtime and --architecture may be repeated\n"
    "       stoke layers show NAME                 lists its versions\n"
    "       stoke layers show NAME:VERSION\n"
    "       stoke layers rm NAME:VERSION...        functions that use it keep it\n"
    "`stoke deploy --layer NAME[:VERSION]` gives a function a layer.\n";

/* "NAME:7" and ARNs are cut in two; *ret_version is NULL for a name alone. Both borrow from *ret_copy, which the caller frees. */
static const char *split(const char *text, char **ret_copy, const char **ret_version)
{
    char *copy = strdup(text);
    if (!copy)
        abort();
    char *colon = strrchr(copy, ':');
    int64_t number;
    *ret_copy = copy;
    *ret_version = NULL;
    if (colon && str_to_i64(colon + 1, 1, INT64_MAX, &number)) {
        *colon = '\0';
        *ret_version = colon + 1;
    }
    return copy;
}

static char *versions_path(const char *name, const char *version)
{
    CLEANUP(freep) char *escaped = http_escape(name);
    return str_format(LAYERS_PATH "/%s/versions%s%s", escaped, version ? "/" : "", version ? version : "");
}

int cli_layer_arn(struct cli *cli, const char *layer, char **ret_arn)
{
    CLEANUP(freep) char *copy = NULL;
    CLEANUP(json_freep) cJSON *tree = NULL;
    const char *version, *name = split(layer, &copy, &version);
    if (str_starts(layer, "arn:") && version) { /* perhaps another account's, whose versions may not be listed */
        *ret_arn = str_format("%s", layer);
        return CLI_OK;
    }
    CLEANUP(freep) char *path = versions_path(name, version);
    int rc = cli_get(cli, "GET", path, NULL, &tree);
    if (rc != CLI_OK)
        return rc;
    const char *arn =
        json_str(version ? tree : cJSON_GetArrayItem(json_get(tree, "LayerVersions"), 0), "LayerVersionArn"); /* newest first */
    if (!arn)
        return cli_fail(CLI_FAILED, "there is no layer %s; `stoke layers` lists them", name);
    *ret_arn = str_format("%s", arn);
    return CLI_OK;
}

/* ---- what is shown ---- */

static void print_words(const cJSON *list, const char *none)
{
    const cJSON *word;
    if (!list || !list->child)
        fputs(none, stdout);
    cJSON_ArrayForEach(word, list)
        printf("%s%s", cJSON_GetStringValue(word), word->next ? "," : "");
}

static void print_description(const cJSON *item)
{
    const char *description = json_str(item, "Description");
    cli_print_safe(description ? description : "", description ? strlen(description) : 0);
    putchar('\n');
}

static void print_row(const cJSON *version)
{
    printf("%7lld  %.19s  ", (long long)json_int(version, "Version", 0), json_str(version, "CreatedDate"));
    print_words(json_get(version, "CompatibleRuntimes"), "any runtime");
    fputs("  ", stdout);
    print_description(version);
}

static void print_layers(const cJSON *tree)
{
    const cJSON *layer, *list = json_get(tree, "Layers");
    int width = 5;
    if (!list->child) {
        puts("no layers yet; `stoke layers publish NAME DIRECTORY` makes one");
        return;
    }
    cJSON_ArrayForEach(layer, list) {
        int n = (int)strlen(json_str(layer, "LayerName"));
        width = n > width ? n : width;
    }
    printf("%-*s  %7s  %-19s  %s\n", width, "LAYER", "VERSION", "CREATED", "FOR");
    cJSON_ArrayForEach(layer, list) {
        printf("%-*s  ", width, json_str(layer, "LayerName"));
        print_row(json_get(layer, "LatestMatchingVersion"));
    }
}

static void print_versions(const cJSON *tree)
{
    const cJSON *version;
    printf("%7s  %-19s  %s\n", "VERSION", "CREATED", "FOR");
    cJSON_ArrayForEach(version, json_get(tree, "LayerVersions"))
        print_row(version);
}

static void print_version(const cJSON *version)
{
    const char *license = json_str(version, "LicenseInfo");
    printf("%s\n  created  %.19s\n  size     %lld bytes\n  for      ", json_str(version, "LayerVersionArn"),
           json_str(version, "CreatedDate"), (long long)json_int(json_get(version, "Content"), "CodeSize", 0));
    print_words(json_get(version, "CompatibleRuntimes"), "any runtime");
    fputs(", ", stdout);
    print_words(json_get(version, "CompatibleArchitectures"), "any architecture");
    if (license && *license) {
        fputs("\n  license  ", stdout);
        cli_print_safe(license, strlen(license));
    }
    fputs("\n  ", stdout);
    print_description(version);
}

static void print_published(const cJSON *version)
{
    printf("published %s, %lld bytes\n", json_str(version, "LayerVersionArn"),
           (long long)json_int(json_get(version, "Content"), "CodeSize", 0));
}

/* ---- what is done ---- */

static void add_word(cJSON *body, const char *member, const char *word)
{
    cJSON *list = json_get(body, member);
    cJSON_AddItemToArray(list ? list : cJSON_AddArrayToObject(body, member), cJSON_CreateString(word));
}

static int publish(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"runtime", required_argument, NULL, 'r'},
                                            {"architecture", required_argument, NULL, 'a'},
                                            {"description", required_argument, NULL, 'd'},
                                            {"license", required_argument, NULL, 'l'},
                                            {0}};
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    CLEANUP(json_freep) cJSON *version = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'r')
            add_word(body, "CompatibleRuntimes", optarg);
        else if (c == 'a')
            add_word(body, "CompatibleArchitectures", optarg);
        else if (c == 'd' || c == 'l')
            cJSON_AddStringToObject(body, c == 'd' ? "Description" : "LicenseInfo", optarg);
        else
            return cli_usage(cli_layers_usage);
    }
    if (argc - optind < 1 || argc - optind > 2)
        return cli_usage(cli_layers_usage);
    CLEANUP(freep) char *zip = NULL;
    size_t len = 0;
    struct err err;
    if (archive_read(optind + 1 < argc ? argv[optind + 1] : ".", &zip, &len, &err) < 0)
        return cli_fail_err(&err);
    archive_add(cJSON_AddObjectToObject(body, "Content"), zip, len);
    CLEANUP(freep) char *path = versions_path(argv[optind], NULL);
    int rc = cli_get(cli, "POST", path, body, &version);
    return rc == CLI_OK ? cli_show(cli, version, print_published) : rc;
}

static int show(struct cli *cli, const char *layer)
{
    CLEANUP(freep) char *copy = NULL;
    CLEANUP(json_freep) cJSON *tree = NULL;
    const char *version, *name = split(layer, &copy, &version);
    CLEANUP(freep) char *path = versions_path(name, version);
    int rc = version ? cli_get(cli, "GET", path, NULL, &tree) : cli_get_all(cli, path, "LayerVersions", &tree);
    if (rc != CLI_OK)
        return rc;
    if (!version && !json_get(tree, "LayerVersions")->child)
        return cli_fail(CLI_FAILED, "there is no layer %s; `stoke layers` lists them", name);
    return cli_show(cli, tree, version ? print_version : print_versions);
}

/* DeleteLayerVersion says yes to whatever is not there: people want to know. */
static int rm_one(struct cli *cli, const char *layer)
{
    CLEANUP(freep) char *copy = NULL;
    CLEANUP(json_freep) cJSON *tree = NULL;
    const char *version, *name = split(layer, &copy, &version);
    if (!version)
        return cli_fail(CLI_USAGE, "which version of %s? `stoke layers show %s` lists them", name, name);
    CLEANUP(freep) char *path = versions_path(name, version);
    int rc = cli_get(cli, "GET", path, NULL, &tree);
    if (rc == CLI_OK)
        rc = cli_delete(cli, path);
    if (rc == CLI_OK && !cli->json)
        printf("deleted %s\n", layer);
    return rc;
}

static int rm(struct cli *cli, int argc, char **argv)
{
    CLEANUP(json_freep) cJSON *out = cJSON_CreateObject();
    cJSON *deleted = cJSON_AddArrayToObject(out, "Deleted");
    int worst = CLI_OK;
    for (int i = 1; i < argc && worst != CLI_UNREACHABLE; i++) {
        int rc = rm_one(cli, argv[i]);
        if (rc == CLI_OK)
            cJSON_AddItemToArray(deleted, cJSON_CreateString(argv[i]));
        else
            worst = rc;
    }
    if (cli->json)
        cli_print_json(out);
    return worst;
}

int cli_layers(struct cli *cli, int argc, char **argv)
{
    CLEANUP(json_freep) cJSON *tree = NULL;
    if (argc > 1 && str_eq(argv[1], "publish"))
        return publish(cli, argc - 1, argv + 1);
    if (argc == 3 && str_eq(argv[1], "show"))
        return show(cli, argv[2]);
    if (argc > 2 && str_eq(argv[1], "rm") && argv[2][0] != '-')
        return rm(cli, argc - 1, argv + 1);
    bool names = argc == 2 && str_eq(argv[1], "--names");
    if (argc != 1 && !names)
        return cli_usage(cli_layers_usage);
    int rc = cli_get_all(cli, LAYERS_PATH, "Layers", &tree);
    if (rc != CLI_OK || !names)
        return rc == CLI_OK ? cli_show(cli, tree, print_layers) : rc;
    const cJSON *layer;
    cJSON_ArrayForEach(layer, json_get(tree, "Layers"))
        puts(json_str(layer, "LayerName"));
    return CLI_OK;
}
