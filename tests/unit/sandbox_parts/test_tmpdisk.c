/* /tmp disks against this kernel: quotas in blocks and inodes, emptiness, reuse only when untouched, and
 * nothing left behind. Needs root; the loop backend also loop devices and mkfs.ext4. */
#include "sandbox/tmpdisk/tmpdisk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "tests/unit/cunit.h"

static char dir[64];
static int dir_fd;
static struct tmpdisks *disks;
static struct err err;

#define OK(call)                                                                                                                           \
    do {                                                                                                                                   \
        int rc_ = (call);                                                                                                                  \
        if (rc_ < 0)                                                                                                                       \
            printf("\n    %s: %s", #call, err.msg);                                                                                        \
        CU_ASSERT_FATAL(rc_ == 0);                                                                                                         \
    } while (0)

static int loops_in_use(void)
{
    int n = 0;
    DIR *blocks = opendir("/sys/block");
    struct dirent *entry;
    while (blocks && (entry = readdir(blocks))) {
        char path[320], text[4096] = "";
        snprintf(path, sizeof path, "/sys/block/%s/loop/backing_file", entry->d_name);
        int fd = open(path, O_RDONLY);
        if (fd < 0)
            continue;
        n += read(fd, text, sizeof text - 1) > 0 && strncmp(text, dir, strlen(dir)) == 0;
        close(fd);
    }
    if (blocks)
        closedir(blocks);
    return n;
}

static void close_disks(void)
{
    tmpdisk_close(disks);
    for (int i = 0; i < 100 && loops_in_use(); i++)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    CU_ASSERT_EQUAL(loops_in_use(), 0);
}

/* Writes until the quota; the bytes that fitted. */
static long long fill(int mount_fd)
{
    static char block[1 << 20];
    memset(block, 7, sizeof block);
    int fd = openat(mount_fd, "big", O_CREAT | O_WRONLY, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    long long total = 0;
    ssize_t n;
    while ((n = write(fd, block, sizeof block)) > 0)
        total += n;
    CU_ASSERT(n < 0 && (errno == ENOSPC || errno == EDQUOT));
    close(fd);
    return total;
}

static long fill_inodes(int mount_fd, long max)
{
    for (long i = 0; i < max; i++) {
        char name[24];
        snprintf(name, sizeof name, "f%ld", i);
        int fd = openat(mount_fd, name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0) {
            CU_ASSERT(errno == ENOSPC || errno == EDQUOT);
            return i;
        }
        close(fd);
    }
    return max;
}

static void check_fresh(int mount_fd, uid_t uid)
{
    struct stat st;
    struct statvfs fs;
    int n = 0, fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY);
    CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &st) == 0 && fstatvfs(fd, &fs) == 0);
    CU_ASSERT(st.st_uid == uid && st.st_gid == uid + 1 && (st.st_mode & 07777) == 01777);
    CU_ASSERT((fs.f_flag & (ST_NOSUID | ST_NODEV)) == (ST_NOSUID | ST_NODEV));
    DIR *list = fdopendir(fd);
    while (list && readdir(list))
        n++;
    closedir(list);
    CU_ASSERT_EQUAL(n, 2);
}

static void quotas(uint32_t size_mb)
{
    struct tmpdisk *disk;
    int mount_fd;
    OK(tmpdisk_take(disks, size_mb, 1000, 1001, &disk, &mount_fd, &err));
    check_fresh(mount_fd, 1000);
    long long bytes = fill(mount_fd);
    printf("(%lld of %u MB) ", bytes >> 20, size_mb);
    CU_ASSERT(bytes >= (long long)(size_mb - 1) << 20 && bytes <= (long long)(size_mb + 16) << 20);
    unlinkat(mount_fd, "big", 0);
    long inodes = fill_inodes(mount_fd, size_mb * 80L);
    CU_ASSERT(inodes > size_mb * 60L && inodes < size_mb * 70L);
    close(mount_fd);
    tmpdisk_give_back(disk);
}

static void test_tmpdisk_loop_quotas(void)
{
    quotas(64);
}

