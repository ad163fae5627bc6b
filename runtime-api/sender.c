/* Writing without blocking; see sender.h. */
#include "runtime-api/sender.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define KEEP_BYTES 4096 /* an empty buffer above this is given back */

void sender_init(struct sender *s, size_t own_bytes_max)
{
    *s = (struct sender){.own = BUF_INIT(own_bytes_max)};
}

void sender_free(struct sender *s)
{
    buf_free(&s->own);
    s->own_done = s->lent_len = 0;
    s->lent = NULL;
}

void sender_clear(struct sender *s)
{
    buf_clear(&s->own);
    s->own_done = s->lent_len = 0;
    s->lent = NULL;
    if (s->own.cap > KEEP_BYTES)
        buf_free(&s->own);
}

int sender_own(struct sender *s)
{
    if (!s->lent_len)
        return 0;
    int rc = buf_append(&s->own, s->lent, s->lent_len);
    if (rc < 0)
        return rc;
    s->lent = NULL;
    s->lent_len = 0;
    return 0;
}

int sender_put(struct sender *s, const void *data, size_t len)
{
    int rc = sender_own(s);
    return rc < 0 ? rc : buf_append(&s->own, data, len);
}

int sender_lend(struct sender *s, const void *data, size_t len)
{
    int rc = sender_own(s);
    if (rc < 0)
        return rc;
    s->lent = data;
    s->lent_len = len;
    return 0;
}

size_t sender_left(const struct sender *s)
{
    return s->own.len - s->own_done + s->lent_len;
}

bool sender_is_empty(const struct sender *s)
{
    return sender_left(s) == 0;
}

enum sender_result sender_flush(struct sender *s, int fd)
{
    while (!sender_is_empty(s)) {
        size_t own = s->own.len - s->own_done;
        struct iovec parts[2];
        size_t count = 0;
        if (own)
            parts[count++] = (struct iovec){.iov_base = s->own.data + s->own_done, .iov_len = own};
        if (s->lent_len)
            parts[count++] = (struct iovec){.iov_base = (void *)s->lent, .iov_len = s->lent_len};
        struct msghdr msg = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? SENDER_BLOCKED : SENDER_BROKEN;
        size_t of_own = (size_t)n < own ? (size_t)n : own;
        s->own_done += of_own;
        if ((size_t)n > of_own) {
            s->lent += (size_t)n - of_own;
            s->lent_len -= (size_t)n - of_own;
        }
    }
    sender_clear(s);
    return SENDER_DONE;
}
