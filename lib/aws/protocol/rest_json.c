/* rest-json (https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html), as Lambda speaks it: the
 * operation is the method and the path; members travel in the URI, the query, headers and a JSON body, or one
 * member is the whole body. */
#include "lib/aws/codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/strutil.h"
#include "lib/json/json.h"

#define LABELS_MAX ARRAY_LEN(((struct aws_call *)0)->labels)

static const struct aws_operation *match(const struct aws_service *service, const struct aws_request *request, struct aws_call *call)
{
    const struct aws_operation *best = NULL;
    struct http_slice labels[LABELS_MAX];
    int best_score = -1;
    for (size_t i = 0; i < service->op_count; i++) {
        const struct aws_operation *op = &service->ops[i];
        if (!aws_slice_is(request->method, op->method))
            continue;
        memset(labels, 0, sizeof labels);
        int score = aws_uri_match(op->uri, request->path, request->query, labels);
        if (score > best_score) {
            best_score = score;
            best = op;
            memcpy(call->labels, labels, sizeof labels);
        }
    }
    return best;
}

/* Authorization comes before dispatch at AWS, and finds no operation to authorize. */
static int unknown(const struct aws_service *service, const struct aws_request *request, struct aws_error *error)
{
    (void)service, (void)request;
    return aws_error_set(error, "AccessDeniedException", "Unable to determine service/operation name to be authorized");
}

static int bad_text(struct aws_error *error, const char *name)
{
    return aws_error_set(error, "SerializationException", "The value of '%s' is not UTF-8 text", name);
}

/* A decoded value under its member, or one more of it if the member is a list. */
static int add(cJSON *input, const struct aws_member *member, enum aws_time time, const char *text, struct aws_error *error)
{
    bool list = member->shape->type == AWS_LIST;
    cJSON *there = cJSON_GetObjectItemCaseSensitive(input, member->name);
    if (there && !list)
        return 0; /* the first one counts */
    cJSON *value = aws_scalar_parse(list ? member->shape->members : member, time, text, error);
    if (!value)
        return -1;
    if (list && !there)
        cJSON_AddItemToObject(input, member->name, there = cJSON_CreateArray());
    if (list)
        cJSON_AddItemToArray(there, value);
    else
        cJSON_AddItemToObject(input, member->name, value);
    return 0;
}

static const struct aws_member *member_at(const struct aws_shape *shape, enum aws_location location, struct http_slice wire)
{
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *m = &shape->members[i];
        if (m->location == location && wire.n == strlen(m->wire) && strncasecmp(m->wire, wire.p, wire.n) == 0 &&
            (location == AWS_IN_HEADER || memcmp(m->wire, wire.p, wire.n) == 0))
            return m;
    }
    return NULL;
}

static int parse_labels(struct aws_call *call, struct aws_error *error)
{
    const char *t = call->op->uri;
    for (size_t i = 0; i < LABELS_MAX && (t = strchr(t, '{')); i++) {
        size_t n = strcspn(++t, "+}");
        const struct aws_member *member = member_at(call->op->input, AWS_IN_URI, aws_slice(t, n));
        assert(member && "a label without a member");
        CLEANUP(freep) char *text = aws_decode(call->labels[i], false);
        if (!text)
            return bad_text(error, member->wire);
        if (add(call->input, member, AWS_TIME_ISO8601, text, error) < 0)
            return -1;
    }
    return 0;
}

/* Parameters that no member names belong to the map of all others, if the operation has one. */
static const struct aws_member *query_map(const struct aws_shape *shape)
{
    for (size_t i = 0; i < shape->member_count; i++)
        if (shape->members[i].location == AWS_IN_QUERY && shape->members[i].shape->type == AWS_MAP)
            return &shape->members[i];
    return NULL;
}

static int add_to_map(cJSON *input, const struct aws_member *map, const char *key, const char *text, struct aws_error *error)
{
    cJSON *object = cJSON_GetObjectItemCaseSensitive(input, map->name);
    if (!object)
        cJSON_AddItemToObject(input, map->name, object = cJSON_CreateObject());
    struct aws_member entry = map->shape->members[1];
    entry.name = key;
    return add(object, &entry, AWS_TIME_ISO8601, text, error);
}

