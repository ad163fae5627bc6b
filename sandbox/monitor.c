/* The monitor: one loop of "start a spawner, hand its socket to stoked, wait, sweep". */
#include "sandbox/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/own_dir.h"
#include "sandbox/rootless.h"
#include "sandbox/spawner/spawner.h"
#include "sandbox/tmpdisk/tmpdisk.h"
#include "sandbox/spawner/uid_range.h"

#define LOCK_US_MAX (15 * 1000000) /* a predecessor on this data may still be sweeping */
#define SHORT_LIFE_US 1000000      /* a spawner that lived less counts as failed */
#define FAILURES_MAX 8             /* so many in a row end the monitor */
#define PAUSE_MS_MAX 500

struct monitor {
    const struct monitor_options *options;
    struct spawner_options spawner;
    char *zygote_path, *missing;
    int own_dir, tmp_dir; /* data_dir/sandbox, and tmp/ in it */
    int lock, uid_lock, signals;
    int data_lock;     /* stoked's, as it was given to us, or -1 */
    uint32_t spawners; /* how many we have started */
    int alive;         /* our end of a socket pair with the spawner: the end of either closes it */
};

static void say_failed(const struct err *err)
{
    char text[1 + ERR_MSG_MAX];
    struct err ignored;
    int len = snprintf(text, sizeof text, "%c%s", MONITOR_FAILED, err->msg);
    log_error("monitor", "error=\"%s\"", err->msg);
    if (fd_send(MONITOR_SOCKET_FD, text, (size_t)len, NULL, 0, &ignored) < 0)
        return; /* stoked is gone too */
}

/* ---- preparing ---- */

