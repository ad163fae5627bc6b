/* A room and its worker: its states, and what the world does to it.
 *
 *   FURNISHING --pid 1 ready--> ENTERING --sealed, attested--> BLANK --assign--> LIVE
 *        |                        ^  ^                           |                |
 *        +-> SPARE --ROOM_MAKE----+  |                           +-- worker ends -+--> EMPTY
 *                                    +-- all gone ---- CLEARING <---- RESET ------+-----+
 *
 *   any --KILL, failure, end of pid 1--> DYING --all reaped, control group removed--> ROOM_DEAD
 *
 * FURNISHING, ENTERING, CLEARING and DYING have deadlines; the other states last as long as stoked wants. A spare is a room that
 * was furnished while nobody waited; it has no id yet, and stoked does not know of it. */
#include "sandbox/spawner/room.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"
#include "sandbox/spawner/room_end.h"
#include "sandbox/spawner/room_look.h"
#include "sandbox/sandbox_init.h"
#include "sandbox/sandbox_run.h"
#include "sandbox/zygote/zygote.h"
#include "sandbox/spawner/zygotes.h"
#include "sandbox/tmpdisk/tmpdisk.h"

#define FURNISH_US_MAX (5 * 1000000)
#define ENTER_US_MAX (10 * 1000000)
#define CLEAR_US_MAX (5 * 1000000)

static const bool allowed[ROOM_STATES][ROOM_STATES] = {
    [ROOM_FURNISHING] = {[ROOM_SPARE] = true, [ROOM_ENTERING] = true, [ROOM_DYING] = true},
    [ROOM_SPARE] = {[ROOM_ENTERING] = true, [ROOM_DYING] = true},
    [ROOM_ENTERING] = {[ROOM_BLANK] = true, [ROOM_DYING] = true},
    [ROOM_BLANK] = {[ROOM_LIVE] = true, [ROOM_EMPTY] = true, [ROOM_CLEARING] = true, [ROOM_DYING] = true},
    [ROOM_LIVE] = {[ROOM_EMPTY] = true, [ROOM_CLEARING] = true, [ROOM_DYING] = true},
    [ROOM_EMPTY] = {[ROOM_CLEARING] = true, [ROOM_DYING] = true},
    [ROOM_CLEARING] = {[ROOM_ENTERING] = true, [ROOM_DYING] = true},
};

void room_set_state(struct room *room, enum room_state state)
{
    assert(allowed[room->state][state]);
    room->state = state;
    loop_timer_cancel(room->spawner->loop, &room->timer);
    int64_t now = clock_mono_us();
    if (state == ROOM_ENTERING)
        loop_timer_set(room->spawner->loop, &room->timer, now + ENTER_US_MAX);
    else if (state == ROOM_CLEARING)
        room->give_up_us = now + CLEAR_US_MAX;
    else if (state == ROOM_DYING)
        room->give_up_us = now + DIE_US_SOON;
}

struct room *room_find(struct spawner *spawner, uint32_t id)
{
    struct room *room;
    HASH_FIND(hh, spawner->rooms, &id, sizeof id, room);
    return room;
}

bool room_has_one_life(const struct room *room)
{
    return room->spawner->options->single_id;
}

void room_fail(struct room *room, const char *stage, const struct err *err)
{
    if (room->state == ROOM_DYING)
        return;
    if (room->id)
        spawner_send_failure(room->spawner, SPAWN_ROOM_FAILED, room->id, stage, err);
    else
        log_warn("room.spare_failed", "stage=\"%s\" code=%d error=\"%s\"", stage, err->code, err->msg);
    room->quiet = true;
    room_take_down(room);
}

/* ---- what its members report ---- */

/* A blank is ready when the zygote told us who the worker is, the worker says it is sealed, and what we see agrees. */
static void welcome(struct room *room)
{
    struct err err;
    if (room->state != ROOM_ENTERING || !room->sealed || !room->worker.pid)
        return;
    if (sandbox_run_attest(room, &err) < 0) {
        room_fail(room, "attest", &err);
        return;
    }
    struct spawn_msg msg = {.op = SPAWN_ROOM_READY,
                            .room_id = room->id,
                            .ready.pid = room->worker.pid,
                            .ready.booted_us = (uint32_t)(clock_mono_us() - room->began_us),
                            .ready.one_life = room_has_one_life(room)};
    size_t n = room->was_reset ? SPAWN_FD_RUNTIME : SPAWN_FD_COUNT;
    room_set_state(room, ROOM_BLANK);
    spawner_send(room->spawner, &msg, room->ready, n);
    for (size_t i = 0; i < n; i++)
        room->ready[i] = -1;
}

