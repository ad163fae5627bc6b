/* Requests of the public HTTP server: taking one from h2o, what was asked, the reply, and clients that leave before it. h2o lets
 * ambiguous framing pass (two lengths, a length beside chunks, folded lines, two hosts), so the head is read once more here. */
#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/http/phr.h"
#include "lib/http/server_impl.h"

#define HEADERS_MAX 100 /* h2o's own limit */

static struct http_slice slice_of(h2o_iovec_t v)
{
    return (struct http_slice){v.base, v.len};
}

/* ---- requests ---- */

static void hand_out(struct http_req *req)
{
    req->conn->pending = req;
    req->conn->listener->bodies_bytes += req->body_bytes;
}

/* The reply is out, or cut: h2o keeps the body until then. */
static void on_request_disposed(void *arg)
{
    struct http_req *req = arg; /* in the request's pool: nothing to free */
    req->conn->listener->bodies_bytes -= req->body_bytes;
    if (req->conn->pending == req)
        req->conn->pending = NULL;
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {424, "Failed Dependency"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unnamed"; /* a code of the application's own */
}

/* Why the request must not be answered, or NULL. h2o keeps the head at the front of the socket's input until the reply is out. */
static const char *head_fault(const h2o_socket_t *sock, size_t bytes_max, int *ret_status)
{
    struct phr_header headers[HEADERS_MAX];
    size_t count = HEADERS_MAX, method_len, path_len, lengths = 0, encodings = 0, hosts = 0;
    const char *method, *path;
    int minor,
        n = phr_parse_request(sock->input->bytes, sock->input->size, &method, &method_len, &path, &path_len, &minor, headers, &count, 0);
    *ret_status = 400;
    if (n <= 0)
        return "malformed head";
    for (size_t i = 0; i < count; i++) {
        const struct phr_header *header = &headers[i];
        if (!header->name)
            return "folded header line";
        lengths += header->name_len == 14 && strncasecmp(header->name, "content-length", 14) == 0;
        encodings += header->name_len == 17 && strncasecmp(header->name, "transfer-encoding", 17) == 0;
        hosts += header->name_len == 4 && strncasecmp(header->name, "host", 4) == 0;
    }
    if (lengths + encodings > 1)
        return "ambiguous length of the body";
    if (hosts > 1)
        return "more than one Host";
    *ret_status = 431;
    return (size_t)n > bytes_max ? "header too large" : NULL;
}

/* ---- refusals ---- */

static void add_header(h2o_req_t *h2o, const struct http_header *header)
{
    assert(!strpbrk(header->value, "\r\n"));
    h2o_iovec_t name = h2o_strdup(&h2o->pool, header->name, SIZE_MAX), value = h2o_strdup(&h2o->pool, header->value, SIZE_MAX);
    h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, name.base, name.len, 1, name.base, value.base, value.len);
}

static const struct http_reply *refusal_of(const struct conn *conn, int status)
{
    const struct http_server *server = conn->listener->server;
    return server->options.refusal ? server->options.refusal(status, conn->listener->limits.small_bodies) : NULL;
}

struct refusal_stream {
    h2o_ostream_t super;
    const struct http_reply *reply;
};

static void send_refusal(h2o_ostream_t *self, h2o_req_t *h2o, h2o_iovec_t *bufs, size_t count, h2o_send_state_t state)
{
    (void)bufs, (void)count; /* h2o's own words */
    const struct http_reply *reply = ((struct refusal_stream *)(void *)self)->reply;
    h2o_iovec_t body = h2o_iovec_init(reply->body, reply->body_len);
    h2o_ostream_send_next(self, h2o, &body, 1, state);
}

void http_request_on_refusal(h2o_filter_t *self, h2o_req_t *h2o, h2o_ostream_t **slot)
{
    (void)self;
    struct conn *conn = h2o->conn->callbacks->get_socket(h2o->conn)->on_close.data;
    const struct http_reply *reply = refusal_of(conn, h2o->res.status);
    linger_prepare(conn);
    if (reply) {
        h2o->res.headers.size = 0; /* its content type */
        for (size_t i = 0; i < reply->header_count; i++)
            add_header(h2o, &reply->headers[i]);
        h2o->res.content_length = reply->body_len;
        struct refusal_stream *stream = (void *)h2o_add_ostream(h2o, sizeof *stream, slot);
        stream->super.do_send = send_refusal;
        stream->reply = reply;
        slot = &stream->super.next;
    }
    h2o_setup_next_ostream(h2o, slot);
}

