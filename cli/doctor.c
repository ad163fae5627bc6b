/* `stoke doctor`: what this machine lacks, in plain words, and how to get it. Asks the running daemon, which has tried; without one
 * it looks itself at what can be seen from outside. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

const char cli_doctor_usage[] = "usage: stoke doctor\n";

static void line(const char *mark, const char *text)
{
    printf("%-8s%s\n", mark, text);
}

static int from_daemon(struct cli *cli, const cJSON *health)
{
    if (cli->json) {
        cli_print_json(health);
        return CLI_OK;
    }
    const cJSON *host = json_get(health, "host"), *item, *missing = json_get(host, "missing");
    printf("stoked %s at %s\n", json_str(health, "version") ? json_str(health, "version") : "?", cli->endpoint);
    cJSON_ArrayForEach(item, host) {
        if (cJSON_IsBool(item)) {
            line(cJSON_IsTrue(item) ? "ok" : "no", item->string);
        } else if (cJSON_IsString(item) || cJSON_IsNumber(item)) {
            CLEANUP(freep) char *value = cJSON_IsString(item) ? strdup(item->valuestring) : str_format("%g", item->valuedouble);
            CLEANUP(freep) char *text = str_format("%s: %s", item->string, value);
            line("", text);
        }
    }
    int count = 0;
    cJSON_ArrayForEach(item, missing) {
        line("missing", cJSON_GetStringValue(item));
        count++;
    }
    puts(count ? "Functions run, without what is named missing." : "Nothing is missing.");
    return CLI_OK;
}

/* Whether the file has that number, and nothing else. */
static bool file_says(const char *path, int64_t number)
{
    CLEANUP(freep) char *text = NULL;
    int64_t said;
    if (fd_read_file(AT_FDCWD, path, 64, &text, NULL, NULL) < 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    return str_to_i64(text, INT64_MIN, INT64_MAX, &said) && said == number;
}

/* A service with Delegate=yes, or a scope of the user's own manager: the limits need no session then. */
static bool has_own_group(void)
{
    CLEANUP(freep) char *text = NULL;
    if (fd_read_file(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL, NULL) < 0)
        return false;
    char *path = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (path == NULL)
        return false;
    path += *path == '\n' ? 4 : 3;
    path[strcspn(path, "\n")] = '\0';
    CLEANUP(freep) char *procs = str_format("/sys/fs/cgroup%s/cgroup.procs", path);
    return access(procs, W_OK) == 0;
}

static void note(cJSON *missing, const char *text)
{
    cJSON_AddItemToArray(missing, cJSON_CreateString(text));
}

/* The things that stop a daemon from starting, or from running functions. */
static void look(cJSON *missing)
{
    struct stat st;
    if (file_says("/proc/sys/user/max_user_namespaces", 0))
        note(missing, "user namespaces are switched off; as root: sysctl user.max_user_namespaces=65536");
    if (getuid() != 0 && file_says("/proc/sys/kernel/unprivileged_userns_clone", 0))
        note(missing, "user namespaces are for root only; as root: sysctl kernel.unprivileged_userns_clone=1");
    if (getuid() != 0 && file_says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1))
        note(missing, "AppArmor restricts user namespaces; as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0");
    if (stat("/sys/fs/cgroup/cgroup.controllers", &st) < 0 && stat("/sys/fs/cgroup/memory", &st) < 0)
        note(missing, "no control groups are mounted at /sys/fs/cgroup: limits cannot be enforced");
    if (getuid() != 0 && getenv("XDG_RUNTIME_DIR") == NULL && !has_own_group())
        note(missing, "no user session bus and no control group of one's own: limits need either; log in properly, or as root: "
                      "loginctl enable-linger USER");
    if (stat("/usr/bin/python3", &st) < 0)
        note(missing, "no Python under /usr: apt-get install python3, or name its directory in runtimes.path");
    if (stat("/usr/bin/node", &st) < 0 && stat("/usr/local/bin/node", &st) < 0)
        note(missing, "no Node.js under /usr: apt-get install nodejs, or name its directory in runtimes.path");
}

static int from_outside(struct cli *cli)
{
    CLEANUP(json_freep) cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "status", "unreachable");
    cJSON *missing = cJSON_AddArrayToObject(cJSON_AddObjectToObject(out, "host"), "missing"), *item;
    look(missing);
    if (cli->json)
        cli_print_json(out);
    else
        cJSON_ArrayForEach(item, missing)
            line("missing", cJSON_GetStringValue(item));
    if (cJSON_GetArraySize(missing) == 0 && !cli->json)
        line("ok", "nothing that stops stoked from starting; start it, and ask again for the whole picture");
    return cJSON_GetArraySize(missing) ? CLI_FAILED : CLI_OK;
}

int cli_doctor(struct cli *cli, int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return cli_usage(cli_doctor_usage);
    struct http_call call = {.method = "GET", .path = "/_stoke/health", .timeout_s = 10};
    struct http_answer answer;
    struct err err;
    if (http_client_call(cli->client, &call, &answer, &err) < 0) {
        if (err.kind != ERR_UNAVAILABLE)
            return cli_fail_err(&err);
        fprintf(stderr, "stoke: %s; looking at this machine from outside\n", err.msg);
        return from_outside(cli);
    }
    CLEANUP(json_freep) cJSON *health = NULL;
    int rc = answer.status >= 300                                          ? cli_fail_answer(&answer)
             : json_parse(answer.body, answer.body_len, &health, &err) < 0 ? cli_fail_err(&err)
                                                                           : from_daemon(cli, health);
    http_answer_free(&answer);
    return rc;
}
