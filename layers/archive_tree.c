/* The tree that an archive's names describe. Sorted with '/' before every other byte, what is inside a directory follows
 * the directory at once: then twins and files with something "inside" are neighbours, and no hash table is there for
 * hostile names to collide in. */
#include "layers/archive_tree.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"

/* ---- names ---- */

/* Copies entry's name to out without "." and empty parts. Returns the length, or a negative error. */
static int normalise(const struct zip_entry *entry, char *out, struct err *err)
{
    const char *p = entry->name, *end = p + entry->name_len;
    if (memchr(p, '\0', entry->name_len))
        return zip_refuse(entry, ERR_INVALID, "has a NUL byte in its name", err);
    if (memchr(p, '\\', entry->name_len))
        return zip_refuse(entry, ERR_INVALID, "has a backslash in its name: the archive must be made with forward slashes", err);
    if (!str_is_utf8(p, entry->name_len))
        return zip_refuse(entry, ERR_INVALID, "has a name that is not UTF-8", err);
    if (*p == '/')
        return zip_refuse(entry, ERR_INVALID, "has an absolute name", err);
    size_t len = 0, depth = 0;
    while (p < end) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t n = slash ? (size_t)(slash - p) : (size_t)(end - p);
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return zip_refuse(entry, ERR_INVALID, "leads out of the archive", err);
        if (n > TREE_NAME_MAX || len + n + 1 > TREE_PATH_MAX || depth == TREE_DEPTH_MAX)
            return zip_refuse(entry, ERR_TOO_LARGE, "has a name that is too long or too deep", err);
        if (n && !(n == 1 && p[0] == '.')) {
            if (len)
                out[len++] = '/';
            memcpy(out + len, p, n);
            len += n;
            depth++;
        }
        p += n + (slash != NULL);
    }
    out[len] = '\0';
    return (int)len;
}

static unsigned rank(char c)
{
    return c == '\0' ? 0 : c == '/' ? 1 : (unsigned char)c + 2u;
}

static int compare_paths(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (rank(*a) > rank(*b)) - (rank(*a) < rank(*b));
}

static int by_path(const void *a, const void *b)
{
    return compare_paths((*(struct zip_entry *const *)a)->path, (*(struct zip_entry *const *)b)->path);
}

/* True if path lies below directory. */
static bool is_below(const char *path, const char *directory)
{
    size_t n = strlen(directory);
    return strncmp(path, directory, n) == 0 && path[n] == '/';
}

/* ---- the plan ---- */

static int name_entries(struct zip_directory *dir, struct archive_tree *tree, struct err *err)
{
    char *out = tree->names;
    for (size_t i = 0; i < dir->count; i++) {
        struct zip_entry *entry = &dir->entries[i];
        int n = normalise(entry, out, err);
        if (n < 0)
            return n;
        if (n == 0 && entry->kind != ZIP_DIRECTORY)
            return zip_refuse(entry, ERR_INVALID, "has no name", err);
        entry->path = out;
        if (n > 0)
            tree->sorted[tree->count++] = entry;
        out += n + 1;
    }
    qsort(tree->sorted, tree->count, sizeof *tree->sorted, by_path);
    return 0;
}

/* One directory more, if it is not the last one already. */
static int add_dir(struct archive_tree *tree, const char *path, size_t len, size_t *cap, const struct zip_entry *entry, struct err *err)
{
    if (tree->dir_count + tree->count >= TREE_NODES_MAX)
        return zip_refuse(entry, ERR_TOO_LARGE, "makes too many directories", err);
    if (tree->dir_count == *cap) {
        size_t more = *cap ? *cap * 2 : 64;
        char **dirs = reallocarray(tree->dirs, more, sizeof *dirs);
        if (!dirs)
            return err_set(err, ERR_NO_MEMORY, "no memory for the archive's directories");
        tree->dirs = dirs;
        *cap = more;
    }
    tree->dirs[tree->dir_count] = strndup(path, len);
    if (!tree->dirs[tree->dir_count])
        return err_set(err, ERR_NO_MEMORY, "no memory for the archive's directories");
    tree->dir_count++;
    return 0;
}

/* Whether the directory path[0..len) holds before, too, or is it: then it is in the list. */
static bool had_dir(const struct zip_entry *before, const char *path, size_t len)
{
    return before && strncmp(before->path, path, len) == 0 &&
           (before->path[len] == '/' || (before->path[len] == '\0' && before->kind == ZIP_DIRECTORY));
}

