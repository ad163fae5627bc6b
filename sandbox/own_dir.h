/* The directories below the data directory that are the monitor's and the spawner's own. The data directory is stoked's, who has
 * nobody's privileges and may rename what lies in it: so they are opened once, and used through the descriptor.
 *
 *     own_dir_open(data_dir, SPAWNER_DIR, 0755, &fd, &err);  own_dir_below(fd, "tmp", 0700, &tmp, &err);
 */
#pragma once

#include <sys/types.h>

#include "lib/base/err.h"

/* Makes it where it is missing. ERR_DENIED: what is there is not a directory that we alone may change. *ret_fd belongs to the caller. */
int own_dir_open(const char *parent, const char *name, mode_t mode, int *ret_fd, struct err *err) WARN_UNUSED;
int own_dir_below(int parent, const char *name, mode_t mode, int *ret_fd, struct err *err) WARN_UNUSED;
