/* The models' constraints (https://smithy.io/2.0/spec/constraint-traits.html), all of an input's at once, in
 * the words of the services: "2 validation errors detected: Value '' at 'functionName' failed to satisfy
 * constraint: ...; Value null at 'role' failed to satisfy constraint: Member must not be null". A list of
 * plain values is one value: what its members must be stands in brackets ("Member must satisfy constraint:
 * [...]"); a list of structures is descended into ("layers.1.member"), and so are maps ("Map keys must
 * satisfy constraint: [...]"). Sensitive values are left out ("Value at 'x'"). */
#include "lib/aws/codec.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"
#include "lib/json/json.h"

#define PATH_BYTES_MAX 512 /* of a path in a message; deeper ones are cut */
#define KEY_BYTES_MAX 128  /* of a map's key in it */

struct check {
    const struct aws_call *call;
    struct buf text; /* the violations, "; " between */
    int count;
    char path[PATH_BYTES_MAX];
};

static void visit(struct check *c, const struct aws_shape *shape, const cJSON *value);

/* Past the maximum a message is cut; nothing depends on the rest of it. */
static void put(struct buf *b, const char *text)
{
    if (buf_puts(b, text) < 0 && b->len < b->max)
        (void)!buf_append(b, text, b->max - b->len);
}

/* As Java prints numbers: a double always has a fraction. */
static void print_number(struct buf *b, const struct aws_shape *shape, double value)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%.15g", value);
    if (shape->type == AWS_DOUBLE && strspn(text, "-0123456789") == (size_t)n)
        snprintf(text + n, sizeof text - (size_t)n, ".0");
    put(b, text);
}

static void print_value(struct buf *b, const struct aws_shape *shape, const cJSON *value, size_t until);

/* As Java prints collections: [a, b], {k=v}. */
static void print_members(struct buf *b, const struct aws_shape *shape, const cJSON *value, size_t until)
{
    put(b, cJSON_IsArray(value) ? "[" : "{");
    for (const cJSON *child = value->child; child && b->len < until; child = child->next) {
        const struct aws_member *member = shape->type == AWS_LIST  ? shape->members
                                          : shape->type == AWS_MAP ? shape->members + 1
                                                                   : aws_member_named(shape, child->string);
        if (cJSON_IsObject(value)) {
            put(b, child->string);
            put(b, "=");
        }
        if (member)
            print_value(b, member->shape, child, until);
        if (child->next)
            put(b, ", ");
    }
    put(b, cJSON_IsArray(value) ? "]" : "}");
}

static void print_value(struct buf *b, const struct aws_shape *shape, const cJSON *value, size_t until)
{
    if (b->len >= until)
        return;
    if (cJSON_IsString(value))
        (void)!buf_append(b, value->valuestring, aws_utf8_cut(value->valuestring, until - b->len));
    else if (cJSON_IsNumber(value))
        print_number(b, shape, value->valuedouble);
    else if (cJSON_IsBool(value))
        put(b, cJSON_IsTrue(value) ? "true" : "false");
    else if (cJSON_IsNull(value))
        put(b, "null");
    else
        print_members(b, shape, value, until);
}

static void violate(struct check *c, const struct aws_shape *shape, const cJSON *value, const char *constraint)
{
    if (c->count++)
        put(&c->text, "; ");
    put(&c->text, "Value ");
    if (shape->flags & AWS_SENSITIVE) {
        put(&c->text, "at '");
    } else if (!value) {
        put(&c->text, "null at '");
    } else {
        put(&c->text, "'");
        print_value(&c->text, shape, value, c->text.len + AWS_VALUE_BYTES_MAX);
        put(&c->text, "' at '");
    }
    put(&c->text, c->path);
    put(&c->text, "' failed to satisfy constraint: ");
    put(&c->text, constraint);
}

/* Java counts UTF-16 units. */
static size_t java_length(const char *text)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        n += (*p & 0xc0) == 0x80 ? 0 : *p >= 0xf0 ? 2 : 1;
    return n;
}

static size_t blob_length(const char *base64)
{
    size_t n = strlen(base64), padding = 0;
    while (padding < 2 && n > padding && base64[n - 1 - padding] == '=')
        padding++;
    return n / 4 * 3 - (n >= 4 ? padding : 0);
}

static bool is_length(const struct aws_shape *shape)
{
    return shape->type == AWS_LIST || shape->type == AWS_MAP || shape->type == AWS_STRING || shape->type == AWS_BLOB;
}

