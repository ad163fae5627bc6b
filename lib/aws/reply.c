/* A reply under construction: headers' values share one block, so that a reply is freed at once. */
#include "lib/aws/codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STORE_BYTES_MAX (1024 * 1024) /* of all header values of a reply */

static size_t keep(struct buf *store, const char *prefix, const char *text)
{
    size_t at = store->len;
    if (buf_puts(store, prefix) < 0 || buf_puts(store, text) < 0 || buf_putc(store, '\0') < 0)
        abort();
    return at + 1;
}

void aws_writer_begin(struct aws_writer *w, const struct aws_call *call, int status, struct aws_reply *reply)
{
    memset(w, 0, sizeof *w);
    memset(reply, 0, sizeof *reply);
    w->reply = reply;
    w->store = BUF_INIT(STORE_BYTES_MAX);
    reply->status = status;
    aws_writer_header(w, "x-amzn-RequestId", call->request_id);
}

static size_t add(struct aws_writer *w, const char *value)
{
    assert(w->reply->header_count < AWS_REPLY_HEADERS_MAX);
    size_t i = w->reply->header_count++;
    w->value_at[i] = keep(&w->store, "", value);
    return i;
}

void aws_writer_header(struct aws_writer *w, const char *name, const char *value)
{
    w->reply->headers[add(w, value)].name = name;
}

void aws_writer_header_copy_name(struct aws_writer *w, const char *prefix, const char *name, const char *value)
{
    size_t i = add(w, value);
    w->name_at[i] = keep(&w->store, prefix, name);
}

void aws_writer_end(struct aws_writer *w, char *body, size_t len)
{
    struct aws_reply *reply = w->reply;
    reply->store = buf_steal(&w->store);
    for (size_t i = 0; i < reply->header_count; i++) {
        reply->headers[i].value = reply->store + w->value_at[i] - 1;
        if (w->name_at[i])
            reply->headers[i].name = reply->store + w->name_at[i] - 1;
    }
    reply->body = body;
    reply->body_len = len;
}

void aws_reply_free(struct aws_reply *reply)
{
    free(reply->body);
    free(reply->store);
    memset(reply, 0, sizeof *reply);
}
