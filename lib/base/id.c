/* Random identifiers. Randomness is bought from the kernel a page at a time: a request id costs no system call. */
#include "lib/base/id.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define POOL_BYTES 4096

static void from_kernel(unsigned char *out, size_t len)
{
    while (len) {
        ssize_t n = getrandom(out, len, 0);
        if (n < 0) {
            assert(errno == EINTR); /* with valid arguments and no flags nothing else can happen */
            continue;
        }
        out += n;
        len -= (size_t)n;
    }
}

void id_random(void *out, size_t len)
{
    /* Per thread; a process that forks must not use it on both sides (nothing here does: children exec). */
    static _Thread_local unsigned char pool[POOL_BYTES];
    static _Thread_local size_t left;
    if (len > POOL_BYTES / 4) {
        from_kernel(out, len);
        return;
    }
    if (left < len) {
        from_kernel(pool, sizeof pool);
        left = sizeof pool;
    }
    left -= len;
    memcpy(out, pool + left, len);
    memset(pool + left, 0, len);
}

void id_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

void id_uuid(char out[ID_UUID_BYTES])
{
    unsigned char b[16];
    id_random(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    static const int group[] = {4, 2, 2, 2, 6};
    for (size_t i = 0, at = 0; i < 5; i++) {
        id_hex(b + at, (size_t)group[i], out);
        out += 2 * group[i];
        at += (size_t)group[i];
        if (i < 4)
            *out++ = '-';
    }
}
