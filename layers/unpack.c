/* Unpacking with libarchive, zip alone. libarchive decompresses; every name is opened by ourselves, beneath the directory and without
 * following links, so that not even a mistake in the checks leads out. */
#include "layers/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "layers/zip_check.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define BLOCK_BYTES 65536
#define LINK_BYTES_MAX 1024

static int open_beneath(int dirfd, const char *path, uint64_t flags, uint64_t mode)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

/* Makes the directories of path up to (not including) its last component; *ret_parent is the last one, opened. */
static int make_parents(int dirfd, const char *path, int *ret_parent, const char **ret_last, struct err *err)
{
    CLEANUP(fd_closep) int dir = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
    const char *slash;
    if (dir < 0)
        return err_errno(err, "unpacking");
    while ((slash = strchr(path, '/')) && slash[1]) {
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
        if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
            return err_errno(err, "making the directory %s", name);
        int next = open_beneath(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        if (next < 0)
            return err_errno(err, "opening the directory %s", name);
        fd_closep(&dir);
        dir = next;
        path = slash + 1;
    }
    *ret_parent = fd_steal(&dir);
    *ret_last = path;
    return 0;
}

static int read_error(struct archive *zip, const char *name, struct err *err)
{
    return err_set(err, ERR_INVALID, "the archive's entry \"%.200s\" cannot be unpacked: %s", name, archive_error_string(zip));
}

static int write_file(struct archive *zip, int dir, const char *last, const char *name, int mode, uint64_t left, uint64_t *ret_bytes, struct err *err)
{
    CLEANUP(fd_closep) int fd = open_beneath(dir, last, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, (uint64_t)mode);
    if (fd < 0)
        return err_errno(err, "creating %.200s", name);
    char block[BLOCK_BYTES];
    la_ssize_t n;
    uint64_t bytes = 0;
    while ((n = archive_read_data(zip, block, sizeof block)) > 0) {
        bytes += (uint64_t)n;
        if (bytes > left)
            return err_set(err, ERR_TOO_LARGE, "the archive unpacks to more than is allowed (at \"%.200s\")", name);
        if (fd_write_all(fd, block, (size_t)n, err) < 0)
            return err_wrap(err, "unpacking %.200s", name);
    }
    if (n < 0)
        return read_error(zip, name, err);
    if (fchmod(fd, (mode_t)mode) < 0)
        return err_errno(err, "chmod of %.200s", name);
    *ret_bytes += bytes;
    return 0;
}

static int write_link(struct archive *zip, struct archive_entry *entry, int dir, const char *last, const char *name, struct err *err)
{
    char target[LINK_BYTES_MAX + 1];
    const char *given = archive_entry_symlink(entry);
    if (given)
        str_copy(target, sizeof target, given);
    else {
        la_ssize_t n = archive_read_data(zip, target, LINK_BYTES_MAX);
        if (n < 0)
            return read_error(zip, name, err);
        target[n] = '\0';
    }
    if (strlen(target) >= LINK_BYTES_MAX || !zip_link_allowed(name, target))
        return err_set(err, ERR_INVALID, "the archive's entry \"%.200s\" is a link that leads out of it", name);
    return symlinkat(target, dir, last) < 0 ? err_errno(err, "linking %.200s", name) : 0;
}

static int one_entry(struct archive *zip, struct archive_entry *entry, int dirfd, uint64_t left, uint64_t *ret_bytes, struct err *err)
{
    const char *name = archive_entry_pathname(entry), *last;
    mode_t type = archive_entry_filetype(entry);
    CLEANUP(fd_closep) int dir = -1;
    if (!name || !*name)
        return err_set(err, ERR_INVALID, "the archive has an entry without a usable name");
    int rc = make_parents(dirfd, name, &dir, &last, err);
    if (rc < 0)
        return rc;
    bool executable = archive_entry_perm(entry) & 0111;
    switch (type) {
    case AE_IFREG:
        return write_file(zip, dir, last, name, executable ? 0755 : 0644, left, ret_bytes, err);
    case AE_IFLNK:
        return write_link(zip, entry, dir, last, name, err);
    case AE_IFDIR: {
        CLEANUP(freep) char *plain = str_format("%.*s", (int)strcspn(last, "/"), last);
        return mkdirat(dir, plain, 0755) < 0 && errno != EEXIST ? err_errno(err, "making the directory %.200s", name) : 0;
    }
    default:
        return err_set(err, ERR_INVALID, "the archive's entry \"%.200s\" is no file, directory or link", name);
    }
}

int unpack(int dirfd, const void *bytes, size_t len, uint64_t bytes_max, uint64_t *ret_bytes, struct err *err)
{
    struct archive *zip = archive_read_new();
    struct archive_entry *entry;
    uint64_t written = 0;
    int rc = 0, status;
    if (!zip)
        return err_set(err, ERR_NO_MEMORY, "no memory to unpack");
    archive_read_support_format_zip_seekable(zip); /* the central directory rules, as everywhere */
    if (archive_read_open_memory(zip, bytes, len) != ARCHIVE_OK)
        rc = err_set(err, ERR_INVALID, "this is no zip archive: %s", archive_error_string(zip));
    while (rc == 0 && (status = archive_read_next_header(zip, &entry)) != ARCHIVE_EOF) {
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            rc = err_set(err, ERR_INVALID, "the archive cannot be read: %s", archive_error_string(zip));
        else
            rc = one_entry(zip, entry, dirfd, bytes_max - written, &written, err);
    }
    archive_read_free(zip);
    if (rc == 0)
        *ret_bytes = written;
    return rc;
}

static int empty_dir(int dirfd, struct err *err)
{
    int copy = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *d;
    int rc = dir ? 0 : err_errno(err, "opening a directory");
    while (rc == 0 && (d = readdir(dir)))
        if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
            rc = remove_tree(dirfd, d->d_name, err);
    if (dir)
        closedir(dir);
    else
        fd_closep(&copy);
    return rc;
}

int remove_tree(int dirfd, const char *name, struct err *err)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return err_errno(err, "removing %s", name);
    CLEANUP(fd_closep) int dir = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int rc = dir < 0 ? err_errno(err, "opening %s", name) : empty_dir(dir, err);
    if (rc == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
        rc = err_errno(err, "removing %s", name);
    return rc;
}
