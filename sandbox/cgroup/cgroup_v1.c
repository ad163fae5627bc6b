/* Control groups of version 1: how its controllers spell limits, usage, freezing and the out-of-memory
 * notice. The cpu controller's period is 20 ms, short enough that a function that used up its share waits
 * little. */
#include "sandbox/cgroup/cgroup_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/fd.h"

#define PERIOD_US 20000
#define QUOTA_US_MIN 1000 /* the kernel's own */
/* For shares below QUOTA_US_MIN in a normal period. Not longer: a running period ends before a change counts.
 */
#define LONG_PERIOD_US 100000
#define SHARES_PER_CPU 1024 /* so that all keep their proportion when together they want more than there is */
#define SHARES_MIN 2
#define SOCKET_SHARE 8 /* socket buffers are counted apart: an eighth of the memory, at least */
#define SOCKET_BYTES_MIN (16u << 20)

/* Writes a limit that this kernel may lack. */
static int write_optional(int dirfd, const char *leaf, const char *file, const char *text, struct err *err)
{
    struct err ignored;
    int rc = cgroup_write(dirfd, leaf, file, text, &ignored);
    if (rc < 0 && ignored.code != ENOENT && ignored.code != EOPNOTSUPP) {
        *err = ignored;
        return rc;
    }
    return 0;
}

static int limit_memory(const struct cgroup_hierarchy *h, const char *leaf, uint64_t bytes, struct err *err)
{
    char text[32] = "-1", sockets[32] = "-1";
    if (bytes) {
        uint64_t share = bytes / SOCKET_SHARE;
        snprintf(text, sizeof text, "%" PRIu64, bytes);
        snprintf(sockets, sizeof sockets, "%" PRIu64, share < SOCKET_BYTES_MIN ? SOCKET_BYTES_MIN : share);
    }
    /* memory <= memory + swap must hold at each step: when the limit falls memory goes first, when it rises
     * second. */
    struct err rising;
    if (cgroup_write(h->root_fd, leaf, "memory.limit_in_bytes", text, &rising) < 0) {
        if (rising.code != EINVAL) {
            *err = rising;
            return -(int)rising.kind;
        }
        if (cgroup_write(h->root_fd, leaf, "memory.memsw.limit_in_bytes", text, err) < 0 ||
            cgroup_write(h->root_fd, leaf, "memory.limit_in_bytes", text, err) < 0)
            return -(int)err->kind;
    } else if (write_optional(h->root_fd, leaf, "memory.memsw.limit_in_bytes", text, err) < 0) {
        return -(int)err->kind;
    }
    return write_optional(h->root_fd, leaf, "memory.kmem.tcp.limit_in_bytes", sockets, err);
}

static int limit_cpu(const struct cgroup_hierarchy *h, const char *leaf, uint32_t milli, struct err *err)
{
    char text[32] = "-1";
    uint64_t period = PERIOD_US;
    if (milli) {
        if ((uint64_t)milli * PERIOD_US / 1000 < QUOTA_US_MIN)
            period = LONG_PERIOD_US;
        uint64_t quota = (uint64_t)milli * period / 1000;
        snprintf(text, sizeof text, "%" PRIu64, quota < QUOTA_US_MIN ? QUOTA_US_MIN : quota);
    }
    /* A quota left from before may not fit the new period; none always does. */
    char number[32];
    snprintf(number, sizeof number, "%" PRIu64, period);
    if (period != PERIOD_US && cgroup_write(h->root_fd, leaf, "cpu.cfs_quota_us", "-1", err) < 0)
        return -(int)err->kind;
    if (cgroup_write(h->root_fd, leaf, "cpu.cfs_period_us", number, err) < 0 ||
        cgroup_write(h->root_fd, leaf, "cpu.cfs_quota_us", text, err) < 0)
        return -(int)err->kind;
    uint64_t shares = milli ? (uint64_t)milli * SHARES_PER_CPU / 1000 : SHARES_PER_CPU;
    snprintf(number, sizeof number, "%" PRIu64, shares < SHARES_MIN ? SHARES_MIN : shares);
    return cgroup_write(h->root_fd, leaf, "cpu.shares", number, err);
}

static int freeze(const struct cgroup_hierarchy *h, const char *leaf, bool frozen, struct err *err)
{
    return cgroup_write(h->root_fd, leaf, "freezer.state", frozen ? "FROZEN" : "THAWED", err);
}

static int use_memory(const struct cgroup_hierarchy *h, const char *leaf, struct cgroup_usage *usage, struct err *err)
{
    return cgroup_use_memory(h, leaf, "memory.usage_in_bytes", "memory.oom_control", usage, err);
}

static int use_cpu(const struct cgroup_hierarchy *h, const char *leaf, struct cgroup_usage *usage, struct err *err)
{
    char text[CGROUP_TEXT_MAX];
    if (cgroup_read(h->root_fd, leaf, "cpuacct.usage", text, err) < 0)
        return -(int)err->kind;
    usage->cpu_us = strtoull(text, NULL, 10) / 1000;
    return 0;
}

/* This version takes one task, whatever is asked for. */
static int end_whole(const struct cgroup_hierarchy *h, const char *leaf, struct err *err)
{
    (void)h;
    (void)leaf;
    (void)err;
    return 0;
}

static int watch_oom(const struct cgroup_hierarchy *h, const char *leaf, int *ret_fd, struct err *err)
{
    CLEANUP(fd_closep) int control = cgroup_open_file(h->root_fd, leaf, "memory.oom_control", O_RDONLY);
    CLEANUP(fd_closep) int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    char text[64];
    if (control < 0 || event < 0)
        return err_errno(err, "memory.oom_control of %s", leaf);
    snprintf(text, sizeof text, "%d %d", event, control);
    if (cgroup_write(h->root_fd, leaf, "cgroup.event_control", text, err) < 0)
        return -(int)err->kind;
    *ret_fd = fd_steal(&event);
    return 0;
}

static void acknowledge_oom(int fd)
{
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0)
        return; /* EAGAIN: nothing happened */
}

const struct cgroup_kind cgroup_kind_v1 = {
    .version = 1,
    /* "tasks" and "0" move one thread without the lock that stops every fork and exec of the host. */
    .attach_file = "tasks",
    .oom_events = POLLIN,
    .limit_memory = limit_memory,
    .limit_cpu = limit_cpu,
    .freeze = freeze,
    .use_memory = use_memory,
    .use_cpu = use_cpu,
    .watch_oom = watch_oom,
    .end_whole = end_whole,
    .acknowledge_oom = acknowledge_oom,
};
