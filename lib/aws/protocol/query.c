/* query (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html), as STS speaks it: a form (or a query
 * string) with Action, Version and the input's members as dotted names ("PolicyArns.member.1.arn"); answers
 * in XML. */
#include "lib/aws/codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"
#include "lib/json/json.h"

/* The pairs of body and query string, decoded. */
struct pair {
    char *key, *value;
    size_t index;
};
struct form {
    struct pair *pairs;
    size_t count;
};

static void form_free(struct form *form)
{
    for (size_t i = 0; i < form->count; i++) {
        free(form->pairs[i].key);
        free(form->pairs[i].value);
    }
    free(form->pairs);
}

static bool read_pairs(struct form *form, struct http_slice text)
{
    struct http_slice key, value;
    while (aws_next_pair(&text, &key, &value)) {
        if (form->count == AWS_QUERY_PAIRS_MAX)
            return false;
        struct pair pair = {.key = aws_decode(key, true), .value = aws_decode(value, true), .index = form->count};
        form->pairs[form->count++] = pair;
        if (!pair.key || !pair.value)
            return false;
    }
    return true;
}

/* By key; pairs of one key in the order of the form. */
static int compare(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static bool read_form(struct form *form, const struct aws_request *request)
{
    size_t max = 2;
    for (size_t i = 0; i < request->body.n; i++)
        max += request->body.p[i] == '&';
    for (size_t i = 0; i < request->query.n; i++)
        max += request->query.p[i] == '&';
    form->count = 0;
    form->pairs = calloc(max < AWS_QUERY_PAIRS_MAX ? max : AWS_QUERY_PAIRS_MAX, sizeof *form->pairs);
    if (!form->pairs)
        abort();
    if (!read_pairs(form, request->body) || !read_pairs(form, request->query))
        return false;
    qsort(form->pairs, form->count, sizeof *form->pairs, compare);
    return true;
}

/* The value of a parameter, undecoded: enough for Action and Version. */
static struct http_slice parameter(const struct aws_request *request, const char *name)
{
    const struct http_slice places[] = {request->body, request->query};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct http_slice rest = places[i], key, value;
        while (aws_next_pair(&rest, &key, &value))
            if (aws_slice_is(key, name))
                return value;
    }
    return aws_slice(NULL, 0);
}

static const struct aws_operation *match(const struct aws_service *service, const struct aws_request *request, struct aws_call *call)
{
    (void)call;
    bool post = aws_slice_is(request->method, "POST"), get = aws_slice_is(request->method, "GET");
    if ((!post && !get) || !aws_slice_is(request->path, "/"))
        return NULL;
    struct http_slice action = parameter(request, "Action"), version = parameter(request, "Version");
    if (!action.p || (version.p && !aws_slice_is(version, service->api_version)))
        return NULL;
    for (size_t i = 0; i < service->op_count; i++)
        if (aws_slice_is(action, service->ops[i].name))
            return &service->ops[i];
    return NULL;
}

static int unknown(const struct aws_service *service, const struct aws_request *request, struct aws_error *error)
{
    struct http_slice action = parameter(request, "Action"), version = parameter(request, "Version");
    if (!action.p)
        return aws_error_set(error, "MissingAction", "Missing Action");
    CLEANUP(freep) char *name = aws_decode(action, true), *of = aws_decode(version, true);
    return aws_error_set(error, "InvalidAction", "Could not find operation %.128s for version %.32s", name ? name : "",
                         of && *of ? of : service->api_version);
}

static int read_shape(const struct form *form, const struct aws_member *member, const char *name, int depth, cJSON **ret,
                      struct aws_error *error);

