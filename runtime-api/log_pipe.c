/* Reading what a worker prints; see log_pipe.h. A paused pipe is not watched at all: a closed writer would be reported over and
 * over again otherwise. */
#include "runtime-api/log_pipe.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"

/* Returns the bytes read, 0 when there are none now, -1 when the session is gone or the pipe ended. */
static ssize_t read_some(struct session *session)
{
    char data[LIMIT_LOG_READ_BYTES];
    ssize_t n = read(session->log.fd, data, sizeof data);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        log_pipe_close(session);
        return -1;
    }
    unsigned generation = session->generation;
    session->events->log(session->arg, data, (size_t)n);
    return session->generation == generation && session->log.fd >= 0 ? n : -1;
}

static void on_readable(void *arg, uint32_t events)
{
    struct session *session = arg;
    (void)events;
    session_enter(session);
    read_some(session);
    session_leave(session);
}

int log_pipe_open(struct session *session, int fd, struct err *err)
{
    session->log.fd = fd;
    if (fd < 0)
        return 0;
    int rc = fd_set_nonblock(fd, true, err);
    if (rc == 0)
        rc = loop_add(session->loop, fd, EPOLLIN, on_readable, session, &session->log.watch, err);
    if (rc < 0)
        log_pipe_close(session);
    return rc;
}

void log_pipe_close(struct session *session)
{
    loop_remove(session->log.watch);
    session->log.watch = NULL;
    fd_closep(&session->log.fd);
}

void log_pipe_pause(struct session *session, bool paused)
{
    struct log_pipe *log = &session->log;
    struct err err;
    if (log->fd < 0 || paused == (log->watch == NULL))
        return;
    if (paused) {
        loop_remove(log->watch);
        log->watch = NULL;
    } else if (loop_add(session->loop, log->fd, EPOLLIN, on_readable, session, &log->watch, &err) < 0) {
        log_warn("session.log_unwatched", "error=%s", err.msg); /* drained at the end of each invocation all the same */
    }
}

void log_pipe_drain(struct session *session)
{
    session_enter(session);
    ssize_t n = 1;
    for (size_t total = 0; session->log.fd >= 0 && n > 0 && total < LIMIT_LOG_DRAIN_BYTES; total += (size_t)n) {
        n = read_some(session);
        if (n < 0)
            break;
    }
    session_leave(session);
}
