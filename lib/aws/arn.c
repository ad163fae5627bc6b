/* Function names and ARNs: cut at colons, the optional parts in front of the name taken off one after the
 * other. */
#include "lib/aws/arn.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/strutil.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

struct piece {
    const char *p;
    size_t n;
};

static bool made_of(struct piece s, const char *allowed)
{
    return s.n > 0 && strspn(s.p, allowed) >= s.n;
}

static bool is(struct piece s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* us-east-1, us-gov-west-1, eusc-de-east-1 */
static bool is_region(struct piece s)
{
    return made_of(s, LETTERS DIGITS "-") && s.n >= 6 && s.p[s.n - 2] == '-' && strchr(DIGITS, s.p[s.n - 1]) &&
           memchr(s.p, '-', s.n) < (const void *)(s.p + s.n - 2);
}

static void copy(struct piece s, char *out)
{
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
}

#define PIECES_MAX 8

int arn_function_parse(const char *text, struct arn_function *ret, struct err *err)
{
    struct piece piece[PIECES_MAX];
    struct arn_function fn = {0};
    size_t count = 0, at = 0;
    for (const char *p = text;; p++) {
        size_t n = strcspn(p, ":");
        if (count == PIECES_MAX)
            return err_set(err, ERR_INVALID, "a function name with more than %d parts", PIECES_MAX);
        piece[count++] = (struct piece){p, n};
        p += n;
        if (!*p)
            break;
    }
    if (count >= 7 && is(piece[0], "arn") && is(piece[2], "lambda"))
        at = 3;
    if (at + 1 < count && is_region(piece[at]) && piece[at].n < sizeof fn.region)
        copy(piece[at++], fn.region);
    if (at + 1 < count && piece[at].n == 12 && made_of(piece[at], DIGITS))
        copy(piece[at++], fn.account);
    if (at + 1 < count && is(piece[at], "function"))
        at++;
    if (!made_of(piece[at], LETTERS DIGITS "-_.") || piece[at].n >= sizeof fn.name)
        return err_set(err, ERR_INVALID, "no function name in '%.160s'", text);
    copy(piece[at++], fn.name);
    if (at < count && made_of(piece[at], LETTERS DIGITS "-_$.") && piece[at].n < sizeof fn.qualifier)
        copy(piece[at++], fn.qualifier);
    if (at != count)
        return err_set(err, ERR_INVALID, "no function name or qualifier: '%.160s'", text);
    *ret = fn;
    return 0;
}

const char *arn_partition(const char *region)
{
    return str_starts(region, "cn-") ? "aws-cn" : str_starts(region, "us-gov-") ? "aws-us-gov" : "aws";
}

void arn_function_format(const char *region, const char *account, const char *name, const char *qualifier, char out[ARN_FUNCTION_BYTES])
{
    bool qualified = qualifier && *qualifier;
    snprintf(out, ARN_FUNCTION_BYTES, "arn:%s:lambda:%s:%s:function:%s%s%s", arn_partition(region), region, account, name,
             qualified ? ":" : "", qualified ? qualifier : "");
}
