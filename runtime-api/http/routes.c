/* The routes of the Runtime API; see routes.h. The table comes first, then one function for each. Order of checks as on
 * Lambda: the request id (400) before the runtime's state (403). */
#include "runtime-api/http/routes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"
#include "lib/crypto/digest.h"
#include "lib/json/json.h"
#include "runtime-api/error_report.h"
#include "runtime-api/http/extensions.h"

#define RUNTIME "/2018-06-01/runtime"
#define EXTENSION "/2020-01-01/extension"
#define BODILESS 0

static void next_body(struct http_conn *conn);
static void response_head(struct http_conn *conn);
static void response_body(struct http_conn *conn);
static void error_head(struct http_conn *conn);
static void error_body(struct http_conn *conn);
static void init_error_head(struct http_conn *conn);
static void init_error_body(struct http_conn *conn);
static void ping(struct http_conn *conn);

static const struct route routes[] = {
    {"GET", RUNTIME "/invocation/next", NULL, next_body, BODILESS},
    {"POST", RUNTIME "/invocation/*/response", response_head, response_body, LIMIT_PAYLOAD_BYTES},
    {"POST", RUNTIME "/invocation/*/error", error_head, error_body, LIMIT_PAYLOAD_BYTES},
    {"POST", RUNTIME "/init/error", init_error_head, init_error_body, LIMIT_PAYLOAD_BYTES},
    {"GET", "/2018-06-01/ping", NULL, ping, BODILESS},
    {"POST", EXTENSION "/register", NULL, extension_register, LIMIT_REGISTER_BYTES},
    {"GET", EXTENSION "/event/next", NULL, extension_next, BODILESS},
    {"POST", EXTENSION "/init/error", NULL, extension_init_error, LIMIT_REGISTER_BYTES},
    {"POST", EXTENSION "/exit/error", NULL, extension_exit_error, LIMIT_REGISTER_BYTES},
    {"PUT", "/2022-07-01/telemetry", NULL, extension_telemetry, LIMIT_REGISTER_BYTES},
    {"PUT", "/2020-08-15/logs", NULL, extension_logs, LIMIT_REGISTER_BYTES},
};

/* ---- answers ---- */

void answer_status(struct http_conn *conn, int status, const char *json)
{
    CLEANUP(freep) char *body = str_format("%s\n", json);
    http_conn_answer(conn,
                     &(struct http_answer){.status = status, .content_type = "application/json", .body = body, .body_len = strlen(body)});
}

void answer_error(struct http_conn *conn, int status, const char *type, const char *fmt, ...)
{
    char message[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    CLEANUP(json_freep) cJSON *doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "errorMessage", message);
    cJSON_AddStringToObject(doc, "errorType", type);
    CLEANUP(freep) char *json = json_print(doc);
    answer_status(conn, status, json);
}

void answer_accepted(struct http_conn *conn)
{
    answer_status(conn, 202, "{\"status\":\"OK\"}");
}

static void answer_too_large(struct http_conn *conn, size_t max)
{
    answer_error(conn, 413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (%zu bytes).", max);
}

static void answer_forbidden(struct http_conn *conn, enum runtime_input input)
{
    answer_error(conn, 403, "InvalidStateTransition",
                 "State transition from %s to %s failed for runtime. Error: State transition is not allowed",
                 runtime_state_name(conn->session->runtime.state), runtime_input_name(input));
}

static void answer_text(struct http_conn *conn, int status, const char *headers, const char *text)
{
    http_conn_answer(
        conn,
        &(struct http_answer){
            .status = status, .content_type = "text/plain; charset=utf-8", .headers = headers, .body = text, .body_len = strlen(text)});
}

/* ---- finding the route ---- */

/* Whether path is pattern, where "*" stands for one segment that is not empty. */
static bool matches(struct http_text path, const char *pattern, struct http_text *ret_segment)
{
    const char *star = strchr(pattern, '*');
    if (!star)
        return http_text_is(path, pattern);
    size_t before = (size_t)(star - pattern), after = strlen(star + 1);
    if (path.n <= before + after || memcmp(path.p, pattern, before) != 0 || memcmp(path.p + path.n - after, star + 1, after) != 0)
        return false;
    *ret_segment = (struct http_text){path.p + before, path.n - before - after};
    return !memchr(ret_segment->p, '/', ret_segment->n);
}

void routes_head(struct http_conn *conn)
{
    struct http_text segment;
    const struct route *other = NULL;
    conn->body.max = 0;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!matches(conn->request.path, routes[i].path, &segment))
            continue;
        other = &routes[i];
        if (!http_text_is(conn->request.method, routes[i].method))
            continue;
        conn->route = &routes[i];
        conn->body.max = routes[i].body_bytes_max;
        if (routes[i].head)
            routes[i].head(conn);
        return;
    }
    if (!other) {
        answer_text(conn, 404, "X-Content-Type-Options: nosniff\r\n", "404 page not found\n");
        return;
    }
    char allow[32];
    snprintf(allow, sizeof allow, "Allow: %s\r\n", other->method);
    http_conn_answer(conn, &(struct http_answer){.status = 405, .headers = allow, .body = ""});
}

