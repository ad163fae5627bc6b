/* What a process gives up: capabilities, resources, identity. For pid 1 of a room, workers and zygotes alike; libc only, no
 * allocation, async-signal-safe. All return 0 or -errno and name the step that failed in *ret_stage (a literal). */
#pragma once

#include <stdbool.h>

/* Becomes uid and gid id, real, effective and saved, without supplementary groups (keep_groups: they cannot be dropped,
 * setgroups is denied in this user namespace). */
int seal_ids(unsigned id, bool keep_groups, const char **ret_stage);
/* Empties every capability set and the bounding set, locks the secure bits, sets no_new_privs. */
int seal_capabilities(const char **ret_stage);
/* The limits of a runtime process (nofile 1024, nproc as on Lambda, core 1, so that there is none, ...). */
int seal_rlimits(const char **ret_stage);
