/* One end of the socket between stoked and the spawner: sends and receives whole spawn_msg with their descriptors, never
 * blocks, queues what the peer does not take yet. Loop thread only.
 *
 *     spawn_link_new(loop, sock, &events, arg, &link, &err);
 *     spawn_link_send(link, &msg, fds, nfds, &err);
 */
#pragma once

#include <stddef.h>

#include "lib/base/err.h"
#include "sandbox/spawn_proto.h"

#define SPAWN_QUEUE_MAX 65536 /* messages waiting for the peer */

struct loop;
struct spawn_link;

struct spawn_link_events {
    /* The descriptors belong to the callee; none come when this process may open no more files. The link may be freed in both. */
    void (*message)(void *arg, const struct spawn_msg *msg, int *fds, size_t nfds);
    void (*ended)(void *arg); /* the peer is gone, or broke the protocol; called once, the link is to be freed */
};

/* Takes sock on success. */
int spawn_link_new(struct loop *loop, int sock, const struct spawn_link_events *events, void *arg, struct spawn_link **ret_link,
                   struct err *err) WARN_UNUSED;
/* Takes the descriptors (at most FD_PASS_MAX) in any case. ERR_LIMIT when the queue is full. */
int spawn_link_send(struct spawn_link *link, const struct spawn_msg *msg, const int *fds, size_t nfds, struct err *err) WARN_UNUSED;
void spawn_link_free(struct spawn_link *link);
