/* AWS services as data: finds the operation a request means, parses and validates its input with AWS's own messages,
 * writes its output or error in the service's wire protocol. Tables come from the service models (model_*.c, generated),
 * differences between the models and the services from overrides/. No state, no I/O; any thread.
 *
 *     if (aws_route(&request, &call, &error) < 0 || aws_parse(&call, &error) < 0) { aws_write_error(&call, &error, &out); }
 *     ... handler reads call.input, call.blob[]; builds a cJSON output ...
 *     aws_write_output(&call, output, NULL, 0, &out);
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/http/server.h"

#define AWS_BLOBS_MAX 2
#define AWS_REPLY_HEADERS_MAX 24

struct aws_operation; /* a row of the generated tables */
struct aws_service;

/* What of an HTTP request decides; all borrowed. */
struct aws_request {
    struct http_slice method, path, query, body;
    struct http_slice (*header)(const void *arg, const char *name); /* .p NULL if absent */
    void (*each_header)(const void *arg, void (*fn)(void *fn_arg, struct http_slice name, struct http_slice value), void *fn_arg);
    const void *arg;
};

/* An error on its way to the client. code is the shape's or a common code ("ResourceNotFoundException"); the protocol and
 * the model give HTTP status and fault (Type: User or Service). members: further members of the error shape, may be NULL. */
struct aws_error {
    const char *code; /* static */
    int status;       /* 0: the model's */
    char *message;    /* owned, malloc'd; may be NULL for an error without one */
    cJSON *members;   /* owned; may be NULL; e.g. {"Reason": "ConcurrentInvocationLimitExceeded"} */
};
/* Fills error (freeing what it held) and returns -1. */
int aws_error_set(struct aws_error *error, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void aws_error_free(struct aws_error *error);

/* Bytes of a blob member of a JSON body (ZipFile). They are not in the tree: raw is the base64 text inside the request's
 * body, valid as long as that; decode it (digest_base64_decode) on a job thread. */
struct aws_blob {
    const char *member; /* path in the input: "ZipFile", "Code.ZipFile"; static */
    struct http_slice raw;
};

/* One call: which operation, by whom, with what. */
struct aws_call {
    const struct aws_request *request;
    const struct aws_service *service;
    const struct aws_operation *op;
    const char *op_name; /* "CreateFunction"; NULL until routed */
    char account[13];    /* a 12-digit access key id, else 000000000000 */
    char region[32];     /* of the signature's credential scope, else us-east-1 */
    char access_key[129];
    char request_id[37];       /* made by aws_route */
    cJSON *input;              /* owned object keyed by the model's member names, wherever on the wire they came from; after aws_parse */
    struct http_slice payload; /* the input's payload member when it is a blob (Invoke's Payload); borrowed */
    struct aws_blob blob[AWS_BLOBS_MAX];
    size_t blob_count;
    char *blob_copy[AWS_BLOBS_MAX]; /* owned; only where the body wrote a blob with escapes, which raw has not */
    struct http_slice labels[8];    /* raw URI labels, in the order of the operation's URI; aws_route's, for aws_parse */
};
void aws_call_free(struct aws_call *call);

/* Finds service and operation from method, path, X-Amz-Target, Action and the credential scope; fills account, region,
 * request_id. Negative with error: an unknown path or operation, in the form the service gives it. */
int aws_route(const struct aws_request *request, struct aws_call *call, struct aws_error *error) WARN_UNUSED;
/* Parses and validates; negative with error (ValidationException, SerializationException, InvalidRequestContentException
 * ... as the real service words it). */
int aws_parse(struct aws_call *call, struct aws_error *error) WARN_UNUSED;

/* A reply as HTTP wants it. */
struct aws_reply {
    int status;
    struct http_header headers[AWS_REPLY_HEADERS_MAX]; /* values point into store or are static */
    size_t header_count;
    char *body; /* owned, malloc'd */
    size_t body_len;
    char *store; /* owned */
};
void aws_reply_free(struct aws_reply *reply);
/* Writes output (borrowed object keyed by member names; NULL as {}) by the operation's output shape: members bound to
 * headers and the status code go there, unknown members are an assert. A blob payload is given apart and copied. */
void aws_write_output(const struct aws_call *call, const cJSON *output, const void *payload, size_t payload_len, struct aws_reply *reply);
/* Writes the error; works also for a call that was never routed (then in rest-json form). */
void aws_write_error(const struct aws_call *call, const struct aws_error *error, struct aws_reply *reply);
