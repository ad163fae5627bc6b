/* The spawner: its start, its loop, its children, and who answers which message. */
#include "sandbox/spawner/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"
#include "sandbox/bpf/netlock.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/own_dir.h"
#include "sandbox/spawner/room.h"
#include "sandbox/spawner/spawn_check.h"
#include "sandbox/spawn_link.h"
#include "sandbox/stages/attest.h"
#include "sandbox/stages/etc.h"
#include "sandbox/stages/views.h"
#include "sandbox/tmpdisk/tmpdisk.h"
#include "sandbox/spawner/zygotes.h"

#define RUN_DIR "run"
#define IDLE_AGAIN_US 1000
#define IDLE_US 20000 /* without a message for so long, the pools are topped up */

/* ---- children ---- */

void spawner_adopt(struct spawner *spawner, struct child *child, pid_t pid)
{
    child->pid = pid;
    HASH_ADD_INT(spawner->children, pid, child);
}

void spawner_disown(struct spawner *spawner, struct child *child)
{
    HASH_DELETE(hh, spawner->children, child);
    child->pid = 0;
}

/* A worker becomes our child when the process that forked it exits, which it does after announcing it: whoever is unknown after
 * reading all announcements is a helper, or orphaned by a zygote that died. */
static void reap(struct spawner *spawner)
{
    struct rusage usage;
    struct child *child;
    int status;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        HASH_FIND_INT(spawner->children, &pid, child);
        if (!child) {
            zygotes_drain(spawner);
            HASH_FIND_INT(spawner->children, &pid, child);
        }
        if (!child)
            continue;
        spawner_disown(spawner, child);
        child->exited(child->arg, status, (uint64_t)usage.ru_maxrss * 1024);
    }
}

static void on_signal(void *arg, uint32_t events)
{
    struct spawner *spawner = arg;
    struct signalfd_siginfo info;
    (void)events;
    int fd = spawner->signal_fd;
    while (read(fd, &info, sizeof info) > 0)
        ;
    zygotes_drain(spawner);
    reap(spawner);
}

/* ---- uids ---- */

uid_t spawner_zygote_uid(const struct spawner *spawner, uint32_t slot)
{
    return spawner->options->single_id ? 0 : spawner->options->uid_base + 1 + slot;
}

uid_t spawner_room_uid(const struct spawner *spawner, uint32_t slot)
{
    return spawner->options->single_id ? 0 : spawner->options->uid_base + SPAWNER_IDS_OF_ROOMS + 2 * slot;
}

int spawner_take_slot(struct spawner *spawner, uint32_t *ret_slot, struct err *err)
{
    if (!spawner->free_count)
        return err_set(err, ERR_LIMIT, "all %u rooms are taken", SPAWNER_ROOMS_MAX);
    *ret_slot = spawner->free_slots[spawner->free_first];
    spawner->free_first = (spawner->free_first + 1) % SPAWNER_ROOMS_MAX;
    spawner->free_count--;
    return 0;
}

void spawner_give_slot(struct spawner *spawner, uint32_t slot)
{
    spawner->free_slots[(spawner->free_first + spawner->free_count++) % SPAWNER_ROOMS_MAX] = slot;
}

int spawner_take_zygote_slot(struct spawner *spawner, uint32_t *ret_slot, struct err *err)
{
    const uint32_t count = SPAWNER_IDS_OF_ROOMS - 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = spawner->zygote_slot_next++ % count;
        if (spawner->zygote_slot_uses[slot] == 0) {
            spawner->zygote_slot_uses[slot] = 1;
            *ret_slot = slot;
            return 0;
        }
    }
    return err_set(err, ERR_LIMIT, "all %u uids of zygotes are taken", count);
}

void spawner_hold_zygote_slot(struct spawner *spawner, uint32_t slot)
{
    spawner->zygote_slot_uses[slot]++;
}

void spawner_give_zygote_slot(struct spawner *spawner, uint32_t slot)
{
    spawner->zygote_slot_uses[slot]--;
}

/* ---- messages ---- */

void spawner_send(struct spawner *spawner, const struct spawn_msg *msg, const int *fds, size_t nfds)
{
    struct err err;
    if (spawn_link_send(spawner->link, msg, fds, nfds, &err) == 0 || err.kind == ERR_UNAVAILABLE)
        return;
    log_error("spawner.queue", "error=\"%s\"", err.msg);
    exit(1); /* stoked does not read: a fresh start is all that helps */
}

