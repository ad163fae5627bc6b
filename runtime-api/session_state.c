/* The middle of a session: what a runtime did becomes a state and a callback, whichever way it was said; and the event that
 * is being served, written once for all who may ask for it. */
#include "runtime-api/session_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime-api/channel_io.h"
#include "runtime-api/http/extensions.h"
#include "runtime-api/http/http_conn.h"
#include "runtime-api/log_pipe.h"

void session_enter(struct session *session)
{
    session->depth++;
}

static void destroy(struct session *session)
{
    delivery_free(&session->delivery);
    buf_free(&session->start);
    free(session->function_name);
    free(session->function_version);
    free(session->handler);
    free(session->account);
    free(session);
}

void session_leave(struct session *session)
{
    assert(session->depth > 0);
    if (--session->depth > 0)
        return;
    http_conns_reap(session);
    buf_free(&session->retired);
    if (session->freed)
        destroy(session);
}

/* ---- tells ---- */

/* Brackets a callback, whose caller wants to know whether the session is still its own. */
#define TELL(session, call)                                                                                                                \
    ({                                                                                                                                     \
        unsigned generation_ = (session)->generation;                                                                                      \
        session_enter(session);                                                                                                            \
        call;                                                                                                                              \
        bool same_ = (session)->generation == generation_;                                                                                 \
        (session)->depth--; /* the caller's own bracket is still open and reaps */                                                         \
        same_;                                                                                                                             \
    })

bool session_tell_booted(struct session *session)
{
    return TELL(session, session->events->booted(session->arg));
}

bool session_tell_exec_failed(struct session *session, const struct session_exec_failure *failure)
{
    return TELL(session, session->events->exec_failed(session->arg, failure));
}

/* Before the first event all extensions must wait, later those that get each event. */
static bool extensions_wait(const struct session *session)
{
    for (size_t i = 0; i < session->extension_count; i++) {
        const struct extension *extension = &session->extensions[i];
        if (extension->state != EXTENSION_READY && (!session->ready_told || extension->wants_invoke))
            return false;
    }
    return true;
}

bool session_settle(struct session *session)
{
    if (session->runtime.state != RUNTIME_READY || !extensions_wait(session) || session->idle_told)
        return true;
    session->idle_told = true;
    http_conns_pause(session);
    if (!session->ready_told) {
        session->ready_told = true;
        return TELL(session, session->events->ready(session->arg));
    }
    return session->events->idle ? TELL(session, session->events->idle(session->arg)) : true;
}

void session_return_payload(struct session *session)
{
    if (!session->delivery.payload)
        return;
    session->delivery.payload = NULL;
    http_conns_own_payload(session);
    channel_io_own_payload(session);
}

static void answered(struct session *session)
{
    bool allowed = runtime_step(&session->runtime, RUNTIME_SENT);
    assert(allowed);
    (void)allowed;
    session->answering = NULL;
    session_return_payload(session);
}

bool session_tell_response(struct session *session, const char *content_type, const char *body, size_t len)
{
    answered(session);
    return TELL(session, session->events->response(session->arg, content_type, body, len));
}

bool session_tell_error(struct session *session, const struct session_error *error)
{
    answered(session);
    return TELL(session, session->events->error(session->arg, error));
}

bool session_tell_too_large(struct session *session, size_t len)
{
    answered(session);
    return TELL(session, session->events->too_large(session->arg, len));
}

bool session_tell_init_error(struct session *session, const struct session_error *error)
{
    assert(session->runtime.state == RUNTIME_INIT_ERROR);
    return TELL(session, session->events->init_error(session->arg, error));
}

bool session_break(struct session *session, const char *why)
{
    if (!runtime_step(&session->runtime, RUNTIME_BREAK))
        return true;
    session->delivery.payload = NULL;
    http_conns_close(session);
    channel_io_close(session);
    return TELL(session, session->events->broken(session->arg, why));
}

bool session_registers(const struct session *session)
{
    return session->runtime.state == RUNTIME_STARTED;
}

