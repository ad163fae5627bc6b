/* The end of a room: its processes are killed, and nothing of it may be left before it counts as dead. */
#include "sandbox/spawner/room_end.h"

#include <signal.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "sandbox/bpf/netlock.h"
#include "sandbox/spawner/room_look.h"
#include "sandbox/spawner/zygotes.h"
#include "sandbox/tmpdisk/tmpdisk.h"

void room_leave_spares(struct room *room)
{
    if (!room->is_spare)
        return;
    TAILQ_REMOVE(&room->zygote->spares, room, order_link);
    room->zygote->spare_count--;
    room->is_spare = false;
}

void room_close_worker(struct room *room)
{
    loop_remove(STEAL(room->control_watch));
    fd_closep(&room->control);
    fd_closep(&room->worker_ends[0]);
    fd_closep(&room->worker_ends[1]);
    fd_closep(&room->ready[SPAWN_FD_CHANNEL]);
    fd_closep(&room->ready[SPAWN_FD_LOG]);
    room->sealed = false;
}

void room_take_down(struct room *room)
{
    struct err err;
    room_set_state(room, ROOM_DYING);
    if (room->is_spare)
        zygote_hold_spares(room->zygote);
    room_leave_spares(room);
    loop_remove(STEAL(room->init_watch));
    loop_remove(STEAL(room->oom_watch));
    fd_closep(&room->init_sock);
    room_close_worker(room);
    fd_closep(&room->ready[SPAWN_FD_RUNTIME]);
    fd_closep(&room->ready[SPAWN_FD_ENDPOINT]);
    if (room->order_waits) {
        TAILQ_REMOVE(&room->zygote->waiting, room, order_link);
        room->order_waits = false;
    }
    if (room->init.pid)
        kill(room->init.pid, SIGKILL);
    if (room->frozen && cgroup_freeze(room->group, false, &err) < 0)
        log_warn("room.thaw", "room=%u error=\"%s\"", room->id, err.msg);
    loop_timer_set(room->spawner->loop, &room->timer, clock_mono_us()); /* buried from the loop: callers still hold it */
}

void room_kill(struct room *room)
{
    room->quiet = false; /* somebody waits for ROOM_DEAD now */
    if (room->state == ROOM_DYING)
        return;
    room_look(room);
    room_take_down(room);
}

/* A child of ours that is not reaped yet: the number is nobody else's. */
void room_signal(struct room *room, int number)
{
    if (room->state == ROOM_LIVE && room->worker.pid)
        kill(room->worker.pid, number);
}

static void bury(struct room *room)
{
    struct spawner *spawner = room->spawner;
    struct spawn_msg msg = {.op = SPAWN_ROOM_DEAD, .room_id = room->id, .stats = room->last};
    if (room->tmp)
        tmpdisk_give_back(room->tmp);
    if (room->slot != UINT32_MAX)
        spawner_give_slot(spawner, room->slot);
    spawner_give_zygote_slot(spawner, room->zygote_slot);
    if (room->zygote)
        TAILQ_REMOVE(&room->zygote->rooms, room, zygote_link);
    loop_timer_cancel(spawner->loop, &room->timer);
    if (room->id)
        HASH_DELETE(hh, spawner->rooms, room);
    if (!room->quiet && room->id)
        spawner_send(spawner, &msg, NULL, 0);
    free(room);
}

/* Nothing may be left before the room counts as dead. */
void room_try_bury(struct room *room)
{
    struct err err;
    int64_t now = clock_mono_us();
    if (room->state != ROOM_DYING || room->init.pid || room->worker.pid || room->ordered)
        return; /* an event will come */
    if (room->group && room->spawner->lock)
        netlock_forget(room->spawner->lock, room->group_id);
    if (room->group && cgroup_destroy(room->group, &err) < 0) {
        if (now > room->give_up_us) {
            log_warn("room.leftover", "room=%u error=\"%s\"", room->id, err.msg);
            room->give_up_us = now + DIE_US_SOON;
            cgroup_kill(room->group);
        }
        bool slow = now > room->give_up_us - DIE_US_SOON / 2;
        loop_timer_set(room->spawner->loop, &room->timer, now + (slow ? AGAIN_US_SLOW : AGAIN_US));
        return;
    }
    room->group = NULL;
    bury(room);
}
