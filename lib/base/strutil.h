/* Small helpers on strings that libc lacks. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/cleanup.h"

static inline bool str_eq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}
static inline bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}
bool str_ends(const char *s, const char *suffix);
/* Copies text into out (cap bytes, NUL included); false, with out holding the part that fits, if it was too long. */
bool str_copy(char *out, size_t cap, const char *text);
/* A whole decimal number of digits only, within [min, max]; false, ret untouched, otherwise. */
bool str_to_i64(const char *text, int64_t min, int64_t max, int64_t *ret);
/* strdup that aborts when memory runs out; NULL of NULL; the caller frees. */
char *str_dup(const char *text);
/* asprintf that aborts when memory runs out; the caller frees. */
char *str_format(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Whether the len bytes are well-formed UTF-8 (RFC 3629). */
bool str_is_utf8(const char *data, size_t len);
