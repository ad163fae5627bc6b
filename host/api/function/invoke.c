/* Invoke: the event is checked to be JSON and handed on as the bytes it is; the answer is the function's own bytes. Large
 * events are checked on a job thread. A client that leaves does not stop its invocation. */
#include "host/invoke/invoke.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/handlers.h"
#include "host/api/missing.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/jobs.h"
#include "lib/base/strutil.h"
#include "lib/json/json_check.h"

#define CHECK_INLINE_BYTES_MAX (256u * 1024) /* under a millisecond */
#define CLIENT_CONTEXT_BYTES_MAX 3583
#define LOG_TAIL_BYTES_MAX 4096

/* One Invoke on its way. */
struct visit {
    struct api_call *call;
    struct function_version *version; /* counted */
    struct invocation *invocation;    /* NULL before the start */
    char *payload;
    size_t payload_len;
    char *client_context; /* or NULL */
    char *arn;
    char trace_id[INVOKE_TRACE_BYTES];
    bool log_tail, valid;
    struct json_fault fault;
};

static void visit_free(struct visit *visit)
{
    function_version_unref(visit->version);
    free(visit->payload);
    free(visit->client_context);
    free(visit->arn);
    free(visit);
}

static void reply_result(struct api_call *call, const struct invoke_result *result)
{
    cJSON *out = cJSON_CreateObject();
    char log[DIGEST_BASE64_SIZE(LOG_TAIL_BYTES_MAX)];
    cJSON_AddNumberToObject(out, "StatusCode", 200);
    cJSON_AddStringToObject(out, "ExecutedVersion", result->executed_version);
    if (result->outcome == INVOKE_FUNCTION_ERROR)
        cJSON_AddStringToObject(out, "FunctionError", result->function_error);
    if (result->log_tail != NULL) {
        size_t skip = result->log_tail_len > LOG_TAIL_BYTES_MAX ? result->log_tail_len - LOG_TAIL_BYTES_MAX : 0;
        digest_base64_encode(result->log_tail + skip, result->log_tail_len - skip, log);
        cJSON_AddStringToObject(out, "LogResult", log);
    }
    call_reply_payload(call, out, result->payload, result->payload_len);
}

static void reply_throttle(struct api_call *call, const struct invoke_result *result)
{
    cJSON *members = cJSON_CreateObject();
    if (result->reason != NULL)
        cJSON_AddStringToObject(members, "Reason", result->reason);
    if (result->outcome == INVOKE_NO_CAPACITY && result->message != NULL)
        call_fail_members(call, "TooManyRequestsException", members, "%s", result->message);
    else
        call_fail_members(call, "TooManyRequestsException", members, "Rate Exceeded.");
}

static void finished(void *arg, const struct invoke_result *result)
{
    struct visit *visit = arg;
    struct api_call *call = visit->call;
    call->left = NULL;
    visit_free(visit);
    switch (result->outcome) {
    case INVOKE_OK:
    case INVOKE_FUNCTION_ERROR:
        reply_result(call, result);
        break;
    case INVOKE_THROTTLED:
    case INVOKE_NO_CAPACITY:
        reply_throttle(call, result);
        break;
    case INVOKE_SERVICE_ERROR:
    case INVOKE_NOT_RUNNABLE:
        call_fail(call, result->code != NULL ? result->code : "ServiceException", "%s",
                  result->message != NULL ? result->message : "the invocation failed");
        break;
    }
}

/* The client left while its function runs: nobody waits for the answer any more. */
static void left(void *arg)
{
    struct visit *visit = arg;
    struct api_call *call = visit->call;
    invoke_detach(visit->invocation);
    visit_free(visit);
    call_fail(call, "ServiceException", "the client left");
}

static void start(struct visit *visit)
{
    struct api_call *call = visit->call;
    if (call->http == NULL) { /* gone before the start: as on Lambda, an accepted event still runs */
        call->left = NULL;
    }
    const struct invoke_request request = {
        .version = visit->version,
        .invoked_arn = visit->arn,
        .request_id = call->aws.request_id,
        .payload = STEAL(visit->payload),
        .payload_len = visit->payload_len,
        .client_context = visit->client_context,
        .trace_id = visit->trace_id,
        .log_tail = visit->log_tail,
    };
    invoke_start(call->api->options.invoke, &request, finished, visit, &visit->invocation);
    if (call->http == NULL) {
        left(visit);
        return;
    }
    call->left = left;
    call->left_arg = visit;
}

/* Job thread, or the loop's for small events. */
static void check(void *arg)
{
    struct visit *visit = arg;
    visit->valid = visit->payload_len == 0 || json_check(visit->payload, visit->payload_len, &visit->fault) == 0;
}

static void checked(void *arg)
{
    struct visit *visit = arg;
    struct api_call *call = visit->call;
    if (visit->valid) {
        start(visit);
        return;
    }
    struct json_fault fault = visit->fault;
    visit_free(visit);
    call_fail(call, "InvalidRequestContentException",
              "Could not parse request body into json: Could not parse payload into json: %s\n at [Source: (byte[]); line: "
              "%zu, column: %zu]",
              fault.what, fault.line, fault.column);
}

/* The JSON as it was sent (a number stays what it is), in ASCII and on one line: what a runtime gets as a header. Owned; NULL if
 * text is no base64 of a JSON object. */
