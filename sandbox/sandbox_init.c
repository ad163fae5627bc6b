/* Pid 1 of a room, as a recipe of steps. A step that fails is reported with its name and errno, and the room is over. */
#include "sandbox/sandbox_init.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/fd.h"
#include "sandbox/policy/policy.h"
#include "sandbox/stages/seal.h"
#include "sandbox/zygote/zygote_proto.h"

#define RUNTIME_API_PORT 9001
#define ENDPOINT_PORT 4566
#define BACKLOG 128
#define INIT_FDS_MAX 16 /* it opens none after setting up */
#define HOSTNAME "169-254-0-1"
#define INOTIFY_INSTANCES "16" /* each can watch as many files as it likes; Debian's host allows 128 to a user */

struct init {
    struct init_order order;
    int mounts[2]; /* /proc, /tmp */
    int groups[FD_PASS_MAX];
    int listeners[SANDBOX_LISTENERS];
    const char *stage;
};

/* ---- the steps: 0, or -1 with errno */

static int join_groups(struct init *init)
{
    for (uint32_t i = 0; i < init->order.cgroup_count; i++) {
        if (write(init->groups[i], "0", 1) < 0)
            return -1;
        close(init->groups[i]);
    }
    return 0;
}

/* Best effort. */
static void write_setting(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0)
        errno = 0;
    close(fd);
}

/* Only this pid 1, for it is the root of the room's user namespace, may say where process numbers begin. They differ from
 * room to room and from the zygote's own number: OpenSSL notices a fork only by getpid(). Best effort; the spawner checks the
 * outcome. */
static int number_processes(struct init *init)
{
    char text[16];
    snprintf(text, sizeof text, "%u", init->order.first_pid);
    write_setting("/proc/sys/kernel/ns_last_pid", text);
    return 0;
}

/* What the kernel counts for the owner of a user namespace, who owns all rooms of a zygote, has a bound in each room. Best effort: the
 * host's own bound is there as well. */
static int bound_inotify(struct init *init)
{
    (void)init;
    write_setting("/proc/sys/user/max_inotify_instances", INOTIFY_INSTANCES);
    return 0;
}

static int take_identity(struct init *init)
{
    return seal_ids(0, init->order.single_id, &init->stage) < 0 ? -1 : 0;
}

static int make_namespaces(struct init *init)
{
    (void)init;
    return unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
}

static int bring_up_loopback(struct init *init)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    CLEANUP(fd_closep) int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)init;
    return sock < 0 ? -1 : ioctl(sock, SIOCSIFFLAGS, &request);
}

static int listen_on(int port)
{
    const int on = 1;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock >= 0 && setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(sock, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(sock, BACKLOG) == 0)
        return sock;
    return -1;
}

static int open_listeners(struct init *init)
{
    init->listeners[0] = listen_on(RUNTIME_API_PORT);
    init->listeners[1] = listen_on(ENDPOINT_PORT);
    return init->listeners[0] < 0 || init->listeners[1] < 0 ? -1 : 0;
}

static int set_hostname(struct init *init)
{
    (void)init;
    return sethostname(HOSTNAME, strlen(HOSTNAME));
}

