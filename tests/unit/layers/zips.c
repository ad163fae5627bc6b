/* A zip writer that checks nothing. */
#include "tests/unit/layers/zips.h"

#include <string.h>
#include <zlib.h>

static void put(struct buf *b, uint64_t value, int bytes)
{
    while (bytes--) {
        if (buf_putc(b, (char)value) < 0)
            abort();
        value >>= 8;
    }
}

static void add(struct buf *b, const void *data, size_t len)
{
    if (buf_append(b, data, len) < 0)
        abort();
}

void zip_write(struct buf *out, const struct zip_item *items, size_t count)
{
    CLEANUP(buf_free) struct buf central = BUF_INIT(1 << 20);
    buf_clear(out);
    for (size_t i = 0; i < count; i++) {
        const struct zip_item *it = &items[i];
        const char *local = it->local_name ? it->local_name : it->name;
        uint32_t len = (uint32_t)strlen(it->data), crc = (uint32_t)crc32(0, (const void *)it->data, len);
        size_t at = out->len;
        add(out, "PK\3\4", 4);
        put(out, 20, 2), put(out, it->encrypted ? 1 : 0, 2), put(out, 0, 2), put(out, 0, 4), put(out, crc, 4);
        put(out, len, 4), put(out, len, 4), put(out, strlen(local), 2), put(out, 0, 2);
        add(out, local, strlen(local));
        add(out, it->data, len);
        add(&central, "PK\1\2", 4);
        put(&central, it->mode ? 0x0314 : 20, 2), put(&central, 20, 2), put(&central, it->encrypted ? 1 : 0, 2), put(&central, 0, 2);
        put(&central, 0, 4), put(&central, crc, 4), put(&central, len, 4), put(&central, len, 4), put(&central, strlen(it->name), 2);
        put(&central, 0, 2), put(&central, 0, 2), put(&central, 0, 2), put(&central, 0, 2), put(&central, (uint64_t)it->mode << 16, 4), put(&central, at, 4);
        add(&central, it->name, strlen(it->name));
    }
    size_t at = out->len;
    add(out, central.data ? central.data : "", central.len);
    add(out, "PK\5\6", 4);
    put(out, 0, 4), put(out, count, 2), put(out, count, 2), put(out, central.len, 4), put(out, at, 4), put(out, 0, 2);
}
