/* What a room uses, and running out of memory in it. Part of room.c's module, apart for its size. */
#pragma once

#include "sandbox/spawner/room.h"

/* Has the control group tell us of an OOM. */
int room_watch_oom(struct room *room, struct err *err) WARN_UNUSED;
/* How many tasks it holds, pid 1 included. */
uint32_t room_tasks(const struct room *room);
