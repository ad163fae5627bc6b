/* The public HTTP/1.1 server on h2o. What h2o leaves to its user is here: its request timeout runs from the first byte to the
 * end of the body and doubles as the keep-alive timeout, so it is set beyond both and a sweep cuts slow and idle connections by
 * their own ages; while a handler works h2o does not look at the socket, so the sweep peeks whether the client is still there;
 * a listener that is full makes room by its oldest idle connection, and only if it has none it stops accepting, it alone: what
 * one sandbox holds open shuts out nobody else; and on running out of descriptors accepting pauses instead of spinning. */
#include "lib/http/server.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/http/server_impl.h"

#define SWEEP_US 250000          /* how often connections are looked at */
#define MMAP_THRESHOLD (1 << 20) /* bodies beyond it are mapped from a file */
#define ACCEPTS_PER_EVENT 16
#define RECEIVING_SAFE_US 5000000        /* a request that has been coming for less is not cut to make room */
#define LOW_DISK_BYTES (1u << 30)        /* less than this is free for bodies: keep them in the heap, */
#define LOW_DISK_BODIES_MAX (256u << 20) /* and that many bytes of them at once, */
#define LOW_DISK_LIMITED_MAX (64u << 20) /* of which listeners with a limit of their own take nothing: they have these */
#define HEAP_BODIES_MAX (96u << 20)      /* beyond so many bytes of bodies new ones are mapped */
/* What we leave in the middle of a large body (an end, a kill -9): for so long, instead of a minute, the kernel tells the client, which
 * waits for us to read on, nothing. */
#define ORPHAN_S 2
#define LAST_REPLY_US 5000000        /* after the last accept, who takes nothing of a reply for so long is not waited for */
#define H2O_TIMEOUT_MS (3600 * 1000) /* beyond ours, which the sweep keeps */

/* ---- connections ---- */

/* Closed listeners are freed by the sweep alone, so that no callback finds the list it walks changed under it. */
static void reap_listeners(struct http_server *server)
{
    struct http_listener *listener, *next;
    for (listener = TAILQ_FIRST(&server->listeners); listener; listener = next) {
        next = TAILQ_NEXT(listener, link);
        if (listener->closing && TAILQ_EMPTY(&listener->conns)) {
            TAILQ_REMOVE(&server->listeners, listener, link);
            free(listener);
        }
    }
}

static void on_closed(void *arg)
{
    struct conn *conn = arg;
    struct http_listener *listener = conn->listener;
    listener->connections--;
    listener->server->connections--;
    TAILQ_REMOVE(&listener->conns, conn, link);
    linger_start(conn);
    assert(!conn->pending); /* h2o keeps the socket for as long as a handler has the request */
    free(conn);
}

static void cut(struct conn *conn)
{
    if (conn->cut)
        return;
    conn->cut = true;
    fd_closep(&conn->linger_fd);
    shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR); /* h2o sees the end of the stream and closes */
}

/* Of a request: h2o keeps all of it until the reply is out. Its own bytes_read tells of the last read alone. */
static size_t bytes_held(const struct conn *conn)
{
    return conn->sock->input->size;
}

static bool is_receiving(const struct conn *conn)
{
    return bytes_held(conn) > 0;
}

