/* The root file system of a zygote and of its rooms. */
#include "sandbox/stages/template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "sandbox/stages/mounts.h"

#define PATH_BYTES 1024

/* Shows host's path, read-only, at the same or another place of the new root. */
static int show_how(const struct template_spec *spec, const char *from, const char *to, unsigned how, struct err *err)
{
    char target[PATH_BYTES];
    CLEANUP(fd_closep) int fd = -1;
    if (snprintf(target, sizeof target, "%s%s", spec->root, to) >= (int)sizeof target)
        return err_set(err, ERR_TOO_LARGE, "the path %s is too long", to);
    int rc = mount_copy(from, MOUNT_DEEP | how, &fd, err);
    if (rc == 0)
        rc = mount_make_dirs(spec->root, to, err);
    return rc < 0 ? rc : mount_attach(fd, target, err);
}

static int show(const struct template_spec *spec, const char *from, const char *to, struct err *err)
{
    return show_how(spec, from, to, 0, err);
}

/* What stoked named. */
static int show_named(const struct template_spec *spec, const char *from, const char *to, struct err *err)
{
    return from[0] ? show_how(spec, from, to, MOUNT_NO_LINKS, err) : 0;
}

/* /bin, /lib and so on: links into /usr where the host has links, else the directories themselves. */
static int show_usr(const struct template_spec *spec, struct err *err)
{
    static const char *const names[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
    int rc = show(spec, "/usr", "/usr", err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(names); i++) {
        char link[PATH_BYTES], at[PATH_BYTES];
        struct stat st;
        ssize_t n = readlink(names[i], link, sizeof link - 1);
        if (n < 0) {
            if (stat(names[i], &st) == 0 && S_ISDIR(st.st_mode))
                rc = show(spec, names[i], names[i], err);
            continue;
        }
        link[n] = '\0';
        if (snprintf(at, sizeof at, "%s%s", spec->root, names[i]) >= (int)sizeof at || symlink(link, at) < 0)
            rc = err_errno(err, "linking %s", names[i]);
    }
    return rc;
}

static int make_device(const struct template_spec *spec, const char *dev, const char *name, unsigned minor_number, struct err *err)
{
    char path[PATH_BYTES], host[64];
    snprintf(path, sizeof path, "%s/%s", dev, name);
    if (spec->can_mknod) {
        if (mknod(path, S_IFCHR | 0666, makedev(1, minor_number)) < 0 || chmod(path, 0666) < 0)
            return err_errno(err, "making the device %s", name);
        return 0;
    }
    snprintf(host, sizeof host, "/dev/%s", name);
    CLEANUP(fd_closep) int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0 || mount(host, path, NULL, MS_BIND, NULL) < 0)
        return err_errno(err, "showing the device %s", name);
    return 0;
}

static int make_dev(const struct template_spec *spec, struct err *err)
{
    static const struct {
        const char *name;
        unsigned number;
    } devices[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}};
    static const struct {
        const char *name, *to;
    } links[] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}};
    char dev[PATH_BYTES - 32], path[PATH_BYTES];
    snprintf(dev, sizeof dev, "%s/dev", spec->root);
    if (mount("stoke-dev", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,nr_inodes=32,mode=755") < 0)
        return err_errno(err, "mounting /dev");
    for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
        int rc = make_device(spec, dev, devices[i].name, devices[i].number, err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        snprintf(path, sizeof path, "%s/%s", dev, links[i].name);
        if (symlink(links[i].to, path) < 0)
            return err_errno(err, "linking /dev/%s", links[i].name);
    }
    if (mount(NULL, dev, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL) < 0)
        return err_errno(err, "making /dev read-only");
    return 0;
}

static int make_places(const struct template_spec *spec, struct err *err)
{
    static const char *const places[] = {"/proc", "/tmp", "/dev", "/etc", "/var/task", "/var/runtime", "/var/empty", "/opt"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        int rc = mount_make_dirs(spec->root, places[i], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Where Node looks for packages of code in /var/task when it has looked there: those of layers, then those of the runtime. On Lambda its
 * ES modules find both; by itself Node finds them in no other way, whatever NODE_PATH says. Last, and never on the way of another mount:
 * what they point to is the room's, not the host's. */
static int link_node_modules(const struct template_spec *spec, struct err *err)
{
    static const char *const links[][2] = {{"/var/node_modules", "/opt/nodejs/node_modules"},
                                           {"/node_modules", "/var/runtime/node_modules"}};
    char path[PATH_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        snprintf(path, sizeof path, "%s%s", spec->root, links[i][0]);
        if (symlink(links[i][1], path) < 0 && errno != EEXIST) /* an interpreter that lives there has its own */
            return err_errno(err, "linking %s", links[i][0]);
    }
    return 0;
}

static int enter(const struct template_spec *spec, struct err *err)
{
    if (chdir(spec->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return err_errno(err, "pivoting into the template");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
        return err_errno(err, "making the template read-only");
    return 0;
}

int template_build(const struct template_spec *spec, struct err *err)
{
    umask(022);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_errno(err, "making mounts private");
    if (mount("stoke-root", spec->root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=1k,mode=755") < 0)
        return err_errno(err, "mounting the template's root");
    int rc = make_places(spec, err);
    if (rc == 0)
        rc = show_usr(spec, err);
    if (rc == 0)
        rc = make_dev(spec, err);
    if (rc == 0)
        rc = show(spec, spec->etc, "/etc", err);
    if (rc == 0)
        rc = show_named(spec, spec->prefix, spec->prefix, err);
    if (rc == 0)
        rc = show_named(spec, spec->var_runtime, "/var/runtime", err);
    if (rc == 0 && spec->node_modules)
        rc = link_node_modules(spec, err);
    return rc < 0 ? rc : enter(spec, err);
}
