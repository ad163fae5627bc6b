/* Takes events from the Runtime API (or one probe from the command line), runs the probe that each names and
 * answers. The names "call:NAME" are the table of system calls that the policy's unit test has too. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "probe.h"
#include "policy_calls.h"

static void answer_raw(struct answer *answer, const char *key, const char *quote, const char *value)
{
    int n = snprintf(answer->text + answer->len, sizeof answer->text - answer->len, "%s\"%s\":%s%s%s", answer->values++ ? "," : "", key,
                     quote, value, quote);
    if (n > 0 && answer->len + (size_t)n < sizeof answer->text)
        answer->len += (size_t)n;
}

void answer_errno(struct answer *answer, const char *key, int code)
{
    const char *name = code ? strerrorname_np(code) : "0";
    answer_raw(answer, key, "\"", name ? name : "?");
}

void answer_number(struct answer *answer, const char *key, long value)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", value);
    answer_raw(answer, key, "", text);
}

void answer_text(struct answer *answer, const char *key, const char *value)
{
    char clean[4096];
    size_t n = 0;
    for (; *value && n < sizeof clean - 1; value++)
        clean[n++] = *value == '"' || *value == '\\' || (unsigned char)*value < ' ' ? ' ' : *value;
    clean[n] = '\0';
    answer_raw(answer, key, "\"", clean);
}

/* The text value of a member of a flat JSON object, in place of a parser. */
static const char *member(const char *json, const char *name, char *out, size_t cap)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\"", name);
    const char *at = strstr(json, key);
    out[0] = '\0';
    if (at && (at = strchr(at + strlen(key), '"')))
        snprintf(out, cap, "%.*s", (int)strcspn(at + 1, "\""), at + 1);
    return out;
}

static void run_all_calls(struct answer *answer)
{
    for (size_t i = 0; i < policy_call_count; i++)
        answer_errno(answer, policy_calls[i].name, policy_calls[i].fn());
}

static void run_probe(const char *name, struct visit *visit, struct answer *answer)
{
    const struct probe *const tables[] = {probes_view, probes_limits, probes_api};
    answer->len = (size_t)snprintf(answer->text, sizeof answer->text, "{\"probe\":\"%s\",\"values\":{", name);
    answer->values = 0;
    bool known = false;
    if (strcmp(name, "calls") == 0) {
        run_all_calls(answer);
        known = true;
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct probe *p = tables[i]; p->name; p++)
            if (strcmp(p->name, name) == 0) {
                p->run(visit, answer);
                known = true;
            }
    if (!known)
        answer_text(answer, "error", "there is no such probe");
    snprintf(answer->text + answer->len, sizeof answer->text - answer->len, "}}");
}

static void serve(void)
{
    static char head[65536], event[65536], name[64], arg[4096];
    static struct answer answer;
    struct visit visit = {.arg = arg};
    for (;;) {
        int status = api_request("GET", "/2018-06-01/runtime/invocation/next", "", NULL, head, sizeof head, event, sizeof event);
        char *id = strcasestr(head, "\r\nlambda-runtime-aws-request-id:");
        if (status != 200 || !id) {
            fprintf(stderr, "probe: /next answered %d\n", status);
            exit(70);
        }
        snprintf(visit.last_id, sizeof visit.last_id, "%s", visit.id);
        sscanf(id + 32, " %127[^\r]", visit.id);
        visit.answered = false;
        member(event, "probe", name, sizeof name);
        member(event, "arg", arg, sizeof arg);
        run_probe(name, &visit, &answer);
        if (visit.answered)
            continue;
        char path[256];
        snprintf(path, sizeof path, "/2018-06-01/runtime/invocation/%s/response", visit.id);
        status = api_request("POST", path, "Content-Type: application/json\r\n", answer.text, NULL, 0, NULL, 0);
        if (status != 202)
            fprintf(stderr, "probe: the response was answered by %d\n", status);
    }
}

int main(int argc, char **argv)
{
    static struct answer answer;
    if (argc >= 3 && strcmp(argv[1], "--one") == 0) {
        struct visit visit = {.arg = argc > 3 ? argv[3] : ""};
        run_probe(argv[2], &visit, &answer);
        puts(answer.text);
        return 0;
    }
    if (!getenv("AWS_LAMBDA_RUNTIME_API")) {
        fprintf(stderr, "usage: probe --one NAME [ARG]; or as the bootstrap of a function\n");
        return 2;
    }
    serve();
}
