/* Messages between the spawner and the processes it starts: zygotes and the first process of a room. Fixed structs over
 * SOCK_SEQPACKET, descriptors beside them. Private to sandbox/. */
#pragma once

#include <stdint.h>

#define ZYGOTE_SOCKET_FD 3 /* in a zygote, and in pid 1 of a room while it sets up */
#define ZYGOTE_NAMESPACES 7
#define SANDBOX_UID 993 /* of the runtime, inside its room; as on Lambda */
#define STAGE_BYTES 32

/* spawner -> zygote, with descriptors: user, pid, mnt, net, ipc, uts, cgroup namespaces, then cgroup_count of
 * cgroup_procs_fds(), then the channel, the log pipe, the control socket. */
struct zygote_order {
    uint32_t room_id;
    uint32_t cgroup_count;
    uint32_t single_id; /* the room has one uid only (rootless without a subuid range) */
    uint32_t awaited;   /* a visit waits for this worker */
};

enum zygote_said {
    ZYGOTE_TEMPLATE = 1, /* its mount namespace is complete; it waits for one byte, then becomes the zygote */
    ZYGOTE_UP,           /* serving; pid is its own */
    ZYGOTE_BORN,         /* room_id has a process pid, as the spawner's namespace numbers it */
    ZYGOTE_FAILED,       /* stage and code say why; room_id 0: the zygote itself */
    ZYGOTE_READY,        /* pid 1 of a room: set up; with the two listeners */
};

struct zygote_report {
    uint32_t said; /* enum zygote_said */
    uint32_t room_id;
    int32_t pid;
    int32_t code; /* errno */
    char stage[STAGE_BYTES];
};

/* spawner -> pid 1 of a room, with the detached mounts of /proc and /tmp, then cgroup_count of cgroup_procs_fds(). */
struct init_order {
    uint32_t single_id;
    uint32_t cgroup_count;
    uint32_t first_pid; /* about where the room's process numbers begin; 0: anywhere */
};