void routes_body(struct http_conn *conn)
{
    conn->route->body(conn);
}

void routes_truncated(struct http_conn *conn)
{
    answer_error(conn, 400, "TruncatedHTTPRequest", "HTTP request detected as truncated");
}

void routes_gone(struct http_conn *conn)
{
    struct session *session = conn->session;
    struct http_conn *other;
    if (conn->extension)
        conn->extension->parked = NULL;
    conn->extension = NULL;
    if (session->answering == conn)
        session->answering = NULL;
    if (session->next != conn)
        return;
    session->next = NULL;
    TAILQ_FOREACH(other, &session->conns, link)
        if (other != conn && other->state == HTTP_CONN_PARKED && !other->extension)
            session->next = other;
}

/* ---- the runtime ---- */

/* Our own runtimes talk through their channel; code inside them cannot take their place. */
static bool may(const struct http_conn *conn, enum runtime_input input)
{
    return !session_has_channel_runtime(conn->session) && runtime_may(&conn->session->runtime, input);
}

void routes_deliver(struct session *session)
{
    struct http_conn *conn = session->next;
    if (!conn)
        return;
    session->next = NULL;
    http_conn_send_event(conn);
    http_conn_flush(conn);
}

static void next_body(struct http_conn *conn)
{
    struct session *session = conn->session;
    if (!may(conn, RUNTIME_NEXT)) {
        answer_forbidden(conn, RUNTIME_NEXT);
        return;
    }
    runtime_step(&session->runtime, RUNTIME_NEXT);
    if (session->runtime.state == RUNTIME_RUNNING) {
        http_conn_send_event(conn);
        return;
    }
    session->next = conn;
    session_settle(session);
}

/* The answer belongs to the event that is being served, and to this delivery of it. */
static bool is_of_event(const struct http_conn *conn)
{
    const struct delivery *d = &conn->session->delivery;
    struct http_text id = {NULL, 0}, delivery;
    matches(conn->request.path, conn->route->path, &id);
    if (d->request_id[0] == '\0' || !http_text_is(id, d->request_id))
        return false;
    return !http_request_header(&conn->request, "Lambda-Runtime-Invocation-Id", &delivery) || delivery.n == 0 ||
           http_text_is(delivery, d->id);
}

/* Whether the connection may bring what ends the invocation; it has answered if not. */
static bool begin(struct http_conn *conn, enum runtime_input input)
{
    if (!is_of_event(conn)) {
        answer_error(conn, 400, "InvalidRequestID", "Invalid request ID");
        return false;
    }
    if (!may(conn, input)) {
        answer_forbidden(conn, input);
        return false;
    }
    runtime_step(&conn->session->runtime, input);
    conn->session->answering = conn;
    return true;
}

static void response_head(struct http_conn *conn)
{
    struct http_text mode;
    if (!begin(conn, RUNTIME_BEGIN_RESPONSE))
        return;
    if (!http_request_header(&conn->request, "Lambda-Runtime-Function-Response-Mode", &mode) || mode.n == 0 ||
        http_text_is(mode, "streaming"))
        return;
    answer_error(conn, 400, "InvalidFunctionResponseMode", "Invalid function response mode");
    struct error_report report;
    error_report_fill(&report, "Runtime.InvalidResponseModeHeader", NULL, 0);
    error_report_make_body(&report, "Invalid function response mode");
    session_tell_error(conn->session, &report.error);
    error_report_free(&report);
}

