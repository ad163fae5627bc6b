/* What a function version's rooms see of the host's files. Least recently used versions are dropped; a copy in a room keeps its
 * overlay alive. */
#include "sandbox/stages/views.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "sandbox/stages/meminfo.h"
#include "sandbox/stages/mounts.h"
#include "sandbox/stages/warm.h"

#define VIEWS_MAX 256 /* versions kept; one costs about seven mounts */
#define PARTS_MAX 8
#define SPARES_MAX 8  /* half-made views: what does not depend on the function is mounted while nobody waits */
#define PLACES_MAX 32 /* directories whose submounts we remember */
#define PATH_BYTES 1024

struct view {
    uint64_t key;
    unsigned number; /* its directory below run_dir/views */
    struct {
        char at[SPAWN_PATH_MAX]; /* where it goes in a room */
    } part[PARTS_MAX];
    size_t parts;
    uint32_t memory_mb, layer_count;
    char code[SPAWN_DIGEST_BYTES], layer[SPAWN_LAYERS_MAX][SPAWN_DIGEST_BYTES];
    char prefix[SPAWN_PATH_MAX], var_runtime[SPAWN_PATH_MAX];
    UT_hash_handle hh;
    TAILQ_ENTRY(view) used; /* least recently used first */
};

TAILQ_HEAD(view_list, view);

/* Whether the host has something mounted below a directory; asked once, for the answer takes reading every mount there is. What is
 * mounted there later is not seen by functions until the spawner starts anew. */
struct place {
    char path[SPAWN_PATH_MAX];
    bool has_below;
};

struct views {
    char *dir, *etc, *empty, *trees;
    unsigned next_number;
    struct view *by_key;
    struct view_list by_use;
    struct view *spare[SPARES_MAX];
    size_t spares;
    char prefix[SPAWN_PATH_MAX], var_runtime[SPAWN_PATH_MAX]; /* what spares are made for: the last zygote that was used */
    bool wants_spares;
    struct place places[PLACES_MAX];
    size_t place_count;
};

int views_open(const char *run_dir, const char *trees_dir, struct views **ret_views, struct err *err)
{
    struct views *views = calloc(1, sizeof *views);
    if (!views)
        return err_set(err, ERR_NO_MEMORY, "no memory for the views");
    TAILQ_INIT(&views->by_use);
    views->dir = str_format("%s/views", run_dir);
    views->etc = str_format("%s/etc", run_dir);
    views->empty = str_format("%s/empty", run_dir);
    views->trees = str_format("%s", trees_dir);
    if (mkdir(views->dir, 0755) < 0 || mkdir(views->empty, 0755) < 0) {
        int rc = err_errno(err, "making %s", views->dir);
        views_close(views);
        return rc;
    }
    *ret_views = views;
    return 0;
}

static void part_path(const struct views *views, const struct view *view, size_t part, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s/%u/%zu", views->dir, view->number, part);
}

/* Removes the mounts, files and directories of a view that may be half made. */
static void unmake(struct views *views, struct view *view)
{
    char path[PATH_BYTES];
    for (size_t i = 0; i < PARTS_MAX; i++) {
        part_path(views, view, i, path);
        umount2(path, MNT_DETACH);
        if (rmdir(path) < 0)
            unlink(path);
    }
    snprintf(path, sizeof path, "%s/%u", views->dir, view->number);
    if (rmdir(path) < 0)
        errno = 0; /* a skeleton of empty directories stays: bytes on a tmpfs */
}

static void drop(struct views *views, struct view *view)
{
    unmake(views, view);
    HASH_DELETE(hh, views->by_key, view);
    TAILQ_REMOVE(&views->by_use, view, used);
    free(view);
}

void views_close(struct views *views)
{
    struct view *view;
    if (!views)
        return;
    while ((view = TAILQ_FIRST(&views->by_use)))
        drop(views, view);
    while (views->spares) {
        unmake(views, views->spare[--views->spares]);
        free(views->spare[views->spares]);
    }
    free(views->dir);
    free(views->etc);
    free(views->empty);
    free(views->trees);
    free(views);
}

void views_forget(struct views *views, const char *digest)
{
    struct view *view, *next;
    for (view = TAILQ_FIRST(&views->by_use); view; view = next) {
        next = TAILQ_NEXT(view, used);
        bool has = str_eq(view->code, digest);
        for (uint32_t i = 0; i < view->layer_count && !has; i++)
            has = str_eq(view->layer[i], digest);
        if (has)
            drop(views, view);
    }
}

