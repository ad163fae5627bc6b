/* A session's life: made, described, started, given events, renewed, freed. What the runtime says comes in through channel_io.c
 * and http/, and meets in session_state.c. */
#include "runtime-api/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "runtime-api/error_report.h"
#include "runtime-api/channel_io.h"
#include "runtime-api/http/extensions.h"
#include "runtime-api/http/http_conn.h"
#include "runtime-api/http/api_listener.h"
#include "runtime-api/http/routes.h"
#include "runtime-api/log_pipe.h"
#include "runtime-api/session_state.h"

static int open_pipes(struct session *session, int channel, int log, struct err *err)
{
    int rc = channel_io_open(session, channel, err); /* takes its descriptor even when it fails */
    int log_rc = log_pipe_open(session, log, rc == 0 ? err : NULL);
    return rc < 0 ? rc : log_rc;
}

int session_new(struct loop *loop, const struct session_fds *fds, const struct session_events *events, void *arg,
                struct session **ret_session, struct err *err)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session) {
        int taken[] = {fds->channel, fds->log, fds->runtime_listener};
        for (size_t i = 0; i < ARRAY_LEN(taken); i++)
            fd_closep(&taken[i]);
        return err_set(err, ERR_NO_MEMORY, "no memory for a session");
    }
    *session = (struct session){.loop = loop, .events = events, .arg = arg, .listener = -1, .channel.fd = -1, .log.fd = -1};
    TAILQ_INIT(&session->conns);
    TAILQ_INIT(&session->dead);
    int rc = open_pipes(session, fds->channel, fds->log, err);
    int listener_rc = api_listener_open(session, fds->runtime_listener, rc == 0 ? err : NULL);
    if (rc == 0)
        rc = listener_rc;
    if (rc < 0) {
        session_free(session);
        return rc;
    }
    *ret_session = session;
    return 0;
}

static void close_talk(struct session *session)
{
    session->generation++;
    session->delivery.payload = NULL;
    http_conns_close(session);
    channel_io_close(session);
    log_pipe_close(session);
}

void session_free(struct session *session)
{
    if (!session || session->freed)
        return;
    session_enter(session);
    api_listener_close(session);
    close_talk(session);
    session->freed = true;
    session_leave(session);
}

int session_renew(struct session *session, int channel, int log, struct err *err)
{
    session_enter(session);
    close_talk(session);
    session->runtime = (struct runtime){.state = RUNTIME_STARTED};
    session->ready_told = session->idle_told = false;
    session->delivery.request_id[0] = '\0';
    session->start_held = false;
    buf_free(&session->start);
    extensions_reset(session);
    api_listener_watch(session);
    int rc = open_pipes(session, channel, log, err);
    session_leave(session);
    return rc;
}

static void replace(char **text, const char *by)
{
    free(*text);
    *text = str_format("%s", by ? by : "");
}

void session_describe(struct session *session, const struct session_about *about)
{
    replace(&session->function_name, about->function_name);
    replace(&session->function_version, about->function_version);
    replace(&session->handler, about->handler);
    replace(&session->account, about->account);
}

bool session_is_idle(const struct session *session)
{
    return session->runtime.state == RUNTIME_READY && session->idle_told;
}

int session_invoke(struct session *session, const struct session_event *event, struct err *err)
{
    if (!session_is_idle(session))
        return err_set(err, ERR_CONFLICT, "the runtime does not wait for an event; its state is %s",
                       runtime_state_name(session->runtime.state));
    session_enter(session);
    bool by_channel = session_has_channel_runtime(session);
    int rc = delivery_fill(session, event, err);
    if (rc == 0 && by_channel)
        rc = channel_io_invoke(session, event, err);
    if (rc == 0) {
        session->idle_told = false;
        runtime_step(&session->runtime, RUNTIME_DELIVER);
        http_conns_resume(session);
        extensions_deliver(session);
        if (!by_channel)
            routes_deliver(session);
    } else {
        session->delivery.payload = NULL;
        session->delivery.request_id[0] = '\0';
    }
    session_leave(session);
    return rc;
}

void session_drain_log(struct session *session)
{
    log_pipe_drain(session);
}

void session_read_log(struct session *session, bool on)
{
    log_pipe_pause(session, !on);
}

/* ---- extensions ---- */

int session_expect_extension(struct session *session, const char *name, struct err *err)
{
    if (session->extension_count >= LIMIT_EXTENSIONS)
        return err_set(err, ERR_LIMIT, "more than %d extensions", LIMIT_EXTENSIONS);
    char printable[LIMIT_EXTENSION_NAME_BYTES];
    error_report_print(name, strlen(name), printable, sizeof printable);
    if (!str_eq(name, printable)) /* it could not say its name in a header */
        return err_set(err, ERR_INVALID, "an extension's name is longer than %d bytes or not printable ASCII",
                       LIMIT_EXTENSION_NAME_BYTES - 1);
    for (size_t i = 0; i < session->extension_count; i++)
        if (str_eq(session->extensions[i].name, name))
            return err_set(err, ERR_EXISTS, "two extensions named %s", name);
    struct extension *extension = &session->extensions[session->extension_count++];
    *extension = (struct extension){.state = EXTENSION_EXPECTED, .external = true};
    str_copy(extension->name, sizeof extension->name, name);
    return 0;
}

size_t session_extension_count(const struct session *session)
{
    size_t count = 0;
    for (size_t i = 0; i < session->extension_count; i++)
        count += session->extensions[i].state != EXTENSION_EXPECTED;
    return count;
}

bool session_has_external(const struct session *session)
{
    for (size_t i = 0; i < session->extension_count; i++)
        if (session->extensions[i].external)
            return true;
    return false;
}

void session_terminate(struct session *session)
{
    const struct buf nothing = BUF_INIT(0);
    struct err err; /* a runtime that has ended, or speaks HTTP, has no channel */
    session->terminating = true;
    session_enter(session);
    (void)!channel_io_put(session, CHANNEL_TERMINATE, &nothing, &err);
    session_leave(session);
}

bool session_wants_shutdown(const struct session *session)
{
    for (size_t i = 0; i < session->extension_count; i++)
        if (session->extensions[i].wants_shutdown)
            return true;
    return false;
}

size_t session_shutdown(struct session *session, const char *reason, int64_t deadline_epoch_ms)
{
    size_t count = 0;
    snprintf(session->shutdown, sizeof session->shutdown, "{\"eventType\":\"SHUTDOWN\",\"deadlineMs\":%lld,\"shutdownReason\":\"%.32s\"}",
             (long long)deadline_epoch_ms, reason);
    for (size_t i = 0; i < session->extension_count; i++)
        count += session->extensions[i].wants_shutdown;
    session_enter(session);
    extensions_shut_down(session);
    session_leave(session);
    return count;
}