static int lock_data(struct monitor *monitor, struct err *err)
{
    const char *data_dir = monitor->options->data_dir;
    int64_t deadline = clock_mono_us() + LOCK_US_MAX;
    int rc = own_dir_open(data_dir, SPAWNER_DIR, 0755, &monitor->own_dir, err);
    if (rc == 0)
        rc = own_dir_below(monitor->own_dir, SPAWNER_TMP_DIR, 0700, &monitor->tmp_dir, err);
    if (rc < 0)
        return rc;
    monitor->lock = openat(monitor->own_dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (monitor->lock < 0)
        return err_errno(err, "opening the sandboxes' lock in %s", data_dir);
    while (flock(monitor->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_errno(err, "locking the sandboxes of %s", data_dir);
        if (clock_mono_us() > deadline)
            return err_set(err, ERR_CONFLICT, "another daemon's sandboxes use %s", data_dir);
        usleep(20000);
    }
    return 0;
}

/* A predecessor on this port, with other data, may still be ending what it has in groups of the same name. */
static int take_groups(struct monitor *monitor, struct err *err)
{
    int64_t deadline = clock_mono_us() + LOCK_US_MAX;
    for (;;) {
        int rc = cgroup_open(monitor->options->cgroup_name, &monitor->spawner.cgroups, err);
        if (rc == 0)
            rc = cgroup_lock(monitor->spawner.cgroups, err);
        if (rc != -ERR_CONFLICT || clock_mono_us() > deadline)
            return rc;
        cgroup_close(STEAL(monitor->spawner.cgroups));
        usleep(20000);
    }
}

/* Unique uids need root. Where the range cannot be reserved, say so and go on with the first one. */
static void choose_uids(struct monitor *monitor)
{
    struct err err;
    struct spawner_options *spawner = &monitor->spawner;
    if (spawner->rootless) {
        rootless_describe(spawner, &monitor->missing);
        spawner->missing = monitor->missing;
        return;
    }
    spawner->unique_uids = true;
    spawner->uid_base = monitor->options->uid_base;
    if (spawner->uid_base)
        return;
    if (uid_range_take(UID_RANGE_DIR, &spawner->uid_base, &monitor->uid_lock, &err) < 0) {
        spawner->uid_base = UID_RANGE_FIRST;
        spawner->unique_uids = false;
        monitor->missing = str_format("User ids of sandboxes are shared with other daemons of this host: %s.", err.msg);
        spawner->missing = monitor->missing;
    }
}

static void raise_limit(int what)
{
    struct rlimit limit, all = {RLIM_INFINITY, RLIM_INFINITY};
    if (what != RLIMIT_NOFILE && setrlimit(what, &all) == 0)
        return;
    if (getrlimit(what, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(what, &limit) < 0)
            log_warn("monitor.limit", "limit=%d error=\"%s\"", what, strerror(errno));
    }
}

static int prepare_signals(struct monitor *monitor, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    monitor->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return monitor->signals < 0 ? err_errno(err, "signalfd") : 0;
}

static int find_zygote(struct monitor *monitor, struct err *err)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return err_errno(err, "reading /proc/self/exe");
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    monitor->zygote_path = str_format("%.*s/stoke-zygote", (int)(slash - self), self);
    monitor->spawner.zygote_path = monitor->zygote_path;
    return 0;
}

static void sweep(struct monitor *monitor, bool last)
{
    cgroup_sweep(monitor->spawner.cgroups, last);
    tmpdisk_sweep(monitor->tmp_dir);
}

static int prepare(struct monitor *monitor, struct err *err)
{
    const struct monitor_options *options = monitor->options;
    monitor->spawner.data_dir = options->data_dir;
    monitor->spawner.missing = "";
    raise_limit(RLIMIT_NOFILE);
    raise_limit(RLIMIT_SIGPENDING); /* the owner of a user namespace pays for all rooms in it */
    raise_limit(RLIMIT_MEMLOCK);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    int rc = prepare_signals(monitor, err);
    if (rc == 0)
        rc = find_zygote(monitor, err);
    if (rc == 0)
        rc = lock_data(monitor, err);
    if (rc < 0)
        return rc;
    choose_uids(monitor);
    rc = take_groups(monitor, err);
    if (rc == 0)
        sweep(monitor, false);
    return rc;
}

/* ---- the spawner's life ---- */

static void child(struct monitor *monitor, int alive, int sock)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(monitor->signals);
    close(MONITOR_SOCKET_FD);
    fd_closep(&monitor->data_lock);
    monitor->spawner.alive = alive;
    monitor->spawner.sock = sock;
    spawner_run(&monitor->spawner);
}

static int start_spawner(struct monitor *monitor, pid_t *ret_pid, struct err *err)
{
    struct clone_args args = {.flags = CLONE_NEWPID | CLONE_NEWNS, .exit_signal = SIGCHLD};
    const char text = MONITOR_SPAWNER;
    int sock[2], alive[2];
    fd_closep(&monitor->alive);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
        return err_errno(err, "making the spawner's socket");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, alive) < 0) {
        int rc = err_errno(err, "making the spawner's second socket");
        close(sock[0]);
        close(sock[1]);
        return rc;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        close(sock[0]);
        close(alive[0]);
        child(monitor, alive[1], sock[1]);
    }
    int rc = pid < 0 ? err_errno(err, "cloning the spawner") : fd_send(MONITOR_SOCKET_FD, &text, 1, &sock[0], 1, err);
    close(sock[0]);
    close(sock[1]);
    close(alive[1]);
    monitor->alive = alive[0];
    if (pid > 0)
        *ret_pid = pid;
    monitor->spawners++;
    return rc;
}

/* The first process of its pid namespace: all in it end, stopped ones too. Those that version 1 of control groups has frozen do not before
 * they are thawed, and it waits for them. */
static void end_spawner(const struct monitor *monitor, pid_t spawner)
{
    kill(spawner, SIGKILL);
    cgroup_sweep(monitor->spawner.cgroups, false);
}

