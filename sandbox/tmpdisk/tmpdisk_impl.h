/* Shared by tmpdisk.c (the pool and the choice of the backend) and tmpdisk_loop.c (images, loop devices,
 * ext4). Nobody else includes it. */
#pragma once

#include "sandbox/tmpdisk/tmpdisk.h"

/* Inodes per MB: one for 16 KiB, as mke2fs does by itself. */
#define TMPDISK_INODES_PER_MB 64

/* Whether images and loop devices can be had; loads the loop module when it is missing. ERR_UNSUPPORTED says
 * what to do. */
int tmpdisk_loop_check(struct err *err) WARN_UNUSED;
/* A pristine, unnamed ext4 image of size_mb usable MB in that directory; *ret_fd belongs to the caller. Runs mkfs.ext4:
 * some 50 ms. */
int tmpdisk_loop_golden(int dirfd, uint32_t size_mb, int *ret_fd, struct err *err) WARN_UNUSED;
/* Mounts a sparse copy of a golden image. The image has no name any more and its loop device goes with the
 * last mount, so that nothing stays behind whoever dies. *ret_mount_fd: a detached mount, owned by the
 * caller; *ret_loop: the device's number. */
int tmpdisk_loop_mount(int dirfd, int golden_fd, int *ret_mount_fd, int *ret_loop, struct err *err) WARN_UNUSED;
/* Another detached mount of the file system on that device, which *mount_fd still holds and gives up for it:
 * a mount that has been in a mount namespace can never be moved into another. */
int tmpdisk_loop_remount(int loop, int *mount_fd, struct err *err) WARN_UNUSED;
/* Unmounts; what was written is dropped instead of being flushed to the image first. */
void tmpdisk_loop_drop(int *mount_fd);
