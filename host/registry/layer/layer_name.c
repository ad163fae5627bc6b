/* Names of layers, taken apart and put together. */
#include "host/registry/layer/layer_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/aws/arn.h"
#include "lib/base/strutil.h"

/* The text up to the next colon; *text moves behind it, to NULL at the end. */
static bool take(const char **text, char *out, size_t cap)
{
    if (*text == NULL)
        return false;
    size_t len = strcspn(*text, ":");
    if (len == 0 || len >= cap)
        return false;
    memcpy(out, *text, len);
    out[len] = '\0';
    *text = (*text)[len] == ':' ? *text + len + 1 : NULL;
    return true;
}

static bool parse_arn(const char *text, struct layer_name *name)
{
    char part[LAYER_NAME_MAX + 1], number[LAYER_NAME_MAX + 1];
    int64_t value;
    if (!take(&text, part, sizeof(part)) || !str_eq(part, "arn") || !take(&text, part, sizeof(part)) || !take(&text, part, sizeof(part)) ||
        !str_eq(part, "lambda") || !take(&text, name->region, sizeof(name->region)) || !take(&text, name->account, sizeof(name->account)) ||
        !take(&text, part, sizeof(part)) || !str_eq(part, "layer") || !take(&text, name->name, sizeof(name->name)))
        return false;
    if (text == NULL)
        return true;
    if (!take(&text, number, sizeof(number)) || text != NULL || strspn(number, "0123456789") != strlen(number))
        return false;
    name->number = str_to_i64(number, 0, INT64_MAX, &value) ? (uint64_t)value : INT64_MAX; /* none has that many */
    return true;
}

int layer_name_parse(const char *text, const char *account, const char *region, struct layer_name *ret_name, struct err *err)
{
    struct layer_name name = {0};
    bool parsed = str_starts(text, "arn:")
                      ? parse_arn(text, &name)
                      : account != NULL && strchr(text, ':') == NULL && *text != '\0' &&
                            str_copy(name.account, sizeof(name.account), account) && str_copy(name.region, sizeof(name.region), region) &&
                            str_copy(name.name, sizeof(name.name), text);
    if (!parsed)
        return err_set(err, ERR_INVALID, "'%.200s' is not the name or ARN of a layer", text);
    *ret_name = name;
    return 0;
}

void layer_name_arn(const struct layer_name *name, uint64_t number, char *out)
{
    int len = snprintf(out, LAYER_ARN_BYTES, "arn:%s:lambda:%s:%s:layer:%s", arn_partition(name->region), name->region, name->account,
                       name->name);
    if (number > 0)
        snprintf(out + len, LAYER_ARN_BYTES - (size_t)len, ":%" PRIu64, number);
}