void spawner_send_failure(struct spawner *spawner, uint32_t op, uint32_t id, const char *stage, const struct err *err)
{
    struct spawn_msg msg = {.op = op, .room_id = id, .failed.code = err->code};
    str_copy(msg.failed.stage, sizeof msg.failed.stage, stage);
    str_copy(msg.failed.text, sizeof msg.failed.text, err->msg);
    spawner_send(spawner, &msg, NULL, 0);
}

static void append_lines(char *out, size_t cap, const char *text)
{
    size_t used = strlen(out);
    if (text && text[0])
        snprintf(out + used, cap - used, "%s%s", used ? "\n" : "", text);
}

static void report_host(struct spawner *spawner)
{
    const struct spawner_options *options = spawner->options;
    const struct cgroup_abilities *can = cgroup_abilities(options->cgroups);
    struct spawn_msg msg = {.op = SPAWN_HOST};
    msg.host.rootless = options->rootless;
    msg.host.unique_uids = options->unique_uids;
    msg.host.cgroup_version = (uint32_t)can->version;
    msg.host.has_cpu = can->cpu;
    msg.host.has_memory = can->memory;
    msg.host.has_pids = can->pids;
    msg.host.has_freezer = can->freezer;
    msg.host.has_bpf = spawner->lock != NULL;
    str_copy(msg.host.tmp_backend, sizeof msg.host.tmp_backend, tmpdisk_backend(spawner->disks));
    msg.host.has_userns = spawner->has_userns;
    append_lines(msg.host.missing, sizeof msg.host.missing, options->missing);
    if (!spawner->has_userns)
        append_lines(msg.host.missing, sizeof msg.host.missing,
                     "User namespaces are switched off, so no function can run: as root, sysctl user.max_user_namespaces=65536.");
    append_lines(msg.host.missing, sizeof msg.host.missing, can->missing);
    append_lines(msg.host.missing, sizeof msg.host.missing, tmpdisk_missing(spawner->disks));
    append_lines(msg.host.missing, sizeof msg.host.missing, views_missing(spawner->views));
    append_lines(msg.host.missing, sizeof msg.host.missing, spawner->lock_missing);
    spawner_send(spawner, &msg, NULL, 0);
}

static void forget_tree(struct spawner *spawner, const struct spawn_msg *msg)
{
    struct spawn_msg answer = {.op = SPAWN_TREE_FORGOTTEN, .room_id = msg->room_id};
    memcpy(answer.tree.digest, msg->tree.digest, sizeof answer.tree.digest);
    views_forget(spawner->views, msg->tree.digest);
    spawner_send(spawner, &answer, NULL, 0);
}

/* A room that stoked still believes in and that is gone: say so once more. */
static void on_missing_room(struct spawner *spawner, const struct spawn_msg *msg)
{
    struct spawn_msg dead = {.op = SPAWN_ROOM_DEAD, .room_id = msg->room_id};
    if (msg->op == SPAWN_ROOM_KILL)
        spawner_send(spawner, &dead, NULL, 0);
}

static void on_room_message(struct spawner *spawner, const struct spawn_msg *msg)
{
    struct room *room = room_find(spawner, msg->room_id);
    if (!room)
        on_missing_room(spawner, msg);
    else if (msg->op == SPAWN_ROOM_ASSIGN)
        room_assign(room, &msg->assign);
    else if (msg->op == SPAWN_ROOM_EXPECT)
        room_expect(room, &msg->assign);
    else if (msg->op == SPAWN_ROOM_LIMIT)
        room_limit(room, msg->limit.cpu_milli);
    else if (msg->op == SPAWN_ROOM_FREEZE)
        room_freeze(room);
    else if (msg->op == SPAWN_ROOM_THAW)
        room_thaw(room);
    else if (msg->op == SPAWN_ROOM_RESET)
        room_reset(room);
    else if (msg->op == SPAWN_ROOM_STAT)
        room_stat(room);
    else if (msg->op == SPAWN_ROOM_SIGNAL)
        room_signal(room, (int)msg->signal);
    else if (msg->op == SPAWN_ROOM_KILL)
        room_kill(room);
}

