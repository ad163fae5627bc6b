/* Descriptors: closing, whole reads and writes, and passing them over unix sockets. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define FD_PASS_MAX 32 /* descriptors in one message (the kernel's SCM_MAX_FD is 253) */

/* Closes *fd if >= 0 and sets it to -1; errno is kept. For CLEANUP(fd_closep) int fd = -1. */
void fd_closep(int *fd);
/* The descriptor's value, -1 left behind: fd_steal(&fd). */
int fd_steal(int *fd);

int fd_set_nonblock(int fd, bool on, struct err *err) WARN_UNUSED;

/* Writes all len bytes to a blocking descriptor, through EINTR. */
int fd_write_all(int fd, const void *data, size_t len, struct err *err) WARN_UNUSED;

/* The whole of a file of at most max bytes, as a malloc'd NUL-terminated block (caller frees); ret_len may be NULL.
 * dirfd as in openat(2). ERR_TOO_LARGE if there is more. Works on /proc and cgroup files. */
int fd_read_file(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len, struct err *err) WARN_UNUSED;

/* Opens an existing file for writing and writes text in one write(2), as /proc and cgroup files want it. */
int fd_write_file(int dirfd, const char *path, const char *text, struct err *err) WARN_UNUSED;

/* One message with nfds (<= FD_PASS_MAX) descriptors over a unix SOCK_SEQPACKET socket; never raises SIGPIPE. Borrows
 * the descriptors. 0, or a negative error with err->code EAGAIN when the queue is full. */
int fd_send(int sock, const void *msg, size_t len, const int *fds, size_t nfds, struct err *err) WARN_UNUSED;

/* Receives one message of at most len bytes; returns its length, 0 at the end of the stream, or a negative error
 * (err->code EAGAIN when there is none). The received descriptors are close-on-exec and belong to the caller. A message
 * that was cut is ERR_CORRUPT and its descriptors are closed. Of one whose descriptors did not all come (unix(7): this process may
 * open no more files, or they were more than FD_PASS_MAX) the others are closed too and *ret_nfds is 0: who needs them counts. */
ssize_t fd_recv(int sock, void *msg, size_t len, int *ret_fds, size_t *ret_nfds, struct err *err) WARN_UNUSED;
