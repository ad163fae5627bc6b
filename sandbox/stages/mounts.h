/* The mount calls that the stages share: detached read-only copies of a part of the tree, attaching them elsewhere, read-only
 * overlays. Spawner only. Paths are borrowed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

enum mount_how {
    MOUNT_DEEP = 1,     /* with what is mounted below it */
    MOUNT_NO_LINKS = 2, /* ELOOP where a part of the path is a link: it was a real path, and others than root may have changed that */
};

/* An O_PATH descriptor of what is at path. how: of mount_how, MOUNT_NO_LINKS counts. Owned fd. */
int mount_open(const char *path, unsigned how, int *ret_fd, struct err *err) WARN_UNUSED;
/* A detached copy of what is at path, read-only, nosuid, nodev. how: of mount_how. Owned fd. */
int mount_copy(const char *path, unsigned how, int *ret_fd, struct err *err) WARN_UNUSED;
/* Puts a detached mount at path. */
int mount_attach(int mount_fd, const char *path, struct err *err) WARN_UNUSED;
/* A detached read-only overlay of the directories, the first on top; at least two. They are descriptors (O_PATH will do), so
 * that no path needs quoting. Owned fd. */
int mount_overlay(const int *layers, size_t count, int *ret_fd, struct err *err) WARN_UNUSED;
/* A detached instance of a file system without a source ("tmpfs", "proc") with up to two options, each "key=value". */
int mount_new(const char *type, const char *const *options, unsigned attributes, int *ret_fd, struct err *err) WARN_UNUSED;

/* mkdir -p below the directory root; path is absolute in it. */
int mount_make_dirs(const char *root, const char *path, struct err *err) WARN_UNUSED;
/* Whether anything is mounted below path (not at it) in our own mount namespace. */
int mount_has_below(const char *path, bool *ret_has, struct err *err) WARN_UNUSED;
