/* URI templates of the models: literals, {Label}, greedy {Label+}, and constant query parameters after '?'
 * (https://smithy.io/2.0/spec/http-bindings.html#http-trait). A trailing slash of the path is of no account:
 * older clients send one where the template has none. */
#include "lib/aws/codec.h"

#include <string.h>

static bool query_has(struct http_slice query, struct http_slice wanted)
{
    struct http_slice want_value = wanted, want_key = aws_cut(&want_value, '='), key, value;
    while (aws_next_pair(&query, &key, &value))
        if (key.n == want_key.n && memcmp(key.p, want_key.p, key.n) == 0 &&
            (!want_value.p || (value.n == want_value.n && memcmp(value.p, want_value.p, value.n) == 0)))
            return true;
    return false;
}

/* Constant parameters outweigh literals of the path: the same path without them is another operation. */
#define QUERY_WEIGHT 1000

static int match_query(const char *wanted, struct http_slice query)
{
    struct http_slice rest = aws_slice(wanted, strlen(wanted));
    int score = 0;
    while (rest.p) {
        if (!query_has(query, aws_cut(&rest, '&')))
            return -1;
        score += QUERY_WEIGHT;
    }
    return score;
}

int aws_uri_match(const char *t, struct http_slice path, struct http_slice query, struct http_slice *labels)
{
    const char *p = path.p, *end = path.p + path.n;
    int score = 0;
    while (*t && *t != '?') {
        if (*t != '{') {
            if (p == end || *p != *t)
                return -1;
            p++, t++, score++;
            continue;
        }
        const char *close = strchr(t, '}');
        bool greedy = close[-1] == '+';
        t = close + 1;
        const char *stop;
        if (greedy) { /* what follows a greedy label is literal */
            size_t tail = strcspn(t, "?");
            if ((size_t)(end - p) <= tail)
                return -1;
            stop = end - tail;
        } else {
            stop = memchr(p, '/', (size_t)(end - p));
            stop = stop ? stop : end;
        }
        if (stop == p)
            return -1;
        *labels++ = aws_slice(p, (size_t)(stop - p));
        p = stop;
    }
    if (p + 1 == end && *p == '/')
        p++;
    if (p != end)
        return -1;
    int more = *t == '?' ? match_query(t + 1, query) : 0;
    return more < 0 ? -1 : score + more;
}
