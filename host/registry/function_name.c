/* Names of functions against the caller who writes them: lib/aws takes the text apart, here its account, region and
 * qualifier meet those of the request. */
#include "host/registry/function_name.h"

#include <ctype.h>
#include <string.h>

#include "lib/aws/arn.h"
#include "lib/base/strutil.h"

_Static_assert(FUNCTION_NAME_MAX + 1 == ARN_NAME_BYTES && FUNCTION_QUALIFIER_MAX + 1 == ARN_QUALIFIER_BYTES &&
                   FUNCTION_ARN_BYTES == ARN_FUNCTION_BYTES,
               "the same names");

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

int function_name_parse(const char *identifier, const char *qualifier, const char *account, const char *region,
                        struct function_name *ret_name, struct err *err)
{
    struct arn_function parsed;
    struct err why;
    if (arn_function_parse(identifier, &parsed, &why) < 0 || (str_starts(identifier, "arn:") && strstr(identifier, ":function:") == NULL))
        return err_set(err, ERR_INVALID, "'%.200s' is not the name or ARN of a function", identifier);
    if (qualifier != NULL && *qualifier == '\0')
        qualifier = NULL;
    if (qualifier != NULL && !is_qualifier(qualifier))
        return err_set(err, ERR_INVALID, "'%s' is not a qualifier", qualifier);
    if (*parsed.qualifier != '\0' && qualifier != NULL && !str_eq(parsed.qualifier, qualifier))
        return err_set(err, ERR_INVALID, "The derived qualifier from the function name does not match the specified qualifier.");
    if (*parsed.region != '\0' && !str_eq(parsed.region, region))
        return err_set(err, ERR_NOT_FOUND, "Functions from '%s' are not reachable in this region ('%s')", parsed.region, region);

    struct function_name name = {0};
    if (!str_copy(name.account, sizeof(name.account), account) || !str_copy(name.region, sizeof(name.region), region))
        return err_set(err, ERR_INVALID, "account '%s' or region '%s' is malformed", account, region);
    (void)str_copy(name.name, sizeof(name.name), parsed.name);
    (void)str_copy(name.qualifier, sizeof(name.qualifier), *parsed.qualifier != '\0' || qualifier == NULL ? parsed.qualifier : qualifier);
    if (*parsed.account != '\0' && !str_eq(parsed.account, account)) {
        char arn[FUNCTION_ARN_BYTES];
        (void)str_copy(name.account, sizeof(name.account), parsed.account);
        function_name_arn(&name, name.qualifier, arn);
        return err_set(err, ERR_DENIED,
                       "User: arn:aws:iam::%s:root is not authorized to access resource: %s because no resource-based "
                       "policy allows it",
                       account, arn);
    }
    *ret_name = name;
    return 0;
}

bool function_name_version(const char *qualifier, uint64_t *ret_number)
{
    int64_t number;
    if (*qualifier < '1' || *qualifier > '9' || !str_to_i64(qualifier, 1, INT64_MAX, &number))
        return false;
    *ret_number = (uint64_t)number;
    return true;
}

void function_name_arn(const struct function_name *name, const char *qualifier, char *out)
{
    arn_function_format(name->region, name->account, name->name, qualifier, out);
}
