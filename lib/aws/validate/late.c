/* Limits that Lambda does not check with the model's constraints but behind them, one at a time, as
 * InvalidParameterValueException and each in words of its own. Which members have them is data
 * (overrides/lambda). */
#include "lib/aws/codec.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/aws/arn.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"

#define CODE "InvalidParameterValueException"

static bool has_value(const struct aws_shape *shape, const char *value)
{
    for (size_t i = 0; shape->values[i]; i++)
        if (str_eq(shape->values[i], value))
            return true;
    return false;
}

static char *join(const char *const *values)
{
    struct buf b = BUF_INIT(AWS_MESSAGE_BYTES_MAX);
    for (size_t i = 0; values[i]; i++)
        if (buf_puts(&b, i ? ", " : "") < 0 || buf_puts(&b, values[i]) < 0)
            abort();
    return buf_steal(&b);
}

/* The model's limits hold already, so values are short. */
static int check(const struct aws_member *member, const cJSON *value, struct aws_error *error)
{
    const struct aws_shape *shape = member->shape;
    CLEANUP(freep) char *path = str_format("%s", member->name);
    path[0] = (char)tolower((unsigned char)path[0]);
    if ((shape->flags & AWS_LATE_VALUES) && !has_value(shape, value->valuestring)) {
        CLEANUP(freep) char *list = join(shape->shown);
        return aws_error_set(error, CODE,
                             "Value %.*s at '%s' failed to satisfy constraint: Member must satisfy enum "
                             "value set: [%s] or be a "
                             "valid ARN",
                             (int)aws_utf8_cut(value->valuestring, AWS_VALUE_BYTES_MAX), value->valuestring, path, list);
    }
    if (!(shape->flags & AWS_LATE_MAX))
        return 0;
    if (cJSON_IsNumber(value) && value->valuedouble > shape->late_max)
        return aws_error_set(error, CODE, "'%s' value failed to satisfy constraint: Member must have value less than or equal to %.15g",
                             member->name, shape->late_max);
    struct arn_function function;
    if (cJSON_IsString(value) && arn_function_parse(value->valuestring, &function, NULL) == 0 &&
        (double)strlen(function.name) > shape->late_max)
        return aws_error_set(error, CODE,
                             "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have "
                             "length less than or equal to %.15g",
                             value->valuestring, path, shape->late_max);
    return 0;
}

int aws_validate_late(const struct aws_shape *shape, const cJSON *input, struct aws_error *error)
{
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct aws_member *member = &shape->members[i];
        const cJSON *value = json_get(input, member->name);
        if (value && (member->shape->flags & (AWS_LATE_VALUES | AWS_LATE_MAX)) && check(member, value, error) < 0)
            return -1;
    }
    return 0;
}
