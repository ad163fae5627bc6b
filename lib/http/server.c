/* The public HTTP/1.1 server on h2o. What h2o leaves to its user is here: its request timeout runs from the first byte to the
 * end of the body and doubles as the keep-alive timeout, so it is set beyond both and a sweep cuts slow and idle connections by
 * their own ages; while a handler works h2o does not look at the socket, so the sweep peeks whether the client is still there;
 * and on running out of descriptors accepting pauses instead of spinning. */
#define H2O_USE_LIBUV 0
#include "lib/http/server.h"

#include <assert.h>
#include <errno.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/loop.h"

#define SWEEP_US 250000          /* how often connections are looked at */
#define MMAP_THRESHOLD (1 << 20) /* bodies beyond it are mapped from a file */
#define ACCEPTS_PER_EVENT 16
#define H2O_TIMEOUT_MS (3600 * 1000) /* beyond ours, which the sweep keeps */

struct http_req {
    h2o_req_t *h2o;
    struct conn *conn;
    http_gone_fn *gone;
    void *gone_arg;
};

/* One accepted connection. Freed when h2o closes the socket. */
struct conn {
    struct http_listener *listener;
    h2o_socket_t *sock;
    struct http_req *pending; /* handed out, not replied to; NULL else */
    int64_t since_us;         /* when the current phase (idle, or receiving a request) began */
    size_t bytes_seen;        /* sock->bytes_read when it became idle */
    bool receiving, cut;
    TAILQ_ENTRY(conn) link; /* listener->conns */
};

struct http_listener {
    struct http_server *server;
    h2o_socket_t *sock; /* NULL once it stopped accepting */
    void *context;
    bool closing;
    TAILQ_HEAD(, conn) conns;
    TAILQ_ENTRY(http_listener) link;
};

struct http_server {
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    struct http_options options;
    http_request_fn *on_request;
    void *arg;
    struct loop *loop;
    h2o_socket_t *nested;
    struct loop_timer sweep;
    unsigned connections, pending;
    bool paused; /* out of descriptors, or at connections_max: no accepting until the next sweep */
    TAILQ_HEAD(, http_listener) listeners;
};

struct handler {
    h2o_handler_t super;
    struct http_server *server;
};

static struct http_slice slice_of(h2o_iovec_t v)
{
    return (struct http_slice){v.base, v.len};
}

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
    listener->server->connections--;
    TAILQ_REMOVE(&listener->conns, conn, link);
    assert(!conn->pending); /* h2o keeps the socket for as long as a handler has the request */
    free(conn);
}

static void cut(struct conn *conn)
{
    if (conn->cut)
        return;
    conn->cut = true;
    shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR); /* h2o sees the end of the stream and closes */
}

/* Until the next sweep that finds room. */
static void pause_accepting(struct http_server *server)
{
    struct http_listener *listener;
    server->paused = true;
    TAILQ_FOREACH(listener, &server->listeners, link)
        if (listener->sock)
            h2o_socket_read_stop(listener->sock);
}

static void on_accept(h2o_socket_t *sock, const char *err);

static void resume_accepting(struct http_server *server)
{
    struct http_listener *listener;
    server->paused = false;
    TAILQ_FOREACH(listener, &server->listeners, link)
        if (listener->sock)
            h2o_socket_read_start(listener->sock, on_accept);
}

static void on_accept(h2o_socket_t *listening, const char *err)
{
    struct http_listener *listener = listening->data;
    struct http_server *server = listener->server;
    if (err)
        return;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        if (server->connections >= server->options.connections_max) {
            pause_accepting(server);
            return;
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
        *conn = (struct conn){.listener = listener, .sock = sock, .since_us = clock_mono_us()};
        TAILQ_INSERT_TAIL(&listener->conns, conn, link);
        server->connections++;
        sock->on_close.cb = on_closed;
        sock->on_close.data = conn;
        h2o_accept(&server->accept, sock);
    }
}

/* ---- requests ---- */

static void on_request_disposed(void *arg)
{
    struct http_req *req = arg; /* in the request's pool: nothing to free */
    if (req->conn->pending == req) {
        req->conn->pending = NULL;
        req->conn->listener->server->pending--;
    }
}

static int on_req(h2o_handler_t *self, h2o_req_t *h2o)
{
    struct http_server *server = ((struct handler *)(void *)self)->server;
    h2o_socket_t *sock = h2o->conn->callbacks->get_socket(h2o->conn);
    struct conn *conn = sock->on_close.data;
    struct http_req *req = h2o_mem_alloc_shared(&h2o->pool, sizeof *req, on_request_disposed);
    *req = (struct http_req){.h2o = h2o, .conn = conn};
    conn->pending = req;
    conn->receiving = false;
    server->pending++;
    server->on_request(server->arg, req);
    return 0;
}

