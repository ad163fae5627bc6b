/* One worker's log stream: cuts what the worker writes into lines, marks them with the running invocation, adds Stoke's own
 * lines, keeps the tail for LogResult and measures a flood. Loop thread only.
 *
 *     log_stream_open(logs, &name, "2026/11/21/[$LATEST]0f...", &stream, &err);
 *     log_stream_begin(stream, request_id, &tail);
 *     log_stream_feed(stream, data, len);            // from the session's log callback
 *     if (log_stream_pause_us(stream) > 0) ...       // stop reading for so long: backpressure
 *     log_stream_end(stream);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/telemetry/logs.h"

#define LOG_TAIL_BYTES 4096                    /* of LogResult */
#define LOG_STREAM_BURST_BYTES (8u << 20)      /* a worker may write this at once, then ... */
#define LOG_STREAM_RATE_BYTES_PER_S (4u << 20) /* ... this */

/* The last bytes of one invocation's log. Embedded in its owner; {0} is empty. */
struct log_tail {
    char ring[LOG_TAIL_BYTES];
    uint64_t written;
};

void log_tail_add(struct log_tail *tail, const char *text, size_t len);
/* Copies the last at most LOG_TAIL_BYTES bytes into out (LOG_TAIL_BYTES + 1, NUL-terminated); returns how many. */
size_t log_tail_copy(const struct log_tail *tail, char *out);

struct log_stream;

int log_stream_open(struct logs *logs, const struct log_name *name, const char *stream_name, struct log_stream **ret_stream,
                    struct err *err) WARN_UNUSED;
/* Writes what is left of a line; NULL is allowed. */
void log_stream_close(struct log_stream *stream);

/* Lines from now on belong to request_id (copied) and also go to tail (borrowed until end, or NULL). */
void log_stream_begin(struct log_stream *stream, const char *request_id, struct log_tail *tail);
/* Ends the last line, then lines belong to no invocation. */
void log_stream_end(struct log_stream *stream);
void log_stream_feed(struct log_stream *stream, const char *data, size_t len);
/* How long reading should pause for the stream's rate to be kept; 0: go on. */
int64_t log_stream_pause_us(struct log_stream *stream);
/* One line of Stoke's own. tail: also there, or NULL. */
void log_stream_platform(struct log_stream *stream, const char *request_id, const char *text, struct log_tail *tail);
