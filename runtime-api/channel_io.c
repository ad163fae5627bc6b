/* Frames of the private channel; see channel_io.h. A large body is read straight into the buffer that its callback gets; a
 * length in a header is never a reason to allocate. */
#include "runtime-api/channel_io.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/closer.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "runtime-api/error_report.h"

#define READ_BYTES 4096    /* a frame of usual size */
#define SCM_RIGHTS_MAX 253 /* the kernel's SCM_MAX_FD: descriptors in one message */
#define KEEP_BYTES 65536   /* a larger buffer is given back once it is empty */
#define FRAME_BYTES_MAX (CHANNEL_HEADER_BYTES + CHANNEL_META_BYTES_MAX + CHANNEL_BODY_BYTES_MAX)

enum channel_parse channel_parse(const char *data, size_t len, struct channel_frame *ret_frame)
{
    uint32_t meta_len, body_len;
    ret_frame->len = CHANNEL_HEADER_BYTES;
    if (len < CHANNEL_HEADER_BYTES)
        return CHANNEL_MORE;
    memcpy(&meta_len, data + 4, sizeof meta_len);
    memcpy(&body_len, data + 8, sizeof body_len);
    meta_len = le32toh(meta_len);
    body_len = le32toh(body_len);
    if (data[1] || data[2] || data[3] || meta_len > CHANNEL_META_BYTES_MAX || body_len > CHANNEL_BODY_BYTES_MAX)
        return CHANNEL_BAD;
    *ret_frame = (struct channel_frame){.type = (uint8_t)data[0],
                                        .meta = data + CHANNEL_HEADER_BYTES,
                                        .body = data + CHANNEL_HEADER_BYTES + meta_len,
                                        .meta_len = meta_len,
                                        .body_len = body_len,
                                        .len = CHANNEL_HEADER_BYTES + (size_t)meta_len + body_len};
    return len < ret_frame->len ? CHANNEL_MORE : CHANNEL_FRAME;
}

bool channel_fields(const struct channel_frame *frame, const char **ret_fields, size_t count)
{
    const char *at = frame->meta, *end = frame->meta + frame->meta_len;
    for (size_t i = 0; i < count; i++) {
        const char *nul = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;
        if (!nul)
            return false;
        ret_fields[i] = at;
        at = nul + 1;
    }
    return at == end;
}

/* ---- frames in; each returns as the tells do ---- */

static bool on_booted(struct session *session, const struct channel_frame *frame)
{
    struct channel_io *channel = &session->channel;
    if (channel->phase != CHANNEL_SILENT || session->runtime.state != RUNTIME_STARTED || frame->body_len || !channel_fields(frame, NULL, 0))
        return session_break(session, "BOOTED in the wrong place");
    channel->phase = CHANNEL_HAS_BOOTED;
    return session_tell_booted(session);
}

static bool on_ready(struct session *session, const struct channel_frame *frame)
{
    if (session->channel.phase != CHANNEL_HAS_BOOTED || session->runtime.state != RUNTIME_STARTED || frame->body_len ||
        !channel_fields(frame, NULL, 0))
        return session_break(session, "READY in the wrong place");
    runtime_step(&session->runtime, RUNTIME_NEXT);
    return session_settle(session);
}

static bool on_init_error(struct session *session, const struct channel_frame *frame)
{
    const char *type;
    if (session->channel.phase != CHANNEL_HAS_BOOTED || !channel_fields(frame, &type, 1) ||
        !runtime_step(&session->runtime, RUNTIME_FAIL_INIT))
        return session_break(session, "INIT_ERROR in the wrong place");
    struct error_report report;
    error_report_fill(&report, type, frame->body, frame->body_len);
    return session_tell_init_error(session, &report.error);
}

static bool on_exec_failed(struct session *session, const struct channel_frame *frame)
{
    const char *fields[3];
    int64_t code;
    if (session->runtime.state != RUNTIME_STARTED || !channel_fields(frame, fields, 3) || !str_to_i64(fields[0], 0, 4095, &code) ||
        !runtime_step(&session->runtime, RUNTIME_FAIL_INIT))
        return session_break(session, "EXEC_FAILED in the wrong place");
    char path[320], machine[64]; /* they end in lines of the platform's: no line breaks */
    error_report_print(fields[1], strlen(fields[1]), path, sizeof path);
    error_report_print(fields[2], strlen(fields[2]), machine, sizeof machine);
    const struct session_exec_failure failure = {.code = (int)code, .path = path, .machine = machine};
    return session_tell_exec_failed(session, &failure);
}

