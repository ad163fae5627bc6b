/* The mount calls that the stages share: detached read-only copies of a part of the tree, attaching them elsewhere, read-only
 * overlays. Spawner only. Paths are borrowed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

/* A detached copy of what is at path (recursive: with what is mounted below it), read-only, nosuid, nodev. Owned fd. */
int mount_copy(const char *path, bool recursive, int *ret_fd, struct err *err) WARN_UNUSED;
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
