/* The tree that an archive's names describe, checked before anything is written: relative names that stay inside, no name
 * twice, nothing both a file and a directory, and links that lead nowhere else. Any thread.
 *
 *     archive_tree_plan(dir, &tree, &err);                  // sets every entry's path
 *     for (size_t i = 0; i < tree->dir_count; i++) mkdir(tree->dirs[i]);       // parents before children
 *     archive_tree_check_link(tree, entry, target, &err);
 *     archive_tree_free(tree);
 */
#pragma once

#include <stddef.h>

#include "layers/zip_directory.h"

#define TREE_PATH_MAX 1024    /* bytes of a path below the root; with the root in front it stays below PATH_MAX */
#define TREE_NAME_MAX 255     /* bytes of one name, as file systems have it */
#define TREE_DEPTH_MAX 100    /* names in a path */
#define TREE_NODES_MAX 100000 /* files, links and directories, also those that only a longer name implies */

struct archive_tree {
    struct zip_entry **sorted; /* by path, a directory before what is in it; the root's own entry is not there */
    size_t count;
    char **dirs; /* paths of all directories, parents first */
    size_t dir_count;
    char *names; /* what the paths point into */
};

/* Borrows dir, whose entries get their path ("" for the root itself). ERR_INVALID, naming the entry; ERR_TOO_LARGE past the
 * limits above. */
int archive_tree_plan(struct zip_directory *dir, struct archive_tree **ret_tree, struct err *err) WARN_UNUSED;
void archive_tree_free(struct archive_tree *tree);

/* Whether link may point to target: relative, and inside the tree at every step. */
int archive_tree_check_link(const struct archive_tree *tree, const struct zip_entry *link, const char *target, struct err *err) WARN_UNUSED;
