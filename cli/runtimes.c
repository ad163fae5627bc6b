/* `stoke runtimes`: the interpreters functions run on; `stoke runtimes add NAME PATH` registers another. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/base/strutil.h"

const char cli_runtimes_usage[] = "usage: stoke runtimes [add NAME PATH]\n"
                                  "  NAME   python3.N or nodejsN.x; PATH  an interpreter that answers as that\n";

static int add(struct cli *cli, const char *name, const char *path)
{
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    CLEANUP(json_freep) cJSON *answer = NULL;
    cJSON_AddStringToObject(body, "name", name);
    cJSON_AddStringToObject(body, "path", path);
    int rc = cli_get(cli, "POST", "/_stoke/runtimes", body, &answer);
    if (rc != CLI_OK)
        return rc;
    if (cli->json)
        cli_print_json(answer);
    else
        printf("added %s: %s\nFunctions that it serves better use it from their next invocation on.\n", name, path);
    return CLI_OK;
}

int cli_runtimes(struct cli *cli, int argc, char **argv)
{
    if (argc == 4 && str_eq(argv[1], "add"))
        return add(cli, argv[2], argv[3]);
    if (argc > 1)
        return cli_usage(cli_runtimes_usage);
    CLEANUP(json_freep) cJSON *tree = NULL;
    int rc = cli_get(cli, "GET", "/_stoke/runtimes", NULL, &tree);
    if (rc != CLI_OK)
        return rc;
    if (cli->json) {
        cli_print_json(tree);
        return CLI_OK;
    }
    const cJSON *item, *list = json_get(tree, "Runtimes");
    printf("%-10s %-10s %-40s %s\n", "LANGUAGE", "VERSION", "INTERPRETER", "FROM");
    cJSON_ArrayForEach(item, list) {
        const char *language = json_str(item, "Language"), *version = json_str(item, "Version");
        const char *path = json_str(item, "Path"), *source = json_str(item, "Source");
        printf("%-10s %-10s %-40s %s\n", language ? language : "", version ? version : "", path ? path : "", source ? source : "");
    }
    puts("provided.al2023 and provided.al2 run the archive's own bootstrap.");
    return CLI_OK;
}
