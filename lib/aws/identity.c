/* Who calls: account, region and service from the credential scope of a Signature Version 4, in the
 * Authorization header or, for a presigned request, in the query
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). The signature
 * itself is not checked here: nobody shares a secret with us; the scope names whose state a request is about.
 */
#include "lib/aws/codec.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"

#define ACCOUNT_DEFAULT "000000000000"
#define REGION_DEFAULT "us-east-1"
#define ACCOUNT_DIGITS 12
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool all_of(struct http_slice s, const char *allowed)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(allowed, s.p[i]) || s.p[i] == '\0')
            return false;
    return s.n > 0;
}

static void copy(struct http_slice s, char *out, size_t cap)
{
    if (s.p && s.n < cap) {
        memcpy(out, s.p, s.n);
        out[s.n] = '\0';
    }
}

/* KEY/20261121/us-east-1/lambda/aws4_request; sigv4a leaves the region out. */
static void read_scope(struct http_slice credential, struct aws_call *call, char service[AWS_SERVICE_NAME_BYTES])
{
    struct http_slice part[5] = {{NULL, 0}};
    size_t n = 0;
    while (n < ARRAY_LEN(part) && credential.p)
        part[n++] = aws_cut(&credential, '/');
    if (n < 4 || !aws_slice_is(part[n - 1], "aws4_request"))
        return;
    struct http_slice key = part[0], region = n == 5 ? part[2] : aws_slice(NULL, 0);
    if (all_of(key, LETTERS DIGITS "_")) {
        copy(key, call->access_key, sizeof call->access_key);
        if (key.n == ACCOUNT_DIGITS && all_of(key, DIGITS))
            copy(key, call->account, sizeof call->account);
    }
    if (all_of(region, LOWER DIGITS "-"))
        copy(region, call->region, sizeof call->region);
    if (all_of(part[n - 2], LOWER DIGITS "-"))
        copy(part[n - 2], service, AWS_SERVICE_NAME_BYTES);
}

static struct http_slice credential_of_header(struct http_slice value)
{
    static const char key[] = "Credential=";
    const char *at = aws_slice_starts(value, "AWS4-") ? memmem(value.p, value.n, key, sizeof key - 1) : NULL;
    if (!at)
        return aws_slice(NULL, 0);
    struct http_slice rest = aws_slice(at + sizeof key - 1, value.n - (size_t)(at - value.p) - (sizeof key - 1));
    struct http_slice credential = aws_cut(&rest, ',');
    while (credential.n && credential.p[credential.n - 1] == ' ')
        credential.n--;
    return credential;
}

void aws_identify(const struct aws_request *request, struct aws_call *call, char service[AWS_SERVICE_NAME_BYTES])
{
    str_copy(call->account, sizeof call->account, ACCOUNT_DEFAULT);
    str_copy(call->region, sizeof call->region, REGION_DEFAULT);
    service[0] = '\0';
    struct http_slice header = aws_header(request, "authorization");
    if (header.p) {
        read_scope(credential_of_header(header), call, service);
        return;
    }
    struct http_slice rest = request->query, key, value;
    while (aws_next_pair(&rest, &key, &value)) {
        CLEANUP(freep) char *text = aws_slice_is(key, "X-Amz-Credential") ? aws_decode(value, true) : NULL;
        if (text)
            read_scope(aws_slice(text, strlen(text)), call, service);
    }
}
