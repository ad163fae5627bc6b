/* Finds the control group hierarchies of this host and the directory in each that we may work in:
 *   - the unit that systemd (or an administrator) delegated to us, when we run in one
 *   - else, as root, directly below the mount's root
 * A version 1 controller is used where it is mounted, the v2 tree for everything that v1 does not have; on a
 * hybrid host that is the freezer, cgroup.kill and the CPU accounting, which need no controllers. */
#include "sandbox/cgroup/cgroup_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define MOUNTINFO_MAX (1u << 20)
#define LEAF_OF_DAEMON "/supervisor"

void cgroup_say_missing(struct cgroups *cgroups, const char *fmt, ...)
{
    char *out = cgroups->abilities.missing;
    size_t used = strlen(out), cap = sizeof cgroups->abilities.missing;
    va_list ap;
    if (used && used + 1 < cap)
        out[used++] = '\n';
    va_start(ap, fmt);
    vsnprintf(out + used, cap - used, fmt, ap);
    va_end(ap);
}

static bool has(const struct cgroup_hierarchy *h, const char *controller)
{
    char key[40];
    snprintf(key, sizeof key, ",%s,", controller);
    return strstr(h->controllers, key) != NULL;
}

/* Our path in one hierarchy, from a line "id:controllers:path" of /proc/self/cgroup; v2 has no controllers
 * there. */
static bool own_path(const struct cgroup_hierarchy *h, const char *self, char *ret_path)
{
    for (const char *line = self; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char list[256], path[CGROUP_PATH_MAX];
        list[0] = '\0';
        if (sscanf(line, "%*d:%255[^:\n]:%511[^\n]", list, path) != 2 && sscanf(line, "%*d::%511[^\n]", path) != 1)
            continue;
        char first[64];
        snprintf(first, sizeof first, ",%.*s,", (int)(strcspn(list, ",") < 60 ? strcspn(list, ",") : 60), list);
        if (h->kind->version == 2 ? list[0] == '\0' : list[0] && strstr(h->controllers, first))
            return str_copy(ret_path, CGROUP_PATH_MAX, path);
    }
    return false;
}

/* Where we may work: fills h->base, or says why not. root is the mount's own root within the hierarchy. */
static bool choose_base(struct cgroups *cgroups, struct cgroup_hierarchy *h, const char *root, const char *self)
{
    char path[CGROUP_PATH_MAX], own[2 * CGROUP_PATH_MAX];
    if (own_path(h, self, path)) {
        size_t skip = str_eq(root, "/") ? 0 : strlen(root);
        bool below = strncmp(path, root, skip) == 0 && (path[skip] == '\0' || path[skip] == '/');
        snprintf(own, sizeof own, "%s%s", h->mount, below && !str_eq(path + skip, "/") ? path + skip : "");
        char above[sizeof own];
        snprintf(above, sizeof above, "%s", own);
        if (below && str_ends(above, LEAF_OF_DAEMON)) { /* an earlier call moved us there */
            above[strlen(above) - strlen(LEAF_OF_DAEMON)] = '\0';
            if (cgroup_v2_is_delegated(above))
                return str_copy(h->base, sizeof h->base, above);
        }
        if (below && cgroup_v2_is_delegated(own) && str_copy(h->base, sizeof h->base, own))
            return true;
    }
    if (geteuid() == 0 && access(h->mount, W_OK) == 0)
        return str_copy(h->base, sizeof h->base, h->mount);
    if (h->kind->version == 2)
        cgroup_say_missing(cgroups, "The control group of this process is not delegated to it: start it as a system service with "
                                    "Delegate=yes or by `systemd-run --user --scope -p Delegate=yes` (after `su` there is no user "
                                    "manager: log in properly, or `loginctl enable-linger USER`).");
    return false;
}

