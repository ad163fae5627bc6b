/* From a parsed JSON value to an input tree, in place. What has the wrong JSON type is refused in the words
 * that Coral, the framework of AWS's older services, uses before any constraint is looked at: "STRING_VALUE
 * can not be converted to an Integer", "Start of list found where not expected", "Expected list or null".
 * Null is absence. */
#include "lib/aws/codec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"
#include "lib/json/json.h"

/* JSON_DEPTH_MAX bounds the recursion. */
static int convert(const struct aws_shape *shape, enum aws_time time, cJSON *value, struct aws_error *error);

static int refuse(struct aws_error *error, const char *message)
{
    return aws_error_set(error, "SerializationException", "%s", message);
}

static int wrong_type(const struct aws_shape *shape, const cJSON *value, struct aws_error *error)
{
    static const char *const targets[] = {
        [AWS_STRING] = "a String",    [AWS_INTEGER] = "an Integer", [AWS_LONG] = "a Long",       [AWS_DOUBLE] = "a Double",
        [AWS_BOOLEAN] = "an Boolean", [AWS_TIMESTAMP] = "a Date",   [AWS_BLOB] = "a ByteBuffer",
    };
    if (cJSON_IsArray(value))
        return refuse(error, "Start of list found where not expected");
    if (cJSON_IsObject(value))
        return refuse(error, "Start of structure or map found where not expected.");
    switch ((enum aws_type)shape->type) {
    case AWS_STRUCTURE:
        return refuse(error, "Expected null");
    case AWS_LIST:
        return refuse(error, "Expected list or null");
    case AWS_MAP:
        return refuse(error, "Expected map or null");
    default:
        break;
    }
    const char *token = cJSON_IsString(value)                             ? "STRING_VALUE"
                        : cJSON_IsTrue(value)                             ? "TRUE_VALUE"
                        : cJSON_IsFalse(value)                            ? "FALSE_VALUE"
                        : value->valuedouble == floor(value->valuedouble) ? "NUMBER_VALUE"
                                                                          : "DECIMAL_VALUE";
    return aws_error_set(error, "SerializationException", "%s can not be converted to %s", token, targets[shape->type]);
}

/* Deletes the child and returns the next one. */
static cJSON *drop(cJSON *parent, cJSON *child)
{
    cJSON *next = child->next;
    cJSON_Delete(cJSON_DetachItemViaPointer(parent, child));
    return next;
}

static void rename_key(cJSON *child, const char *name)
{
    if (str_eq(child->string, name))
        return;
    char *copy = strdup(name);
    if (!copy)
        abort();
    cJSON_free(child->string);
    child->string = copy;
}

static int structure(const struct aws_shape *shape, cJSON *value, struct aws_error *error)
{
    int set = 0;
    for (cJSON *child = value->child; child;) {
        const struct aws_member *member = aws_member_on_wire(shape, child->string);
        if (!member || cJSON_IsNull(child)) {
            child = drop(value, child);
            continue;
        }
        if (convert(member->shape, member->time, child, error) < 0)
            return -1;
        rename_key(child, member->name);
        child = child->next;
        set++;
    }
    if ((shape->flags & AWS_UNION) && set != 1)
        return aws_error_set(error, "SerializationException", "A union must have exactly one member set, %s has %d", shape->name, set);
    return 0;
}

static void become_number(cJSON *string, double value)
{
    cJSON_free(string->valuestring);
    string->valuestring = NULL;
    string->type = cJSON_Number;
    cJSON_SetNumberHelper(string, value);
}

static int convert(const struct aws_shape *shape, enum aws_time time, cJSON *value, struct aws_error *error)
{
    double seconds, limit = shape->type == AWS_INTEGER ? 0x1p31 : 0x1p63;
    switch ((enum aws_type)shape->type) {
    case AWS_STRUCTURE:
        return cJSON_IsObject(value) ? structure(shape, value, error) : wrong_type(shape, value, error);
    case AWS_LIST:
        if (!cJSON_IsArray(value))
            return wrong_type(shape, value, error);
        for (cJSON *child = value->child; child; child = child->next)
            if (!cJSON_IsNull(child) && convert(shape->members->shape, shape->members->time, child, error) < 0)
                return -1;
        return 0;
    case AWS_MAP:
        if (!cJSON_IsObject(value))
            return wrong_type(shape, value, error);
        for (cJSON *child = value->child; child; child = child->next)
            if (!cJSON_IsNull(child) && convert(shape->members[1].shape, shape->members[1].time, child, error) < 0)
                return -1;
        return 0;
    case AWS_STRING:
    case AWS_BLOB:
        return cJSON_IsString(value) ? 0 : wrong_type(shape, value, error);
    case AWS_INTEGER:
    case AWS_LONG:
        if (!cJSON_IsNumber(value) || value->valuedouble != floor(value->valuedouble))
            return wrong_type(shape, value, error);
        if (value->valuedouble < -limit || value->valuedouble >= limit)
            return wrong_type(shape, value, error);
        return 0;
    case AWS_DOUBLE:
        return cJSON_IsNumber(value) && isfinite(value->valuedouble) ? 0 : wrong_type(shape, value, error);
    case AWS_BOOLEAN:
        return cJSON_IsBool(value) ? 0 : wrong_type(shape, value, error);
    case AWS_TIMESTAMP:
        if (cJSON_IsString(value) && time > AWS_TIME_EPOCH && aws_time_parse(time, value->valuestring, &seconds)) {
            become_number(value, seconds);
            return 0;
        }
        return cJSON_IsNumber(value) && isfinite(value->valuedouble) ? 0 : wrong_type(shape, value, error);
    }
    return -1;
}

int aws_tree_in(const struct aws_shape *shape, cJSON *tree, struct aws_error *error)
{
    return convert(shape, AWS_TIME_DEFAULT, tree, error);
}
