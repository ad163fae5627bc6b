/* Failures as runtimes report them; see error_report.h. Source of the rules: the wire behaviour of Lambda's Runtime API. */
#include "runtime-api/error_report.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"
#include "lib/json/json.h"

#define PARSE_BYTES_MAX (256 * 1024) /* a larger body is passed on without a look at its errorType */

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter_or_digit(char c)
{
    return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

void error_report_type(const char *type, size_t len, char out[LIMIT_TYPE_BYTES])
{
    bool function = len > 9 && memcmp(type, "Function.", 9) == 0;
    bool runtime = len > 8 && memcmp(type, "Runtime.", 8) == 0;
    size_t at = function ? 9 : 8;
    bool good = (function || runtime) && len < LIMIT_TYPE_BYTES && len - at >= 2 && is_upper(type[at]);
    for (size_t i = at + 1; good && i < len; i++)
        good = is_letter_or_digit(type[i]) || strchr("._-", type[i]); /* a NUL fails: strchr would find it */
    if (good && memchr(type, '\0', len))
        good = false;
    if (good) {
        memcpy(out, type, len);
        out[len] = '\0';
        return;
    }
    str_copy(out, LIMIT_TYPE_BYTES, function ? "Function.Unknown" : "Runtime.Unknown");
}

void error_report_content_type(const char *type, size_t len, char out[LIMIT_TYPE_BYTES])
{
    if (len == 0) {
        str_copy(out, LIMIT_TYPE_BYTES, "application/json");
        return;
    }
    bool good = len < LIMIT_TYPE_BYTES;
    for (size_t i = 0; i < len && good; i++)
        good = type[i] >= ' ' && type[i] < 0x7f;
    if (!good) {
        str_copy(out, LIMIT_TYPE_BYTES, "application/octet-stream");
        return;
    }
    memcpy(out, type, len);
    out[len] = '\0';
}

void error_report_print(const char *text, size_t len, char *out, size_t cap)
{
    size_t n = len < cap ? len : cap - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
    out[n] = '\0';
}

void error_report_fill(struct error_report *report, const char *type, const char *body, size_t len)
{
    CLEANUP(json_freep) cJSON *doc = NULL;
    *report = (struct error_report){.error = {.type = report->type, .body = body ? body : "", .body_len = len}};
    if ((!type || !*type) && len && len <= PARSE_BYTES_MAX && json_parse(body, len, &doc, NULL) == 0)
        type = json_str(doc, "errorType");
    error_report_type(type ? type : "", type ? strlen(type) : 0, report->type);
}

static void set_body(struct error_report *report, char *owned)
{
    free(report->owned_body);
    report->owned_body = owned;
    report->error.body = owned;
    report->error.body_len = strlen(owned);
}

void error_report_split_cause(struct error_report *report)
{
    static const char *const kept[] = {"errorMessage", "errorType", "stackTrace"};
    CLEANUP(json_freep) cJSON *doc = NULL;
    if (json_parse(report->error.body, report->error.body_len, &doc, NULL) < 0 || !cJSON_IsObject(doc)) {
        set_body(report, str_format("\"Invalid error body\""));
        return;
    }
    CLEANUP(json_freep) cJSON *rest = cJSON_CreateObject();
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(doc, kept[i]);
        if (item)
            cJSON_AddItemToObject(rest, kept[i], item);
    }
    cJSON *cause = json_get(doc, "errorCause");
    if (cause) {
        CLEANUP(freep) char *text = json_print(cause);
        error_report_set_cause(report, text, strlen(text));
    }
    set_body(report, json_print(rest));
}

void error_report_set_cause(struct error_report *report, const char *json, size_t len)
{
    CLEANUP(json_freep) cJSON *doc = NULL;
    if (len == 0 || len > LIMIT_CAUSE_BYTES || json_parse(json, len, &doc, NULL) < 0 || !cJSON_IsObject(doc))
        return;
    free(report->owned_cause);
    report->owned_cause = strndup(json, len);
    report->error.xray_cause = report->owned_cause;
}

void error_report_make_body(struct error_report *report, const char *message)
{
    CLEANUP(json_freep) cJSON *doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "errorMessage", message);
    cJSON_AddStringToObject(doc, "errorType", report->type);
    set_body(report, json_print(doc));
}

void error_report_free(struct error_report *report)
{
    free(report->owned_body);
    free(report->owned_cause);
    report->owned_body = report->owned_cause = NULL;
}
