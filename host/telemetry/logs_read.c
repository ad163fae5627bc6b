/* Reading stored logs back: both files are taken whole (they are bounded), the wanted records are found from the end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/telemetry/log_store.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

struct line {
    const char *p;
    size_t n;
};

struct wanted {
    struct line *lines; /* newest first */
    size_t count, cap, limit;
    int64_t since_us;
};

static int64_t line_time(const char *p, size_t n)
{
    int64_t t = 0;
    for (size_t i = 0; i < n && i < 18 && p[i] >= '0' && p[i] <= '9'; i++)
        t = t * 10 + (p[i] - '0');
    return t;
}

/* Collects from the end of data. Returns 1 when enough was found, 0 to go on with an older file, or an error. */
static int collect(struct wanted *w, const char *data, size_t len, struct err *err)
{
    while (len > 0) {
        size_t end = data[len - 1] == '\n' ? len - 1 : len;
        const char *prev = end > 0 ? memrchr(data, '\n', end) : NULL;
        size_t start = prev ? (size_t)(prev - data) + 1 : 0;
        if (w->count == w->limit)
            return 1;
        /* Not a stop: a report is written a moment after its time, so times are nearly, not strictly, in order. */
        if (line_time(data + start, end - start) >= w->since_us && end < len) {
            if (w->count == w->cap) {
                size_t cap = w->cap ? 2 * w->cap : 256;
                struct line *lines = reallocarray(w->lines, cap, sizeof *lines);
                if (!lines)
                    return err_set(err, ERR_NO_MEMORY, "no memory to read a log");
                w->lines = lines;
                w->cap = cap;
            }
            w->lines[w->count++] = (struct line){.p = data + start, .n = end - start};
        }
        len = start;
    }
    return 0;
}

/* Splits and unescapes one stored line; a line that was cut by a crash is skipped. */
static void deliver(const struct line *line, log_record_fn *fn, void *arg)
{
    CLEANUP(freep) char *copy = strndup(line->p, line->n);
    if (!copy)
        return;
    char *field[5], *at = copy;
    for (int i = 0; i < 4; i++) {
        field[i] = at;
        at = strchr(at, '\t');
        if (!at)
            return;
        *at++ = '\0';
    }
    /* The text may hold NUL bytes, which end strndup's copy: take it from the line itself. */
    size_t offset = (size_t)(at - copy), len = 0;
    CLEANUP(freep) char *text = malloc(line->n - offset + 1);
    if (!text)
        return;
    for (size_t i = offset; i < line->n; i++) {
        char c = line->p[i];
        if (c == '\\' && i + 1 < line->n)
            c = line->p[++i] == 'n' ? '\n' : line->p[i];
        text[len++] = c;
    }
    struct log_record record = {.time_us = line_time(field[0], strlen(field[0])),
                                .platform = field[1][0] == 'P',
                                .stream = field[2],
                                .request_id = str_eq(field[3], "-") ? "" : field[3],
                                .text = text,
                                .len = len};
    fn(arg, &record);
}

static int read_one(struct logs *logs, const char *path, const char *file, char **ret_data, size_t *ret_len, struct err *err)
{
    char name[512];
    snprintf(name, sizeof name, "%s/%s", path, file);
    size_t max = logs->file_bytes_max + LOG_STORE_PENDING_MAX;
    int rc = fd_read_file(logs->dirfd, name, max, ret_data, ret_len, err);
    return rc == -ERR_NOT_FOUND ? 0 : rc;
}

int logs_read(struct logs *logs, const struct log_name *name, int64_t since_us, size_t limit, log_record_fn *fn, void *arg,
              struct err *err)
{
    struct log_group *group;
    int rc = log_group_get(logs, name, &group, err);
    if (rc < 0)
        return rc;
    log_group_flush(group);
    CLEANUP(freep) char *current = NULL, *previous = NULL;
    size_t current_len = 0, previous_len = 0;
    struct wanted wanted = {.limit = limit, .since_us = since_us};
    rc = read_one(logs, group->path, LOG_STORE_CURRENT, &current, &current_len, err);
    if (rc == 0)
        rc = collect(&wanted, current, current_len, err);
    if (rc == 0)
        rc = read_one(logs, group->path, LOG_STORE_PREVIOUS, &previous, &previous_len, err);
    if (rc == 0)
        rc = collect(&wanted, previous, previous_len, err);
    for (size_t i = wanted.count; rc >= 0 && i > 0; i--)
        deliver(&wanted.lines[i - 1], fn, arg);
    free(wanted.lines);
    log_group_put(group);
    return rc < 0 ? rc : 0;
}