static void on_worker_exited(void *arg, int wait_status, uint64_t peak_bytes);

void room_order_over(struct room *room)
{
    if (room->ordered)
        room->zygote->owed--;
    room->ordered = false;
}

void room_worker_born(struct room *room, pid_t pid)
{
    room_order_over(room);
    if (room->worker.pid || pid <= 1 || (room->state != ROOM_ENTERING && room->state != ROOM_DYING))
        return; /* a zygote that says more than it was asked */
    spawner_adopt(room->spawner, &room->worker, pid);
    if (room->state == ROOM_DYING)
        room_try_bury(room);
    else
        welcome(room);
}

void room_worker_failed(struct room *room, const char *stage, int code)
{
    struct err err = {.kind = ERR_UNAVAILABLE, .code = code};
    room_order_over(room);
    snprintf(err.msg, sizeof err.msg, "the worker could not be made");
    if (room->state == ROOM_ENTERING)
        room_fail(room, stage, &err);
    else if (room->state == ROOM_DYING)
        room_try_bury(room);
}

void room_lose_zygote(struct room *room)
{
    struct zygote *zygote = room->zygote;
    if (room->order_waits)
        TAILQ_REMOVE(&zygote->waiting, room, order_link);
    room->order_waits = false;
    room_leave_spares(room);
    TAILQ_REMOVE(&zygote->rooms, room, zygote_link);
    bool interrupted = room->ordered || room->state == ROOM_FURNISHING || (room->state == ROOM_ENTERING && !room->worker.pid);
    room_order_over(room);
    room->zygote = NULL;
    if (!room->id && room->state != ROOM_DYING)
        room_take_down(room);
    if (interrupted && room->state != ROOM_DYING) {
        struct err err = {.kind = ERR_UNAVAILABLE, .code = EOWNERDEAD, .msg = "its zygote ended"};
        room_fail(room, "zygote", &err);
    } else if (room->state == ROOM_DYING) {
        room_try_bury(room);
    }
}

/* SEALED, or the report of a worker that could not seal itself. */
static void read_control(struct room *room)
{
    union {
        struct zygote_report report;
        char text[sizeof(struct zygote_report)];
    } said;
    struct err err;
    int fds[FD_PASS_MAX];
    size_t nfds = 0;
    ssize_t n = fd_recv(room->control, &said, sizeof said, fds, &nfds, &err);
    if (n < 0 && err.code == EAGAIN)
        return;
    for (size_t i = 0; n > 0 && i < nfds; i++)
        close(fds[i]);
    if (n == (ssize_t)strlen(ZYGOTE_SEALED) && memcmp(said.text, ZYGOTE_SEALED, (size_t)n) == 0 && !room->sealed) {
        room->sealed = true;
        welcome(room);
        return;
    }
    loop_remove(STEAL(room->control_watch)); /* its end, or nonsense: the exit follows, or the deadline */
    if (n == sizeof said.report && room->state == ROOM_ENTERING) {
        said.report.stage[STAGE_BYTES - 1] = '\0';
        room_worker_failed(room, said.report.stage, said.report.code);
    }
}

static void on_control(void *arg, uint32_t events)
{
    (void)events;
    read_control(arg);
}

int room_watch_control(struct room *room, struct err *err)
{
    int rc = fd_set_nonblock(room->control, true, err);
    if (rc < 0)
        return rc;
    return loop_add(room->spawner->loop, room->control, EPOLLIN, on_control, room, &room->control_watch, err);
}

static void on_worker_exited(void *arg, int wait_status, uint64_t peak_bytes)
{
    struct room *room = arg;
    if (peak_bytes > room->peak)
        room->peak = peak_bytes;
    switch (room->state) {
    case ROOM_ENTERING:
        if (room->control_watch)
            read_control(room); /* it may have said why */
        if (room->state == ROOM_ENTERING)
            room_worker_failed(room, WIFSIGNALED(wait_status) ? "worker killed" : "worker exited",
                               WIFSIGNALED(wait_status) ? EOWNERDEAD : ECHILD);
        break;
    case ROOM_BLANK:
    case ROOM_LIVE: {
        struct spawn_msg msg = {.op = SPAWN_ROOM_EXITED, .room_id = room->id, .exited.wait_status = wait_status};
        room_look(room);
        msg.exited.stats = room->last;
        room_set_state(room, ROOM_EMPTY);
        spawner_send(room->spawner, &msg, NULL, 0);
        break;
    }
    case ROOM_DYING:
        room_try_bury(room);
        break;
    default:
        break; /* CLEARING looks by itself */
    }
}