/* A failure in the middle of a stream: trailers with its type and, in base64, its document. */
static bool tell_trailers(struct http_conn *conn)
{
    struct http_text type, text;
    if (!http_header(conn->trailers, conn->trailer_count, "Lambda-Runtime-Function-Error-Type", &type))
        return false;
    struct error_report report;
    char type_text[LIMIT_TYPE_BYTES];
    CLEANUP(freep) char *body = NULL;
    size_t len = 0;
    http_text_copy(type, type_text, sizeof type_text);
    if (http_header(conn->trailers, conn->trailer_count, "Lambda-Runtime-Function-Error-Body", &text) && text.n) {
        body = malloc(text.n + 1);
        if (body && digest_base64_decode(text.p, text.n, body, &len, NULL) < 0)
            len = 0;
    }
    error_report_fill(&report, type_text, body, len);
    if (len == 0)
        error_report_make_body(&report, "The response stream was ended by an error");
    session_tell_error(conn->session, &report.error);
    error_report_free(&report);
    return true;
}

static void response_body(struct http_conn *conn)
{
    struct http_text type = {"", 0};
    if (conn->over) {
        answer_too_large(conn, LIMIT_PAYLOAD_BYTES);
        session_tell_too_large(conn->session, conn->body_len);
        return;
    }
    answer_accepted(conn);
    if (conn->trailer_count && tell_trailers(conn))
        return;
    char content_type[LIMIT_TYPE_BYTES];
    http_request_header(&conn->request, "Content-Type", &type);
    error_report_content_type(type.p, type.n, content_type);
    session_tell_response(conn->session, content_type, conn->body.len ? conn->body.data : "", conn->body.len);
}

/* An error as a body and headers say it. */
static void read_report(struct http_conn *conn, struct error_report *report)
{
    struct http_text text;
    char type[LIMIT_TYPE_BYTES] = "";
    if (http_request_header(&conn->request, "Lambda-Runtime-Function-Error-Type", &text))
        http_text_copy(text, type, sizeof type);
    error_report_fill(report, type, conn->body.len ? conn->body.data : "", conn->body.len);
    if (http_request_header(&conn->request, "Content-Type", &text) && http_text_is(text, "application/vnd.aws.lambda.error.cause+json"))
        error_report_split_cause(report);
    else if (http_request_header(&conn->request, "Lambda-Runtime-Function-XRay-Error-Cause", &text))
        error_report_set_cause(report, text.p, text.n);
}

static void error_head(struct http_conn *conn)
{
    begin(conn, RUNTIME_BEGIN_ERROR);
}

static void error_body(struct http_conn *conn)
{
    if (conn->over) {
        answer_too_large(conn, LIMIT_PAYLOAD_BYTES);
        session_tell_too_large(conn->session, conn->body_len);
        return;
    }
    struct error_report report;
    read_report(conn, &report);
    answer_accepted(conn);
    session_tell_error(conn->session, &report.error);
    error_report_free(&report);
}

static void init_error_head(struct http_conn *conn)
{
    if (!may(conn, RUNTIME_FAIL_INIT))
        answer_forbidden(conn, RUNTIME_FAIL_INIT);
}

static void init_error_body(struct http_conn *conn)
{
    if (!may(conn, RUNTIME_FAIL_INIT)) { /* another connection was faster */
        answer_forbidden(conn, RUNTIME_FAIL_INIT);
        return;
    }
    runtime_step(&conn->session->runtime, RUNTIME_FAIL_INIT);
    struct error_report report;
    read_report(conn, &report);
    if (conn->over) {
        answer_too_large(conn, LIMIT_PAYLOAD_BYTES);
        error_report_make_body(&report, "The runtime's init error is too large.");
    } else {
        answer_accepted(conn);
    }
    session_tell_init_error(conn->session, &report.error);
    error_report_free(&report);
}

static void ping(struct http_conn *conn)
{
    answer_text(conn, 200, NULL, "pong");
}
