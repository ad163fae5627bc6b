/* The spawner's zygotes: starting and ending them, and handing them orders. Spawner only. */
#pragma once

#include "sandbox/spawner/spawner.h"
#include "sandbox/zygote/zygote_proto.h"

TAILQ_HEAD(room_list, room);

enum zygote_state {
    ZYGOTE_BUILDING, /* its process assembles the template */
    ZYGOTE_STARTING, /* the interpreter starts and warms up */
    ZYGOTE_SERVING,
    ZYGOTE_ENDING, /* killed, not reaped yet */
};

struct zygote {
    uint32_t id;
    struct spawner *spawner;
    enum zygote_state state;
    struct spawn_zygote spec;
    uint32_t slot; /* its uid */
    uid_t uid;
    struct child child;
    int sock, complaints; /* its socket; what it writes to stderr */
    int mounts;           /* the template's mount namespace, -1 until it is complete */
    struct loop_watch *watch;
    struct loop_timer deadline; /* of the start; while it serves, of its next report */
    int64_t began_us;
    struct room_list waiting; /* rooms whose order its socket did not take yet */
    struct room_list rooms;   /* all rooms it owns */
    struct room_list spares;  /* those without an id, oldest first */
    unsigned spare_count;
    int64_t spares_from_us; /* none is made before */
    unsigned owed;          /* orders it has taken and not answered */
    UT_hash_handle hh;
};

void zygote_start(struct spawner *spawner, uint32_t id, const struct spawn_zygote *spec);
/* Its rooms live on without it. */
void zygote_stop(struct zygote *zygote);
struct zygote *zygote_find(struct spawner *spawner, uint32_t id);
/* Reads what all zygotes said, before children are reaped: a worker is announced before it can become our child. */
void zygotes_drain(struct spawner *spawner);
/* One more spare room for a zygote that lacks some. False: there is none such; *ret_from_us is then when there will be, or 0. */
bool zygotes_refill(struct spawner *spawner, int64_t *ret_from_us);
/* A spare of it failed: what is wrong will be wrong with the next one too. */
void zygote_hold_spares(struct zygote *zygote);
/* Its order is to be sent: at once, or when the socket has room. */
void zygote_order_room(struct zygote *zygote, struct room *room);
