/* The log store: names, buffering, rotation. Records are lines of tab-separated fields, text last with newline and backslash
 * escaped. A group's file is opened for each flush only, so that thousands of functions cost no descriptors; a flush is at
 * most every 50 ms a group. What cannot be written (a full disk) is dropped: logs never stop an invocation. */
#include "host/telemetry/logs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/telemetry/log_store.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/id.h"
#include "lib/base/jobs.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"
#include "lib/crypto/digest.h"

#define HELD_FILES_MAX 16 /* while the jobs have so much to do, the disk gets its blocks back at once */

static void on_flush_timer(void *arg);

int logs_new(const struct logs_options *options, struct logs **ret_logs, struct err *err)
{
    if (mkdir(options->dir, 0700) < 0 && errno != EEXIST)
        return err_errno(err, "making the log directory %s", options->dir);
    CLEANUP(fd_closep) int dirfd = open(options->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return err_errno(err, "opening the log directory %s", options->dir);
    struct logs *logs = calloc(1, sizeof *logs);
    if (!logs)
        return err_set(err, ERR_NO_MEMORY, "no memory for the log store");
    logs->loop = options->loop;
    logs->jobs = options->jobs;
    logs->dirfd = fd_steal(&dirfd);
    logs->file_bytes_max = options->file_bytes_max ? options->file_bytes_max : LOG_STORE_FILE_BYTES;
    logs->tokens = LOG_STORE_BURST_BYTES;
    logs->tokens_us = clock_mono_us();
    TAILQ_INIT(&logs->dirty);
    loop_timer_init(&logs->flush_timer, on_flush_timer, logs);
    *ret_logs = logs;
    return 0;
}

void logs_free(struct logs *logs)
{
    if (!logs)
        return;
    on_flush_timer(logs);
    loop_timer_cancel(logs->loop, &logs->flush_timer);
    struct log_group *group, *next;
    HASH_ITER(hh, logs->groups, group, next) {
        while (!TAILQ_EMPTY(&group->followers))
            logs_unfollow(TAILQ_FIRST(&group->followers));
    }
    close(logs->dirfd);
    free(logs);
}

/* ---- groups ---- */

static bool name_ok(const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    return n > 0 && n <= 140 && text[n] == '\0';
}

static bool key_ok(const char *key)
{
    return name_ok(*key == '=' ? key + 1 : key);
}

void log_group_key(const char *group, char out[LOG_GROUP_KEY_BYTES])
{
    static const char standard[] = "/aws/lambda/";
    unsigned char digest[SHA256_BYTES];
    if (str_starts(group, standard) && name_ok(group + strlen(standard))) {
        bool fits = str_copy(out, LOG_GROUP_KEY_BYTES, group + strlen(standard));
        assert(fits);
        return;
    }
    digest_sha256(group, strlen(group), digest);
    out[0] = '=';
    id_hex(digest, sizeof digest, out + 1);
}

int log_group_get(struct logs *logs, const struct log_name *name, struct log_group **ret_group, struct err *err)
{
    if (!name_ok(name->account) || !name_ok(name->region) || !key_ok(name->key))
        return err_set(err, ERR_INVALID, "no log of that name: %s/%s/%s", name->account, name->region, name->key);
    char *path = str_format("%s/%s/%s", name->account, name->region, name->key);
    struct log_group *group;
    HASH_FIND_STR(logs->groups, path, group);
    if (group) {
        free(path);
        group->refs++;
        *ret_group = group;
        return 0;
    }
    group = calloc(1, sizeof *group);
    if (!group) {
        free(path);
        return err_set(err, ERR_NO_MEMORY, "no memory for a log");
    }
    *group = (struct log_group){.logs = logs, .path = path, .refs = 1, .size = -1, .pending = BUF_INIT(LOG_STORE_PENDING_MAX)};
    TAILQ_INIT(&group->followers);
    HASH_ADD_KEYPTR(hh, logs->groups, group->path, strlen(group->path), group);
    *ret_group = group;
    return 0;
}

void log_group_put(struct log_group *group)
{
    if (--group->refs > 0)
        return;
    log_group_flush(group);
    HASH_DEL(group->logs->groups, group);
    buf_free(&group->pending);
    free(group->path);
    free(group);
}

int logs_follow(struct logs *logs, const struct log_name *name, log_record_fn *fn, void *arg, struct logs_follower **ret_follower,
                struct err *err)
{
    struct log_group *group;
    int rc = log_group_get(logs, name, &group, err);
    if (rc < 0)
        return rc;
    struct logs_follower *follower = calloc(1, sizeof *follower);
    if (!follower) {
        log_group_put(group);
        return err_set(err, ERR_NO_MEMORY, "no memory to follow a log");
    }
    *follower = (struct logs_follower){.group = group, .fn = fn, .arg = arg};
    TAILQ_INSERT_TAIL(&group->followers, follower, link);
    *ret_follower = follower;
    return 0;
}

void logs_unfollow(struct logs_follower *follower)
{
    if (!follower)
        return;
    TAILQ_REMOVE(&follower->group->followers, follower, link);
    log_group_put(follower->group);
    free(follower);
}

/* ---- writing ---- */

bool logs_admit(struct logs *logs, size_t bytes)
{
    int64_t now = clock_mono_us();
    logs->tokens += (now - logs->tokens_us) * LOG_STORE_RATE_BYTES_PER_S / 1000000;
    logs->tokens_us = now;
    if (logs->tokens > LOG_STORE_BURST_BYTES)
        logs->tokens = LOG_STORE_BURST_BYTES;
    if (logs->tokens < (int64_t)bytes)
        return false;
    logs->tokens -= (int64_t)bytes;
    return true;
}

static int append_escaped(struct buf *b, const char *text, size_t len)
{
    while (len > 0) {
        size_t n = 0;
        while (n < len && text[n] != '\n' && text[n] != '\\')
            n++;
        int rc = buf_append(b, text, n);
        if (rc == 0 && n < len)
            rc = buf_puts(b, text[n++] == '\n' ? "\\n" : "\\\\");
        if (rc < 0)
            return rc;
        text += n;
        len -= n;
    }
    return 0;
}

void log_group_write(struct log_group *group, const struct log_record *record)
{
    struct logs *logs = group->logs;
    struct logs_follower *follower, *next;
    for (follower = TAILQ_FIRST(&group->followers); follower; follower = next) {
        next = TAILQ_NEXT(follower, link); /* fn may unfollow itself */
        follower->fn(follower->arg, record);
    }
    struct buf *b = &group->pending;
    size_t before = b->len;
    int rc = buf_printf(b, "%lld\t%c\t%s\t%s\t", (long long)record->time_us, record->platform ? 'P' : 'F', record->stream,
                        record->request_id[0] ? record->request_id : "-");
    if (rc == 0)
        rc = append_escaped(b, record->text, record->len);
    if (rc == 0)
        rc = buf_putc(b, '\n');
    if (rc < 0) { /* cannot be: PENDING_MAX has room for the longest record, unless memory ran out */
        b->len = before;
        return;
    }
    if (!group->dirty) {
        group->dirty = true;
        TAILQ_INSERT_TAIL(&logs->dirty, group, dirty_link);
    }
    if (b->len >= LOG_STORE_FLUSH_BYTES)
        log_group_flush(group);
    else if (!loop_timer_is_set(&logs->flush_timer))
        loop_timer_set(logs->loop, &logs->flush_timer, clock_mono_us() + LOG_STORE_FLUSH_US);
}

static void on_flush_timer(void *arg)
{
    struct logs *logs = arg;
    while (!TAILQ_EMPTY(&logs->dirty))
        log_group_flush(TAILQ_FIRST(&logs->dirty));
}

static int make_dirs(const struct logs *logs, const char *path)
{
    char part[512];
    for (const char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
        size_t n = slash ? (size_t)(slash - path) : strlen(path);
        memcpy(part, path, n); /* three names of at most 140 bytes: see name_ok() */
        part[n] = '\0';
        if (mkdirat(logs->dirfd, part, 0700) < 0 && errno != EEXIST)
            return -1;
        if (!slash)
            return 0;
    }
}

static void close_work(void *arg)
{
    fd_closep(arg);
}

/* The current file becomes the previous one. The one that was is held until a background thread lets go of it: giving its blocks back can
 * take the disk milliseconds, and renaming would have the loop wait for that. */
static int rotate(struct log_group *group, const char *current)
{
    struct logs *logs = group->logs;
    char previous[512];
    snprintf(previous, sizeof previous, "%s/" LOG_STORE_PREVIOUS, group->path);
    int *held = malloc(sizeof *held);
    if (held != NULL)
        *held = openat(logs->dirfd, previous, O_PATH | O_NOFOLLOW | O_CLOEXEC); /* -1: there is none yet */
    int rc = renameat(logs->dirfd, current, logs->dirfd, previous) < 0 && errno != ENOENT ? -1 : 0;
    int saved = errno;
    if (held != NULL && *held >= 0 && logs->jobs != NULL && jobs_unfinished(logs->jobs) < HELD_FILES_MAX) {
        jobs_submit(logs->jobs, close_work, free, held);
    } else if (held != NULL) {
        fd_closep(held);
        free(held);
    }
    errno = saved;
    group->size = rc < 0 ? group->size : -1;
    return rc;
}

/* A full disk or a crash may leave half a line: what comes next must not become its end, and pass for a record of its writer's. */
static bool ends_torn(int fd, off_t size)
{
    char last;
    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int write_pending(struct log_group *group)
{
    struct logs *logs = group->logs;
    char current[512];
    snprintf(current, sizeof current, "%s/" LOG_STORE_CURRENT, group->path);
    if (group->size >= (int64_t)logs->file_bytes_max && rotate(group, current) < 0)
        return -1;
    const int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    CLEANUP(fd_closep) int fd = openat(logs->dirfd, current, flags, 0600);
    if (fd < 0 && errno == ENOENT && make_dirs(logs, group->path) == 0)
        fd = openat(logs->dirfd, current, flags, 0600);
    struct stat st;
    if (fd < 0 || (group->size < 0 && fstat(fd, &st) < 0))
        return -1;
    struct err err;
    bool torn = group->size < 0 && ends_torn(fd, st.st_size);
    if (group->size < 0)
        group->size = st.st_size;
    if ((torn && fd_write_all(fd, "\n", 1, &err) < 0) || fd_write_all(fd, group->pending.data, group->pending.len, &err) < 0) {
        errno = err.code;
        return -1;
    }
    group->size += (int64_t)group->pending.len;
    return 0;
}

void log_group_flush(struct log_group *group)
{
    struct logs *logs = group->logs;
    if (!group->dirty)
        return;
    bool failed = write_pending(group) < 0;
    if (failed && !logs->failing)
        log_error("logs.write_failed", "log=%s error=%s", group->path, strerror(errno));
    if (failed)
        group->size = -1;
    logs->failing = failed;
    buf_free(&group->pending); /* idle functions keep no buffer */
    group->dirty = false;
    TAILQ_REMOVE(&logs->dirty, group, dirty_link);
}