/* The first pair whose key is not before name. */
static const struct pair *lower_bound(const struct form *form, const char *name)
{
    size_t low = 0, high = form->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(form->pairs[middle].key, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < form->count ? &form->pairs[low] : NULL;
}

/* The parameter of that name; with below also one of a member of it ("name.member.1"). NULL if there is none.
 */
static const struct pair *find(const struct form *form, const char *name, bool below)
{
    const struct pair *pair = lower_bound(form, name);
    if (pair && str_eq(pair->key, name))
        return pair;
    if (!below)
        return NULL;
    CLEANUP(freep) char *prefix = str_format("%s.", name);
    pair = lower_bound(form, prefix);
    return pair && str_starts(pair->key, prefix) ? pair : NULL;
}

static int read_structure(const struct form *form, const struct aws_shape *shape, const char *name, int depth, cJSON *out,
                          struct aws_error *error)
{
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        CLEANUP(freep) char *below = str_format("%s%s%s", name, *name ? "." : "", member->wire);
        cJSON *value = NULL;
        if (!find(form, below, true))
            continue;
        if (read_shape(form, member, below, depth, &value, error) < 0)
            return -1;
        cJSON_AddItemToObject(out, member->name, value);
    }
    return 0;
}

static int read_container(const struct form *form, const struct aws_member *member, const char *name, int depth, cJSON *out,
                          struct aws_error *error)
{
    const struct aws_shape *shape = member->shape;
    bool flat = (member->flags | shape->flags) & AWS_FLATTENED, map = shape->type == AWS_MAP;
    for (int i = 1;; i++) {
        CLEANUP(freep)
        char *item = flat ? str_format("%s.%d", name, i) : str_format("%s.%s.%d", name, map ? "entry" : shape->members->wire, i);
        CLEANUP(freep) char *key = str_format("%s.%s", item, shape->members[0].wire);
        CLEANUP(freep)
        char *value_name = map ? str_format("%s.%s", item, shape->members[1].wire) : strdup(item);
        const struct pair *key_pair = map ? find(form, key, false) : NULL;
        cJSON *value = NULL;
        if (!find(form, value_name, true) || (map && !key_pair))
            return 0;
        if (read_shape(form, &shape->members[map ? 1 : 0], value_name, depth, &value, error) < 0)
            return -1;
        if (map)
            cJSON_AddItemToObject(out, key_pair->value, value);
        else
            cJSON_AddItemToArray(out, value);
    }
}

static int read_shape(const struct form *form, const struct aws_member *member, const char *name, int depth, cJSON **ret,
                      struct aws_error *error)
{
    if (depth == JSON_DEPTH_MAX)
        return aws_error_set(error, "MalformedInput", "nesting deeper than %d", JSON_DEPTH_MAX);
    enum aws_type type = member->shape->type;
    if (type == AWS_STRUCTURE || type == AWS_LIST || type == AWS_MAP) {
        CLEANUP(json_freep) cJSON *out = type == AWS_LIST ? cJSON_CreateArray() : cJSON_CreateObject();
        int rc = type == AWS_STRUCTURE ? read_structure(form, member->shape, name, depth + 1, out, error)
                                       : read_container(form, member, name, depth + 1, out, error);
        if (rc == 0)
            *ret = STEAL(out);
        return rc;
    }
    const struct pair *pair = find(form, name, false);
    if (!pair)
        return aws_error_set(error, "MalformedInput", "The parameter %.128s has no value of its own", name);
    *ret = aws_scalar_parse(member, AWS_TIME_ISO8601, pair->value, error);
    if (*ret)
        return 0;
    error->code = "MalformedInput";
    return -1;
}

static int parse(struct aws_call *call, struct aws_error *error)
{
    CLEANUP(form_free) struct form form;
    if (!read_form(&form, call->request))
        return aws_error_set(error, "MalformedQueryString", "The form is not UTF-8 text of at most %d parameters", AWS_QUERY_PAIRS_MAX);
    return read_structure(&form, call->op->input, "", 0, call->input, error);
}

static void put(struct buf *b, const char *text)
{
    if (buf_puts(b, text) < 0)
        abort();
}

static void put_text(struct buf *b, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\r' ? "&#13;"
                                             : NULL;
        if (!entity && (unsigned char)*text < ' ' && *text != '\n' && *text != '\t')
            entity = "&#xFFFD;"; /* XML 1.0 has no such character */
        if (entity ? buf_puts(b, entity) < 0 : buf_putc(b, *text) < 0)
            abort();
    }
}

static void put_element(struct buf *b, const char *name, const char *text)
{
    if (buf_printf(b, "<%s>", name) < 0)
        abort();
    put_text(b, text);
    if (buf_printf(b, "</%s>", name) < 0)
        abort();
}

static void write_members(struct buf *b, const struct aws_shape *shape, const cJSON *tree);

