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

#define NO 0x80 /* no character of the alphabet */

/* The value of each character. A table, because branches on random text cost more than all the rest of a deployment's hashing. */
/* clang-format off */
static const unsigned char values[256] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 62, NO, NO, NO, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO,
    NO, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, NO,
    NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,
    [128 ... 255] = NO,
};
/* clang-format on */

int digest_base64_decode(const char *data, size_t len, void *out, size_t *ret_len, struct err *err)
{
    if (len % 4)
        return err_set(err, ERR_INVALID, "base64 text whose length is no multiple of four");
    size_t pad = len && data[len - 1] == '=' ? (data[len - 2] == '=' ? 2 : 1) : 0;
    unsigned char *o = out;
    for (size_t i = 0; i < len; i += 4) {
        size_t last = i + 4 == len ? pad : 0; /* padding characters in this group */
        unsigned char v[4];
        for (size_t k = 0; k < 4; k++)
            v[k] = k < 4 - last ? values[(unsigned char)data[i + k]] : 0;
        if ((v[0] | v[1] | v[2] | v[3]) & NO) {
            size_t k = 0;
            while (!(v[k] & NO))
                k++;
            return err_set(err, ERR_INVALID, "a character that base64 does not have, at offset %zu", i + k);
        }
        uint32_t bits = (uint32_t)v[0] << 18 | (uint32_t)v[1] << 12 | (uint32_t)v[2] << 6 | v[3];
        *o++ = (unsigned char)(bits >> 16);
        if (last < 2)
            *o++ = (unsigned char)(bits >> 8);
        if (last < 1)
            *o++ = (unsigned char)bits;
    }
    *ret_len = (size_t)(o - (unsigned char *)out);
    return 0;
}
