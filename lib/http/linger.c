/* Lingering closes (RFC 9112, 9.6): after a refusal, our half is shut and the client's is read and dropped until it ends, so that
 * the refusal reaches a client that only looks at it when it has sent all. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/http/server_impl.h"

#define LINGER_MAX 64                 /* at once; more are closed as they are */
#define LINGER_US 10000000            /* each */
#define LINGER_BYTES (256u << 20)     /* each */
#define LINGER_ROUND_BYTES (1u << 20) /* before others get their turn */

struct lingering {
    struct http_server *server;
    int fd;
    struct loop_watch *watch;
    int64_t until_us;
    size_t bytes;
    TAILQ_ENTRY(lingering) link;
};

static void end(struct lingering *linger)
{
    loop_remove(linger->watch);
    fd_closep(&linger->fd);
    TAILQ_REMOVE(&linger->server->lingering, linger, link);
    linger->server->linger_count--;
    free(linger);
}

static void on_readable(void *arg, uint32_t events)
{
    (void)events;
    struct lingering *linger = arg;
    static char dropped[65536];
    for (size_t round = 0; round < LINGER_ROUND_BYTES;) {
        ssize_t n = recv(linger->fd, dropped, sizeof dropped, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        linger->bytes += n > 0 ? (size_t)n : 0;
        if (n <= 0 || linger->bytes > LINGER_BYTES) {
            end(linger);
            return;
        }
        round += (size_t)n;
    }
}

void linger_prepare(struct conn *conn)
{
    if (conn->linger_fd < 0 && conn->listener->server->linger_count < LINGER_MAX)
        conn->linger_fd = fcntl(h2o_socket_get_fd(conn->sock), F_DUPFD_CLOEXEC, 0);
}

void linger_start(struct conn *conn)
{
    struct err err;
    CLEANUP(fd_closep) int fd = fd_steal(&conn->linger_fd);
    struct http_server *server = conn->listener->server;
    struct lingering *linger = fd >= 0 && !conn->cut && server->linger_count < LINGER_MAX ? calloc(1, sizeof *linger) : NULL;
    if (!linger)
        return;
    *linger = (struct lingering){.server = server, .fd = fd, .until_us = clock_mono_us() + LINGER_US};
    if (shutdown(fd, SHUT_WR) < 0 || loop_add(server->loop, fd, EPOLLIN, on_readable, linger, &linger->watch, &err) < 0) {
        free(linger);
        return;
    }
    fd_steal(&fd);
    TAILQ_INSERT_TAIL(&server->lingering, linger, link);
    server->linger_count++;
}

void linger_sweep(struct http_server *server, int64_t now_us)
{
    struct lingering *linger;
    while ((linger = TAILQ_FIRST(&server->lingering)) && linger->until_us <= now_us)
        end(linger);
}

void linger_stop(struct http_server *server)
{
    while (!TAILQ_EMPTY(&server->lingering))
        end(TAILQ_FIRST(&server->lingering));
}
