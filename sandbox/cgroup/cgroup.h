/* Control groups for rooms, the only place that knows which kind the host has: v2 with delegated controllers,
 * v1, or hybrid (v1 controllers with the v2 freezer). Spawner and monitor only, one thread.
 *
 *     cgroup_open(root_name, &cgroups, &err);           // detects, makes ROOT_NAME below what we may use, bounds its tasks
 *     cgroup_make(cgroups, "r7", &group, &err);         // one leaf in every hierarchy in use
 *     cgroup_attach_pid(group, pid, &err); cgroup_limit(group, &limits, &err); ...
 *     cgroup_destroy(group);                            // after its tasks are gone
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define CGROUP_HIERARCHIES_MAX 6

struct cgroups;
struct cgroup;

struct cgroup_abilities {
    int version; /* 1, 2; 0: none usable */
    bool cpu, memory, pids, freezer;
    char missing[1536]; /* plain sentences, one a line: what is missing and how to get it */
};

struct cgroup_limits {
    uint64_t memory_bytes; /* no swap beyond it, and kernel socket buffers counted; 0: unlimited */
    uint32_t cpu_milli;    /* 0: unlimited */
    uint32_t pids_max;     /* 0: unlimited */
};

struct cgroup_usage {
    uint64_t memory_bytes; /* without file cache */
    uint64_t cpu_us;
    uint32_t oom_kills, tasks;
};

int cgroup_open(const char *name, struct cgroups **ret_cgroups, struct err *err) WARN_UNUSED;
void cgroup_close(struct cgroups *cgroups);
/* Ours alone from here on, until no process has its descriptors any more. ERR_CONFLICT: another daemon has them, or has just
 * removed them: open them anew and try again. */
int cgroup_lock(const struct cgroups *cgroups, struct err *err) WARN_UNUSED;
const struct cgroup_abilities *cgroup_abilities(const struct cgroups *cgroups);
/* Our directory in the v2 tree, the parent of all leaves there, for BPF programs; borrowed, -1 where there is
 * no v2 tree. */
int cgroup_unified_fd(const struct cgroups *cgroups);
/* Kills and removes every leaf below our root that a dead daemon or spawner left, then (last) the root if
 * asked. */
void cgroup_sweep(struct cgroups *cgroups, bool and_root);

int cgroup_make(struct cgroups *cgroups, const char *leaf, struct cgroup **ret_group, struct err *err) WARN_UNUSED;
int cgroup_attach_pid(struct cgroup *group, int pid, struct err *err) WARN_UNUSED;
/* Open cgroup.procs (v1: tasks of each hierarchy) descriptors for a process that will attach itself by
 * writing "0"; borrowed, valid until destroy or cgroup_procs_close. Returns how many (<=
 * CGROUP_HIERARCHIES_MAX); 0 also when they cannot be opened. */
size_t cgroup_procs_fds(struct cgroup *group, bool and_unified, int *ret_fds);
/* The leaf in the v2 tree, for CLONE_INTO_CGROUP: whoever is born there need not join it (and_unified false). Owned by the
 * caller; -1 where there is no v2 tree. */
int cgroup_unified_leaf(const struct cgroup *group);
/* Closes those descriptors early: an idle room shall cost few. They open again when asked for. */
void cgroup_procs_close(struct cgroup *group);
int cgroup_limit(struct cgroup *group, const struct cgroup_limits *limits, struct err *err) WARN_UNUSED;
/* Returns before all tasks stand still: each stops when it leaves the kernel. */
int cgroup_freeze(struct cgroup *group, bool frozen, struct err *err) WARN_UNUSED;
/* SIGKILL to all tasks, frozen ones too (thaws). */
void cgroup_kill(struct cgroup *group);
/* Also acknowledges the OOM descriptor. */
int cgroup_usage(struct cgroup *group, struct cgroup_usage *ret_usage, struct err *err) WARN_UNUSED;
/* The leaf's id in the v2 tree, as BPF programs know it; 0 where there is no v2 tree. */
uint64_t cgroup_unified_id(const struct cgroup *group);
/* A descriptor that signals OOM, borrowed; -1 if there is none. *ret_events is the one event to wait for, since
 * a control file can be read at any time: EPOLLIN for v1's eventfd, EPOLLPRI for v2's memory.events, which
 * signals at every touch of the limit too: look at oom_kills. cgroup_usage() acknowledges a signal. */
int cgroup_oom_fd(const struct cgroup *group, uint32_t *ret_events);
/* Out of memory, the kernel shall end all tasks of the leaf at once but those whose oom_score_adj is -1000. v1
 * goes on to take one task. */
int cgroup_end_whole(struct cgroup *group, struct err *err) WARN_UNUSED;
/* Removes the leaf; -ERR_CONFLICT (code EBUSY) while tasks are still there: call again. */
int cgroup_destroy(struct cgroup *group, struct err *err) WARN_UNUSED;
