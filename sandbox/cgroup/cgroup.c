/* Control groups for rooms: making, filling, limiting, freezing, killing and removing a leaf in every
 * hierarchy in use. Which those are is decided in cgroup_find.c; what v1 and v2 spell differently is in
 * cgroup_v1.c and cgroup_v2.c. */
#include "sandbox/cgroup/cgroup_impl.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define SWEEP_US_MAX (5 * 1000000) /* how long a sweep waits for tasks to end, all leaves together */
#define KILL_ROUNDS_MAX 8          /* without cgroup.kill: processes may fork while we read the list */
#define DEPTH_MAX 8
#define PROCS_BYTES_MAX (4u << 20) /* a list of processes */

struct cgroup {
    struct cgroups *owner;
    char leaf[CGROUP_NAME_MAX];
    struct cgroup_limits limits; /* as last written */
    bool limited;
    bool removed[CGROUP_HIERARCHIES_MAX];
    int procs[CGROUP_HIERARCHIES_MAX]; /* -1 until asked for */
    int oom_fd;
};

/* ---- files */

int cgroup_open_file(int dirfd, const char *leaf, const char *file, int flags)
{
    char path[CGROUP_PATH_MAX];
    if (snprintf(path, sizeof path, "%s%s%s", leaf ? leaf : "", leaf ? "/" : "", file) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return openat(dirfd, path, flags | O_CLOEXEC);
}

int cgroup_write(int dirfd, const char *leaf, const char *file, const char *text, struct err *err)
{
    CLEANUP(fd_closep) int fd = cgroup_open_file(dirfd, leaf, file, O_WRONLY);
    if (fd < 0)
        return err_errno(err, "opening %s/%s", leaf ? leaf : ".", file);
    if (write(fd, text, strlen(text)) < 0)
        return err_errno(err, "writing \"%s\" to %s/%s", text, leaf ? leaf : ".", file);
    return 0;
}

int cgroup_read(int dirfd, const char *leaf, const char *file, char text[CGROUP_TEXT_MAX], struct err *err)
{
    CLEANUP(fd_closep) int fd = cgroup_open_file(dirfd, leaf, file, O_RDONLY);
    if (fd < 0)
        return err_errno(err, "opening %s/%s", leaf ? leaf : ".", file);
    size_t len = 0;
    ssize_t n;
    while (len < CGROUP_TEXT_MAX - 1 && (n = read(fd, text + len, CGROUP_TEXT_MAX - 1 - len)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "reading %s/%s", leaf ? leaf : ".", file);
        len += (size_t)n;
    }
    text[len] = '\0';
    return 0;
}

bool cgroup_field(const char *text, const char *key, uint64_t *ret)
{
    size_t len = strlen(key);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, key, len) == 0 && line[len] == ' ') {
            *ret = strtoull(line + len + 1, NULL, 10);
            return true;
        }
    return false;
}

int cgroup_use_memory(const struct cgroup_hierarchy *h, const char *leaf, const char *used_file, const char *oom_file,
                      struct cgroup_usage *usage, struct err *err)
{
    char text[CGROUP_TEXT_MAX];
    if (cgroup_read(h->root_fd, leaf, used_file, text, err) < 0)
        return -(int)err->kind;
    uint64_t used = strtoull(text, NULL, 10), active = 0, inactive = 0, kills = 0;
    if (cgroup_read(h->root_fd, leaf, "memory.stat", text, err) < 0)
        return -(int)err->kind;
    cgroup_field(text, "active_file", &active);
    cgroup_field(text, "inactive_file", &inactive);
    if (cgroup_read(h->root_fd, leaf, oom_file, text, err) < 0)
        return -(int)err->kind;
    cgroup_field(text, "oom_kill", &kills);
    usage->memory_bytes = used > active + inactive ? used - active - inactive : 0;
    usage->oom_kills = (uint32_t)kills;
    return 0;
}

/* ---- all groups of a daemon */

static bool is_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) < CGROUP_NAME_MAX;
}

int cgroup_open(const char *name, struct cgroups **ret_cgroups, struct err *err)
{
    if (!is_name(name))
        return err_set(err, ERR_INVALID, "\"%s\" is no name for a control group", name);
    struct cgroups *cgroups = calloc(1, sizeof *cgroups);
    if (!cgroups)
        return err_set(err, ERR_NO_MEMORY, "no memory for the control groups");
    str_copy(cgroups->name, sizeof cgroups->name, name);
    cgroup_find(cgroups);
    *ret_cgroups = cgroups;
    return 0;
}

