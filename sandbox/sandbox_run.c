/* How a room is made, and how a worker gets into it. The order of the stages and its reasons: docs/architecture.md. */
#include "sandbox/sandbox_run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/id.h"
#include "runtime-api/channel.h"
#include "sandbox/spawner/room.h"
#include "sandbox/sandbox_init.h"
#include "sandbox/stages/attest.h"
#include "sandbox/stages/mounts.h"
#include "sandbox/tmpdisk/tmpdisk.h"
#include "sandbox/zygote/zygote.h"
#include "sandbox/spawner/zygotes.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#define TMP_MB_DEFAULT 512
#define LOG_PIPE_MODE 0622 /* root's: a worker may reopen it for writing (/dev/stderr), never for reading */
#define FIRST_PID_MIN 300
#define HELPER_STACK_BYTES (32 * 1024)

/* ---- furnishing: from nothing to a pid 1 at work */

static int take_uids(struct room *room, struct err *err)
{
    int rc = spawner_take_slot(room->spawner, &room->slot, err);
    if (rc == 0)
        room->uid = spawner_room_uid(room->spawner, room->slot);
    return rc;
}

static int make_group(struct room *room, struct err *err)
{
    char leaf[32];
    snprintf(leaf, sizeof leaf, "r%u", ++room->spawner->groups_made);
    int rc = cgroup_make(room->spawner->options->cgroups, leaf, &room->group, err);
    if (rc == 0)
        room->group_id = cgroup_unified_id(room->group);
    return rc;
}

/* Creator of the user namespace, and so its owner, is whoever has the effective uid at clone3(): for that moment the zygote's
 * uid, so that the zygote, and no other, may enter. Our capabilities stay (SECBIT_NO_SETUID_FIXUP). The template's mounts are
 * what the new mount namespace copies. */
static int clone_init(struct room *room, struct err *err)
{
    struct spawner *spawner = room->spawner;
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS, .exit_signal = SIGCHLD};
    int pair[2], code = 0;
    CLEANUP(fd_closep) int leaf = cgroup_unified_leaf(room->group); /* born in it: moving there later takes long */
    if (leaf >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)leaf;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "making the socket of pid 1");
    pid_t pid = -1;
    if (setns(room->zygote->mounts, CLONE_NEWNS) == 0) {
        if (syscall(SYS_setresuid, -1, room->zygote->uid, -1) == 0) {
            pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
            if (pid == 0)
                sandbox_init(pair[1]);
            code = errno;
            if (syscall(SYS_setresuid, -1, 0, -1) < 0)
                abort();
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of the effective uid clears it */
        } else {
            code = errno;
        }
        if (setns(spawner->own_mnt, CLONE_NEWNS) < 0)
            abort();
    } else {
        code = errno;
    }
    close(pair[1]);
    room->init_sock = pair[0];
    errno = code;
    if (pid < 0)
        return err_errno(err, "cloning pid 1");
    spawner_adopt(spawner, &room->init, pid);
    return fd_set_nonblock(room->init_sock, true, err);
}

static int write_map(pid_t pid, const char *file, const char *text, struct err *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    return fd_write_file(AT_FDCWD, path, text, err);
}

static int map_ids(struct room *room, struct err *err)
{
    char map[96];
    pid_t pid = room->init.pid;
    int rc = 0;
    if (room->spawner->options->single_id) {
        rc = write_map(pid, "setgroups", "deny", err);
        snprintf(map, sizeof map, "0 %u 1\n", room->uid);
    } else {
        snprintf(map, sizeof map, "0 %u 1\n%d %u 1\n", room->uid, SANDBOX_UID, room->uid + 1);
    }
    if (rc == 0)
        rc = write_map(pid, "uid_map", map, err);
    return rc < 0 ? rc : write_map(pid, "gid_map", map, err);
}

/* An out-of-memory kill of the whole group (cgroup v2) passes over pid 1, so that the room can be reset with its /tmp. That asks for
 * CAP_SYS_RESOURCE; without it the kernel takes the largest task only, and on_oom() all the others. */
static int spare_init(struct room *room, struct err *err)
{
    static bool cannot;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", room->init.pid);
    struct err ignored;
    if (!cannot)
        cannot = fd_write_file(AT_FDCWD, path, "-1000", &ignored) < 0;
    return cannot ? 0 : cgroup_end_whole(room->group, err);
}

