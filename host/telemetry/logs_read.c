/* Reading stored logs back, from the end: as much of the two files as the wanted records take, for whoever follows a log asks often
 * and wants little. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/telemetry/log_store.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define TAIL_BYTES (128 * 1024)    /* what is read first, and four times as much each time it was not enough */
#define DISORDER_US (60 * 1000000) /* a report is written a moment after its time */

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
        int64_t time = line_time(data + start, end - start);
        if (time < w->since_us - DISORDER_US && end < len)
            return 1;
        if (time >= w->since_us && end < len) {
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

/* The last bytes of a file, at most, from the beginning of a line on. *ret_whole: there are no more before them. */
static int read_tail(int fd, size_t bytes, char **ret_data, size_t *ret_len, bool *ret_whole, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_errno(err, "reading a log");
    size_t size = (size_t)st.st_size, len = size < bytes ? size : bytes;
    CLEANUP(freep) char *data = malloc(len + 1);
    if (!data)
        return err_set(err, ERR_NO_MEMORY, "no memory to read a log");
    ssize_t n = pread(fd, data, len, (off_t)(size - len));
    if (n < 0)
        return err_errno(err, "reading a log");
    *ret_whole = len == size;
    const char *line = *ret_whole ? data : memchr(data, '\n', (size_t)n);
    size_t skip = line ? (size_t)(line - data) + !*ret_whole : (size_t)n; /* what it begins with is the end of a line */
    memmove(data, data + skip, (size_t)n - skip);
    *ret_len = (size_t)n - skip;
    *ret_data = STEAL(data);
    return 0;
}

/* Collects from one file; its text is kept in *ret_data for the lines to point to. Returns as collect() does. */
static int collect_file(const struct logs *logs, const char *path, const char *file, struct wanted *wanted, char **ret_data,
                        struct err *err)
{
    char name[512];
    size_t before = wanted->count, len = 0;
    bool whole = false;
    snprintf(name, sizeof name, "%s/%s", path, file);
    CLEANUP(fd_closep) int fd = openat(logs->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "reading %s", name);
    int rc = 0;
    for (size_t bytes = TAIL_BYTES; rc == 0 && !whole; bytes *= 4) {
        free(STEAL(*ret_data));
        wanted->count = before;
        rc = read_tail(fd, bytes, ret_data, &len, &whole, err);
        if (rc == 0)
            rc = collect(wanted, *ret_data, len, err);
    }
    return rc;
}

int logs_read(struct logs *logs, const struct log_name *name, const struct log_span *span, log_record_fn *fn, void *arg, struct err *err)
{
    struct log_group *group;
    int rc = log_group_get(logs, name, &group, err);
    if (rc < 0)
        return rc;
    log_group_flush(group);
    CLEANUP(freep) char *current = NULL;
    CLEANUP(freep) char *previous = NULL;
    struct wanted wanted = {.limit = span->first ? SIZE_MAX : span->limit, .since_us = span->since_us};
    rc = collect_file(logs, group->path, LOG_STORE_CURRENT, &wanted, &current, err);
    if (rc == 0)
        rc = collect_file(logs, group->path, LOG_STORE_PREVIOUS, &wanted, &previous, err);
    for (size_t i = 0; rc >= 0 && i < wanted.count && i < span->limit && !(span->enough && span->enough(arg)); i++)
        deliver(&wanted.lines[wanted.count - 1 - i], fn, arg);
    free(wanted.lines);
    log_group_put(group);
    return rc < 0 ? rc : 0;
}
