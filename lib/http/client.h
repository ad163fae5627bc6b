/* A blocking HTTP client for the command line, the only user of libcurl. Signs like an AWS SDK (SigV4), so that the account
 * and the region travel as they do from any client. One thread.
 *
 *     http_client_new("http://127.0.0.1:4566", "000000000000", "us-east-1", &client, &err);
 *     http_client_call(client, &(struct http_call){.method = "GET", .path = "/2015-03-31/functions"}, &answer, &err);
 *     http_answer_free(&answer);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

struct http_client;

struct http_call {
    const char *method;
    const char *path;           /* with query, already escaped */
    const char *const *headers; /* "Name: value", NULL-terminated; or NULL */
    const void *body;
    size_t body_len;
    long timeout_s; /* 0: none */
    /* Called as the upload or the answer moves on; may be NULL. */
    void (*progress)(void *arg, size_t done, size_t total);
    /* With it, the answer's body is handed over as it comes instead of being collected; non-zero stops. */
    int (*stream)(void *arg, const char *data, size_t len);
    void *arg;
};

struct http_answer {
    int status;
    char *headers; /* "name: value\n" lines, names in lower case; owned */
    char *body;    /* owned, NUL-terminated */
    size_t body_len;
};

int http_client_new(const char *endpoint, const char *access_key, const char *region, struct http_client **ret_client,
                    struct err *err) WARN_UNUSED;
void http_client_free(struct http_client *client);
/* Any HTTP status is a success here; ERR_UNAVAILABLE: nobody answers at the endpoint, ERR_TIMEOUT, ERR_IO. */
int http_client_call(struct http_client *client, const struct http_call *call, struct http_answer *ret_answer, struct err *err) WARN_UNUSED;
void http_answer_free(struct http_answer *answer);
/* The value of a header (name in lower case) copied into out; false if absent or too long. */
bool http_answer_header(const struct http_answer *answer, const char *name, char *out, size_t cap);
/* Percent-escapes one path segment or query value; malloc'd. */
char *http_escape(const char *text);
