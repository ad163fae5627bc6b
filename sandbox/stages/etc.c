/* The /etc that rooms see. Copied, not bound: an inode of the host shown to functions would carry locks and watches between
 * them and the host. Only what everybody may read is taken, and nothing that names users, hosts or secrets. */
#include "sandbox/stages/etc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/fd.h"
#include "sandbox/zygote/zygote_proto.h"

#define COPY_FILE_BYTES_MAX (4u << 20)
#define COPY_DEPTH_MAX 6

static const struct {
    const char *name, *text;
} own_files[] = {
    {"passwd", "root:x:0:0:root:/:/usr/sbin/nologin\nsbx_user1051:x:993:993::/tmp:/usr/sbin/nologin\n"},
    {"group", "root:x:0:\nsbx_user1051:x:993:\n"},
    {"hosts", "127.0.0.1\tlocalhost sandbox.localdomain\n::1\tlocalhost ip6-localhost ip6-loopback\n"},
    {"nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
    /* nobody answers there: a lookup fails at once */
    {"resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"},
    {"host.conf", "multi on\n"},
    {"hostname", "169-254-0-1\n"},
    {"timezone", "Etc/UTC\n"},
};

/* Files and directories (with a pattern in the last part) below the host's /etc. */
static const char *const copied[] = {
    "ld.so.cache",          "ld.so.conf",   "ld.so.conf.d", "ssl/openssl.cnf", "ssl/certs",   "pki/tls/certs", "pki/ca-trust/extracted",
    "ca-certificates.conf", "alternatives", "java*",        "mime.types",      "protocols",   "services",      "os-release",
    "debian_version",       "magic",        "gai.conf",     "inputrc",         "bash.bashrc", "fonts",
};

static int copy_entry(int from, int to, const char *name, int depth, struct err *err);

static int copy_file(int from, int to, const char *name, struct err *err)
{
    CLEANUP(freep) char *data = NULL;
    size_t len;
    if (fd_read_file(from, name, COPY_FILE_BYTES_MAX, &data, &len, err) < 0)
        return 0; /* too large, or not for everybody: runtimes live without it */
    CLEANUP(fd_closep) int fd = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0)
        return err_errno(err, "copying /etc/.../%s", name);
    return fd_write_all(fd, data, len, err);
}

static int copy_directory(int from, int to, const char *name, int depth, struct err *err)
{
    if (depth >= COPY_DEPTH_MAX)
        return 0;
    int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = source < 0 ? NULL : fdopendir(source);
    if (!dir) {
        fd_closep(&source);
        return 0;
    }
    int rc = 0;
    CLEANUP(fd_closep) int target = -1;
    if ((mkdirat(to, name, 0755) < 0 && errno != EEXIST) || (target = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        rc = err_errno(err, "copying /etc/.../%s", name);
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            rc = copy_entry(source, target, entry->d_name, depth + 1, err);
    closedir(dir);
    return rc;
}

static int copy_entry(int from, int to, const char *name, int depth, struct err *err)
{
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISLNK(st.st_mode)) {
        char link[1024];
        ssize_t n = readlinkat(from, name, link, sizeof link - 1);
        if (n <= 0)
            return 0;
        link[n] = '\0';
        if (symlinkat(link, to, name) < 0 && errno != EEXIST)
            return err_errno(err, "copying /etc/.../%s", name);
        return 0;
    }
    if (S_ISREG(st.st_mode) && (st.st_mode & S_IROTH))
        return copy_file(from, to, name, err);
    if (S_ISDIR(st.st_mode) && (st.st_mode & S_IXOTH))
        return copy_directory(from, to, name, depth, err);
    return 0;
}

/* One line of the table: opens and makes the directories on the way, then copies what matches the last part. */
static int copy_path(int host, int etc, const char *path, struct err *err)
{
    const char *slash = strchr(path, '/');
    if (slash) {
        char head[64];
        snprintf(head, sizeof head, "%.*s", (int)(slash - path), path);
        CLEANUP(fd_closep) int from = openat(host, head, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (from < 0)
            return 0;
        CLEANUP(fd_closep) int to = -1;
        if ((mkdirat(etc, head, 0755) < 0 && errno != EEXIST) || (to = openat(etc, head, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
            return err_errno(err, "making /etc/%s", head);
        return copy_path(from, to, slash + 1, err);
    }
    int rc = 0, names = fcntl(host, F_DUPFD_CLOEXEC, 0);
    DIR *dir = names < 0 ? NULL : fdopendir(names);
    if (!dir) {
        fd_closep(&names);
        return err_errno(err, "reading /etc");
    }
    rewinddir(dir);
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && fnmatch(path, entry->d_name, 0) == 0)
            rc = copy_entry(host, etc, entry->d_name, 0, err);
    closedir(dir);
    return rc;
}

int etc_prepare(const char *dir, struct err *err)
{
    CLEANUP(fd_closep) int etc = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(fd_closep) int host = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (etc < 0 || host < 0)
        return err_errno(err, "opening %s", etc < 0 ? dir : "/etc");
    for (size_t i = 0; i < ARRAY_LEN(own_files); i++) {
        CLEANUP(fd_closep) int fd = openat(etc, own_files[i].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
        if (fd < 0)
            return err_errno(err, "making /etc/%s", own_files[i].name);
        int rc = fd_write_all(fd, own_files[i].text, strlen(own_files[i].text), err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        int rc = copy_path(host, etc, copied[i], err);
        if (rc < 0)
            return rc;
    }
    if (symlinkat("/usr/share/zoneinfo/Etc/UTC", etc, "localtime") < 0)
        return err_errno(err, "making /etc/localtime");
    return 0;
}