/* RESPONSE and ERROR. The runtime reads its next event right after them. */
static bool on_answer(struct session *session, const struct channel_frame *frame)
{
    const char *fields[2];
    bool good = frame->type == CHANNEL_RESPONSE;
    if (!channel_fields(frame, fields, 2))
        return session_break(session, "an answer without its fields");
    if (session->runtime.state != RUNTIME_RUNNING || session->channel.phase != CHANNEL_HAS_BOOTED)
        return session_break(session, "an answer that nobody waits for");
    if (!str_eq(fields[0], session->delivery.request_id))
        return session_break(session, "an answer to another request");
    if (sender_left(&session->channel.out) > LIMIT_IDLE_BUFFERED_BYTES) /* which would be kept for it, for as long as it lives */
        return session_break(session, "an answer to an event that it has not read");
    runtime_step(&session->runtime, good ? RUNTIME_BEGIN_RESPONSE : RUNTIME_BEGIN_ERROR);
    bool same;
    if (frame->body_len > LIMIT_PAYLOAD_BYTES) {
        same = session_tell_too_large(session, frame->body_len);
    } else if (good) {
        char content_type[LIMIT_TYPE_BYTES];
        error_report_content_type(fields[1], strlen(fields[1]), content_type);
        same = session_tell_response(session, content_type, frame->body, frame->body_len);
    } else {
        struct error_report report;
        error_report_fill(&report, fields[1], frame->body, frame->body_len);
        same = session_tell_error(session, &report.error);
    }
    if (!same)
        return false;
    runtime_step(&session->runtime, RUNTIME_NEXT);
    return session_settle(session);
}

static bool on_frame(struct session *session, const struct channel_frame *frame)
{
    switch (frame->type) {
    case CHANNEL_BOOTED:
        return on_booted(session, frame);
    case CHANNEL_READY:
        return on_ready(session, frame);
    case CHANNEL_RESPONSE:
    case CHANNEL_ERROR:
        return on_answer(session, frame);
    case CHANNEL_INIT_ERROR:
        return on_init_error(session, frame);
    case CHANNEL_EXEC_FAILED:
        return on_exec_failed(session, frame);
    default:
        return session_break(session, "a frame of unknown type");
    }
}

/* ---- bytes ---- */

/* The end of the channel: an exec by a runtime that speaks HTTP from now on, or the end of one of ours. */
static void on_end(struct session *session)
{
    struct channel_io *channel = &session->channel;
    /* Before READY the end means that another runtime was exec'd and will speak HTTP, or that ours died, which its exit tells. */
    bool ours = channel->phase == CHANNEL_HAS_BOOTED && session->runtime.state != RUNTIME_STARTED;
    bool cut = channel->in.len > 0;
    channel_io_close(session);
    if (session->terminating)
        return;
    if (cut)
        session_break(session, "the channel ended inside a frame");
    else if (ours && session->runtime.state != RUNTIME_INIT_ERROR)
        session_break(session, "the runtime closed its channel");
}

/* Hands over all whole frames; false when the session is not the same any more. */
static bool take_frames(struct session *session)
{
    struct channel_io *channel = &session->channel;
    struct channel_frame frame;
    for (;;) {
        enum channel_parse result = channel_parse(channel->in.data, channel->in.len, &frame);
        if (result == CHANNEL_MORE)
            break;
        if (result == CHANNEL_BAD) {
            session_break(session, "a frame header beyond the limits");
            return false;
        }
        if (!on_frame(session, &frame) || channel->fd < 0)
            return false;
        buf_consume(&channel->in, frame.len);
        if (channel->in.len == 0)
            break;
    }
    if (channel->in.len == 0 && channel->in.cap > KEEP_BYTES)
        buf_free(&channel->in);
    return true;
}

/* As recv(2). A function can send descriptors, where the kernel does not refuse them (SO_PASSRIGHTS, Linux 6.16). Whoever gives up
 * the last reference does what closing them takes, which can be for ever: they are received, so that it is not this thread. */
static ssize_t receive(int fd, char *data, size_t want, bool *ret_passed)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * SCM_RIGHTS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec io = {data, want};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return n;
    *ret_passed = message.msg_flags & MSG_CTRUNC;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
        size_t count = h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS ? (h->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
        *ret_passed = true;
        for (size_t i = 0; i < count; i++) {
            int passed;
            memcpy(&passed, CMSG_DATA(h) + i * sizeof passed, sizeof passed);
            closer_close(passed);
        }
    }
    return n;
}

static void read_input(struct session *session)
{
    struct channel_io *channel = &session->channel;
    struct channel_frame frame;
    size_t want = READ_BYTES;
    if (channel->in.len && channel_parse(channel->in.data, channel->in.len, &frame) == CHANNEL_MORE) {
        want = frame.len - channel->in.len;
        if (want > LIMIT_READ_BYTES)
            want = LIMIT_READ_BYTES;
    }
    if (buf_reserve(&channel->in, want) < 0) {
        session_break(session, "no memory for what the runtime says");
        return;
    }
    bool passed = false;
    ssize_t n = receive(channel->fd, channel->in.data + channel->in.len, want, &passed);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (passed) {
        session_break(session, "the runtime sent descriptors");
        return;
    }
    if (n <= 0) {
        on_end(session);
        return;
    }
    channel->in.len += (size_t)n;
    buf_terminate(&channel->in);
    take_frames(session);
}

