/* SHA-256 through libcrypto; base64 by table, because libcrypto's decoder accepts white space and cannot decode in
 * place. */
#include "lib/crypto/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

void digest_sha256(const void *data, size_t len, unsigned char out[SHA256_BYTES])
{
    unsigned n = 0;
    int ok = EVP_Digest(data, len, out, &n, EVP_sha256(), NULL);
    assert(ok == 1 && n == SHA256_BYTES);
    (void)ok;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t digest_base64_encode(const void *data, size_t len, char *out)
{
    const unsigned char *p = data;
    char *start = out;
    for (; len >= 3; len -= 3, p += 3) {
        *out++ = alphabet[p[0] >> 2];
        *out++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *out++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
        *out++ = alphabet[p[2] & 63];
    }
    if (len) {
        unsigned second = len == 2 ? p[1] : 0;
        *out++ = alphabet[p[0] >> 2];
        *out++ = alphabet[(p[0] & 3) << 4 | second >> 4];
        *out++ = len == 2 ? alphabet[(second & 15) << 2] : '=';
        *out++ = '=';
    }
    *out = '\0';
    return (size_t)(out - start);
}

static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int digest_base64_decode(const char *data, size_t len, void *out, size_t *ret_len, struct err *err)
{
    if (len % 4)
        return err_set(err, ERR_INVALID, "base64 text whose length is no multiple of four");
    size_t pad = len && data[len - 1] == '=' ? (data[len - 2] == '=' ? 2 : 1) : 0;
    unsigned char *o = out;
    for (size_t i = 0; i < len; i += 4) {
        size_t last = i + 4 == len ? pad : 0; /* padding characters in this group */
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            int v = k < 4 - last ? value_of((unsigned char)data[i + k]) : 0;
            if (v < 0)
                return err_set(err, ERR_INVALID, "a character that base64 does not have, at offset %zu", i + k);
            bits = bits << 6 | (uint32_t)v;
        }
        *o++ = (unsigned char)(bits >> 16);
        if (last < 2)
            *o++ = (unsigned char)(bits >> 8);
        if (last < 1)
            *o++ = (unsigned char)bits;
    }
    *ret_len = (size_t)(o - (unsigned char *)out);
    return 0;
}
