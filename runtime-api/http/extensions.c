/* The Extensions API; see extensions.h. All its errors are 403, in Lambda's words. */
#include "runtime-api/http/extensions.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/strutil.h"
#include "lib/json/json.h"
#include "runtime-api/error_report.h"
#include "runtime-api/http/routes.h"

enum extension_input { INPUT_REGISTER, INPUT_NEXT, INPUT_EVENT, INPUT_INIT_ERROR, INPUT_EXIT_ERROR, INPUT_COUNT };

#define TO(state) ((state) + 1) /* 0: not allowed */

static const unsigned char table[EXTENSION_STATE_COUNT][INPUT_COUNT] = {
    [EXTENSION_EXPECTED] = {[INPUT_REGISTER] = TO(EXTENSION_REGISTERED)},
    [EXTENSION_REGISTERED] =
        {[INPUT_NEXT] = TO(EXTENSION_READY), [INPUT_INIT_ERROR] = TO(EXTENSION_INIT_ERROR), [INPUT_EXIT_ERROR] = TO(EXTENSION_EXIT_ERROR)},
    [EXTENSION_READY] = {[INPUT_EVENT] = TO(EXTENSION_RUNNING), [INPUT_EXIT_ERROR] = TO(EXTENSION_EXIT_ERROR)},
    [EXTENSION_RUNNING] = {[INPUT_NEXT] = TO(EXTENSION_READY), [INPUT_EXIT_ERROR] = TO(EXTENSION_EXIT_ERROR)},
    [EXTENSION_INIT_ERROR] = {[INPUT_INIT_ERROR] = TO(EXTENSION_INIT_ERROR)},
    [EXTENSION_EXIT_ERROR] = {[INPUT_EXIT_ERROR] = TO(EXTENSION_EXIT_ERROR)},
};

static const char *const state_names[EXTENSION_STATE_COUNT] = {"Started", "Registered", "Ready", "Running", "InitError", "ExitError"};
static const char *const input_names[INPUT_COUNT] = {"Registered", "Ready", "Running", "InitError", "Exited"};

static bool set_state(struct extension *extension, enum extension_input input)
{
    unsigned char to = table[extension->state][input];
    if (to)
        extension->state = (enum extension_state)(to - 1);
    return to != 0;
}

static void answer_state(struct http_conn *conn, const struct extension *extension, enum extension_input input, const char *who)
{
    answer_error(conn, 403, "Extension.InvalidExtensionState",
                 "State transition from %s to %s failed for extension %s. Error: State transition is not allowed",
                 state_names[extension->state], input_names[input], who);
}

/* ---- register ---- */

struct subscription {
    bool invoke, shutdown;
};

/* {"events": [...]}; null and absent are no events. false: it has answered. */
static bool read_events(struct http_conn *conn, bool external, struct subscription *ret_wants)
{
    CLEANUP(json_freep) cJSON *doc = NULL;
    struct err err;
    const cJSON *event;
    if (json_parse(conn->body.len ? conn->body.data : "", conn->body.len, &doc, &err) < 0) {
        answer_error(conn, 403, "InvalidRequestFormat", "%.400s", err.msg);
        return false;
    }
    cJSON *events = json_get(doc, "events"), *keys = json_get(doc, "configurationKeys");
    if (!cJSON_IsObject(doc) || (events && !cJSON_IsArray(events)) || cJSON_GetArraySize(keys) > 0) {
        answer_error(conn, 403, "InvalidRequestFormat",
                     cJSON_GetArraySize(keys) > 0 ? "configurationKeys are deprecated; use environment variables instead"
                                                  : "expected an object with the array events");
        return false;
    }
    cJSON_ArrayForEach(event, events) {
        const char *name = cJSON_IsString(event) ? event->valuestring : "";
        bool invoke = str_eq(name, "INVOKE"), shutdown = str_eq(name, "SHUTDOWN");
        if (!invoke && !(shutdown && external)) {
            answer_error(conn, 403, "Extension.InvalidEventType", "%.100s: %s", name,
                         shutdown ? "ShutdownEventNotSupportedForInternalExtension" : "ErrorInvalidEventType");
            return false;
        }
        ret_wants->invoke |= invoke;
        ret_wants->shutdown |= shutdown;
    }
    return true;
}

static struct extension *find_name(struct session *session, const char *name)
{
    for (size_t i = 0; i < session->extension_count; i++)
        if (str_eq(session->extensions[i].name, name))
            return &session->extensions[i];
    return NULL;
}