/* The room is furnished, and somebody wants it. */
static void invite(struct room *room)
{
    const char *stage;
    struct err err;
    if (sandbox_run_invite(room, &stage, &err) < 0) {
        room_fail(room, stage, &err);
        return;
    }
    room_set_state(room, ROOM_ENTERING);
    zygote_order_room(room->zygote, room);
}

/* pid 1 reports on its set-up. */
static void on_init(void *arg, uint32_t events)
{
    struct room *room = arg;
    struct zygote_report report;
    struct err err;
    int fds[FD_PASS_MAX];
    size_t nfds = 0;
    const char *stage = "init";
    (void)events;
    ssize_t n = fd_recv(room->init_sock, &report, sizeof report, fds, &nfds, &err);
    if (n < 0 && err.code == EAGAIN)
        return;
    loop_remove(STEAL(room->init_watch));
    fd_closep(&room->init_sock);
    if (n == sizeof report && report.said == ZYGOTE_READY && nfds == SANDBOX_LISTENERS) {
        room->ready[SPAWN_FD_RUNTIME] = fds[0];
        room->ready[SPAWN_FD_ENDPOINT] = fds[1];
        stage = "attest init";
        if (!room->zygote)
            err_set(&err, ERR_UNAVAILABLE, "its zygote ended");
        else if (sandbox_run_attest_init(room, &err) == 0) {
            if (room->id)
                invite(room);
            else
                room_set_state(room, ROOM_SPARE);
            return;
        }
    } else {
        for (size_t i = 0; n > 0 && i < nfds; i++)
            close(fds[i]);
        bool told = n == sizeof report && report.said == ZYGOTE_FAILED;
        err_set(&err, ERR_UNAVAILABLE, "pid 1 of the room failed");
        err.code = told ? report.code : ECHILD;
        report.stage[sizeof report.stage - 1] = '\0';
        if (told)
            stage = report.stage;
    }
    room_fail(room, stage, &err);
}

static void on_init_exited(void *arg, int wait_status, uint64_t peak_bytes)
{
    struct room *room = arg;
    (void)wait_status;
    (void)peak_bytes;
    if (room->state == ROOM_FURNISHING && room->init_watch) {
        on_init(room, EPOLLIN); /* why */
    } else if (room->state != ROOM_DYING) {
        room_look(room);
        room_take_down(room);
    }
    if (room->worker.pid && !room->ordered) /* with pid 1 reaped nobody of its namespace is left: it was no child of ours */
        spawner_disown(room->spawner, &room->worker);
    room_try_bury(room);
}

/* ---- making, resetting ---- */

static void clear_further(struct room *room);

static void on_timer(void *arg)
{
    struct room *room = arg;
    struct err err = {.kind = ERR_TIMEOUT, .code = ETIMEDOUT, .msg = "it took too long"};
    if (room->state == ROOM_DYING)
        room_try_bury(room);
    else if (room->state == ROOM_CLEARING && clock_mono_us() < room->give_up_us)
        clear_further(room);
    else
        room_fail(room,
                  room->state == ROOM_FURNISHING ? "init timeout"
                  : room->state == ROOM_CLEARING ? "clear timeout"
                                                 : "worker timeout",
                  &err);
}

/* NULL: no memory. */
static struct room *room_new(struct zygote *zygote)
{
    struct spawner *spawner = zygote->spawner;
    struct room *room = calloc(1, sizeof *room);
    if (!room)
        return NULL;
    *room = (struct room){.spawner = spawner,
                          .zygote = zygote,
                          .began_us = clock_mono_us(),
                          .init_sock = -1,
                          .control = -1,
                          .ready = {-1, -1, -1, -1},
                          .worker_ends = {-1, -1},
                          .slot = UINT32_MAX,
                          .zygote_slot = zygote->slot,
                          .zygote_pid = zygote->child.pid,
                          .init = {.exited = on_init_exited},
                          .worker = {.exited = on_worker_exited}};
    room->init.arg = room->worker.arg = room;
    str_copy(room->prefix, sizeof room->prefix, zygote->spec.prefix);
    str_copy(room->var_runtime, sizeof room->var_runtime, zygote->spec.var_runtime);
    loop_timer_init(&room->timer, on_timer, room);
    TAILQ_INSERT_TAIL(&zygote->rooms, room, zygote_link);
    spawner_hold_zygote_slot(spawner, room->zygote_slot);
    loop_timer_set(spawner->loop, &room->timer, room->began_us + FURNISH_US_MAX);
    return room;
}

