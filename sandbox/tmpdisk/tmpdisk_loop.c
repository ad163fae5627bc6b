/* The loop-ext4 backend of /tmp: a sparse image without journal per room on a loop device with direct I/O, so
 * that pages are cached once and a deleted file gives its space back (discard). Copying a golden image costs
 * less than mkfs. Image files lose their name as soon as the loop device holds them, and the device clears
 * itself after the last unmount: a crash at any point leaves at most a named image, which the sweep deletes.
 */
#include "sandbox/tmpdisk/tmpdisk_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fd.h"

#define LOOP_MAJOR 7
#define ATTACH_TRIES_MAX 64 /* others take free loop devices too */
#define INODE_BYTES 256     /* mke2fs's default */
#define METADATA_MB 4       /* bitmaps, descriptors, superblocks of an image */
#define COPY_BYTES (1u << 20)
#define FLUSH_WORTH_BLOCKS 1024 /* more than 4 MB used: unmounting would write them all first */
#define PASSED_FD 3             /* of a program that we run */
#define PASSED_FILE "/proc/self/fd/3"
#define EXT4_SHUTDOWN _IOR('X', 125, uint32_t)
#define EXT4_SHUTDOWN_NO_FLUSH 2u

/* ---- programs */

/* Runs a program of the system's, found where distributions put it, with its output dropped. It has fd, if that is none of -1, as
 * PASSED_FD. */
static int run(const char *name, char *const argv[], int fd, struct err *err)
{
    static const char *const dirs[] = {"/usr/sbin", "/sbin", "/usr/bin", "/bin"};
    extern char **environ;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    posix_spawn_file_actions_adddup2(&actions, 0, 2);
    if (fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, fd, PASSED_FD);
    int rc = ENOENT;
    pid_t pid = -1;
    for (size_t i = 0; rc == ENOENT && i < ARRAY_LEN(dirs); i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", dirs[i], name);
        rc = posix_spawn(&pid, path, &actions, NULL, argv, environ);
    }
    posix_spawn_file_actions_destroy(&actions);
    if (rc) {
        errno = rc;
        return err_errno(err, "running %s", name);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, "waiting for %s", name);
    if (status != 0)
        return err_set(err, ERR_IO, "%s failed with wait status 0x%x", name, (unsigned)status);
    return 0;
}

int tmpdisk_loop_check(struct err *err)
{
    struct err ignored;
    if (access("/dev/loop-control", F_OK) < 0 && run("modprobe", (char *[]){(char *)"modprobe", (char *)"loop", NULL}, -1, &ignored) < 0)
        return err_set(err, ERR_UNSUPPORTED, "this kernel offers no loop devices (/dev/loop-control): load the module `loop`");
    CLEANUP(fd_closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) {
        err_errno(err, "opening /dev/loop-control");
        err->kind = ERR_UNSUPPORTED;
        return -ERR_UNSUPPORTED;
    }
    return 0;
}

/* ---- loop devices */

/* /dev/loopN; where nobody makes such nodes (a /dev that is no devtmpfs) one is made for the moment. */
static int open_node(int number, char *path, size_t cap, bool *ret_made, struct err *err)
{
    snprintf(path, cap, "/dev/loop%d", number);
    *ret_made = false;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        if (mknod(path, S_IFBLK | 0600, makedev(LOOP_MAJOR, (unsigned)number)) < 0 && errno != EEXIST)
            return err_errno(err, "making %s", path);
        *ret_made = true;
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    return fd < 0 ? err_errno(err, "opening %s", path) : fd;
}

static int configure(int loop, int image, bool direct)
{
    struct loop_config config = {.fd = (uint32_t)image, .block_size = 4096};
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (direct ? LO_FLAGS_DIRECT_IO : 0);
    return ioctl(loop, LOOP_CONFIGURE, &config);
}

