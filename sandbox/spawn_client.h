/* stoked's side of the spawner: starts the monitor, sends requests, hands out what comes back. Queues without bound on
 * time but bounded in number (SPAWN_QUEUE_MAX), never blocks. Loop thread only.
 *
 *     spawn_client_start(loop, &options, &events, app, &client, &err);   // as root, before privileges are dropped
 *     spawn_client_send(client, &(struct spawn_msg){.op = SPAWN_ROOM_MAKE, .room_id = 7, .make.zygote_id = 1});
 *     ... events.message(app, &msg, fds, nfds)
 */
#pragma once

#include "lib/base/err.h"
#include "sandbox/spawn_proto.h"

struct loop;
struct spawn_client;

struct spawn_options {
    const char *spawner_path; /* the stoke-spawner binary */
    const char *data_dir;     /* absolute; trees/ lies below it, the spawner keeps its own things in data_dir/sandbox */
    const char *cgroup_name;  /* unique per daemon, e.g. "stoke-4566" */
    uint32_t uid_base;        /* 0: choose a free range of unique uids by itself */
    int64_t silence_us;       /* a spawner that says nothing for so long is replaced; 0: 30 s */
    int lock_fd;              /* the lock on data_dir, which the monitor shares until it has swept everything; 0: none */
};

struct spawn_events {
    /* One message of the spawner. The fds (nfds of them) belong to the callee. */
    void (*message)(void *arg, const struct spawn_msg *msg, int *fds, size_t nfds);
    /* The spawner died: every zygote and room of it is gone; a new one is on its way. */
    void (*lost)(void *arg);
    /* A (new) spawner is there; zygotes must be started again. Called for the first one too. */
    void (*up)(void *arg);
    /* The monitor is gone, or brings no spawner any more: nothing can be contained; the daemon has to end. */
    void (*gone)(void *arg);
};

/* Forks and execs the monitor. Copies options. */
int spawn_client_start(struct loop *loop, const struct spawn_options *options, const struct spawn_events *events, void *arg,
                       struct spawn_client **ret_client, struct err *err) WARN_UNUSED;
/* Queues a message. ERR_UNAVAILABLE while there is no spawner, ERR_LIMIT when the queue is full. */
int spawn_client_send(struct spawn_client *client, const struct spawn_msg *msg, struct err *err) WARN_UNUSED;
/* Asks the monitor to end everything, waits up to 5 s for it, frees. */
void spawn_client_stop(struct spawn_client *client);
