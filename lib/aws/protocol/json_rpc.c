/* json-1.0 and json-1.1 (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html): POST to /, the
 * operation in the X-Amz-Target header, input, output and errors as JSON objects. */
#include "lib/aws/codec.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/strutil.h"
#include "lib/json/json.h"

static const struct aws_operation *match(const struct aws_service *service, const struct aws_request *request, struct aws_call *call)
{
    (void)call;
    struct http_slice rest = aws_header(request, "x-amz-target"), prefix = aws_cut(&rest, '.');
    if (!rest.p || !service->target_prefix || !aws_slice_is(prefix, service->target_prefix))
        return NULL;
    for (size_t i = 0; i < service->op_count; i++)
        if (aws_slice_is(rest, service->ops[i].name))
            return &service->ops[i];
    return NULL;
}

static int unknown(const struct aws_service *service, const struct aws_request *request, struct aws_error *error)
{
    (void)service, (void)request;
    aws_error_free(error); /* the services answer without a message */
    error->code = "UnknownOperationException";
    error->status = 400;
    return -1;
}

static int parse(struct aws_call *call, struct aws_error *error)
{
    struct http_slice body = call->request->body;
    cJSON *tree = NULL;
    if (body.n == 0)
        return 0;
    if (aws_json_body(call, body, call->op->input, &tree, error) < 0)
        return -1;
    cJSON_Delete(call->input);
    call->input = tree;
    return 0;
}

static void begin(struct aws_writer *w, const struct aws_call *call, int status, struct aws_reply *reply)
{
    const char *version = call->service->json_version;
    aws_writer_begin(w, call, status, reply);
    aws_writer_header(w, "content-type", version && str_eq(version, "1.1") ? "application/x-amz-json-1.1" : "application/x-amz-json-1.0");
}

static void end(struct aws_writer *w, cJSON *body)
{
    char *text = json_print(body);
    cJSON_Delete(body);
    aws_writer_end(w, text, strlen(text));
}

static void write_output(const struct aws_call *call, const struct aws_output *output, struct aws_reply *reply)
{
    struct aws_writer w;
    begin(&w, call, call->op->status, reply);
    if (!call->op->output)
        aws_writer_end(&w, NULL, 0);
    else
        end(&w, output->tree ? aws_tree_out(call->op->output, output->tree) : cJSON_CreateObject());
}

static void write_error(const struct aws_call *call, const struct aws_error *error, struct aws_reply *reply)
{
    const struct aws_shape *shape = aws_error_shape(call->service, error->code);
    const char *message = str_eq(error->code, "SerializationException") ? "Message" : "message";
    struct aws_writer w;
    begin(&w, call, aws_error_status(call, error), reply);
    aws_writer_header(&w, "x-amzn-errortype", error->code);
    cJSON *body = error->members ? cJSON_Duplicate(error->members, true) : cJSON_CreateObject();
    cJSON_AddItemToObject(body, "__type", cJSON_CreateString(error->code));
    for (size_t i = 0; shape && i < shape->member_count; i++)
        if (strcasecmp(shape->members[i].name, "message") == 0)
            message = shape->members[i].wire;
    if (error->message)
        cJSON_AddItemToObject(body, message, cJSON_CreateString(error->message));
    end(&w, body);
}

const struct aws_protocol aws_json_rpc = {
    .match = match,
    .unknown = unknown,
    .parse = parse,
    .write_output = write_output,
    .write_error = write_error,
    .validation_code = "ValidationException",
};
