/* Descriptors: closing, whole reads and writes, and passing them over unix sockets. */
#include "lib/base/fd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void fd_closep(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
        *fd = -1;
    }
}

int fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

int fd_set_nonblock(int fd, bool on, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return err_errno(err, "fcntl(F_GETFL)");
    int want = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (want != flags && fcntl(fd, F_SETFL, want) < 0)
        return err_errno(err, "fcntl(F_SETFL)");
    return 0;
}

int fd_write_all(int fd, const void *data, size_t len, struct err *err)
{
    const char *p = data;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return err_errno(err, "write");
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int fd_read_file(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len, struct err *err)
{
    CLEANUP(fd_closep) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "opening %s", path);
    size_t cap = max < 4096 ? max + 1 : 4096, len = 0;
    CLEANUP(freep) char *data = malloc(cap + 1);
    if (!data)
        return err_set(err, ERR_NO_MEMORY, "no memory to read %s", path);
    for (;;) {
        if (len == cap) {
            size_t more = cap * 2 > max + 1 ? max + 1 : cap * 2;
            char *grown = realloc(data, more + 1);
            if (!grown)
                return err_set(err, ERR_NO_MEMORY, "no memory to read %s", path);
            data = grown;
            cap = more;
        }
        ssize_t n = read(fd, data + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "reading %s", path);
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max)
            return err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
    }
    data[len] = '\0';
    if (ret_len)
        *ret_len = len;
    *ret_data = STEAL(data);
    return 0;
}

int fd_write_file(int dirfd, const char *path, const char *text, struct err *err)
{
    CLEANUP(fd_closep) int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "opening %s", path);
    if (write(fd, text, strlen(text)) < 0)
        return err_errno(err, "writing \"%s\" to %s", text, path);
    return 0;
}

int fd_send(int sock, const void *msg, size_t len, const int *fds, size_t nfds, struct err *err)
{
    assert(nfds <= FD_PASS_MAX);
    struct iovec io = {(void *)msg, len};
    union {
        char bytes[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
        struct cmsghdr align;
    } control;
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (nfds) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(h), fds, sizeof(int) * nfds);
    }
    ssize_t n;
    do
        n = sendmsg(sock, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_errno(err, "sendmsg");
    return 0;
}

ssize_t fd_recv(int sock, void *msg, size_t len, int *ret_fds, size_t *ret_nfds, struct err *err)
{
    struct iovec io = {msg, len};
    union {
        char bytes[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
        struct cmsghdr align;
    } control;
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do
        n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_errno(err, "recvmsg");
    int fds[FD_PASS_MAX];
    size_t nfds = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        nfds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(h), nfds * sizeof(int));
    }
    if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        while (nfds > 0)
            close(fds[--nfds]);
    }
    if (m.msg_flags & MSG_TRUNC)
        return err_set(err, ERR_CORRUPT, "a message was longer than %zu bytes", len);
    memcpy(ret_fds, fds, nfds * sizeof(int));
    *ret_nfds = nfds;
    return n;
}
