/* The front of lib/aws: which service and operation a request means, and the way through its protocol's
 * functions. */
#include "lib/aws/codec.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/id.h"
#include "lib/base/strutil.h"

#define PATH_SHOWN_BYTES_MAX 256 /* of a path or method that a message repeats */

extern const struct aws_service aws_service_lambda, aws_service_sts;
const struct aws_service *const aws_services[] = {&aws_service_lambda, &aws_service_sts, NULL};

int aws_error_set(struct aws_error *error, const char *code, const char *fmt, ...)
{
    va_list ap;
    char *text = NULL;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    if (!str_is_utf8(text, strlen(text))) /* a message may repeat what somebody sent */
        for (char *p = text; *p; p++)
            *p = (*p & 0x80) ? '?' : *p;
    aws_error_free(error);
    error->code = code;
    error->message = text;
    return -1;
}

void aws_error_free(struct aws_error *error)
{
    free(error->message);
    cJSON_Delete(error->members);
    *error = (struct aws_error){0};
}

void aws_call_free(struct aws_call *call)
{
    cJSON_Delete(call->input);
    call->input = NULL;
    for (size_t i = 0; i < AWS_BLOBS_MAX; i++) {
        free(call->blob_copy[i]);
        call->blob_copy[i] = NULL;
    }
    call->blob_count = 0;
}

const struct aws_member *aws_member_named(const struct aws_shape *structure, const char *name)
{
    for (size_t i = 0; i < structure->member_count; i++)
        if (str_eq(structure->members[i].name, name))
            return &structure->members[i];
    return NULL;
}

const struct aws_member *aws_member_on_wire(const struct aws_shape *structure, const char *wire)
{
    for (size_t i = 0; i < structure->member_count; i++)
        if (structure->members[i].location == AWS_IN_BODY && str_eq(structure->members[i].wire, wire))
            return &structure->members[i];
    return NULL;
}

const struct aws_shape *aws_error_shape(const struct aws_service *service, const char *code)
{
    for (size_t i = 0; i < service->error_count; i++)
        if (str_eq(service->errors[i]->code, code) || str_eq(service->errors[i]->name, code))
            return service->errors[i];
    return NULL;
}

/* Errors that no model lists (https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html); all others
 * are 400. */
static const struct {
    const char *code;
    int status;
} common_errors[] = {
    {"AccessDeniedException", 403},
    {"UnrecognizedClientException", 403},
    {"InvalidSignatureException", 403},
    {"ExpiredTokenException", 403},
    {"OptInRequired", 403},
    {"UnknownOperationException", 404},
    {"RequestEntityTooLargeException", 413},
    {"InternalFailure", 500},
    {"InternalServerError", 500},
    {"NotImplemented", 501},
    {"ServiceUnavailable", 503},
};

int aws_error_status(const struct aws_call *call, const struct aws_error *error)
{
    const struct aws_shape *shape = call->service ? aws_error_shape(call->service, error->code) : NULL;
    if (error->status || shape)
        return error->status ? error->status : shape->status;
    for (size_t i = 0; i < ARRAY_LEN(common_errors); i++)
        if (str_eq(common_errors[i].code, error->code))
            return common_errors[i].status;
    return 400;
}

static const struct aws_service *service_named(const char *name)
{
    for (size_t i = 0; aws_services[i]; i++)
        if (str_eq(aws_services[i]->name, name))
            return aws_services[i];
    return NULL;
}

/* An unsigned request: whichever service knows what it asks for. */
static const struct aws_service *service_by_content(const struct aws_request *request, struct aws_call *call)
{
    for (size_t i = 0; aws_services[i]; i++)
        if (aws_services[i]->protocol->match(aws_services[i], request, call))
            return aws_services[i];
    return NULL;
}

static int shown(struct http_slice s)
{
    return s.n < PATH_SHOWN_BYTES_MAX ? (int)s.n : PATH_SHOWN_BYTES_MAX;
}

int aws_route(const struct aws_request *request, struct aws_call *call, struct aws_error *error)
{
    char scope[AWS_SERVICE_NAME_BYTES];
    memset(call, 0, sizeof *call);
    call->request = request;
    id_uuid(call->request_id);
    aws_identify(request, call, scope);
    call->service = scope[0] ? service_named(scope) : service_by_content(request, call);
    if (!call->service && scope[0])
        return aws_error_set(error, "NotImplemented", "The service '%s' is not available here.", scope);
    if (!call->service)
        return aws_error_set(error, "UnknownOperationException", "No service here knows %.*s %.*s.", shown(request->method),
                             request->method.p, shown(request->path), request->path.p);
    call->op = call->service->protocol->match(call->service, request, call);
    if (!call->op)
        return call->service->protocol->unknown(call->service, request, error);
    call->op_name = call->op->name;
    return 0;
}

/* Takes the empty string that stands for a cut blob out of the tree. */
static void remove_member(cJSON *tree, const char *path)
{
    char name[64];
    const char *dot;
    while (tree && (dot = strchr(path, '.'))) {
        snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
        tree = cJSON_GetObjectItemCaseSensitive(tree, name);
        path = dot + 1;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(tree, path);
}

int aws_parse(struct aws_call *call, struct aws_error *error)
{
    assert(call->op && !call->input);
    call->input = cJSON_CreateObject();
    if (!call->input)
        abort();
    if (!call->op->input)
        return 0;
    if (call->service->protocol->parse(call, error) < 0)
        return -1;
    if (aws_validate(call->op->input, call, call->service->protocol->validation_code, error) < 0 ||
        aws_validate_late(call->op->input, call->input, error) < 0)
        return -1;
    for (size_t i = 0; i < call->blob_count; i++)
        remove_member(call->input, call->blob[i].member);
    return 0;
}

void aws_write_output(const struct aws_call *call, const cJSON *output, const void *payload, size_t payload_len, struct aws_reply *reply)
{
    assert(call->op);
    struct aws_output out = {.tree = output, .payload = payload, .payload_len = payload_len};
    call->service->protocol->write_output(call, &out, reply);
}

void aws_write_error(const struct aws_call *call, const struct aws_error *error, struct aws_reply *reply)
{
    const struct aws_protocol *protocol = call->service ? call->service->protocol : &aws_rest_json;
    protocol->write_error(call, error, reply);
}
