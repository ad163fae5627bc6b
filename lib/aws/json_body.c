/* JSON bodies. An archive of 50 MB is 67 MB of base64 in the middle of one, and a JSON tree of that costs a
 * third of a second: so the text is scanned once for the members that the operation's row lists as blobs,
 * their strings are cut out (aws_call.blob points at them in the body), and only the rest, a few hundred
 * bytes, is parsed into a tree. */
#include "lib/aws/codec.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"
#include "lib/json/json.h"

#define PATH_BYTES_MAX 256

struct scan {
    const char *p, *end;
    const char *const *blobs;
    char path[PATH_BYTES_MAX];          /* the member we are at, dots between names; '[' inside an array: nothing there
                                           is a blob that we cut */
    size_t path_at[JSON_DEPTH_MAX + 1]; /* length of path where each object or array began */
    bool in_object[JSON_DEPTH_MAX + 1];
    size_t depth;
    bool key_next;
};

/* p is behind an opening quote: returns where the closing quote is, NULL if there is none. *escaped: a
 * backslash inside. */
static const char *string_end(const char *p, const char *end, bool *escaped)
{
    *escaped = false;
    for (const char *at = p; at < end;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (!quote)
            return NULL;
        const char *slash = memchr(at, '\\', (size_t)(quote - at));
        if (!slash)
            return quote;
        *escaped = true;
        at = slash + 2;
    }
    return NULL;
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n'))
        s->p++;
}

/* The key's text into out; false if it is too long to be one of ours. Escapes in a key are rare: the parser
 * reads them. */
static bool read_key(const char *p, const char *quote, bool escaped, char *out, size_t cap)
{
    CLEANUP(json_freep) cJSON *tree = NULL;
    if (escaped && json_parse(p - 1, (size_t)(quote - p) + 2, &tree, NULL) < 0)
        return false;
    size_t n = escaped ? strlen(tree->valuestring) : (size_t)(quote - p);
    if (n >= cap)
        return false;
    memcpy(out, escaped ? tree->valuestring : p, n);
    out[n] = '\0';
    return true;
}

static const char *wanted(const struct scan *s)
{
    for (size_t i = 0; s->blobs[i]; i++)
        if (str_eq(s->blobs[i], s->path))
            return s->blobs[i];
    return NULL;
}

/* The ASCII character whose escape begins at p and is *ret_bytes long; '\0' if it is none: whoever decodes the base64 refuses the
 * backslash. */
static char unescape(const char *p, const char *quote, size_t *ret_bytes)
{
    char hex[5] = "";
    *ret_bytes = 2;
    if (quote - p >= 2 && p[1] == '/')
        return '/';
    if (quote - p < 6 || p[1] != 'u')
        return '\0';
    memcpy(hex, p + 2, 4);
    if (strspn(hex, "0123456789abcdefABCDEF") != 4)
        return '\0';
    *ret_bytes = 6;
    unsigned long code = strtoul(hex, NULL, 16);
    return code < 0x80 ? (char)code : '\0';
}

/* Base64 has no character that JSON must escape, but some writers escape the slash (PHP), the plus (.NET) or the equals sign (Gson):
 * then raw is a copy without. */
static void keep_blob(struct aws_call *call, const char *name, const char *p, const char *quote, bool escaped)
{
    struct aws_blob *blob = &call->blob[call->blob_count];
    *blob = (struct aws_blob){.member = name, .raw = aws_slice(p, (size_t)(quote - p))};
    if (escaped) {
        char *copy = malloc(blob->raw.n + 1), *out = copy;
        if (!copy)
            abort();
        while (p < quote) {
            size_t bytes;
            char c = *p == '\\' ? unescape(p, quote, &bytes) : '\0';
            *out++ = c ? c : *p;
            p += c ? bytes : 1;
        }
        call->blob_copy[call->blob_count] = copy;
        blob->raw = aws_slice(copy, (size_t)(out - copy));
    }
    call->blob_count++;
}

/* At a key: makes it the end of the path. If its value is a blob's string, the blob is kept and p is left at
 * the string's content, *ret_after behind it. */
