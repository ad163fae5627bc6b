/* What a zip archive says about itself, checked before anything is unpacked: the central directory is read, every local
 * header must say the same, no two entries may share bytes, nothing may be encrypted, split or compressed by anything but
 * deflate. Two readers that see two different archives in the same bytes is how hostile archives work; here they cannot.
 * APPNOTE.TXT 6.3.10 is the format. Any thread.
 *
 *     zip_directory_read(zip, len, TREE_NODES_MAX, &dir, &err);
 *     for (size_t i = 0; i < dir->count; i++) ... dir->entries[i]    // in the order of their place in the archive
 *     zip_directory_free(dir);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum zip_kind { ZIP_FILE, ZIP_DIRECTORY, ZIP_SYMLINK };

struct zip_entry {
    const char *name; /* as in the archive, borrowed from it; not NUL-terminated */
    size_t name_len;
    const void *data; /* the packed bytes, borrowed */
    uint64_t packed, unpacked;
    uint64_t offset; /* of the local header */
    bool stored;     /* else deflated */
    enum zip_kind kind;
    bool executable;  /* the owner's x bit, where the archive comes from a Unix */
    const char *path; /* set by the tree: normalised, NUL-terminated */
};

struct zip_directory {
    const void *zip; /* the archive, borrowed */
    size_t zip_len;
    struct zip_entry *entries;
    size_t count;
    uint64_t unpacked_bytes; /* of all entries together, as they declare; never overflows */
    size_t names_bytes;      /* of all names together */
};

/* ERR_INVALID: no zip, broken, or one of the refusals above, with code ENODATA if it is whole but empty; ERR_TOO_LARGE: more
 * than entries_max. zip is borrowed for the directory's life. */
int zip_directory_read(const void *zip, size_t len, size_t entries_max, struct zip_directory **ret_dir, struct err *err) WARN_UNUSED;
void zip_directory_free(struct zip_directory *dir);

#define ZIP_SHOWN_BYTES 200
/* The name, fit for a message: cut, and without control characters and broken UTF-8; out has ZIP_SHOWN_BYTES. Returns out. */
const char *zip_shown(const char *name, size_t len, char *out);
/* Fills err with the entry's name and why ("is a device") after it; returns -kind. */
int zip_refuse(const struct zip_entry *entry, enum err_kind kind, const char *why, struct err *err);