/* A place for one that the runtime starts itself; NULL: it has answered. */
static struct extension *add_internal(struct http_conn *conn, const char *name)
{
    struct session *session = conn->session;
    if (!session_registers(session)) {
        answer_error(conn, 403, "Extension.RegistrationClosed", "Extension registration closed already");
        return NULL;
    }
    if (session->extension_count >= LIMIT_EXTENSIONS) {
        answer_error(conn, 403, "Extension.TooManyExtensions", "Extension limit (%d) reached", LIMIT_EXTENSIONS);
        return NULL;
    }
    struct extension *extension = &session->extensions[session->extension_count++];
    *extension = (struct extension){.state = EXTENSION_EXPECTED};
    str_copy(extension->name, sizeof extension->name, name);
    return extension;
}

static bool wants_account(const struct http_conn *conn)
{
    struct http_text features;
    return http_request_header(&conn->request, "Lambda-Extension-Accept-Feature", &features) &&
           memmem(features.p, features.n, "accountId", strlen("accountId"));
}

static void answer_registered(struct http_conn *conn, const struct extension *extension)
{
    const struct session *session = conn->session;
    CLEANUP(json_freep) cJSON *doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "functionName", session->function_name ? session->function_name : "");
    cJSON_AddStringToObject(doc, "functionVersion", session->function_version ? session->function_version : "");
    cJSON_AddStringToObject(doc, "handler", session->handler ? session->handler : "");
    if (wants_account(conn) && session->account && *session->account)
        cJSON_AddStringToObject(doc, "accountId", session->account);
    CLEANUP(freep) char *json = json_print(doc);
    CLEANUP(freep) char *body = str_format("%s\n", json);
    char header[96];
    snprintf(header, sizeof header, "Lambda-Extension-Identifier: %s\r\n", extension->id);
    http_conn_answer(conn,
                     &(struct http_answer){
                         .status = 200, .content_type = "application/json", .headers = header, .body = body, .body_len = strlen(body)});
}

void extension_register(struct http_conn *conn)
{
    struct http_text text = {"", 0};
    char name[LIMIT_EXTENSION_NAME_BYTES];
    struct subscription wants = {0};
    http_request_header(&conn->request, "Lambda-Extension-Name", &text);
    if (text.n == 0 || text.n >= sizeof name) {
        answer_error(conn, 403, "Extension.InvalidExtensionName", text.n ? "Extension name too long" : "Empty extension name");
        return;
    }
    error_report_print(text.p, text.n, name, sizeof name);
    struct extension *extension = find_name(conn->session, name);
    if (conn->over) {
        answer_error(conn, 403, "InvalidRequestFormat", "the body is larger than %d bytes", LIMIT_REGISTER_BYTES);
        return;
    }
    if (!read_events(conn, extension && extension->external, &wants))
        return;
    if (extension && extension->state != EXTENSION_EXPECTED) {
        if (extension->external)
            answer_state(conn, extension, INPUT_REGISTER, name);
        else
            answer_error(conn, 403, "Extension.InvalidExtensionState", "Extension with this name already registered");
        return;
    }
    if (!extension && !(extension = add_internal(conn, name)))
        return;
    extension->wants_invoke = wants.invoke;
    extension->wants_shutdown = wants.shutdown;
    id_uuid(extension->id);
    set_state(extension, INPUT_REGISTER);
    answer_registered(conn, extension);
    session_extension_registered(conn->session);
}

/* ---- a registered one ---- */

static bool is_uuid(struct http_text text)
{
    for (size_t i = 0; i < text.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.p[i] != '-' : !memchr("0123456789abcdefABCDEF", text.p[i], 22))
            return false;
    }
    return text.n == ID_UUID_BYTES - 1;
}

