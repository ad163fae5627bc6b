/* The /tmp of rooms: which backend there is, a small pool of mounted and unused file systems, and what
 * becomes of used ones. A file system is used a second time only when nothing of its first user can be seen
 * in it: same free blocks and inodes, an empty root directory that was not changed since it was handed out,
 * no attributes on it. All others are dropped. */
#include "sandbox/tmpdisk/tmpdisk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "sandbox/tmpdisk/tmpdisk_impl.h"

#define DEFAULT_MB 512
#define SIZE_MB_MAX (1024u * 1024)
#define POOL_WANTED 4         /* unused file systems of the size asked for last */
#define POOL_MAX 8            /* unused file systems in all, returned ones included */
#define GOLDENS_MAX 16        /* sizes whose image is kept at hand */
#define FIXED_MTIME 946684800 /* the root directory's when handed out: 2000-01-01 */

enum backend { BACKEND_TMPFS, BACKEND_LOOP };

/* What the root of an unused file system looks like. */
struct look {
    uint64_t free_blocks, free_inodes;
    unsigned long flags; /* chattr */
    struct timespec changed;
    mode_t mode;
};

struct golden {
    TAILQ_ENTRY(golden) link;
    uint32_t size_mb;
    int fd;
};

struct tmpdisk {
    TAILQ_ENTRY(tmpdisk) link; /* in the pool, else unlinked */
    struct tmpdisks *owner;
    uint32_t size_mb;
    int mount_fd; /* the same mount that the room gets; -1: tmpfs */
    int loop;     /* number of its device */
    struct look look;
};

TAILQ_HEAD(disk_list, tmpdisk);
TAILQ_HEAD(golden_list, golden);

struct tmpdisks {
    enum backend backend;
    int dirfd;
    char missing[512];
    struct golden_list goldens; /* last used first */
    unsigned golden_count;
    struct disk_list pool;
    unsigned pool_count;
    uint32_t wanted_mb; /* asked for last */
};

/* ---- the pool's images */

static int golden_of(struct tmpdisks *disks, uint32_t size_mb, int *ret_fd, struct err *err)
{
    struct golden *golden;
    TAILQ_FOREACH(golden, &disks->goldens, link)
        if (golden->size_mb == size_mb)
            break;
    if (golden) {
        TAILQ_REMOVE(&disks->goldens, golden, link);
    } else {
        golden = calloc(1, sizeof *golden);
        if (!golden)
            return err_set(err, ERR_NO_MEMORY, "no memory for an image");
        golden->size_mb = size_mb;
        if (tmpdisk_loop_golden(disks->dirfd, size_mb, &golden->fd, err) < 0) {
            free(golden);
            return -(int)err->kind;
        }
        disks->golden_count++;
    }
    TAILQ_INSERT_HEAD(&disks->goldens, golden, link);
    if (disks->golden_count > GOLDENS_MAX) {
        struct golden *old = TAILQ_LAST(&disks->goldens, golden_list);
        TAILQ_REMOVE(&disks->goldens, old, link);
        close(old->fd);
        free(old);
        disks->golden_count--;
    }
    *ret_fd = golden->fd;
    return 0;
}

static void disk_drop(struct tmpdisk *disk)
{
    if (disk->mount_fd >= 0)
        tmpdisk_loop_drop(&disk->mount_fd);
    free(disk);
}

static int disk_make(struct tmpdisks *disks, uint32_t size_mb, struct tmpdisk **ret_disk, struct err *err)
{
    int golden = -1;
    struct tmpdisk *disk = calloc(1, sizeof *disk);
    if (!disk)
        return err_set(err, ERR_NO_MEMORY, "no memory for a /tmp");
    *disk = (struct tmpdisk){.owner = disks, .size_mb = size_mb, .mount_fd = -1};
    if (golden_of(disks, size_mb, &golden, err) < 0 || tmpdisk_loop_mount(disks->dirfd, golden, &disk->mount_fd, &disk->loop, err) < 0) {
        free(disk);
        return -(int)err->kind;
    }
    *ret_disk = disk;
    return 0;
}

static void pool_add(struct tmpdisks *disks, struct tmpdisk *disk)
{
    if (disks->pool_count == POOL_MAX) {
        struct tmpdisk *old = TAILQ_LAST(&disks->pool, disk_list);
        TAILQ_REMOVE(&disks->pool, old, link);
        disks->pool_count--;
        disk_drop(old);
    }
    TAILQ_INSERT_HEAD(&disks->pool, disk, link);
    disks->pool_count++;
}

static struct tmpdisk *pool_take(struct tmpdisks *disks, uint32_t size_mb)
{
    struct tmpdisk *disk;
    TAILQ_FOREACH(disk, &disks->pool, link)
        if (disk->size_mb == size_mb) {
            TAILQ_REMOVE(&disks->pool, disk, link);
            disks->pool_count--;
            return disk;
        }
    return NULL;
}

