/* The data directory: made if it is not there, ours alone (mode 0700), reachable for the user stoked becomes, and locked
 * against a second daemon. At start, one thread.
 *
 *     data_dir_open(path, &identity, &dir, &err);      // still with the privileges stoked was started with
 *     ... dir.path, dir.fd ... data_dir_close(&dir);
 */
#pragma once

#include "host/privileges.h"
#include "lib/base/err.h"

struct data_dir {
    char *path; /* absolute, without symbolic links; owned */
    int fd;     /* of the directory */
    int lock_fd;
};

/* Empty path: /var/lib/stoke as root, else ~/.local/share/stoke. Waits for what a killed stoked left to be swept. ERR_CONFLICT:
 * another stoked has it (the message names its pid); ERR_DENIED: it belongs to somebody else, or a component of the path may not be
 * entered (the message names it). */
int data_dir_open(const char *path, const struct identity *identity, struct data_dir *ret_dir, struct err *err) WARN_UNUSED;
void data_dir_close(struct data_dir *dir);
/* An empty directory below it: made, or emptied of plain files. */
int data_dir_scratch(const struct data_dir *dir, const char *name, struct err *err) WARN_UNUSED;
