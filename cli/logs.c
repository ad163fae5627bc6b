/* `stoke logs`: a function's log, oldest line first; -f goes on as lines come. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

#define POLL_TIMEOUT_S 60

const char cli_logs_usage[] = "usage: stoke logs NAME [-f] [--limit LINES]\n"
                              "  -f, --follow        go on as lines come, until Ctrl-C\n"
                              "  -n, --limit LINES   the last so many, 1 to 10000; default: 1000\n";

static void show(struct cli *cli, const cJSON *events)
{
    const cJSON *event;
    cJSON_ArrayForEach(event, events) {
        if (cli->json) {
            CLEANUP(freep) char *text = json_print(event);
            puts(text);
            continue;
        }
        char time[CLOCK_ISO_BYTES];
        const char *message = json_str(event, "message");
        size_t len = message ? strlen(message) : 0;
        while (len && message[len - 1] == '\n')
            len--;
        clock_iso_utc(json_int(event, "timestamp", 0), time);
        printf("%s %c ", time, json_bool(event, "platform", false) ? '*' : ' ');
        cli_print_safe(message ? message : "", len);
        putchar('\n');
    }
    fflush(stdout);
}

static int one_page(struct cli *cli, const char *name, int64_t limit, bool follow, char **cursor)
{
    CLEANUP(freep) char *function = http_escape(name);
    CLEANUP(freep) char *after = http_escape(*cursor ? *cursor : "");
    CLEANUP(freep)
    char *path = str_format("/_stoke/logs?function=%s&limit=%lld%s%s%s", function, (long long)limit, *cursor ? "&after=" : "", after,
                            follow && *cursor ? "&wait=20" : "");
    struct http_call call = {.method = "GET", .path = path, .timeout_s = POLL_TIMEOUT_S};
    struct http_answer answer;
    struct err err;
    if (http_client_call(cli->client, &call, &answer, &err) < 0)
        return cli_fail_err(&err);
    CLEANUP(json_freep) cJSON *page = NULL;
    int rc = answer.status >= 300                                        ? cli_fail_answer(&answer)
             : json_parse(answer.body, answer.body_len, &page, &err) < 0 ? cli_fail_err(&err)
                                                                         : CLI_OK;
    http_answer_free(&answer);
    if (rc == CLI_OK) {
        show(cli, json_get(page, "events"));
        free(*cursor);
        const char *next = json_str(page, "next");
        *cursor = next ? strdup(next) : NULL;
    }
    return rc;
}

int cli_logs(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"follow", no_argument, NULL, 'f'}, {"limit", required_argument, NULL, 'n'}, {0}};
    bool follow = false;
    int64_t limit = 1000;
    int c;
    while ((c = getopt_long(argc, argv, "fn:", options, NULL)) != -1) {
        if (c == 'f')
            follow = true;
        else if (c != 'n' || !str_to_i64(optarg, 1, 10000, &limit))
            return cli_usage(cli_logs_usage);
    }
    if (argc - optind != 1)
        return cli_usage(cli_logs_usage);
    char *cursor = NULL;
    int rc;
    do
        rc = one_page(cli, argv[optind], limit, follow, &cursor);
    while (rc == CLI_OK && follow && cursor && !ferror(stdout));
    free(cursor);
    return rc;
}
