/* Where every request comes in: refuses what a web page of another origin or a rebound name sends, then hands Stoke's own
 * routes (/_stoke/) to control.c and the rest to the operations of AWS's API. Loopback is no protection by itself: every
 * page in a browser on this machine can send requests here, and every DNS name can be made to point here; neither can
 * choose its Origin or Host header. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/api/call.h"
#include "lib/base/strutil.h"

#define NAME_BYTES 256

bool slice_is(struct http_slice slice, const char *text)
{
    return slice.p != NULL && slice.n == strlen(text) && memcmp(slice.p, text, slice.n) == 0;
}

bool slice_starts(struct http_slice slice, const char *text)
{
    size_t n = strlen(text);
    return slice.p != NULL && slice.n >= n && memcmp(slice.p, text, n) == 0;
}

/* ---- replies ---- */

/* A browser shows an answer to a page only if it names the page's origin. Requests with an Origin that is not allowed do
 * not come this far. */
void front_door_send(struct http_req *req, const struct http_reply *reply)
{
    char origin[NAME_BYTES];
    struct http_header headers[AWS_REPLY_HEADERS_MAX + 3];
    struct http_reply out = *reply;
    struct http_slice sent = http_req_header(req, "origin");
    size_t n = reply->header_count;
    if (sent.p != NULL && sent.n < sizeof(origin) && n <= AWS_REPLY_HEADERS_MAX) {
        memcpy(origin, sent.p, sent.n);
        origin[sent.n] = '\0';
        for (size_t i = 0; i < n; i++)
            headers[i] = reply->headers[i];
        headers[n++] = (struct http_header){"access-control-allow-origin", origin};
        headers[n++] = (struct http_header){"access-control-expose-headers", "*"};
        headers[n++] = (struct http_header){"vary", "Origin"};
        out.headers = headers;
        out.header_count = n;
    }
    http_reply(req, &out);
}

void front_door_reply_json(struct http_req *req, int status, cJSON *body)
{
    static const struct http_header headers[] = {{"content-type", "application/json"}};
    char *text = json_print(body);
    cJSON_Delete(body);
    front_door_send(
        req, &(struct http_reply){
                 .status = status, .headers = headers, .header_count = 1, .body = text, .body_len = strlen(text), .body_free = free});
}

static char *error_body(const char *fmt, va_list ap)
{
    char *message;
    if (vasprintf(&message, fmt, ap) < 0)
        abort();
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "Type", "User");
    cJSON_AddStringToObject(body, "Message", message);
    free(message);
    char *text = json_print(body);
    cJSON_Delete(body);
    return text;
}

static struct http_reply error_reply(int status, const struct http_header headers[2], char *body)
{
    return (struct http_reply){
        .status = status, .headers = headers, .header_count = 2, .body = body, .body_len = strlen(body), .body_free = free};
}

void front_door_fail(struct http_req *req, int status, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *body = error_body(fmt, ap);
    va_end(ap);
    const struct http_header headers[] = {{"content-type", "application/json"}, {"x-amzn-errortype", code}};
    struct http_reply reply = error_reply(status, headers, body);
    front_door_send(req, &reply);
}