bool session_has_channel_runtime(const struct session *session)
{
    return session->channel.phase == CHANNEL_HAS_BOOTED;
}

/* ---- the event ---- */

/* The code point at *text and its length, or the byte itself where there is no UTF-8. */
static unsigned decode(const unsigned char *text, size_t *ret_len)
{
    size_t len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc2 ? 2 : 1;
    unsigned code = len == 1 ? text[0] : text[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80) { /* the NUL at the end too */
            *ret_len = 1;
            return text[0];
        }
        code = code << 6 | (text[i] & 0x3f);
    }
    *ret_len = len;
    return code;
}

int delivery_put_line(struct buf *out, const char *text)
{
    int rc = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c && rc == 0;) {
        size_t plain = 0;
        while (c[plain] >= 0x20 && c[plain] < 0x7f)
            plain++;
        if (plain) {
            rc = buf_append(out, c, plain);
            c += plain;
        } else if (*c < 0x80) {
            rc = buf_putc(out, ' ');
            c++;
        } else {
            size_t len;
            unsigned code = decode(c, &len);
            c += len;
            if (code >= 0x10000 && code <= 0x10ffff)
                rc = buf_printf(out, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
            else
                rc = buf_printf(out, "\\u%04x", code & 0xffff);
        }
    }
    return rc;
}

static int put_header(struct buf *out, const char *name, const char *value)
{
    if (!value || !*value)
        return 0;
    int rc = buf_printf(out, "%s: ", name);
    if (rc == 0)
        rc = delivery_put_line(out, value);
    return rc < 0 ? rc : buf_puts(out, "\r\n");
}

/* All but the line that ends the head: a connection may have one of its own to add. */
static int write_head(struct delivery *d, const struct session_event *event)
{
    struct buf *out = &d->head;
    buf_clear(out);
    int rc = buf_printf(out,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: %s\r\n"
                        "Lambda-Runtime-Invocation-Id: %s\r\nLambda-Runtime-Deadline-Ms: %lld\r\n",
                        d->request_id, d->id, (long long)event->deadline_epoch_ms);
    if (rc == 0)
        rc = put_header(out, "Lambda-Runtime-Invoked-Function-Arn", event->function_arn);
    if (rc == 0)
        rc = put_header(out, "Lambda-Runtime-Trace-Id", event->trace_id);
    if (rc == 0)
        rc = put_header(out, "Lambda-Runtime-Client-Context", event->client_context);
    if (rc == 0)
        rc = put_header(out, "Lambda-Runtime-Cognito-Identity", event->cognito);
    if (rc == 0)
        rc = put_header(out, "Lambda-Runtime-Aws-Tenant-Id", event->tenant_id);
    return rc < 0 ? rc : buf_printf(out, "Content-Length: %zu\r\n", event->payload_len);
}

static bool is_plain(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return false;
    return *text != '\0';
}

int delivery_fill(struct session *session, const struct session_event *event, struct err *err)
{
    struct delivery *d = &session->delivery;
    if (strlen(event->request_id) >= sizeof d->request_id || !is_plain(event->request_id))
        return err_set(err, ERR_INVALID, "a request id that cannot be sent");
    memcpy(d->request_id, event->request_id, strlen(event->request_id) + 1);
    id_uuid(d->id);
    d->deadline_ms = event->deadline_epoch_ms;
    d->head.max = d->extension.max = LIMIT_EVENT_HEAD_BYTES;
    int rc = write_head(d, event);
    if (rc == 0)
        rc = extensions_write_event(session, event);
    if (rc < 0)
        return err_set(err, (enum err_kind) - rc, "an event with %s", rc == -ERR_TOO_LARGE ? "too long headers" : "no memory for it");
    d->payload = event->payload_len ? event->payload : "";
    d->payload_len = event->payload_len;
    return 0;
}

void delivery_free(struct delivery *delivery)
{
    buf_free(&delivery->head);
    buf_free(&delivery->extension);
    delivery->payload = NULL;
}
