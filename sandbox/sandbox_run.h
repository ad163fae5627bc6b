/* How a room is made and how a worker gets into it, as a recipe of stages. Spawner only.
 *
 *     sandbox_run_furnish(room, &stage, &err);     // pid 1 is at work; its report is awaited on room->init_sock
 *     sandbox_run_attest_init(room, &err);         // it is ready: is it true?
 *     sandbox_run_invite(room, &stage, &err);      // descriptors for the worker
 *     zygote_order_room(room->zygote, room);       // -> sandbox_run_order()
 *     sandbox_run_attest(room, &err);              // the worker says SEALED: is it true?
 */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"

struct room;

/* *ret_stage names the stage that failed. What was made stays with the room, whose end cleans up. */
int sandbox_run_furnish(struct room *room, const char **ret_stage, struct err *err) WARN_UNUSED;
/* Pid 1 gave up everything; looked at from outside before anybody enters. */
int sandbox_run_attest_init(struct room *room, struct err *err) WARN_UNUSED;
/* Makes the channel, the log pipe and the control socket. */
int sandbox_run_invite(struct room *room, const char **ret_stage, struct err *err) WARN_UNUSED;
/* Sends the order; false when the zygote's socket is full or has just been closed. Other failures go to room_worker_failed(). */
bool sandbox_run_order(struct room *room, int zygote_sock);
int sandbox_run_attest(struct room *room, struct err *err) WARN_UNUSED;
/* Kills everything in the room but pid 1, and moves its process numbers on, by a process inside its pid namespace: nothing can
 * fork away from one kill(-1). */
int sandbox_run_clear(struct room *room, struct err *err) WARN_UNUSED;
