/* Random identifiers from getrandom(2). Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ID_UUID_BYTES 37 /* "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx" and its NUL */

/* A version 4 UUID (RFC 9562) in lower case. */
void id_uuid(char out[ID_UUID_BYTES]);
/* len random bytes. */
void id_random(void *out, size_t len);
/* 2 * len hexadecimal digits and a NUL into out (2 * len + 1 bytes). */
void id_hex(const void *data, size_t len, char *out);
