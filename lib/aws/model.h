/* The rows of the generated tables (model_*.c), as generate.py writes them from AWS's service models.
 * Constant data, any thread; only the codecs of lib/aws and their tests read it. The words are those of the
 * models: shape, member, location, payload (https://smithy.io/2.0/spec/http-bindings.html,
 * https://smithy.io/2.0/spec/constraint-traits.html).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AWS_MEMBERS_MAX 64 /* members of a structure; the generator refuses more */

enum aws_type {
    AWS_STRUCTURE,
    AWS_LIST,
    AWS_MAP,
    AWS_STRING,
    AWS_INTEGER, /* 32 bits */
    AWS_LONG,    /* 64 bits; a tree holds it as a double */
    AWS_DOUBLE,
    AWS_BOOLEAN,
    AWS_TIMESTAMP, /* in trees: seconds since 1970, a number */
    AWS_BLOB,      /* in trees: base64 text */
};

/* Where in an HTTP message a member of an input, output or error goes. */
enum aws_location {
    AWS_IN_BODY,
    AWS_IN_URI,
    AWS_IN_QUERY,
    AWS_IN_HEADER,
    AWS_IN_HEADERS, /* a map: all headers that begin with the wire name */
    AWS_IN_STATUS,
};

enum aws_time { AWS_TIME_DEFAULT, AWS_TIME_EPOCH, AWS_TIME_ISO8601, AWS_TIME_RFC822 };

#define AWS_REQUIRED 1u      /* member */
#define AWS_FLATTENED 2u     /* member or shape: a list without its "member" level (query, XML) */
#define AWS_SENSITIVE 4u     /* shape: its value is not repeated in messages */
#define AWS_UNION 8u         /* structure: exactly one member is set */
#define AWS_STREAMING 16u    /* blob: a payload of any length */
#define AWS_EVENT_STREAM 32u /* structure: the payload is a stream of events */
#define AWS_SENDER_FAULT 64u /* error: the client's fault, status below 500 */
#define AWS_LATE_VALUES 128u /* enum: checked by validate/late.c */
#define AWS_LATE_MAX 256u    /* late_max holds, checked by validate/late.c */

struct aws_shape;

struct aws_member {
    const char *name; /* the model's, and the key in trees */
    const char *wire; /* the name on the wire */
    const struct aws_shape *shape;
    uint8_t location; /* enum aws_location */
    uint8_t flags;
    uint8_t time; /* enum aws_time */
};

struct aws_shape {
    const char *name;
    const struct aws_member *members; /* of a structure; a list has one ("member"), a map two (key, value) */
    const struct aws_member *payload; /* the member that is the whole body, or NULL */
    const char *pattern;              /* a Java regular expression the whole value must match, or NULL */
    const char *const *values;        /* of an enum: what is accepted, NULL at the end; or NULL */
    const char *const *shown;         /* of an enum: what messages list, in their order */
    const char *code;                 /* of an error: as the client sees it; NULL for other shapes */
    double min, max;                  /* of the value, or the length of strings, lists, maps and blobs */
    double late_max;                  /* a limit that the service checks after the model's */
    uint16_t status;                  /* of an error */
    uint16_t member_count;
    uint16_t flags;
    uint8_t type; /* enum aws_type */
    bool has_min, has_max;
};

struct aws_operation {
    const char *name, *method;
    const char *uri;                        /* the template: "/2015-03-31/functions/{FunctionName}?find=x" */
    const struct aws_shape *input, *output; /* NULL: none */
    const char *result_wrapper;             /* query */
    const char *const *blobs;               /* paths of the JSON body's blobs that stay out of the tree; NULL at the end */
    uint16_t status;
};

struct aws_service {
    const char *name; /* the service of a signature's credential scope */
    const char *api_version;
    const char *target_prefix, *json_version; /* json */
    const char *xml_namespace;                /* query */
    const struct aws_protocol *protocol;
    const struct aws_operation *ops; /* sorted by name */
    const struct aws_shape *const *errors;
    size_t op_count, error_count;
};

/* The wire protocols, one file each in protocol/. */
extern const struct aws_protocol aws_rest_json, aws_json_rpc, aws_query;

/* All services, NULL at the end. */
extern const struct aws_service *const aws_services[];

/* The member of that name, or that wire name (in the body); NULL if there is none. */
const struct aws_member *aws_member_named(const struct aws_shape *structure, const char *name);
const struct aws_member *aws_member_on_wire(const struct aws_shape *structure, const char *wire);
/* The error shape of that code or shape name; NULL if the model has none. */
const struct aws_shape *aws_error_shape(const struct aws_service *service, const char *code);