/* The end of a request on our side: the connection is idle from here on. */
static void settle(struct http_req *req)
{
    struct conn *conn = req->conn;
    conn->pending = NULL;
    conn->listener->server->pending--;
    conn->since_us = clock_mono_us();
    conn->bytes_seen = conn->sock->bytes_read;
    conn->receiving = false;
}

static void send_empty(h2o_req_t *h2o)
{
    static h2o_generator_t nothing;
    h2o->http1_is_persistent = 0;
    h2o->res.status = 500;
    h2o->res.reason = "Gone";
    h2o_start_response(h2o, &nothing);
    h2o_send(h2o, NULL, 0, H2O_SEND_STATE_FINAL);
}

/* The client went away: tells the owner, then lets h2o write into the void, which makes it close the connection. */
static void gone(struct http_req *req)
{
    http_gone_fn *fn = req->gone;
    void *arg = req->gone_arg;
    h2o_req_t *h2o = req->h2o;
    cut(req->conn);
    settle(req);
    if (fn)
        fn(arg);
    send_empty(h2o);
}

static void look_at(struct http_server *server, struct conn *conn, int64_t now)
{
    if (conn->pending) {
        char byte;
        ssize_t n = recv(h2o_socket_get_fd(conn->sock), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            gone(conn->pending);
        return;
    }
    if (!conn->receiving && conn->sock->bytes_read != conn->bytes_seen) {
        conn->receiving = true;
        conn->since_us = now;
        conn->bytes_seen = conn->sock->bytes_read;
    }
    int64_t limit_ms = conn->receiving ? server->options.request_ms_max : server->options.idle_ms_max;
    if (now - conn->since_us > limit_ms * 1000)
        cut(conn);
}

static void on_sweep(void *arg)
{
    struct http_server *server = arg;
    int64_t now = clock_mono_us();
    struct http_listener *listener;
    TAILQ_FOREACH(listener, &server->listeners, link)
    {
        struct conn *conn, *next;
        for (conn = TAILQ_FIRST(&listener->conns); conn; conn = next) {
            next = TAILQ_NEXT(conn, link);
            look_at(server, conn, now);
        }
    }
    reap_listeners(server);
    if (server->paused && server->connections < server->options.connections_max)
        resume_accepting(server);
    loop_timer_set(server->loop, &server->sweep, now + SWEEP_US);
}

/* ---- the server ---- */

static void on_nested(h2o_socket_t *sock, const char *err)
{
    (void)err;
    loop_run_once(((struct http_server *)sock->data)->loop, 0);
}

int http_server_new(struct loop *loop, const struct http_options *options, http_request_fn *on_request, void *arg,
                    struct http_server **ret_server, struct err *err)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (!server)
        return err_set(err, ERR_NO_MEMORY, "no memory for an HTTP server");
    server->options = *options;
    server->on_request = on_request;
    server->arg = arg;
    server->loop = loop;
    TAILQ_INIT(&server->listeners);
    signal(SIGPIPE, SIG_IGN); /* h2o writes to clients that have left, with writev(2) */
    h2o_config_init(&server->config);
    server->config.server_name = h2o_iovec_init(H2O_STRLIT("stoke"));
    server->config.http1.upgrade_to_http2 = 0; /* no HTTP/2 at all: 2.2.5 has no answer to rapid reset */
    server->config.http1.req_timeout = H2O_TIMEOUT_MS;
    server->config.max_request_entity_size = options->body_bytes_max;
    h2o_socket_buffer_mmap_settings.threshold = MMAP_THRESHOLD;
    snprintf(h2o_socket_buffer_mmap_settings.fn_template, sizeof h2o_socket_buffer_mmap_settings.fn_template, "%s/body.XXXXXX",
             options->tmp_dir);
    h2o_hostconf_t *host = h2o_config_register_host(&server->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct handler *handler = (void *)h2o_create_handler(path, sizeof *handler);
    handler->super.on_req = on_req;
    handler->server = server;
    h2o_context_init(&server->context, h2o_evloop_create(), &server->config);
    server->accept.ctx = &server->context;
    server->accept.hosts = server->config.hosts;
    server->nested = h2o_evloop_socket_create(server->context.loop, dup(loop_fd(loop)), H2O_SOCKET_FLAG_DONT_READ);
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
    TAILQ_INIT(&listener->conns);
    listener->sock = h2o_evloop_socket_create(server->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    listener->sock->data = listener;
    TAILQ_INSERT_TAIL(&server->listeners, listener, link);
    if (!server->paused)
        h2o_socket_read_start(listener->sock, on_accept);
    *ret_listener = listener;
    return 0;
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
            gone(conn->pending);
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

unsigned http_server_pending(const struct http_server *server)
{
    return server->pending;
}

void http_server_run_once(struct http_server *server, int timeout_ms)
{
    /* -1 means a signal came in: nothing to do but to let the caller look at it */
    (void)h2o_evloop_run(server->context.loop, timeout_ms < 0 ? INT32_MAX : timeout_ms);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    struct http_listener *listener;
    TAILQ_FOREACH(listener, &server->listeners, link)
        http_listener_close(listener);
    for (int i = 0; i < 100 && server->connections; i++) /* the cut connections close on their next event */
        h2o_evloop_run(server->context.loop, 10);
    reap_listeners(server);
    loop_timer_cancel(server->loop, &server->sweep);
    h2o_socket_close(server->nested);
    h2o_evloop_run(server->context.loop, 0);
    h2o_context_dispose(&server->context);
    h2o_evloop_destroy(server->context.loop);
    h2o_config_dispose(&server->config);
    free(server);
}

/* ---- what was asked ---- */

struct http_slice http_req_method(const struct http_req *req)
{
    return slice_of(req->h2o->input.method);
}

struct http_slice http_req_path(const struct http_req *req)
{
    h2o_iovec_t path = req->h2o->input.path;
    size_t query = req->h2o->input.query_at;
    return (struct http_slice){path.base, query < path.len ? query : path.len};
}

struct http_slice http_req_query(const struct http_req *req)
{
    h2o_iovec_t path = req->h2o->input.path;
    size_t query = req->h2o->input.query_at;
    return query < path.len ? (struct http_slice){path.base + query + 1, path.len - query - 1} : (struct http_slice){"", 0};
}

struct http_slice http_req_body(const struct http_req *req)
{
    return slice_of(req->h2o->entity);
}

size_t http_req_header_count(const struct http_req *req)
{
    return req->h2o->headers.size;
}

void http_req_header_at(const struct http_req *req, size_t i, struct http_slice *ret_name, struct http_slice *ret_value)
{
    const h2o_header_t *header = &req->h2o->headers.entries[i];
    *ret_name = slice_of(*header->name);
    *ret_value = slice_of(header->value);
}

struct http_slice http_req_header(const struct http_req *req, const char *name)
{
    size_t n = strlen(name);
    if (n == 4 && strncasecmp(name, "host", 4) == 0) /* h2o takes it out of the headers */
        return slice_of(req->h2o->input.authority);
    for (size_t i = 0; i < req->h2o->headers.size; i++) {
        const h2o_header_t *header = &req->h2o->headers.entries[i];
        if (header->name->len == n && strncasecmp(header->name->base, name, n) == 0)
            return slice_of(header->value);
    }
    return (struct http_slice){NULL, 0};
}

void *http_req_context(const struct http_req *req)
{
    return req->conn->listener->context;
}

void http_req_on_gone(struct http_req *req, http_gone_fn *fn, void *arg)
{
    req->gone = fn;
    req->gone_arg = arg;
}

/* ---- the reply ---- */

struct taken_body {
    void (*free_fn)(void *);
    char *body;
};

static void free_taken(void *arg)
{
    struct taken_body *taken = arg;
    taken->free_fn(taken->body);
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"}, {400, "Bad Request"}, {403, "Forbidden"},
                   {404, "Not Found"}, {405, "Method Not Allowed"}, {409, "Conflict"}, {413, "Payload Too Large"},
                   {429, "Too Many Requests"}, {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

void http_reply(struct http_req *req, const struct http_reply *reply)
{
    static h2o_generator_t whole; /* everything is in one final send: nothing to proceed to */
    h2o_req_t *h2o = req->h2o;
    settle(req);
    h2o->res.status = reply->status;
    h2o->res.reason = reason_of(reply->status);
    h2o->res.content_length = reply->body_len;
    for (size_t i = 0; i < reply->header_count; i++) {
        const struct http_header *header = &reply->headers[i];
        assert(!strpbrk(header->value, "\r\n"));
        h2o_iovec_t name = h2o_strdup(&h2o->pool, header->name, SIZE_MAX), value = h2o_strdup(&h2o->pool, header->value, SIZE_MAX);
        h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, name.base, name.len, 1, name.base, value.base, value.len);
    }
    h2o_iovec_t body = {(char *)reply->body, reply->body_len};
    if (reply->body_free) {
        struct taken_body *taken = h2o_mem_alloc_shared(&h2o->pool, sizeof *taken, free_taken);
        *taken = (struct taken_body){reply->body_free, (char *)reply->body};
    } else if (reply->body_len)
        body = h2o_strdup(&h2o->pool, reply->body, reply->body_len);
    h2o_start_response(h2o, &whole);
    h2o_send(h2o, &body, reply->body_len ? 1 : 0, H2O_SEND_STATE_FINAL);
}
