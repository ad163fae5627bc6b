/* `stoke`, the command line: the options every subcommand takes, and the table of subcommands. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/base/strutil.h"

#define ENDPOINT_DEFAULT "http://127.0.0.1:4566"

static const struct command {
    const char *name;
    cli_command_fn *fn;
    const char *help, *usage;
} commands[] = {
    {"deploy", cli_deploy, "create or update a function from a directory or a zip", cli_deploy_usage},
    {"invoke", cli_invoke, "invoke a function and print what it returns", cli_invoke_usage},
    {"list", cli_list, "list the functions and how they run here", cli_list_usage},
    {"logs", cli_logs, "show a function's log, -f to follow it", cli_logs_usage},
    {"publish", cli_publish, "make a version of what a function is now", cli_publish_usage},
    {"versions", cli_versions, "list the versions of a function", cli_versions_usage},
    {"alias", cli_alias, "name a version, and shift a part of its traffic to another", cli_alias_usage},
    {"concurrency", cli_concurrency, "reserve concurrency for a function, or keep sandboxes of it initialised", cli_concurrency_usage},
    {"layers", cli_layers, "list, publish, show and delete what functions share under /opt", cli_layers_usage},
    {"rm", cli_rm, "delete functions", cli_rm_usage},
    {"runtimes", cli_runtimes, "list the interpreters; add NAME PATH registers one", cli_runtimes_usage},
    {"doctor", cli_doctor, "say what this machine lacks, and how to get it", cli_doctor_usage},
};

static void help(FILE *to)
{
    fputs("usage: stoke [--version] [--endpoint URL] [--region REGION] [--account ID] [--output text|json] COMMAND ...\n\n", to);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].help);
    fputs("  completion  print a completion script for bash: source <(stoke completion)\n\n"
          "`stoke COMMAND --help` shows the options of a command. Environment: STOKE_ENDPOINT or\n"
          "AWS_ENDPOINT_URL (default " ENDPOINT_DEFAULT "), AWS_REGION or AWS_DEFAULT_REGION,\n"
          "AWS_ACCESS_KEY_ID (12 digits choose the account).\n",
          to);
}

static int completion(void)
{
    fputs("_stoke() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
          "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          stdout);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("%s ", commands[i].name);
    fputs("completion' -- \"$cur\"))\n"
          "        return\n"
          "    fi\n"
          "    case \"$command $prev\" in\n"
          "    \"deploy --layer\"|\"layers show\"|\"layers rm\")\n"
          "        COMPREPLY=($(compgen -W \"$(stoke layers --names 2>/dev/null)\" -- \"$cur\")); return ;;\n"
          "    \"layers layers\") COMPREPLY=($(compgen -W 'publish show rm' -- \"$cur\")); return ;;\n"
          "    esac\n"
          "    case \"$cur\" in\n"
          "    -*) COMPREPLY=($(compgen -W \"$(stoke \"$command\" --help 2>&1 | grep -oE -- '--[a-z-]+')\" -- \"$cur\")) ;;\n"
          "    *) case \"$command\" in\n"
          "       invoke|logs|publish|versions|alias|concurrency|rm) COMPREPLY=($(compgen -W \"$(stoke list --names 2>/dev/null)\" -- "
          "\"$cur\")) ;;\n"
          "       *) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
          "       esac ;;\n"
          "    esac\n"
          "}\n"
          "complete -F _stoke stoke\n",
          stdout);
    return CLI_OK;
}

static const char *env_or(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

static int run(struct cli *cli, int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (!str_eq(argv[0], commands[i].name))
            continue;
        for (int a = 1; a < argc && !str_eq(argv[a], "--"); a++) {
            if (str_eq(argv[a], "--help") || str_eq(argv[a], "-h")) {
                fputs(commands[i].usage, stdout);
                return CLI_OK;
            }
        }
        struct err err;
        if (http_client_new(cli->endpoint, cli->account, cli->region, &cli->client, &err) < 0)
            return cli_fail_err(&err);
        optind = 0; /* glibc: start anew with the subcommand's own vector */
        int rc = commands[i].fn(cli, argc, argv);
        http_client_free(cli->client);
        return rc;
    }
    if (str_eq(argv[0], "completion"))
        return completion();
    return cli_fail(CLI_USAGE, "there is no command \"%s\"; `stoke --help` lists them", argv[0]);
}

/* Brings the options that every command takes to the front: `stoke list --output json` is as good as the other order. */
static void hoist(int argc, char **argv)
{
    static const char *const names[] = {"--endpoint", "--region", "--account", "--output"};
    int front = 1;
    for (int i = 1; i < argc && !str_eq(argv[i], "--"); i++) {
        int take = 0;
        for (size_t n = 0; n < ARRAY_LEN(names) && !take; n++) {
            size_t len = strlen(names[n]);
            if (strncmp(argv[i], names[n], len) == 0 && (argv[i][len] == '=' || (argv[i][len] == '\0' && i + 1 < argc)))
                take = argv[i][len] == '=' ? 1 : 2;
        }
        for (int t = 0; t < take; t++) { /* one place to the front for each word between */
            char *word = argv[i + t];
            memmove(&argv[front + 1], &argv[front], (size_t)(i + t - front) * sizeof *argv);
            argv[front++] = word;
        }
        i += take ? take - 1 : 0;
    }
}

/* What could not be written is no success, though it is noticed last. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return cli_fail(CLI_FAILED, "writing the output: %s", strerror(errno ? errno : EIO));
}

int main(int argc, char **argv)
{
    hoist(argc, argv);
    static const struct option options[] = {
        {"endpoint", required_argument, NULL, 'e'},
        {"region", required_argument, NULL, 'r'},
        {"account", required_argument, NULL, 'a'},
        {"output", required_argument, NULL, 'o'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct cli cli = {.endpoint = env_or("STOKE_ENDPOINT", env_or("AWS_ENDPOINT_URL", ENDPOINT_DEFAULT)),
                      .region = env_or("AWS_REGION", env_or("AWS_DEFAULT_REGION", "us-east-1")),
                      .account = env_or("AWS_ACCESS_KEY_ID", "000000000000")};
    int c;
    while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (c == 'e')
            cli.endpoint = optarg;
        else if (c == 'r')
            cli.region = optarg;
        else if (c == 'a')
            cli.account = optarg;
        else if (c == 'o' && (str_eq(optarg, "json") || str_eq(optarg, "text")))
            cli.json = str_eq(optarg, "json");
        else if (c == 'o')
            return cli_fail(CLI_USAGE, "--output takes text or json, not \"%s\"", optarg);
        else if (c == 'V') {
            puts("stoke " STOKE_VERSION);
            return finish(CLI_OK);
        } else if (c == 'h') {
            help(stdout);
            return finish(CLI_OK);
        } else
            return CLI_USAGE;
    }
    if (optind == argc) {
        help(stderr);
        return CLI_USAGE;
    }
    return finish(run(&cli, argc - optind, argv + optind));
}
