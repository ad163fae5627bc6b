/* The host's end of the private channel (channel.h): frames in, checked against the runtime's state; frames out, queued without
 * blocking. Part of a session; loop thread only. */
#pragma once

#include "runtime-api/session_state.h"

/* Takes fd (-1: none). */
int channel_io_open(struct session *session, int fd, struct err *err) WARN_UNUSED;
void channel_io_close(struct session *session);

/* A frame without a body: START, EXTENSION. ERR_TOO_LARGE, ERR_UNAVAILABLE when the runtime is gone. Without a channel: nothing. */
int channel_io_put(struct session *session, enum channel_type type, const struct buf *meta, struct err *err) WARN_UNUSED;
/* Borrows the payload of session->delivery until session_return_payload. */
int channel_io_invoke(struct session *session, const struct session_event *event, struct err *err) WARN_UNUSED;
void channel_io_own_payload(struct session *session);

/* What the frame reader makes of bytes; for its tests and its fuzz target too. */
struct channel_frame {
    uint8_t type;
    const char *meta, *body; /* inside the input */
    size_t meta_len, body_len;
    size_t len; /* of the whole frame */
};
enum channel_parse { CHANNEL_BAD = -1, CHANNEL_MORE = 0, CHANNEL_FRAME = 1 };

/* CHANNEL_MORE: ret_frame->len bytes are needed for the next step (header, then the whole). */
enum channel_parse channel_parse(const char *data, size_t len, struct channel_frame *ret_frame);
/* Splits meta into exactly count NUL-terminated fields. */
bool channel_fields(const struct channel_frame *frame, const char **ret_fields, size_t count);
