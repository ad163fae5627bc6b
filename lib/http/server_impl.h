/* Inside lib/http: what the server's files share. The only header of ours that knows h2o. */
#pragma once

#define H2O_USE_LIBUV 0
#include <h2o.h>
#include <h2o/http1.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "lib/base/loop.h"
#include "lib/http/server.h"

struct http_req {
    h2o_req_t *h2o;
    struct conn *conn;
    http_gone_fn *gone;
    void *gone_arg;
    size_t body_bytes; /* counted in listener->bodies_bytes */
};

/* One accepted connection. Freed when h2o closes the socket. */
struct conn {
    struct http_listener *listener;
    h2o_socket_t *sock;
    struct http_req *pending; /* handed out, not replied to; NULL else */
    int64_t since_us;         /* when the current phase (idle, or receiving a request) began; of a reply, when some was last taken */
    uint64_t bytes_taken;     /* by the client, when we looked at its reply last */
    bool receiving, replying, cut;
    int linger_fd;          /* -1, or the connection once more: it was refused with bytes still to come */
    TAILQ_ENTRY(conn) link; /* listener->conns */
};

struct http_listener {
    struct http_server *server;
    h2o_socket_t *sock; /* NULL once it stopped accepting */
    void *context;
    bool closing;
    bool paused; /* out of descriptors, or full of requests at work: no accepting until a sweep finds room */
    unsigned connections;
    struct http_listener_limits limits;
    size_t bodies_bytes, coming_bytes; /* of requests whose reply is not out; of those that come, at the last sweep */
    TAILQ_HEAD(, conn) conns;
    TAILQ_ENTRY(http_listener) link;
};

TAILQ_HEAD(linger_list, lingering);

/* h2o keeps the limit of bodies in its configuration: one for each. */
struct gate {
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
};
enum { GATE_WIDE, GATE_SMALL, GATES };

struct http_server {
    h2o_loop_t *evloop;
    struct gate gates[GATES];
    struct http_options options;
    http_request_fn *on_request;
    void *arg;
    struct loop *loop;
    h2o_socket_t *nested;
    struct loop_timer sweep;
    unsigned connections;
    bool low_disk; /* bodies stay in the heap */
    struct linger_list lingering;
    unsigned linger_count;
    TAILQ_HEAD(, http_listener) listeners;
};

struct http_handler {
    h2o_handler_t super;
    struct http_server *server;
};

/* h2o's handler: hands a request to the server's owner. */
int http_request_on_h2o(h2o_handler_t *self, h2o_req_t *h2o);
/* h2o's filter of what it refuses itself and then closes. */
void http_request_on_refusal(h2o_filter_t *self, h2o_req_t *h2o, h2o_ostream_t **slot);
/* The client went away: tells the owner and lets go of the request. */
void http_request_gone(struct http_req *req);

/* Of all that was ever written to a TCP socket, the bytes that the other side has. */
uint64_t http_bytes_taken(int fd);

/* The connection's request is being refused by h2o or by us, who close then: a client that is still sending would lose the answer to
 * a reset. Keeps the connection open beside h2o, which closes its descriptor before it tells. */
void linger_prepare(struct conn *conn);
/* h2o has closed: shuts our half, reads and drops what comes, within limits. */
void linger_start(struct conn *conn);
void linger_sweep(struct http_server *server, int64_t now_us);
void linger_stop(struct http_server *server);
