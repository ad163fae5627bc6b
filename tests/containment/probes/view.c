/* What a function sees: files, processes, networks, identities. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static void devices(struct visit *visit, struct answer *answer)
{
    (void)visit;
    static const char *const paths[] = {"/dev/mem", "/dev/kmsg", "/dev/tty", "/dev/shm", "/dev/pts", "/dev/loop0", "/dev/vda", "/dev/sda"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        answer_errno(answer, paths[i], try_open(paths[i], O_RDONLY));
    answer_errno(answer, "create", try_open("/dev/probe", O_CREAT | O_WRONLY));
    answer_errno(answer, "/dev/null", try_open("/dev/null", O_RDWR));
    answer_errno(answer, "/dev/urandom", try_open("/dev/urandom", O_RDONLY));
}

/* A masked file is the null device, which may be opened and does nothing. */
static void kernel_files(struct visit *visit, struct answer *answer)
{
    (void)visit;
    static const char *const paths[] = {"/proc/sysrq-trigger",
                                        "/proc/kcore",
                                        "/proc/kmsg",
                                        "/proc/kallsyms",
                                        "/proc/keys",
                                        "/proc/timer_list",
                                        "/proc/sys/kernel/core_pattern",
                                        "/proc/sys/kernel/modprobe",
                                        "/proc/sys/vm/panic_on_oom"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct stat st;
        if (stat(paths[i], &st) == 0 && S_ISCHR(st.st_mode))
            answer_text(answer, paths[i], "masked");
        else
            answer_errno(answer, paths[i], try_open(paths[i], O_WRONLY));
    }
}

static void host_trees(struct visit *visit, struct answer *answer)
{
    (void)visit;
    static const char *const paths[] = {"/sys",     "/sys/fs/cgroup", "/etc/shadow", "/root",        "/home",           "/boot",
                                        "/var/lib", "/var/log",       "/run",        "/proc/1/root", "/proc/1/environ", "/proc/1/maps"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        answer_errno(answer, paths[i], try_open(paths[i], O_RDONLY));
    answer_errno(answer, "release_agent", mount("none", "/tmp", "cgroup", 0, "memory") < 0 ? errno : 0);
    answer_errno(answer, "cgroup2", mount("none", "/tmp", "cgroup2", 0, NULL) < 0 ? errno : 0);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    answer_errno(answer, "oom_score_adj", fd < 0 || write(fd, "-1000", 5) < 0 ? errno : 0);
    if (fd >= 0)
        close(fd);
}

static void read_only(struct visit *visit, struct answer *answer)
{
    (void)visit;
    static const char *const paths[] = {"/var/task/probe-write", "/usr/probe-write", "/opt/probe-write",
                                        "/etc/probe-write",      "/probe-write",     "/var/probe-write"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        answer_errno(answer, paths[i], try_open(paths[i], O_CREAT | O_WRONLY));
    answer_errno(answer, "remount", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL) < 0 ? errno : 0);
    answer_errno(answer, "/tmp/probe-write", try_open("/tmp/probe-write", O_CREAT | O_WRONLY));
    unlink("/tmp/probe-write");
}

static int try_connect(int family, const char *address, int port)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
    struct sockaddr *to = family == AF_INET ? (void *)&four : (void *)&six;
    inet_pton(family, address, family == AF_INET ? (void *)&four.sin_addr : (void *)&six.sin6_addr);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int code = connect(fd, to, family == AF_INET ? sizeof four : sizeof six) < 0 ? errno : 0;
    if (code == EINPROGRESS) { /* a busy host answers a little later */
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        socklen_t len = sizeof code;
        poll(&wait, 1, 2000);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len);
    }
    close(fd);
    return code;
}

/* arg: a port of the host's own loopback and the name of an abstract socket of the host's: "PORT NAME". */
static void network(struct visit *visit, struct answer *answer)
{
    int port = 1;
    char name[90] = "none";
    sscanf(visit->arg, "%d %89s", &port, name);
    answer_errno(answer, "host_port", try_connect(AF_INET, "127.0.0.1", port));
    answer_errno(answer, "own_endpoint", try_connect(AF_INET, "127.0.0.1", 4566));
    static const char *const far[] = {"169.254.169.254", "169.254.1.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "8.8.8.8"};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        answer_errno(answer, far[i], try_connect(AF_INET, far[i], 80));
    answer_errno(answer, "2001:db8::1", try_connect(AF_INET6, "2001:db8::1", 80));
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path + 1, sizeof to.sun_path - 1, "%s", name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    answer_errno(answer, "abstract", fd < 0 || connect(fd, (struct sockaddr *)&to, len) < 0 ? errno : 0);
    if (fd >= 0)
        close(fd);
}

/* A connection to a port that is being used as its own source port meets itself: nobody listens there. */
static int met_itself(int fd, int port)
{
    struct sockaddr_in own;
    socklen_t len = sizeof own;
    return getsockname(fd, (struct sockaddr *)&own, &len) == 0 && ntohs(own.sin_port) == port;
}

/* Every port of the own loopback that takes a connection: nobody else's Runtime API among them. */
static void ports(struct visit *visit, struct answer *answer)
{
    char list[2048] = "", ns[64] = "";
    (void)visit;
    for (int port = 1; port < 65536; port++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && !met_itself(fd, port) && strlen(list) < sizeof list - 8)
            sprintf(list + strlen(list), "%d ", port);
        if (fd >= 0)
            close(fd);
    }
    answer_text(answer, "open", list);
    if (readlink("/proc/self/ns/net", ns, sizeof ns - 1) > 0)
        answer_text(answer, "net", ns);
}