/* What min and max are about. */
static double measure(const struct aws_shape *shape, const cJSON *value)
{
    switch ((enum aws_type)shape->type) {
    case AWS_LIST:
    case AWS_MAP:
        return cJSON_GetArraySize(value);
    case AWS_STRING:
        return (double)java_length(value->valuestring);
    case AWS_BLOB:
        return (double)blob_length(value->valuestring);
    default:
        return value->valuedouble;
    }
}

enum constraint { MAX, MIN, PATTERN, VALUES, CONSTRAINTS }; /* in the order of messages */

static bool has(const struct aws_shape *shape, enum constraint which)
{
    return which == PATTERN ? shape->pattern != NULL
           : which == MIN   ? shape->has_min
           : which == MAX   ? shape->has_max
                            : shape->values && !(shape->flags & AWS_LATE_VALUES);
}

static bool holds(const struct aws_shape *shape, enum constraint which, const cJSON *value)
{
    switch (which) {
    case PATTERN:
        return aws_pattern_matches(shape->pattern, value->valuestring);
    case MIN:
        return measure(shape, value) >= shape->min;
    case MAX:
        return measure(shape, value) <= shape->max;
    default:
        for (size_t i = 0; shape->values[i]; i++)
            if (str_eq(shape->values[i], value->valuestring))
                return true;
        return false;
    }
}

static void constraint_text(struct buf *b, const struct aws_shape *shape, enum constraint which)
{
    if (which == PATTERN) {
        put(b, "Member must satisfy regular expression pattern: ");
        put(b, shape->pattern);
    } else if (which == VALUES) {
        put(b, "Member must satisfy enum value set: [");
        for (size_t i = 0; shape->shown[i]; i++) {
            put(b, i ? ", " : "");
            put(b, shape->shown[i]);
        }
        put(b, "]");
    } else {
        put(b, is_length(shape) ? "Member must have length " : "Member must have value ");
        put(b, which == MIN ? "greater than or equal to " : "less than or equal to ");
        print_number(b, shape, which == MIN ? shape->min : shape->max);
    }
}

/* Everything a value of the shape must be, as a list in brackets; for members of lists and maps. Of names of environment variables,
 * which are sensitive, Lambda does not say that they may not be null; of versions' numbers it does. */
static void bracket(struct buf *b, const struct aws_shape *shape, bool secret_key)
{
    const char *between = "[";
    for (enum constraint which = 0; which < CONSTRAINTS; which++)
        if (has(shape, which)) {
            put(b, between);
            constraint_text(b, shape, which);
            between = ", ";
        }
    if (shape->type == AWS_LIST) {
        put(b, between);
        put(b, "Member must satisfy constraint: ");
        bracket(b, shape->members->shape, false);
        between = ", ";
    }
    if (!secret_key) {
        put(b, between);
        put(b, "Member must not be null");
    }
    put(b, "]");
}

/* Without structures inside: checked and reported as one value. */
static bool is_plain(const struct aws_shape *shape)
{
    return shape->type == AWS_LIST  ? is_plain(shape->members->shape)
           : shape->type == AWS_MAP ? is_plain(shape->members[1].shape)
                                    : shape->type != AWS_STRUCTURE;
}

static bool key_fits(const struct aws_shape *shape, const char *key)
{
    const cJSON node = {.type = cJSON_String, .valuestring = (char *)(uintptr_t)key};
    for (enum constraint which = 0; which < CONSTRAINTS; which++)
        if (has(shape, which) && !holds(shape, which, &node))
            return false;
    return true;
}

static bool fits(const struct aws_shape *shape, const cJSON *value)
{
    if (cJSON_IsNull(value))
        return false;
    for (enum constraint which = 0; which < CONSTRAINTS; which++)
        if (has(shape, which) && !holds(shape, which, value))
            return false;
    if (shape->type != AWS_LIST && shape->type != AWS_MAP)
        return true;
    for (const cJSON *child = value->child; child; child = child->next)
        if (shape->type == AWS_MAP && !key_fits(shape->members->shape, child->string))
            return false;
        else if (!fits(shape->members[shape->type == AWS_MAP ? 1 : 0].shape, child))
            return false;
    return true;
}

/* Puts a name behind the path; the return value takes it off again: c->path[was] = '\0'. Members lose their
 * first capital, as names of Java beans: FunctionName is functionName, KMSKeyArn is kMSKeyArn. */
static size_t push(struct check *c, const char *name, bool member)
{
    size_t was = strlen(c->path);
    snprintf(c->path + was, sizeof c->path - was, "%s%s", was ? "." : "", name);
    size_t first = was + (was ? 1 : 0);
    if (member && first < sizeof c->path)
        c->path[first] = (char)tolower((unsigned char)c->path[first]);
    return was;
}