static void write_value(struct buf *b, const struct aws_member *member, const char *name, const cJSON *value)
{
    const struct aws_shape *shape = member->shape;
    bool flat = (member->flags | shape->flags) & AWS_FLATTENED;
    if (shape->type != AWS_STRUCTURE && shape->type != AWS_LIST && shape->type != AWS_MAP) {
        CLEANUP(freep) char *text = aws_scalar_text(member, AWS_TIME_ISO8601, value);
        put_element(b, name, text);
        return;
    }
    if (!(flat && shape->type != AWS_STRUCTURE) && buf_printf(b, "<%s>", name) < 0)
        abort();
    if (shape->type == AWS_STRUCTURE)
        write_members(b, shape, value);
    for (const cJSON *child = shape->type == AWS_STRUCTURE ? NULL : value->child; child; child = child->next) {
        const char *item = flat ? name : shape->type == AWS_MAP ? "entry" : shape->members->wire;
        if (shape->type == AWS_LIST) {
            write_value(b, shape->members, item, child);
            continue;
        }
        if (buf_printf(b, "<%s>", item) < 0)
            abort();
        put_element(b, shape->members[0].wire, child->string);
        write_value(b, &shape->members[1], shape->members[1].wire, child);
        if (buf_printf(b, "</%s>", item) < 0)
            abort();
    }
    if (!(flat && shape->type != AWS_STRUCTURE) && buf_printf(b, "</%s>", name) < 0)
        abort();
}

static void write_members(struct buf *b, const struct aws_shape *shape, const cJSON *tree)
{
    for (const cJSON *child = tree ? tree->child : NULL; child; child = child->next) {
        const struct aws_member *member = aws_member_named(shape, child->string);
        assert(member && "an output with a member that the model does not have");
        if (!cJSON_IsNull(child))
            write_value(b, member, member->wire, child);
    }
}

static void finish(struct aws_writer *w, struct buf *b)
{
    size_t len = b->len;
    aws_writer_header(w, "content-type", "text/xml");
    aws_writer_end(w, buf_steal(b), len);
}

static void write_output(const struct aws_call *call, const struct aws_output *output, struct aws_reply *reply)
{
    struct buf b = BUF_INIT(AWS_REPLY_BYTES_MAX);
    struct aws_writer w;
    aws_writer_begin(&w, call, call->op->status, reply);
    if (buf_printf(&b, "<%sResponse xmlns=\"%s\">\n", call->op->name, call->service->xml_namespace) < 0)
        abort();
    if (call->op->result_wrapper) {
        if (buf_printf(&b, "  <%s>", call->op->result_wrapper) < 0)
            abort();
        write_members(&b, call->op->output, output->tree);
        if (buf_printf(&b, "</%s>\n", call->op->result_wrapper) < 0)
            abort();
    }
    if (buf_printf(&b, "  <ResponseMetadata>\n    <RequestId>%s</RequestId>\n  </ResponseMetadata>\n</%sResponse>\n", call->request_id,
                   call->op->name) < 0)
        abort();
    finish(&w, &b);
}

static void write_error(const struct aws_call *call, const struct aws_error *error, struct aws_reply *reply)
{
    struct buf b = BUF_INIT(AWS_REPLY_BYTES_MAX);
    struct aws_writer w;
    int status = aws_error_status(call, error);
    aws_writer_begin(&w, call, status, reply);
    if (buf_printf(&b, "<ErrorResponse xmlns=\"%s\">\n  <Error>\n    <Type>%s</Type>\n    ", call->service->xml_namespace,
                   status < 500 ? "Sender" : "Receiver") < 0)
        abort();
    put_element(&b, "Code", error->code);
    if (error->message) {
        put(&b, "\n    ");
        put_element(&b, "Message", error->message);
    }
    if (buf_printf(&b, "\n  </Error>\n  <RequestId>%s</RequestId>\n</ErrorResponse>\n", call->request_id) < 0)
        abort();
    finish(&w, &b);
}

const struct aws_protocol aws_query = {
    .match = match,
    .unknown = unknown,
    .parse = parse,
    .write_output = write_output,
    .write_error = write_error,
    .validation_code = "ValidationError",
};