/* A reply is on its way out. h2o keeps what the kernel has no room for yet. */
static bool is_replying(const struct conn *conn)
{
    return h2o_socket_is_writing(conn->sock);
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* Cuts the connection that has been idle for longest, or else the one whose request has been coming, or whose reply has not been taken,
 * for longest. */
static bool make_room(struct http_listener *listener)
{
    struct conn *conn, *idle = NULL, *slow = NULL;
    TAILQ_FOREACH(conn, &listener->conns, link) {
        if (conn->pending || conn->cut)
            continue;
        bool busy = is_receiving(conn) || is_replying(conn);
        if (!busy && idle && idle->since_us <= conn->since_us)
            continue;
        busy = busy || is_readable(h2o_socket_get_fd(conn->sock)); /* it may just have been accepted */
        struct conn **oldest = busy ? &slow : &idle;
        if (!*oldest || conn->since_us < (*oldest)->since_us)
            *oldest = conn;
    }
    if (!idle && slow && clock_mono_us() - slow->since_us > RECEIVING_SAFE_US)
        idle = slow;
    if (idle)
        cut(idle);
    return idle != NULL;
}

/* Until the next sweep that finds room. */
static void pause_listener(struct http_listener *listener)
{
    listener->paused = true;
    if (listener->sock)
        h2o_socket_read_stop(listener->sock);
}

static void pause_accepting(struct http_server *server)
{
    struct http_listener *listener;
    TAILQ_FOREACH(listener, &server->listeners, link)
        pause_listener(listener);
}

static void on_accept(h2o_socket_t *sock, const char *err);

static void resume_accepting(struct http_server *server)
{
    struct http_listener *listener;
    TAILQ_FOREACH(listener, &server->listeners, link) {
        if (!listener->paused)
            continue;
        listener->paused = false; /* what waits is accepted, or the listener paused again, on its event */
        if (listener->sock)
            h2o_socket_read_start(listener->sock, on_accept);
    }
}

static void on_accept(h2o_socket_t *listening, const char *err)
{
    struct http_listener *listener = listening->data;
    struct http_server *server = listener->server;
    if (err)
        return;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        /* Those cut here are closed on the loop's next round, so a full listener is over its limit by one event's accepts. */
        if (listener->connections >= listener->limits.connections_max + ACCEPTS_PER_EVENT)
            return;
        if (listener->connections >= listener->limits.connections_max) {
            if (!is_readable(h2o_socket_get_fd(listening))) /* nobody to make room for */
                return;
            if (!make_room(listener)) {
                pause_listener(listener);
                return;
            }
        }
        errno = 0;
        h2o_socket_t *sock = h2o_evloop_socket_accept(listening);
        if (!sock) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                pause_accepting(server);
            return;
        }
        struct conn *conn = calloc(1, sizeof *conn);
        if (!conn) {
            h2o_socket_close(sock);
            return;
        }
        *conn = (struct conn){.listener = listener, .sock = sock, .since_us = clock_mono_us(), .linger_fd = -1};
        TAILQ_INSERT_TAIL(&listener->conns, conn, link);
        listener->connections++;
        server->connections++;
        sock->on_close.cb = on_closed;
        sock->on_close.data = conn;
        h2o_accept(&server->gates[listener->limits.small_bodies ? GATE_SMALL : GATE_WIDE].accept, sock);
    }
}

/* ---- the sweep ---- */

struct bodies {
    size_t coming_open, coming_limited; /* bytes of those that are being received, by listeners without a limit of their own and with one */
    size_t whole;                       /* of those that somebody works on */
};

/* Adds what the connection receives to what its listener and all of them receive. True: that is too much. */
static bool crowds(const struct http_server *server, const struct conn *conn, struct bodies *bodies)
{
    struct http_listener *listener = conn->listener;
    size_t bytes = bytes_held(conn), most = listener->limits.bodies_bytes_max;
    size_t *sum = most == 0 ? &bodies->coming_open : &bodies->coming_limited;
    if (bytes == 0)
        return false;
    if (most > 0 && listener->bodies_bytes + listener->coming_bytes + bytes > most)
        return true;
    if (server->low_disk && *sum + bytes > (most == 0 ? LOW_DISK_BODIES_MAX : LOW_DISK_LIMITED_MAX))
        return true; /* what is cut is in no sum: the others go on */
    if (most > 0)
        listener->coming_bytes += bytes;
    *sum += bytes;
    return false;
}

/* A client may take its reply as slowly as it likes, as long as it takes some. */
static void look_at_reply(const struct http_server *server, struct conn *conn, int64_t now)
{
    uint64_t taken = http_bytes_taken(h2o_socket_get_fd(conn->sock));
    bool stopping = conn->listener->sock == NULL;
    conn->replying = true;
    if (taken != conn->bytes_taken) {
        conn->bytes_taken = taken;
        conn->since_us = now;
    } else if (now - conn->since_us > (stopping ? LAST_REPLY_US : server->options.request_ms_max * 1000)) {
        cut(conn);
    }
}

