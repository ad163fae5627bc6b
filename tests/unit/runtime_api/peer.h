/* A session and the peers of it, in one thread: the test plays the runtime on sockets and pumps the loop while it waits.
 *
 *     peer_open();  int c = peer_connect();
 *     peer_send(c, "GET /2018-06-01/ping HTTP/1.1\r\n\r\n");
 *     CU_ASSERT(peer_answer(c)->status == 200);   ... peer_close();
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/loop.h"
#include "runtime-api/session.h"

#define PEER_TEXT 4096

struct peer_seen { /* what the callbacks brought; counts, and the latest of each */
    int booted, ready, init_error, exec_failed, response, error, too_large, idle, broken;
    char content_type[PEER_TEXT], type[PEER_TEXT], body[PEER_TEXT], cause[PEER_TEXT], why[PEER_TEXT];
    size_t body_len, too_large_len;
    int exec_code;
    char log[PEER_TEXT * 16];
    size_t log_len;
};

struct peer {
    struct loop *loop;
    struct session *session;
    struct peer_seen seen;
    int channel; /* the runtime's end */
    int log;     /* the worker's end */
    int port;
    void (*hook)(const char *event); /* called in every callback, if set */
};
extern struct peer peer;

struct peer_answer {
    int status;
    char head[PEER_TEXT * 4];
    char *body; /* until the next peer_answer */
    size_t body_len;
};

void peer_open(void);
void peer_close(void);
void peer_run(int ms);
/* Runs until *count reaches at_least, or 2 s. */
bool peer_until(const int *count, int at_least);

int peer_connect(void);
void peer_send(int fd, const char *text);
void peer_send_bytes(int fd, const void *data, size_t len);
/* The next answer, NULL when none came within 2 s or the connection ended. */
struct peer_answer *peer_answer(int fd);
struct peer_answer *peer_ask(int fd, const char *request);
/* Sends a request with a body and a Content-Length. */
struct peer_answer *peer_post(int fd, const char *path, const char *headers, const char *body);
/* A header's value; NULL without it. Until the next call. */
const char *peer_header(const struct peer_answer *answer, const char *name);
bool peer_is_open(int fd); /* and silent, after running the loop for a moment */

/* Hands over an event and expects that to work. */
void peer_invoke(const char *request_id, const char *payload);
/* A new connection that is parked in /next, init or the last event being done. */
int peer_ready(void);

void peer_frame(int type, const void *meta, size_t meta_len, const void *body, size_t body_len);
/* The next frame from the session: its body; meta to the caller. NULL after 2 s. */
char *peer_take_frame(int *ret_type, char *ret_meta, size_t *ret_meta_len, size_t *ret_body_len);
