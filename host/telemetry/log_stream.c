/* Log streams: line splitting with a bounded rest, the rate of one worker (kept by backpressure: the worker's own write
 * blocks) and of all (kept by dropping, with a line that counts what was dropped). */
#include "host/telemetry/log_stream.h"

#include <stdlib.h>
#include <string.h>

#include "host/telemetry/log_store.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

#define REST_KEPT_BYTES 1024 /* a larger rest buffer is given back when its line ends */

struct log_stream {
    struct log_group *group;
    char *name;
    char request_id[64];
    struct log_tail *tail; /* borrowed */
    struct buf rest;       /* of a line without its end */
    int64_t tokens, tokens_us;
    uint64_t dropped_lines, dropped_bytes;
};

/* ---- tail ---- */

void log_tail_add(struct log_tail *tail, const char *text, size_t len)
{
    if (len > LOG_TAIL_BYTES) {
        tail->written += len - LOG_TAIL_BYTES;
        text += len - LOG_TAIL_BYTES;
        len = LOG_TAIL_BYTES;
    }
    size_t at = tail->written % LOG_TAIL_BYTES;
    size_t first = len < LOG_TAIL_BYTES - at ? len : LOG_TAIL_BYTES - at;
    memcpy(tail->ring + at, text, first);
    memcpy(tail->ring, text + first, len - first);
    tail->written += len;
}

size_t log_tail_copy(const struct log_tail *tail, char *out)
{
    size_t len = tail->written < LOG_TAIL_BYTES ? (size_t)tail->written : LOG_TAIL_BYTES;
    size_t at = tail->written < LOG_TAIL_BYTES ? 0 : tail->written % LOG_TAIL_BYTES;
    memcpy(out, tail->ring + at, len - at);
    memcpy(out + len - at, tail->ring, at);
    out[len] = '\0';
    return len;
}

/* ---- streams ---- */

int log_stream_open(struct logs *logs, const struct log_name *name, const char *stream_name, struct log_stream **ret_stream,
                    struct err *err)
{
    struct log_group *group;
    int rc = log_group_get(logs, name, &group, err);
    if (rc < 0)
        return rc;
    struct log_stream *stream = calloc(1, sizeof *stream);
    char *copy = strdup(stream_name);
    if (!stream || !copy) {
        free(stream);
        free(copy);
        log_group_put(group);
        return err_set(err, ERR_NO_MEMORY, "no memory for a log stream");
    }
    *stream = (struct log_stream){
        .group = group, .name = copy, .rest = BUF_INIT(LOG_LINE_BYTES_MAX), .tokens = LOG_STREAM_BURST_BYTES, .tokens_us = clock_mono_us()};
    *ret_stream = stream;
    return 0;
}

static void write_record(struct log_stream *stream, bool platform, const char *request_id, const char *text, size_t len)
{
    struct log_record record = {
        .time_us = clock_wall_us(), .platform = platform, .stream = stream->name, .request_id = request_id, .text = text, .len = len};
    log_group_write(stream->group, &record);
}

static void write_line(struct log_stream *stream, const char *text, size_t len)
{
    if (stream->tail) {
        log_tail_add(stream->tail, text, len);
        log_tail_add(stream->tail, "\n", 1);
    }
    if (!logs_admit(stream->group->logs, len + 128)) {
        stream->dropped_lines++;
        stream->dropped_bytes += len;
        return;
    }
    write_record(stream, false, stream->request_id, text, len);
}

static void say_dropped(struct log_stream *stream)
{
    if (stream->dropped_lines == 0)
        return;
    CLEANUP(freep)
    char *text = str_format("LOGS_DROPPED Dropped Records: %llu\tDropped Bytes: %llu\tReason: Consumer seems to "
                            "have fallen behind",
                            (unsigned long long)stream->dropped_lines, (unsigned long long)stream->dropped_bytes);
    stream->dropped_lines = stream->dropped_bytes = 0;
    write_record(stream, true, stream->request_id, text, strlen(text));
}

static void end_line(struct log_stream *stream)
{
    if (stream->rest.len > 0)
        write_line(stream, stream->rest.data, stream->rest.len);
    if (stream->rest.cap > REST_KEPT_BYTES)
        buf_free(&stream->rest);
    else
        buf_clear(&stream->rest);
}

void log_stream_close(struct log_stream *stream)
{
    if (!stream)
        return;
    stream->tail = NULL;
    log_stream_end(stream);
    buf_free(&stream->rest);
    log_group_put(stream->group);
    free(stream->name);
    free(stream);
}

void log_stream_begin(struct log_stream *stream, const char *request_id, struct log_tail *tail)
{
    end_line(stream);
    str_copy(stream->request_id, sizeof stream->request_id, request_id);
    stream->tail = tail;
}

void log_stream_end(struct log_stream *stream)
{
    end_line(stream);
    say_dropped(stream);
    stream->request_id[0] = '\0';
    stream->tail = NULL;
}

/* A piece of a line that fits no more: what is there becomes a line of its own. */
static void keep_rest(struct log_stream *stream, const char *data, size_t len)
{
    while (len > 0) {
        size_t room = LOG_LINE_BYTES_MAX - stream->rest.len;
        size_t n = len < room ? len : room;
        if (buf_append(&stream->rest, data, n) < 0) { /* no memory: the line is lost, the stream goes on */
            stream->dropped_lines++;
            stream->dropped_bytes += stream->rest.len + len;
            buf_free(&stream->rest);
            return;
        }
        data += n;
        len -= n;
        if (stream->rest.len == LOG_LINE_BYTES_MAX)
            end_line(stream);
    }
}

void log_stream_feed(struct log_stream *stream, const char *data, size_t len)
{
    stream->tokens -= (int64_t)len;
    while (len > 0) {
        const char *nl = memchr(data, '\n', len);
        size_t n = nl ? (size_t)(nl - data) : len;
        bool whole = nl && stream->rest.len == 0 && n <= LOG_LINE_BYTES_MAX;
        if (whole) {
            write_line(stream, data, n);
        } else {
            keep_rest(stream, data, n);
            if (nl)
                end_line(stream);
        }
        size_t used = nl ? n + 1 : n;
        data += used;
        len -= used;
    }
}

int64_t log_stream_pause_us(struct log_stream *stream)
{
    int64_t now = clock_mono_us();
    stream->tokens += (now - stream->tokens_us) * LOG_STREAM_RATE_BYTES_PER_S / 1000000;
    stream->tokens_us = now;
    if (stream->tokens > LOG_STREAM_BURST_BYTES)
        stream->tokens = LOG_STREAM_BURST_BYTES;
    return stream->tokens >= 0 ? 0 : -stream->tokens * 1000000 / LOG_STREAM_RATE_BYTES_PER_S + 1000;
}

void log_stream_platform(struct log_stream *stream, const char *request_id, const char *text, struct log_tail *tail)
{
    end_line(stream);
    if (tail) {
        log_tail_add(tail, text, strlen(text));
        log_tail_add(tail, "\n", 1);
    }
    write_record(stream, true, request_id, text, strlen(text));
}
