/* The end of a room, for room.c. */
#pragma once

#include "sandbox/spawner/room.h"

#define AGAIN_US 2000              /* between two looks whether the last task is gone */
#define AGAIN_US_SLOW (100 * 1000) /* when that takes long */
#define DIE_US_SOON (5 * 1000000)  /* a room that dies for longer is complained about */

/* It is no spare any more: somebody has it, or it ends. */
void room_leave_spares(struct room *room);
/* Closes our ends of what belongs to the worker. */
void room_close_worker(struct room *room);
/* Begins the end: to DYING. The room is freed from the loop at the earliest. */
void room_take_down(struct room *room);
/* Ends it if all its processes are reaped; frees the room. */
void room_try_bury(struct room *room);
