/* Unique uids for every daemon of a host. */
#include "sandbox/spawner/uid_range.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"

static int make_dirs(const char *dir, struct err *err)
{
    char path[512];
    if (snprintf(path, sizeof path, "%s/", dir) >= (int)sizeof path)
        return err_set(err, ERR_TOO_LARGE, "the path %s is too long", dir);
    for (char *slash = path + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return err_errno(err, "making %s", path);
    }
    return 0;
}

int uid_range_take(const char *dir, uint32_t *ret_base, int *ret_lock_fd, struct err *err)
{
    int rc = make_dirs(dir, err);
    if (rc < 0)
        return rc;
    for (uint32_t n = 0; n < UID_RANGE_COUNT; n++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%u", dir, n);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return err_errno(err, "opening %s", path);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            *ret_base = UID_RANGE_FIRST + n * UID_RANGE_SIZE;
            *ret_lock_fd = fd;
            return 0;
        }
        int why = errno;
        close(fd);
        errno = why;
        if (why != EWOULDBLOCK)
            return err_errno(err, "locking %s", path);
    }
    return err_set(err, ERR_LIMIT, "all %u ranges of uids are taken (%s)", UID_RANGE_COUNT, dir);
}
