/* One HTTP/1.1 request head: parsed, and refused where two readers could disagree about where its body ends. Pure functions on
 * bytes; loop thread only.
 *
 *     int used = http_request_parse(data, len, last_len, &request);   // 0: more; < 0: -status to answer before closing
 *     const struct http_text *type = http_request_header(&request, "Content-Type");
 *
 * Sources: RFC 9112 sections 5, 6 and 7; RFC 9110 section 10.1.1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/http/phr.h"

#define HTTP_HEADERS_MAX 128

struct http_text { /* borrowed, not terminated */
    const char *p;
    size_t n;
};

enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED };

struct http_request {
    struct http_text method, path; /* path without the query */
    struct phr_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    enum http_framing framing;
    uint64_t length; /* of HTTP_LENGTH; claimed, not believed */
    bool keep_alive;
    bool wants_continue;
};

/* The head's length; 0 when more is needed; -400, -431, -501 or -505. All texts point into data. */
int http_request_parse(const char *data, size_t len, size_t last_len, struct http_request *ret_request);
/* The block behind the last chunk; the same results. */
int http_trailers_parse(const char *data, size_t len, size_t last_len, struct phr_header *headers, size_t *ret_count);

/* The first header of that name (any case); false without one. */
bool http_header(const struct phr_header *headers, size_t count, const char *name, struct http_text *ret_value);
bool http_request_header(const struct http_request *request, const char *name, struct http_text *ret_value);
bool http_text_is(struct http_text text, const char *other);
/* Copies it NUL-terminated, cut to cap - 1 bytes. */
void http_text_copy(struct http_text text, char *out, size_t cap);
