/* The /tmp of a room: a disk quota in blocks and inodes, not counted against memory. Backends, chosen once at start:
 * loop-ext4 (a sparse ext4 image and a loop device each, from a small pool), ext4-project-quota where the kernel has it,
 * tmpfs when rootless (counted in the function's memory; said in health). Spawner only, one thread.
 *
 *     tmpdisk_open(dirfd, rootless, &disks, &err);
 *     tmpdisk_take(disks, 512, uid, gid, &disk, &mount_fd, &err);      // a detached mount, nosuid nodev, mode 1777
 *     tmpdisk_give_back(disk);                                  // after its users are gone: wiped or destroyed
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct tmpdisks;
struct tmpdisk;

/* dirfd: a directory for images, root's own; borrowed. Also sweeps images and loop devices a dead spawner left there. */
int tmpdisk_open(int dirfd, bool rootless, struct tmpdisks **ret_disks, struct err *err) WARN_UNUSED;
void tmpdisk_close(struct tmpdisks *disks);
const char *tmpdisk_backend(const struct tmpdisks *disks); /* "loop-ext4", ... static */
bool tmpdisk_is_memory(const struct tmpdisks *disks);      /* what is in it counts as memory of its users */
/* What is missing for a better backend, in plain words; "" if nothing. */
const char *tmpdisk_missing(const struct tmpdisks *disks);
/* A file system of size_mb, seen as empty, its root owned by uid:gid with mode 1777. *ret_mount_fd (owned by the caller) is a
 * detached mount (fsmount) for move_mount(2). */
int tmpdisk_take(struct tmpdisks *disks, uint32_t size_mb, uid_t uid, gid_t gid, struct tmpdisk **ret_disk, int *ret_mount_fd,
                 struct err *err) WARN_UNUSED;
void tmpdisk_give_back(struct tmpdisk *disk);
/* Tops the pool up by at most one image; call when idle. */
void tmpdisk_refill(struct tmpdisks *disks);
/* For the monitor, after everything is dead: detaches loop devices and deletes images in that directory. */
void tmpdisk_sweep(int dirfd);