#define REFUSAL(name, error, text)                                                                                                         \
    static const char name##_body[] = "{\"Type\":\"User\",\"Message\":\"" text "\"}";                                                      \
    static const struct http_header name##_headers[] = {{"content-type", "application/json"}, {"x-amzn-errortype", error}};                \
    static const struct http_reply name = {                                                                                                \
        .headers = name##_headers, .header_count = 2, .body = name##_body, .body_len = sizeof(name##_body) - 1}

const struct http_reply *api_refusal(int status, bool small)
{
    REFUSAL(large, "RequestEntityTooLargeException", "Request must be smaller than 69905067 bytes");
    REFUSAL(large_payload, "RequestEntityTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation");
    REFUSAL(many, "TooManyRequestsException", "Too many bytes of requests at once");
    REFUSAL(bad, "BadRequestException", "This is no well-formed HTTP request");
    if (status == 413)
        return small ? &large_payload : &large;
    return status == 429 ? &many : &bad;
}

/* To a client that may not see the answer: no header invites its browser to show it. */
static void turn_away(struct http_req *req, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void turn_away(struct http_req *req, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *body = error_body(fmt, ap);
    va_end(ap);
    const struct http_header headers[] = {{"content-type", "application/json"}, {"x-amzn-errortype", "AccessDeniedException"}};
    struct http_reply reply = error_reply(403, headers, body);
    http_reply(req, &reply);
}

/* ---- who may come in ---- */

/* Whether list (separated by commas) has name; with_dots: an entry ".x" stands for all names below x. */
static bool list_has(const char *list, const char *name, bool with_dots)
{
    size_t len = strlen(name);
    for (const char *p = list; *p != '\0';) {
        p += strspn(p, ", ");
        size_t n = strcspn(p, ", ");
        if (n == len && strncasecmp(p, name, n) == 0)
            return true;
        if (with_dots && n > 1 && *p == '.' && len > n && strncasecmp(p, name + len - n, n) == 0)
            return true;
        p += n;
    }
    return false;
}

/* The host of "host", "host:port" or "[v6]:port", in lower case; false if it is none. */
static bool host_of(const char *text, size_t len, char out[NAME_BYTES])
{
    size_t n = len;
    if (len > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', len);
        if (end == NULL)
            return false;
        text++;
        n = (size_t)(end - text);
    } else {
        const char *colon = memchr(text, ':', len);
        if (colon != NULL)
            n = (size_t)(colon - text);
    }
    if (n == 0 || n >= NAME_BYTES)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    out[n] = '\0';
    return strlen(out) == n;
}

/* An address cannot be rebound; a name can, so only known ones are let in. */
static bool host_is_known(const struct config *config, const char *host)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
        return true;
    if (str_eq(host, "localhost") || str_ends(host, ".localhost") || str_eq(host, config->listen_host))
        return true;
    return list_has(config->http_hosts, host, true);
}

static bool host_is_allowed(const struct config *config, struct http_req *req)
{
    char host[NAME_BYTES];
    struct http_slice sent = http_req_header(req, "host");
    if (sent.p == NULL)
        return true; /* HTTP/1.0 without one: no browser */
    return host_of(sent.p, sent.n, host) && host_is_known(config, host);
}

/* An origin is the page's scheme, host and port. Ours is "http://" and the Host header of the same, checked, request. */
static bool origin_is_allowed(const struct config *config, struct http_req *req)
{
    char origin[NAME_BYTES];
    struct http_slice sent = http_req_header(req, "origin"), host = http_req_header(req, "host");
    if (sent.p == NULL)
        return true;
    if (sent.n >= sizeof(origin))
        return false;
    memcpy(origin, sent.p, sent.n);
    origin[sent.n] = '\0';
    if (list_has(config->http_origins, origin, false))
        return true;
    return str_starts(origin, "http://") && host.p != NULL && sent.n - 7 == host.n && strncasecmp(origin + 7, host.p, host.n) == 0;
}

/* A browser's question before a request that a page may not send unasked; only for origins that are allowed. */
static void answer_preflight(struct http_req *req)
{
    static const struct http_header headers[] = {
        {"access-control-allow-methods", "GET, POST, PUT, DELETE, PATCH, HEAD"},
        {"access-control-allow-headers",
         "authorization, content-type, x-amz-date, x-amz-security-token, x-amz-user-agent, x-amz-target, "
         "x-amz-content-sha256, x-amz-invocation-type, x-amz-log-type, x-amz-client-context, amz-sdk-invocation-id, "
         "amz-sdk-request"},
        {"access-control-max-age", "600"},
    };
    front_door_send(req, &(struct http_reply){.status = 204, .headers = headers, .header_count = ARRAY_LEN(headers)});
}

/* ---- routing ---- */

static struct http_slice request_header(const void *arg, const char *name)
{
    return http_req_header(arg, name);
}

static void request_each_header(const void *arg, void (*fn)(void *, struct http_slice, struct http_slice), void *fn_arg)
{
    struct http_slice name, value;
    for (size_t i = 0; i < http_req_header_count(arg); i++) {
        http_req_header_at(arg, i, &name, &value);
        fn(fn_arg, name, value);
    }
}

/* Stoke's own routes; the account and region are found as for any other request. */
static void own_route(struct api *api, struct http_req *req, const struct aws_request *request)
{
    const struct function_version *caller = http_req_context(req);
    if (caller != NULL && api->options.config->functions_endpoint != CONFIG_ENDPOINT_ACCOUNT) {
        front_door_fail(req, 403, "AccessDeniedException", "a function may not ask this (functions.endpoint)");
        return;
    }
    struct aws_call who = {0};
    struct aws_error unrouted = {0};
    if (aws_route(request, &who, &unrouted) < 0)
        aws_error_free(&unrouted); /* as expected: only who asks was wanted */
    if (caller != NULL) {
        (void)str_copy(who.account, sizeof(who.account), caller->account);
        (void)str_copy(who.region, sizeof(who.region), caller->region);
    }
    control_on_request(api, req, &who);
    aws_call_free(&who);
}

void api_on_request(void *arg, struct http_req *req)
{
    struct api *api = arg;
    const struct config *config = api->options.config;
    if (!host_is_allowed(config, req)) {
        turn_away(req, "The Host of this request is none of Stoke's names (http.hosts in its configuration)");
        return;
    }
    if (!origin_is_allowed(config, req)) {
        turn_away(req, "Web pages of this origin may not call Stoke (http.origins in its configuration)");
        return;
    }
    if (slice_is(http_req_method(req), "OPTIONS") && http_req_header(req, "origin").p != NULL) {
        answer_preflight(req);
        return;
    }
    struct aws_request request = {
        .method = http_req_method(req),
        .path = http_req_path(req),
        .query = http_req_query(req),
        .body = http_req_body(req),
        .header = request_header,
        .each_header = request_each_header,
        .arg = req,
    };
    if (slice_starts(request.path, "/_stoke/"))
        own_route(api, req, &request);
    else
        api_dispatch(api, req, &request);
}
