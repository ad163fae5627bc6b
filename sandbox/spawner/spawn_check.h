/* The spawner's distrust: whether a message of stoked is one it may act on. Pure. Strings are checked to end within their
 * field, paths to be absolute and plain and to lead where they should, digests to be 64 hexadecimal digits, numbers to be within what
 * the API allows. */
#pragma once

#include "lib/base/err.h"
#include "sandbox/spawn_proto.h"

#define SPAWN_MEMORY_MB_MIN 64
#define SPAWN_MEMORY_MB_MAX 32768
#define SPAWN_TMP_MB_MIN 512
#define SPAWN_TMP_MB_MAX 10240
#define SPAWN_CPU_MILLI_MAX 1024000
#define SPAWN_PIDS_MAX 65536

/* ERR_INVALID, with what is wrong. data_dir: stoked's, as it was started with. */
int spawn_check(const struct spawn_msg *msg, const char *data_dir, struct err *err) WARN_UNUSED;