static void furnish(struct room *room)
{
    const char *stage = "make";
    struct err err = {0};
    if (sandbox_run_furnish(room, &stage, &err) < 0) {
        room_fail(room, stage, &err);
        return;
    }
    if (loop_add(room->spawner->loop, room->init_sock, EPOLLIN, on_init, room, &room->init_watch, &err) < 0 ||
        room_watch_oom(room, &err) < 0)
        room_fail(room, "watch", &err);
}

static void give_id(struct room *room, uint32_t id)
{
    room->id = id;
    room->began_us = clock_mono_us();
    HASH_ADD(hh, room->spawner->rooms, id, sizeof room->id, room);
}

void room_make(struct spawner *spawner, uint32_t id, uint32_t zygote_id, bool awaited)
{
    struct err err = {0};
    struct zygote *zygote = zygote_find(spawner, zygote_id);
    struct room *room = NULL, *spare = NULL;
    if (room_find(spawner, id))
        err_set(&err, ERR_EXISTS, "there is a room %u already", id);
    else if (!zygote || zygote->state != ZYGOTE_SERVING)
        err_set(&err, ERR_NOT_FOUND, "there is no serving zygote %u", zygote_id);
    else if (!(spare = TAILQ_FIRST(&zygote->spares)) && !(room = room_new(zygote)))
        err_set(&err, ERR_NO_MEMORY, "no memory for a room");
    if (spare) {
        room_leave_spares(spare);
        give_id(spare, id);
        spare->awaited = awaited;
        if (spare->state == ROOM_SPARE)
            invite(spare);
    } else if (room) {
        give_id(room, id);
        room->awaited = awaited;
        furnish(room);
    } else {
        spawner_send_failure(spawner, SPAWN_ROOM_FAILED, id, "make", &err);
    }
}

bool room_make_spare(struct zygote *zygote)
{
    struct room *room = room_new(zygote);
    if (!room)
        return false;
    room->is_spare = true;
    TAILQ_INSERT_TAIL(&zygote->spares, room, order_link);
    zygote->spare_count++;
    furnish(room);
    return room->state != ROOM_DYING;
}

void room_reset(struct room *room)
{
    struct err err = {0};
    if (!room->zygote)
        err_set(&err, ERR_UNAVAILABLE, "its zygote is gone");
    else if (room_has_one_life(room))
        err_set(&err, ERR_UNSUPPORTED, "its worker has the user id of whoever would clear it");
    else if (room->state != ROOM_BLANK && room->state != ROOM_LIVE && room->state != ROOM_EMPTY)
        err_set(&err, ERR_CONFLICT, "it cannot be reset in state %d", room->state);
    else if (sandbox_run_clear(room, &err) == 0) {
        room->began_us = clock_mono_us();
        room->was_reset = true;
        room->awaited = false;
        room_thaw(room);
        room_close_worker(room);
        room_set_state(room, ROOM_CLEARING);
        clear_further(room);
        return;
    }
    room_fail(room, "reset", &err);
}

/* The worker has to be reaped by us and the others by pid 1, until pid 1 is alone. */
static void clear_further(struct room *room)
{
    struct err err;
    if (room->worker.pid || room_tasks(room) > 1) {
        loop_timer_set(room->spawner->loop, &room->timer, clock_mono_us() + AGAIN_US);
        return;
    }
    if (!room->zygote) {
        err_set(&err, ERR_UNAVAILABLE, "its zygote is gone");
        room_fail(room, "reset", &err);
    } else if (room->oom_kills > room->oom_kills_before && tmpdisk_is_memory(room->spawner->disks) && room_empty_tmp(room, &err) < 0) {
        room_fail(room, "tmp", &err); /* which may be what filled the memory */
    } else if (sandbox_run_attest_init(room, &err) < 0) {
        room_fail(room, "attest init", &err);
    } else {
        room->oom_kills_before = room->oom_kills;
        room->peak = 0; /* of those who are gone */
        invite(room);
    }
}