static bool same_disk(int one, int other)
{
    struct stat a, b;
    return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev;
}

enum touch { NOTHING, FILE_LEFT, FILE_CAME_AND_WENT, ATTRIBUTE, TIMES };

static void touch(int mount_fd, enum touch how)
{
    int root = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY), fd;
    if (how == FILE_LEFT || how == FILE_CAME_AND_WENT) {
        fd = openat(root, "x", O_CREAT | O_WRONLY, 0600);
        close(fd);
    }
    if (how == FILE_CAME_AND_WENT)
        unlinkat(root, "x", 0);
    if (how == ATTRIBUTE)
        CU_ASSERT(fsetxattr(root, "user.secret", "x", 1, 0) == 0);
    if (how == TIMES)
        CU_ASSERT(futimens(root, NULL) == 0);
    close(root);
}

/* With an empty pool beside it the same disk comes back exactly when it was not touched. */
static void reuse(enum touch how, bool want)
{
    struct tmpdisk *disk, *pooled, *again;
    int mount_fd, pooled_fd, again_fd;
    OK(tmpdisk_take(disks, 32, 1000, 1001, &disk, &mount_fd, &err));
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* beyond one tick of the file system's clock */
    touch(mount_fd, how);
    int seen = openat(mount_fd, ".", O_PATH | O_DIRECTORY);
    OK(tmpdisk_take(disks, 32, 1000, 1001, &pooled, &pooled_fd, &err));
    CU_ASSERT(!same_disk(mount_fd, pooled_fd));
    close(mount_fd);
    tmpdisk_give_back(disk);
    OK(tmpdisk_take(disks, 32, 2000, 2001, &again, &again_fd, &err));
    check_fresh(again_fd, 2000);
    CU_ASSERT_EQUAL(same_disk(seen, again_fd), want);
    close(seen);
    close(again_fd);
    close(pooled_fd);
    tmpdisk_give_back(again);
    tmpdisk_give_back(pooled);
    while (true) { /* use up the pool of that size for the next case */
        int loops = loops_in_use();
        OK(tmpdisk_take(disks, 32, 1, 2, &disk, &mount_fd, &err));
        touch(mount_fd, FILE_LEFT);
        close(mount_fd);
        tmpdisk_give_back(disk);
        if (loops_in_use() >= loops)
            break;
    }
}

static void test_tmpdisk_reuse(void)
{
    reuse(NOTHING, true);
    reuse(FILE_LEFT, false);
    reuse(FILE_CAME_AND_WENT, false);
    reuse(ATTRIBUTE, false);
    reuse(TIMES, false);
}

static void test_tmpdisk_speed(void)
{
    enum { ROUNDS = 20 };
    int64_t take = 0, back = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct tmpdisk *disk;
        int mount_fd;
        int64_t t0 = clock_mono_us();
        OK(tmpdisk_take(disks, 512, 1000, 1001, &disk, &mount_fd, &err));
        int64_t t1 = clock_mono_us();
        touch(mount_fd, FILE_LEFT);
        close(mount_fd);
        int64_t t2 = clock_mono_us();
        tmpdisk_give_back(disk);
        take += t1 - t0;
        back += clock_mono_us() - t2;
    }
    printf("(take %lld us, give back %lld us) ", (long long)take / ROUNDS, (long long)back / ROUNDS);
}

static void test_tmpdisk_dirty_drop(void)
{
    struct tmpdisk *disk;
    int mount_fd;
    OK(tmpdisk_take(disks, 256, 1000, 1001, &disk, &mount_fd, &err));
    fill(mount_fd);
    close(mount_fd);
    int64_t start = clock_mono_us();
    tmpdisk_give_back(disk);
    printf("(%lld us) ", (long long)(clock_mono_us() - start));
}

