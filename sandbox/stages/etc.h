/* The /etc that rooms see: a few files of our own and copies of what runtimes look up on the host (the loader's cache,
 * certificates, alternatives, a JVM's configuration). Made once per spawner. */
#pragma once

#include "lib/base/err.h"

/* Fills the empty directory dir. What the host lacks is left out. */
int etc_prepare(const char *dir, struct err *err) WARN_UNUSED;