static void kill_init(struct visit *visit, struct answer *answer)
{
    (void)visit;
    int first = kill(1, SIGKILL) < 0 ? errno : 0;
    answer_errno(answer, "pid1", first);
    answer_errno(answer, "again", kill(1, SIGKILL) < 0 ? errno : 0);
    answer_number(answer, "alive", getppid() >= 0);
}

static void core_dump(struct visit *visit, struct answer *answer)
{
    (void)visit;
    struct rlimit limit;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir("/tmp") == 0)
            abort();
        _exit(1);
    }
    waitpid(pid, &status, 0);
    answer_number(answer, "aborted", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    answer_number(answer, "dumped", WIFSIGNALED(status) && WCOREDUMP(status));
    answer_number(answer, "limit", getrlimit(RLIMIT_CORE, &limit) == 0 ? (long)limit.rlim_max : -1);
    int found = 0;
    DIR *dir = opendir("/tmp");
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        found += strncmp(entry->d_name, "core", 4) == 0;
    if (dir)
        closedir(dir);
    answer_number(answer, "files", found);
}

static long nosuid(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID) != 0;
}

/* For a copy of this program that setuid_file() runs. */
static void ids(struct visit *visit, struct answer *answer)
{
    (void)visit;
    answer_number(answer, "AT_EUID", geteuid());
}

/* The effective uid of a program while it runs, or -1: this one says so, of another the C library's loader does and goes no further. A
 * program that gained something would not be asked by its environment. */
static long euid_of(const char *path)
{
    char *argv[] = {(char *)path, "--one", "ids", NULL}, *env[] = {"LD_SHOW_AUXV=1", "LD_TRACE_LOADED_OBJECTS=1", NULL};
    char text[4096];
    int out[2];
    ssize_t n, len = 0;
    if (pipe2(out, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], 1);
        execve(path, argv, env);
        _exit(127);
    }
    close(out[1]);
    while ((n = read(out[0], text + len, sizeof text - 1 - (size_t)len)) > 0)
        len += n;
    text[len] = '\0';
    close(out[0]);
    waitpid(pid, NULL, 0);
    const char *at = strstr(text, "AT_EUID");
    return at ? strtol(at + strcspn(at, "0123456789"), NULL, 10) : -1;
}

static const char *gain(const char *path)
{
    long id = euid_of(path);
    return id < 0 ? "not run" : id == (long)geteuid() ? "the same id" : "another id";
}

static bool copy_itself(const char *path)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0700);
    bool done = sendfile(to, from, NULL, INT_MAX) > 0 && fchmod(to, 04755) == 0;
    close(from);
    close(to);
    return done;
}

/* One that everybody may run, or "". */
static void find_setuid(char *path, size_t cap)
{
    struct stat st;
    DIR *dir = opendir("/usr/bin");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        snprintf(path, cap, "/usr/bin/%s", entry->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_ISUID | S_IXOTH)) == (S_ISUID | S_IXOTH))
            break;
        path[0] = '\0';
    }
    if (dir)
        closedir(dir);
}

/* A setuid program of one's own and one of /usr: same ids behind each. */
static void setuid_file(struct visit *visit, struct answer *answer)
{
    (void)visit;
    char path[300] = "";
    answer_text(answer, "own_program", copy_itself("/tmp/setuid") ? gain("/tmp/setuid") : "not made");
    unlink("/tmp/setuid");
    find_setuid(path, sizeof path);
    answer_text(answer, "usr_program", path[0] ? gain(path) : "there is none");
    answer_text(answer, "usr_path", path);
    char text[4096], *line;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    static const char *const fields[] = {"NoNewPrivs", "CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb", "Seccomp"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char value[32] = "";
        if ((line = strstr(text, fields[i])))
            sscanf(line + strlen(fields[i]), ":\t%31s", value);
        answer_text(answer, fields[i], value);
    }
    close(fd);
    answer_number(answer, "nosuid_usr", nosuid("/usr"));
    answer_number(answer, "nosuid_tmp", nosuid("/tmp"));
    answer_number(answer, "nosuid_task", nosuid("/var/task"));
    answer_number(answer, "nosuid_root", nosuid("/"));
    answer_number(answer, "uid_is_root", getuid() == 0 || geteuid() == 0);
}

static void descriptors(struct visit *visit, struct answer *answer)
{
    (void)visit;
    DIR *dir = opendir("/proc/self/fd");
    long count = 0;
    char all[3000] = "";
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[300], target[128] = "";
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (readlink(path, target, sizeof target - 1) > 0 && strlen(all) + strlen(target) + 8 < sizeof all)
            sprintf(all + strlen(all), "%d=%s ", atoi(entry->d_name), target);
        count++;
    }
    if (dir)
        closedir(dir);
    answer_number(answer, "count", count);
    answer_text(answer, "all", all);
    /* The log pipe must not be opened anew for reading: it holds what others of this room wrote. */
    int fd = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    answer_errno(answer, "reopen_log", fd < 0 ? errno : 0);
    if (fd >= 0)
        close(fd);
}

const struct probe probes_view[] = {
    {"devices", devices},         {"kernel_files", kernel_files}, {"host_trees", host_trees},
    {"read_only", read_only},     {"network", network},           {"ports", ports},
    {"kill_init", kill_init},     {"core_dump", core_dump},       {"ids", ids},
    {"setuid_file", setuid_file}, {"descriptors", descriptors},   {NULL, NULL},
};
