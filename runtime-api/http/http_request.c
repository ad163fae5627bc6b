/* Request heads; see http_request.h. picohttpparser splits, this file judges: header names must be tokens without white space
 * before the colon, nothing may be folded, and a body has either one decimal length or one "chunked", never both. */
#include "runtime-api/http/http_request.h"

#include <string.h>
#include <strings.h>

#include "runtime-api/session_state.h"

static bool is_token(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] <= ' ' || p[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", p[i]))
            return false;
    return n > 0;
}

bool http_text_is(struct http_text text, const char *other)
{
    return strlen(other) == text.n && memcmp(text.p, other, text.n) == 0;
}

static bool is_any_case(struct http_text text, const char *other)
{
    return strlen(other) == text.n && strncasecmp(text.p, other, text.n) == 0;
}

void http_text_copy(struct http_text text, char *out, size_t cap)
{
    size_t n = text.n < cap ? text.n : cap - 1;
    if (n)
        memcpy(out, text.p, n);
    out[n] = '\0';
}

bool http_header(const struct phr_header *headers, size_t count, const char *name, struct http_text *ret_value)
{
    for (size_t i = 0; i < count; i++) {
        if (is_any_case((struct http_text){headers[i].name, headers[i].name_len}, name)) {
            *ret_value = (struct http_text){headers[i].value, headers[i].value_len};
            return true;
        }
    }
    return false;
}

bool http_request_header(const struct http_request *request, const char *name, struct http_text *ret_value)
{
    return http_header(request->headers, request->header_count, name, ret_value);
}

static int check_headers(struct phr_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct phr_header *h = &headers[i];
        if (!h->name || !is_token(h->name, h->name_len))
            return -400;
        if (h->value_len > LIMIT_HEADER_BYTES)
            return -431;
        while (h->value_len && (h->value[h->value_len - 1] == ' ' || h->value[h->value_len - 1] == '\t'))
            h->value_len--;
        if (memchr(h->value, '\0', h->value_len))
            return -400;
    }
    return 0;
}

static int count_headers(const struct http_request *r, const char *name)
{
    int count = 0;
    for (size_t i = 0; i < r->header_count; i++)
        count += is_any_case((struct http_text){r->headers[i].name, r->headers[i].name_len}, name);
    return count;
}

static bool read_length(struct http_text text, uint64_t *ret_length)
{
    uint64_t length = 0;
    if (text.n == 0 || text.n > 18)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        length = length * 10 + (uint64_t)(text.p[i] - '0');
    }
    *ret_length = length;
    return true;
}

static int read_framing(struct http_request *r, int minor)
{
    struct http_text value;
    int lengths = count_headers(r, "Content-Length"), codings = count_headers(r, "Transfer-Encoding");
    r->framing = HTTP_NO_BODY;
    if (lengths + codings > 1)
        return -400;
    if (codings) {
        http_request_header(r, "Transfer-Encoding", &value);
        if (minor == 0)
            return -400;
        if (!is_any_case(value, "chunked"))
            return -501;
        r->framing = HTTP_CHUNKED;
    } else if (lengths) {
        http_request_header(r, "Content-Length", &value);
        if (!read_length(value, &r->length))
            return -400;
        r->framing = r->length ? HTTP_LENGTH : HTTP_NO_BODY;
    }
    return 0;
}

/* Whether a list like "keep-alive, close" has the word. */
static bool list_has(struct http_text list, const char *word)
{
    while (list.n) {
        const char *comma = memchr(list.p, ',', list.n);
        struct http_text item = {list.p, comma ? (size_t)(comma - list.p) : list.n};
        list.n -= item.n + (comma != NULL);
        list.p += item.n + (comma != NULL);
        while (item.n && (*item.p == ' ' || *item.p == '\t'))
            item.p++, item.n--;
        while (item.n && (item.p[item.n - 1] == ' ' || item.p[item.n - 1] == '\t'))
            item.n--;
        if (is_any_case(item, word))
            return true;
    }
    return false;
}

int http_request_parse(const char *data, size_t len, size_t last_len, struct http_request *ret_request)
{
    struct http_request *r = ret_request;
    struct http_text value;
    int minor;
    r->header_count = HTTP_HEADERS_MAX;
    r->length = 0;
    int used = len == 0 ? -2
                        : phr_parse_request(data, len, &r->method.p, &r->method.n, &r->path.p, &r->path.n, &minor, r->headers,
                                            &r->header_count, last_len);
    if (used == -2 || used > LIMIT_HEAD_BYTES)
        return len > LIMIT_HEAD_BYTES ? -431 : 0;
    if (used < 0)
        return r->header_count == HTTP_HEADERS_MAX ? -431 : -400;
    if (minor != 0 && minor != 1)
        return -505;
    if (!is_token(r->method.p, r->method.n) || r->path.n == 0)
        return -400;
    int rc = check_headers(r->headers, r->header_count);
    if (rc == 0)
        rc = read_framing(r, minor);
    if (rc < 0)
        return rc;
    const char *query = memchr(r->path.p, '?', r->path.n);
    if (query)
        r->path.n = (size_t)(query - r->path.p);
    bool has = http_request_header(r, "Connection", &value);
    r->keep_alive = minor == 1 ? !(has && list_has(value, "close")) : has && list_has(value, "keep-alive");
    r->wants_continue = minor == 1 && http_request_header(r, "Expect", &value) && is_any_case(value, "100-continue");
    return used;
}

int http_trailers_parse(const char *data, size_t len, size_t last_len, struct phr_header *headers, size_t *ret_count)
{
    /* The parser's check for a whole block looks for two line ends: one alone is a block without trailers. */
    if (len >= 2 && data[0] == '\r' && data[1] == '\n') {
        *ret_count = 0;
        return 2;
    }
    if (len < 2 || data[0] == '\r')
        return len < 2 ? 0 : -400;
    *ret_count = HTTP_HEADERS_MAX;
    int used = phr_parse_headers(data, len, headers, ret_count, last_len < 2 ? 0 : last_len);
    if (used == -2 || used > LIMIT_HEAD_BYTES)
        return len > LIMIT_HEAD_BYTES ? -431 : 0;
    if (used < 0)
        return -400;
    int rc = check_headers(headers, *ret_count);
    return rc < 0 ? rc : used;
}
