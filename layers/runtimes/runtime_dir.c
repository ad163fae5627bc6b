/* Puts the runtimes' directories together. A directory is named by its content: the digest of our files and the name of the SDK's
 * directory, which fetch_sdk.sh derives from its pins. */
#include "layers/runtimes/runtime_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "lib/crypto/digest.h"

#define FILE_BYTES_MAX (64u << 20)
#define VERSION_NAME ".version"

static const struct language {
    const char *name;
    const char *sdk_from; /* below DATA/sdk/NAME */
    const char *sdk_to;   /* below /var/runtime */
} languages[] = {
    {"python", ".", "sdk"},
    {"nodejs", "node_modules", "node_modules"},
};

/* What is done with each entry of a tree; path is relative to it. */
typedef int (*entry_fn)(void *arg, const FTSENT *entry, const char *path, struct err *err);

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void fts_closep(FTS **fts)
{
    if (*fts != NULL)
        fts_close(*fts);
}

/* Directories before (and, if post, only after) what is in them, names in order. */
static int walk(const char *root, bool post, entry_fn fn, void *arg, struct err *err)
{
    char *roots[] = {(char *)root, NULL};
    CLEANUP(fts_closep) FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (fts == NULL)
        return err_errno(err, "reading %s", root);
    for (FTSENT *entry; errno = 0, (entry = fts_read(fts)) != NULL;) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS) {
            errno = entry->fts_errno;
            return err_errno(err, "reading %s", entry->fts_path);
        }
        if (entry->fts_info == (post ? FTS_D : FTS_DP))
            continue;
        const char *path = entry->fts_path + strlen(root);
        int r = fn(arg, entry, *path == '/' ? path + 1 : path, err);
        if (r < 0)
            return r;
    }
    return errno == 0 ? 0 : err_errno(err, "reading %s", root);
}

static bool is_dir(const FTSENT *entry)
{
    return entry->fts_info == FTS_D || entry->fts_info == FTS_DP;
}

/* ---- removing */

static int remove_entry(void *arg, const FTSENT *entry, const char *path, struct err *err)
{
    (void)arg;
    (void)path;
    if (unlinkat(AT_FDCWD, entry->fts_accpath, is_dir(entry) ? AT_REMOVEDIR : 0) < 0)
        return err_errno(err, "removing %s", entry->fts_path);
    return 0;
}

static int remove_tree(const char *path, struct err *err)
{
    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return walk(path, true, remove_entry, NULL, err);
}

/* ---- the version */

static int add_to_digest(void *arg, const FTSENT *entry, const char *path, struct err *err)
{
    struct buf *all = arg;
    if (entry->fts_info != FTS_F)
        return 0;
    CLEANUP(freep) char *data = NULL;
    size_t len;
    int r = fd_read_file(AT_FDCWD, entry->fts_accpath, FILE_BYTES_MAX, &data, &len, err);
    if (r < 0)
        return r;
    if (buf_printf(all, "%s %zu\n", path, len) < 0 || buf_append(all, data, len) < 0)
        return err_set(err, ERR_TOO_LARGE, "the runtime's files are more than %u bytes", FILE_BYTES_MAX);
    return 0;
}

/* The text of VERSION_NAME that belongs to these files and that SDK. */
static int version_of(const char *files, const char *sdk_link, char **ret_version, struct err *err)
{
    char sdk[PATH_MAX] = "", hex[SHA256_HEX_BYTES];
    unsigned char digest[SHA256_BYTES];
    CLEANUP(buf_free) struct buf all = BUF_INIT(FILE_BYTES_MAX);
    int r = walk(files, false, add_to_digest, &all, err);
    if (r < 0)
        return r;
    ssize_t n = readlink(sdk_link, sdk, sizeof sdk - 1);
    sdk[n > 0 ? n : 0] = '\0';
    digest_sha256(all.data, all.len, digest);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    *ret_version = str_format("%s %s\n", hex, n > 0 ? sdk : "no SDK");
    return 0;
}

static bool is_current(const char *dir, const char *version)
{
    CLEANUP(freep) char *path = str_format("%s/" VERSION_NAME, dir);
    CLEANUP(freep) char *text = NULL;
    struct err ignored;
    return fd_read_file(AT_FDCWD, path, PATH_MAX + 128, &text, NULL, &ignored) == 0 && str_eq(text, version);
}

/* ---- copying */

struct copy {
    const char *to;
    bool link; /* share the files if we may */
};