static void on_bad_message(struct spawner *spawner, const struct spawn_msg *msg, const struct err *err)
{
    log_warn("spawner.bad_message", "op=%u id=%u error=\"%s\"", msg->op, msg->room_id, err->msg);
    uint32_t op = msg->op == SPAWN_ZYGOTE_START ? SPAWN_ZYGOTE_DOWN : SPAWN_ROOM_FAILED;
    spawner_send_failure(spawner, op, msg->room_id, "message", err);
}

void spawner_idle_soon(struct spawner *spawner)
{
    loop_timer_set(spawner->loop, &spawner->idle, clock_mono_us() + IDLE_US);
}

static void on_message(void *arg, const struct spawn_msg *msg, int *fds, size_t nfds)
{
    struct spawner *spawner = arg;
    struct zygote *zygote;
    struct err err = {0};
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]); /* stoked has nothing to give us */
    if (msg->op != SPAWN_PING)
        spawner_idle_soon(spawner);
    if (spawn_check(msg, spawner->options->data_dir, &err) < 0) {
        on_bad_message(spawner, msg, &err);
        return;
    }
    switch (msg->op) {
    case SPAWN_ZYGOTE_START:
        zygote_start(spawner, msg->room_id, &msg->zygote);
        break;
    case SPAWN_ZYGOTE_STOP:
        if ((zygote = zygote_find(spawner, msg->room_id)))
            zygote_stop(zygote);
        break;
    case SPAWN_ROOM_MAKE:
        room_make(spawner, msg->room_id, msg->make.zygote_id, msg->make.awaited);
        break;
    case SPAWN_HOST_REPORT:
        report_host(spawner);
        break;
    case SPAWN_TREE_FORGET:
        forget_tree(spawner, msg);
        break;
    case SPAWN_PING:
        spawner_send(spawner, &(struct spawn_msg){.op = SPAWN_PONG}, NULL, 0);
        break;
    default:
        on_room_message(spawner, msg);
    }
}

static void on_ended(void *arg)
{
    (void)arg;
    _exit(0); /* stoked is gone; with us everything else goes */
}

static void on_alive(void *arg, uint32_t events)
{
    (void)arg;
    (void)events;
    _exit(0); /* the monitor is gone */
}

static void on_idle(void *arg)
{
    struct spawner *spawner = arg;
    tmpdisk_refill(spawner->disks);
    int64_t from_us = 0;
    if (views_refill(spawner->views) || zygotes_refill(spawner, &from_us))
        from_us = clock_mono_us() + IDLE_AGAIN_US;
    if (from_us > 0)
        loop_timer_set(spawner->loop, &spawner->idle, from_us);
}

/* ---- start ---- */

static int find_filters(int *ret_filters, struct err *err)
{
    CLEANUP(freep) char *text = NULL;
    struct attest_status status;
    int rc = fd_read_file(AT_FDCWD, "/proc/self/status", 16384, &text, NULL, err);
    if (rc == 0)
        rc = attest_parse(text, &status, err);
    if (rc == 0)
        *ret_filters = status.filters;
    return rc;
}

static int read_pid_max(void)
{
    CLEANUP(freep) char *text = NULL;
    struct err err;
    if (fd_read_file(AT_FDCWD, "/proc/sys/kernel/pid_max", 64, &text, NULL, &err) < 0)
        return 32768;
    long max = strtol(text, NULL, 10);
    return max < 4096 ? 4096 : (int)max;
}

/* The second lock is wanted, not needed: without it the rooms' own namespaces hold, and the report says so. */
static void open_lock(struct spawner *spawner)
{
    struct err err;
    if (netlock_open(cgroup_unified_fd(spawner->options->cgroups), &spawner->lock, &err) < 0)
        snprintf(spawner->lock_missing, sizeof spawner->lock_missing, "%.1000s.", err.msg);
}

