/* Small helpers on strings that libc lacks. */
#include "lib/base/strutil.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return n >= k && memcmp(s + n - k, suffix, k) == 0;
}

bool str_copy(char *out, size_t cap, const char *text)
{
    size_t n = strlen(text), k = n < cap ? n : cap - 1;
    memcpy(out, text, k);
    out[k] = '\0';
    return n < cap;
}

bool str_to_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    const char *digits = *text == '-' ? text + 1 : text;
    if (!*digits || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    long long v = strtoll(text, NULL, 10);
    if (errno || v < min || v > max)
        return false;
    *ret = v;
    return true;
}

char *str_dup(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        abort();
    return copy;
}

char *str_format(const char *fmt, ...)
{
    char *text;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        abort();
    return text;
}

bool str_is_utf8(const char *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data, *end = p + len;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        size_t more;
        unsigned lo = 0x80, hi = 0xbf; /* of the second byte: no overlong form, no surrogate, nothing past U+10FFFF */
        if (*p >= 0xc2 && *p <= 0xdf)
            more = 1;
        else if (*p >= 0xe0 && *p <= 0xef) {
            more = 2;
            lo = *p == 0xe0 ? 0xa0 : lo;
            hi = *p == 0xed ? 0x9f : hi;
        } else if (*p >= 0xf0 && *p <= 0xf4) {
            more = 3;
            lo = *p == 0xf0 ? 0x90 : lo;
            hi = *p == 0xf4 ? 0x8f : hi;
        } else
            return false;
        if ((size_t)(end - p) <= more || p[1] < lo || p[1] > hi)
            return false;
        for (size_t i = 2; i <= more; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        p += more + 1;
    }
    return true;
}
