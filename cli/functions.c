/* `stoke list` and `stoke rm`. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/strutil.h"

const char cli_list_usage[] = "usage: stoke list [--names]\n";
const char cli_rm_usage[] = "usage: stoke rm NAME...\n";

/* How a function runs on this host, from the daemon's own page: {"State", "Note", ...}, or NULL. ListFunctions tells no state. Both are
 * by name: *at is where the search goes on. */
static const cJSON *here_of(const cJSON **at, const char *name)
{
    while (*at && strcmp(json_str(*at, "FunctionName"), name) < 0)
        *at = (*at)->next;
    return *at && str_eq(json_str(*at, "FunctionName"), name) ? *at : NULL;
}

static void show_notes(const cJSON *here, int indent)
{
    const char *note = json_str(here, "Note");
    const cJSON *name, *stored_only = json_get(here, "StoredOnly");
    if (note && *note)
        printf("%-*s  note: %s\n", indent, "", note);
    if (stored_only == NULL)
        return;
    printf("%-*s  stored, not acted on: ", indent, "");
    cJSON_ArrayForEach(name, stored_only)
        printf("%s%s", cJSON_GetStringValue(name), name->next ? ", " : "\n");
}

char *cli_note_of(struct cli *cli, const char *name)
{
    CLEANUP(json_freep) cJSON *here = NULL;
    CLEANUP(freep) char *escaped = http_escape(name);
    CLEANUP(freep) char *path = str_format("/_stoke/functions?Marker=%s&MaxItems=1", escaped);
    if (cli_get(cli, "GET", path, NULL, &here) != CLI_OK)
        return NULL;
    const cJSON *at = json_get(here, "Functions") ? json_get(here, "Functions")->child : NULL;
    const char *note = json_str(here_of(&at, name), "Note");
    return note && *note ? str_format("%s", note) : NULL;
}

/* One word, an update included; in colour where somebody looks at it. */
static void show_state(const cJSON *here)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {{"Active", "32"}, {"Failed", "31"}, {"Pending", "33"}, {"Updating", "33"}, {"Inactive", "2"}};
    const char *state = json_str(here, "State"), *update = json_str(here, "LastUpdateStatus"), *no = getenv("NO_COLOR"), *colour = NULL;
    bool updating = state && str_eq(state, "Active") && update && str_eq(update, "InProgress");
    const char *word = updating ? "Updating" : state ? state : "-";
    for (size_t i = 0; i < ARRAY_LEN(colours); i++)
        if (str_eq(colours[i].state, word) && isatty(STDOUT_FILENO) && !(no && *no))
            colour = colours[i].colour;
    if (colour)
        printf("\033[%sm%-9s\033[0m", colour, word);
    else
        printf("%-9s", word);
}

static void show_table(const cJSON *list, const cJSON *here)
{
    int width = 8;
    const cJSON *f, *at = here->child;
    cJSON_ArrayForEach(f, list) {
        int n = (int)strlen(json_str(f, "FunctionName"));
        width = n > width ? n : width;
    }
    printf("%-*s  %-16s %-9s %9s %8s  %s\n", width, "FUNCTION", "RUNTIME", "STATE", "MEMORY", "TIMEOUT", "CHANGED");
    cJSON_ArrayForEach(f, list) {
        const char *name = json_str(f, "FunctionName"), *runtime = json_str(f, "Runtime"), *changed = json_str(f, "LastModified");
        const cJSON *entry = here_of(&at, name);
        printf("%-*s  %-16s ", width, name, runtime ? runtime : "-");
        show_state(entry);
        long long memory_mb = json_int(f, "MemorySize", 128), timeout_s = json_int(f, "Timeout", 3);
        printf(" %6lld MB %6lld s  %.19s\n", memory_mb, timeout_s, changed ? changed : "");
        show_notes(entry, width);
    }
}

int cli_list(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"names", no_argument, NULL, 'n'}, {0}};
    bool names = false;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c != 'n')
            return cli_usage(cli_list_usage);
        names = true;
    }
    CLEANUP(json_freep) cJSON *tree = NULL;
    CLEANUP(json_freep) cJSON *here = NULL;
    int rc = cli_get_all(cli, "/2015-03-31/functions", "Functions", &tree);
    if (rc != CLI_OK)
        return rc;
    const cJSON *list = json_get(tree, "Functions");
    if (names) {
        const cJSON *f;
        cJSON_ArrayForEach(f, list)
            puts(json_str(f, "FunctionName"));
        return CLI_OK;
    }
    rc = cli_get_all(cli, "/_stoke/functions", "Functions", &here);
    if (rc != CLI_OK)
        return rc;
    if (cli->json)
        cli_print_json(here);
    else if (cJSON_GetArraySize(list) == 0)
        puts("no functions yet; `stoke deploy NAME DIRECTORY` makes one");
    else
        show_table(list, json_get(here, "Functions"));
    return CLI_OK;
}

int cli_rm(struct cli *cli, int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-')
        return cli_usage(cli_rm_usage);
    int worst = CLI_OK;
    CLEANUP(json_freep) cJSON *out = cJSON_CreateObject();
    cJSON *deleted = cJSON_AddArrayToObject(out, "Deleted");
    for (int i = 1; i < argc && worst != CLI_UNREACHABLE; i++) {
        CLEANUP(freep) char *path = cli_function_path(argv[i], "");
        struct http_answer answer;
        int rc = cli_call(cli, "DELETE", path, NULL, &answer);
        if (rc != CLI_OK) {
            worst = rc;
            continue;
        }
        if (answer.status >= 300) {
            worst = cli_fail_answer(&answer);
        } else {
            cJSON_AddItemToArray(deleted, cJSON_CreateString(argv[i]));
            if (!cli->json)
                printf("deleted %s\n", argv[i]);
        }
        http_answer_free(&answer);
    }
    if (cli->json)
        cli_print_json(out);
    return worst;
}
