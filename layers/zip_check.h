/* The structure of a zip archive, checked before anything is unpacked: what its central directory says, whether the local headers say
 * the same, and whether every name may be written. Pure; reads the bytes it is given and nothing else.
 *
 *     zip_check(data, len, &summary, &err);     // ERR_INVALID names the entry and what is wrong with it
 *
 * Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.16, 4.4.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define ZIP_ENTRIES_MAX 50000
#define ZIP_NAME_BYTES_MAX 1024
#define ZIP_DEPTH_MAX 64

struct zip_summary {
    size_t entries;
    uint64_t unpacked_bytes; /* as the directory claims; unpacking counts for itself */
};

int zip_check(const void *data, size_t len, struct zip_summary *ret_summary, struct err *err) WARN_UNUSED;
/* Whether a symbolic link at name may point to target: relative, ".." only in front, never above the tree. */
int zip_link_allowed(const char *name, const char *target);
