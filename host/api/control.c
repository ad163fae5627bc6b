/* Stoke's own routes, for its command line and for people with curl: what AWS's API has no place for.
 *
 *   GET  /_stoke/health                                        version, readiness, what the host can enforce
 *   GET  /_stoke/functions[?Marker=NAME][&MaxItems=N]          how each function runs on this host, in pages
 *   GET  /_stoke/runtimes      POST {"name", "path"}           the interpreters; registers one
 *   GET  /_stoke/logs?function=NAME[&limit=N][&after=CURSOR][&wait=SECONDS], or group=LOGGROUP
 *   GET  /_stoke/code/DIGEST?expires=...&signature=...         what Code.Location of GetFunction points to
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/code.h"
#include "host/api/event_source/mapping.h"
#include "host/api/settings/common.h"
#include "host/api/settings/stored_only.h"
#include "host/telemetry/logs.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"

#define LOG_LIMIT_MAX 10000
#define LOG_LOOK_MAX 100000 /* records at once, when most are others': the loop does nothing else meanwhile */
#define LOG_WAIT_S_MAX 60
#define LOG_GATHER_US 20000 /* what comes within this time of a first record goes into the same answer */
#define FUNCTIONS_PAGE 200  /* at once: the loop does nothing else meanwhile */
#define TEXT_MAX 520        /* a log group has at most 512 characters */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A parameter of the query, percent-decoded, into out; false if it is absent, too long or holds a NUL. */
static bool query_get(struct http_slice query, const char *name, char out[TEXT_MAX])
{
    size_t len = strlen(name), n = 0;
    const char *p = query.p, *end = p != NULL ? p + query.n : NULL;
    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p)), *stop = amp != NULL ? amp : end;
        if ((size_t)(stop - p) > len && memcmp(p, name, len) == 0 && p[len] == '=') {
            for (p += len + 1; p < stop; p++) {
                int c = (unsigned char)*p;
                if (*p == '%' && stop - p > 2 && hex_value(p[1]) >= 0 && hex_value(p[2]) >= 0) {
                    c = hex_value(p[1]) << 4 | hex_value(p[2]);
                    p += 2;
                }
                if (c == 0 || n + 1 == TEXT_MAX)
                    return false;
                out[n++] = (char)c;
            }
            out[n] = '\0';
            return true;
        }
        p = stop + 1;
    }
    return false;
}

/* ---- logs ---- */

/* One request for log records; waits for the first one if it was asked to. */
struct log_page {
    struct api *api;
    struct http_req *req;
    struct function_name name;
    char key[LOG_GROUP_KEY_BYTES]; /* of the log group */
    bool whole;                    /* the group's; else the function's part of it */
    bool shared;                   /* a group that is not the function's standard one */
    int64_t after_us;              /* the cursor: this time, */
    int64_t after_seen;            /* of which so many records were given out already */
    bool follows;                  /* a page that was given out: begins where that one ended, and leaves nothing out */
    int64_t limit, skip, count;    /* count: of events */
    size_t delivered;              /* records that the last look gave us, whoever's */
    bool more;                     /* it did not come to the end of the log */
    cJSON *events;
    struct logs_follower *follower;
    struct loop_timer timer;
};

static void log_page_free(struct log_page *page)
{
    if (page->follower != NULL)
        logs_unfollow(page->follower);
    loop_timer_cancel(page->api->options.loop, &page->timer);
    cJSON_Delete(page->events);
    free(page);
}

/* A function may write any bytes; JSON holds text. */
static char *printable(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy == NULL)
        abort();
    bool utf8 = str_is_utf8(text, len);
    for (size_t i = 0; i < len; i++)
        copy[i] = text[i] == '\0' || (!utf8 && (unsigned char)text[i] >= 0x80) ? '?' : text[i];
    copy[len] = '\0';
    return copy;
}

/* In its standard group a function's streams are YYYY/MM/DD/[VERSION]ID, in others the function's name comes before the version. */
static bool is_of_function(const struct log_page *page, const char *stream)
{
    size_t day = strlen("YYYY/MM/DD/"), name = page->shared ? strlen(page->name.name) : 0;
    return strlen(stream) > day + name && strncmp(stream + day, page->name.name, name) == 0 && stream[day + name] == '[';
}