static char *read_client_context(const char *base64)
{
    char text[CLIENT_CONTEXT_BYTES_MAX + 4];
    size_t len = strlen(base64);
    struct err err;
    struct json_fault fault;
    if (len > CLIENT_CONTEXT_BYTES_MAX || digest_base64_decode(base64, len, text, &len, &err) < 0 || json_check(text, len, &fault) < 0)
        return NULL;
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    while (isspace(*p))
        p++;
    if (*p != '{')
        return NULL;
    CLEANUP(buf_free) struct buf out = BUF_INIT(16 * CLIENT_CONTEXT_BYTES_MAX);
    while (p < end) {
        uint32_t c = *p++;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
        c &= more == 3 ? 0x07 : more == 2 ? 0x0f : more == 1 ? 0x1f : 0x7f;
        for (int i = 0; i < more; i++)
            c = c << 6 | (*p++ & 0x3f);             /* json_check() saw to well-formed UTF-8 */
        int r = c < 0x20      ? buf_putc(&out, ' ') /* between its parts: within a string there is none */
                : c < 0x7f    ? buf_putc(&out, (char)c)
                : c < 0x10000 ? buf_printf(&out, "\\u%04x", c)
                              : buf_printf(&out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
        if (r < 0)
            return NULL;
    }
    return buf_steal(&out);
}

/* The client's trace header if it is plain text, else a fresh one, as Lambda makes it
 * (https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader). */
static void set_trace(struct visit *visit)
{
    struct http_slice sent = http_req_header(visit->call->http, "x-amzn-trace-id");
    bool plain = sent.p != NULL && sent.n > 0 && sent.n < sizeof(visit->trace_id);
    for (size_t i = 0; plain && i < sent.n; i++)
        plain = sent.p[i] > ' ' && sent.p[i] < 0x7f;
    if (plain) {
        memcpy(visit->trace_id, sent.p, sent.n);
        visit->trace_id[sent.n] = '\0';
        return;
    }
    unsigned char random[20];
    char root[25], parent[17];
    id_random(random, sizeof(random));
    id_hex(random, 12, root);
    id_hex(random + 12, 8, parent);
    snprintf(visit->trace_id, sizeof(visit->trace_id), "Root=1-%08" PRIx32 "-%s;Parent=%s;Sampled=0", (uint32_t)(clock_wall_ms() / 1000),
             root, parent);
}

/* What Stoke does not have yet, and what is out of bounds. False: the call has failed. */
static bool acceptable(struct api_call *call)
{
    static const struct {
        const char *member, *missing;
    } unavailable[] = {{"DurableExecutionName", MISSING_DURABLE}, {"TenantId", MISSING_TENANTS}};
    const char *type = json_str(call->aws.input, "InvocationType");
    if (call->aws.payload.n > API_PAYLOAD_BYTES_MAX) {
        call_fail(call, "RequestEntityTooLargeException", "Request must be smaller than %u bytes for the InvokeFunction operation",
                  API_PAYLOAD_BYTES_MAX);
        return false;
    }
    if (type != NULL && str_eq(type, "Event")) {
        call_fail_unsupported(call, "Invoke with InvocationType Event", MISSING_QUEUE);
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(unavailable); i++) {
        const char *value = json_str(call->aws.input, unavailable[i].member);
        if (value == NULL || *value == '\0')
            continue;
        CLEANUP(freep) char *what = str_format("Invoke with %s", unavailable[i].member);
        call_fail_unsupported(call, what, unavailable[i].missing);
        return false;
    }
    return true;
}

static struct visit *visit_new(struct api_call *call, const struct function_name *name, struct function_version *version,
                               char *client_context)
{
    char arn[FUNCTION_ARN_BYTES];
    const char *log = json_str(call->aws.input, "LogType");
    struct http_slice payload = call->aws.payload;
    struct visit *visit = calloc(1, sizeof(*visit));
    if (payload.n == 0) /* Lambda hands functions an empty object then */
        payload = (struct http_slice){"{}", 2};
    if (visit == NULL || (visit->payload = malloc(payload.n)) == NULL)
        abort();
    memcpy(visit->payload, payload.p, payload.n);
    visit->payload_len = payload.n;
    visit->call = call;
    visit->version = version;
    visit->client_context = client_context;
    function_name_arn(name, name->qualifier, arn);
    visit->arn = strdup(arn);
    if (visit->arn == NULL)
        abort();
    visit->log_tail = log != NULL && str_eq(log, "Tail");
    set_trace(visit);
    call->trace_id = strdup(visit->trace_id);
    if (call->trace_id == NULL)
        abort();
    return visit;
}

void invoke_function(struct api_call *call)
{
    const cJSON *input = call->aws.input;
    const char *type = json_str(input, "InvocationType"), *context = json_str(input, "ClientContext");
    struct function_name name;
    struct function_version *version;
    struct err err;
    char *client_context = NULL;
    if (!acceptable(call) || !call_function_name(call, &name))
        return;
    bool dry = type != NULL && str_eq(type, "DryRun");
    int r = (dry ? registry_resolve : registry_resolve_visit)(call->api->options.registry, name.account, name.region, name.name,
                                                              name.qualifier, &version, &err);
    if (r == -ERR_UNAVAILABLE) {
        call_fail(call, "CodeArtifactUserPendingException", "%s", err.msg);
        return;
    }
    if (r < 0) {
        call_fail_err(call, &err);
        return;
    }
    if (dry) {
        function_version_unref(version);
        cJSON *out = cJSON_CreateObject();
        cJSON_AddNumberToObject(out, "StatusCode", 204);
        call_reply(call, out);
        return;
    }
    if (context != NULL && *context != '\0' && (client_context = read_client_context(context)) == NULL) {
        function_version_unref(version);
        call_fail(call, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.");
        return;
    }
    struct visit *visit = visit_new(call, &name, version, client_context);
    if (visit->payload_len > CHECK_INLINE_BYTES_MAX) {
        jobs_submit(call->api->options.checks, check, checked, visit);
        return;
    }
    check(visit);
    checked(visit);
}
