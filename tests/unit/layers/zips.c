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

/* The packed data of an item, its size unpacked and its checksum. */
static void pack(const struct zip_item *it, struct buf *packed, uint32_t *ret_len, uint32_t *ret_crc)
{
    CLEANUP(buf_free) struct buf plain = BUF_INIT(1u << 30);
    for (size_t i = 0; i < (it->repeat ? it->repeat : 1); i++)
        add(&plain, it->data, strlen(it->data));
    *ret_len = (uint32_t)plain.len;
    *ret_crc = (uint32_t)crc32(0, plain.data ? (const void *)plain.data : (const void *)"", (uInt)plain.len);
    if (!it->deflated) {
        add(packed, plain.data ? plain.data : "", plain.len);
        return;
    }
    z_stream z = {.next_in = (void *)plain.data, .avail_in = (uInt)plain.len};
    if (deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK || buf_reserve(packed, deflateBound(&z, plain.len)) < 0)
        abort();
    z.next_out = (void *)(packed->data + packed->len);
    z.avail_out = (uInt)deflateBound(&z, plain.len);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    packed->len += z.total_out;
    deflateEnd(&z);
}

static void write_one(struct buf *out, struct buf *central, const struct zip_item *it, size_t *at)
{
    CLEANUP(buf_free) struct buf packed = BUF_INIT(1u << 30);
    const char *local = it->local_name ? it->local_name : it->name;
    uint32_t len, crc;
    pack(it, &packed, &len, &crc);
    crc ^= it->crc_xor;
    len = it->claims ? it->claims : len;
    unsigned method = it->method ? it->method : it->deflated ? 8 : 0, flags = (it->encrypted ? 1u : 0) | (it->later ? 8u : 0);
    if (!it->inside) {
        *at = out->len;
        add(out, "PK\3\4", 4);
        put(out, 20, 2), put(out, flags, 2), put(out, it->local_method ? it->local_method : method, 2), put(out, 0, 2), put(out, 0x5b55, 2);
        put(out, it->later ? 0 : crc, 4), put(out, it->later ? 0 : packed.len, 4), put(out, it->later ? 0 : len, 4);
        put(out, strlen(local), 2), put(out, it->extra_len, 2);
        add(out, local, strlen(local));
        add(out, it->extra ? it->extra : "", it->extra_len);
        add(out, packed.data ? packed.data : "", packed.len);
        if (it->later)
            add(out, "PK\7\10", 4), put(out, crc, 4), put(out, packed.len, 4), put(out, len, 4);
    }
    add(central, "PK\1\2", 4);
    put(central, it->mode ? 0x0314 : 20, 2), put(central, 20, 2), put(central, flags, 2), put(central, method, 2);
    put(central, 0, 2), put(central, 0x5b55, 2), put(central, crc, 4), put(central, packed.len, 4), put(central, len, 4);
    put(central, strlen(it->name), 2), put(central, 0, 2), put(central, 0, 2), put(central, 0, 2), put(central, 0, 2);
    put(central, (uint64_t)it->mode << 16, 4), put(central, *at, 4);
    add(central, it->name, strlen(it->name));
}

void zip_write(struct buf *out, const struct zip_item *items, size_t count)
{
    CLEANUP(buf_free) struct buf central = BUF_INIT(1u << 26);
    buf_clear(out);
    size_t last = 0;
    for (size_t i = 0; i < count; i++)
        write_one(out, &central, &items[i], &last);
    size_t at = out->len;
    add(out, central.data ? central.data : "", central.len);
    add(out, "PK\5\6", 4);
    put(out, 0, 4), put(out, count & 0xffff, 2), put(out, count & 0xffff, 2), put(out, central.len, 4), put(out, at, 4), put(out, 0, 2);
}
