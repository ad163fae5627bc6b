/* Which programs the merged layers have in /opt/extensions: the names of all layers, where the later layer's entry is the one that
 * counts. */
#include "host/extensions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/registry/registry.h"
#include "layers/store.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define NAMES_MAX 256 /* in the extensions directories of all layers; ten may run */

struct names {
    char **items;
    size_t count;
};

static bool has(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (str_eq(names->items[i], name))
            return true;
    return false;
}

static void add(struct names *names, const char *name)
{
    names->items = reallocarray(names->items, names->count + 1, sizeof(*names->items));
    if (names->items == NULL)
        abort();
    names->items[names->count++] = str_format("%s", name);
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

/* Names that no later layer has: files to found, directories only hide what is below. */
static int read_directory(DIR *dir, struct names *found, struct names *hidden, struct err *err)
{
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (found->count + hidden->count >= NAMES_MAX)
            return err_set(err, ERR_LIMIT, "more than %d names in the extensions directories of its layers", NAMES_MAX);
        if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") || has(found, entry->d_name) || has(hidden, entry->d_name))
            continue;
        add(entry->d_type == DT_DIR ? hidden : found, entry->d_name);
    }
    return 0;
}

/* 1: nothing of the layers below shows. */
static int read_layer(struct store *store, const char *sha256, struct names *found, struct names *hidden, struct err *err)
{
    CLEANUP(fd_closep) int tree = -1;
    int r = store_open_tree(store, sha256, &tree, err);
    if (r < 0)
        return r;
    int fd = openat(tree, "extensions", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return 1;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        r = err_errno(err, "looking for extensions in a layer");
        fd_closep(&fd);
        return r;
    }
    r = read_directory(dir, found, hidden, err);
    closedir(dir);
    return r;
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

int extensions_find(void *store, const struct function_version *version, struct pool_extensions *ret_extensions, struct err *err)
{
    struct names found = {.items = calloc(1, sizeof(char *))}, hidden = {0};
    int r = 0;
    if (found.items == NULL)
        abort();
    for (size_t i = version->layer_count; r == 0 && i-- > 0;)
        r = read_layer(store, version->layer_sha256[i], &found, &hidden, err);
    names_free(&hidden);
    if (r < 0) {
        names_free(&found);
        return r;
    }
    if (found.count > 0)
        qsort(found.items, found.count, sizeof(*found.items), by_name);
    *ret_extensions = (struct pool_extensions){.names = found.items, .count = found.count};
    return 0;
}