static void add_record(void *arg, const struct log_record *record)
{
    struct log_page *page = arg;
    page->delivered++;
    if (record->time_us == page->after_us && page->skip > 0) {
        page->skip--;
        return;
    }
    page->after_seen = record->time_us == page->after_us ? page->after_seen + 1 : 1;
    page->after_us = record->time_us;
    if (!page->whole && !is_of_function(page, record->stream))
        return;
    cJSON *event = cJSON_CreateObject();
    CLEANUP(freep) char *message = printable(record->text, record->len);
    cJSON_AddNumberToObject(event, "timestamp", (double)(record->time_us / 1000));
    cJSON_AddBoolToObject(event, "platform", record->platform);
    cJSON_AddStringToObject(event, "stream", record->stream);
    cJSON_AddStringToObject(event, "requestId", record->request_id);
    cJSON_AddStringToObject(event, "message", message);
    cJSON_AddItemToArray(page->events, event);
    if (++page->count > page->limit) {
        cJSON_DeleteItemFromArray(page->events, 0);
        page->count--;
    }
}

static bool log_page_is_full(void *arg)
{
    const struct log_page *page = arg;
    return page->count == page->limit;
}

/* One look at the log. Where it is full of others' records the cursor moves past as many as one look is worth, and the page says so. */
static int log_page_read(struct log_page *page, struct err *err)
{
    const struct log_name name = {page->name.account, page->name.region, page->key};
    struct log_span span = {.since_us = page->after_us, .limit = LOG_LIMIT_MAX};
    if (page->follows) {
        span.first = true;
        span.enough = log_page_is_full;
        span.limit = LOG_LOOK_MAX + (size_t)page->after_seen; /* which are skipped */
    } else if (page->whole) {
        span.limit = (size_t)page->limit; /* no records of others among them */
    }
    page->skip = page->after_seen;
    page->delivered = 0;
    int rc = logs_read(page->api->options.logs, &name, &span, add_record, page, err);
    page->more = page->follows && page->delivered == span.limit;
    return rc;
}

static void log_page_answer(struct log_page *page)
{
    cJSON *body = cJSON_CreateObject();
    CLEANUP(freep) char *next = str_format("%" PRId64 ".%" PRId64, page->after_us, page->after_seen);
    cJSON_AddItemToObject(body, "events", page->events);
    page->events = NULL;
    cJSON_AddStringToObject(body, "next", next);
    front_door_reply_json(page->req, 200, body);
    log_page_free(page);
}

static void log_page_due(void *arg)
{
    struct log_page *page = arg;
    struct err err;
    if (log_page_read(page, &err) < 0) {
        front_door_fail(page->req, 500, "ServiceException", "%s", err.msg);
        log_page_free(page);
        return;
    }
    log_page_answer(page);
}

static void log_page_woken(void *arg, const struct log_record *record)
{
    struct log_page *page = arg;
    (void)record;
    int64_t due = clock_mono_us() + LOG_GATHER_US;
    if (page->timer.due_us > due)
        loop_timer_set(page->api->options.loop, &page->timer, due);
}

static void log_page_gone(void *arg)
{
    log_page_free(arg);
}

/* Nothing yet: answers when a record comes, or when wait_s is over. */
static int log_page_wait(struct log_page *page, int64_t wait_s, struct err *err)
{
    const struct log_name name = {page->name.account, page->name.region, page->key};
    int r = logs_follow(page->api->options.logs, &name, log_page_woken, page, &page->follower, err);
    if (r < 0)
        return r;
    loop_timer_set(page->api->options.loop, &page->timer, clock_mono_us() + wait_s * 1000000);
    http_req_on_gone(page->req, log_page_gone, page);
    return 0;
}

/* Where the function writes now; where it would by default if it is gone. */
static void log_page_find_group(struct log_page *page)
{
    struct function_record *record;
    struct function_facts facts;
    struct err err;
    CLEANUP(freep) char *standard = str_format("/aws/lambda/%s", page->name.name);
    CLEANUP(json_freep) cJSON *config = NULL;
    if (registry_find(page->api->options.registry, &page->name, &record, &err) == 0 && registry_describe(record, NULL, &facts, &err) == 0)
        config = setting_parse(facts.config);
    const char *group = json_str(json_get(config, "LoggingConfig"), "LogGroup");
    log_group_key(group != NULL ? group : standard, page->key);
    page->shared = group != NULL && !str_eq(group, standard);
}

