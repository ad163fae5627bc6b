/* Pieces of HTTP text: comparing, cutting at separators, percent-decoding (RFC 3986 section 2.1; forms as in
 * the URL standard's application/x-www-form-urlencoded). */
#include "lib/aws/codec.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"

bool aws_slice_is(struct http_slice s, const char *text)
{
    return s.p && s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

bool aws_slice_starts(struct http_slice s, const char *text)
{
    size_t n = strlen(text);
    return s.p && s.n >= n && memcmp(s.p, text, n) == 0;
}

struct http_slice aws_header(const struct aws_request *request, const char *name)
{
    return request->header ? request->header(request->arg, name) : aws_slice(NULL, 0);
}

struct http_slice aws_cut(struct http_slice *rest, char sep)
{
    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    struct http_slice piece = *rest;
    if (at) {
        piece.n = (size_t)(at - rest->p);
        *rest = aws_slice(at + 1, rest->n - piece.n - 1);
    } else {
        *rest = aws_slice(NULL, 0);
    }
    return piece;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *aws_decode(struct http_slice s, bool plus)
{
    char *out = malloc(s.n + 1);
    if (!out)
        abort();
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%' && s.n - i > 2 && hex_digit(s.p[i + 1]) >= 0 && hex_digit(s.p[i + 2]) >= 0) {
            c = (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2]));
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = '\0';
    if (memchr(out, '\0', n) || !str_is_utf8(out, n)) {
        free(out);
        return NULL;
    }
    return out;
}

size_t aws_utf8_cut(const char *text, size_t max)
{
    size_t n = strlen(text);
    if (n <= max)
        return n;
    while (max && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

bool aws_next_pair(struct http_slice *rest, struct http_slice *ret_key, struct http_slice *ret_value)
{
    while (rest->p && rest->n) {
        struct http_slice value = aws_cut(rest, '&');
        if (value.n == 0)
            continue;
        *ret_key = aws_cut(&value, '=');
        *ret_value = value.p ? value : aws_slice("", 0);
        return true;
    }
    return false;
}