/* Our own mounts: what the host mounts later still arrives, what we mount stays with us. */
static int arrange_mounts(struct spawner *spawner, struct err *err)
{
    CLEANUP(fd_closep) int below = -1;
    char path[64];
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_errno(err, "making the spawner's mounts its own");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return err_errno(err, "mounting the spawner's /proc");
    int rc = own_dir_open(spawner->options->data_dir, SPAWNER_DIR, 0755, &spawner->own_dir, err);
    if (rc == 0)
        rc = own_dir_below(spawner->own_dir, RUN_DIR, 0755, &below, err);
    if (rc < 0)
        return rc;
    snprintf(path, sizeof path, "/proc/self/fd/%d", below);
    if (mount("stoke", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64m") < 0)
        return err_errno(err, "mounting the spawner's directory");
    spawner->run_dir = openat(spawner->own_dir, RUN_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); /* what is mounted there */
    if (spawner->run_dir < 0)
        return err_errno(err, "opening the spawner's directory");
    spawner->run_path = str_format("/proc/self/fd/%d", spawner->run_dir);
    if (mount(NULL, spawner->run_path, NULL, MS_PRIVATE, NULL) < 0)
        return err_errno(err, "keeping what is mounted in the spawner's directory");
    umask(022);
    if (mkdirat(spawner->run_dir, "root", 0755) < 0 || mkdirat(spawner->run_dir, "etc", 0755) < 0)
        return err_errno(err, "making the spawner's directories");
    CLEANUP(freep) char *etc = str_format("%s/etc", spawner->run_path);
    return etc_prepare(etc, err);
}

static int open_parts(struct spawner *spawner, struct err *err)
{
    const struct spawner_options *options = spawner->options;
    CLEANUP(freep) char *trees = str_format("%s/trees", options->data_dir);
    CLEANUP(fd_closep) int disks = -1;
    spawner->own_mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    spawner->own_pid = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    spawner->zygote_binary = open(options->zygote_path, O_PATH | O_CLOEXEC);
    if (spawner->own_mnt < 0 || spawner->own_pid < 0)
        return err_errno(err, "opening the spawner's namespaces");
    if (spawner->zygote_binary < 0)
        return err_errno(err, "opening %s", options->zygote_path);
    int rc = own_dir_below(spawner->own_dir, SPAWNER_TMP_DIR, 0700, &disks, err);
    if (rc == 0)
        rc = find_filters(&spawner->filters, err);
    if (rc == 0)
        rc = views_open(spawner->run_path, trees, &spawner->views, err);
    if (rc == 0)
        rc = tmpdisk_open(disks, options->rootless, &spawner->disks, err);
    if (rc == 0)
        rc = cgroup_make(options->cgroups, "zygotes", &spawner->zygote_group, err);
    open_lock(spawner);
    return rc;
}

/* Every room has one of its own; a root start needs none before the first. Before the loop, which would see the child's end. */
static bool can_make_user_namespace(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(unshare(CLONE_NEWUSER) < 0);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int prepare_signals(struct spawner *spawner, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    spawner->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (spawner->signal_fd < 0)
        return err_errno(err, "signalfd");
    return loop_add(spawner->loop, spawner->signal_fd, EPOLLIN, on_signal, spawner, &spawner->signals, err);
}

static int start(struct spawner *spawner, struct err *err)
{
    static const struct spawn_link_events link_events = {.message = on_message, .ended = on_ended};
    const struct spawner_options *options = spawner->options;
    if (!options->single_id && prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
        return err_errno(err, "PR_SET_SECUREBITS");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_errno(err, "PR_SET_DUMPABLE");
    spawner->free_slots = malloc(SPAWNER_ROOMS_MAX * sizeof *spawner->free_slots);
    if (!spawner->free_slots)
        return err_set(err, ERR_NO_MEMORY, "no memory for the spawner");
    for (uint32_t i = 0; i < SPAWNER_ROOMS_MAX; i++)
        spawner_give_slot(spawner, i);
    spawner->has_userns = can_make_user_namespace();
    int rc = arrange_mounts(spawner, err);
    if (rc == 0)
        rc = open_parts(spawner, err);
    if (rc == 0)
        rc = loop_new(&spawner->loop, err);
    if (rc == 0)
        rc = prepare_signals(spawner, err);
    if (rc == 0)
        rc = loop_add(spawner->loop, options->alive, EPOLLIN, on_alive, spawner, &spawner->alive, err);
    if (rc == 0)
        rc = spawn_link_new(spawner->loop, options->sock, &link_events, spawner, &spawner->link, err);
    if (rc < 0)
        return rc;
    spawner->pid_max = read_pid_max();
    loop_timer_init(&spawner->idle, on_idle, spawner);
    loop_timer_set(spawner->loop, &spawner->idle, clock_mono_us());
    return 0;
}

void spawner_run(const struct spawner_options *options)
{
    static struct spawner spawner;
    struct err err = {0};
    spawner.options = options;
    if (start(&spawner, &err) < 0) {
        log_error("spawner.start", "error=\"%s\"", err.msg);
        _exit(2);
    }
    for (;;)
        loop_run_once(spawner.loop, -1);
}