/* ---- making */

/* Mounts fd (taken) as the next part, to be seen at `at`. */
static int add_part(struct views *views, struct view *view, int fd, const char *at, bool is_file, struct err *err)
{
    char path[PATH_BYTES];
    CLEANUP(fd_closep) int mount_fd = fd;
    part_path(views, view, view->parts, path);
    if (is_file) {
        CLEANUP(fd_closep) int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0444);
        if (file < 0)
            return err_errno(err, "making %s", path);
    } else if (mkdir(path, 0755) < 0) {
        return err_errno(err, "making %s", path);
    }
    int rc = mount_attach(mount_fd, path, err);
    if (rc == 0)
        str_copy(view->part[view->parts++].at, SPAWN_PATH_MAX, at);
    return rc;
}

static int has_below(struct views *views, const char *path, bool *ret_has, struct err *err)
{
    for (size_t i = 0; i < views->place_count; i++)
        if (str_eq(views->places[i].path, path)) {
            *ret_has = views->places[i].has_below;
            return 0;
        }
    int rc = mount_has_below(path, ret_has, err);
    if (rc == 0 && views->place_count < PLACES_MAX) {
        str_copy(views->places[views->place_count].path, SPAWN_PATH_MAX, path);
        views->places[views->place_count++].has_below = *ret_has;
    }
    return rc;
}

const char *views_missing(struct views *views)
{
    bool shared;
    struct err err;
    if (has_below(views, "/usr", &shared, &err) < 0 || !shared)
        return "";
    return "Something is mounted below /usr (findmnt -R /usr), so rooms see the host's files there without an overlay: functions can "
           "notice and lock files of /usr that others use. Unmount it (in WSL: /etc/wsl.conf, [gpu] enabled=false) and start stoked again.";
}

struct shown {
    const char *from, *at; /* on the host; in the room */
    unsigned how;          /* MOUNT_NO_LINKS for what stoked named */
};

/* One directory of the host. Where other file systems are mounted below it an overlay would hide them: then a plain copy of
 * the mounts, which shares inodes. */
static int add_directory(struct views *views, struct view *view, const struct shown *shown, struct err *err)
{
    bool shared;
    int fd = -1, rc = has_below(views, shown->from, &shared, err);
    if (rc < 0)
        return rc;
    if (shared) {
        rc = mount_copy(shown->from, MOUNT_DEEP | shown->how, &fd, err);
        return rc < 0 ? rc : add_part(views, view, fd, shown->at, false, err);
    }
    CLEANUP(fd_closep) int dir = -1;
    CLEANUP(fd_closep) int empty = open(views->empty, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (empty < 0)
        return err_errno(err, "opening %s", views->empty);
    rc = mount_open(shown->from, shown->how, &dir, err);
    if (rc == 0)
        rc = mount_overlay((int[]){dir, empty}, 2, &fd, err);
    return rc < 0 ? rc : add_part(views, view, fd, shown->at, false, err);
}

static int open_tree_dir(const struct views *views, const char *digest, int *ret_fd, struct err *err)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", views->trees, digest);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "opening the code tree %s", digest);
    warm_tree(fd);
    *ret_fd = fd;
    return 0;
}

static void close_all(int *fds, size_t n)
{
    while (n)
        fd_closep(&fds[--n]);
}

/* Layers of the same content: what lies below its own copy is hidden by it, and no overlay takes a directory twice. */
static bool is_hidden(const char (*digests)[SPAWN_DIGEST_BYTES], size_t count, size_t i)
{
    for (size_t above = i + 1; above < count; above++)
        if (str_eq(digests[above], digests[i]))
            return true;
    return false;
}

/* An overlay of trees, the last one on top, over the directory `bottom`. */
static int add_trees(struct views *views, struct view *view, const char (*digests)[SPAWN_DIGEST_BYTES], size_t count, const char *bottom,
                     const char *at, struct err *err)
{
    int layers[SPAWN_LAYERS_MAX + 1], fd = -1, rc = 0;
    size_t n = 0;
    for (size_t i = count; rc == 0 && i-- > 0;) {
        if (is_hidden(digests, count, i))
            continue;
        layers[n] = -1;
        rc = open_tree_dir(views, digests[i], &layers[n], err);
        n++;
    }
    if (rc == 0) {
        layers[n] = open(bottom, O_PATH | O_DIRECTORY | O_CLOEXEC);
        rc = layers[n] < 0 ? err_errno(err, "opening %s", bottom) : mount_overlay(layers, n + 1, &fd, err);
        n++;
    }
    close_all(layers, n);
    return rc < 0 ? rc : add_part(views, view, fd, at, false, err);
}

