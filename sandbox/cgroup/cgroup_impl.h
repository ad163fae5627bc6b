/* Shared by cgroup.c (what callers see), cgroup_find.c (which hierarchies there are and where we may work in
 * them), cgroup_v1.c and cgroup_v2.c (how each kind spells things). Nobody else includes it.
 *
 * A hierarchy is one mounted tree. A leaf is a directory of the same name in each hierarchy in use. What a
 * leaf can do is looked up through the hierarchy that carries the controller; its `kind` is the only place
 * that differs by version. */
#pragma once

#include "sandbox/cgroup/cgroup.h"

#define CGROUP_PATH_MAX 512
#define CGROUP_NAME_MAX 64
#define CGROUP_TEXT_MAX 8192 /* the longest control file we read: memory.stat */

enum cgroup_duty {
    CGROUP_CPU,     /* bandwidth */
    CGROUP_CPU_USE, /* accounting */
    CGROUP_MEMORY,
    CGROUP_PIDS,
    CGROUP_FREEZER,
    CGROUP_DUTIES,
};

struct cgroup_hierarchy;

/* All paths are relative to the hierarchy's root_fd; leaf is a directory there. */
struct cgroup_kind {
    int version;
    const char *attach_file; /* what a process writes "0" to */
    uint32_t oom_events;     /* of the descriptor of watch_oom */
    int (*limit_memory)(const struct cgroup_hierarchy *h, const char *leaf, uint64_t bytes, struct err *err);
    int (*limit_cpu)(const struct cgroup_hierarchy *h, const char *leaf, uint32_t milli, struct err *err);
    int (*freeze)(const struct cgroup_hierarchy *h, const char *leaf, bool frozen, struct err *err);
    int (*use_memory)(const struct cgroup_hierarchy *h, const char *leaf, struct cgroup_usage *usage, struct err *err);
    int (*use_cpu)(const struct cgroup_hierarchy *h, const char *leaf, struct cgroup_usage *usage, struct err *err);
    /* Prepares a fresh leaf's out-of-memory handling; the descriptor of cgroup_oom_fd(), owned by the caller.
     */
    int (*watch_oom)(const struct cgroup_hierarchy *h, const char *leaf, int *ret_fd, struct err *err);
    int (*end_whole)(const struct cgroup_hierarchy *h, const char *leaf, struct err *err);
    /* Makes the next poll of that descriptor wait for something new. */
    void (*acknowledge_oom)(int fd);
};

extern const struct cgroup_kind cgroup_kind_v1, cgroup_kind_v2;

struct cgroup_hierarchy {
    const struct cgroup_kind *kind;
    char mount[CGROUP_PATH_MAX]; /* where it is mounted */
    char base[CGROUP_PATH_MAX];  /* the directory that we may work in */
    char controllers[256];       /* ",cpu,cpuacct," */
    int base_fd, root_fd;        /* base, and our own directory in it; -1 when closed */
    bool threaded;               /* a v2 tree that only freezes and counts: a task may join its threaded leaves without
                                    the lock on all processes, whose every taking waits for a grace period of RCU */
};

struct cgroups {
    struct cgroup_abilities abilities;
    struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
    size_t count;
    const struct cgroup_hierarchy *duty[CGROUP_DUTIES]; /* NULL: nobody can */
    const struct cgroup_hierarchy *unified;             /* the v2 tree, if it is among them */
    char name[CGROUP_NAME_MAX];
};

/* cgroup_find.c: fills hierarchies, duty, unified and abilities, with base_fd and root_fd open. Never fails:
 * what cannot be used is left out and named in abilities.missing. */
void cgroup_find(struct cgroups *cgroups);
/* Adds a sentence to abilities.missing. */
void cgroup_say_missing(struct cgroups *cgroups, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* cgroup_v2.c: whether systemd (or an administrator) gave that directory to us. */
bool cgroup_v2_is_delegated(const char *dir);
/* Hands cpu, memory and pids on from base to root and from root to the leaves; empties base of processes
 * where the rule against inner processes asks for it. *ret_mask has bit CGROUP_* for what works. */
void cgroup_v2_enable(struct cgroup_hierarchy *h, struct cgroups *cgroups, unsigned *ret_mask);

/* Small files, relative to dirfd, path made of leaf and file ("leaf/file", or file alone when leaf is NULL).
 */
int cgroup_write(int dirfd, const char *leaf, const char *file, const char *text, struct err *err);
/* Reads up to CGROUP_TEXT_MAX - 1 bytes and ends them with NUL. */
int cgroup_read(int dirfd, const char *leaf, const char *file, char text[CGROUP_TEXT_MAX], struct err *err);
/* The number behind "key " at the start of a line; false if there is none. */
bool cgroup_field(const char *text, const char *key, uint64_t *ret);
/* Memory without the page cache of files, which goes when it is needed, and OOM kills; the versions name two of the files otherwise. */
int cgroup_use_memory(const struct cgroup_hierarchy *h, const char *leaf, const char *used_file, const char *oom_file,
                      struct cgroup_usage *usage, struct err *err);
int cgroup_open_file(int dirfd, const char *leaf, const char *file, int flags);
