/* A JSON checker: one pass, no memory, a bit per level of nesting. */
#include "lib/json/json_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/strutil.h"

struct checker {
    const char *p, *end;
    const char *what; /* why it failed */
    size_t depth;
    uint8_t is_object[(JSON_CHECK_DEPTH_MAX + 8) / 8]; /* a bit per level, else it is an array */
};

static bool fail(struct checker *c, const char *what)
{
    c->what = what;
    return false;
}

static void skip_space(struct checker *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
        c->p++;
}

static bool digits(struct checker *c)
{
    const char *from = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
        c->p++;
    return c->p > from || fail(c, "expected a digit");
}

static bool number(struct checker *c)
{
    if (*c->p == '-')
        c->p++;
    if (c->p < c->end && *c->p == '0')
        c->p++;
    else if (!digits(c))
        return false;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        if (!digits(c))
            return false;
    }
    if (c->p < c->end && (*c->p == 'e' || *c->p == 'E')) {
        c->p++;
        if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
            c->p++;
        return digits(c);
    }
    return true;
}

static bool hex4(struct checker *c)
{
    for (int i = 0; i < 4; i++, c->p++)
        if (c->p >= c->end || memchr("0123456789abcdefABCDEF", *c->p, 22) == NULL)
            return fail(c, "expected four hexadecimal digits after \\u");
    return true;
}

static bool string(struct checker *c)
{
    for (c->p++; c->p < c->end;) {
        unsigned char ch = (unsigned char)*c->p;
        if (ch == '"') {
            c->p++;
            return true;
        }
        if (ch < 0x20)
            return fail(c, "control character in a string");
        c->p++;
        if (ch != '\\')
            continue;
        if (c->p >= c->end)
            break;
        if (*c->p == 'u') {
            c->p++;
            if (!hex4(c))
                return false;
        } else if (memchr("\"\\/bfnrt", *c->p, 8) != NULL) {
            c->p++;
        } else {
            return fail(c, "unknown escape in a string");
        }
    }
    return fail(c, "unexpected end of input in a string");
}

static bool word(struct checker *c, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, text, n) != 0)
        return fail(c, "expected a valid value (string, number, array, object or 'null', 'true' or 'false')");
    c->p += n;
    return true;
}

static bool scalar(struct checker *c)
{
    switch (*c->p) {
    case '"':
        return string(c);
    case 't':
        return word(c, "true");
    case 'f':
        return word(c, "false");
    case 'n':
        return word(c, "null");
    default:
        if (*c->p == '-' || (*c->p >= '0' && *c->p <= '9'))
            return number(c);
        return fail(c, "expected a valid value (string, number, array, object or 'null', 'true' or 'false')");
    }
}

static bool in_object(const struct checker *c)
{
    return (c->is_object[(c->depth - 1) / 8] >> ((c->depth - 1) % 8) & 1) != 0;
}

static bool open_level(struct checker *c, bool object)
{
    if (c->depth == JSON_CHECK_DEPTH_MAX)
        return fail(c, "nested too deeply");
    uint8_t bit = (uint8_t)(1u << (c->depth % 8));
    c->is_object[c->depth / 8] = (uint8_t)(object ? c->is_object[c->depth / 8] | bit : c->is_object[c->depth / 8] & ~bit);
    c->depth++;
    c->p++;
    skip_space(c);
    return true;
}

/* A member's name and colon. */
static bool key(struct checker *c)
{
    if (c->p >= c->end || *c->p != '"')
        return fail(c, "expected a double-quoted field name");
    if (!string(c))
        return false;
    skip_space(c);
    if (c->p >= c->end || *c->p != ':')
        return fail(c, "expected a colon after a field name");
    c->p++;
    skip_space(c);
    return true;
}

/* After a value: closes levels and steps over commas. Sets *done at the end of the document. */
static bool after_value(struct checker *c, bool *done)
{
    for (;;) {
        skip_space(c);
        if (c->depth == 0) {
            *done = true;
            return c->p == c->end || fail(c, "unexpected text after the value");
        }
        if (c->p >= c->end)
            return fail(c, "unexpected end of input");
        if (*c->p == ',') {
            c->p++;
            skip_space(c);
            return !in_object(c) || key(c);
        }
        if (*c->p != (in_object(c) ? '}' : ']'))
            return fail(c, in_object(c) ? "expected a comma or '}'" : "expected a comma or ']'");
        c->p++;
        c->depth--;
    }
}

static bool document(struct checker *c)
{
    bool done = false;
    skip_space(c);
    while (!done) {
        if (c->p >= c->end)
            return fail(c, "unexpected end of input");
        if (*c->p == '{' || *c->p == '[') {
            bool object = *c->p == '{';
            if (!open_level(c, object))
                return false;
            bool empty = c->p < c->end && *c->p == (object ? '}' : ']');
            if (!empty) {
                if (object && !key(c))
                    return false;
                continue;
            }
            c->p++;
            c->depth--;
        } else if (!scalar(c)) {
            return false;
        }
        if (!after_value(c, &done))
            return false;
    }
    return true;
}

int json_check(const char *text, size_t len, struct json_fault *ret_fault)
{
    struct checker c = {.p = text, .end = text + len};
    if (document(&c)) {
        if (str_is_utf8(text, len))
            return 0;
        c.what = "invalid UTF-8";
        c.p = text;
    }
    struct json_fault fault = {.line = 1, .column = 1, .what = c.what};
    for (const char *p = text; p < c.p; p++) {
        fault.column++;
        if (*p == '\n') {
            fault.line++;
            fault.column = 1;
        }
    }
    *ret_fault = fault;
    return -1;
}