/* The function or the group whose log it is; false with what is wrong. */
static bool log_page_parse_name(struct log_page *page, struct http_slice query, const struct aws_call *who, struct err *err)
{
    char text[TEXT_MAX];
    if (query_get(query, "group", text)) {
        page->whole = true;
        (void)str_copy(page->name.account, sizeof(page->name.account), who->account);
        (void)str_copy(page->name.region, sizeof(page->name.region), who->region);
        log_group_key(text, page->key);
        return true;
    }
    if (!query_get(query, "function", text)) {
        err_set(err, ERR_INVALID, "the parameter 'function' is missing or too long");
        return false;
    }
    if (function_name_parse(text, NULL, who->account, who->region, &page->name, err) < 0)
        return false;
    log_page_find_group(page);
    return true;
}

/* The parameters into page; false with what is wrong. */
static bool log_page_parse(struct log_page *page, struct http_slice query, const struct aws_call *who, int64_t *ret_wait_s, struct err *err)
{
    char text[TEXT_MAX];
    if (!log_page_parse_name(page, query, who, err))
        return false;
    page->limit = 1000;
    *ret_wait_s = 0;
    if (query_get(query, "limit", text) && !str_to_i64(text, 1, LOG_LIMIT_MAX, &page->limit)) {
        err_set(err, ERR_INVALID, "limit is a number from 1 to %d", LOG_LIMIT_MAX);
        return false;
    }
    if (query_get(query, "wait", text) && !str_to_i64(text, 0, LOG_WAIT_S_MAX, ret_wait_s)) {
        err_set(err, ERR_INVALID, "wait is a number of seconds from 0 to %d", LOG_WAIT_S_MAX);
        return false;
    }
    if (query_get(query, "after", text) && *text != '\0') {
        char *dot = strchr(text, '.');
        if (dot != NULL)
            *dot = '\0';
        if (dot == NULL || !str_to_i64(text, 0, INT64_MAX, &page->after_us) || !str_to_i64(dot + 1, 0, INT64_MAX, &page->after_seen)) {
            err_set(err, ERR_INVALID, "after is no cursor that Stoke gave out");
            return false;
        }
        page->follows = true;
        page->limit = LOG_LIMIT_MAX;
    }
    return true;
}

static void log_page_fail(struct log_page *page, const struct err *err)
{
    static const struct {
        enum err_kind kind;
        int status;
        const char *code;
    } refusals[] = {{ERR_INVALID, 400, "ValidationException"},
                    {ERR_DENIED, 403, "AccessDeniedException"},
                    {ERR_NOT_FOUND, 404, "ResourceNotFoundException"}};
    int status = 500;
    const char *code = "ServiceException";
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (refusals[i].kind == err->kind) {
            status = refusals[i].status;
            code = refusals[i].code;
        }
    front_door_fail(page->req, status, code, "%s", err->msg);
    log_page_free(page);
}

static void get_logs(struct api *api, struct http_req *req, const struct aws_call *who)
{
    struct log_page *page = calloc(1, sizeof(*page));
    struct function_record *record;
    struct err err;
    int64_t wait_s;
    if (page == NULL)
        abort();
    page->api = api;
    page->req = req;
    page->events = cJSON_CreateArray();
    loop_timer_init(&page->timer, log_page_due, page);
    if (!log_page_parse(page, http_req_query(req), who, &wait_s, &err) || log_page_read(page, &err) < 0) {
        log_page_fail(page, &err);
        return;
    }
    bool empty = page->count == 0;
    if (empty && !page->whole && registry_find(api->options.registry, &page->name, &record, &err) < 0) {
        log_page_fail(page, &err);
        return;
    }
    if (!empty || page->more || wait_s == 0) {
        log_page_answer(page);
        return;
    }
    if (log_page_wait(page, wait_s, &err) < 0)
        log_page_fail(page, &err);
}

/* ---- functions and runtimes ---- */

/* mapped: it has event source mappings. */
static cJSON *function_here(struct function_record *record, bool mapped)
{
    struct function_facts facts;
    cJSON *item = cJSON_CreateObject();
    registry_describe_at(record, 0, &facts);
    cJSON_AddStringToObject(item, "FunctionName", facts.name);
    cJSON_AddStringToObject(item, "State", facts.state);
    if (facts.update_status != NULL)
        cJSON_AddStringToObject(item, "LastUpdateStatus", facts.update_status);
    if (facts.match->interpreter != NULL)
        cJSON_AddStringToObject(item, "Interpreter", facts.match->interpreter->path);
    cJSON_AddStringToObject(item, "Note", facts.state_reason != NULL ? facts.state_reason : facts.match->note);
    cJSON_AddNumberToObject(item, "NetworkBytes", (double)facts.net_bytes);
    cJSON_AddNumberToObject(item, "NetworkPackets", (double)facts.net_packets);
    cJSON *stored_only = stored_only_of(record, facts.config, mapped);
    if (stored_only != NULL)
        cJSON_AddItemToObject(item, "StoredOnly", stored_only);
    return item;
}