/* Layers at /opt. An interpreter that the host keeps below /opt needs a place to be mounted on there. */
static int add_layers(struct views *views, struct view *view, const struct view_spec *spec, struct err *err)
{
    char skeleton[PATH_BYTES];
    if (!spec->layer_count)
        return 0;
    snprintf(skeleton, sizeof skeleton, "%s/%u/skeleton", views->dir, view->number);
    if (mkdir(skeleton, 0755) < 0)
        return err_errno(err, "making %s", skeleton);
    if (str_starts(spec->prefix, "/opt/")) {
        int rc = mount_make_dirs(skeleton, spec->prefix + strlen("/opt"), err);
        if (rc < 0)
            return rc;
    }
    return add_trees(views, view, spec->layer, spec->layer_count, skeleton, "/opt", err);
}

static int add_meminfo(struct views *views, struct view *view, uint32_t memory_mb, struct err *err)
{
    char text[MEMINFO_BYTES_MAX], path[PATH_BYTES];
    size_t len = meminfo_format(text, memory_mb);
    int fd = -1, rc;
    part_path(views, view, view->parts, path);
    CLEANUP(fd_closep) int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
    if (file < 0)
        return err_errno(err, "making %s", path);
    rc = fd_write_all(file, text, len, err);
    if (rc == 0)
        rc = mount_copy(path, 0, &fd, err);
    return rc < 0 ? rc : add_part(views, view, fd, "/proc/meminfo", true, err);
}

static int start_view(struct views *views, struct view **ret_view, struct err *err)
{
    char path[PATH_BYTES];
    struct view *view = calloc(1, sizeof *view);
    if (!view)
        return err_set(err, ERR_NO_MEMORY, "no memory for a view");
    view->number = views->next_number++;
    snprintf(path, sizeof path, "%s/%u", views->dir, view->number);
    if (mkdir(path, 0755) < 0) {
        free(view);
        return err_errno(err, "making %s", path);
    }
    *ret_view = view;
    return 0;
}

static int add_system(struct views *views, struct view *view, struct err *err)
{
    int rc = add_directory(views, view, &(struct shown){"/usr", "/usr", 0}, err);
    return rc < 0 ? rc : add_directory(views, view, &(struct shown){views->etc, "/etc", 0}, err);
}

static int add_interpreter(struct views *views, struct view *view, const char *prefix, const char *var_runtime, struct err *err)
{
    int rc = prefix[0] ? add_directory(views, view, &(struct shown){prefix, prefix, MOUNT_NO_LINKS}, err) : 0;
    if (rc == 0 && var_runtime[0])
        rc = add_directory(views, view, &(struct shown){var_runtime, "/var/runtime", MOUNT_NO_LINKS}, err);
    str_copy(view->prefix, sizeof view->prefix, prefix);
    str_copy(view->var_runtime, sizeof view->var_runtime, var_runtime);
    return rc;
}

/* A view without a function yet; what the function is made of comes on top of it. */
static struct view *take_spare(struct views *views, const struct view_spec *spec)
{
    if (str_starts(spec->prefix, "/opt/") && spec->layer_count)
        return NULL; /* there the layers lie below the interpreter */
    for (size_t i = views->spares; i-- > 0;) {
        struct view *spare = views->spare[i];
        if (!str_eq(spare->prefix, spec->prefix) || !str_eq(spare->var_runtime, spec->var_runtime))
            continue;
        views->spare[i] = views->spare[--views->spares];
        return spare;
    }
    return NULL;
}

bool views_refill(struct views *views)
{
    struct view *view;
    struct err err;
    if (!views->wants_spares)
        return false;
    if (views->spares == SPARES_MAX) { /* those of another interpreter make room, one by one */
        for (size_t i = 0; i < views->spares; i++)
            if (!str_eq(views->spare[i]->prefix, views->prefix) || !str_eq(views->spare[i]->var_runtime, views->var_runtime)) {
                unmake(views, views->spare[i]);
                free(views->spare[i]);
                views->spare[i] = views->spare[--views->spares];
                return true;
            }
        return false;
    }
    if (start_view(views, &view, &err) < 0)
        return false;
    if (add_system(views, view, &err) < 0 || add_interpreter(views, view, views->prefix, views->var_runtime, &err) < 0) {
        unmake(views, view); /* the next visit will say what is wrong */
        free(view);
        return false;
    }
    views->spare[views->spares++] = view;
    return true;
}

