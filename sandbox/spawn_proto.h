/* Messages between stoked and the spawner: one struct a message over a SOCK_SEQPACKET unix socket, fixed size, plain data, descriptors
 * beside it. The spawner trusts no field: it checks every number, digest and path it uses. A room is a sandbox: namespaces, cgroups,
 * pid 1. A worker is the runtime process in it. Both are named by the room_id that stoked chose, unique for the spawner's life.
 *
 *   ZYGOTE_START -> ZYGOTE_UP | ZYGOTE_DOWN (also later, whenever it dies)
 *   ROOM_MAKE    -> ROOM_READY (sealed, attested, a blank; descriptors below) | ROOM_FAILED
 *   ROOM_EXPECT: this will probably be its assignment; no answer. What does not depend on the worker is made ready meanwhile
 *   ROOM_ASSIGN  -> ROOM_ASSIGNED (mounts and limits are in place, GO was sent) | ROOM_FAILED
 *   ROOM_LIMIT, ROOM_THAW, ROOM_SIGNAL: no answer      ROOM_FREEZE -> ROOM_FROZEN      ROOM_STAT -> ROOM_STATS
 *   ROOM_RESET   -> ROOM_READY: all processes but pid 1 were killed, /tmp and the mounts are kept, a new worker is sealed
 *                   and waits; another ROOM_ASSIGN with the same values sends its GO
 *   ROOM_KILL    -> ROOM_DEAD (nothing of it is left)      PING -> PONG
 *   unasked:        ROOM_EXITED (the runtime process ended, or the OOM killer was there)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SPAWN_PATH_MAX 256
#define SPAWN_LAYERS_MAX 5
#define SPAWN_DIGEST_BYTES 65 /* hexadecimal SHA-256 and NUL */
#define SPAWN_TEXT_MAX 256
#define SPAWN_ROOM_TASKS 742 /* tasks of a room, and processes of its uid, as on Lambda */

enum spawn_op {
    /* stoked -> spawner */
    SPAWN_ZYGOTE_START = 1,
    SPAWN_ZYGOTE_STOP, /* no new rooms from it; it ends; its rooms live on */
    SPAWN_ROOM_MAKE,
    SPAWN_ROOM_ASSIGN,
    SPAWN_ROOM_LIMIT,
    SPAWN_ROOM_FREEZE,
    SPAWN_ROOM_THAW,
    SPAWN_ROOM_RESET,
    SPAWN_ROOM_STAT,
    SPAWN_ROOM_KILL,
    SPAWN_HOST_REPORT, /* -> SPAWN_HOST: what this host can enforce */
    SPAWN_ROOM_EXPECT,
    SPAWN_TREE_FORGET, /* a code tree is about to be deleted: drop cached mounts of it; -> SPAWN_TREE_FORGOTTEN */
    SPAWN_PING,
    SPAWN_ROOM_SIGNAL, /* to the runtime process, if there is one */
    /* spawner -> stoked */
    SPAWN_ZYGOTE_UP = 64,
    SPAWN_ZYGOTE_DOWN,
    SPAWN_ROOM_READY,
    SPAWN_ROOM_FAILED,
    SPAWN_ROOM_ASSIGNED,
    SPAWN_ROOM_FROZEN,
    SPAWN_ROOM_STATS,
    SPAWN_ROOM_EXITED,
    SPAWN_ROOM_DEAD,
    SPAWN_HOST,
    SPAWN_TREE_FORGOTTEN,
    SPAWN_PONG,
};

enum spawn_zygote_kind {
    SPAWN_ZYGOTE_PYTHON = 1, /* the interpreter itself, forked per worker */
    SPAWN_ZYGOTE_NODE,       /* small C parent; each worker execs node, which boots and waits */
    SPAWN_ZYGOTE_NATIVE,     /* small C parent; each worker waits, then execs the archive's bootstrap */
};

/* Descriptors of ROOM_READY, in this order. After a RESET only channel and log are new and sent, in that order. */
enum spawn_ready_fd {
    SPAWN_FD_CHANNEL,  /* stoked's end, stream socket; see runtime-api/channel.h */
    SPAWN_FD_LOG,      /* read end of the pipe that is stdout and stderr of the worker */
    SPAWN_FD_RUNTIME,  /* listening on 127.0.0.1:9001 inside the room */
    SPAWN_FD_ENDPOINT, /* listening on 127.0.0.1:4566 inside the room */
    SPAWN_FD_COUNT,
};

