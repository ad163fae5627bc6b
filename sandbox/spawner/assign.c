/* How a blank gets its function: limits, processors, the view of the host's files, the size of /tmp, and GO. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"
#include "sandbox/spawner/room.h"
#include "sandbox/stages/mounts.h"
#include "sandbox/stages/views.h"
#include "sandbox/tmpdisk/tmpdisk.h"
#include "sandbox/zygote/zygote.h"
#include "sandbox/spawner/zygotes.h"

static int set_limits(struct room *room, const struct spawn_assign *assign, struct err *err)
{
    const struct cgroup_limits limits = {.memory_bytes = (uint64_t)assign->memory_mb << 20,
                                         .cpu_milli = assign->cpu_milli,
                                         .pids_max = assign->pids_max ? assign->pids_max + 1 : 0}; /* and pid 1 */
    int rc = cgroup_limit(room->group, &limits, err);
    if (rc == 0) {
        room->limits = limits;
        room->memory_limit = limits.memory_bytes;
    }
    return rc;
}

/* cpu_count processors of those we may use ourselves, beginning at another one for every room. Every thread of the worker, for
 * a runtime that has booted has several; threads to come inherit. */
static int set_affinity(struct room *room, const struct spawn_assign *assign, struct err *err)
{
    char path[64];
    cpu_set_t ours, set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof ours, &ours) < 0)
        return err_errno(err, "sched_getaffinity");
    int available = CPU_COUNT(&ours), wanted = (int)assign->cpu_count;
    if (wanted == 0 || wanted >= available)
        return 0;
    int index = 0, first = (int)(room->slot % (uint32_t)available);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &ours) && (index++ - first + available) % available < wanted)
            CPU_SET(cpu, &set);
    snprintf(path, sizeof path, "/proc/%d/task", room->worker.pid);
    DIR *dir = opendir(path);
    if (!dir)
        return err_errno(err, "reading %s", path);
    struct dirent *entry;
    int rc = 0;
    while (rc == 0 && (entry = readdir(dir))) {
        int64_t tid;
        if (str_to_i64(entry->d_name, 1, INT32_MAX, &tid) && sched_setaffinity((pid_t)tid, sizeof set, &set) < 0 && errno != ESRCH)
            rc = err_errno(err, "sched_setaffinity");
    }
    closedir(dir);
    return rc;
}

static int open_mounts(const struct room *room, int *ret_fd, struct err *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", room->init.pid);
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? err_errno(err, "opening the room's mounts") : 0;
}

static struct view_spec view_of(const struct room *room, const struct spawn_assign *assign)
{
    return (struct view_spec){.key = assign->version_key,
                              .memory_mb = assign->memory_mb,
                              .prefix = room->prefix,
                              .var_runtime = room->var_runtime,
                              .code = assign->code,
                              .layer_count = assign->layer_count,
                              .layer = assign->layer};
}

void room_expect(struct room *room, const struct spawn_assign *assign)
{
    struct err err;
    const struct view_spec spec = view_of(room, assign);
    if (views_make(room->spawner->views, &spec, &err) < 0)
        log_debug("room.expect", "room=%u error=\"%s\"", room->id, err.msg);
}

static int show_view(struct room *room, const struct spawn_assign *assign, int mounts, struct err *err)
{
    const struct spawner *spawner = room->spawner;
    const struct view_spec spec = view_of(room, assign);
    return views_attach(spawner->views, &spec, mounts, spawner->own_mnt, err);
}

/* An empty /tmp, maybe of another size, in place of the one that is there. */
static int replace_tmp(struct room *room, uint32_t tmp_mb, int mounts, struct err *err)
{
    struct spawner *spawner = room->spawner;
    uid_t worker = spawner->options->single_id ? room->uid : room->uid + 1;
    CLEANUP(fd_closep) int fd = -1;
    struct tmpdisk *fresh;
    int rc = tmpdisk_take(spawner->disks, tmp_mb, worker, worker, &fresh, &fd, err);
    if (rc < 0)
        return rc;
    if (setns(mounts, CLONE_NEWNS) < 0) {
        rc = err_errno(err, "entering the room's mounts");
    } else {
        if (umount2("/tmp", MNT_DETACH) < 0)
            rc = err_errno(err, "unmounting /tmp");
        else
            rc = mount_attach(fd, "/tmp", err);
        if (setns(spawner->own_mnt, CLONE_NEWNS) < 0)
            abort();
    }
    struct tmpdisk *unused = rc < 0 ? fresh : room->tmp;
    if (rc == 0) {
        room->tmp = fresh;
        room->tmp_mb = tmp_mb;
    }
    fd_closep(&fd);
    tmpdisk_give_back(unused);
    return rc;
}

int room_empty_tmp(struct room *room, struct err *err)
{
    CLEANUP(fd_closep) int mounts = -1;
    int rc = open_mounts(room, &mounts, err);
    return rc < 0 ? rc : replace_tmp(room, room->tmp_mb, mounts, err);
}

static int dress(struct room *room, const struct spawn_assign *assign, const char **ret_stage, struct err *err)
{
    CLEANUP(fd_closep) int mounts = -1;
    if (room->viewed) /* a reset room keeps its mounts */
        return 0;
    *ret_stage = "mounts";
    int rc = open_mounts(room, &mounts, err);
    if (rc == 0 && assign->tmp_mb != room->tmp_mb) /* than blanks have */
        rc = replace_tmp(room, assign->tmp_mb, mounts, err);
    if (rc == 0) {
        *ret_stage = "view";
        rc = show_view(room, assign, mounts, err);
    }
    if (rc == 0) {
        room->viewed = true;
        room->version_key = assign->version_key;
    }
    return rc;
}

static int go(struct room *room, struct err *err)
{
    if (send(room->control, ZYGOTE_GO, strlen(ZYGOTE_GO), MSG_NOSIGNAL) < 0 && errno != EPIPE)
        return err_errno(err, "sending GO"); /* EPIPE: it died; ROOM_EXITED follows */
    loop_remove(STEAL(room->control_watch));
    fd_closep(&room->control);
    return 0;
}

void room_assign(struct room *room, const struct spawn_assign *assign)
{
    struct spawn_msg msg = {.op = SPAWN_ROOM_ASSIGNED, .room_id = room->id};
    const char *stage = "assign";
    struct err err = {0};
    int rc = 0;
    if (room->state == ROOM_DYING || room->state == ROOM_EMPTY)
        return; /* its end is on the way to stoked */
    if (room->state != ROOM_BLANK)
        rc = err_set(&err, ERR_CONFLICT, "it is no blank (state %d)", room->state);
    else if (room->viewed && room->version_key != assign->version_key)
        rc = err_set(&err, ERR_DENIED, "it belongs to another function version");
    if (rc == 0) {
        stage = "limits";
        rc = set_limits(room, assign, &err);
    }
    if (rc == 0) {
        stage = "affinity";
        rc = set_affinity(room, assign, &err);
    }
    if (rc == 0)
        rc = dress(room, assign, &stage, &err);
    if (rc == 0) {
        stage = "go";
        msg.assigned.go_us = clock_mono_us();
        rc = go(room, &err);
    }
    if (rc < 0) {
        room_fail(room, stage, &err);
        return;
    }
    room_set_state(room, ROOM_LIVE);
    spawner_send(room->spawner, &msg, NULL, 0);
}