/* Puts the image file behind a free loop device. *ret_made: remove the node when mounted. */
static int attach(int dirfd, const char *image, char *path, size_t cap, int *ret_number, bool *ret_made, struct err *err)
{
    CLEANUP(fd_closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    CLEANUP(fd_closep) int direct = openat(dirfd, image, O_RDWR | O_DIRECT | O_CLOEXEC);
    CLEANUP(fd_closep) int buffered = openat(dirfd, image, O_RDWR | O_CLOEXEC);
    if (control < 0 || buffered < 0)
        return err_errno(err, "opening %s", control < 0 ? "/dev/loop-control" : image);
    for (int i = 0; i < ATTACH_TRIES_MAX; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return err_errno(err, "finding a free loop device");
        CLEANUP(fd_closep) int loop = open_node(number, path, cap, ret_made, err);
        if (loop < 0)
            return loop;
        /* A file system without direct I/O (tmpfs, some overlays) is cached twice. */
        if ((direct >= 0 && configure(loop, direct, true) == 0) || configure(loop, buffered, false) == 0) {
            *ret_number = number;
            return fd_steal(&loop);
        }
        if (errno != EBUSY)
            return err_errno(err, "attaching %s to %s", image, path);
    }
    return err_set(err, ERR_UNAVAILABLE, "no loop device stayed free in %d tries", ATTACH_TRIES_MAX);
}

/* ---- ext4 */

static int mount_ext4(const char *device, int *ret_mount_fd, struct err *err)
{
    /* No zeroing of inode tables in the background (it would fill the sparse image), no flush of the host's
     * disk at each fsync: nothing here outlives the room. */
    static const char *const options[] = {"discard", "noinit_itable", "nobarrier"};
    CLEANUP(fd_closep) int fs = (int)syscall(SYS_fsopen, "ext4", FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_errno(err, "fsopen(ext4)");
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", device, 0) < 0)
        return err_errno(err, "naming %s to ext4", device);
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, options[i], NULL, 0) < 0)
            return err_errno(err, "option %s of ext4", options[i]);
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_errno(err, "mounting ext4 from %s", device);
    int fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
    if (fd < 0)
        return err_errno(err, "fsmount(ext4)");
    *ret_mount_fd = fd;
    return 0;
}

/* Mounts the image file of that name. */
static int mount_image(int dirfd, const char *image, int *ret_mount_fd, int *ret_loop, struct err *err)
{
    char path[32];
    bool made = false;
    int number = -1;
    CLEANUP(fd_closep) int loop = attach(dirfd, image, path, sizeof path, &number, &made, err);
    if (loop < 0)
        return loop;
    int rc = mount_ext4(path, ret_mount_fd, err);
    if (made)
        unlink(path);
    if (rc == 0)
        *ret_loop = number;
    return rc; /* the mount holds the device now; without one, closing it detaches the image */
}

int tmpdisk_loop_remount(int loop, int *mount_fd, struct err *err)
{
    char path[32];
    bool made = false;
    int again = -1;
    CLEANUP(fd_closep) int node = open_node(loop, path, sizeof path, &made, err);
    if (node < 0)
        return node;
    int rc = mount_ext4(path, &again, err);
    if (made)
        unlink(path);
    if (rc < 0)
        return rc;
    fd_closep(mount_fd);
    *mount_fd = again;
    return 0;
}

/* Copies what is not a hole. */
static int copy_sparse(int from, int to, struct err *err)
{
    struct stat st;
    if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
        return err_errno(err, "sizing an image");
    if (ioctl(to, _IOW(0x94, 9, int), from) == 0) /* FICLONE: file systems that share blocks */
        return 0;
    off_t start = lseek(from, 0, SEEK_DATA), end;
    for (; start >= 0; start = lseek(from, end, SEEK_DATA)) {
        end = lseek(from, start, SEEK_HOLE);
        if (end < 0)
            return err_errno(err, "reading an image");
        for (off_t in = start, out = start; in < end;) {
            size_t len = end - in < (off_t)COPY_BYTES ? (size_t)(end - in) : COPY_BYTES;
            ssize_t n = copy_file_range(from, &in, to, &out, len, 0);
            if (n <= 0)
                return err_errno(err, "copying an image");
        }
    }
    return errno == ENXIO ? 0 : err_errno(err, "reading an image"); /* ENXIO: no more data */
}

