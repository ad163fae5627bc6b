/* The public HTTP/1.1 server, the only user of h2o: complete requests in, one reply out, any time later. One thread,
 * which is also the thread of the struct loop nested in it.
 *
 *     http_server_new(loop, &options, on_request, app, &server, &err);
 *     http_server_add(server, listening_fd, &context, &listener, &err);
 *     while (running) http_server_run_once(server, -1);     // runs h2o's loop and, nested, loop
 *     ... on_request(app, req):  http_reply(req, &reply);   // now or later, exactly once
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct http_server;
struct http_listener;
struct http_reply;
struct http_req;
struct loop;

struct http_slice {
    const char *p; /* not NUL-terminated */
    size_t n;
};

struct http_header {
    const char *name, *value; /* NUL-terminated; a value with CR, LF or NUL is refused by assert: check user text first */
};

struct http_options {
    size_t body_bytes_max;       /* larger entities get 413 */
    size_t small_body_bytes_max; /* the same of listeners with small_bodies; 0: body_bytes_max */
    size_t header_bytes_max;
    int64_t request_ms_max;   /* from the first byte to the end of the body, and for a client to take any of its reply: a slow one is cut */
    int64_t idle_ms_max;      /* keep-alive */
    unsigned connections_max; /* of each listener without another limit; past it the oldest idle ones are cut */
    const char *tmp_dir;      /* where bodies over 1 MiB are mapped while there are many; borrowed for the server's life */
    /* Headers and body of what the server refuses itself (400 malformed, 413 and 431 too large, 429 past bodies_bytes_max), living for
     * ever; small: by a listener with small_bodies. NULL, or a NULL answer: plain text. */
    const struct http_reply *(*refusal)(int status, bool small);
};

/* Called once per complete request. req is valid until http_reply() or until the gone callback. */
typedef void http_request_fn(void *arg, struct http_req *req);
typedef void http_gone_fn(void *arg);

int http_server_new(struct loop *loop, const struct http_options *options, http_request_fn *on_request, void *arg,
                    struct http_server **ret_server, struct err *err) WARN_UNUSED;
/* Stops accepting, cuts all connections (pending requests see their gone callback), frees everything. No request is handed out any
 * more, and nothing of the nested loop runs. */
void http_server_free(struct http_server *server);
void http_server_run_once(struct http_server *server, int timeout_ms);
/* Stops accepting on every listener; requests at work go on. For a graceful end. */
void http_server_stop_accepting(struct http_server *server);
/* Connections, by listeners without a context, with a reply of which the kernel has not yet taken all. */
unsigned http_server_replying(const struct http_server *server);

/* Takes the listening socket fd (also one made in another network namespace). context is borrowed and comes back from
 * http_req_context(): which way in this was. */
int http_server_add(struct http_server *server, int fd, void *context, struct http_listener **ret_listener, struct err *err) WARN_UNUSED;
/* What somebody who is not trusted with the server's memory and disk may take of them. */
struct http_listener_limits {
    unsigned connections_max;
    bool small_bodies;
    /* Of all its requests together, those that come and those whose reply is not out; 0: as many as there are. One that comes on top is cut
     * within a quarter of a second, or gets a 429 if it is complete by then. */
    size_t bodies_bytes_max;
};
/* Right after http_server_add(). */
void http_listener_limit(struct http_listener *listener, const struct http_listener_limits *limits);
/* Closes the listener and cuts its connections; their pending requests see their gone callback first. What they had sent by
 * then is not handed out. */
void http_listener_close(struct http_listener *listener);

/* What was asked; all borrowed from req. */
struct http_slice http_req_method(const struct http_req *req);
struct http_slice http_req_path(const struct http_req *req);  /* as sent, percent-escapes kept, without the query */
struct http_slice http_req_query(const struct http_req *req); /* after '?', as sent; empty if none */
struct http_slice http_req_body(const struct http_req *req);
/* The first header of that name (any case); .p NULL if absent. Several of one name: http_req_header_count/at. */
struct http_slice http_req_header(const struct http_req *req, const char *name);
size_t http_req_header_count(const struct http_req *req);
void http_req_header_at(const struct http_req *req, size_t i, struct http_slice *ret_name, struct http_slice *ret_value);
void *http_req_context(const struct http_req *req);

/* fn(arg) runs if the client goes away before the reply; req is dead then and must not be replied to. At most one. */
void http_req_on_gone(struct http_req *req, http_gone_fn *fn, void *arg);

struct http_reply {
    int status;
    const struct http_header *headers; /* Content-Length is added; copied */
    size_t header_count;
    const char *body; /* copied unless body_free is set */
    size_t body_len;
    void (*body_free)(void *); /* when set, body is taken and freed with it after sending */
};
/* Sends the reply and ends req. */
void http_reply(struct http_req *req, const struct http_reply *reply);
