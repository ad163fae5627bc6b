/* Control groups of version 2: how it spells limits, usage, freezing and the out-of-memory notice, and
 * delegation: controllers are handed down by each parent's subtree_control, which the kernel refuses while
 * processes sit in that parent itself. */
#include "sandbox/cgroup/cgroup_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define PERIOD_US 20000
#define QUOTA_US_MIN 1000 /* the kernel's own */
/* For shares below QUOTA_US_MIN in a normal period. Not longer: a running period ends before a change counts.
 */
#define LONG_PERIOD_US 100000
#define WEIGHT_PER_CPU 100     /* so that all keep their proportion when together they want more than there is */
#define EMPTYING_ROUNDS_MAX 20 /* processes may fork while we move them */

static int limit_memory(const struct cgroup_hierarchy *h, const char *leaf, uint64_t bytes, struct err *err)
{
    char text[32] = "max";
    if (bytes)
        snprintf(text, sizeof text, "%" PRIu64, bytes);
    if (cgroup_write(h->root_fd, leaf, "memory.max", text, err) < 0)
        return -(int)err->kind;
    struct err swap; /* a kernel without swap accounting has no such file */
    if (cgroup_write(h->root_fd, leaf, "memory.swap.max", bytes ? "0" : "max", &swap) < 0 && swap.code != ENOENT) {
        *err = swap;
        return -(int)swap.kind;
    }
    return 0;
}

static int limit_cpu(const struct cgroup_hierarchy *h, const char *leaf, uint32_t milli, struct err *err)
{
    char text[64] = "max 100000";
    if (milli) {
        uint64_t period = (uint64_t)milli * PERIOD_US / 1000 < QUOTA_US_MIN ? LONG_PERIOD_US : PERIOD_US;
        uint64_t quota = (uint64_t)milli * period / 1000;
        snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64, quota < QUOTA_US_MIN ? QUOTA_US_MIN : quota, period);
    }
    if (cgroup_write(h->root_fd, leaf, "cpu.max", text, err) < 0)
        return -(int)err->kind;
    uint64_t weight = milli ? (uint64_t)milli * WEIGHT_PER_CPU / 1000 : WEIGHT_PER_CPU;
    snprintf(text, sizeof text, "%" PRIu64, weight < 1 ? 1 : weight);
    return cgroup_write(h->root_fd, leaf, "cpu.weight", text, err);
}

static int freeze(const struct cgroup_hierarchy *h, const char *leaf, bool frozen, struct err *err)
{
    return cgroup_write(h->root_fd, leaf, "cgroup.freeze", frozen ? "1" : "0", err);
}

static int use_memory(const struct cgroup_hierarchy *h, const char *leaf, struct cgroup_usage *usage, struct err *err)
{
    return cgroup_use_memory(h, leaf, "memory.current", "memory.events", usage, err);
}

static int use_cpu(const struct cgroup_hierarchy *h, const char *leaf, struct cgroup_usage *usage, struct err *err)
{
    char text[CGROUP_TEXT_MAX];
    if (cgroup_read(h->root_fd, leaf, "cpu.stat", text, err) < 0)
        return -(int)err->kind;
    cgroup_field(text, "usage_usec", &usage->cpu_us);
    return 0;
}

/* A control file polls as changed until it is read from its start. */
static void acknowledge_oom(int fd)
{
    char text[512];
    if (pread(fd, text, sizeof text, 0) < 0)
        return; /* the group is gone */
}

static int watch_oom(const struct cgroup_hierarchy *h, const char *leaf, int *ret_fd, struct err *err)
{
    int fd = cgroup_open_file(h->root_fd, leaf, "memory.events", O_RDONLY);
    if (fd < 0)
        return err_errno(err, "memory.events of %s", leaf);
    acknowledge_oom(fd);
    *ret_fd = fd;
    return 0;
}

static int end_whole(const struct cgroup_hierarchy *h, const char *leaf, struct err *err)
{
    struct err refused; /* the file came with Linux 4.19 */
    if (cgroup_write(h->root_fd, leaf, "memory.oom.group", "1", &refused) < 0 && refused.code != ENOENT) {
        *err = refused;
        return -(int)refused.kind;
    }
    return 0;
}

