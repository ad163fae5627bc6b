/* Names and ARNs of functions. The service model's patterns were checked before a request comes here, but names also
 * come from inside (event sources, the command line's routes), so every part is checked again. */
#include "host/registry/function_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/strutil.h"

#define PARTS_MAX 9

/* Splits text at ':' in place. Returns the number of parts, PARTS_MAX at most. */
static size_t split(char *text, char *parts[PARTS_MAX])
{
    size_t n = 0;
    for (char *p = text; n < PARTS_MAX; p++) {
        parts[n++] = p;
        p = strchr(p, ':');
        if (p == NULL)
            break;
        *p = '\0';
    }
    return n;
}

static bool is_account(const char *s)
{
    return strlen(s) == 12 && strspn(s, "0123456789") == 12;
}

static bool is_name(const char *s)
{
    size_t len = strlen(s);
    if (len == 0 || len > FUNCTION_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.')
            return false;
    return true;
}

static bool is_qualifier(const char *s)
{
    size_t len = strlen(s);
    if (len == 0 || len > FUNCTION_QUALIFIER_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '$' && s[i] != '.')
            return false;
    return true;
}

/* Which part is what: the leading ARN, account and "function" are optional, as in the model's pattern. */
struct shape {
    const char *region, *account, *name, *qualifier;
};

static bool read_shape(char **part, size_t n, struct shape *shape)
{
    size_t i = 0;
    if (n >= 7 && str_eq(part[0], "arn") && str_starts(part[1], "aws") && str_eq(part[2], "lambda")) {
        shape->region = part[3];
        shape->account = part[4];
        if (!str_eq(part[5], "function"))
            return false;
        i = 6;
    } else {
        if (n >= 3 && is_account(part[1]))
            shape->region = part[i++];
        if (i + 1 < n && is_account(part[i]))
            shape->account = part[i++];
        if (i + 1 < n && str_eq(part[i], "function"))
            i++;
    }
    if (i >= n || n - i > 2)
        return false;
    shape->name = part[i];
    shape->qualifier = i + 1 < n ? part[i + 1] : NULL;
    return is_name(shape->name) && (shape->qualifier == NULL || is_qualifier(shape->qualifier));
}

int function_name_parse(const char *identifier, const char *qualifier, const char *account, const char *region,
                        struct function_name *ret_name, struct err *err)
{
    char text[FUNCTION_ARN_BYTES];
    char *part[PARTS_MAX];
    struct shape shape = {0};
    if (!str_copy(text, sizeof(text), identifier) || !read_shape(part, split(text, part), &shape))
        return err_set(err, ERR_INVALID, "'%s' is not the name or ARN of a function", identifier);
    if (qualifier != NULL && *qualifier == '\0')
        qualifier = NULL;
    if (qualifier != NULL && !is_qualifier(qualifier))
        return err_set(err, ERR_INVALID, "'%s' is not a qualifier", qualifier);
    if (shape.qualifier != NULL && qualifier != NULL && !str_eq(shape.qualifier, qualifier))
        return err_set(err, ERR_INVALID,
                       "The derived qualifier from the function name does not match the specified qualifier.");
    if (shape.region != NULL && !str_eq(shape.region, region))
        return err_set(err, ERR_NOT_FOUND, "Functions from '%s' are not reachable in this region ('%s')", shape.region,
                       region);

    struct function_name name = {0};
    if (!str_copy(name.account, sizeof(name.account), account) || !str_copy(name.region, sizeof(name.region), region))
        return err_set(err, ERR_INVALID, "account '%s' or region '%s' is malformed", account, region);
    if (shape.qualifier == NULL)
        shape.qualifier = qualifier;
    (void)str_copy(name.name, sizeof(name.name), shape.name);
    if (shape.qualifier != NULL)
        (void)str_copy(name.qualifier, sizeof(name.qualifier), shape.qualifier);
    if (shape.account != NULL && !str_eq(shape.account, account)) {
        char arn[FUNCTION_ARN_BYTES];
        (void)str_copy(name.account, sizeof(name.account), shape.account);
        function_name_arn(&name, name.qualifier, arn);
        return err_set(err, ERR_DENIED,
                       "User: arn:aws:iam::%s:root is not authorized to access resource: %s because no resource-based "
                       "policy allows it",
                       account, arn);
    }
    *ret_name = name;
    return 0;
}

void function_name_arn(const struct function_name *name, const char *qualifier, char *out)
{
    bool has = qualifier != NULL && *qualifier != '\0';
    snprintf(out, FUNCTION_ARN_BYTES, "arn:aws:lambda:%s:%s:function:%s%s%s", name->region, name->account, name->name,
             has ? ":" : "", has ? qualifier : "");
}
