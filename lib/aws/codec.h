/* What the parts of lib/aws share: the interface of a wire protocol (one file each in protocol/) and the
 * steps they are made of. Internal: everything else includes aws.h. No state, any thread. A new protocol is a
 * struct aws_protocol.
 */
#pragma once

#include "lib/aws/aws.h"
#include "lib/aws/model.h"
#include "lib/base/buf.h"

#define AWS_MESSAGE_BYTES_MAX (64 * 1024)      /* of an error message */
#define AWS_VALUE_BYTES_MAX 4096               /* of one value repeated in a message */
#define AWS_REPLY_BYTES_MAX (64 * 1024 * 1024) /* of a body we write */
#define AWS_JSON_BYTES_MAX (8 * 1024 * 1024)   /* of a JSON body without its blobs */
#define AWS_JSON_VALUES_MAX (64 * 1024)        /* in it: a tree takes some 100 bytes for each */
#define AWS_QUERY_PAIRS_MAX 4096               /* of a query string or form */

struct aws_output {
    const cJSON *tree; /* borrowed; NULL: no members */
    const void *payload;
    size_t payload_len;
};

struct aws_protocol {
    /* The operation the request names, with call->labels; NULL if there is none. */
    const struct aws_operation *(*match)(const struct aws_service *service, const struct aws_request *request, struct aws_call *call);
    /* Fills error for a request that names no operation of the service; returns -1. */
    int (*unknown)(const struct aws_service *service, const struct aws_request *request, struct aws_error *error);
    /* Fills call->input (an object already), payload and blobs; types are checked, constraints not yet. */
    int (*parse)(struct aws_call *call, struct aws_error *error);
    void (*write_output)(const struct aws_call *call, const struct aws_output *output, struct aws_reply *reply);
    void (*write_error)(const struct aws_call *call, const struct aws_error *error, struct aws_reply *reply);
    const char *validation_code; /* the error code of a violated constraint */
};

/* slice.c: pieces of HTTP text. */
static inline struct http_slice aws_slice(const char *p, size_t n)
{
    return (struct http_slice){.p = p, .n = n};
}
bool aws_slice_is(struct http_slice s, const char *text);
bool aws_slice_starts(struct http_slice s, const char *text);
struct http_slice aws_header(const struct aws_request *request, const char *name); /* .p NULL if absent */
/* Cuts *rest at the first sep: returns the piece before it and leaves what follows (.p NULL after the last
 * piece). */
struct http_slice aws_cut(struct http_slice *rest, char sep);
/* Percent-decodes into malloc'd text; plus: '+' means a space (queries and forms). NULL if the result holds a
 * NUL or is not UTF-8; an escape that is none stays as it is. */
char *aws_decode(struct http_slice s, bool plus);
/* The length of text cut to at most max bytes, at the border of a character. */
size_t aws_utf8_cut(const char *text, size_t max);
/* The next pair of a query string or form; false at its end. A key alone has an empty value. */
bool aws_next_pair(struct http_slice *rest, struct http_slice *ret_key, struct http_slice *ret_value);

#define AWS_SERVICE_NAME_BYTES 64
/* identity.c: who calls. Fills account, region and access_key from the Authorization header or the query's
 * X-Amz-Credential, and service with the credential scope's ("" if unsigned). */
void aws_identify(const struct aws_request *request, struct aws_call *call, char service[AWS_SERVICE_NAME_BYTES]);

/* uri.c: matches a path (and query, for a template that asks for parameters) against an operation's URI
 * template. Labels go to labels[]. Returns the number of literal characters that matched, or -1. */
int aws_uri_match(const char *pattern, struct http_slice path, struct http_slice query, struct http_slice *labels);

/* timestamp.c: seconds since 1970, with a fraction. */
bool aws_time_parse(enum aws_time format, const char *text, double *ret_seconds);
#define AWS_TIME_BYTES 48
void aws_time_format(enum aws_time format, double seconds, char out[AWS_TIME_BYTES]);

/* scalar.c: one value from text (a label, query parameter, header or form field); owned, NULL with error if
 * the text is no such value. to_text is the reverse, malloc'd. */
cJSON *aws_scalar_parse(const struct aws_member *member, enum aws_time time, const char *text, struct aws_error *error);
char *aws_scalar_text(const struct aws_member *member, enum aws_time time, const cJSON *value);

/* tree_in.c: checks a parsed JSON value against a shape and turns it, in place, into an input tree: wire
 * names become the model's, unknown and null members go. Negative with a SerializationException. */
int aws_tree_in(const struct aws_shape *shape, cJSON *tree, struct aws_error *error);
/* json_body.c: parses a JSON body as shape into *ret_tree (owned), its blobs (op->blobs) cut out into
 * call->blob. */
int aws_json_body(struct aws_call *call, struct http_slice text, const struct aws_shape *shape, cJSON **ret_tree, struct aws_error *error);
/* tree_out.c: the JSON value of an output by its shape, in wire names; only members that live in the body.
 * Owned. */
cJSON *aws_tree_out(const struct aws_shape *shape, const cJSON *tree);

/* validate/validate.c: the model's constraints, all of them, in AWS's words; code is the protocol's
 * validation_code.
 */
int aws_validate(const struct aws_shape *shape, const struct aws_call *call, const char *code, struct aws_error *error);
/* validate/late.c: what the service checks once the model's constraints hold (overrides/). */
int aws_validate_late(const struct aws_shape *shape, const cJSON *input, struct aws_error *error);
/* validate/pattern.c: whether the whole text matches the pattern; compiled once per pattern. */
bool aws_pattern_matches(const char *pattern, const char *text);

/* reply.c: a reply under construction. Headers' values are copied; names are static unless the call says
 * otherwise. */
struct aws_writer {
    struct aws_reply *reply;
    struct buf store;
    size_t name_at[AWS_REPLY_HEADERS_MAX], value_at[AWS_REPLY_HEADERS_MAX]; /* offset + 1 in store; 0: static */
};
void aws_writer_begin(struct aws_writer *w, const struct aws_call *call, int status, struct aws_reply *reply);
void aws_writer_header(struct aws_writer *w, const char *name, const char *value);
void aws_writer_header_copy_name(struct aws_writer *w, const char *prefix, const char *name, const char *value);
/* body is taken (malloc'd, may be NULL). */
void aws_writer_end(struct aws_writer *w, char *body, size_t len);
int aws_error_status(const struct aws_call *call, const struct aws_error *error);
