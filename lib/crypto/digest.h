/* SHA-256 and base64, the only door to OpenSSL's libcrypto. Any thread. */
#pragma once

#include <stddef.h>

#include "lib/base/err.h"

#define SHA256_BYTES 32
#define SHA256_HEX_BYTES 65    /* 64 digits and a NUL */
#define SHA256_BASE64_BYTES 45 /* 44 characters and a NUL, the form of Lambda's CodeSha256 */

void digest_sha256(const void *data, size_t len, unsigned char out[SHA256_BYTES]);

/* Size of the output buffer that digest_base64_encode needs for len bytes, NUL included. */
#define DIGEST_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
/* Standard alphabet with padding (RFC 4648 section 4); out holds DIGEST_BASE64_SIZE(len). Returns the text's length. */
size_t digest_base64_encode(const void *data, size_t len, char *out);
/* Strict: whole groups of four, padding only at the end, no white space. out holds len / 4 * 3 bytes; may be data
 * itself. Returns 0 with *ret_len, or ERR_INVALID. */
int digest_base64_decode(const char *data, size_t len, void *out, size_t *ret_len, struct err *err) WARN_UNUSED;