static void refuse(h2o_req_t *h2o, struct conn *conn, int status, const char *why)
{
    const struct http_reply *reply = refusal_of(conn, status);
    linger_prepare(conn);
    if (!reply) {
        h2o_send_error_generic(h2o, status, reason_of(status), why, H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION);
        return;
    }
    h2o->http1_is_persistent = 0;
    h2o->res.status = status;
    h2o->res.reason = reason_of(status);
    for (size_t i = 0; i < reply->header_count; i++)
        add_header(h2o, &reply->headers[i]);
    h2o_send_inline(h2o, reply->body, reply->body_len);
}

/* ---- requests ---- */

static void send_empty(h2o_req_t *h2o)
{
    static h2o_generator_t nothing;
    h2o->http1_is_persistent = 0;
    h2o->res.status = 500;
    h2o->res.reason = "Gone";
    h2o_start_response(h2o, &nothing);
    h2o_send(h2o, NULL, 0, H2O_SEND_STATE_FINAL);
}

int http_request_on_h2o(h2o_handler_t *self, h2o_req_t *h2o)
{
    struct http_server *server = ((struct http_handler *)(void *)self)->server;
    h2o_socket_t *sock = h2o->conn->callbacks->get_socket(h2o->conn);
    struct conn *conn = sock->on_close.data;
    int status;
    if (conn->cut || conn->listener->closing) { /* it had arrived before: what it is for may be gone by now */
        send_empty(h2o);
        return 0;
    }
    const char *fault = head_fault(sock, server->options.header_bytes_max, &status);
    if (fault) {
        refuse(h2o, conn, status, fault);
        return 0;
    }
    size_t most = conn->listener->limits.bodies_bytes_max, held = conn->sock->input->size; /* the body, and what came behind it */
    if (most > 0 && h2o->entity.len > 0 && conn->listener->bodies_bytes + held > most) {
        refuse(h2o, conn, 429, "too many bytes of requests at once");
        return 0;
    }
    struct http_req *req = h2o_mem_alloc_shared(&h2o->pool, sizeof *req, on_request_disposed);
    *req = (struct http_req){.h2o = h2o, .conn = conn, .body_bytes = held};
    conn->receiving = false;
    hand_out(req);
    server->on_request(server->arg, req);
    return 0;
}

/* The end of a request on our side: the connection is idle from here on. */
static void settle(struct http_req *req)
{
    struct conn *conn = req->conn;
    conn->pending = NULL;
    conn->since_us = clock_mono_us();
    conn->receiving = false;
}

/* The client went away: tells the owner, then lets h2o write into the void, which makes it close the connection. */
void http_request_gone(struct http_req *req)
{
    http_gone_fn *fn = req->gone;
    void *arg = req->gone_arg;
    h2o_req_t *h2o = req->h2o;
    req->conn->cut = true;
    shutdown(h2o_socket_get_fd(req->conn->sock), SHUT_RDWR); /* h2o sees the end of the stream and closes */
    settle(req);
    if (fn)
        fn(arg);
    send_empty(h2o);
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

void http_reply(struct http_req *req, const struct http_reply *reply)
{
    static h2o_generator_t whole; /* everything is in one final send: nothing to proceed to */
    h2o_req_t *h2o = req->h2o;
    settle(req);
    h2o->res.status = reply->status;
    h2o->res.reason = reason_of(reply->status);
    bool head = h2o_memis(h2o->input.method.base, h2o->input.method.len, H2O_STRLIT("HEAD"));
    bool bodiless = reply->status == 204 || reply->status == 304; /* RFC 9110, 8.6: not even a length */
    h2o->res.content_length = bodiless ? SIZE_MAX : reply->body_len;
    assert(reply->status >= 200 && reply->status <= 599);
    for (size_t i = 0; i < reply->header_count; i++)
        add_header(h2o, &reply->headers[i]);
    if (reply->body_free) {
        struct taken_body *taken = h2o_mem_alloc_shared(&h2o->pool, sizeof *taken, free_taken);
        *taken = (struct taken_body){reply->body_free, (char *)reply->body};
    }
    bool sent = reply->body_len && !head && !bodiless;
    h2o_iovec_t body = {(char *)reply->body, reply->body_len};
    if (sent && !reply->body_free)
        body = h2o_strdup(&h2o->pool, reply->body, reply->body_len);
    h2o_start_response(h2o, &whole);
    h2o_send(h2o, &body, sent, H2O_SEND_STATE_FINAL);
}
