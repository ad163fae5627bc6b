/* The content-addressed store. DATA/blobs and DATA/trees hold finished content under its digest, DATA/incoming what is being written:
 *
 *   hash -> already there? -> check -> blob to incoming/<random>.zip -> unpack to incoming/<random>.tree -> syncfs, for both
 *        -> rename tree, rename blob, fsync both directories
 *
 * The tree comes first: a blob under its final name says that all of it is there. What is removed goes the other way: the blob is
 * deleted, the tree renamed to incoming/ and deleted there. A crash leaves names in incoming/ or a tree without a blob, and the sweep at
 * start removes both. */
#include "layers/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/archive_tree.h"
#include "layers/unpack.h"
#include "lib/base/fd.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"

#define INCOMING_NAME_BYTES 32

struct store {
    int blobs, trees, incoming;
    pthread_mutex_t lock; /* renaming into place and removing exclude each other */
};

static int open_dir(int dirfd, const char *name, int *ret_fd, struct err *err)
{
    if (mkdirat(dirfd, name, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "making %s in the data directory", name);
    *ret_fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? err_errno(err, "opening %s in the data directory", name) : 0;
}

int store_open(int data_dirfd, struct store **ret_store, struct err *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return err_set(err, ERR_NO_MEMORY, "no memory for the store");
    store->blobs = store->trees = store->incoming = -1;
    pthread_mutex_init(&store->lock, NULL);
    if (open_dir(data_dirfd, "blobs", &store->blobs, err) < 0 || open_dir(data_dirfd, "trees", &store->trees, err) < 0 ||
        open_dir(data_dirfd, "incoming", &store->incoming, err) < 0) {
        store_close(store);
        return -(int)err->kind;
    }
    *ret_store = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    fd_closep(&store->blobs);
    fd_closep(&store->trees);
    fd_closep(&store->incoming);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static int is_digest(const char *name)
{
    return strlen(name) == SHA256_HEX_BYTES - 1 && strspn(name, "0123456789abcdef") == SHA256_HEX_BYTES - 1;
}

int store_has(struct store *store, const char *sha256_hex)
{
    return is_digest(sha256_hex) && faccessat(store->blobs, sha256_hex, F_OK, 0) == 0 && faccessat(store->trees, sha256_hex, F_OK, 0) == 0;
}

/* A name that nothing in incoming/ has. */
static void name_incoming(char out[INCOMING_NAME_BYTES], const char *suffix)
{
    unsigned char random[8];
    char hex[2 * sizeof random + 1];
    id_random(random, sizeof random);
    id_hex(random, sizeof random, hex);
    snprintf(out, INCOMING_NAME_BYTES, "%s%s", hex, suffix);
}

static int write_blob(struct store *store, const char *name, const void *zip, size_t len, struct err *err)
{
    CLEANUP(fd_closep) int fd = openat(store->incoming, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, "creating an archive's file");
    int rc = fd_write_all(fd, zip, len, err);
    if (rc < 0)
        return err_wrap(err, "storing the archive");
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* the disk has it to do while we unpack; syncfs waits for it */
    return 0;
}

/* The tree's directory is opened before anything is written: syncfs tells of the errors since then. */
static int write_both(struct store *store, const char *tree, const char *blob, const struct zip_directory *zip,
                      const struct archive_tree *plan, struct err *err)
{
    if (mkdirat(store->incoming, tree, 0755) < 0)
        return err_errno(err, "making a directory for the code");
    CLEANUP(fd_closep) int dir = openat(store->incoming, tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fchmod(dir, 0755) < 0) /* whatever our umask is: workers read it */
        return err_errno(err, "opening the directory for the code");
    int rc = write_blob(store, blob, zip->zip, zip->zip_len, err);
    if (rc == 0)
        rc = unpack(dir, zip, plan, err);
    if (rc < 0)
        return rc;
    if (fchmod(dir, 0755) < 0) /* the sandbox's user reads it, whatever our umask is */
        return err_errno(err, "opening the code to its readers");
    return syncfs(dir) < 0 ? err_errno(err, "writing the code to the disk") : 0;
}

/* Both under their final names; whoever was there first with the same content wins. */
static int publish(struct store *store, const char *tree, const char *blob, const char *digest, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&store->lock);
    if (renameat(store->incoming, tree, store->trees, digest) < 0 && errno != EEXIST && errno != ENOTEMPTY)
        rc = err_errno(err, "publishing the code");
    else if (renameat(store->incoming, blob, store->blobs, digest) < 0)
        rc = err_errno(err, "publishing the archive");
    else if (fsync(store->trees) < 0 || fsync(store->blobs) < 0)
        rc = err_errno(err, "fsync of the store");
    pthread_mutex_unlock(&store->lock);
    return rc;
}

/* Unpacks and stores what is not there yet. */
static int put_new(struct store *store, struct zip_directory *zip, const char *digest, struct err *err)
{
    char tree[INCOMING_NAME_BYTES], blob[INCOMING_NAME_BYTES];
    struct archive_tree *plan;
    int rc = archive_tree_plan(zip, &plan, err);
    if (rc < 0)
        return rc;
    name_incoming(tree, ".tree");
    name_incoming(blob, ".zip");
    rc = write_both(store, tree, blob, zip, plan, err);
    archive_tree_free(plan);
    if (rc == 0)
        rc = publish(store, tree, blob, digest, err);
    struct err ignored; /* what is left here the next sweep removes */
    (void)!remove_tree(store->incoming, tree, &ignored);
    (void)!remove_tree(store->incoming, blob, &ignored);
    return rc;
}

int store_put(struct store *store, const void *data, size_t len, uint64_t unpacked_max, struct store_archive *ret_archive, struct err *err)
{
    struct store_archive archive = {.size_bytes = len};
    struct zip_directory *zip;
    unsigned char digest[SHA256_BYTES];
    int rc = zip_directory_read(data, len, TREE_NODES_MAX, &zip, err);
    if (rc < 0)
        return rc;
    digest_sha256(data, len, digest);
    id_hex(digest, sizeof digest, archive.sha256_hex);
    digest_base64_encode(digest, sizeof digest, archive.sha256_base64);
    archive.unpacked_bytes = zip->unpacked_bytes;
    if (archive.unpacked_bytes > unpacked_max)
        rc = err_set(err, ERR_TOO_LARGE, "the archive unpacks to %llu bytes, more than %llu", (unsigned long long)archive.unpacked_bytes,
                     (unsigned long long)unpacked_max);
    else if (!store_has(store, archive.sha256_hex))
        rc = put_new(store, zip, archive.sha256_hex, err);
    zip_directory_free(zip);
    if (rc == 0)
        *ret_archive = archive;
    return rc;
}

int store_open_blob(struct store *store, const char *sha256_hex, int *ret_fd, struct err *err)
{
    if (!is_digest(sha256_hex))
        return err_set(err, ERR_INVALID, "\"%.80s\" is no digest", sha256_hex);
    *ret_fd = openat(store->blobs, sha256_hex, O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? err_errno(err, "opening the archive %s", sha256_hex) : 0;
}

int store_open_tree(struct store *store, const char *sha256_hex, int *ret_dirfd, struct err *err)
{
    if (!is_digest(sha256_hex))
        return err_set(err, ERR_INVALID, "\"%.80s\" is no digest", sha256_hex);
    *ret_dirfd = openat(store->trees, sha256_hex, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_dirfd < 0 ? err_errno(err, "opening the code %s", sha256_hex) : 0;
}

int store_remove(struct store *store, const char *sha256_hex, struct err *err)
{
    if (!is_digest(sha256_hex))
        return err_set(err, ERR_INVALID, "\"%.80s\" is no digest", sha256_hex);
    char unwanted[INCOMING_NAME_BYTES];
    name_incoming(unwanted, ".tree");
    pthread_mutex_lock(&store->lock);
    int rc = remove_tree(store->blobs, sha256_hex, err); /* the blob first: a tree without one is swept */
    if (rc == 0 && renameat(store->trees, sha256_hex, store->incoming, unwanted) < 0 && errno != ENOENT)
        rc = err_errno(err, "removing the code");
    pthread_mutex_unlock(&store->lock);
    /* Not in its place: what fails half-way would be taken there for the whole by whoever brings the same archive again. */
    return rc < 0 ? rc : remove_tree(store->incoming, unwanted, err);
}

static int sweep_dir(struct store *store, int dirfd, int (*keep)(struct store *store, void *arg, const char *name), void *arg,
                     struct err *err)
{
    int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *d;
    if (!dir) {
        fd_closep(&copy);
        return err_errno(err, "sweeping the store");
    }
    int rc = 0;
    while (rc == 0 && (d = readdir(dir)))
        if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, "..") && !keep(store, arg, d->d_name))
            rc = remove_tree(dirfd, d->d_name, err);
    closedir(dir);
    return rc;
}

struct claim {
    int (*is_live)(void *arg, const char *sha256_hex);
    void *arg;
};

static int keep_none(struct store *store, void *arg, const char *name)
{
    (void)store, (void)arg, (void)name;
    return 0;
}

static int keep_live(struct store *store, void *arg, const char *name)
{
    const struct claim *claim = arg;
    return store_has(store, name) && claim->is_live(claim->arg, name);
}

int store_sweep(struct store *store, int (*is_live)(void *arg, const char *sha256_hex), void *arg, struct err *err)
{
    struct claim claim = {is_live, arg};
    int rc = sweep_dir(store, store->incoming, keep_none, NULL, err);
    if (rc == 0)
        rc = sweep_dir(store, store->blobs, keep_live, &claim, err);
    if (rc == 0)
        rc = sweep_dir(store, store->trees, keep_live, &claim, err);
    return rc;
}
