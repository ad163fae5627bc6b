/* The request codec on arbitrary bytes: an HTTP request as text, routed, parsed and answered with an error or
 * an empty output. Nothing may crash, leak or leave the input's bounds; what is parsed must be printable. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/aws/aws.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"
#include "tests/unit/aws/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int blobs_inside(const struct aws_call *call, const char *data, size_t size)
{
    for (size_t i = 0; i < call->blob_count; i++) {
        struct http_slice raw = call->blob[i].raw;
        if (!call->blob_copy[i] && (raw.p < data || raw.p + raw.n > data + size))
            return 0;
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request request;
    struct aws_call call;
    struct aws_error error = {0};
    struct aws_reply reply = {0};
    request_read(&request, (const char *)data, size);
    int rc = aws_route(&request.r, &call, &error);
    if (rc == 0)
        rc = aws_parse(&call, &error);
    if (rc == 0) {
        CLEANUP(freep) char *text = json_print(call.input);
        assert(str_is_utf8(text, strlen(text)));
        assert(blobs_inside(&call, (const char *)data, size));
        aws_write_output(&call, NULL, NULL, 0, &reply);
    } else {
        assert(error.code);
        aws_write_error(&call, &error, &reply);
        assert(reply.status >= 400 && str_is_utf8(reply.body, reply.body_len));
    }
    aws_reply_free(&reply);
    aws_error_free(&error);
    aws_call_free(&call);
    return 0;
}
