/* Preparing and locking the data directory while stoked may still be root: it must not take over a directory that is
 * somebody else's, and it must find out now, in plain words, that its later user cannot get there. */
#include "host/data_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define LOCK_NAME "lock"
#define SWEEP_US_MAX (20 * 1000000) /* longer than a monitor takes to end what it kept */
#define LOCK_PAUSE_US 20000

/* mkdir -p: parents as the umask has them, the last one 0700. */
static int make_path(const char *path, struct err *err)
{
    CLEANUP(freep) char *copy = str_format("%s", path);
    for (char *p = copy + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
        *p = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return err_errno(err, "making %s", copy);
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_errno(err, "making the data directory %s", path);
    return 0;
}

static char *default_path(const struct identity *identity)
{
    if (identity->from_root)
        return str_format("/var/lib/stoke");
    const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (xdg != NULL && *xdg == '/')
        return str_format("%s/stoke", xdg);
    return str_format("%s/.local/share/stoke", home != NULL ? home : "");
}

/* What may be in a data directory before its first start: the SDKs that were fetched for it, the root of a file system of
 * its own, what a daemon of ours left. */
static bool is_known(const char *name)
{
    static const char *const known[] = {".", "..", "lost+found", "sdk", "sandbox", "runtimes.list", LOCK_NAME};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(name, known[i]))
            return true;
    return false;
}

static bool is_empty_or_ours(int dirfd)
{
    bool empty = true;
    if (faccessat(dirfd, LOCK_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (!is_known(entry->d_name))
            empty = false;
    closedir(dir);
    return empty;
}

/* The directory becomes the identity's with mode 0700, if it is not somebody else's. */
static int take(const char *path, int dirfd, const struct identity *identity, struct err *err)
{
    struct stat st;
    if (fstat(dirfd, &st) < 0)
        return err_errno(err, "%s", path);
    if (st.st_uid != identity->uid && !(identity->from_root && st.st_uid == 0))
        return err_set(err, ERR_DENIED, "the data directory %s belongs to uid %u and stoked is to run as uid %u", path, st.st_uid,
                       identity->uid);
    if (!is_empty_or_ours(dirfd))
        return err_set(err, ERR_DENIED, "the directory %s has files in it that are not Stoke's: name another --data", path);
    if (identity->from_root && fchown(dirfd, identity->uid, identity->gid) < 0)
        return err_errno(err, "giving %s to uid %u", path, identity->uid);
    if (fchmod(dirfd, 0700) < 0)
        return err_errno(err, "setting the mode of %s", path);
    return 0;
}

/* As the identity would see it: every component must be enterable. setfsuid(2) takes the file capabilities away with it. */
static int check_reach(const char *path, const struct identity *identity, struct err *err)
{
    int r = 0;
    if (!identity->from_root)
        return 0;
    setfsgid(identity->gid);
    setfsuid(identity->uid);
    CLEANUP(freep) char *prefix = str_format("%s/", path);
    for (char *p = prefix + 1; r == 0 && (p = strchr(p, '/')) != NULL; *p++ = '/') {
        *p = '\0';
        int fd = open(prefix, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            close(fd);
            continue;
        }
        char *slash = strrchr(prefix, '/');
        r = err_set(err, ERR_DENIED,
                    "uid %u, which stoked becomes, may not enter %.*s on the way to the data directory %s: choose another "
                    "--data, or another user in the configuration",
                    identity->uid, slash == prefix ? 1 : (int)(slash - prefix), prefix, path);
    }
    setfsuid(0);
    setfsgid(0);
    return r;
}

/* The pid that the holder of the lock wrote into it; 0: none. */
static pid_t holder(const struct data_dir *dir)
{
    char text[32] = "";
    int64_t pid = 0;
    ssize_t n = pread(dir->lock_fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return str_to_i64(text, 1, INT_MAX, &pid) ? (pid_t)pid : 0;
}

/* The monitor shares the lock: after a stoked that was killed it is held until all of its sandboxes are gone, and we wait. */
static int take_lock(const struct data_dir *dir, struct err *err)
{
    int64_t deadline_us = clock_mono_us() + SWEEP_US_MAX;
    while (flock(dir->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_errno(err, "locking %s/%s", dir->path, LOCK_NAME);
        pid_t pid = holder(dir);
        if (pid != 0 && (kill(pid, 0) == 0 || errno != ESRCH))
            return err_set(err, ERR_CONFLICT, "another stoked (pid %d) is using the data directory %s", pid, dir->path);
        if (clock_mono_us() > deadline_us)
            return err_set(err, ERR_CONFLICT, "what is left of a stoked that ended is still using the data directory %s", dir->path);
        usleep(LOCK_PAUSE_US);
    }
    return 0;
}

static int lock(struct data_dir *dir, const struct identity *identity, struct err *err)
{
    char text[32];
    dir->lock_fd = openat(dir->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock_fd < 0)
        return err_errno(err, "%s/%s", dir->path, LOCK_NAME);
    int r = take_lock(dir, err);
    if (r < 0)
        return r;
    if (identity->from_root && fchown(dir->lock_fd, identity->uid, identity->gid) < 0)
        return err_errno(err, "%s/%s", dir->path, LOCK_NAME);
    int n = snprintf(text, sizeof(text), "%d\n", getpid());
    if (ftruncate(dir->lock_fd, 0) < 0 || pwrite(dir->lock_fd, text, (size_t)n, 0) != n)
        return err_errno(err, "writing %s/%s", dir->path, LOCK_NAME);
    return 0;
}

int data_dir_open(const char *path, const struct identity *identity, struct data_dir *ret_dir, struct err *err)
{
    char real[PATH_MAX];
    struct data_dir dir = {.fd = -1, .lock_fd = -1};
    CLEANUP(freep) char *wanted = *path != '\0' ? str_format("%s", path) : default_path(identity);
    int r = make_path(wanted, err);
    if (r < 0)
        return r;
    if (realpath(wanted, real) == NULL)
        return err_errno(err, "the data directory %s", wanted);
    dir.path = str_format("%s", real);
    dir.fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir.fd < 0)
        r = err_errno(err, "opening the data directory %s", real);
    if (r == 0)
        r = take(real, dir.fd, identity, err);
    if (r == 0)
        r = check_reach(real, identity, err);
    if (r == 0)
        r = lock(&dir, identity, err);
    if (r < 0) {
        data_dir_close(&dir);
        return r;
    }
    *ret_dir = dir;
    return 0;
}

void data_dir_close(struct data_dir *dir)
{
    free(dir->path);
    dir->path = NULL;
    fd_closep(&dir->lock_fd);
    fd_closep(&dir->fd);
}

int data_dir_scratch(const struct data_dir *dir, const char *name, struct err *err)
{
    if (mkdirat(dir->fd, name, 0700) < 0 && errno != EEXIST)
        return err_errno(err, "making %s/%s", dir->path, name);
    int fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
    if (list == NULL) {
        fd_closep(&fd);
        return err_errno(err, "opening %s/%s", dir->path, name);
    }
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;)
        if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
            (void)unlinkat(fd, entry->d_name, 0); /* a leftover that stays does no harm */
    closedir(list);
    return 0;
}
