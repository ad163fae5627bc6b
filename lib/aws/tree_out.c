/* From an output tree to the JSON a client reads: members by their wire names, null members dropped,
 * timestamps in the member's format. A tree that does not fit the shape is our mistake, and an assert. */
#include "lib/aws/codec.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/json/json.h"

#define DOUBLE_EXACT 1e15 /* cJSON prints 15 digits: longer integers are printed here */

static cJSON *own(cJSON *node)
{
    if (!node)
        abort();
    return node;
}

static cJSON *convert(const struct aws_shape *shape, enum aws_time time, const cJSON *value);

static cJSON *structure(const struct aws_shape *shape, const cJSON *value)
{
    cJSON *out = own(cJSON_CreateObject());
    for (const cJSON *child = value->child; child; child = child->next) {
        const struct aws_member *member = aws_member_named(shape, child->string);
        assert(member && "an output with a member that the model does not have");
        if (member->location == AWS_IN_BODY && !cJSON_IsNull(child) && member != shape->payload)
            cJSON_AddItemToObjectCS(out, member->wire, convert(member->shape, member->time, child));
    }
    return out;
}

static cJSON *container(const struct aws_shape *shape, const cJSON *value)
{
    bool map = shape->type == AWS_MAP;
    const struct aws_member *element = shape->members + (map ? 1 : 0);
    cJSON *out = own(map ? cJSON_CreateObject() : cJSON_CreateArray());
    for (const cJSON *child = value->child; child; child = child->next) {
        if (cJSON_IsNull(child))
            continue;
        cJSON *item = convert(element->shape, element->time, child);
        if (map)
            cJSON_AddItemToObject(out, child->string, item);
        else
            cJSON_AddItemToArray(out, item);
    }
    return out;
}

static cJSON *number(const struct aws_shape *shape, double value)
{
    char text[32];
    if (shape->type != AWS_LONG || (value < DOUBLE_EXACT && value > -DOUBLE_EXACT))
        return own(cJSON_CreateNumber(value));
    snprintf(text, sizeof text, "%.0f", value);
    return own(cJSON_CreateRaw(text));
}

static cJSON *convert(const struct aws_shape *shape, enum aws_time time, const cJSON *value)
{
    char text[AWS_TIME_BYTES];
    switch ((enum aws_type)shape->type) {
    case AWS_STRUCTURE:
        assert(cJSON_IsObject(value));
        return structure(shape, value);
    case AWS_LIST:
    case AWS_MAP:
        assert(shape->type == AWS_LIST ? cJSON_IsArray(value) : cJSON_IsObject(value));
        return container(shape, value);
    case AWS_STRING:
    case AWS_BLOB:
        assert(cJSON_IsString(value));
        return own(cJSON_CreateStringReference(value->valuestring));
    case AWS_BOOLEAN:
        assert(cJSON_IsBool(value));
        return own(cJSON_CreateBool(cJSON_IsTrue(value)));
    case AWS_INTEGER:
    case AWS_LONG:
    case AWS_DOUBLE:
        assert(cJSON_IsNumber(value));
        return number(shape, value->valuedouble);
    case AWS_TIMESTAMP:
        assert(cJSON_IsNumber(value));
        aws_time_format(time, value->valuedouble, text);
        return own(time > AWS_TIME_EPOCH ? cJSON_CreateString(text) : cJSON_CreateRaw(text));
    }
    abort();
}

cJSON *aws_tree_out(const struct aws_shape *shape, const cJSON *tree)
{
    return convert(shape, AWS_TIME_DEFAULT, tree);
}
