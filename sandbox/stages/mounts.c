/* The mount calls that the stages share. */
#include "sandbox/stages/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define LAYERS_MAX 8
#define MOUNTINFO_BYTES_MAX (4u << 20)
#define PATH_BYTES 1024

int mount_open(const char *path, unsigned how, int *ret_fd, struct err *err)
{
    struct open_how open_how = {.flags = O_PATH | O_CLOEXEC};
    if (how & MOUNT_NO_LINKS)
        open_how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &open_how, sizeof open_how);
    if (fd < 0)
        return err_errno(err, "opening %s%s", path, errno == ELOOP ? ", where links are not followed" : "");
    *ret_fd = fd;
    return 0;
}

int mount_copy(const char *path, unsigned how, int *ret_fd, struct err *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    unsigned depth = how & MOUNT_DEEP ? AT_RECURSIVE : 0;
    CLEANUP(fd_closep) int from = -1;
    int rc = mount_open(path, how, &from, err);
    if (rc < 0)
        return rc;
    CLEANUP(fd_closep) int fd = open_tree(from, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | depth);
    if (fd < 0)
        return err_errno(err, "open_tree(%s)", path);
    if (mount_setattr(fd, "", AT_EMPTY_PATH | depth, &attr, sizeof attr) < 0)
        return err_errno(err, "making a copy of %s read-only", path);
    *ret_fd = fd_steal(&fd);
    return 0;
}

int mount_attach(int mount_fd, const char *path, struct err *err)
{
    if (move_mount(mount_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_errno(err, "mounting at %s", path);
    return 0;
}

int mount_overlay(const int *layers, size_t count, int *ret_fd, struct err *err)
{
    char lower[LAYERS_MAX * 24];
    size_t len = 0;
    if (count < 2 || count > LAYERS_MAX)
        return err_set(err, ERR_INVALID, "an overlay of %zu layers", count);
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(lower + len, sizeof lower - len, "%s/proc/self/fd/%d", i ? ":" : "", layers[i]);
    CLEANUP(fd_closep) int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_errno(err, "fsopen(overlay)");
    if (fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower, 0) < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_errno(err, "making an overlay of %s", lower);
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (fd < 0)
        return err_errno(err, "mounting an overlay");
    *ret_fd = fd;
    return 0;
}

int mount_new(const char *type, const char *const *options, unsigned attributes, int *ret_fd, struct err *err)
{
    CLEANUP(fd_closep) int fs = fsopen(type, FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_errno(err, "fsopen(%s)", type);
    for (; *options; options++) {
        char key[32];
        const char *equals = strchr(*options, '=');
        snprintf(key, sizeof key, "%.*s", (int)(equals - *options), *options);
        if (fsconfig(fs, FSCONFIG_SET_STRING, key, equals + 1, 0) < 0)
            return err_errno(err, "%s with %s", type, *options);
    }
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_errno(err, "making a %s", type);
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
    if (fd < 0)
        return err_errno(err, "mounting a %s", type);
    *ret_fd = fd;
    return 0;
}

int mount_make_dirs(const char *root, const char *path, struct err *err)
{
    char full[PATH_BYTES];
    size_t start = strlen(root);
    if (snprintf(full, sizeof full, "%s%s/", root, path) >= (int)sizeof full)
        return err_set(err, ERR_TOO_LARGE, "the path %s%s is too long", root, path);
    for (char *slash = full + start + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(full, 0755) < 0 && errno != EEXIST)
            return err_errno(err, "mkdir %s", full);
        *slash = '/';
    }
    return 0;
}

int mount_has_below(const char *path, bool *ret_has, struct err *err)
{
    CLEANUP(freep) char *text = NULL;
    size_t len = strlen(path);
    int rc = fd_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_BYTES_MAX, &text, NULL, err);
    if (rc < 0)
        return rc;
    bool has = false;
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line && !has; line = strtok_r(NULL, "\n", &rest)) {
        char at[PATH_BYTES];
        if (sscanf(line, "%*s %*s %*s %*s %1023s", at) == 1)
            has = strncmp(at, path, len) == 0 && at[len] == '/';
    }
    *ret_has = has;
    return 0;
}