static void look_at(struct http_server *server, struct conn *conn, int64_t now, struct bodies *bodies)
{
    if (conn->pending) {
        bodies->whole += http_req_body(conn->pending).n;
        struct pollfd p = {.fd = h2o_socket_get_fd(conn->sock), .events = POLLRDHUP}; /* seen also behind unread bytes */
        if (poll(&p, 1, 0) > 0)
            http_request_gone(conn->pending);
        return;
    }
    if (is_replying(conn)) {
        look_at_reply(server, conn, now);
        return;
    }
    if (conn->replying) {
        conn->replying = false;
        conn->since_us = now;
    }
    if (!conn->receiving && is_receiving(conn)) {
        conn->receiving = true;
        conn->since_us = now;
    }
    int64_t limit_ms = conn->receiving ? server->options.request_ms_max : server->options.idle_ms_max;
    bool crowded = crowds(server, conn, bodies);
    if (crowded || now - conn->since_us > limit_ms * 1000)
        cut(conn);
}

/* Bodies are in the heap while there are not too many of them: mapping one costs the loop journal writes and twice the page faults, and
 * whoever syncs that disk the body's bytes. Beyond that, large ones are mapped from files. On a full disk that fails and h2o resets the
 * connection; in the heap they live on until their owner can say what is wrong. */
static void place_bodies(struct http_server *server, const struct bodies *bodies)
{
    struct statvfs fs;
    server->low_disk = statvfs(server->options.tmp_dir, &fs) == 0 && fs.f_bavail * fs.f_frsize < LOW_DISK_BYTES;
    bool in_heap = server->low_disk || bodies->coming_open + bodies->coming_limited + bodies->whole < HEAP_BODIES_MAX;
    h2o_socket_buffer_mmap_settings.threshold = in_heap ? SIZE_MAX : MMAP_THRESHOLD;
}

static void on_sweep(void *arg)
{
    struct http_server *server = arg;
    int64_t now = clock_mono_us();
    struct http_listener *listener;
    struct bodies bodies = {0};
    TAILQ_FOREACH(listener, &server->listeners, link) {
        struct conn *conn, *next;
        listener->coming_bytes = 0;
        for (conn = TAILQ_FIRST(&listener->conns); conn; conn = next) {
            next = TAILQ_NEXT(conn, link);
            look_at(server, conn, now, &bodies);
        }
    }
    reap_listeners(server);
    linger_sweep(server, now);
    place_bodies(server, &bodies);
    resume_accepting(server);
    loop_timer_set(server->loop, &server->sweep, now + SWEEP_US);
}

/* ---- the server ---- */

static void on_nested(h2o_socket_t *sock, const char *err)
{
    (void)err;
    loop_run_once(((struct http_server *)sock->data)->loop, 0);
}

