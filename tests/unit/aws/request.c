/* HTTP requests from text, for tests. */
#include "tests/unit/aws/request.h"

#include <string.h>
#include <strings.h>

static struct http_slice header(const void *arg, const char *name)
{
    const struct request *request = arg;
    for (size_t i = 0; i < request->count; i++)
        if (request->name[i].n == strlen(name) && strncasecmp(request->name[i].p, name, request->name[i].n) == 0)
            return request->value[i];
    return (struct http_slice){0};
}

static void each_header(const void *arg, void (*fn)(void *, struct http_slice, struct http_slice), void *fn_arg)
{
    const struct request *request = arg;
    for (size_t i = 0; i < request->count; i++)
        fn(fn_arg, request->name[i], request->value[i]);
}

/* What is before the first sep, and *rest behind it. */
static struct http_slice cut(struct http_slice *rest, char sep)
{
    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    struct http_slice piece = *rest;
    if (!at) {
        *rest = (struct http_slice){rest->p + rest->n, 0};
        return piece;
    }
    piece.n = (size_t)(at - rest->p);
    *rest = (struct http_slice){at + 1, rest->n - piece.n - 1};
    return piece;
}

void request_read(struct request *request, const char *text, size_t len)
{
    struct http_slice rest = {text, len}, line = cut(&rest, '\n');
    memset(request, 0, sizeof *request);
    request->r.method = cut(&line, ' ');
    request->r.path = cut(&line, '?');
    request->r.query = line;
    while ((line = cut(&rest, '\n')).n) {
        struct http_slice name = cut(&line, ':');
        while (line.n && *line.p == ' ')
            line = (struct http_slice){line.p + 1, line.n - 1};
        if (request->count == REQUEST_HEADERS_MAX)
            continue;
        request->name[request->count] = name;
        request->value[request->count++] = line;
    }
    request->r.body = rest;
    request->r.header = header;
    request->r.each_header = each_header;
    request->r.arg = request;
}
