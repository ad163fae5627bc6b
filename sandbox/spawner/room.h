/* A room and its worker, from ROOM_MAKE to ROOM_DEAD. room.c holds its states and what the world does to it; sandbox_run.c how
 * it is made and how a worker gets in; assign.c how it gets its function. Spawner only. */
#pragma once

#include "sandbox/cgroup/cgroup.h"
#include "sandbox/spawner/spawner.h"
#include "sandbox/zygote/zygote_proto.h"

enum room_state {
    ROOM_FURNISHING, /* pid 1 sets up */
    ROOM_SPARE,      /* furnished; no ROOM_MAKE asked for it yet */
    ROOM_ENTERING,   /* the zygote makes the worker, which seals itself */
    ROOM_BLANK,      /* sealed and attested, waits for GO */
    ROOM_LIVE,       /* has its function */
    ROOM_EMPTY,      /* the worker ended; RESET or KILL will come */
    ROOM_CLEARING,   /* RESET: everything but pid 1 is being killed */
    ROOM_DYING,      /* being taken down */
    ROOM_STATES,
};

struct room {
    uint32_t id; /* stoked's name for it; 0 while it is a spare */
    struct spawner *spawner;
    struct zygote *zygote;                                    /* NULL when it is gone */
    char prefix[SPAWN_PATH_MAX], var_runtime[SPAWN_PATH_MAX]; /* of its zygote, which a blank may outlive */
    TAILQ_ENTRY(room) zygote_link;                            /* among its zygote's rooms */
    TAILQ_ENTRY(room) order_link;                             /* among those waiting to be ordered, or among its zygote's spares */
    bool order_waits, is_spare;
    bool ordered; /* the zygote works on it, and counts it in owed */
    enum room_state state;
    struct loop_timer timer; /* deadline of the state; in CLEARING and DYING also the next look */
    int64_t began_us, give_up_us;
    uint32_t slot, zygote_slot;
    uid_t uid;        /* of pid 1; the worker's is the next, or the same with a single id */
    pid_t zygote_pid; /* the number its worker must not have */
    struct cgroup *group;
    uint64_t group_id; /* of its directory in the v2 tree, as the netlock counts it */
    struct tmpdisk *tmp;
    uint32_t tmp_mb;
    struct child init, worker;
    int init_sock, control;
    struct loop_watch *init_watch, *control_watch, *oom_watch;
    int ready[SPAWN_FD_COUNT]; /* for ROOM_READY; -1 otherwise */
    int worker_ends[2];        /* channel and log pipe for the worker, until the zygote has them; -1 otherwise */
    ino_t namespaces[ZYGOTE_NAMESPACES];
    bool awaited;                          /* by a visit, when it was made */
    bool sealed;                           /* the worker says so */
    bool frozen, viewed, was_reset, quiet; /* quiet: ROOM_FAILED said it, nobody waits for ROOM_DEAD */
    uint64_t version_key;                  /* of the view, when viewed */
    uint64_t memory_limit, peak;
    struct cgroup_limits limits;
    uint32_t oom_kills;        /* our own count: an OOM that we saw */
    uint32_t oom_kills_before; /* as of the last RESET */
    struct spawn_stats last;   /* as of the last look */
    UT_hash_handle hh;
};

struct room *room_find(struct spawner *spawner, uint32_t id);
/* With one user id for everything a worker may signal whatever we send into its room: stop it, and us, who wait for it. What was once
 * lived in is not cleared there but ended, from outside, by its pid 1. */
bool room_has_one_life(const struct room *room);

/* ROOM_* requests; each answers by itself. */
void room_make(struct spawner *spawner, uint32_t id, uint32_t zygote_id, bool awaited);
/* Furnishes a room before somebody asks for it. False: it cannot. */
bool room_make_spare(struct zygote *zygote);
void room_assign(struct room *room, const struct spawn_assign *assign);
/* Answers nothing: what is wrong with it, ROOM_ASSIGN will say. */
void room_expect(struct room *room, const struct spawn_assign *assign);
void room_limit(struct room *room, uint32_t cpu_milli);
void room_freeze(struct room *room);
void room_thaw(struct room *room);
void room_stat(struct room *room);
void room_reset(struct room *room);
void room_kill(struct room *room);
void room_signal(struct room *room, int number);

/* What its zygote says. */
void room_worker_born(struct room *room, pid_t pid);
void room_worker_failed(struct room *room, const char *stage, int code);
void room_lose_zygote(struct room *room);
/* What was ordered of the zygote for this room is done, or will not be. */
void room_order_over(struct room *room);

/* Gives it another, empty /tmp (assign.c); nobody is in the room but pid 1. */
int room_empty_tmp(struct room *room, struct err *err) WARN_UNUSED;

/* For sandbox_run.c and assign.c. */
int room_watch_control(struct room *room, struct err *err) WARN_UNUSED;
void room_set_state(struct room *room, enum room_state state);
/* The making, or a reset, is over for this reason. */
void room_fail(struct room *room, const char *stage, const struct err *err);
/* Fills room->last; what cannot be read stays as it was. */
void room_look(struct room *room);