/* Runs fn, which ends with _exit(), as a child of ours in the room's pid namespace, and waits for it. */
static int run_inside(struct room *room, int (*fn)(void *arg), void *arg, int flags, struct err *err)
{
    static char stack[HELPER_STACK_BYTES] __attribute__((aligned(64)));
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/pid", room->init.pid);
    CLEANUP(fd_closep) int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWPID) < 0)
        return err_errno(err, "entering the pid namespace");
    pid_t pid = clone(fn, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD | flags, arg);
    int code = errno;
    if (setns(room->spawner->own_pid, CLONE_NEWPID) < 0)
        abort();
    errno = code;
    if (pid < 0)
        return err_errno(err, "forking into the pid namespace");
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

struct proc_order {
    int fd, rc;
    struct err *err;
};

/* Shares our memory and descriptors while we wait in clone(). */
static int mount_proc(void *arg)
{
    static const char *const options[] = {"hidepid=2", NULL};
    struct proc_order *order = arg;
    order->rc = mount_new("proc", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &order->fd, order->err);
    _exit(0);
}

/* A proc instance is of the pid namespace that who asks for it lives in, not of the one that its children would be born in. In one of
 * ours a function would not find itself under the number that it has. */
static int make_proc(struct room *room, int *ret_fd, struct err *err)
{
    struct proc_order order = {.fd = -1, .err = err};
    int rc = run_inside(room, mount_proc, &order, CLONE_FILES, err);
    if (rc == 0)
        rc = order.rc;
    if (rc == 0)
        *ret_fd = order.fd;
    return rc;
}

/* Somewhere in the lower half, so that it is no zygote's number and that rooms differ. */
static uint32_t choose_first_pid(const struct spawner *spawner)
{
    uint32_t random;
    id_random(&random, sizeof random);
    return FIRST_PID_MIN + random % (uint32_t)(spawner->pid_max / 2 - FIRST_PID_MIN);
}

static int send_order(struct room *room, struct err *err)
{
    struct spawner *spawner = room->spawner;
    struct init_order order = {.single_id = spawner->options->single_id, .first_pid = choose_first_pid(spawner)};
    int fds[2 + CGROUP_HIERARCHIES_MAX];
    uid_t worker = spawner->options->single_id ? room->uid : room->uid + 1;
    CLEANUP(fd_closep) int proc = -1;
    CLEANUP(fd_closep) int tmp = -1;
    int rc = make_proc(room, &proc, err);
    if (rc == 0)
        rc = tmpdisk_take(spawner->disks, TMP_MB_DEFAULT, worker, worker, &room->tmp, &tmp, err);
    if (rc < 0)
        return rc;
    room->tmp_mb = TMP_MB_DEFAULT;
    /* It joins its groups by itself: moving another process takes a lock that waits for a grace period of the kernel's. */
    fds[0] = proc;
    fds[1] = tmp;
    order.cgroup_count = (uint32_t)cgroup_procs_fds(room->group, false, fds + 2);
    return fd_send(room->init_sock, &order, sizeof order, fds, 2 + order.cgroup_count, err);
}

int sandbox_run_furnish(struct room *room, const char **ret_stage, struct err *err)
{
    static const struct {
        const char *name;
        int (*run)(struct room *room, struct err *err);
    } stages[] = {
        {"uids", take_uids}, {"cgroup", make_group},    {"clone", clone_init},
        {"maps", map_ids},   {"oom score", spare_init}, {"mounts", send_order},
    };
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        int rc = stages[i].run(room, err);
        if (rc < 0) {
            *ret_stage = stages[i].name;
            return rc;
        }
    }
    return 0;
}

/* ---- inviting a worker */

/* pid 1 gave up everything but its life; from outside it has to look like that before anybody enters. */
int sandbox_run_attest_init(struct room *room, struct err *err)
{
    const struct attest_want want = {
        .pid = room->init.pid, .uid = room->uid, .filters = room->spawner->filters + 1, .any_groups = room->spawner->options->single_id};
    char path[64];
    struct stat st;
    for (size_t i = 0; i < ZYGOTE_NAMESPACES; i++) {
        snprintf(path, sizeof path, "/proc/%d/ns/%s", room->init.pid, attest_namespace_names[i]);
        if (stat(path, &st) < 0)
            return err_errno(err, "looking at %s", path);
        room->namespaces[i] = st.st_ino;
    }
    return attest_process(&want, err);
}

static int make_channel(struct room *room, struct err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "making the channel");
    room->ready[SPAWN_FD_CHANNEL] = pair[0];
    room->worker_ends[0] = pair[1];
    /* A function has no business sending descriptors to stoked. An older kernel cannot refuse them: runtime-api/channel_io.c. */
    if (setsockopt(pair[0], SOL_SOCKET, SO_PASSRIGHTS, &(int){0}, sizeof(int)) < 0 && errno != ENOPROTOOPT)
        return err_errno(err, "SO_PASSRIGHTS");
    return fd_set_nonblock(pair[0], true, err);
}

