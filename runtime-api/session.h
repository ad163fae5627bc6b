/* One worker's conversation with its runtime: the Lambda Runtime API (and the part of the Extensions API that runtimes
 * need) over HTTP on the room's own listener, or the private channel of our own runtimes. Both end in the same
 * callbacks. Bounded reads from a hostile peer, every wait has an owner's deadline. Loop thread only.
 *
 *     session_new(loop, &fds, &events, worker, &session, &err);
 *     session_start(session, env, n);                    // START; our runtimes load the handler, others are exec'd
 *     ... events.ready(worker)                           // init done: parked in /next, or READY
 *     session_invoke(session, &event, &err);             // one at a time
 *     ... events.response(worker, body, len) | events.error(...)
 *     session_free(session);
 *
 * Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and the recorded behaviour in
 * docs/runtime-contract.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct loop;
struct session;

/* Taken by session_new; -1 where absent. */
struct session_fds {
    int channel;
    int log;
    int runtime_listener;
};

/* What an extension or the runtime client is told about the function; borrowed strings, copied. */
struct session_about {
    const char *function_name, *function_version, *handler, *account;
};

struct session_event {
    const char *request_id;
    int64_t deadline_epoch_ms;
    const char *function_arn;
    const char *trace_id;       /* or NULL */
    const char *client_context; /* JSON on one line, ASCII, or NULL */
    const char *cognito;        /* or NULL */
    const char *tenant_id;      /* or NULL */
    const void *payload;        /* borrowed until response, error or session_free */
    size_t payload_len;
};

/* A failure as the runtime reported it. */
struct session_error {
    const char *type; /* "Runtime.X" or "Function.X" as said in a header or in the body, else "Runtime.Unknown"; never NULL */
    const char *body; /* JSON as posted; borrowed for the call */
    size_t body_len;
    const char *xray_cause; /* a JSON object of at most 64 KiB, or NULL */
};

/* A bootstrap that could not be executed. All borrowed for the call; the texts are the worker's own, printable ASCII, cut. */
struct session_exec_failure {
    int code; /* errno */
    const char *path;
    const char *machine; /* what the file is built for, where that is the reason; else "" */
};

/* All but log are called from the loop, never from inside a session_ call. The session may be freed in any of them. */
struct session_events {
    void (*booted)(void *arg); /* our runtimes: waiting for GO, no user code yet */
    void (*ready)(void *arg);  /* init is done: the runtime and every extension wait for an event */
    void (*init_error)(void *arg, const struct session_error *error);
    void (*exec_failed)(void *arg, const struct session_exec_failure *failure);
    void (*response)(void *arg, const char *content_type, const char *body, size_t len);
    void (*error)(void *arg, const struct session_error *error);
    void (*too_large)(void *arg, size_t len); /* a response over the limit; the runtime goes on */
    /* After response, error or too_large: the runtime asks for its next event (channel runtimes: straight after them), and so
     * does every extension that subscribed to INVOKE. Until then the invocation still occupies the worker. May be NULL. */
    void (*idle)(void *arg);
    void (*broken)(void *arg, const char *why); /* the peer broke the protocol, or cut a half-sent response */
    /* Bytes the worker wrote to stdout or stderr, at most 64 KiB at a time; also called from session_drain_log. */
    void (*log)(void *arg, const char *data, size_t len);
};

int session_new(struct loop *loop, const struct session_fds *fds, const struct session_events *events, void *arg,
                struct session **ret_session, struct err *err) WARN_UNUSED;
void session_free(struct session *session); /* closes everything; no callbacks */

/* After a reset of the room: a new channel and log pipe (taken), all state as at the start; the listener stays. */
int session_renew(struct session *session, int channel, int log, struct err *err) WARN_UNUSED;

void session_describe(struct session *session, const struct session_about *about);
/* Sends START with the environment ("NAME=value" each, copied), after the expected extensions were started and have registered. Once
 * per life of the runtime process. */
int session_start(struct session *session, const char *const *env, size_t count, struct err *err) WARN_UNUSED;
/* Hands over one event; ERR_CONFLICT unless ready and idle. */
int session_invoke(struct session *session, const struct session_event *event, struct err *err) WARN_UNUSED;
/* Reads what the log pipe holds now, up to a bound, before END and REPORT are written. */
void session_drain_log(struct session *session);
/* Pauses (false) or resumes reading the log pipe: the backpressure of a flood on stdout. */
void session_read_log(struct session *session, bool on);
/* Whether the runtime and all extensions wait for an event. */
bool session_is_idle(const struct session *session);

/* Extensions. External ones are named here, before session_start, by file name: the worker starts /opt/extensions/NAME.
 * ERR_LIMIT past 10, ERR_INVALID for a name that no header can carry, ERR_EXISTS for one given twice. Those that register
 * from inside the runtime need no call. */
int session_expect_extension(struct session *session, const char *name, struct err *err) WARN_UNUSED;
size_t session_extension_count(const struct session *session); /* registered ones, internal ones too */
/* Whether any came with a layer: a process of its own. */
bool session_has_external(const struct session *session);
/* Tells a runtime of ours, if one is on the channel, that SIGTERM is on its way: where it waits for a frame it may have to do something to
 * hear of signals. */
void session_terminate(struct session *session);
/* Whether any subscribed to SHUTDOWN. */
bool session_wants_shutdown(const struct session *session);
/* Tells those that subscribed to SHUTDOWN; reason: "spindown", "timeout" or "failure". Returns how many there are. */
size_t session_shutdown(struct session *session, const char *reason, int64_t deadline_epoch_ms);
