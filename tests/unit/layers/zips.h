/* Archives for the tests, written byte by byte: also those no tool would write. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct zip_item {
    const char *name, *local_name; /* local_name NULL: the same */
    const char *data;
    uint32_t mode; /* 0: as MS-DOS writes it */
    int encrypted;
    /* What follows is left out by honest archives. */
    size_t repeat;         /* the data so many times; 0: once */
    bool deflated;         /* else stored */
    bool later;            /* sizes behind the data, as a stream is written */
    uint32_t claims;       /* the unpacked size it says it has, if not 0 */
    uint32_t crc_xor;      /* what its checksum is wrong by */
    uint16_t method;       /* the compression it says it has, if not 0 */
    uint16_t local_method; /* and what its local header says, if not 0 */
    const char *extra;     /* an extra field of its local header */
    size_t extra_len;
    bool inside; /* its local header is that of the entry before */
};

/* *out is cleared first. */
void zip_write(struct buf *out, const struct zip_item *items, size_t count);