static int make_parts(struct views *views, struct view *view, bool spare, const struct view_spec *spec, struct err *err)
{
    char code[1][SPAWN_DIGEST_BYTES];
    memcpy(code[0], spec->code, SPAWN_DIGEST_BYTES);
    int rc = spare ? 0 : add_system(views, view, err);
    if (rc == 0)
        rc = add_layers(views, view, spec, err);
    if (rc == 0 && !spare)
        rc = add_interpreter(views, view, spec->prefix, spec->var_runtime, err);
    if (rc == 0)
        rc = add_trees(views, view, (const char(*)[SPAWN_DIGEST_BYTES])code, 1, views->empty, "/var/task", err);
    if (rc == 0)
        rc = add_meminfo(views, view, spec->memory_mb, err);
    return rc;
}

static int make(struct views *views, const struct view_spec *spec, struct view **ret_view, struct err *err)
{
    struct view *spare = take_spare(views, spec), *view = spare;
    int rc = spare ? 0 : start_view(views, &view, err);
    if (rc < 0)
        return rc;
    if (HASH_COUNT(views->by_key) >= VIEWS_MAX)
        drop(views, TAILQ_FIRST(&views->by_use));
    str_copy(views->prefix, sizeof views->prefix, spec->prefix);
    str_copy(views->var_runtime, sizeof views->var_runtime, spec->var_runtime);
    views->wants_spares = true;
    view->key = spec->key;
    view->memory_mb = spec->memory_mb;
    view->layer_count = spec->layer_count;
    memcpy(view->code, spec->code, sizeof view->code);
    memcpy(view->layer, spec->layer, spec->layer_count * sizeof view->layer[0]);
    rc = make_parts(views, view, spare != NULL, spec, err);
    if (rc < 0) {
        unmake(views, view);
        free(view);
        return rc;
    }
    HASH_ADD(hh, views->by_key, key, sizeof view->key, view);
    TAILQ_INSERT_TAIL(&views->by_use, view, used);
    *ret_view = view;
    return 0;
}

static bool is_same(const struct view *view, const struct view_spec *spec)
{
    bool same = view->memory_mb == spec->memory_mb && view->layer_count == spec->layer_count && str_eq(view->code, spec->code) &&
                str_eq(view->prefix, spec->prefix) && str_eq(view->var_runtime, spec->var_runtime);
    for (uint32_t i = 0; same && i < spec->layer_count; i++)
        same = str_eq(view->layer[i], spec->layer[i]);
    return same;
}

/* ---- showing */

static int attach_parts(const struct view *view, const int *copies, int room_ns, int own_ns, struct err *err)
{
    int rc = 0;
    if (setns(room_ns, CLONE_NEWNS) < 0)
        return err_errno(err, "entering the room's mounts");
    for (size_t i = 0; rc == 0 && i < view->parts; i++)
        rc = mount_attach(copies[i], view->part[i].at, err);
    if (setns(own_ns, CLONE_NEWNS) < 0)
        abort(); /* nothing may be done in a room's mounts but this */
    return rc;
}

static int find_or_make(struct views *views, const struct view_spec *spec, struct view **ret_view, struct err *err)
{
    struct view *view;
    HASH_FIND(hh, views->by_key, &spec->key, sizeof spec->key, view);
    if (view && !is_same(view, spec)) {
        drop(views, view);
        view = NULL;
    }
    *ret_view = view;
    return view ? 0 : make(views, spec, ret_view, err);
}

int views_make(struct views *views, const struct view_spec *spec, struct err *err)
{
    struct view *view;
    return find_or_make(views, spec, &view, err);
}

int views_attach(struct views *views, const struct view_spec *spec, int room_ns, int own_ns, struct err *err)
{
    struct view *view;
    int copies[PARTS_MAX], rc = find_or_make(views, spec, &view, err);
    if (rc < 0)
        return rc;
    TAILQ_REMOVE(&views->by_use, view, used);
    TAILQ_INSERT_TAIL(&views->by_use, view, used);
    size_t n = 0;
    for (; rc == 0 && n < view->parts; n++) {
        char path[PATH_BYTES];
        part_path(views, view, n, path);
        copies[n] = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (copies[n] < 0)
            rc = err_errno(err, "copying the view of %s", view->part[n].at);
    }
    if (rc == 0)
        rc = attach_parts(view, copies, room_ns, own_ns, err);
    close_all(copies, n);
    return rc;
}
