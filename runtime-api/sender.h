/* What is to be written to a non-blocking socket: bytes of our own, then at most one borrowed block (an event's payload,
 * which is up to 6 MB and not worth a copy). Loop thread only.
 *
 *     sender_put(&out, head, n);  sender_lend(&out, payload, len);
 *     switch (sender_flush(&out, fd)) ...            // again when the socket is writable
 *     sender_own(&out);                              // the lender takes its block back: what is left is copied
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

struct sender {
    struct buf own; /* bytes before own_done are written */
    size_t own_done;
    const char *lent; /* borrowed, after own */
    size_t lent_len;
};

enum sender_result { SENDER_BROKEN = -1, SENDER_BLOCKED = 0, SENDER_DONE = 1 };

void sender_init(struct sender *s, size_t own_bytes_max);
void sender_free(struct sender *s); /* may be used again after sender_init */

/* 0, or -ERR_TOO_LARGE, -ERR_NO_MEMORY. A block lent before is copied first. */
int sender_put(struct sender *s, const void *data, size_t len) WARN_UNUSED;
int sender_lend(struct sender *s, const void *data, size_t len) WARN_UNUSED;
int sender_own(struct sender *s) WARN_UNUSED;
/* Forgets what is not written, keeps the memory. */
void sender_clear(struct sender *s);

bool sender_is_empty(const struct sender *s);
size_t sender_left(const struct sender *s); /* bytes */
/* Writes what the socket takes; never raises SIGPIPE. */
enum sender_result sender_flush(struct sender *s, int fd);