const struct cgroup_kind cgroup_kind_v2 = {
    .version = 2,
    .attach_file = "cgroup.procs",
    .oom_events = POLLPRI,
    .limit_memory = limit_memory,
    .limit_cpu = limit_cpu,
    .freeze = freeze,
    .use_memory = use_memory,
    .use_cpu = use_cpu,
    .watch_oom = watch_oom,
    .end_whole = end_whole,
    .acknowledge_oom = acknowledge_oom,
};

/* Root of the host, to whom every directory belongs; root of a user namespace is a user like others here. */
static bool is_host_root(void)
{
    FILE *file = fopen("/proc/self/uid_map", "re");
    unsigned inner = 1, outer = 1, count = 0;
    bool known = file && fscanf(file, "%u %u %u", &inner, &outer, &count) == 3;
    if (file)
        fclose(file);
    return geteuid() == 0 && (!known || (inner == 0 && outer == 0 && count == UINT32_MAX));
}

bool cgroup_v2_is_delegated(const char *dir)
{
    char value[8];
    ssize_t n = getxattr(dir, "user.delegate", value, sizeof value);
    if (n < 0)
        n = getxattr(dir, "trusted.delegate", value, sizeof value);
    if (n > 0)
        return value[0] == '1';
    /* No mark: systemd before 254 marks no units of a user's manager, and an administrator may have given the
     * directory away without systemd. The manager's own directories are left alone. */
    struct stat st;
    const char *name = strrchr(dir, '/');
    return !is_host_root() && name && !str_starts(name, "/user@") && !str_eq(name, "/init.scope") && stat(dir, &st) == 0 &&
           st.st_uid == geteuid() && access(dir, W_OK) == 0;
}

/* Moves every process that sits in base itself (the daemon, a wrapper shell, we) to a leaf beside our own
 * directory. This must come first: with processes inside, handing down cpu alone would succeed and make base
 * a threaded domain, in which nothing else works. */
static void empty_base(const struct cgroup_hierarchy *h)
{
    for (int round = 0; round < EMPTYING_ROUNDS_MAX; round++) {
        char text[CGROUP_TEXT_MAX], *rest, *pid;
        struct err err;
        if (cgroup_read(h->base_fd, NULL, "cgroup.procs", text, &err) < 0 || text[0] == '\0')
            return;
        if (mkdirat(h->base_fd, "supervisor", 0755) < 0 && errno != EEXIST)
            return;
        for (pid = strtok_r(text, "\n", &rest); pid; pid = strtok_r(NULL, "\n", &rest))
            /* "0" is a process outside of our pid namespace; as a target it would mean ourselves. */
            if (strcmp(pid, "0") != 0 && cgroup_write(h->base_fd, "supervisor", "cgroup.procs", pid, &err) < 0)
                continue; /* it ended, or is not ours: subtree_control will say */
    }
}

static bool hand_down(int dirfd, const char *controller, struct err *err)
{
    char text[32];
    snprintf(text, sizeof text, "+%s", controller);
    return cgroup_write(dirfd, NULL, "cgroup.subtree_control", text, err) == 0;
}

void cgroup_v2_enable(struct cgroup_hierarchy *h, struct cgroups *cgroups, unsigned *ret_mask)
{
    static const struct {
        const char *name;
        enum cgroup_duty duty;
    } wanted[] = {{"memory", CGROUP_MEMORY}, {"cpu", CGROUP_CPU}, {"pids", CGROUP_PIDS}};
    unsigned mask = 0;
    if (faccessat(h->base_fd, "cgroup.type", F_OK, 0) == 0) /* not the tree's real root, which may hold processes */
        empty_base(h);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        char key[40];
        struct err err;
        snprintf(key, sizeof key, ",%s,", wanted[i].name);
        if (!strstr(h->controllers, key))
            continue;
        if (hand_down(h->base_fd, wanted[i].name, &err) && hand_down(h->root_fd, wanted[i].name, &err))
            mask |= 1u << wanted[i].duty;
        else
            cgroup_say_missing(cgroups, "The %s controller cannot be handed down below %s: %s.", wanted[i].name, h->base, err.msg);
    }
    *ret_mask = mask;
}
