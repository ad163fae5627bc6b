/* Unpacks a checked zip archive into an empty directory, hardened: nothing outside of it, modes normalised, no special files, a bound
 * on what is written while it is written. Any thread.
 *
 *     unpack(dirfd, zip, len, STORE_UNPACKED_BYTES_MAX, &bytes, &err);
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* On failure the directory holds whatever was written; the caller removes it. */
int unpack(int dirfd, const void *zip, size_t len, uint64_t bytes_max, uint64_t *ret_bytes, struct err *err) WARN_UNUSED;
/* Removes name in dirfd, a file or a directory with everything below it, without following links. */
int remove_tree(int dirfd, const char *name, struct err *err) WARN_UNUSED;