static int make_log(struct room *room, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, "making the log pipe");
    room->ready[SPAWN_FD_LOG] = ends[0];
    room->worker_ends[1] = ends[1];
    if (fchmod(ends[1], LOG_PIPE_MODE) < 0)
        return err_errno(err, "closing the log pipe's read end to the worker");
    return fd_set_nonblock(ends[0], true, err);
}

int sandbox_run_invite(struct room *room, const char **ret_stage, struct err *err)
{
    static const struct {
        const char *name;
        int (*run)(struct room *room, struct err *err);
    } stages[] = {{"channel", make_channel}, {"log", make_log}};
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        int rc = stages[i].run(room, err);
        if (rc < 0) {
            *ret_stage = stages[i].name;
            return rc;
        }
    }
    return 0;
}

/* The seven namespaces (owned by the caller) of pid 1. */
static size_t open_namespaces(const struct room *room, int *fds)
{
    char path[64];
    size_t n = 0;
    for (; n < ZYGOTE_NAMESPACES; n++) {
        snprintf(path, sizeof path, "/proc/%d/ns/%s", room->init.pid, attest_namespace_names[n]);
        fds[n] = open(path, O_RDONLY | O_CLOEXEC);
        if (fds[n] < 0)
            break;
    }
    return n;
}

static int give_order(struct room *room, int zygote_sock, int control, struct err *err)
{
    struct zygote_order order = {.room_id = room->id, .single_id = room->spawner->options->single_id, .awaited = room->awaited};
    int fds[FD_PASS_MAX];
    size_t spaces = open_namespaces(room, fds);
    int rc = spaces == ZYGOTE_NAMESPACES ? 0 : err_errno(err, "opening a room's namespaces");
    if (rc == 0) {
        order.cgroup_count = (uint32_t)cgroup_procs_fds(room->group, true, fds + spaces);
        size_t n = spaces + order.cgroup_count;
        fds[n++] = room->worker_ends[0];
        fds[n++] = room->worker_ends[1];
        fds[n++] = control;
        rc = fd_send(zygote_sock, &order, sizeof order, fds, n, err);
    }
    while (spaces)
        close(fds[--spaces]);
    return rc;
}

/* The socket is full; or the zygote has just ended, which the spawner hears of in a moment. */
static bool may_wait(int code)
{
    return code == EAGAIN || code == ENOBUFS || code == ETOOMANYREFS || code == EPIPE || code == ECONNRESET;
}

bool sandbox_run_order(struct room *room, int zygote_sock)
{
    int pair[2];
    struct err err = {0};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        room_worker_failed(room, "control", errno);
        return true;
    }
    int rc = give_order(room, zygote_sock, pair[1], &err);
    close(pair[1]);
    if (rc < 0 && may_wait(err.code)) {
        close(pair[0]);
        return false;
    }
    cgroup_procs_close(room->group);
    fd_closep(&room->worker_ends[0]);
    fd_closep(&room->worker_ends[1]);
    room->control = pair[0];
    if (rc < 0 || room_watch_control(room, &err) < 0) {
        room_worker_failed(room, "order", err.code);
        return true;
    }
    room->ordered = true;
    room->zygote->owed++;
    return true;
}

int sandbox_run_attest(struct room *room, struct err *err)
{
    const struct spawner_options *options = room->spawner->options;
    const struct attest_want want = {
        .pid = room->worker.pid,
        .like = room->init.pid,
        .uid = options->single_id ? room->uid : room->uid + 1,
        .filters = room->spawner->filters + 2,
        .not_inner = room->zygote_pid,
        .any_groups = options->single_id,
        .namespaces = room->namespaces,
    };
    return attest_process(&want, err);
}

/* ---- clearing */

/* Shares our memory while we wait in clone(): touches nothing of it. */
static int kill_all(void *arg)
{
    int numbers = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    const char *text = arg;
    kill(-1, SIGKILL);
    if (numbers >= 0 && write(numbers, text, strlen(text)) < 0)
        _exit(1);
    _exit(0);
}

int sandbox_run_clear(struct room *room, struct err *err)
{
    char first[16];
    snprintf(first, sizeof first, "%u", choose_first_pid(room->spawner));
    return run_inside(room, kill_all, first, 0, err);
}
