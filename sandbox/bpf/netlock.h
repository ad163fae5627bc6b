/* A second lock and a meter on all rooms, as BPF programs on their common parent in the cgroup v2 tree:
 * connecting and sending to anything but the loopback is refused, so are raw sockets and devices other than
 * null, zero, full, random and urandom; bytes and packets are counted per room. The first lock is the room's
 * own network namespace and mounts. The programs go when the netlock is closed or its process dies. Spawner
 * only, one thread; needs root.
 *
 *     netlock_open(cgroup_unified_fd(cgroups), &lock, &err);   // err.msg says what is missing, for health
 *     netlock_count(lock, cgroup_unified_id(group), &bytes, &packets);
 *     netlock_forget(lock, cgroup_unified_id(group));          // before cgroup_destroy
 */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"

struct netlock;

/* cgroup_fd: a directory of the v2 tree, borrowed; -1 where there is none. ERR_UNSUPPORTED when this build,
 * kernel or user cannot: the message is a sentence for people. */
int netlock_open(int cgroup_fd, struct netlock **ret_lock, struct err *err) WARN_UNUSED;
/* What the room's sockets sent over its loopback, in both directions: each packet counts once, with its IP
 * header. Zeros for a room that sent nothing. */
void netlock_count(const struct netlock *lock, uint64_t cgroup_id, uint64_t *ret_bytes, uint64_t *ret_packets);
void netlock_forget(struct netlock *lock, uint64_t cgroup_id);
void netlock_close(struct netlock *lock);