/* A name for an image that will soon have none. One thread, and the pid keeps two daemons on one directory
 * apart. */
static void next_name(char *name, size_t cap)
{
    static unsigned counter;
    snprintf(name, cap, "%d-%u.img", getpid(), ++counter);
}

int tmpdisk_loop_mount(int dirfd, int golden_fd, int *ret_mount_fd, int *ret_loop, struct err *err)
{
    char name[40];
    next_name(name, sizeof name);
    CLEANUP(fd_closep) int image = openat(dirfd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (image < 0)
        return err_errno(err, "making the image %s", name);
    int rc = copy_sparse(golden_fd, image, err);
    if (rc == 0)
        rc = mount_image(dirfd, name, ret_mount_fd, ret_loop, err);
    unlinkat(dirfd, name, 0);
    return rc;
}

static int make_fs(int image, uint32_t size_mb, struct err *err)
{
    char inodes[16];
    snprintf(inodes, sizeof inodes, "%u", size_mb * TMPDISK_INODES_PER_MB);
    char *argv[] = {(char *)"mkfs.ext4",
                    (char *)"-q",
                    (char *)"-F",
                    (char *)"-b",
                    (char *)"4096",
                    (char *)"-m",
                    (char *)"0",
                    (char *)"-I",
                    (char *)"256",
                    (char *)"-N",
                    inodes,
                    (char *)"-O",
                    (char *)"^has_journal,^resize_inode,metadata_csum,extent,dir_index,huge_file,64bit",
                    (char *)"-E",
                    (char *)"lazy_itable_init=1,nodiscard",
                    (char *)PASSED_FILE,
                    NULL};
    if (run("mkfs.ext4", argv, image, err) < 0) {
        if (err->code == ENOENT)
            return err_set(err, ERR_UNSUPPORTED, "mkfs.ext4 is not installed: install e2fsprogs");
        return err_wrap(err, "making a file system of %u MB", size_mb);
    }
    return 0;
}

int tmpdisk_loop_golden(int dirfd, uint32_t size_mb, int *ret_fd, struct err *err)
{
    char name[40];
    next_name(name, sizeof name);
    CLEANUP(fd_closep) int image = openat(dirfd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    CLEANUP(fd_closep) int mount_fd = -1;
    if (image < 0)
        return err_errno(err, "making the image %s", name);
    off_t table = (off_t)size_mb * TMPDISK_INODES_PER_MB * INODE_BYTES;
    int rc, loop;
    if (ftruncate(image, ((off_t)(size_mb + METADATA_MB) << 20) + table) < 0)
        rc = err_errno(err, "sizing the image %s", name);
    else if ((rc = make_fs(image, size_mb, err)) == 0 && (rc = mount_image(dirfd, name, &mount_fd, &loop, err)) == 0) {
        if (unlinkat(mount_fd, "lost+found", AT_REMOVEDIR) < 0 || fchmodat(mount_fd, ".", 01777, 0) < 0)
            rc = err_errno(err, "emptying the image %s", name);
        fd_closep(&mount_fd); /* unmounts, and so writes everything */
        if (rc == 0 && fsync(image) < 0)
            rc = err_errno(err, "writing the image %s", name);
    }
    unlinkat(dirfd, name, 0);
    if (rc == 0)
        *ret_fd = fd_steal(&image);
    return rc;
}

void tmpdisk_loop_drop(int *mount_fd)
{
    struct statfs fs;
    CLEANUP(fd_closep) int root = openat(*mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint32_t how = EXT4_SHUTDOWN_NO_FLUSH;
    if (root >= 0 && fstatfs(root, &fs) == 0 && fs.f_blocks - fs.f_bfree > FLUSH_WORTH_BLOCKS && ioctl(root, EXT4_SHUTDOWN, &how) < 0)
        how = 0; /* then unmounting takes longer, and is right all the same */
    fd_closep(&root);
    fd_closep(mount_fd);
}
