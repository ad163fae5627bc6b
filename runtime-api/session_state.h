/* The inside of a session, shared by the files of this folder and by nobody else: the limits, the state, and what the two ways
 * to talk (channel_io.c, http_conn.c) report to the middle (session.c). Loop thread only.
 *
 * A callback may free or renew the session. So every entry from the loop is bracketed by session_enter and session_leave: what is
 * freed in between keeps its memory until the outermost bracket closes, and after each session_tell_* the caller stops unless
 * it returns true.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "lib/base/buf.h"
#include "lib/base/id.h"
#include "lib/base/loop.h"
#include "runtime-api/channel.h"
#include "runtime-api/runtime_state.h"
#include "runtime-api/sender.h"
#include "runtime-api/session.h"

#define LIMIT_PAYLOAD_BYTES 6291556 /* of a result, as on Lambda */
#define LIMIT_CONNS 64              /* of one sandbox to its Runtime API */
#define LIMIT_ACCEPTS_PER_ROUND 8
#define LIMIT_HEADER_BYTES (1024 * 1024) /* one value */
#define LIMIT_HEAD_BYTES (LIMIT_HEADER_BYTES + 16 * 1024)
#define LIMIT_BUFFERED_BYTES (16 * 1024 * 1024)   /* of all connections together */
#define LIMIT_IDLE_BUFFERED_BYTES (1024 * 1024)   /* the same while the sandbox may be frozen */
#define LIMIT_REQUEST_BYTES (256LL * 1024 * 1024) /* read for one request, what is thrown away included */
#define LIMIT_REQUEST_US (30 * 1000000LL)         /* for a request to come in, or an answer to be taken, while the sandbox runs */
#define LIMIT_READ_BYTES (256 * 1024)             /* at once */
#define LIMIT_LOG_READ_BYTES (64 * 1024)
#define LIMIT_LOG_DRAIN_BYTES (1024 * 1024) /* as large as a pipe can be made */
#define LIMIT_EXTENSIONS 10
#define LIMIT_EXTENSION_NAME_BYTES 128
#define LIMIT_REGISTER_BYTES (64 * 1024)
#define LIMIT_CAUSE_BYTES (64 * 1024)
#define LIMIT_TYPE_BYTES 256 /* error and content types, the NUL included */
#define LIMIT_REQUEST_ID_BYTES 64
#define LIMIT_EVENT_HEAD_BYTES (256 * 1024)
#define RETRY_ACCEPT_US 100000 /* after descriptors ran out */

struct http_conn;
TAILQ_HEAD(http_conn_list, http_conn);

enum channel_phase { CHANNEL_SILENT, CHANNEL_HAS_BOOTED, CHANNEL_GONE };

struct channel_io {
    int fd;
    struct loop_watch *watch;
    bool watches_output;
    enum channel_phase phase;
    struct buf in; /* one frame, and what came with it */
    struct sender out;
};

struct log_pipe {
    int fd;
    struct loop_watch *watch; /* NULL while paused */
};

enum extension_state {
    EXTENSION_EXPECTED, /* the host starts it; no word yet */
    EXTENSION_REGISTERED,
    EXTENSION_READY,   /* waits in event/next */
    EXTENSION_RUNNING, /* has an event */
    EXTENSION_INIT_ERROR,
    EXTENSION_EXIT_ERROR,
    EXTENSION_STATE_COUNT
};

struct extension {
    char name[LIMIT_EXTENSION_NAME_BYTES];
    char id[ID_UUID_BYTES];
    bool external, wants_invoke, wants_shutdown;
    bool owed; /* an event that its connection did not live to take */
    enum extension_state state;
    struct http_conn *parked;
};

/* The event that is being served. */
struct delivery {
    char request_id[LIMIT_REQUEST_ID_BYTES];
    char id[ID_UUID_BYTES]; /* of this delivery: a request that is tried again gets another */
    int64_t deadline_ms;
    struct buf head;      /* of the answer to /next */
    struct buf extension; /* the answer to event/next, empty without extensions */
    const char *payload;  /* borrowed; NULL when given back */
    size_t payload_len;
};

struct session {
    struct loop *loop;
    const struct session_events *events;
    void *arg;
    unsigned depth;      /* of session_enter */
    unsigned generation; /* grows when the session is renewed or freed */
    bool freed;
    bool ready_told, idle_told, start_held, terminating; /* terminating: the runtime may end, extensions go on */
    struct runtime runtime;
    struct delivery delivery;
    struct channel_io channel;
    struct buf retired; /* input of a channel that was closed inside a callback */
    struct log_pipe log;

    int listener;
    struct loop_watch *listener_watch; /* NULL while there are enough connections */
    struct loop_timer accept_timer;
    struct http_conn_list conns, dead; /* conns: the longest quiet first */
    unsigned conn_count;
    struct http_conn *answering; /* sends the result or error of the event */
    struct http_conn *next;      /* the latest that waits in /next */

    char *function_name, *function_version, *handler, *account;
    struct extension extensions[LIMIT_EXTENSIONS];
    size_t extension_count;
    char shutdown[160]; /* the SHUTDOWN event, empty before */
    struct buf start;   /* of START, while expected extensions have not registered (start_held) */
};

void session_enter(struct session *session);
void session_leave(struct session *session);

/* ---- what a runtime did. true: the session is there as before; false: return to the loop at once ---- */

bool session_tell_booted(struct session *session);
bool session_tell_exec_failed(struct session *session, const struct session_exec_failure *failure);
/* The runtime asks for an event (its state is stepped by the caller), or an extension does: is all of it waiting now? */
bool session_settle(struct session *session);
/* For a runtime in RESPONSE or ERROR_RESPONSE, which becomes RESPONSE_SENT. */
bool session_tell_response(struct session *session, const char *content_type, const char *body, size_t len);
bool session_tell_error(struct session *session, const struct session_error *error);
bool session_tell_too_large(struct session *session, size_t len);
/* For a runtime in INIT_ERROR. */
bool session_tell_init_error(struct session *session, const struct session_error *error);
/* Cuts every connection and says why; once. */
bool session_break(struct session *session, const char *why);

/* Lambda closes the registration of extensions when the runtime asks for its first event. */
bool session_registers(const struct session *session);
bool session_extension_registered(struct session *session); /* with the last expected one the runtime starts */
bool session_has_channel_runtime(const struct session *session);
/* The payload is going back to its owner: whoever is still writing it gets a copy of the rest. */
void session_return_payload(struct session *session);

/* Fills session->delivery from an event that a free runtime is given. */
int delivery_fill(struct session *session, const struct session_event *event, struct err *err) WARN_UNUSED;
void delivery_free(struct delivery *delivery);
/* Appends text as one line of ASCII: control characters become spaces, other characters the \u escapes of JSON. */
int delivery_put_line(struct buf *out, const char *text) WARN_UNUSED;
