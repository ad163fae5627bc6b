/* What a room uses, and running out of memory in it; freezing and limits. */
#include "sandbox/spawner/room_look.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "sandbox/bpf/netlock.h"
#include "sandbox/sandbox_run.h"

#define STATUS_BYTES_MAX 16384

/* The kernel's high-water mark of a process' resident memory; 0 when it has none. */
static uint64_t resident_peak(pid_t pid)
{
    CLEANUP(freep) char *text = NULL;
    char path[64];
    struct err err;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (fd_read_file(AT_FDCWD, path, STATUS_BYTES_MAX, &text, NULL, &err) < 0)
        return 0;
    const char *line = strstr(text, "\nVmHWM:");
    return line ? strtoull(line + strlen("\nVmHWM:"), NULL, 10) * 1024 : 0;
}

void room_look(struct room *room)
{
    struct cgroup_usage usage;
    struct err err;
    uint64_t peak = room->worker.pid ? resident_peak(room->worker.pid) : 0;
    if (peak > room->peak)
        room->peak = peak;
    if (room->group && cgroup_usage(room->group, &usage, &err) == 0) {
        room->last.memory_bytes = usage.memory_bytes;
        room->last.cpu_us = usage.cpu_us;
        room->last.tasks = usage.tasks;
        if (usage.oom_kills > room->oom_kills)
            room->oom_kills = usage.oom_kills;
        if (usage.memory_bytes > room->peak)
            room->peak = usage.memory_bytes;
    }
    if (room->spawner->lock)
        netlock_count(room->spawner->lock, room->group_id, &room->last.net_bytes, &room->last.net_packets);
    if (room->oom_kills > room->oom_kills_before && room->memory_limit)
        room->peak = room->memory_limit;
    room->last.oom_kills = room->oom_kills;
    room->last.peak_bytes = room->peak;
}

/* The kernel of a v1 host, and of a v2 host without root, takes one task of the group, or lets it wait; the whole of the function
 * has to go, as with v2's memory.oom.group. pid 1 stays for a RESET. */
static void on_oom(void *arg, uint32_t events)
{
    struct room *room = arg;
    struct err err;
    uint32_t before = room->oom_kills;
    room_look(room); /* acknowledges the event too */
    if (events & (EPOLLHUP | EPOLLERR) && !(events & (EPOLLIN | EPOLLPRI))) {
        loop_remove(STEAL(room->oom_watch));
        return;
    }
    bool v1 = events & EPOLLIN; /* v2's memory.events (EPOLLPRI) tells of less than a kill too */
    if (!v1 && room->oom_kills == before)
        return;
    if (room->oom_kills == before)
        room->oom_kills++;
    if (room->state != ROOM_LIVE && room->state != ROOM_BLANK)
        return;
    if (room_has_one_life(room)) { /* the others end with the room */
        if (room->worker.pid)
            kill(room->worker.pid, SIGKILL);
        return;
    }
    if (sandbox_run_clear(room, &err) < 0) { /* who is left keeps the limits */
        log_warn("room.oom", "room=%u error=\"%s\"", room->id, err.msg);
        return;
    }
    room_limit(room, 0); /* giving back its memory is no work of the function's */
}

int room_watch_oom(struct room *room, struct err *err)
{
    uint32_t events;
    int fd = cgroup_oom_fd(room->group, &events);
    if (fd < 0)
        return 0;
    return loop_add(room->spawner->loop, fd, events, on_oom, room, &room->oom_watch, err);
}

uint32_t room_tasks(const struct room *room)
{
    struct cgroup_usage usage;
    struct err err;
    return cgroup_usage(room->group, &usage, &err) < 0 ? 0 : usage.tasks;
}

static void answer(struct room *room, uint32_t op)
{
    struct spawn_msg msg = {.op = op, .room_id = room->id};
    room_look(room);
    msg.stats = room->last;
    spawner_send(room->spawner, &msg, NULL, 0);
}

void room_stat(struct room *room)
{
    answer(room, SPAWN_ROOM_STATS);
}

/* Where the host cannot freeze, which its report says, the answer is the same: a room that is left alone. */
void room_freeze(struct room *room)
{
    struct err err;
    if (room->state == ROOM_DYING)
        return;
    int rc = cgroup_freeze(room->group, true, &err);
    if (rc < 0 && err.kind != ERR_UNSUPPORTED) {
        spawner_send_failure(room->spawner, SPAWN_ROOM_FAILED, room->id, "freeze", &err);
        return;
    }
    room->frozen = rc == 0;
    answer(room, SPAWN_ROOM_FROZEN);
}

void room_thaw(struct room *room)
{
    struct err err;
    if (!room->frozen || room->state == ROOM_DYING)
        return;
    if (cgroup_freeze(room->group, false, &err) < 0) {
        spawner_send_failure(room->spawner, SPAWN_ROOM_FAILED, room->id, "thaw", &err);
        return;
    }
    room->frozen = false;
}

void room_limit(struct room *room, uint32_t cpu_milli)
{
    struct err err;
    struct cgroup_limits limits = room->limits;
    limits.cpu_milli = cpu_milli;
    if (room->state == ROOM_DYING)
        return;
    if (cgroup_limit(room->group, &limits, &err) < 0) {
        spawner_send_failure(room->spawner, SPAWN_ROOM_FAILED, room->id, "limit", &err);
        return;
    }
    room->limits = limits;
}
