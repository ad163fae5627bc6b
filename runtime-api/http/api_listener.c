/* Accepting connections of a sandbox; see api_listener.h. */
#include "runtime-api/http/api_listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "runtime-api/http/http_conn.h"

static void unwatch(struct session *session)
{
    loop_remove(session->listener_watch);
    session->listener_watch = NULL;
}

static void on_listener(void *arg, uint32_t events)
{
    struct session *session = arg;
    (void)events;
    session_enter(session);
    for (int i = 0; i < LIMIT_ACCEPTS_PER_ROUND; i++) {
        if (session->conn_count >= LIMIT_CONNS) {
            if (i > 0) /* whether yet another waits, the next round knows */
                break;
            if (!http_conns_evict(session)) {
                unwatch(session); /* the kernel's queue is the next limit */
                break;
            }
        }
        int fd = accept4(session->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            http_conn_adopt(session, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            unwatch(session);
            loop_timer_set(session->loop, &session->accept_timer, clock_mono_us() + RETRY_ACCEPT_US);
            break;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            break;
        }
    }
    session_leave(session);
}

void api_listener_watch(struct session *session)
{
    struct err err;
    if (session->listener < 0 || session->listener_watch || session->conn_count >= LIMIT_CONNS || loop_timer_is_set(&session->accept_timer))
        return;
    if (loop_add(session->loop, session->listener, EPOLLIN, on_listener, session, &session->listener_watch, &err) < 0)
        loop_timer_set(session->loop, &session->accept_timer, clock_mono_us() + RETRY_ACCEPT_US);
}

static void on_accept_timer(void *arg)
{
    api_listener_watch(arg);
}

int api_listener_open(struct session *session, int listener, struct err *err)
{
    session->listener = listener;
    loop_timer_init(&session->accept_timer, on_accept_timer, session);
    if (listener < 0)
        return 0;
    int rc = fd_set_nonblock(listener, true, err);
    if (rc == 0)
        rc = loop_add(session->loop, listener, EPOLLIN, on_listener, session, &session->listener_watch, err);
    if (rc < 0)
        api_listener_close(session);
    return rc;
}

void api_listener_close(struct session *session)
{
    loop_timer_cancel(session->loop, &session->accept_timer);
    unwatch(session);
    fd_closep(&session->listener);
}