/* The one that the header names; NULL: it has answered. */
static struct extension *identify(struct http_conn *conn)
{
    struct session *session = conn->session;
    struct http_text id = {"", 0};
    http_request_header(&conn->request, "Lambda-Extension-Identifier", &id);
    if (id.n == 0) {
        answer_error(conn, 403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header");
        return NULL;
    }
    if (!is_uuid(id)) {
        answer_error(conn, 403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier");
        return NULL;
    }
    for (size_t i = 0; i < session->extension_count; i++)
        if (session->extensions[i].id[0] && http_text_is(id, session->extensions[i].id))
            return &session->extensions[i];
    answer_error(conn, 403, "Extension.UnknownExtensionIdentifier", "Unknown extension %.36s", id.p);
    return NULL;
}

static void send_event(struct http_conn *conn, const char *json, size_t len)
{
    char id[ID_UUID_BYTES], header[96];
    id_uuid(id);
    snprintf(header, sizeof header, "Lambda-Extension-Event-Identifier: %s\r\n", id);
    http_conn_answer(
        conn, &(struct http_answer){.status = 200, .content_type = "application/json", .headers = header, .body = json, .body_len = len});
}

void extension_next(struct http_conn *conn)
{
    struct session *session = conn->session;
    struct extension *extension = identify(conn);
    if (!extension)
        return;
    if (extension->owed) { /* its connection broke while it waited, and an event has come since */
        extension->owed = false;
        send_event(conn, session->delivery.extension.data, session->delivery.extension.len);
        return;
    }
    bool again = extension->state == EXTENSION_READY && !extension->parked;
    if (!again && !set_state(extension, INPUT_NEXT)) {
        answer_state(conn, extension, INPUT_NEXT, extension->id);
        return;
    }
    if (session->shutdown[0] && extension->wants_shutdown) {
        set_state(extension, INPUT_EVENT);
        send_event(conn, session->shutdown, strlen(session->shutdown));
        return;
    }
    extension->parked = conn;
    conn->extension = extension;
    session_settle(session);
}

static void fail(struct http_conn *conn, enum extension_input input)
{
    struct session *session = conn->session;
    struct extension *extension = identify(conn);
    struct http_text type = {"", 0};
    char print[128], why[384];
    if (!extension)
        return;
    http_request_header(&conn->request, "Lambda-Extension-Function-Error-Type", &type);
    if (type.n == 0) {
        answer_error(conn, 403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found");
        return;
    }
    bool first = extension->state != EXTENSION_INIT_ERROR && extension->state != EXTENSION_EXIT_ERROR;
    if (!set_state(extension, input)) {
        answer_state(conn, extension, input, extension->id);
        return;
    }
    answer_accepted(conn);
    if (!first)
        return;
    error_report_print(type.p, type.n, print, sizeof print);
    const char *own = input == INPUT_INIT_ERROR ? "Extension.InitError" : "Extension.ExitError";
    snprintf(why, sizeof why, "extension %s failed: %s", extension->name, print);
    if (session->ready_told || !runtime_step(&session->runtime, RUNTIME_FAIL_EXTENSION)) {
        sender_flush(&conn->out, conn->fd); /* the break closes it */
        session_break(session, why);
        return;
    }
    struct error_report report;
    error_report_fill(&report, NULL, NULL, 0);
    str_copy(report.type, sizeof report.type, own);
    error_report_make_body(&report, why);
    session_tell_init_error(session, &report.error);
    error_report_free(&report);
}

void extension_init_error(struct http_conn *conn)
{
    fail(conn, INPUT_INIT_ERROR);
}

void extension_exit_error(struct http_conn *conn)
{
    fail(conn, INPUT_EXIT_ERROR);
}

void extension_telemetry(struct http_conn *conn)
{
    if (identify(conn))
        answer_status(conn, 202, "{\"errorMessage\":\"Telemetry API is not supported\",\"errorType\":\"Telemetry.NotSupported\"}");
}

void extension_logs(struct http_conn *conn)
{
    if (identify(conn))
        answer_status(conn, 202, "{\"errorMessage\":\"Logs API is not supported\",\"errorType\":\"Logs.NotSupported\"}");
}

/* ---- events ---- */

int extensions_write_event(struct session *session, const struct session_event *event)
{
    struct delivery *d = &session->delivery;
    buf_clear(&d->extension);
    if (session->extension_count == 0)
        return 0;
    CLEANUP(json_freep) cJSON *doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "eventType", "INVOKE");
    cJSON_AddNumberToObject(doc, "deadlineMs", (double)event->deadline_epoch_ms);
    cJSON_AddStringToObject(doc, "requestId", event->request_id);
    cJSON_AddStringToObject(doc, "invokedFunctionArn", event->function_arn ? event->function_arn : "");
    cJSON *tracing = cJSON_AddObjectToObject(doc, "tracing");
    cJSON_AddStringToObject(tracing, "type", "X-Amzn-Trace-Id");
    cJSON_AddStringToObject(tracing, "value", event->trace_id ? event->trace_id : "");
    CLEANUP(freep) char *json = json_print(doc);
    return buf_puts(&d->extension, json);
}

/* Hands an event to one that waits; to its next connection if it has lost this one. */
static void hand_over(struct extension *extension, const char *json, size_t len)
{
    struct http_conn *conn = extension->parked;
    set_state(extension, INPUT_EVENT);
    extension->parked = NULL;
    if (!conn) {
        extension->owed = true;
        return;
    }
    conn->extension = NULL;
    send_event(conn, json, len);
    http_conn_flush(conn);
}

void extensions_deliver(struct session *session)
{
    for (size_t i = 0; i < session->extension_count; i++) {
        struct extension *extension = &session->extensions[i];
        if (extension->wants_invoke && extension->state == EXTENSION_READY)
            hand_over(extension, session->delivery.extension.data, session->delivery.extension.len);
    }
}

void extensions_shut_down(struct session *session)
{
    for (size_t i = 0; i < session->extension_count; i++) {
        struct extension *extension = &session->extensions[i];
        if (extension->wants_shutdown && extension->state == EXTENSION_READY && extension->parked)
            hand_over(extension, session->shutdown, strlen(session->shutdown));
    }
}

void extensions_reset(struct session *session)
{
    memset(session->extensions, 0, sizeof session->extensions);
    session->extension_count = 0;
    session->shutdown[0] = '\0';
}