struct spawn_zygote {
    uint32_t kind;                    /* enum spawn_zygote_kind */
    char account[13];                 /* zygotes are not shared between accounts */
    char interpreter[SPAWN_PATH_MAX]; /* absolute path of python3.N or node; empty for native */
    char prefix[SPAWN_PATH_MAX];      /* directory to show besides /usr when the interpreter lives elsewhere, or empty */
    char var_runtime[SPAWN_PATH_MAX]; /* shown read-only at /var/runtime: DATA/runtimes/python or nodejs; empty for native */
};

struct spawn_assign {
    uint64_t version_key; /* identity of the function version: one set of read-only overlays each */
    uint32_t memory_mb;   /* 128 to 10240: memory.max, no swap */
    uint32_t cpu_milli;   /* CPU bandwidth in thousandths of one CPU */
    uint32_t cpu_count;   /* CPUs it may run on (affinity) and shall see */
    uint32_t tmp_mb;      /* 512 to 10240 */
    uint32_t pids_max;    /* tasks */
    uint32_t layer_count;
    char code[SPAWN_DIGEST_BYTES];                    /* DATA/trees/<code> at /var/task */
    char layer[SPAWN_LAYERS_MAX][SPAWN_DIGEST_BYTES]; /* merged at /opt, later ones on top */
};

struct spawn_stats {
    uint64_t memory_bytes;           /* now: usage without file cache */
    uint64_t peak_bytes;             /* the larger of the runtime's VmHWM and the sampled memory_bytes; the limit after an OOM */
    uint64_t cpu_us;                 /* used so far */
    uint32_t oom_kills, tasks;       /* oom_kills: by the kernel, in this room, so far */
    uint64_t net_bytes, net_packets; /* sent and received on its loopback, where BPF counts them; else 0 */
};

/* What the host can and cannot enforce, for health and doctor. Texts are plain words, empty when nothing is missing. */
struct spawn_host {
    uint32_t rootless, unique_uids, cgroup_version;                           /* version 1 (hybrid) or 2; 0: none */
    uint32_t has_cpu, has_memory, has_pids, has_freezer, has_bpf, has_userns; /* has_userns: without, no room */
    char tmp_backend[32];                                                     /* "loop-ext4", "ext4-project-quota", "tmpfs" */
    char missing[2048]; /* one plain sentence a line: what is missing and how to get it */
};

struct spawn_msg {
    uint32_t op;      /* enum spawn_op */
    uint32_t room_id; /* or zygote id, for ZYGOTE_* and in ROOM_MAKE see make_zygote_id */
    union {
        struct spawn_zygote zygote;
        struct {
            uint32_t zygote_id;
            uint32_t awaited; /* a visit waits for it: what only makes later work faster is left out */
        } make;
        struct spawn_assign assign; /* ROOM_ASSIGN, ROOM_EXPECT */
        struct {
            uint32_t cpu_milli;
        } limit;
        uint32_t signal; /* ROOM_SIGNAL: SIGTERM or SIGKILL */
        struct {
            char digest[SPAWN_DIGEST_BYTES];
        } tree;
        struct spawn_host host;
        struct spawn_stats stats; /* ROOM_FROZEN, ROOM_STATS, ROOM_DEAD */
        struct {
            int32_t wait_status; /* of the runtime process, as waitpid(2) gives it; -1: still running (OOM notice) */
            struct spawn_stats stats;
        } exited;
        struct {
            char stage[32]; /* "clone", "cgroup", "attest", ... */
            int32_t code;   /* errno */
            char text[SPAWN_TEXT_MAX];
        } failed; /* ROOM_FAILED, ZYGOTE_DOWN */
        struct {
            int64_t go_us; /* monotonic clock when GO was sent: user code's init began; 0: not known */
        } assigned;        /* ROOM_ASSIGNED */
        struct {
            int32_t pid;                  /* of the runtime process as the host sees it (in the outermost namespace we can name) */
            uint32_t booted_us, one_life; /* from ROOM_MAKE to sealed; whether ROOM_RESET is refused */
        } ready;
    };
};

/* Whether a room can show this directory of the host, at the same place: never where a room has something of its own, nor a
 * directory that holds more than an interpreter. An absolute path without "..". */
bool spawn_may_show(const char *prefix);
