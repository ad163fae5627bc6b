/* Unpacks a checked zip archive into an empty directory, hardened: nothing outside of it, modes normalised, no special files, no byte
 * more than the archive's directory promised. Any thread.
 *
 *     zip_directory_read(zip, len, TREE_NODES_MAX, &dir, &err);
 *     archive_tree_plan(dir, &tree, &err);
 *     unpack(dirfd, dir, tree, &err);
 */
#pragma once

#include "lib/base/err.h"

struct archive_tree;
struct zip_directory;

/* Writes dir->unpacked_bytes bytes, modes 0644 or 0755 whatever the umask is, the archive's times. On failure the directory holds what
 * was written; the caller removes it. ERR_INVALID names the entry that is broken. */
int unpack(int dirfd, const struct zip_directory *dir, const struct archive_tree *tree, struct err *err) WARN_UNUSED;
/* Removes name in dirfd, a file or a directory with everything below it, without following links. */
int remove_tree(int dirfd, const char *name, struct err *err) WARN_UNUSED;
