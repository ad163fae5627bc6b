/* Checks a zip's structure. Readers differ in which of the two copies of a name they believe, in what they do with a name that comes
 * twice, and in whether entries may share bytes; an archive on which they could differ is refused. */
#include "layers/zip_check.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strutil.h"

#define END_BYTES 22
#define END_SEARCH (END_BYTES + 65535) /* the record and the longest comment behind it */
#define CENTRAL_BYTES 46
#define LOCAL_BYTES 30
#define FLAG_ENCRYPTED 0x2041 /* bits 0, 6 and 13: encryption, strong encryption, masked headers */
#define FLAG_DESCRIPTOR 0x8
#define MODE_TYPE 0170000

struct entry {
    const char *name; /* into the archive */
    size_t name_len;
    size_t from, to; /* bytes of the archive that belong to it */
    bool is_dir;
};

static uint32_t le(const unsigned char *p, int bytes)
{
    uint32_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static int bad(const struct entry *e, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "the archive's entry \"%.*s\" %s", (int)(e->name_len > 200 ? 200 : e->name_len), e->name, what);
}

static int check_name(struct entry *e, struct err *err)
{
    size_t len = e->name_len, depth = 0;
    if (len == 0 || len > ZIP_NAME_BYTES_MAX)
        return bad(e, "has an empty or over-long name", err);
    if (memchr(e->name, 0, len) || !str_is_utf8(e->name, len))
        return bad(e, "has a name that is not UTF-8", err);
    if (memchr(e->name, '\\', len))
        return bad(e, "has a backslash in its name", err);
    if (e->name[0] == '/')
        return bad(e, "has an absolute path", err);
    for (size_t i = 0; i < len;) {
        const char *slash = memchr(e->name + i, '/', len - i);
        size_t n = slash ? (size_t)(slash - e->name) - i : len - i;
        if (n == 0 || n > 255 || (n == 1 && e->name[i] == '.') || (n == 2 && memcmp(e->name + i, "..", 2) == 0))
            return bad(e, "has a path component that is empty, too long, \".\" or \"..\"", err);
        if (++depth > ZIP_DEPTH_MAX)
            return bad(e, "lies too deep", err);
        i += n + (slash != NULL);
    }
    e->is_dir = e->name[len - 1] == '/';
    return 0;
}

/* The local header of an entry must tell the same story as the central one. */
static int check_local(const unsigned char *data, size_t len, const unsigned char *central, struct entry *e, struct err *err)
{
    size_t at = le(central + 42, 4);
    if (at > len || len - at < LOCAL_BYTES || memcmp(data + at, "PK\3\4", 4) != 0)
        return bad(e, "has no local header", err);
    const unsigned char *local = data + at;
    size_t name_len = le(local + 26, 2), extra_len = le(local + 28, 2);
    uint32_t packed = le(central + 20, 4);
    if (len - at - LOCAL_BYTES < name_len + extra_len || name_len != e->name_len || memcmp(local + LOCAL_BYTES, e->name, name_len) != 0)
        return bad(e, "has another name in its local header", err);
    if (le(local + 8, 2) != le(central + 10, 2))
        return bad(e, "has another compression method in its local header", err);
    if (!(le(local + 6, 2) & FLAG_DESCRIPTOR) && (le(local + 18, 4) != packed || le(local + 22, 4) != le(central + 24, 4)))
        return bad(e, "has another size in its local header", err);
    e->from = at;
    e->to = at + LOCAL_BYTES + name_len + extra_len + packed;
    if (e->to < e->from || e->to > len)
        return bad(e, "reaches past the archive's end", err);
    return 0;
}

static int check_entry(const unsigned char *data, size_t len, const unsigned char *central, struct entry *e, struct err *err)
{
    int rc = check_name(e, err);
    if (rc < 0)
        return rc;
    if (le(central + 8, 2) & FLAG_ENCRYPTED)
        return bad(e, "is encrypted", err);
    if (le(central + 20, 4) == UINT32_MAX || le(central + 24, 4) == UINT32_MAX || le(central + 42, 4) == UINT32_MAX)
        return bad(e, "is in the zip64 format, which an archive of this size does not need", err);
    unsigned method = le(central + 10, 2), type = le(central + 38, 4) >> 16 & MODE_TYPE;
    if (method != 0 && method != 8)
        return bad(e, "is compressed by a method other than deflate", err);
    bool unix_made = central[5] == 3;
    if (unix_made && type && type != 0100000 && type != 0040000 && type != 0120000)
        return bad(e, "is a device, FIFO or socket", err);
    return check_local(data, len, central, e, err);
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    size_t xn = x->name_len - x->is_dir, yn = y->name_len - y->is_dir, n = xn < yn ? xn : yn;
    int c = memcmp(x->name, y->name, n);
    return c ? c : (xn > yn) - (xn < yn);
}