static void flush(struct session *session)
{
    struct channel_io *channel = &session->channel;
    bool blocked = sender_flush(&channel->out, channel->fd) == SENDER_BLOCKED; /* a broken one ends on the input side */
    if (!blocked)
        sender_clear(&channel->out);
    if (blocked != channel->watches_output)
        loop_modify(channel->watch, EPOLLIN | (blocked ? (uint32_t)EPOLLOUT : 0));
    channel->watches_output = blocked;
}

static void on_event(void *arg, uint32_t events)
{
    struct session *session = arg;
    session_enter(session);
    if (events & EPOLLOUT)
        flush(session);
    if (events & ~(uint32_t)EPOLLOUT)
        read_input(session);
    session_leave(session);
}

int channel_io_open(struct session *session, int fd, struct err *err)
{
    session->channel = (struct channel_io){.fd = fd, .phase = CHANNEL_SILENT, .in = BUF_INIT(FRAME_BYTES_MAX + READ_BYTES)};
    sender_init(&session->channel.out, 2 * (size_t)FRAME_BYTES_MAX);
    if (fd < 0)
        return 0;
    int rc = fd_set_nonblock(fd, true, err);
    if (rc == 0)
        rc = loop_add(session->loop, fd, EPOLLIN, on_event, session, &session->channel.watch, err);
    if (rc < 0)
        channel_io_close(session);
    return rc;
}

void channel_io_close(struct session *session)
{
    struct channel_io *channel = &session->channel;
    loop_remove(channel->watch);
    channel->watch = NULL;
    closer_close(fd_steal(&channel->fd)); /* what is unread in it may hold descriptors, too */
    sender_free(&channel->out);
    if (session->depth > 0 && !session->retired.data) { /* a frame in it may be in a callback's hands */
        session->retired = channel->in;
        channel->in = BUF_INIT(0);
    }
    buf_free(&channel->in);
    channel->phase = CHANNEL_GONE;
}

/* ---- frames out ---- */

/* Makes room for a whole frame, so that nothing of it can fail once its header is in the queue. */
static int begin_frame(struct sender *out, enum channel_type type, size_t meta_len, size_t body_len)
{
    unsigned char header[CHANNEL_HEADER_BYTES] = {(unsigned char)type};
    uint32_t meta = htole32((uint32_t)meta_len), body = htole32((uint32_t)body_len);
    memcpy(header + 4, &meta, sizeof meta);
    memcpy(header + 8, &body, sizeof body);
    int rc = sender_own(out);
    if (rc == 0)
        rc = buf_reserve(&out->own, sizeof header + meta_len);
    return rc < 0 ? rc : sender_put(out, header, sizeof header);
}

static int refuse(int rc, const char *what, struct err *err)
{
    return err_set(err, (enum err_kind) - rc, "%s %s", what, rc == -ERR_TOO_LARGE ? "is too large for its frame" : "found no memory");
}

int channel_io_put(struct session *session, enum channel_type type, const struct buf *meta, struct err *err)
{
    struct channel_io *channel = &session->channel;
    if (channel->fd < 0)
        return channel->phase == CHANNEL_GONE ? err_set(err, ERR_UNAVAILABLE, "the runtime has closed its channel") : 0;
    int rc = begin_frame(&channel->out, type, meta->len, 0);
    if (rc == 0)
        rc = sender_put(&channel->out, meta->data, meta->len);
    if (rc < 0)
        return refuse(rc, "the environment", err);
    flush(session);
    return 0;
}

static int write_meta(struct buf *meta, const struct session *session, const struct session_event *event)
{
    const char *const fields[] = {event->function_arn, event->trace_id, event->client_context, event->cognito, event->tenant_id};
    int rc = buf_printf(meta, "%s%c%lld%c", session->delivery.request_id, 0, (long long)event->deadline_epoch_ms, 0);
    for (size_t i = 0; i < ARRAY_LEN(fields) && rc == 0; i++) {
        rc = fields[i] ? delivery_put_line(meta, fields[i]) : 0;
        if (rc == 0)
            rc = buf_putc(meta, '\0');
    }
    return rc;
}

int channel_io_invoke(struct session *session, const struct session_event *event, struct err *err)
{
    struct channel_io *channel = &session->channel;
    CLEANUP(buf_free) struct buf meta = BUF_INIT(CHANNEL_META_BYTES_MAX);
    if (event->payload_len > CHANNEL_BODY_BYTES_MAX)
        return refuse(-ERR_TOO_LARGE, "the event", err);
    int rc = write_meta(&meta, session, event);
    if (rc == 0)
        rc = begin_frame(&channel->out, CHANNEL_INVOKE, meta.len, event->payload_len);
    if (rc == 0)
        rc = sender_put(&channel->out, meta.data, meta.len);
    if (rc == 0)
        rc = sender_lend(&channel->out, session->delivery.payload, event->payload_len);
    if (rc < 0)
        return refuse(rc, "the event", err);
    flush(session);
    return 0;
}

void channel_io_own_payload(struct session *session)
{
    if (sender_own(&session->channel.out) < 0)
        sender_clear(&session->channel.out); /* a runtime that answers what it did not read waits in vain */
}