/* ---- handing out, looking at what comes back */

static int look_at(int mount_fd, struct look *ret_look, struct err *err)
{
    struct statfs fs;
    struct stat st;
    struct look look = {0};
    CLEANUP(fd_closep) int root = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || fstatfs(root, &fs) < 0 || fstat(root, &st) < 0)
        return err_errno(err, "looking at a /tmp");
    if (ioctl(root, FS_IOC_GETFLAGS, &look.flags) < 0)
        return err_errno(err, "reading the flags of a /tmp");
    look.free_blocks = fs.f_bfree;
    look.free_inodes = fs.f_ffree;
    look.changed = st.st_ctim;
    look.mode = st.st_mode;
    *ret_look = look;
    return 0;
}

static bool is_empty(int mount_fd)
{
    int root = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || flistxattr(root, NULL, 0) != 0) {
        fd_closep(&root);
        return false;
    }
    DIR *dir = fdopendir(root);
    if (!dir) {
        close(root);
        return false;
    }
    struct dirent *entry;
    bool empty = true;
    while (empty && (entry = readdir(dir)))
        empty = str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..");
    closedir(dir);
    return empty;
}

static bool is_untouched(const struct tmpdisk *disk)
{
    struct look now;
    struct err err;
    return look_at(disk->mount_fd, &now, &err) == 0 && now.free_blocks == disk->look.free_blocks &&
           now.free_inodes == disk->look.free_inodes && now.flags == disk->look.flags && now.mode == disk->look.mode &&
           now.changed.tv_sec == disk->look.changed.tv_sec && now.changed.tv_nsec == disk->look.changed.tv_nsec && is_empty(disk->mount_fd);
}

/* Gives the root to its user. The room gets the mount; ours keeps it in sight when the room is gone. */
static int hand_out(struct tmpdisk *disk, uid_t uid, gid_t gid, int *ret_mount_fd, struct err *err)
{
    static const struct timespec times[2] = {{.tv_sec = FIXED_MTIME}, {.tv_sec = FIXED_MTIME}};
    if (fchownat(disk->mount_fd, "", uid, gid, AT_EMPTY_PATH) < 0 || utimensat(disk->mount_fd, ".", times, 0) < 0)
        return err_errno(err, "giving a /tmp to its user");
    if (look_at(disk->mount_fd, &disk->look, err) < 0)
        return -(int)err->kind;
    int fd = fcntl(disk->mount_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, "duplicating a mount");
    *ret_mount_fd = fd;
    return 0;
}

static int take_tmpfs(uint32_t size_mb, uid_t uid, gid_t gid, int *ret_mount_fd, struct err *err)
{
    char size[24], inodes[24], user[24], group[24];
    snprintf(size, sizeof size, "%um", size_mb);
    snprintf(inodes, sizeof inodes, "%u", size_mb * TMPDISK_INODES_PER_MB);
    snprintf(user, sizeof user, "%u", uid);
    snprintf(group, sizeof group, "%u", gid);
    const char *const options[][2] = {{"size", size}, {"nr_inodes", inodes}, {"mode", "1777"}, {"uid", user}, {"gid", group}};
    CLEANUP(fd_closep) int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_errno(err, "fsopen(tmpfs)");
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
            return err_errno(err, "option %s=%s of tmpfs", options[i][0], options[i][1]);
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_errno(err, "making a tmpfs");
    int fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (fd < 0)
        return err_errno(err, "fsmount(tmpfs)");
    *ret_mount_fd = fd;
    return 0;
}

int tmpdisk_take(struct tmpdisks *disks, uint32_t size_mb, uid_t uid, gid_t gid, struct tmpdisk **ret_disk, int *ret_mount_fd,
                 struct err *err)
{
    if (size_mb == 0 || size_mb > SIZE_MB_MAX)
        return err_set(err, ERR_INVALID, "%u MB is no size for a /tmp", size_mb);
    struct tmpdisk *disk;
    if (disks->backend == BACKEND_TMPFS) {
        disk = calloc(1, sizeof *disk);
        if (!disk)
            return err_set(err, ERR_NO_MEMORY, "no memory for a /tmp");
        *disk = (struct tmpdisk){.owner = disks, .size_mb = size_mb, .mount_fd = -1};
        if (take_tmpfs(size_mb, uid, gid, ret_mount_fd, err) < 0) {
            free(disk);
            return -(int)err->kind;
        }
        *ret_disk = disk;
        return 0;
    }
    disks->wanted_mb = size_mb;
    disk = pool_take(disks, size_mb);
    if (!disk && disk_make(disks, size_mb, &disk, err) < 0)
        return -(int)err->kind;
    if (hand_out(disk, uid, gid, ret_mount_fd, err) < 0) {
        disk_drop(disk);
        return -(int)err->kind;
    }
    *ret_disk = disk;
    return 0;
}