static void test_tmpdisk_mounts_elsewhere(void)
{
    struct tmpdisk *disk;
    int mount_fd;
    char at[80];
    snprintf(at, sizeof at, "%s/at", dir);
    CU_ASSERT_FATAL(mkdir(at, 0700) == 0);
    OK(tmpdisk_take(disks, 32, 1000, 1001, &disk, &mount_fd, &err));
    CU_ASSERT_FATAL(syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, at, 4) == 0);
    close(mount_fd);
    CU_ASSERT(umount2(at, MNT_DETACH) == 0); /* as the end of a mount namespace does */
    rmdir(at);
    tmpdisk_give_back(disk);
    OK(tmpdisk_take(disks, 32, 2000, 2001, &disk, &mount_fd, &err));
    check_fresh(mount_fd, 2000);
    CU_ASSERT_FATAL(mkdir(at, 0700) == 0);
    CU_ASSERT(syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, at, 4) == 0);
    CU_ASSERT(umount2(at, MNT_DETACH) == 0);
    rmdir(at);
    close(mount_fd);
    tmpdisk_give_back(disk);
    tmpdisk_refill(disks);
    tmpdisk_refill(disks);
}

static void test_tmpdisk_sweep(void)
{
    /* What a spawner leaves that died at the worst moment: a named image on a loop device that does not clear
     * itself. */
    char path[100];
    snprintf(path, sizeof path, "%s/9-9.img", dir);
    int image = open(path, O_CREAT | O_RDWR, 0600);
    int control = open("/dev/loop-control", O_RDWR);
    CU_ASSERT_FATAL(image >= 0 && control >= 0 && ftruncate(image, 1 << 20) == 0);
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    char node[32];
    snprintf(node, sizeof node, "/dev/loop%d", number);
    int loop = open(node, O_RDWR);
    struct loop_config config = {.fd = (uint32_t)image};
    CU_ASSERT_FATAL(loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) == 0);
    close(loop);
    close(control);
    close(image);
    int before = loops_in_use();
    tmpdisk_sweep(dir_fd);
    CU_ASSERT_EQUAL(loops_in_use(), before - 1);
    CU_ASSERT(access(path, F_OK) < 0);
}

static void test_tmpdisk_loop_gone(void)
{
    close_disks();
    CU_ASSERT(rmdir(dir) == 0);
    CU_ASSERT(mkdir(dir, 0700) == 0);
}

static void test_tmpdisk_tmpfs(void)
{
    OK(tmpdisk_open(dir_fd, true, &disks, &err));
    CU_ASSERT_STRING_EQUAL(tmpdisk_backend(disks), "tmpfs");
    CU_ASSERT(tmpdisk_missing(disks)[0] != '\0');
    quotas(16);
    tmpdisk_close(disks);
}

static const struct unit_test loop_tests[] = {
    TEST(test_tmpdisk_loop_quotas),      TEST(test_tmpdisk_reuse), TEST(test_tmpdisk_speed),     TEST(test_tmpdisk_dirty_drop),
    TEST(test_tmpdisk_mounts_elsewhere), TEST(test_tmpdisk_sweep), TEST(test_tmpdisk_loop_gone),
};

int main(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        SKIP("%s", geteuid() == 0 ? "needs a mount namespace of its own" : "needs root");
        return 77;
    }
    snprintf(dir, sizeof dir, "/var/tmp/stoke-tmpdisk-XXXXXX");
    if (!mkdtemp(dir) || (dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || tmpdisk_open(dir_fd, false, &disks, &err) < 0) {
        printf("%s\n", err.msg);
        return 1;
    }
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite suite = CU_add_suite("tmpdisk", NULL, NULL);
    if (strcmp(tmpdisk_backend(disks), "loop-ext4") == 0) {
        for (size_t i = 0; i < sizeof loop_tests / sizeof *loop_tests; i++)
            CU_add_test(suite, loop_tests[i].name, loop_tests[i].fn);
    } else {
        SKIP("needs loop devices: %s", tmpdisk_missing(disks));
        tmpdisk_close(disks);
    }
    CU_add_test(suite, "test_tmpdisk_tmpfs", test_tmpdisk_tmpfs);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    int failed = (int)CU_get_number_of_failures();
    CU_cleanup_registry();
    rmdir(dir);
    return failed ? 1 : 0;
}