static bool read_member(struct scan *s, struct aws_call *call, const char **ret_after)
{
    bool escaped;
    const char *quote = string_end(s->p + 1, s->end, &escaped);
    if (!quote)
        return false;
    size_t at = s->path_at[s->depth];
    if (at && at + 1 < PATH_BYTES_MAX)
        s->path[at++] = '.';
    if (!read_key(s->p + 1, quote, escaped, s->path + at, PATH_BYTES_MAX - at))
        str_copy(s->path + at, PATH_BYTES_MAX - at, "?");
    s->key_next = false;
    s->p = quote + 1;
    skip_space(s);
    if (s->p == s->end || *s->p != ':')
        return false;
    s->p++;
    skip_space(s);
    const char *name = wanted(s);
    if (!name || s->p == s->end || *s->p != '"' || call->blob_count == AWS_BLOBS_MAX)
        return true;
    s->p++;
    quote = string_end(s->p, s->end, &escaped);
    if (!quote)
        return false;
    keep_blob(call, name, s->p, quote, escaped);
    *ret_after = quote;
    return true;
}

static bool open_level(struct scan *s, bool object)
{
    if (s->depth == JSON_DEPTH_MAX)
        return false;
    size_t at = strlen(s->path);
    s->path_at[++s->depth] = at;
    s->in_object[s->depth] = s->key_next = object;
    if (!object)
        str_copy(s->path + at, PATH_BYTES_MAX - at, "[");
    return true;
}

/* One token; false where the text is no JSON that we could follow. */
static bool step(struct scan *s, struct aws_call *call, const char **ret_after)
{
    bool escaped;
    const char *quote;
    switch (*s->p) {
    case '"':
        if (s->key_next)
            return read_member(s, call, ret_after);
        quote = string_end(s->p + 1, s->end, &escaped);
        if (!quote)
            return false;
        s->p = quote;
        break;
    case '{':
    case '[':
        if (!open_level(s, *s->p == '{'))
            return false;
        break;
    case '}':
    case ']':
        if (s->depth == 0)
            return false;
        s->path[s->path_at[s->depth--]] = '\0';
        s->key_next = false;
        break;
    case ',':
        s->key_next = s->in_object[s->depth];
        break;
    default:
        break;
    }
    s->p++;
    return true;
}

/* Copies the text to out without the blobs' content; returns the length. What is no JSON is copied as it is:
 * the parser finds the fault. */
static size_t cut_blobs(struct aws_call *call, struct http_slice text, char *out)
{
    struct scan s = {.p = text.p, .end = text.p + text.n, .blobs = call->op->blobs};
    const char *from = text.p;
    size_t n = 0;
    while (s.p < s.end) {
        const char *after = NULL;
        if (!step(&s, call, &after))
            break;
        if (after) {
            memcpy(out + n, from, (size_t)(s.p - from));
            n += (size_t)(s.p - from);
            from = after;
            s.p = after + 1;
        }
    }
    memcpy(out + n, from, (size_t)(s.end - from));
    return n + (size_t)(s.end - from);
}

/* At least as many as the text has: one behind each opening and each comma. */
static size_t count_values(struct http_slice text)
{
    size_t count = 1;
    bool escaped;
    for (const char *p = text.p, *end = text.p + text.n; p < end; p++) {
        if (*p == '"' && !(p = string_end(p + 1, end, &escaped)))
            break;
        count += *p == ',' || *p == '{' || *p == '[';
    }
    return count;
}

static int parse_text(const struct aws_call *call, struct http_slice text, cJSON **ret_tree, struct aws_error *error)
{
    struct err err;
    if (text.n > AWS_JSON_BYTES_MAX)
        return aws_error_set(error, "RequestEntityTooLargeException", "Request must be smaller than %d bytes for the %s operation",
                             AWS_JSON_BYTES_MAX, call->op->name);
    if (text.n > AWS_JSON_VALUES_MAX && count_values(text) > AWS_JSON_VALUES_MAX)
        return aws_error_set(error, "SerializationException", "Could not parse request body into json: more than %d values",
                             AWS_JSON_VALUES_MAX);
    if (json_parse(text.p, text.n, ret_tree, &err) < 0)
        return aws_error_set(error, "SerializationException", "Could not parse request body into json: %s", err.msg);
    return 0;
}

int aws_json_body(struct aws_call *call, struct http_slice text, const struct aws_shape *shape, cJSON **ret_tree, struct aws_error *error)
{
    CLEANUP(json_freep) cJSON *tree = NULL;
    CLEANUP(freep) char *rest = NULL;
    if (call->op->blobs) {
        rest = malloc(text.n + 1);
        if (!rest)
            abort();
        text = aws_slice(rest, cut_blobs(call, text, rest));
    }
    if (parse_text(call, text, &tree, error) < 0)
        return -1;
    if (aws_tree_in(shape, tree, error) < 0)
        return -1;
    *ret_tree = STEAL(tree);
    return 0;
}
