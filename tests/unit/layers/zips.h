/* Archives for the tests, written byte by byte: also those no tool would write. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct zip_item {
    const char *name, *local_name; /* local_name NULL: the same */
    const char *data;
    uint32_t mode; /* 0: as MS-DOS writes it */
    int encrypted;
};

/* Stored entries. *out is cleared first. */
void zip_write(struct buf *out, const struct zip_item *items, size_t count);
