/* Calls to the API and how their results and errors are shown. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/strutil.h"

#define CALL_TIMEOUT_S 60

int cli_fail(int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("stoke: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return status;
}

int cli_fail_err(const struct err *err)
{
    if (err->kind == ERR_UNAVAILABLE)
        return cli_fail(CLI_UNREACHABLE, "%s; is stoked running? (--endpoint or STOKE_ENDPOINT names another one)", err->msg);
    return cli_fail(CLI_FAILED, "%s", err->msg);
}

int cli_usage(const char *text)
{
    fputs(text, stderr);
    return CLI_USAGE;
}

void cli_error_code(const struct http_answer *answer, char *out, size_t cap)
{
    if (!http_answer_header(answer, "x-amzn-errortype", out, cap))
        out[0] = '\0';
    out[strcspn(out, ":")] = '\0'; /* some services append a URL */
}

int cli_fail_answer(const struct http_answer *answer)
{
    char code[128];
    cli_error_code(answer, code, sizeof code);
    CLEANUP(json_freep) cJSON *tree = NULL;
    const char *message = NULL;
    if (json_parse(answer->body, answer->body_len, &tree, NULL) == 0) {
        message = json_str(tree, "Message");
        if (!message)
            message = json_str(tree, "message");
    }
    return cli_fail(CLI_FAILED, "%s%s%s", code[0] ? code : "HTTP error", code[0] ? ": " : " ",
                    message           ? message
                    : answer->body[0] ? answer->body
                                      : "(no text)");
}

int cli_call(struct cli *cli, const char *method, const char *path, const cJSON *body, struct http_answer *ret_answer)
{
    CLEANUP(freep) char *text = body ? json_print(body) : NULL;
    static const char *const json_headers[] = {"Content-Type: application/json", NULL};
    struct http_call call = {.method = method, .path = path, .headers = json_headers, .timeout_s = CALL_TIMEOUT_S};
    if (text) {
        call.body = text;
        call.body_len = strlen(text);
        if (call.body_len > 1 << 20) {
            call.progress = cli_progress;
            call.arg = (void *)"uploading";
        }
    }
    struct err err;
    return http_client_call(cli->client, &call, ret_answer, &err) < 0 ? cli_fail_err(&err) : CLI_OK;
}

int cli_get(struct cli *cli, const char *method, const char *path, const cJSON *body, cJSON **ret_tree)
{
    struct http_answer answer;
    int rc = cli_call(cli, method, path, body, &answer);
    if (rc != CLI_OK)
        return rc;
    struct err err;
    if (answer.status >= 300)
        rc = cli_fail_answer(&answer);
    else if (json_parse(answer.body, answer.body_len, ret_tree, &err) < 0)
        rc = cli_fail(CLI_FAILED, "an answer that is no JSON (%s)", err.msg);
    http_answer_free(&answer);
    return rc;
}

int cli_get_all(struct cli *cli, const char *path, const char *member, cJSON **ret_tree)
{
    CLEANUP(json_freep) cJSON *out = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(out, member);
    CLEANUP(freep) char *next = strdup(path);
    while (next) {
        CLEANUP(json_freep) cJSON *page = NULL;
        int rc = cli_get(cli, "GET", next, NULL, &page);
        if (rc != CLI_OK)
            return rc;
        cJSON *items = json_get(page, member), *item;
        while ((item = items ? cJSON_DetachItemFromArray(items, 0) : NULL))
            cJSON_AddItemToArray(list, item);
        const char *marker = json_str(page, "NextMarker");
        CLEANUP(freep) char *escaped = http_escape(marker ? marker : "");
        free(next);
        next = marker && *marker ? str_format("%s%cMarker=%s", path, strchr(path, '?') ? '&' : '?', escaped) : NULL;
    }
    *ret_tree = STEAL(out);
    return CLI_OK;
}

int cli_delete(struct cli *cli, const char *path)
{
    struct http_answer answer;
    int rc = cli_call(cli, "DELETE", path, NULL, &answer);
    if (rc != CLI_OK)
        return rc;
    rc = answer.status >= 300 ? cli_fail_answer(&answer) : CLI_OK;
    http_answer_free(&answer);
    return rc;
}

int cli_show(struct cli *cli, const cJSON *tree, void (*print)(const cJSON *tree))
{
    if (cli->json)
        cli_print_json(tree);
    else
        print(tree);
    return CLI_OK;
}

char *cli_function_path(const char *name, const char *suffix)
{
    CLEANUP(freep) char *escaped = http_escape(name);
    return str_format("/2015-03-31/functions/%s%s", escaped, suffix);
}

void cli_print_json(const cJSON *tree)
{
    char *text = cJSON_Print(tree);
    if (!text)
        abort();
    puts(text);
    free(text);
}

void cli_print_safe(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            putchar('^');
            putchar(c ^ 0x40);
        } else if (c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] >= 0x80 && (unsigned char)text[i + 1] < 0xa0) {
            fputs("^[", stdout); /* a C1 control in UTF-8: terminals take U+009B for an escape sequence */
            i++;
        } else
            putchar(c);
    }
}

void cli_progress(void *label, size_t done, size_t total)
{
    enum { WIDTH = 32 };
    static int shown = -1;
    if (!total || !isatty(STDERR_FILENO))
        return;
    int filled = (int)(done * WIDTH / total);
    if (filled == shown)
        return;
    shown = filled;
    fprintf(stderr, "\r%s [%.*s%*s] %3zu%%%s", (const char *)label, filled, "################################", WIDTH - filled, "",
            done * 100 / total, done == total ? "\n" : "");
}