/* What stoked says. True: nothing any more, it is gone. spawner: the one that runs, or -1. */
static bool hear(const struct monitor *monitor, pid_t spawner)
{
    struct monitor_complaint complaint;
    struct err err;
    int fds[FD_PASS_MAX];
    size_t nfds = 0;
    ssize_t n = fd_recv(MONITOR_SOCKET_FD, &complaint, sizeof complaint, fds, &nfds, &err);
    for (size_t i = 0; n > 0 && i < nfds; i++)
        close(fds[i]); /* stoked has nothing to give us */
    if (n != sizeof complaint)
        return true;
    if (spawner > 0 && complaint.spawner == monitor->spawners) {
        log_warn("monitor.spawner_silent", "pid=%d", spawner);
        end_spawner(monitor, spawner);
    }
    return false;
}

/* True when it is time to end: stoked is gone, or a signal says so. False: the spawner is dead. One that is dying has closed its
 * descriptors, and may wait for what has to be thawed before we can reap it. */
static bool watch(struct monitor *monitor, pid_t spawner)
{
    struct pollfd fds[] = {
        {.fd = MONITOR_SOCKET_FD, .events = POLLIN}, {.fd = monitor->signals, .events = POLLIN}, {.fd = monitor->alive, .events = POLLIN}};
    for (;;) {
        struct signalfd_siginfo info;
        if (poll(fds, sizeof fds / sizeof fds[0], -1) < 0 && errno != EINTR)
            return true;
        if (fds[0].revents && hear(monitor, spawner))
            return true;
        if (fds[2].revents) {
            fds[2].fd = -1;
            end_spawner(monitor, spawner);
        }
        while (read(monitor->signals, &info, sizeof info) == sizeof info)
            if (info.ssi_signo != SIGCHLD)
                return true;
        if (waitpid(spawner, NULL, WNOHANG) == spawner)
            return false;
    }
}

/* stoked may be stopped before there is a spawner to give it; its end is our end, and no failure. */
static bool is_hangup(const struct err *err)
{
    return err->kind == ERR_IO && err->code == EPIPE;
}

static int serve(struct monitor *monitor, struct err *err)
{
    unsigned failures = 0;
    for (;;) {
        pid_t pid = -1;
        int64_t began = clock_mono_us();
        int rc = start_spawner(monitor, &pid, err);
        bool over = rc < 0 || watch(monitor, pid);
        if (over && pid > 0) {
            end_spawner(monitor, pid);
            waitpid(pid, NULL, 0);
        }
        sweep(monitor, over);
        if (over)
            return rc < 0 && is_hangup(err) ? 0 : rc;
        log_warn("monitor.spawner_died", "pid=%d lived_ms=%lld", pid, (long long)(clock_mono_us() - began) / 1000);
        failures = clock_mono_us() - began < SHORT_LIFE_US ? failures + 1 : 0;
        if (failures >= FAILURES_MAX)
            return err_set(err, ERR_UNAVAILABLE, "the spawner died %u times in a row right after its start", failures);
        if (failures > 1 && poll(&(struct pollfd){.fd = MONITOR_SOCKET_FD, .events = POLLIN}, 1, PAUSE_MS_MAX) > 0 && hear(monitor, -1))
            return 0;
    }
}

int monitor_run(const struct monitor_options *options)
{
    struct monitor monitor = {.options = options, .own_dir = -1, .tmp_dir = -1, .lock = -1, .uid_lock = -1, .signals = -1, .alive = -1};
    struct err err = {0};
    monitor.data_lock = fcntl(MONITOR_LOCK_FD, F_GETFD) < 0 ? -1 : MONITOR_LOCK_FD;
    int rc = rootless_enter(&monitor.spawner, &err); /* does not return where it had to start this program again */
    if (rc == 0)
        rc = prepare(&monitor, &err);
    if (rc == 0)
        rc = serve(&monitor, &err);
    if (rc < 0)
        say_failed(&err);
    cgroup_close(monitor.spawner.cgroups);
    fd_closep(&monitor.own_dir);
    fd_closep(&monitor.tmp_dir);
    free(monitor.zygote_path);
    free(monitor.missing);
    return rc < 0;
}