static int list_dirs(struct archive_tree *tree, struct err *err)
{
    size_t cap = 0;
    const struct zip_entry *before = NULL;
    for (size_t i = 0; i < tree->count; before = tree->sorted[i++]) {
        const struct zip_entry *entry = tree->sorted[i];
        if (before && str_eq(before->path, entry->path)) {
            if (before->kind == ZIP_DIRECTORY && entry->kind == ZIP_DIRECTORY)
                continue;
            return zip_refuse(entry, ERR_INVALID, "is there twice", err);
        }
        if (before && before->kind != ZIP_DIRECTORY && is_below(entry->path, before->path))
            return zip_refuse(entry, ERR_INVALID, "lies in another entry that is no directory", err);
        int rc = 0;
        for (const char *slash = strchr(entry->path, '/'); rc == 0 && slash; slash = strchr(slash + 1, '/'))
            if (!had_dir(before, entry->path, (size_t)(slash - entry->path)))
                rc = add_dir(tree, entry->path, (size_t)(slash - entry->path), &cap, entry, err);
        if (rc == 0 && entry->kind == ZIP_DIRECTORY && !had_dir(before, entry->path, strlen(entry->path)))
            rc = add_dir(tree, entry->path, strlen(entry->path), &cap, entry, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int archive_tree_plan(struct zip_directory *dir, struct archive_tree **ret_tree, struct err *err)
{
    struct archive_tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return err_set(err, ERR_NO_MEMORY, "no memory for an archive's tree");
    tree->sorted = calloc(dir->count, sizeof *tree->sorted);
    tree->names = malloc(dir->names_bytes + dir->count + 1);
    int rc = tree->sorted && tree->names ? name_entries(dir, tree, err) : err_set(err, ERR_NO_MEMORY, "no memory for an archive's tree");
    if (rc == 0)
        rc = list_dirs(tree, err);
    if (rc < 0) {
        archive_tree_free(tree);
        return rc;
    }
    *ret_tree = tree;
    return 0;
}

void archive_tree_free(struct archive_tree *tree)
{
    if (!tree)
        return;
    for (size_t i = 0; i < tree->dir_count; i++)
        free(tree->dirs[i]);
    free(tree->dirs);
    free(tree->sorted);
    free(tree->names);
    free(tree);
}

/* ---- links ---- */

/* A directory of its own, or one that other names imply. */
static bool is_directory(const struct archive_tree *tree, const char *path)
{
    if (!*path)
        return true;
    size_t low = 0, high = tree->count; /* the first entry that is path or comes after it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_paths(tree->sorted[middle]->path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == tree->count)
        return false;
    const struct zip_entry *entry = tree->sorted[low];
    return is_below(entry->path, path) || (str_eq(entry->path, path) && entry->kind == ZIP_DIRECTORY);
}

static void drop_last_part(char *path)
{
    char *slash = strrchr(path, '/');
    *(slash ? slash : path) = '\0';
}

/* ".." is followed only from what is a real directory of this tree: from a link it would lead somewhere else than the text
 * says. Without that, every link ends inside if every link's text does. */
int archive_tree_check_link(const struct archive_tree *tree, const struct zip_entry *link, const char *target, struct err *err)
{
    char at[TREE_PATH_MAX * 2 + 2];
    if (!*target || strlen(target) > TREE_PATH_MAX)
        return zip_refuse(link, ERR_INVALID, "is a symbolic link without a target, or with one that is too long", err);
    if (*target == '/')
        return zip_refuse(link, ERR_INVALID, "is a symbolic link to an absolute path", err);
    str_copy(at, sizeof at, link->path);
    drop_last_part(at);
    for (const char *p = target; *p;) {
        size_t n = strcspn(p, "/"), len = strlen(at);
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            if (!*at)
                return zip_refuse(link, ERR_INVALID, "is a symbolic link that leads out of the archive", err);
            if (!is_directory(tree, at))
                return zip_refuse(link, ERR_INVALID, "is a symbolic link that goes up from what is no directory", err);
            drop_last_part(at);
        } else if (n && !(n == 1 && p[0] == '.')) {
            if (len)
                at[len++] = '/';
            memcpy(at + len, p, n);
            at[len + n] = '\0';
        }
        p += n;
        p += strspn(p, "/");
    }
    return 0;
}