static int parse_query(struct aws_call *call, struct aws_error *error)
{
    const struct aws_member *others = query_map(call->op->input);
    struct http_slice rest = call->request->query, key, value;
    size_t pairs = 0;
    while (aws_next_pair(&rest, &key, &value)) {
        if (++pairs > AWS_QUERY_PAIRS_MAX)
            return aws_error_set(error, "SerializationException", "The query string has more than %d parameters", AWS_QUERY_PAIRS_MAX);
        CLEANUP(freep) char *name = aws_decode(key, true), *text = aws_decode(value, true);
        const struct aws_member *member = name ? member_at(call->op->input, AWS_IN_QUERY, aws_slice(name, strlen(name))) : NULL;
        if (!member && !(others && name))
            continue;
        if (!text)
            return bad_text(error, name);
        int rc = member ? add(call->input, member, AWS_TIME_ISO8601, text, error) : add_to_map(call->input, others, name, text, error);
        if (rc < 0)
            return -1;
    }
    return 0;
}

struct header_walk {
    cJSON *object;
    const char *prefix;
};

static void take_prefixed(void *arg, struct http_slice name, struct http_slice value)
{
    struct header_walk *walk = arg;
    size_t n = strlen(walk->prefix);
    if (name.n <= n || strncasecmp(name.p, walk->prefix, n) != 0 || !str_is_utf8(name.p, name.n) || !str_is_utf8(value.p, value.n))
        return;
    CLEANUP(freep) char *key = str_format("%.*s", (int)(name.n - n), name.p + n);
    CLEANUP(freep) char *text = str_format("%.*s", (int)value.n, value.p);
    if (!cJSON_GetObjectItemCaseSensitive(walk->object, key))
        cJSON_AddItemToObject(walk->object, key, cJSON_CreateString(text));
}

static int parse_headers(struct aws_call *call, struct aws_error *error)
{
    const struct aws_shape *shape = call->op->input;
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        if (member->location == AWS_IN_HEADERS && call->request->each_header) {
            struct header_walk walk = {.object = cJSON_CreateObject(), .prefix = member->wire};
            call->request->each_header(call->request->arg, take_prefixed, &walk);
            cJSON_AddItemToObject(call->input, member->name, walk.object);
        }
        if (member->location != AWS_IN_HEADER)
            continue;
        struct http_slice value = aws_header(call->request, member->wire);
        if (!value.p)
            continue;
        if (memchr(value.p, '\0', value.n) || !str_is_utf8(value.p, value.n))
            return bad_text(error, member->wire);
        struct http_slice rest = value;
        do { /* a list's members are separated by commas */
            struct http_slice piece = member->shape->type == AWS_LIST ? aws_cut(&rest, ',') : value;
            while (piece.n && piece.p[0] == ' ')
                piece = aws_slice(piece.p + 1, piece.n - 1);
            CLEANUP(freep) char *text = str_format("%.*s", (int)piece.n, piece.p);
            if (add(call->input, member, AWS_TIME_RFC822, text, error) < 0)
                return -1;
        } while (member->shape->type == AWS_LIST && rest.p);
    }
    return 0;
}

static bool has_body_members(const struct aws_shape *shape)
{
    for (size_t i = 0; i < shape->member_count; i++)
        if (shape->members[i].location == AWS_IN_BODY)
            return true;
    return false;
}

static int parse_body(struct aws_call *call, struct aws_error *error)
{
    const struct aws_shape *shape = call->op->input;
    struct http_slice body = call->request->body;
    const struct aws_member *payload = shape->payload;
    if (payload && payload->shape->type == AWS_BLOB) {
        call->payload = aws_slice(body.p ? body.p : "", body.n);
        return 0;
    }
    if (body.n == 0 || !has_body_members(shape))
        return 0;
    cJSON *tree = NULL;
    if (payload && payload->shape->type == AWS_STRING) {
        if (memchr(body.p, '\0', body.n) || !str_is_utf8(body.p, body.n))
            return bad_text(error, payload->name);
        CLEANUP(freep) char *text = str_format("%.*s", (int)body.n, body.p);
        tree = cJSON_CreateString(text);
    } else if (aws_json_body(call, body, payload ? payload->shape : shape, &tree, error) < 0) {
        return -1;
    }
    if (payload) {
        cJSON_AddItemToObject(call->input, payload->name, tree);
        return 0;
    }
    cJSON_Delete(call->input);
    call->input = tree;
    return 0;
}

static int parse(struct aws_call *call, struct aws_error *error)
{
    return parse_body(call, error) < 0 || parse_labels(call, error) < 0 || parse_query(call, error) < 0 || parse_headers(call, error) < 0
               ? -1
               : 0;
}

static int status_of(const struct aws_call *call, const cJSON *tree)
{
    const struct aws_shape *shape = call->op->output;
    for (size_t i = 0; shape && i < shape->member_count; i++)
        if (shape->members[i].location == AWS_IN_STATUS)
            return (int)json_int(tree, shape->members[i].name, call->op->status);
    return call->op->status;
}