void cgroup_close(struct cgroups *cgroups)
{
    if (!cgroups)
        return;
    for (size_t i = 0; i < cgroups->count; i++) {
        fd_closep(&cgroups->hierarchies[i].base_fd);
        fd_closep(&cgroups->hierarchies[i].root_fd);
    }
    free(cgroups);
}

int cgroup_lock(const struct cgroups *cgroups, struct err *err)
{
    for (size_t i = 0; i < cgroups->count; i++) {
        const struct cgroup_hierarchy *h = &cgroups->hierarchies[i];
        struct stat locked, named;
        if (flock(h->root_fd, LOCK_EX | LOCK_NB) < 0)
            return errno == EWOULDBLOCK ? err_set(err, ERR_CONFLICT, "another daemon uses the control group %s/%s", h->base, cgroups->name)
                                        : err_errno(err, "locking the control group %s/%s", h->base, cgroups->name);
        if (fstat(h->root_fd, &locked) < 0 || fstatat(h->base_fd, cgroups->name, &named, 0) < 0 || locked.st_ino != named.st_ino)
            return err_set(err, ERR_CONFLICT, "another daemon is removing the control group %s/%s", h->base, cgroups->name);
    }
    return 0;
}

const struct cgroup_abilities *cgroup_abilities(const struct cgroups *cgroups)
{
    return &cgroups->abilities;
}

int cgroup_unified_fd(const struct cgroups *cgroups)
{
    return cgroups->unified ? cgroups->unified->root_fd : -1;
}

/* ---- killing */

static void kill_listed(const struct cgroup_hierarchy *h, const char *leaf, size_t *ret_killed)
{
    CLEANUP(freep) char *text = NULL;
    char path[CGROUP_PATH_MAX], *rest;
    struct err err;
    *ret_killed = 0;
    snprintf(path, sizeof path, "%s/cgroup.procs", leaf);
    if (fd_read_file(h->root_fd, path, PROCS_BYTES_MAX, &text, NULL, &err) < 0)
        return;
    for (char *word = strtok_r(text, "\n", &rest); word; word = strtok_r(NULL, "\n", &rest)) {
        pid_t pid = (pid_t)strtol(word, NULL, 10);
        if (pid > 0 && kill(pid, SIGKILL) == 0) /* 0: outside of our pid namespace */
            ++*ret_killed;
    }
}

/* The kernel kills a v2 group whole. Elsewhere the group is frozen, so that nobody forks between reading the
 * list and killing; a frozen task of v1 takes its SIGKILL when it is thawed. */
static void kill_leaf(const struct cgroups *cgroups, const char *leaf)
{
    struct err err;
    const struct cgroup_hierarchy *freezer = cgroups->duty[CGROUP_FREEZER];
    bool whole = cgroups->unified && cgroup_write(cgroups->unified->root_fd, leaf, "cgroup.kill", "1", &err) == 0;
    bool frozen = !whole && freezer && freezer->kind->freeze(freezer, leaf, true, &err) == 0;
    /* Processes may also sit in one hierarchy only, when their maker died in the middle. */
    for (size_t i = 0; i < cgroups->count; i++) {
        size_t killed = 1;
        if (whole && &cgroups->hierarchies[i] == cgroups->unified)
            continue;
        for (int round = 0; killed && round < (frozen || whole ? 1 : KILL_ROUNDS_MAX); round++)
            kill_listed(&cgroups->hierarchies[i], leaf, &killed);
    }
    if (freezer && freezer->kind->freeze(freezer, leaf, false, &err) < 0)
        return; /* it is gone already */
}

void cgroup_kill(struct cgroup *group)
{
    kill_leaf(group->owner, group->leaf);
}

/* ---- sweeping */

