/* One end of the socket between stoked and the spawner. */
#include "sandbox/spawn_link.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/loop.h"

#define READS_PER_ROUND 64 /* so that a busy peer does not keep timers waiting */
#define SOCKET_BYTES (4 << 20)

struct parcel {
    STAILQ_ENTRY(parcel) link;
    struct spawn_msg msg;
    size_t nfds;
    int fds[];
};

STAILQ_HEAD(parcel_list, parcel);

struct spawn_link {
    struct loop *loop;
    int sock;
    struct loop_watch *watch;
    const struct spawn_link_events *events;
    void *arg;
    struct parcel_list queue;
    size_t queued;
    bool ended;
    bool *freed; /* set when the link goes away inside a callback */
};

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

static void end(struct spawn_link *link)
{
    if (link->ended)
        return;
    link->ended = true;
    loop_remove(link->watch);
    link->watch = NULL;
    link->events->ended(link->arg);
}

/* False when the link ended or went away. */
static bool receive(struct spawn_link *link)
{
    bool freed = false;
    link->freed = &freed;
    for (int i = 0; i < READS_PER_ROUND; i++) {
        struct spawn_msg msg;
        struct err err;
        int fds[FD_PASS_MAX];
        size_t nfds = 0;
        ssize_t n = fd_recv(link->sock, &msg, sizeof msg, fds, &nfds, &err);
        if (n < 0 && err.code == EAGAIN)
            break;
        if (n != sizeof msg) {
            if (n > 0)
                close_all(fds, nfds);
            link->freed = NULL;
            end(link);
            return false;
        }
        link->events->message(link->arg, &msg, fds, nfds);
        if (freed)
            return false;
    }
    link->freed = NULL;
    return true;
}

/* 1: sent, 0: the peer is full, negative: broken. */
static int try_send(struct spawn_link *link, const struct spawn_msg *msg, const int *fds, size_t nfds)
{
    struct err err;
    int rc = fd_send(link->sock, msg, sizeof *msg, fds, nfds, &err);
    if (rc == 0)
        return 1;
    return err.code == EAGAIN || err.code == ENOBUFS || err.code == ETOOMANYREFS ? 0 : rc;
}

static void flush(struct spawn_link *link)
{
    struct parcel *parcel;
    while ((parcel = STAILQ_FIRST(&link->queue))) {
        int rc = try_send(link, &parcel->msg, parcel->fds, parcel->nfds);
        if (rc == 0)
            return;
        if (rc < 0) {
            end(link);
            return;
        }
        STAILQ_REMOVE_HEAD(&link->queue, link);
        link->queued--;
        close_all(parcel->fds, parcel->nfds);
        free(parcel);
    }
    loop_modify(link->watch, EPOLLIN);
}

static void on_event(void *arg, uint32_t events)
{
    struct spawn_link *link = arg;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !receive(link))
        return;
    if (events & EPOLLOUT)
        flush(link);
}

int spawn_link_new(struct loop *loop, int sock, const struct spawn_link_events *events, void *arg, struct spawn_link **ret_link,
                   struct err *err)
{
    const int bytes = SOCKET_BYTES;
    struct spawn_link *link = calloc(1, sizeof *link);
    if (!link)
        return err_set(err, ERR_NO_MEMORY, "no memory for the spawner's socket");
    *link = (struct spawn_link){.loop = loop, .sock = sock, .events = events, .arg = arg};
    STAILQ_INIT(&link->queue);
    if (setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
        setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    int rc = fd_set_nonblock(sock, true, err);
    if (rc == 0)
        rc = loop_add(loop, sock, EPOLLIN, on_event, link, &link->watch, err);
    if (rc < 0) {
        free(link);
        return rc;
    }
    *ret_link = link;
    return 0;
}

int spawn_link_send(struct spawn_link *link, const struct spawn_msg *msg, const int *fds, size_t nfds, struct err *err)
{
    int rc = link->ended ? -1 : STAILQ_EMPTY(&link->queue) ? try_send(link, msg, fds, nfds) : 0;
    struct parcel *parcel = NULL;
    if (rc == 0 && link->queued < SPAWN_QUEUE_MAX)
        parcel = malloc(sizeof *parcel + nfds * sizeof *fds);
    if (parcel) {
        parcel->msg = *msg;
        parcel->nfds = nfds;
        if (nfds)
            memcpy(parcel->fds, fds, nfds * sizeof *fds);
        if (STAILQ_EMPTY(&link->queue))
            loop_modify(link->watch, EPOLLIN | EPOLLOUT);
        STAILQ_INSERT_TAIL(&link->queue, parcel, link);
        link->queued++;
        return 0;
    }
    close_all(fds, nfds);
    if (rc > 0)
        return 0;
    if (rc < 0) /* the end itself is seen by reading */
        return err_set(err, ERR_UNAVAILABLE, "the spawner's socket has ended");
    return err_set(err, ERR_LIMIT, "%zu messages wait at the spawner's socket", link->queued);
}

void spawn_link_free(struct spawn_link *link)
{
    struct parcel *parcel;
    if (!link)
        return;
    if (link->freed)
        *link->freed = true;
    loop_remove(link->watch);
    close(link->sock);
    while ((parcel = STAILQ_FIRST(&link->queue))) {
        STAILQ_REMOVE_HEAD(&link->queue, link);
        close_all(parcel->fds, parcel->nfds);
        free(parcel);
    }
    free(link);
}
