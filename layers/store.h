/* The content-addressed store of code archives: DATA/blobs/<sha256> as uploaded, DATA/trees/<sha256>/ unpacked and
 * hardened, read-only, shared by every version and worker. Both are written in DATA/incoming, synced and renamed: a
 * deployment is there whole or not at all. Any thread, except store_sweep().
 *
 *     store_open(data_dirfd, &store, &err);
 *     store_put(store, zip, len, STORE_ZIP_BYTES_MAX, &archive, &err);   // on a job thread: hashes, unpacks, fsyncs
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/crypto/digest.h"

struct store;

struct store_archive {
    char sha256_hex[SHA256_HEX_BYTES];       /* names the blob and the tree */
    char sha256_base64[SHA256_BASE64_BYTES]; /* Lambda's CodeSha256 */
    uint64_t size_bytes;                     /* of the archive: Lambda's CodeSize */
    uint64_t unpacked_bytes;
};

int store_open(int data_dirfd, struct store **ret_store, struct err *err) WARN_UNUSED;
void store_close(struct store *store);

/* Stores one zip archive (borrowed) of at most unpacked_max bytes unpacked; existing content is found by its digest and
 * not unpacked again. ERR_INVALID: no zip, hostile or broken entries (the message names the entry), with code ENODATA if it is
 * whole but empty; ERR_TOO_LARGE: past unpacked_max or the limits of archive_tree.h; ERR_NO_SPACE: the disk. On failure nothing is
 * left behind. */
int store_put(struct store *store, const void *zip, size_t len, uint64_t unpacked_max, struct store_archive *ret_archive,
              struct err *err) WARN_UNUSED;
/* Whether blob and tree of that digest are there. */
int store_has(struct store *store, const char *sha256_hex);
/* Opens the archive for reading (GetFunction's Code.Location); the caller closes. */
int store_open_blob(struct store *store, const char *sha256_hex, int *ret_fd, struct err *err) WARN_UNUSED;
/* A directory of the tree, O_PATH-less and readable: to look for bootstrap, foreign binaries and so on. */
int store_open_tree(struct store *store, const char *sha256_hex, int *ret_dirfd, struct err *err) WARN_UNUSED;
/* Removes blob and tree. The caller knows that no version refers to them and that no room has them mounted. */
int store_remove(struct store *store, const char *sha256_hex, struct err *err) WARN_UNUSED;
/* At start: deletes temporary names and everything is_live(arg, digest) does not claim. */
int store_sweep(struct store *store, int (*is_live)(void *arg, const char *sha256_hex), void *arg, struct err *err) WARN_UNUSED;
