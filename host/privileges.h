/* Who stoked is: started as root it becomes a user of its own without any capability; started by anyone else it stays that
 * user, rootless. At start, one thread.
 *
 *     identity_find(config->user, &identity, &err);
 *     ... what needs root ...
 *     privileges_drop(&identity, &err);       // there is no way back
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct identity {
    bool from_root; /* started as root: uid and gid are those to become */
    uid_t uid;
    gid_t gid;
};

/* user: a name, a number, or empty for the default. ERR_INVALID: no such user, or root itself. */
int identity_find(const char *user, struct identity *ret_identity, struct err *err) WARN_UNUSED;
/* Empty capability sets and bounding set, no supplementary groups, no_new_privs, the identity's ids. Verifies it. */
int privileges_drop(const struct identity *identity, struct err *err) WARN_UNUSED;