static bool remove_dir(int parent, const char *name, int64_t deadline_us)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    while (unlinkat(parent, name, AT_REMOVEDIR) < 0) {
        if (errno == ENOENT)
            return true;
        if (errno != EBUSY || clock_mono_us() > deadline_us)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* Groups below a leaf: nothing of ours makes them, a child of a delegated test might. prefix names the leaf
 * so far. */
static void sweep_below(struct cgroups *cgroups, const struct cgroup_hierarchy *h, const char *prefix, int depth, int64_t deadline_us)
{
    int fd = openat(h->root_fd, prefix ? prefix : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        fd_closep(&fd);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        char path[CGROUP_PATH_MAX - 64];
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s%s%s", prefix ? prefix : "", prefix ? "/" : "", entry->d_name) >= (int)sizeof path)
            continue;
        kill_leaf(cgroups, path);
        if (depth < DEPTH_MAX)
            sweep_below(cgroups, h, path, depth + 1, deadline_us);
        remove_dir(h->root_fd, path, deadline_us);
    }
    closedir(dir);
}

void cgroup_sweep(struct cgroups *cgroups, bool and_root)
{
    int64_t deadline_us = clock_mono_us() + SWEEP_US_MAX;
    for (size_t i = 0; i < cgroups->count; i++) {
        struct cgroup_hierarchy *h = &cgroups->hierarchies[i];
        sweep_below(cgroups, h, NULL, 0, deadline_us);
        if (and_root)
            remove_dir(h->base_fd, cgroups->name, deadline_us);
    }
}

/* ---- one leaf */

int cgroup_make(struct cgroups *cgroups, const char *leaf, struct cgroup **ret_group, struct err *err)
{
    if (!is_name(leaf))
        return err_set(err, ERR_INVALID, "\"%s\" is no name for a control group", leaf);
    struct cgroup *group = calloc(1, sizeof *group);
    if (!group)
        return err_set(err, ERR_NO_MEMORY, "no memory for a control group");
    group->owner = cgroups;
    group->oom_fd = -1;
    str_copy(group->leaf, sizeof group->leaf, leaf);
    for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++)
        group->procs[i] = -1;
    size_t made = 0;
    for (; made < cgroups->count; made++) {
        struct cgroup_hierarchy *h = &cgroups->hierarchies[made];
        if (mkdirat(h->root_fd, leaf, 0755) < 0) {
            err_errno(err, "making the control group %s in %s/%s", leaf, h->base, cgroups->name);
            goto undo;
        }
        struct err refused; /* by an old kernel: then joining takes its time */
        if (h->threaded && cgroup_write(h->root_fd, leaf, "cgroup.type", "threaded", &refused) < 0)
            h->threaded = false;
    }
    const struct cgroup_hierarchy *memory = cgroups->duty[CGROUP_MEMORY];
    if (memory && memory->kind->watch_oom(memory, leaf, &group->oom_fd, err) < 0)
        goto undo;
    *ret_group = group;
    return 0;
undo:
    while (made--)
        unlinkat(cgroups->hierarchies[made].root_fd, leaf, AT_REMOVEDIR);
    free(group);
    return -(int)err->kind;
}

int cgroup_attach_pid(struct cgroup *group, int pid, struct err *err)
{
    char text[16];
    snprintf(text, sizeof text, "%d", pid);
    for (size_t i = 0; i < group->owner->count; i++)
        if (cgroup_write(group->owner->hierarchies[i].root_fd, group->leaf, "cgroup.procs", text, err) < 0)
            return -(int)err->kind;
    return 0;
}

size_t cgroup_procs_fds(struct cgroup *group, bool and_unified, int *ret_fds)
{
    struct cgroups *cgroups = group->owner;
    size_t n = 0;
    for (size_t i = 0; i < cgroups->count; i++) {
        const struct cgroup_hierarchy *h = &cgroups->hierarchies[i];
        if (h == cgroups->unified && !and_unified)
            continue;
        const char *file = h->threaded ? "cgroup.threads" : h->kind->attach_file;
        if (group->procs[i] < 0)
            group->procs[i] = cgroup_open_file(h->root_fd, group->leaf, file, O_WRONLY);
        if (group->procs[i] < 0)
            return 0;
        ret_fds[n++] = group->procs[i];
    }
    return n;
}

int cgroup_unified_leaf(const struct cgroup *group)
{
    const struct cgroup_hierarchy *unified = group->owner->unified;
    return unified ? openat(unified->root_fd, group->leaf, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
}

void cgroup_procs_close(struct cgroup *group)
{
    for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++)
        fd_closep(&group->procs[i]);
}

