/* The forking side of a zygote: linked into stoke-zygote (node, native) and into the Python extension. No library beyond
 * libc, no allocation after the fork. One thread.
 *
 *     zygote_open(&err);                       // descriptor 3 is the spawner's socket
 *     ... load and warm what every worker shall have ...
 *     zygote_serve(&hooks);                    // seals the zygote itself, says UP; returns only in a new, sealed worker
 *     ... a dummy run ...
 *     zygote_await_go();                       // SEALED; blocks until the spawner has mounted code and set limits
 *
 * In the worker descriptor CHANNEL_FD is the channel to stoked and 1 and 2 are the log pipe; uid and gid are the room's own,
 * every capability set is empty and the last seccomp filter is on: zygote_serve() does not return before that.
 */
#pragma once

#include "lib/base/err.h"

/* For an interpreter that must know of forks. Any may be NULL. */
struct zygote_hooks {
    void (*before_fork)(void);
    void (*after_fork_parent)(void);
    void (*after_fork_child)(void);
};

int zygote_open(struct err *err) WARN_UNUSED;
/* Returns 0 in each worker; in the zygote it returns never: it exits when the spawner's socket ends. A failure before UP
 * is sent to the spawner with its stage and errno, and the process exits. */
void zygote_serve(const struct zygote_hooks *hooks);
void zygote_await_go(void);