/* Makes our directory below base and opens both. */
static bool open_root(struct cgroups *cgroups, struct cgroup_hierarchy *h)
{
    h->base_fd = open(h->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (h->base_fd >= 0 && (mkdirat(h->base_fd, cgroups->name, 0755) == 0 || errno == EEXIST))
        h->root_fd = openat(h->base_fd, cgroups->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (h->root_fd >= 0)
        return true;
    cgroup_say_missing(cgroups, "No control group can be made in %s: %s.", h->base, strerror(errno));
    fd_closep(&h->base_fd);
    return false;
}

static bool is_wanted(const struct cgroup_hierarchy *h)
{
    return h->kind->version == 2 || has(h, "cpu") || has(h, "cpuacct") || has(h, "memory") || has(h, "pids") || has(h, "freezer");
}

static void add_mount(struct cgroups *cgroups, char *line, const char *self)
{
    char root[CGROUP_PATH_MAX], type[32], super[256];
    struct cgroup_hierarchy h = {.base_fd = -1, .root_fd = -1};
    const char *tail = strstr(line, " - ");
    if (!tail || sscanf(line, "%*d %*d %*s %511s %511s", root, h.mount) != 2 || sscanf(tail, " - %31s %*s %255s", type, super) != 2 ||
        cgroups->count == CGROUP_HIERARCHIES_MAX)
        return;
    if (str_eq(type, "cgroup2")) {
        char text[CGROUP_TEXT_MAX];
        struct err err;
        h.kind = &cgroup_kind_v2;
        if (cgroups->unified || !choose_base(cgroups, &h, root, self) || !open_root(cgroups, &h))
            return;
        if (cgroup_read(h.base_fd, NULL, "cgroup.controllers", text, &err) == 0)
            snprintf(h.controllers, sizeof h.controllers, ",%.250s", text);
        for (char *p = h.controllers; *p; p++)
            if (*p == ' ' || *p == '\n')
                *p = ',';
    } else if (str_eq(type, "cgroup")) {
        h.kind = &cgroup_kind_v1;
        snprintf(h.controllers, sizeof h.controllers, ",%.250s,", super);
        if (!is_wanted(&h))
            return;
        for (size_t i = 0; i < cgroups->count; i++) /* mounted twice */
            if (str_eq(cgroups->hierarchies[i].controllers, h.controllers))
                return;
        if (!choose_base(cgroups, &h, root, self) || !open_root(cgroups, &h))
            return;
    } else {
        return;
    }
    cgroups->hierarchies[cgroups->count++] = h;
    if (h.kind->version == 2)
        cgroups->unified = &cgroups->hierarchies[cgroups->count - 1];
}

/* Who does what: a v1 controller where there is one, since v2 cannot have it then. */
static void share_duties(struct cgroups *cgroups)
{
    static const char *const controllers[CGROUP_DUTIES] = {"cpu", "cpuacct", "memory", "pids", "freezer"};
    unsigned mask = 0;
    for (size_t i = 0; i < cgroups->count; i++)
        if (cgroups->hierarchies[i].kind->version == 2)
            cgroup_v2_enable(&cgroups->hierarchies[i], cgroups, &mask);
    for (unsigned duty = 0; duty < CGROUP_DUTIES; duty++) {
        for (size_t i = 0; i < cgroups->count; i++)
            if (cgroups->hierarchies[i].kind->version == 1 && has(&cgroups->hierarchies[i], controllers[duty]))
                cgroups->duty[duty] = &cgroups->hierarchies[i];
        if (!cgroups->duty[duty] && (mask & (1u << duty)))
            cgroups->duty[duty] = cgroups->unified;
    }
    const struct cgroup_hierarchy *unified = cgroups->unified;
    if (unified && faccessat(unified->root_fd, "cgroup.freeze", F_OK, 0) == 0)
        cgroups->duty[CGROUP_FREEZER] = unified;
    if (unified && faccessat(unified->root_fd, "cpu.stat", F_OK, 0) == 0)
        cgroups->duty[CGROUP_CPU_USE] = unified;
}

/* A hierarchy without a duty only costs: each leaf is made in each. */
static void drop_idle(struct cgroups *cgroups)
{
    for (size_t i = 0; i < cgroups->count; i++) {
        struct cgroup_hierarchy *h = &cgroups->hierarchies[i];
        bool idle = h != cgroups->unified;
        for (unsigned duty = 0; duty < CGROUP_DUTIES; duty++)
            idle = idle && cgroups->duty[duty] != h;
        if (!idle)
            continue;
        unlinkat(h->base_fd, cgroups->name, AT_REMOVEDIR);
        fd_closep(&h->base_fd);
        fd_closep(&h->root_fd);
        struct cgroup_hierarchy *last = &cgroups->hierarchies[--cgroups->count];
        for (unsigned duty = 0; duty < CGROUP_DUTIES; duty++)
            if (cgroups->duty[duty] == last)
                cgroups->duty[duty] = h;
        if (cgroups->unified == last)
            cgroups->unified = h;
        *h = *last;
        i--;
    }
}

static void choose_threaded(struct cgroups *cgroups)
{
    const struct cgroup_hierarchy *const *duty = cgroups->duty;
    for (size_t i = 0; i < cgroups->count; i++) {
        struct cgroup_hierarchy *h = &cgroups->hierarchies[i];
        h->threaded = h == cgroups->unified && duty[CGROUP_CPU] != h && duty[CGROUP_MEMORY] != h && duty[CGROUP_PIDS] != h;
    }
}

/* A number that is all that a file of /proc holds; 0 when it cannot be read. */
static uint64_t read_number(const char *path)
{
    CLEANUP(freep) char *text = NULL;
    struct err err;
    return fd_read_file(AT_FDCWD, path, 64, &text, NULL, &err) < 0 ? 0 : strtoull(text, NULL, 10);
}

/* Each room has a bound of its own; enough rooms that use it up would leave the host without a process number. So all of them
 * together have one as well, which leaves the host its share. */
static void bound_tasks(struct cgroups *cgroups)
{
    const struct cgroup_hierarchy *h = cgroups->duty[CGROUP_PIDS];
    uint64_t threads = read_number("/proc/sys/kernel/threads-max"), pids = read_number("/proc/sys/kernel/pid_max");
    uint64_t bound = (threads < pids ? threads : pids) / 4 * 3;
    char text[CGROUP_TEXT_MAX];
    struct err err;
    if (!h || bound == 0 || cgroup_read(h->root_fd, NULL, "pids.max", text, &err) < 0)
        return;
    if (!str_starts(text, "max") && strtoull(text, NULL, 10) <= bound)
        return;
    snprintf(text, sizeof text, "%" PRIu64, bound);
    if (cgroup_write(h->root_fd, NULL, "pids.max", text, &err) < 0)
        cgroup_say_missing(cgroups, "The processes of all functions together cannot be bounded (%s): set TasksMax= of stoked's unit.",
                           err.msg);
}

static void fill_abilities(struct cgroups *cgroups)
{
    struct cgroup_abilities *a = &cgroups->abilities;
    static const struct {
        const char *what, *needs;
    } lost[CGROUP_DUTIES] = {
        [CGROUP_CPU] = {"cpu controller: functions share the CPU without limits", "CONFIG_CFS_BANDWIDTH"},
        [CGROUP_CPU_USE] = {"CPU accounting", "CONFIG_CGROUP_CPUACCT or cgroup2 mounted"},
        [CGROUP_MEMORY] = {"memory controller: a function's memory limit is not enforced",
                           "CONFIG_MEMCG and without cgroup_disable=memory"},
        [CGROUP_PIDS] = {"pids controller: processes are bounded per user only", "CONFIG_CGROUP_PIDS"},
        [CGROUP_FREEZER] = {"freezer: what a function leaves running goes on between its invocations",
                            "CONFIG_CGROUP_FREEZER, or cgroup2 of Linux 5.2"},
    };
    a->cpu = cgroups->duty[CGROUP_CPU] != NULL;
    a->memory = cgroups->duty[CGROUP_MEMORY] != NULL;
    a->pids = cgroups->duty[CGROUP_PIDS] != NULL;
    a->freezer = cgroups->duty[CGROUP_FREEZER] != NULL;
    for (size_t i = 0; i < cgroups->count; i++)
        if (cgroups->hierarchies[i].kind->version == 1)
            a->version = 1;
    if (!a->version && cgroups->count)
        a->version = 2;
    for (unsigned duty = 0; duty < CGROUP_DUTIES; duty++)
        if (!cgroups->duty[duty])
            cgroup_say_missing(cgroups,
                               "There is no usable %s. It takes a kernel with %s, and stoked as root or in a unit with Delegate=yes.",
                               lost[duty].what, lost[duty].needs);
}

void cgroup_find(struct cgroups *cgroups)
{
    CLEANUP(freep) char *mounts = NULL;
    CLEANUP(freep) char *self = NULL;
    struct err err;
    if (fd_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mounts, NULL, &err) < 0 ||
        fd_read_file(AT_FDCWD, "/proc/self/cgroup", MOUNTINFO_MAX, &self, NULL, &err) < 0) {
        cgroup_say_missing(cgroups, "The control groups cannot be found: %s.", err.msg);
        return;
    }
    char *rest;
    for (char *line = strtok_r(mounts, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        add_mount(cgroups, line, self);
    share_duties(cgroups);
    drop_idle(cgroups);
    choose_threaded(cgroups);
    bound_tasks(cgroups);
    fill_abilities(cgroups);
}
