/* Descriptors: passing them, cut messages, bounded reading of files. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "tests/unit/cunit.h"

static void test_fd_pass(void)
{
    int s[2], p[2], got[FD_PASS_MAX];
    size_t n = 99;
    struct err err;
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) | pipe(p), 0);
    CU_ASSERT_EQUAL(fd_send(s[0], "hello", 5, p, 2, &err), 0);
    char msg[16];
    CU_ASSERT_EQUAL(fd_recv(s[1], msg, sizeof msg, got, &n, &err), 5);
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
    CU_ASSERT_EQUAL(write(got[1], "x", 1), 1);
    CU_ASSERT_EQUAL(read(p[0], msg, sizeof msg), 1);
    CU_ASSERT_EQUAL(fd_set_nonblock(s[1], true, &err), 0);
    CU_ASSERT(fd_recv(s[1], msg, sizeof msg, got, &n, &err) < 0);
    CU_ASSERT_EQUAL(err.code, EAGAIN);
    /* a message that does not fit is refused, and its descriptors do not leak */
    CU_ASSERT_EQUAL(fd_send(s[0], "a long message", 14, p, 1, &err), 0);
    int before = dup(0);
    close(before);
    CU_ASSERT_EQUAL(fd_recv(s[1], msg, 4, got, &n, &err), -ERR_CORRUPT);
    int after = dup(0);
    close(after);
    CU_ASSERT_EQUAL(before, after);
    close(s[0]);
    CU_ASSERT_EQUAL(fd_recv(s[1], msg, sizeof msg, got, &n, &err), 0);
    close(s[1]);
}

/* What may be open next: its number tells whether something leaked. */
static int next_fd(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

/* A process that may open only one more file than it has gets the message all the same, and none of its descriptors. */
static void test_fd_pass_beyond_the_limit(void)
{
    int s[2], p[2], got[FD_PASS_MAX], many[FD_PASS_MAX + 1];
    char msg[16];
    size_t n = 99;
    struct err err;
    struct rlimit limit, low;
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) | pipe(p), 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    CU_ASSERT_EQUAL(fd_send(s[0], "hello", 5, p, 2, &err), 0);
    CU_ASSERT_EQUAL(fd_send(s[0], "a long message", 14, p, 2, &err), 0);
    CU_ASSERT_EQUAL(fd_send(s[0], "again", 5, p, 2, &err), 0);
    int before = next_fd();
    low = (struct rlimit){(rlim_t)before + 1, limit.rlim_max};
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &low), 0);
    CU_ASSERT_EQUAL(fd_recv(s[1], msg, sizeof msg, got, &n, &err), 5);
    CU_ASSERT_EQUAL(n, 0);
    CU_ASSERT_EQUAL(next_fd(), before);
    CU_ASSERT_EQUAL(fd_recv(s[1], msg, 4, got, &n, &err), -ERR_CORRUPT);
    CU_ASSERT_EQUAL(next_fd(), before);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CU_ASSERT_EQUAL(fd_recv(s[1], msg, sizeof msg, got, &n, &err), 5);
    CU_ASSERT_EQUAL_FATAL(n, 2);
    close(got[0]);
    close(got[1]);
    /* more than fd_send() would send */
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = p[0];
    union {
        char bytes[CMSG_SPACE(sizeof many)];
        struct cmsghdr align;
    } control = {0};
    struct iovec io = {"hello", 5};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    *h = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof many)};
    memcpy(CMSG_DATA(h), many, sizeof many);
    CU_ASSERT_EQUAL(sendmsg(s[0], &m, 0), 5);
    CU_ASSERT_EQUAL(fd_recv(s[1], msg, sizeof msg, got, &n, &err), 5);
    CU_ASSERT_EQUAL(n, 0);
    CU_ASSERT_EQUAL(next_fd(), before);
    for (int i = 0; i < 2; i++) {
        close(s[i]);
        close(p[i]);
    }
}

static void test_fd_read_file(void)
{
    char *data = NULL;
    size_t len = 0;
    struct err err;
    CU_ASSERT_EQUAL(fd_read_file(AT_FDCWD, "/proc/self/status", 65536, &data, &len, &err), 0);
    CU_ASSERT(len > 100 && strlen(data) == len);
    free(data);
    data = NULL;
    CU_ASSERT_EQUAL(fd_read_file(AT_FDCWD, "/proc/self/status", 10, &data, &len, &err), -ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(fd_read_file(AT_FDCWD, "/no/such/file", 10, &data, &len, &err), -ERR_NOT_FOUND);
    CU_ASSERT_PTR_NULL(data);
}

TEST_MAIN("fd", TEST(test_fd_pass), TEST(test_fd_pass_beyond_the_limit), TEST(test_fd_read_file))
