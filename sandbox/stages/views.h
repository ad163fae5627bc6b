/* What a function version's rooms see of the host's files: one read-only overlay per directory and version. Plain binds would
 * share inodes, through which functions could watch and lock each other. The overlays are mounted once, in the spawner's own
 * mount namespace, and cheap copies of those mounts go into each room.
 *
 *     views_open(run_dir, trees_dir, &views, &err);
 *     views_attach(views, &spec, room_mount_ns, own_mount_ns, &err);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "sandbox/spawn_proto.h"

struct views;

struct view_spec {
    uint64_t key; /* of the function version */
    uint32_t memory_mb;
    const char *prefix, *var_runtime; /* of the zygote, "" where absent */
    const char *code;                 /* digest */
    uint32_t layer_count;
    const char (*layer)[SPAWN_DIGEST_BYTES];
};

/* run_dir: a tmpfs of the spawner, with a directory etc/ for /etc. Copies the paths. */
int views_open(const char *run_dir, const char *trees_dir, struct views **ret_views, struct err *err) WARN_UNUSED;
void views_close(struct views *views);
/* What rooms see without an overlay because of how this host is mounted, and how to change that: a sentence, or "". */
const char *views_missing(struct views *views);
/* Makes the version's view if this is its first room, for a room that will come. */
int views_make(struct views *views, const struct view_spec *spec, struct err *err) WARN_UNUSED;
/* Puts the version's view into a room, making it first if this is the version's first room. Both namespaces are borrowed
 * descriptors; on return we are in own_ns again, or the process ends. */
int views_attach(struct views *views, const struct view_spec *spec, int room_ns, int own_ns, struct err *err) WARN_UNUSED;
/* Mounts one more of what every version needs, for the interpreter that was used last; call when idle. True when it did something. */
bool views_refill(struct views *views);
/* Drops every cached view with that tree; rooms keep theirs. */
void views_forget(struct views *views, const char *digest);
