/* HTTP requests for tests of lib/aws, from text: "POST /path?query\nname: value\n...\n\nbody" (lines end in
 * \n). Everything is borrowed from the text. */
#pragma once

#include "lib/aws/aws.h"

#define REQUEST_HEADERS_MAX 16

struct request {
    struct aws_request r; /* r.arg is the struct request */
    struct http_slice name[REQUEST_HEADERS_MAX], value[REQUEST_HEADERS_MAX];
    size_t count;
};

void request_read(struct request *request, const char *text, size_t len);
