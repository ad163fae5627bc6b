/* Looking at a process from outside before it is trusted with anything: what the kernel says in /proc of its identity,
 * capabilities, filters, namespaces and control groups. Spawner only; needs /proc of our own pid namespace. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "sandbox/zygote/zygote_proto.h"

/* What /proc/PID/status says, as far as it matters. */
struct attest_status {
    unsigned uid[4], gid[4]; /* real, effective, saved, file system */
    uint64_t cap[5];         /* inheritable, permitted, effective, bounding, ambient */
    unsigned groups;         /* how many supplementary ones */
    int no_new_privs, seccomp, filters;
    int inner_pid; /* its number in its own pid namespace */
};

/* Pure. ERR_CORRUPT when a field is missing. */
int attest_parse(const char *text, struct attest_status *ret_status, struct err *err) WARN_UNUSED;

struct attest_want {
    pid_t pid;               /* as we number it */
    pid_t like;              /* a process whose control groups it must share; 0: do not ask */
    uid_t uid;               /* uid and gid, as we see them */
    int filters;             /* so many seccomp filters, those inherited from our start counted */
    pid_t not_inner;         /* the number it must not have inside; 0: any */
    bool any_groups;         /* supplementary groups could not be dropped */
    const ino_t *namespaces; /* ZYGOTE_NAMESPACES inodes in the order of zygote_order, or NULL */
};

/* ERR_DENIED, with what differs, unless everything is as wanted. */
int attest_process(const struct attest_want *want, struct err *err) WARN_UNUSED;

/* "user", "pid", ... in the order of zygote_order. */
extern const char *const attest_namespace_names[ZYGOTE_NAMESPACES];
