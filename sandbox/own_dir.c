/* Nobody but root makes a directory of root's: that it is one, and no link to one, is what is checked. */
#include "sandbox/own_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"

int own_dir_below(int parent, const char *name, mode_t mode, int *ret_fd, struct err *err)
{
    struct stat st;
    if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
        return err_errno(err, "making the directory %s of the sandboxes", name);
    CLEANUP(fd_closep) int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, "opening the directory %s of the sandboxes", name);
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return err_set(err, ERR_DENIED, "the directory %s of the sandboxes belongs to uid %u, or others may write to it: remove it", name,
                       st.st_uid);
    *ret_fd = fd_steal(&fd);
    return 0;
}

int own_dir_open(const char *parent, const char *name, mode_t mode, int *ret_fd, struct err *err)
{
    CLEANUP(fd_closep) int fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_errno(err, "opening %s", parent) : own_dir_below(fd, name, mode, ret_fd, err);
}