int cgroup_limit(struct cgroup *group, const struct cgroup_limits *limits, struct err *err)
{
    const struct cgroup_hierarchy *const *duty = group->owner->duty;
    const struct cgroup_hierarchy *h;
    struct cgroup_limits *old = &group->limits;
    if ((h = duty[CGROUP_MEMORY]) && (!group->limited || limits->memory_bytes != old->memory_bytes) &&
        h->kind->limit_memory(h, group->leaf, limits->memory_bytes, err) < 0)
        return -(int)err->kind;
    old->memory_bytes = limits->memory_bytes;
    if ((h = duty[CGROUP_CPU]) && (!group->limited || limits->cpu_milli != old->cpu_milli) &&
        h->kind->limit_cpu(h, group->leaf, limits->cpu_milli, err) < 0)
        return -(int)err->kind;
    old->cpu_milli = limits->cpu_milli;
    if ((h = duty[CGROUP_PIDS]) && (!group->limited || limits->pids_max != old->pids_max)) {
        char text[16] = "max";
        if (limits->pids_max)
            snprintf(text, sizeof text, "%" PRIu32, limits->pids_max);
        if (cgroup_write(h->root_fd, group->leaf, "pids.max", text, err) < 0)
            return -(int)err->kind;
    }
    old->pids_max = limits->pids_max;
    group->limited = true;
    return 0;
}

int cgroup_freeze(struct cgroup *group, bool frozen, struct err *err)
{
    const struct cgroup_hierarchy *h = group->owner->duty[CGROUP_FREEZER];
    if (!h)
        return err_set(err, ERR_UNSUPPORTED, "this host has no usable freezer for control groups");
    return h->kind->freeze(h, group->leaf, frozen, err);
}

int cgroup_usage(struct cgroup *group, struct cgroup_usage *ret_usage, struct err *err)
{
    const struct cgroup_hierarchy *const *duty = group->owner->duty;
    const struct cgroup_hierarchy *h;
    struct cgroup_usage usage = {0};
    char text[CGROUP_TEXT_MAX];
    if (group->oom_fd >= 0)
        duty[CGROUP_MEMORY]->kind->acknowledge_oom(group->oom_fd);
    if ((h = duty[CGROUP_MEMORY]) && h->kind->use_memory(h, group->leaf, &usage, err) < 0)
        return -(int)err->kind;
    if ((h = duty[CGROUP_CPU_USE]) && h->kind->use_cpu(h, group->leaf, &usage, err) < 0)
        return -(int)err->kind;
    if ((h = duty[CGROUP_PIDS])) {
        if (cgroup_read(h->root_fd, group->leaf, "pids.current", text, err) < 0)
            return -(int)err->kind;
        usage.tasks = (uint32_t)strtoul(text, NULL, 10);
    }
    *ret_usage = usage;
    return 0;
}

uint64_t cgroup_unified_id(const struct cgroup *group)
{
    struct stat st; /* a cgroup's id is its inode number where that has 64 bits */
    const struct cgroup_hierarchy *unified = group->owner->unified;
    return unified && fstatat(unified->root_fd, group->leaf, &st, 0) == 0 ? st.st_ino : 0;
}

int cgroup_oom_fd(const struct cgroup *group, uint32_t *ret_events)
{
    if (group->oom_fd >= 0)
        *ret_events = group->owner->duty[CGROUP_MEMORY]->kind->oom_events;
    return group->oom_fd;
}

int cgroup_end_whole(struct cgroup *group, struct err *err)
{
    const struct cgroup_hierarchy *memory = group->owner->duty[CGROUP_MEMORY];
    return memory ? memory->kind->end_whole(memory, group->leaf, err) : 0;
}

int cgroup_destroy(struct cgroup *group, struct err *err)
{
    for (size_t i = 0; i < group->owner->count; i++) {
        if (group->removed[i])
            continue;
        if (unlinkat(group->owner->hierarchies[i].root_fd, group->leaf, AT_REMOVEDIR) < 0 && errno != ENOENT) {
            if (errno != EBUSY)
                return err_errno(err, "removing the control group %s", group->leaf);
            err_set(err, ERR_CONFLICT, "the control group %s still has tasks", group->leaf);
            err->code = EBUSY;
            return -ERR_CONFLICT;
        }
        group->removed[i] = true;
    }
    cgroup_procs_close(group);
    fd_closep(&group->oom_fd);
    free(group);
    return 0;
}