static int by_place(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static int find_by_name(const void *key, const void *item)
{
    return by_name(key, item);
}

/* No name twice, no file where another entry needs a directory, no shared bytes. */
static int check_together(struct entry *entries, size_t count, struct err *err)
{
    qsort(entries, count, sizeof *entries, by_name);
    for (size_t i = 1; i < count; i++)
        if (by_name(&entries[i - 1], &entries[i]) == 0)
            return bad(&entries[i], "appears twice", err);
    for (size_t i = 0; i < count; i++)
        for (size_t n = 1; n + 1 < entries[i].name_len; n++) {
            if (entries[i].name[n] != '/')
                continue;
            struct entry parent = {.name = entries[i].name, .name_len = n};
            const struct entry *found = bsearch(&parent, entries, count, sizeof *entries, find_by_name);
            if (found && !found->is_dir)
                return bad(found, "is a file, and another entry lies below it", err);
        }
    qsort(entries, count, sizeof *entries, by_place);
    for (size_t i = 1; i < count; i++)
        if (entries[i].from < entries[i - 1].to)
            return bad(&entries[i], "shares bytes with another entry", err);
    return 0;
}

static const unsigned char *find_end(const unsigned char *data, size_t len)
{
    if (len < END_BYTES)
        return NULL;
    size_t last = len - END_BYTES, first = len > END_SEARCH ? len - END_SEARCH : 0;
    for (size_t at = last + 1; at-- > first;)
        if (memcmp(data + at, "PK\5\6", 4) == 0 && at + END_BYTES + le(data + at + 20, 2) == len)
            return data + at;
    return NULL;
}

static int read_central(const unsigned char *data, size_t len, size_t at, size_t end, struct entry *entries, size_t count,
                        struct zip_summary *summary, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned char *central = data + at;
        if (end - at < CENTRAL_BYTES || memcmp(central, "PK\1\2", 4) != 0)
            return err_set(err, ERR_INVALID, "the archive's directory breaks off at entry %zu", i);
        size_t name_len = le(central + 28, 2), size = CENTRAL_BYTES + name_len + le(central + 30, 2) + le(central + 32, 2);
        if (end - at < size)
            return err_set(err, ERR_INVALID, "the archive's directory breaks off at entry %zu", i);
        entries[i] = (struct entry){.name = (const char *)central + CENTRAL_BYTES, .name_len = name_len};
        int rc = check_entry(data, len, central, &entries[i], err);
        if (rc < 0)
            return rc;
        summary->unpacked_bytes += le(central + 24, 4);
        at += size;
    }
    return at == end ? 0 : err_set(err, ERR_INVALID, "the archive's directory has bytes behind its last entry");
}

int zip_check(const void *bytes, size_t len, struct zip_summary *ret_summary, struct err *err)
{
    const unsigned char *data = bytes, *end = find_end(data, len);
    if (!end)
        return err_set(err, ERR_INVALID, "this is no zip archive: it has no end record");
    size_t count = le(end + 10, 2), size = le(end + 12, 4), at = le(end + 16, 4), end_at = (size_t)(end - data);
    if (le(end + 4, 2) != 0 || le(end + 6, 2) != 0 || le(end + 8, 2) != count)
        return err_set(err, ERR_INVALID, "the archive is split over several files");
    if (count == 0)
        return err_set(err, ERR_INVALID, "the archive is empty");
    if (count > ZIP_ENTRIES_MAX)
        return err_set(err, ERR_TOO_LARGE, "the archive has %zu entries, more than %d", count, ZIP_ENTRIES_MAX);
    if (at > end_at || size != end_at - at)
        return err_set(err, ERR_INVALID, "the archive's directory is not where its end record says");
    CLEANUP(freep) struct entry *entries = calloc(count, sizeof *entries);
    if (!entries)
        return err_set(err, ERR_NO_MEMORY, "no memory to check %zu entries", count);
    struct zip_summary summary = {.entries = count};
    int rc = read_central(data, len, at, end_at, entries, count, &summary, err);
    if (rc == 0)
        rc = check_together(entries, count, err);
    if (rc == 0)
        *ret_summary = summary;
    return rc;
}

int zip_link_allowed(const char *name, const char *target)
{
    int depth = 0;
    for (const char *p = name; *p; p++)
        depth += *p == '/';
    if (!*target || *target == '/' || strchr(target, '\\'))
        return 0;
    bool descended = false;
    for (const char *p = target; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && memcmp(p, "..", 2) == 0) {
            if (descended || depth-- == 0) /* ".." behind a name may lead out through another link */
                return 0;
        } else if (n && !(n == 1 && *p == '.'))
            descended = true;
        p += n + (p[n] == '/');
    }
    return 1;
}
