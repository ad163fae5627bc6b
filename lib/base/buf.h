/* A growable byte buffer with a hard maximum, so that no input decides how much memory we take. One owner, one
 * thread. The content is always followed by a NUL byte that len does not count.
 *
 *     CLEANUP(buf_free) struct buf b = BUF_INIT(LIMIT_LOG_LINE_BYTES);
 *     if (buf_printf(&b, "%s:%d", host, port) < 0) ...   // ERR_TOO_LARGE or ERR_NO_MEMORY
 *     char *text = buf_steal(&b);
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "lib/base/cleanup.h"

struct buf {
    char *data; /* owned; NULL while empty and never written */
    size_t len;
    size_t cap;
    size_t max; /* len never exceeds it */
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

/* All appends: 0, -ERR_TOO_LARGE past max, -ERR_NO_MEMORY. On failure the content is unchanged. Sources are copied. */
int buf_append(struct buf *b, const void *data, size_t len) WARN_UNUSED;
int buf_puts(struct buf *b, const char *text) WARN_UNUSED;
int buf_putc(struct buf *b, char c) WARN_UNUSED;
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3) WARN_UNUSED;
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) WARN_UNUSED;

/* Makes room for len more bytes at data + len; the caller fills them and adds to len (and buf_terminate()s). */
int buf_reserve(struct buf *b, size_t len) WARN_UNUSED;
void buf_terminate(struct buf *b);

/* Removes n bytes (<= len) from the front. */
void buf_consume(struct buf *b, size_t n);
/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);
/* The content as a malloc'd, NUL-terminated block that the caller frees; the buffer is empty afterwards. Never NULL
 * unless memory ran out. */
char *buf_steal(struct buf *b);
/* Frees the memory; the buffer may be used again. For CLEANUP. */
void buf_free(struct buf *b);