static int make_file(const char *path, mode_t mode, int *ret_fd, struct err *err)
{
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*ret_fd < 0 || fchmod(*ret_fd, mode) < 0)
        return err_errno(err, "making %s", path);
    return 0;
}

static int copy_file(const char *from, const char *to, mode_t mode, struct err *err)
{
    CLEANUP(fd_closep) int out = -1;
    CLEANUP(fd_closep) int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return err_errno(err, "reading %s", from);
    int r = make_file(to, mode, &out, err);
    while (r == 0) {
        ssize_t n = sendfile(out, in, NULL, 1 << 20);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            r = err_errno(err, "copying %s to %s", from, to);
    }
    return r;
}

static int copy_entry(void *arg, const FTSENT *entry, const char *path, struct err *err)
{
    const struct copy *copy = arg;
    CLEANUP(freep) char *to = *path != '\0' ? str_format("%s/%s", copy->to, path) : str_format("%s", copy->to);
    if (is_dir(entry)) {
        if ((mkdir(to, 0755) < 0 && errno != EEXIST) || chmod(to, 0755) < 0)
            return err_errno(err, "making %s", to);
        return 0;
    }
    if (entry->fts_info != FTS_F)
        return 0; /* neither we nor the SDKs have links */
    if (copy->link && link(entry->fts_accpath, to) == 0)
        return 0;
    return copy_file(entry->fts_accpath, to, 0644, err);
}

static int copy_tree(const char *from, const char *to, bool share, struct err *err)
{
    struct copy copy = {.to = to, .link = share};
    return walk(from, false, copy_entry, &copy, err);
}

/* ---- one language */

static int build(const struct language *language, const char *files, const char *sdk_link, const char *version, const char *dir,
                 struct err *err)
{
    CLEANUP(freep) char *sdk_from = str_format("%s/%s", sdk_link, language->sdk_from);
    CLEANUP(freep) char *sdk_to = str_format("%s/%s", dir, language->sdk_to);
    CLEANUP(freep) char *stamp = str_format("%s/" VERSION_NAME, dir);
    CLEANUP(fd_closep) int fd = -1;
    char real[PATH_MAX];
    int r = remove_tree(dir, err);
    if (r == 0)
        r = copy_tree(files, dir, false, err);
    if (r == 0 && realpath(sdk_from, real) != NULL)
        r = copy_tree(real, sdk_to, true, err);
    if (r == 0)
        r = make_file(stamp, 0644, &fd, err);
    if (r == 0)
        r = fd_write_all(fd, version, strlen(version), err);
    if (r == 0 && syncfs(fd) < 0) /* or a loss of power could leave a version without its files */
        r = err_errno(err, "syncing %s", dir);
    return r;
}

static int put_in_place(const char *made, const char *dir, struct err *err)
{
    if (renameat2(AT_FDCWD, made, AT_FDCWD, dir, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EEXIST || renameat2(AT_FDCWD, made, AT_FDCWD, dir, RENAME_EXCHANGE) < 0)
        return err_errno(err, "putting %s in place", dir);
    return remove_tree(made, err);
}

static int prepare(const struct language *language, const char *files_dir, const char *data_dir, struct err *err)
{
    CLEANUP(freep) char *files = str_format("%s/%s", files_dir, language->name);
    CLEANUP(freep) char *sdk_link = str_format("%s/sdk/%s", data_dir, language->name);
    CLEANUP(freep) char *dir = str_format("%s/runtimes/%s", data_dir, language->name);
    CLEANUP(freep) char *made = str_format("%s/runtimes/.%s.new", data_dir, language->name);
    CLEANUP(freep) char *version = NULL;
    if (access(files, F_OK) < 0)
        return 0;
    int r = version_of(files, sdk_link, &version, err);
    if (r < 0 || is_current(dir, version))
        return r;
    r = build(language, files, sdk_link, version, made, err);
    if (r == 0)
        r = put_in_place(made, dir, err);
    return r;
}

int runtime_dir_prepare(const char *files_dir, const char *data_dir, struct err *err)
{
    CLEANUP(freep) char *top = str_format("%s/runtimes", data_dir);
    if ((mkdir(top, 0755) < 0 && errno != EEXIST) || chmod(top, 0755) < 0)
        return err_errno(err, "making %s", top);
    for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
        int r = prepare(&languages[i], files_dir, data_dir, err);
        if (r < 0)
            return err_wrap(err, "the %s runtime's directory", languages[i].name);
    }
    return 0;
}
