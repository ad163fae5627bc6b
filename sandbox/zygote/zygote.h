/* The forking side of a zygote: linked into stoke-zygote (node, native) and into the Python extension. No library beyond
 * libc, no allocation after the fork. One thread.
 *
 *     zygote_open(&err);                       // descriptor 3 is the spawner's socket
 *     ... load and warm what every worker shall have ...
 *     zygote_serve(&hooks);                    // seals the zygote itself, says UP; returns only in a new, sealed worker
 *     ... a dummy run unless zygote_is_awaited(), the BOOTED frame on CHANNEL_FD ...
 *     zygote_await_go();                       // SEALED; blocks until the spawner has mounted code and set limits
 *
 * In the worker descriptor CHANNEL_FD is the channel to stoked and 1 and 2 are the log pipe; uid and gid are the room's own,
 * every capability set is empty and the last seccomp filter is on: zygote_serve() does not return before that.
 *
 * The control socket, descriptor CHANNEL_CONTROL_FD (4) of a worker, SEQPACKET, blocking, one message each way:
 *
 *     worker -> spawner   "SEALED" (6 bytes)   nothing that privileges could undo is left; the spawner now looks at the worker
 *                                              from outside and only then gives it to stoked (ROOM_READY)
 *     spawner -> worker   "GO" (2 bytes)       code is at /var/task and /opt, the limits hold; user code may be touched.
 *                                              End of file instead of GO: the room is over, exit.
 *
 *  - A forked runtime (Python) calls zygote_await_go(): it sends SEALED, waits for GO and closes descriptor 4. For one that a visit
 *    waits for, SEALED was sent as soon as it was true.
 *  - An exec'd runtime that boots before GO (Node): stoke-zygote sends SEALED and execs
 *        INTERPRETER --max-http-header-size=81920 /var/runtime/bootstrap.mjs
 *    with descriptors 0 (/dev/null), 1, 2 (log pipe), 3 (channel) and 4 (control), all blocking, none close-on-exec, the
 *    working directory /, and the environment PATH, LANG, TZ, HOME alone. When it has booted it sends the BOOTED frame on 3,
 *    reads 3 bytes at most from 4 with fs.readSync (it gets "GO", or 0 bytes: exit), closes 4, and goes on with the START
 *    frame, whose meta is the environment to apply. It never writes to 4. It marks 3 close-on-exec for its own children
 *    (Node's child_process does that by itself: only the listed stdio descriptors are inherited).
 *  - A custom runtime (native): stoke-zygote sends SEALED (no BOOTED), waits for GO, closes 4, reads START, changes to /var/task
 *    and execs /var/task/bootstrap, or /opt/bootstrap where that is missing; 3 is close-on-exec for it. When the exec fails
 *    it sends EXEC_FAILED and exits with status 127 (126: not executable).
 */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"

#define ZYGOTE_SEALED "SEALED"
#define ZYGOTE_GO "GO"

/* For an interpreter that must know of forks. Any may be NULL. */
struct zygote_hooks {
    void (*before_fork)(void);
    void (*after_fork_parent)(void);
    void (*after_fork_child)(void); /* in the worker, sealed already */
};

int zygote_open(struct err *err) WARN_UNUSED;
/* Returns in each worker only; in the zygote never: it exits when the spawner's socket ends. A failure before UP is sent to
 * the spawner with its stage and errno, and the process exits. */
void zygote_serve(const struct zygote_hooks *hooks);
/* In a worker: a visit waits for it already, so nothing should be done in advance. */
bool zygote_is_awaited(void);
/* The two halves of zygote_await_go(), for a program that execs in between. */
void zygote_say_sealed(void);
void zygote_await_go(void);