static void violate_members(struct check *c, const struct aws_shape *shape, const cJSON *value, const char *what,
                            const struct aws_shape *member)
{
    CLEANUP(buf_free) struct buf b = BUF_INIT(AWS_MESSAGE_BYTES_MAX);
    put(&b, what);
    bracket(&b, member, str_starts(what, "Map keys") && (member->flags & AWS_SENSITIVE) != 0);
    violate(c, shape, value, b.data);
}

static void visit_structure(struct check *c, const struct aws_shape *shape, const cJSON *value)
{
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        const cJSON *child = json_get(value, member->name);
        if (member == shape->payload && member->shape->type == AWS_BLOB)
            continue;
        size_t was = push(c, member->name, true);
        if (child)
            visit(c, member->shape, child);
        else if (member->flags & AWS_REQUIRED)
            violate(c, member->shape, NULL, "Member must not be null");
        c->path[was] = '\0';
    }
}

static void visit_list(struct check *c, const struct aws_shape *shape, const cJSON *value)
{
    const struct aws_shape *member = shape->members->shape;
    char name[32];
    int i = 0;
    for (const cJSON *child = value->child; child; child = child->next) {
        if (is_plain(member)) {
            if (fits(member, child))
                continue;
            violate_members(c, member->flags & AWS_SENSITIVE ? member : shape, value, "Member must satisfy constraint: ", member);
            return;
        }
        snprintf(name, sizeof name, "%d.member", ++i);
        size_t was = push(c, name, false);
        if (cJSON_IsNull(child))
            violate(c, member, NULL, "Member must not be null");
        else
            visit(c, member, child);
        c->path[was] = '\0';
    }
}

static void visit_map(struct check *c, const struct aws_shape *shape, const cJSON *value)
{
    const struct aws_shape *key = shape->members[0].shape, *member = shape->members[1].shape;
    bool keys_fit = true, values_fit = true;
    for (const cJSON *child = value->child; child; child = child->next) {
        keys_fit &= key_fits(key, child->string);
        if (is_plain(member)) {
            values_fit = values_fit && fits(member, child);
            continue;
        }
        CLEANUP(freep)
        char *name = str_format("%.*s.member", (int)aws_utf8_cut(child->string, KEY_BYTES_MAX), child->string);
        size_t was = push(c, name, false);
        if (cJSON_IsNull(child))
            violate(c, member, NULL, "Member must not be null");
        else
            visit(c, member, child);
        c->path[was] = '\0';
    }
    if (!keys_fit)
        violate_members(c, shape, value, "Map keys must satisfy constraint: ", key);
    if (!values_fit)
        violate_members(c, shape, value, "Map value must satisfy constraint: ", member);
}

static void visit(struct check *c, const struct aws_shape *shape, const cJSON *value)
{
    for (enum constraint which = 0; which < CONSTRAINTS; which++)
        if (has(shape, which) && !holds(shape, which, value)) {
            CLEANUP(buf_free) struct buf b = BUF_INIT(AWS_MESSAGE_BYTES_MAX);
            constraint_text(&b, shape, which);
            violate(c, shape, value, b.data);
        }
    if (shape->type == AWS_STRUCTURE)
        visit_structure(c, shape, value);
    else if (shape->type == AWS_LIST)
        visit_list(c, shape, value);
    else if (shape->type == AWS_MAP)
        visit_map(c, shape, value);
}

/* A payload of bytes is not in the tree; only its length can be wrong. */
static void visit_payload(struct check *c, const struct aws_member *payload)
{
    const struct aws_shape *shape = payload->shape;
    double n = (double)c->call->payload.n;
    for (enum constraint which = MAX; which <= MIN; which++)
        if (has(shape, which) && (which == MIN ? n < shape->min : n > shape->max)) {
            CLEANUP(buf_free) struct buf b = BUF_INIT(AWS_MESSAGE_BYTES_MAX);
            constraint_text(&b, shape, which);
            push(c, payload->name, true);
            violate(c, shape, NULL, b.data);
            c->path[0] = '\0';
        }
}

int aws_validate(const struct aws_shape *shape, const struct aws_call *call, const char *code, struct aws_error *error)
{
    CLEANUP(buf_free) struct buf text = BUF_INIT(AWS_MESSAGE_BYTES_MAX);
    struct check c = {.call = call, .text = text};
    visit(&c, shape, call->input);
    if (shape->payload && shape->payload->shape->type == AWS_BLOB)
        visit_payload(&c, shape->payload);
    text = c.text;
    if (c.count == 0)
        return 0;
    return aws_error_set(error, code, "%d validation error%s detected: %s", c.count, c.count == 1 ? "" : "s", text.data);
}
