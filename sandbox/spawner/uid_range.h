/* Unique uids: every daemon on a host takes a range of its own, so that no two sandboxes share a uid, which would share quotas
 * and the right to signal and read each other. Ranges begin at UID_RANGE_FIRST (0x70000000, the first number after those that
 * systemd-nspawn and container engines use) and end before systemd's foreign range at 0x7ffe0000. A range is held by an flock
 * on /run/stoke/uids/N, so it is free again when its holder is dead.
 */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"

#define UID_RANGE_FIRST 0x70000000u
#define UID_RANGE_SIZE 65536u
#define UID_RANGE_COUNT 4094u
#define UID_RANGE_DIR "/run/stoke/uids"

/* Takes the first free range below dir. *ret_lock_fd holds it as long as it is open (owned by the caller, close-on-exec). */
int uid_range_take(const char *dir, uint32_t *ret_base, int *ret_lock_fd, struct err *err) WARN_UNUSED;
