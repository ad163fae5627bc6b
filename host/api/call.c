/* The life of one API call: made by the front door, ended by its handler's reply or failure, whether or not the client is
 * still there. */
#include "host/api/call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/registry/registry.h"
#include "host/registry/resources.h"
#include "lib/base/strutil.h"

/* The client left; the work goes on, its answer is dropped. */
static void gone(void *arg)
{
    struct api_call *call = arg;
    call->http = NULL;
    call->request = (struct aws_request){0};
    call->aws.blob_count = 0; /* they are in its body */
    call->aws.payload = (struct http_slice){0};
    if (call->left != NULL)
        call->left(call->left_arg); /* which may end the call */
}

struct api_call *call_new(struct api *api, struct http_req *req, const struct aws_request *request)
{
    struct api_call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        abort();
    call->api = api;
    call->http = req;
    call->caller = http_req_context(req);
    if (call->caller != NULL) /* it may wait for longer than its sandbox lives */
        function_version_ref(call->caller);
    call->request = *request;
    api->working++;
    http_req_on_gone(req, gone, call);
    return call;
}

static void call_free(struct api_call *call)
{
    assert(call->api->working > 0);
    call->api->working--;
    aws_call_free(&call->aws);
    if (call->caller != NULL)
        function_version_unref(call->caller);
    free(call->trace_id);
    free(call);
}

static void send(struct api_call *call, struct aws_reply *reply)
{
    struct http_reply http = {
        .status = reply->status,
        .headers = reply->headers,
        .header_count = reply->header_count,
        .body = reply->body,
        .body_len = reply->body_len,
        .body_free = free,
    };
    if (reply->body != NULL)
        reply->body = NULL;
    else
        http.body_free = NULL;
    front_door_send(call->http, &http);
}

void call_reply_payload(struct api_call *call, cJSON *output, const void *payload, size_t len)
{
    if (call->http != NULL) {
        struct aws_reply reply = {0};
        aws_write_output(&call->aws, output, payload, len, &reply);
        if (call->trace_id != NULL) {
            assert(reply.header_count < AWS_REPLY_HEADERS_MAX);
            reply.headers[reply.header_count++] = (struct http_header){"X-Amzn-Trace-Id", call->trace_id};
        }
        send(call, &reply);
        aws_reply_free(&reply);
    }
    cJSON_Delete(output);
    call_free(call);
}

void call_reply(struct api_call *call, cJSON *output)
{
    call_reply_payload(call, output, NULL, 0);
}

void call_end_error(struct api_call *call, struct aws_error *error)
{
    if (call->http != NULL) {
        struct aws_reply reply = {0};
        aws_write_error(&call->aws, error, &reply);
        send(call, &reply);
        aws_reply_free(&reply);
    }
    aws_error_free(error);
    call_free(call);
}

static void fail(struct api_call *call, const char *code, cJSON *members, const char *fmt, va_list ap)
{
    struct aws_error error = {.code = code, .status = errors_status(code), .members = members};
    if (vasprintf(&error.message, fmt, ap) < 0)
        abort();
    call_end_error(call, &error);
}

void call_fail(struct api_call *call, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fail(call, code, NULL, fmt, ap);
    va_end(ap);
}

void call_fail_untyped(struct api_call *call, const char *code, const char *fmt, ...)
{
    cJSON *members = cJSON_CreateObject();
    cJSON_AddNullToObject(members, "Type");
    va_list ap;
    va_start(ap, fmt);
    fail(call, code, members, fmt, ap);
    va_end(ap);
}

void call_fail_members(struct api_call *call, const char *code, cJSON *members, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fail(call, code, members, fmt, ap);
    va_end(ap);
}

bool call_body_fits(struct api_call *call, size_t max)
{
    if (call->request.body.n <= max)
        return true;
    call_fail(call, "RequestEntityTooLargeException", "Request must be smaller than %zu bytes for the %s operation", max,
              call->aws.op_name);
    return false;
}

bool call_function_name(struct api_call *call, struct function_name *ret_name)
{
    struct err err;
    const char *identifier = json_str(call->aws.input, "FunctionName");
    const char *qualifier = json_str(call->aws.input, "Qualifier");
    if (function_name_parse(identifier != NULL ? identifier : "", qualifier, call->aws.account, call->aws.region, ret_name, &err) < 0) {
        call_fail_name(call, identifier != NULL ? identifier : "", qualifier, &err);
        return false;
    }
    return true;
}

bool call_whole_name(struct api_call *call, struct function_name *ret_name)
{
    if (!call_function_name(call, ret_name))
        return false;
    if (*ret_name->qualifier == '\0')
        return true;
    call_fail(call, "InvalidParameterValueException",
              "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please "
              "specify either a function name or an unqualified function ARN.");
    return false;
}

bool call_latest_name(struct api_call *call, struct function_name *ret_name)
{
    if (!call_function_name(call, ret_name))
        return false;
    if (*ret_name->qualifier == '\0' || str_eq(ret_name->qualifier, "$LATEST"))
        return true;
    call_fail(call, "InvalidParameterValueException",
              "Current operation does not support versions other than $LATEST. Please set the version to $LATEST or do not set a "
              "version in your request.");
    return false;
}

void call_run_again(void *arg)
{
    struct api_call *call = arg;
    call->again(call);
}

bool call_waits(struct api_call *call, struct function_record *record, api_handler_fn *handler)
{
    call->again = handler;
    return registry_settings_wait(record, call_run_again, call);
}

bool call_waits_shelf(struct api_call *call, struct resource_shelf *shelf, api_handler_fn *handler)
{
    call->again = handler;
    return resource_wait(shelf, call_run_again, call);
}

bool call_function_to_write(struct api_call *call, api_handler_fn *handler, struct function_name *ret_name,
                            struct function_record **ret_record)
{
    return call_function(call, ret_name, ret_record) && !call_waits(call, *ret_record, handler);
}

bool call_function(struct api_call *call, struct function_name *ret_name, struct function_record **ret_record)
{
    struct err err;
    if (!call_function_name(call, ret_name))
        return false;
    if (registry_find(call->api->options.registry, ret_name, ret_record, &err) < 0) {
        call_fail_err(call, &err);
        return false;
    }
    return true;
}

bool call_check_revision(struct api_call *call, const char *current, const char *source)
{
    const char *revision = json_str(call->aws.input, "RevisionId");
    if (revision == NULL || (current != NULL && str_eq(revision, current)))
        return true;
    call_fail(call, "PreconditionFailedException",
              "The Revision Id provided does not match the latest Revision Id. Call the %s API to retrieve the latest Revision Id", source);
    return false;
}