void tmpdisk_give_back(struct tmpdisk *disk)
{
    if (!disk)
        return;
    struct err err;
    if (disk->mount_fd >= 0 && is_untouched(disk) && tmpdisk_loop_remount(disk->loop, &disk->mount_fd, &err) == 0)
        pool_add(disk->owner, disk);
    else
        disk_drop(disk);
}

void tmpdisk_refill(struct tmpdisks *disks)
{
    struct tmpdisk *disk;
    unsigned have = 0;
    if (disks->backend != BACKEND_LOOP)
        return;
    TAILQ_FOREACH(disk, &disks->pool, link)
        have += disk->size_mb == disks->wanted_mb;
    struct err err; /* the next take says it, should it last */
    if (have < POOL_WANTED && disk_make(disks, disks->wanted_mb, &disk, &err) == 0)
        pool_add(disks, disk);
}

/* ---- start and end */

int tmpdisk_open(int dirfd, bool rootless, struct tmpdisks **ret_disks, struct err *err)
{
    struct tmpdisks *disks = calloc(1, sizeof *disks);
    if (!disks)
        return err_set(err, ERR_NO_MEMORY, "no memory for /tmp disks");
    *disks = (struct tmpdisks){.backend = BACKEND_TMPFS, .dirfd = -1, .wanted_mb = DEFAULT_MB};
    TAILQ_INIT(&disks->goldens);
    TAILQ_INIT(&disks->pool);
    if (rootless) {
        snprintf(disks->missing, sizeof disks->missing,
                 "/tmp counts against a function's memory: a disk for it needs root (start stoked as root).");
        *ret_disks = disks;
        return 0;
    }
    disks->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
    if (disks->dirfd < 0) {
        free(disks);
        return err_errno(err, "keeping the directory of /tmp images");
    }
    tmpdisk_sweep(dirfd);
    struct err why;
    struct tmpdisk *first;
    disks->backend = BACKEND_LOOP;
    if (tmpdisk_loop_check(&why) < 0 || disk_make(disks, DEFAULT_MB, &first, &why) < 0) {
        disks->backend = BACKEND_TMPFS;
        snprintf(disks->missing, sizeof disks->missing,
                 "/tmp counts against a function's memory, since no disk can be made for it: %.380s.", why.msg);
    } else {
        pool_add(disks, first);
    }
    *ret_disks = disks;
    return 0;
}

void tmpdisk_close(struct tmpdisks *disks)
{
    if (!disks)
        return;
    for (struct tmpdisk *disk; (disk = TAILQ_FIRST(&disks->pool));) {
        TAILQ_REMOVE(&disks->pool, disk, link);
        disk_drop(disk);
    }
    for (struct golden *golden; (golden = TAILQ_FIRST(&disks->goldens));) {
        TAILQ_REMOVE(&disks->goldens, golden, link);
        close(golden->fd);
        free(golden);
    }
    fd_closep(&disks->dirfd);
    free(disks);
}

bool tmpdisk_is_memory(const struct tmpdisks *disks)
{
    return disks->backend == BACKEND_TMPFS;
}

const char *tmpdisk_backend(const struct tmpdisks *disks)
{
    return disks->backend == BACKEND_LOOP ? "loop-ext4" : "tmpfs";
}

const char *tmpdisk_missing(const struct tmpdisks *disks)
{
    return disks->missing;
}

/* Whether that loop device's file lies in dir: the kernel says its path, with " (deleted)" when it has no
 * name. */
static bool is_backed_by(const char *loop, const char *dir)
{
    char path[300], text[4097] = "";
    snprintf(path, sizeof path, "/sys/block/%s/loop/backing_file", loop);
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    size_t len = strlen(dir);
    return n > 0 && strncmp(text, dir, len) == 0 && text[len] == '/' && strcspn(text + len + 1, "/") == strlen(text + len + 1);
}

static void detach_loops(const char *dir)
{
    DIR *blocks = opendir("/sys/block");
    struct dirent *entry;
    if (!blocks)
        return;
    while ((entry = readdir(blocks))) {
        char path[300];
        if (!str_starts(entry->d_name, "loop") || !is_backed_by(entry->d_name, dir))
            continue;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && ioctl(fd, LOOP_CLR_FD) < 0)
            continue; /* detached meanwhile, or to be once its last mount is gone */
    }
    closedir(blocks);
}

void tmpdisk_sweep(int dirfd)
{
    char path[64], real[PATH_MAX + 1];
    snprintf(path, sizeof path, "/proc/self/fd/%d", dirfd);
    ssize_t n = readlink(path, real, sizeof real - 1); /* the kernel's word: nobody's link is followed */
    int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *images = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;
    if (!images || n < 0) {
        if (images)
            closedir(images);
        else
            fd_closep(&copy);
        return;
    }
    real[n] = '\0';
    detach_loops(real);
    while ((entry = readdir(images)))
        if (str_ends(entry->d_name, ".img"))
            unlinkat(dirfd, entry->d_name, 0);
    closedir(images);
}