static void open_gate(struct http_server *server, struct gate *gate, size_t body_bytes_max)
{
    h2o_config_init(&gate->config);
    gate->config.server_name = h2o_iovec_init(H2O_STRLIT("stoke"));
    gate->config.http1.upgrade_to_http2 = 0; /* no HTTP/2 at all: 2.2.5 has no answer to rapid reset */
    gate->config.http1.req_timeout = H2O_TIMEOUT_MS;
    gate->config.max_request_entity_size = body_bytes_max;
    h2o_hostconf_t *host = h2o_config_register_host(&gate->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_create_filter(&host->fallback_path, sizeof(h2o_filter_t))->on_setup_ostream = http_request_on_refusal;
    struct http_handler *handler = (void *)h2o_create_handler(path, sizeof *handler);
    handler->super.on_req = http_request_on_h2o;
    handler->server = server;
    h2o_context_init(&gate->context, server->evloop, &gate->config);
    gate->accept.ctx = &gate->context;
    gate->accept.hosts = gate->config.hosts;
}

static void close_gate(struct gate *gate)
{
    h2o_multithread_queue_t *queue = gate->context.queue;
    h2o_context_dispose(&gate->context);
#if H2O_LIBRARY_VERSION_MAJOR == 0 && H2O_LIBRARY_VERSION_MINOR == 13 && H2O_LIBRARY_VERSION_PATCH == 5
    free(queue); /* this release empties it and forgets it */
#else
    (void)queue;
#endif
    h2o_config_dispose(&gate->config);
}

int http_server_new(struct loop *loop, const struct http_options *options, http_request_fn *on_request, void *arg,
                    struct http_server **ret_server, struct err *err)
{
    CLEANUP(fd_closep) int nested = fcntl(loop_fd(loop), F_DUPFD_CLOEXEC, 0); /* h2o closes its own */
    if (nested < 0)
        return err_errno(err, "nesting the event loop");
    struct http_server *server = calloc(1, sizeof *server);
    if (!server)
        return err_set(err, ERR_NO_MEMORY, "no memory for an HTTP server");
    server->options = *options;
    server->on_request = on_request;
    server->arg = arg;
    server->loop = loop;
    TAILQ_INIT(&server->listeners);
    TAILQ_INIT(&server->lingering);
    signal(SIGPIPE, SIG_IGN); /* h2o writes to clients that have left, with writev(2) */
    place_bodies(server, &(struct bodies){0});
    snprintf(h2o_socket_buffer_mmap_settings.fn_template, sizeof h2o_socket_buffer_mmap_settings.fn_template, "%s/body.XXXXXX",
             options->tmp_dir);
    server->evloop = h2o_evloop_create();
    open_gate(server, &server->gates[GATE_WIDE], options->body_bytes_max);
    open_gate(server, &server->gates[GATE_SMALL], options->small_body_bytes_max ? options->small_body_bytes_max : options->body_bytes_max);
    server->nested = h2o_evloop_socket_create(server->evloop, fd_steal(&nested), H2O_SOCKET_FLAG_DONT_READ);
    server->nested->data = server;
    h2o_socket_read_start(server->nested, on_nested);
    loop_timer_init(&server->sweep, on_sweep, server);
    loop_timer_set(loop, &server->sweep, clock_mono_us() + SWEEP_US);
    *ret_server = server;
    return 0;
}

int http_server_add(struct http_server *server, int fd, void *context, struct http_listener **ret_listener, struct err *err)
{
    struct http_listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return err_set(err, ERR_NO_MEMORY, "no memory for a listener");
    listener->server = server;
    listener->context = context;
    listener->limits.connections_max = server->options.connections_max;
    TAILQ_INIT(&listener->conns);
    const int orphan_s = ORPHAN_S; /* its connections inherit it; a refusal changes nothing but that minute */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &orphan_s, sizeof orphan_s);
    listener->sock = h2o_evloop_socket_create(server->evloop, fd, H2O_SOCKET_FLAG_DONT_READ);
    listener->sock->data = listener;
    TAILQ_INSERT_TAIL(&server->listeners, listener, link);
    h2o_socket_read_start(listener->sock, on_accept);
    *ret_listener = listener;
    return 0;
}

void http_listener_limit(struct http_listener *listener, const struct http_listener_limits *limits)
{
    listener->limits = *limits;
}

static void stop_accepting(struct http_listener *listener)
{
    if (!listener->sock)
        return;
    h2o_socket_close(listener->sock);
    listener->sock = NULL;
}

void http_listener_close(struct http_listener *listener)
{
    if (!listener)
        return;
    stop_accepting(listener);
    struct conn *conn, *next;
    for (conn = TAILQ_FIRST(&listener->conns); conn; conn = next) {
        next = TAILQ_NEXT(conn, link);
        if (conn->pending)
            http_request_gone(conn->pending);
        else
            cut(conn);
    }
    listener->closing = true;
}

void http_server_stop_accepting(struct http_server *server)
{
    struct http_listener *listener;
    TAILQ_FOREACH(listener, &server->listeners, link)
        stop_accepting(listener);
}

unsigned http_server_replying(const struct http_server *server)
{
    const struct http_listener *listener;
    const struct conn *conn;
    unsigned n = 0;
    TAILQ_FOREACH(listener, &server->listeners, link)
        TAILQ_FOREACH(conn, &listener->conns, link)
            n += !listener->context && !conn->cut && is_replying(conn);
    return n;
}

void http_server_run_once(struct http_server *server, int timeout_ms)
{
    /* -1 means a signal came in: nothing to do but to let the caller look at it */
    (void)h2o_evloop_run(server->evloop, timeout_ms < 0 ? INT32_MAX : timeout_ms);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    h2o_socket_close(server->nested); /* the owner is on its way down: nothing of its loop runs any more */
    struct http_listener *listener;
    TAILQ_FOREACH(listener, &server->listeners, link)
        http_listener_close(listener);
    for (int i = 0; i < 100 && server->connections; i++) /* the cut connections close on their next event */
        h2o_evloop_run(server->evloop, 10);
    reap_listeners(server);
    linger_stop(server);
    loop_timer_cancel(server->loop, &server->sweep);
    h2o_evloop_run(server->evloop, 0);
    for (int i = 0; i < GATES; i++)
        close_gate(&server->gates[i]);
    h2o_evloop_destroy(server->evloop);
    free(server);
}
