/* Values that travel as text: URI labels, query parameters, headers, form fields. */
#include "lib/aws/codec.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/strutil.h"

static cJSON *own(cJSON *node)
{
    if (!node)
        abort();
    return node;
}

static cJSON *integer(const char *text, double min, double max)
{
    char *end;
    size_t digits = strspn(text + (text[0] == '-'), "0123456789");
    if (digits == 0 || text[(text[0] == '-') + digits])
        return NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || (double)value < min || (double)value > max)
        return NULL;
    return own(cJSON_CreateNumber((double)value));
}

static cJSON *parse(const struct aws_member *member, enum aws_time time, const char *text)
{
    double number;
    char *end;
    switch ((enum aws_type)member->shape->type) {
    case AWS_STRING:
    case AWS_BLOB:
        return own(cJSON_CreateString(text));
    case AWS_INTEGER:
        return integer(text, INT32_MIN, INT32_MAX);
    case AWS_LONG:
        return integer(text, -0x1p63, 0x1p63);
    case AWS_DOUBLE:
        number = strtod(text, &end);
        return text[0] && !*end && isfinite(number) ? own(cJSON_CreateNumber(number)) : NULL;
    case AWS_BOOLEAN:
        if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0)
            return own(cJSON_CreateBool(strcasecmp(text, "true") == 0));
        return NULL;
    case AWS_TIMESTAMP:
        return aws_time_parse(member->time ? member->time : time, text, &number) ? own(cJSON_CreateNumber(number)) : NULL;
    case AWS_STRUCTURE:
    case AWS_LIST:
    case AWS_MAP:
        break;
    }
    return NULL;
}

cJSON *aws_scalar_parse(const struct aws_member *member, enum aws_time time, const char *text, struct aws_error *error)
{
    static const char *const names[] = {
        [AWS_INTEGER] = "an Integer", [AWS_LONG] = "a Long",      [AWS_DOUBLE] = "a Double",
        [AWS_BOOLEAN] = "an Boolean", [AWS_TIMESTAMP] = "a Date",
    };
    cJSON *node = parse(member, time, text);
    if (!node) {
        const char *name = member->shape->type < ARRAY_LEN(names) ? names[member->shape->type] : NULL;
        aws_error_set(error, "SerializationException", "STRING_VALUE can not be converted to %s", name ? name : "a structure");
    }
    return node;
}

char *aws_scalar_text(const struct aws_member *member, enum aws_time time, const cJSON *value)
{
    char out[AWS_TIME_BYTES];
    if (cJSON_IsString(value))
        return str_format("%s", value->valuestring);
    if (cJSON_IsBool(value))
        return str_format("%s", cJSON_IsTrue(value) ? "true" : "false");
    if (member->shape->type == AWS_TIMESTAMP) {
        aws_time_format(member->time ? member->time : time, value->valuedouble, out);
        return str_format("%s", out);
    }
    return str_format(member->shape->type == AWS_DOUBLE ? "%.15g" : "%.0f", value->valuedouble);
}
