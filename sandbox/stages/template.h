/* The root file system of a zygote and of the rooms made from it: assembled once, in a mount namespace of its own, out of
 * which the rooms are cloned; nobody pivots again. */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"

struct template_spec {
    const char *root;        /* an empty directory to build on; invisible afterwards */
    const char *etc;         /* directory to show at /etc */
    const char *prefix;      /* where the interpreter lives, or "" when below /usr; without links on the way there, as the next */
    const char *var_runtime; /* directory to show at /var/runtime, or "" */
    bool node_modules;       /* for Node: links to where packages are */
    bool can_mknod;          /* device nodes of our own instead of the host's */
};

/* In a process with a mount namespace of its own, still as root: builds and enters. The process' root is the new one
 * afterwards, all of it read-only. */
int template_build(const struct template_spec *spec, struct err *err) WARN_UNUSED;