static int attach_proc(struct init *init)
{
    return move_mount(init->mounts[0], "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH);
}

static int attach_tmp(struct init *init)
{
    return move_mount(init->mounts[1], "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH);
}

/* What of /proc tells about, or acts on, the host. Which of them exist depends on the kernel. */
static int mask_proc(struct init *init)
{
    static const char *const files[] = {"/proc/kcore",       "/proc/keys",          "/proc/kallsyms",      "/proc/kmsg",
                                        "/proc/config.gz",   "/proc/timer_list",    "/proc/sysrq-trigger", "/proc/sched_debug",
                                        "/proc/timer_stats", "/proc/latency_stats", "/proc/key-users",     "/proc/diskstats",
                                        "/proc/partitions",  "/proc/interrupts",    "/proc/softirqs"};
    static const char *const directories[] = {"/proc/acpi", "/proc/scsi", "/proc/pressure"};
    static const char *const read_only[] = {"/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq"};
    const unsigned long bits = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    (void)init;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (mount("/dev/null", files[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(directories); i++)
        if (mount("/var/empty", directories[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(read_only); i++) {
        if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) < 0) {
            if (errno == ENOENT)
                continue;
            return -1;
        }
        if (mount(NULL, read_only[i], NULL, bits, NULL) < 0)
            return -1;
    }
    return 0;
}

static int give_up_everything(struct init *init)
{
    const struct rlimit few = {INIT_FDS_MAX, INIT_FDS_MAX}, no_core = {1, 1};
    int rc = seal_capabilities(&init->stage);
    if (rc < 0) {
        errno = -rc;
        return -1;
    }
    if (setrlimit(RLIMIT_NOFILE, &few) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0)
        return -1;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int install_filter(struct init *init)
{
    int rc = policy_install(&policy_pid1);
    (void)init;
    if (rc < 0)
        errno = -rc;
    return rc < 0 ? -1 : 0;
}

static const struct {
    const char *name;
    int (*run)(struct init *init);
} steps[] = {
    {"cgroups", join_groups},
    {"init ids", take_identity},
    {"init namespaces", make_namespaces},
    {"init loopback", bring_up_loopback},
    {"init listeners", open_listeners},
    {"init hostname", set_hostname},
    {"init proc", attach_proc},
    {"init tmp", attach_tmp},
    {"init numbers", number_processes},
    {"init inotify", bound_inotify},
    {"init masks", mask_proc},
    {"init capabilities", give_up_everything},
    {"init filter", install_filter},
};

/* ---- around them */

static void report(const struct init *init, uint32_t said, int code)
{
    struct zygote_report report = {.said = said, .code = code};
    struct err err;
    strncpy(report.stage, init->stage, sizeof report.stage - 1);
    if (fd_send(ZYGOTE_SOCKET_FD, &report, sizeof report, init->listeners, said == ZYGOTE_READY ? SANDBOX_LISTENERS : 0, &err) < 0)
        _exit(1);
}

/* Keeps the socket and nothing else of the spawner's descriptors; 0, 1 and 2 become /dev/null. */
static void arrange_descriptors(int sock)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(sock, ZYGOTE_SOCKET_FD) < 0)
        _exit(1);
    for (int fd = 0; fd < ZYGOTE_SOCKET_FD; fd++)
        if (dup2(null, fd) < 0)
            _exit(1);
    if (syscall(SYS_close_range, ZYGOTE_SOCKET_FD + 1, ~0U, 0) < 0)
        _exit(1);
}

__attribute__((noreturn)) static void reap_forever(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        sigwaitinfo(&set, NULL);
    }
}

void sandbox_init(int sock)
{
    struct init init = {.listeners = {-1, -1}, .stage = "init order"};
    struct err err;
    int fds[FD_PASS_MAX];
    size_t nfds;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL); /* SIGCHLD is waited for, the others mean nothing here */
    setsid();
    arrange_descriptors(sock);
    if (fd_recv(ZYGOTE_SOCKET_FD, &init.order, sizeof init.order, fds, &nfds, &err) != sizeof init.order ||
        nfds != ARRAY_LEN(init.mounts) + init.order.cgroup_count)
        _exit(1);
    memcpy(init.mounts, fds, sizeof init.mounts);
    memcpy(init.groups, fds + ARRAY_LEN(init.mounts), init.order.cgroup_count * sizeof *fds);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        init.stage = steps[i].name;
        errno = 0;
        if (steps[i].run(&init) < 0) {
            report(&init, ZYGOTE_FAILED, errno);
            _exit(1);
        }
    }
    init.stage = "";
    report(&init, ZYGOTE_READY, 0);
    for (int i = 0; i < SANDBOX_LISTENERS; i++)
        close(init.listeners[i]);
    close(init.mounts[0]);
    close(init.mounts[1]);
    close(ZYGOTE_SOCKET_FD);
    reap_forever();
}