/* A page begins with the function that Marker names, or what comes after it; NextMarker names the first that is left out. */
static void get_functions(struct api *api, struct http_req *req, const struct aws_call *who)
{
    struct http_slice query = http_req_query(req);
    struct function_record **records;
    const char *names[FUNCTIONS_PAGE];
    bool mapped[FUNCTIONS_PAGE];
    char from[TEXT_MAX] = "", text[TEXT_MAX];
    int64_t max = FUNCTIONS_PAGE;
    (void)query_get(query, "Marker", from);
    if (query_get(query, "MaxItems", text) && !str_to_i64(text, 1, FUNCTIONS_PAGE, &max)) {
        front_door_fail(req, 400, "ValidationException", "MaxItems is a number from 1 to %d", FUNCTIONS_PAGE);
        return;
    }
    size_t count = registry_list(api->options.registry, who->account, who->region, from, &records);
    cJSON *body = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(body, "Functions");
    size_t shown = count < (size_t)max ? count : (size_t)max;
    for (size_t i = 0; i < shown; i++)
        names[i] = registry_record_name(records[i]);
    mapping_find_functions(api->options.registry, who->account, who->region, names, shown, mapped);
    for (size_t i = 0; i < shown; i++)
        cJSON_AddItemToArray(list, function_here(records[i], mapped[i]));
    if (count > shown)
        cJSON_AddStringToObject(body, "NextMarker", registry_record_name(records[shown]));
    free(records);
    front_door_reply_json(req, 200, body);
}

void runtime_list_reply(struct api *api, struct http_req *req)
{
    static const char *const languages[] = {
        [RUNTIME_NONE] = "none",         [RUNTIME_PYTHON] = "python", [RUNTIME_NODE] = "nodejs",
        [RUNTIME_PROVIDED] = "provided", [RUNTIME_OTHER] = "other",
    };
    const struct runtimes *runtimes = *api->options.runtimes;
    cJSON *body = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(body, "Runtimes");
    for (size_t i = 0; i < runtimes_count(runtimes); i++) {
        const struct runtime_interpreter *interpreter = runtimes_at(runtimes, i);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "Language", languages[interpreter->language]);
        cJSON_AddStringToObject(item, "Version", interpreter->version);
        cJSON_AddStringToObject(item, "Path", interpreter->path);
        cJSON_AddStringToObject(item, "Source", interpreter->source);
        cJSON_AddItemToArray(list, item);
    }
    front_door_reply_json(req, 200, body);
}

/* What concerns the whole host is no business of a function's, whatever it may do in its account. */
static void post_runtimes(struct api *api, struct http_req *req)
{
    if (http_req_context(req) != NULL)
        front_door_fail(req, 403, "AccessDeniedException", "a function may not register interpreters of the host");
    else
        runtime_add_request(api, req);
}

void control_on_request(struct api *api, struct http_req *req, const struct aws_call *who)
{
    struct http_slice method = http_req_method(req), path = http_req_path(req);
    bool get = slice_is(method, "GET");
    if (slice_is(path, "/_stoke/health") && get)
        front_door_reply_json(req, 200, api->options.health(api->options.arg));
    else if (slice_is(path, "/_stoke/functions") && get)
        get_functions(api, req, who);
    else if (slice_is(path, "/_stoke/runtimes") && get)
        runtime_list_reply(api, req);
    else if (slice_is(path, "/_stoke/runtimes") && slice_is(method, "POST"))
        post_runtimes(api, req);
    else if (slice_is(path, "/_stoke/logs") && get)
        get_logs(api, req, who);
    else if (slice_starts(path, "/_stoke/code/") && get)
        code_download(api, req);
    else
        front_door_fail(req, 404, "NotFoundException", "Stoke has no route %.*s %.*s", (int)method.n, method.p, (int)path.n, path.p);
}
