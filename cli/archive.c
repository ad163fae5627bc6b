/* A directory as a zip archive. Names are sorted and times fixed, so that an unchanged directory deploys as the same code. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "lib/crypto/digest.h"

#define ZIP_BYTES_MAX (64u << 20)
#define ZIP_TIME 1767225600 /* 2026-01-01: the format has no "none" */
#define COPY_BYTES 65536

static la_ssize_t on_write(struct archive *archive, void *arg, const void *data, size_t len)
{
    if (buf_append(arg, data, len) == 0)
        return (la_ssize_t)len;
    archive_set_error(archive, ENOMEM, "the zip is larger than %u bytes", ZIP_BYTES_MAX);
    return -1;
}

static int copy_content(struct archive *zip, const FTSENT *file, struct err *err)
{
    CLEANUP(fd_closep) int fd = open(file->fts_accpath, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "opening %s", file->fts_path);
    char data[COPY_BYTES];
    ssize_t n;
    while ((n = read(fd, data, sizeof data)) > 0)
        if (archive_write_data(zip, data, (size_t)n) < 0)
            return err_set(err, ERR_IO, "%s: %s", file->fts_path, archive_error_string(zip));
    return n < 0 ? err_errno(err, "reading %s", file->fts_path) : 0;
}

static int add(struct archive *zip, const FTSENT *file, const char *name, struct err *err)
{
    struct archive_entry *entry = archive_entry_new();
    bool executable = file->fts_statp->st_mode & 0111;
    archive_entry_set_pathname_utf8(entry, name);
    archive_entry_set_mtime(entry, ZIP_TIME, 0);
    int rc = 0;
    if (file->fts_info == FTS_SL) {
        char target[4096];
        ssize_t n = readlink(file->fts_accpath, target, sizeof target - 1);
        if (n < 0)
            rc = err_errno(err, "reading the link %s", file->fts_path);
        target[n < 0 ? 0 : n] = '\0';
        archive_entry_set_filetype(entry, AE_IFLNK);
        archive_entry_set_perm(entry, 0777);
        archive_entry_set_symlink_utf8(entry, target);
    } else {
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, executable ? 0755 : 0644);
        archive_entry_set_size(entry, file->fts_statp->st_size);
    }
    if (rc == 0 && archive_write_header(zip, entry) < 0)
        rc = err_set(err, ERR_IO, "%s: %s", file->fts_path, archive_error_string(zip));
    if (rc == 0 && file->fts_info == FTS_F)
        rc = copy_content(zip, file, err);
    archive_entry_free(entry);
    return rc;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Version control and editors' leavings are not code. */
static bool left_out(const FTSENT *file)
{
    static const char *const names[] = {".git", ".svn", ".hg", "__pycache__", ".DS_Store"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(file->fts_name, names[i]))
            return true;
    return false;
}

static int add_tree(struct archive *zip, FTS *tree, size_t root_len, struct err *err)
{
    FTSENT *file;
    while (errno = 0, (file = fts_read(tree))) {
        if (file->fts_level > 0 && left_out(file)) {
            fts_set(tree, file, FTS_SKIP);
            continue;
        }
        if (file->fts_info == FTS_ERR || file->fts_info == FTS_DNR || file->fts_info == FTS_NS) {
            errno = file->fts_errno;
            return err_errno(err, "%s", file->fts_path);
        }
        if (file->fts_level == 0 || (file->fts_info != FTS_F && file->fts_info != FTS_SL && file->fts_info != FTS_SLNONE))
            continue;
        if (file->fts_info == FTS_SLNONE)
            file->fts_info = FTS_SL;
        int rc = add(zip, file, file->fts_path + root_len + 1, err);
        if (rc < 0)
            return rc;
    }
    return errno ? err_errno(err, "walking the directory") : 0;
}

int archive_directory(const char *dir, char **ret_zip, size_t *ret_len, struct err *err)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    CLEANUP(freep) char *root = str_format("%.*s", (int)n, dir);
    char *roots[] = {root, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    if (!tree)
        return err_errno(err, "opening %s", dir);
    CLEANUP(buf_free) struct buf out = BUF_INIT(ZIP_BYTES_MAX);
    struct archive *zip = archive_write_new();
    archive_write_set_format_zip(zip);
    archive_write_set_bytes_per_block(zip, 0);
    int rc = archive_write_open(zip, &out, NULL, on_write, NULL) < 0 ? err_set(err, ERR_IO, "starting a zip: %s", archive_error_string(zip))
                                                                     : add_tree(zip, tree, n, err);
    if (rc == 0 && archive_write_close(zip) < 0)
        rc = err_set(err, ERR_TOO_LARGE, "%s: %s", dir, archive_error_string(zip));
    archive_write_free(zip);
    fts_close(tree);
    if (rc < 0)
        return rc;
    *ret_len = out.len;
    *ret_zip = buf_steal(&out);
    return 0;
}

int archive_read(const char *path, char **ret_zip, size_t *ret_len, struct err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_errno(err, "%s", path);
    return S_ISDIR(st.st_mode) ? archive_directory(path, ret_zip, ret_len, err)
                               : fd_read_file(AT_FDCWD, path, ZIP_BYTES_MAX, ret_zip, ret_len, err);
}

void archive_add(cJSON *object, const char *zip, size_t len)
{
    CLEANUP(freep) char *base64 = malloc(DIGEST_BASE64_SIZE(len));
    if (!base64)
        abort();
    digest_base64_encode(zip, len, base64);
    cJSON_AddStringToObject(object, "ZipFile", base64);
}
