/* The spawner: makes, freezes, resets and kills rooms as stoked asks. Pid 1 of its own pid namespace, in its own mount
 * namespace, one thread over lib/base/loop. It parses nothing but the fixed messages of spawn_proto.h.
 *
 * This header is what the spawner's own files share; the monitor calls spawner_run() alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uthash.h>

#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "sandbox/spawn_proto.h"

struct cgroup;
struct cgroups;
struct netlock;
struct room;
struct spawn_link;
struct tmpdisks;
struct views;
struct zygote;

#define SPAWNER_DIR "sandbox"      /* below the data directory: the spawner's own */
#define SPAWNER_TMP_DIR "tmp"      /* in it: the images of /tmp disks */
#define SPAWNER_IDS_OF_ROOMS 8192u /* uids from here on are rooms', two each; those before are zygotes' */
#define SPAWNER_ROOMS_MAX ((65536u - SPAWNER_IDS_OF_ROOMS) / 2)

struct spawner_options {
    int sock;  /* to stoked */
    int alive; /* ends when the monitor does */
    const char *data_dir;
    const char *zygote_path; /* the stoke-zygote binary */
    struct cgroups *cgroups;
    uint32_t uid_base; /* of 65536 uids */
    bool unique_uids;  /* no other daemon on the host has them */
    bool rootless;
    bool single_id;      /* one uid for everything (rootless without a subuid range) */
    const char *missing; /* what the monitor found missing, a sentence a line, or "" */
};

/* In the child of clone3(NEWPID | NEWNS): never returns. */
void spawner_run(const struct spawner_options *options) __attribute__((noreturn));

/* ---- shared by spawner.c, zygotes.c, room.c, sandbox_run.c */

/* A child that we reap. Embedded in its owner. */
struct child {
    pid_t pid;                                                       /* 0: none */
    void (*exited)(void *arg, int wait_status, uint64_t peak_bytes); /* peak of its resident memory */
    void *arg;
    UT_hash_handle hh;
};

struct spawner {
    const struct spawner_options *options;
    struct loop *loop;
    struct spawn_link *link;
    struct views *views;
    struct tmpdisks *disks;
    struct netlock *lock; /* NULL where BPF is not to be had; lock_missing says why */
    char lock_missing[ERR_MSG_MAX];
    struct cgroup *zygote_group; /* of all zygotes and helpers; NULL when it could not be made */
    int own_dir, run_dir;        /* data_dir/sandbox; run/ in it: a tmpfs of ours: root/ etc/ views/ */
    char *run_path;              /* the way to run_dir through its descriptor, in our own mount namespace */
    int own_mnt, own_pid;        /* our namespaces */
    int zygote_binary;           /* stoke-zygote, to exec by descriptor */
    bool has_userns;             /* a user namespace can be made: no room without */
    int filters;                 /* seccomp filters we were started with: everyone inherits them */
    int pid_max;
    struct child *children;
    struct zygote *zygotes;
    struct room *rooms;
    uint32_t *free_slots; /* a ring of room uids: a number rests as long as possible before it is used again */
    uint32_t free_first, free_count;
    uint32_t zygote_slot_next;
    uint32_t groups_made;                            /* by now: their names */
    uint32_t zygote_slot_uses[SPAWNER_IDS_OF_ROOMS]; /* the zygote itself and every room it owns */
    int signal_fd;
    struct loop_watch *signals, *alive;
    struct loop_timer idle; /* tops up pools */
};

/* From now on until it exits, exited(arg) is called for that child. */
void spawner_adopt(struct spawner *spawner, struct child *child, pid_t pid);
void spawner_disown(struct spawner *spawner, struct child *child);
/* Sends msg to stoked; takes the descriptors. Ends the spawner when stoked does not read any more. */
void spawner_send(struct spawner *spawner, const struct spawn_msg *msg, const int *fds, size_t nfds);
/* When nothing happens for a moment, the pools are topped up. */
void spawner_idle_soon(struct spawner *spawner);
/* ROOM_FAILED or ZYGOTE_DOWN. */
void spawner_send_failure(struct spawner *spawner, uint32_t op, uint32_t id, const char *stage, const struct err *err);

/* The uid of a zygote and of a room's pid 1 (the worker has the next), as we see them. */
uid_t spawner_zygote_uid(const struct spawner *spawner, uint32_t slot);
uid_t spawner_room_uid(const struct spawner *spawner, uint32_t slot);
/* A zygote's uid owns its rooms, and is free again only when they are gone too. */
int spawner_take_zygote_slot(struct spawner *spawner, uint32_t *ret_slot, struct err *err) WARN_UNUSED;
void spawner_hold_zygote_slot(struct spawner *spawner, uint32_t slot);
void spawner_give_zygote_slot(struct spawner *spawner, uint32_t slot);
int spawner_take_slot(struct spawner *spawner, uint32_t *ret_slot, struct err *err) WARN_UNUSED;
void spawner_give_slot(struct spawner *spawner, uint32_t slot);
