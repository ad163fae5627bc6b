/* Unpacking with libarchive, zip alone. libarchive decompresses and nothing else: names, kinds and modes come from the directory that we
 * have checked, every name is opened by ourselves, beneath the tree and without following links, so that not even a mistake in the checks
 * leads out. Links are made last, when nothing is written any more. */
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

#include "layers/archive_tree.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define BLOCK_BYTES 65536

static int open_beneath(int dirfd, const char *path, uint64_t flags, uint64_t mode)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

static int failed(const char *doing, const char *path, struct err *err)
{
    char shown[ZIP_SHOWN_BYTES];
    int saved = errno;
    const char *text = zip_shown(path, strlen(path), shown);
    errno = saved;
    return err_errno(err, "%s \"%s\"", doing, text);
}

/* The directory that path lies in, as an O_PATH descriptor or -1, and the last part of path. */
static int open_parent(int dirfd, const char *path, const char **ret_last)
{
    const char *slash = strrchr(path, '/');
    char parent[TREE_PATH_MAX + 1] = ".";
    if (slash)
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    *ret_last = slash ? slash + 1 : path;
    return open_beneath(dirfd, parent, O_PATH | O_DIRECTORY, 0);
}

static int make_dir(int dirfd, const char *path, struct err *err)
{
    const char *last;
    CLEANUP(fd_closep) int parent = open_parent(dirfd, path, &last);
    if (parent < 0 || mkdirat(parent, last, 0755) < 0 || fchmodat(parent, last, 0755, 0) < 0)
        return failed("making the directory", path, err);
    return 0;
}

static int write_content(struct archive *zip, int fd, const struct zip_entry *entry, struct err *err)
{
    char block[BLOCK_BYTES];
    la_ssize_t n;
    uint64_t bytes = 0;
    while ((n = archive_read_data(zip, block, sizeof block)) > 0) {
        bytes += (uint64_t)n;
        if (bytes > entry->unpacked)
            return zip_refuse(entry, ERR_INVALID, "unpacks to more than the archive's directory says", err);
        if (fd_write_all(fd, block, (size_t)n, err) < 0)
            return err_wrap(err, "unpacking");
    }
    if (n < 0 || bytes != entry->unpacked)
        return zip_refuse(entry, ERR_INVALID,
                          n == ARCHIVE_FATAL || n == ARCHIVE_FAILED ? "is broken: it cannot be unpacked"
                          : n < 0                                   ? "is broken: its checksum or its size is wrong"
                                                                    : "unpacks to less than the archive's directory says",
                          err);
    return 0;
}

static int write_file(struct archive *zip, struct archive_entry *read, int dirfd, const struct zip_entry *entry, struct err *err)
{
    mode_t mode = entry->executable ? 0755 : 0644;
    CLEANUP(fd_closep) int fd = open_beneath(dirfd, entry->path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, mode);
    if (fd < 0)
        return failed("creating", entry->path, err);
    int rc = write_content(zip, fd, entry, err);
    if (rc < 0)
        return rc;
    /* Python believes a cached .pyc only while its source has the time it was compiled from */
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {archive_entry_mtime(read), archive_entry_mtime_nsec(read)}};
    if (fchmod(fd, mode) < 0 || (archive_entry_mtime_is_set(read) && futimens(fd, times) < 0))
        return failed("setting mode and time of", entry->path, err);
    return 0;
}

/* ---- links ---- */

struct link {
    const struct zip_entry *entry;
    char *target;
};

/* libarchive may bring a target to another Unicode form; the bytes of a stored one are at hand. */
static int read_link(struct archive_entry *read, const struct zip_entry *entry, struct link *link, struct err *err)
{
    const char *target = archive_entry_symlink(read);
    if (entry->unpacked > TREE_PATH_MAX)
        return zip_refuse(entry, ERR_INVALID, "is a symbolic link with a target that is too long", err);
    if (!entry->stored && (!target || strlen(target) != entry->unpacked))
        return zip_refuse(entry, ERR_INVALID, "is a symbolic link whose target cannot be read", err);
    link->entry = entry;
    link->target = strndup(entry->stored ? entry->data : target, (size_t)entry->unpacked);
    if (!link->target)
        return err_set(err, ERR_NO_MEMORY, "no memory for a link");
    if (strlen(link->target) != entry->unpacked)
        return zip_refuse(entry, ERR_INVALID, "is a symbolic link with a NUL byte in its target", err);
    return 0;
}

static int make_link(int dirfd, const struct archive_tree *tree, const struct link *link, struct err *err)
{
    const char *last;
    int rc = archive_tree_check_link(tree, link->entry, link->target, err);
    if (rc < 0)
        return rc;
    CLEANUP(fd_closep) int parent = open_parent(dirfd, link->entry->path, &last);
    if (parent < 0 || symlinkat(link->target, parent, last) < 0)
        return failed("linking", link->entry->path, err);
    return 0;
}

/* ---- all of it ---- */

struct unpacking {
    int dirfd;
    const struct zip_directory *dir;
    const struct archive_tree *tree;
    struct link *links;
    size_t link_count;
};

/* libarchive hands out the entries in the order of their place in the archive, the order of dir->entries. */
static int unpack_entries(struct unpacking *u, struct archive *zip, struct err *err)
{
    for (size_t i = 0; i < u->dir->count; i++) {
        const struct zip_entry *entry = &u->dir->entries[i];
        struct archive_entry *read;
        int status = archive_read_next_header(zip, &read), rc = 0;
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN) /* a warning is about the name's character set: not our source */
            return zip_refuse(entry, ERR_INVALID, status == ARCHIVE_EOF ? "is not found again" : "cannot be read", err);
        bool is_link = archive_entry_filetype(read) == AE_IFLNK;
        if (is_link != (entry->kind == ZIP_SYMLINK))
            return zip_refuse(entry, ERR_INVALID, "is of two kinds", err);
        if (entry->kind == ZIP_FILE)
            rc = write_file(zip, read, u->dirfd, entry, err);
        else if (entry->kind == ZIP_SYMLINK)
            rc = read_link(read, entry, &u->links[u->link_count++], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int unpack(int dirfd, const struct zip_directory *dir, const struct archive_tree *tree, struct err *err)
{
    struct unpacking u = {.dirfd = dirfd, .dir = dir, .tree = tree, .links = calloc(dir->count, sizeof(struct link))};
    struct archive *zip = archive_read_new();
    int rc = 0;
    if (!zip || !u.links)
        rc = err_set(err, ERR_NO_MEMORY, "no memory to unpack");
    else if (archive_read_support_format_zip_seekable(zip) != ARCHIVE_OK ||
             archive_read_open_memory(zip, dir->zip, dir->zip_len) != ARCHIVE_OK)
        rc = err_set(err, ERR_INVALID, "the archive cannot be read: %.200s", archive_error_string(zip));
    for (size_t i = 0; rc == 0 && i < tree->dir_count; i++)
        rc = make_dir(dirfd, tree->dirs[i], err);
    if (rc == 0)
        rc = unpack_entries(&u, zip, err);
    for (size_t i = 0; rc == 0 && i < u.link_count; i++)
        rc = make_link(dirfd, tree, &u.links[i], err);
    for (size_t i = 0; i < u.link_count; i++)
        free(u.links[i].target);
    free(u.links);
    archive_read_free(zip);
    return rc;
}

/* ---- removing ---- */

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