static void write_header_members(struct aws_writer *w, const struct aws_shape *shape, const cJSON *tree)
{
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        const cJSON *value = json_get(tree, member->name);
        if (!value)
            continue;
        if (member->location == AWS_IN_HEADER) {
            CLEANUP(freep) char *text = aws_scalar_text(member, AWS_TIME_RFC822, value);
            aws_writer_header(w, member->wire, text);
        } else if (member->location == AWS_IN_HEADERS) {
            for (const cJSON *child = value->child; child; child = child->next)
                aws_writer_header_copy_name(w, member->wire, child->string, cJSON_GetStringValue(child));
        }
    }
}

static char *print(cJSON *tree, size_t *ret_len)
{
    char *text = json_print(tree);
    cJSON_Delete(tree);
    *ret_len = strlen(text);
    return text;
}

static void write_output(const struct aws_call *call, const struct aws_output *output, struct aws_reply *reply)
{
    const struct aws_shape *shape = call->op->output;
    const struct aws_member *payload = shape ? shape->payload : NULL;
    CLEANUP(json_freep) cJSON *empty = output->tree ? NULL : cJSON_CreateObject();
    const cJSON *tree = output->tree ? output->tree : empty;
    struct aws_writer w;
    int status = status_of(call, tree);
    char *body = NULL;
    size_t len = 0;
    aws_writer_begin(&w, call, status, reply);
    if (shape)
        write_header_members(&w, shape, tree);
    if (status == 204 || !shape) {
        assert(!output->payload_len);
    } else if (payload && (payload->shape->type == AWS_BLOB || (payload->shape->flags & AWS_EVENT_STREAM))) {
        bool events = payload->shape->flags & AWS_EVENT_STREAM; /* the caller's events are framed already */
        aws_writer_header(&w, "content-type", events ? "application/vnd.amazon.eventstream" : "application/json");
        body = malloc(output->payload_len + 1);
        if (!body)
            abort();
        if (output->payload_len)
            memcpy(body, output->payload, output->payload_len);
        len = output->payload_len;
    } else {
        const cJSON *value = payload ? json_get(tree, payload->name) : tree;
        aws_writer_header(&w, "content-type", "application/json");
        body = print(value ? aws_tree_out(payload ? payload->shape : shape, value) : cJSON_CreateObject(), &len);
    }
    aws_writer_end(&w, body, len);
}

/* The message's name: the model's for a modelled error, else what the part of AWS that raises it writes. */
static const char *message_name(const struct aws_shape *shape, const char *code)
{
    for (size_t i = 0; shape && i < shape->member_count; i++)
        if (strcasecmp(shape->members[i].name, "message") == 0)
            return shape->members[i].wire;
    return str_eq(code, "ValidationException") ? "message" : "Message";
}

static void write_error(const struct aws_call *call, const struct aws_error *error, struct aws_reply *reply)
{
    const struct aws_shape *shape = call->service ? aws_error_shape(call->service, error->code) : NULL;
    struct aws_writer w;
    cJSON *body = cJSON_CreateObject();
    size_t len;
    aws_writer_begin(&w, call, aws_error_status(call, error), reply);
    aws_writer_header(&w, "content-type", "application/json");
    aws_writer_header(&w, "x-amzn-errortype", error->code);
    if (shape && aws_member_named(shape, "Type") && !cJSON_HasObjectItem(error->members, "Type"))
        cJSON_AddItemToObject(body, "Type", cJSON_CreateString(shape->flags & AWS_SENDER_FAULT ? "User" : "Service"));
    if (error->message)
        cJSON_AddItemToObject(body, message_name(shape, error->code), cJSON_CreateString(error->message));
    if (error->members && shape)
        write_header_members(&w, shape, error->members);
    for (const cJSON *child = error->members ? error->members->child : NULL; child; child = child->next) {
        const struct aws_member *member = shape ? aws_member_named(shape, child->string) : NULL;
        if (!cJSON_IsNull(child) && (!member || member->location == AWS_IN_BODY))
            cJSON_AddItemToObject(body, member ? member->wire : child->string, cJSON_Duplicate(child, true));
    }
    char *text = print(body, &len);
    aws_writer_end(&w, text, len);
}

const struct aws_protocol aws_rest_json = {
    .match = match,
    .unknown = unknown,
    .parse = parse,
    .write_output = write_output,
    .write_error = write_error,
    .validation_code = "ValidationException",
};
