/* The zip format's end record, central directory and local headers. All numbers come from the uploader: every one is
 * compared with what is left before it is used. */
#include "layers/zip_directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/strutil.h"

#define END_BYTES 22
#define END_SEARCH_BYTES 16384 /* libarchive looks no further back: both must find the same record */
#define LOCATOR64_BYTES 20
#define END64_BYTES 56
#define CENTRAL_BYTES 46
#define LOCAL_BYTES 30
#define EXTRA_ZIP64 0x0001

#define SIG_END 0x06054b50u
#define SIG_LOCATOR64 0x07064b50u
#define SIG_END64 0x06064b50u
#define SIG_CENTRAL 0x02014b50u
#define SIG_LOCAL 0x04034b50u

#define FLAG_ENCRYPTED 0x0001
#define FLAG_SIZES_LATER 0x0008
#define FLAG_STRONG 0x0040
#define FLAG_UTF8 0x0800
#define FLAG_MASKED 0x2000
#define FLAGS_ENCRYPTION (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED)
#define FLAGS_COMPARED (FLAGS_ENCRYPTION | FLAG_SIZES_LATER | FLAG_UTF8)

#define HOST_UNIX 3
#define DOS_DIRECTORY 0x10

struct zip {
    const unsigned char *data;
    size_t len;
    uint64_t directory, directory_len; /* where the central directory is */
    uint64_t entries;
};

struct sizes {
    uint64_t unpacked, packed, offset;
};

static uint16_t u16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const unsigned char *p)
{
    return (uint32_t)u16(p) | (uint32_t)u16(p + 2) << 16;
}

static uint64_t u64(const unsigned char *p)
{
    return u32(p) | (uint64_t)u32(p + 4) << 32;
}

const char *zip_shown(const char *name, size_t len, char *out)
{
    size_t n = len < ZIP_SHOWN_BYTES - 4 ? len : ZIP_SHOWN_BYTES - 4;
    memcpy(out, name, n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            out[i] = '?';
    while (n < len && n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    if (!str_is_utf8(out, n))
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)out[i] >= 0x80)
                out[i] = '?';
    strcpy(out + n, n < len ? "..." : "");
    return out;
}

int zip_refuse(const struct zip_entry *entry, enum err_kind kind, const char *why, struct err *err)
{
    char shown[ZIP_SHOWN_BYTES];
    return err_set(err, kind, "entry \"%s\" %s", zip_shown(entry->name, entry->name_len, shown), why);
}

/* ---- the end records ---- */

static int find_end64(struct zip *zip, size_t end, size_t *ret_directory_end, struct err *err)
{
    const unsigned char *locator = zip->data + end - LOCATOR64_BYTES;
    uint64_t at = u64(locator + 8);
    size_t locator_at = end - LOCATOR64_BYTES;
    if (locator_at < END64_BYTES || at > locator_at - END64_BYTES || u32(zip->data + at) != SIG_END64 ||
        u64(zip->data + at + 4) != locator_at - at - 12)
        return err_set(err, ERR_INVALID, "the archive's zip64 end record is not where it should be");
    const unsigned char *end64 = zip->data + at;
    uint64_t entries = u64(end64 + 32), len = u64(end64 + 40), directory = u64(end64 + 48);
    bool same = (zip->entries == UINT16_MAX || zip->entries == entries) &&
                (zip->directory_len == UINT32_MAX || zip->directory_len == len) &&
                (zip->directory == UINT32_MAX || zip->directory == directory);
    if (u32(locator + 4) || u32(locator + 16) > 1 || u32(end64 + 16) || u32(end64 + 20) || u64(end64 + 24) != entries || !same)
        return err_set(err, ERR_INVALID, "the archive's two end records differ");
    zip->entries = entries;
    zip->directory_len = len;
    zip->directory = directory;
    *ret_directory_end = (size_t)at;
    return 0;
}

static int find_directory(struct zip *zip, struct err *err)
{
    size_t end = zip->len < END_BYTES ? 0 : zip->len - END_BYTES;
    size_t last = end > END_SEARCH_BYTES - END_BYTES ? end - (END_SEARCH_BYTES - END_BYTES) : 0;
    while (zip->len >= END_BYTES && end > last && u32(zip->data + end) != SIG_END)
        end--;
    if (zip->len < END_BYTES || u32(zip->data + end) != SIG_END)
        return err_set(err, ERR_INVALID, "not a zip archive, or one whose end is missing");
    const unsigned char *record = zip->data + end;
    if (end + END_BYTES + u16(record + 20) != zip->len)
        return err_set(err, ERR_INVALID, "the archive does not end where its end record says");
    zip->entries = u16(record + 10);
    zip->directory_len = u32(record + 12);
    zip->directory = u32(record + 16);
    if (u16(record + 4) || u16(record + 6) || u16(record + 8) != zip->entries)
        return err_set(err, ERR_INVALID, "an archive in several parts");
    size_t directory_end = end;
    if (end >= LOCATOR64_BYTES && u32(record - LOCATOR64_BYTES) == SIG_LOCATOR64) {
        int rc = find_end64(zip, end, &directory_end, err);
        if (rc < 0)
            return rc;
    }
    if (zip->directory > directory_end || directory_end - zip->directory != zip->directory_len)
        return err_set(err, ERR_INVALID, "the archive's directory is not where its end record says");
    if (zip->entries == 0) {
        err_set(err, ERR_INVALID, "the archive is empty");
        err->code = ENODATA;
        return -ERR_INVALID;
    }
    return 0;
}

/* ---- entries ---- */

/* Puts the zip64 field's values where the 32 bits were not enough. False if they are missing. */
static bool widen(const unsigned char *extra, size_t len, struct sizes *sizes, bool has_offset)
{
    bool unpacked = sizes->unpacked == UINT32_MAX, packed = sizes->packed == UINT32_MAX, offset = has_offset && sizes->offset == UINT32_MAX;
    if (!unpacked && !packed && !offset)
        return true;
    while (len >= 4) {
        size_t n = u16(extra + 2);
        if (n > len - 4)
            return false;
        if (u16(extra) == EXTRA_ZIP64) {
            const unsigned char *p = extra + 4, *end = p + n;
            uint64_t *const wanted[] = {unpacked ? &sizes->unpacked : NULL, packed ? &sizes->packed : NULL, offset ? &sizes->offset : NULL};
            for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
                if (!wanted[i])
                    continue;
                if (end - p < 8)
                    return false;
                *wanted[i] = u64(p);
                p += 8;
            }
            return true;
        }
        extra += 4 + n;
        len -= 4 + n;
    }
    return false;
}

static int read_kind(const unsigned char *central, struct zip_entry *entry, struct err *err)
{
    bool slash = entry->name[entry->name_len - 1] == '/';
    uint32_t attributes = u32(central + 38);
    entry->kind = slash ? ZIP_DIRECTORY : ZIP_FILE;
    if (central[5] != HOST_UNIX) {
        if (attributes & DOS_DIRECTORY)
            entry->kind = ZIP_DIRECTORY;
    } else {
        mode_t mode = attributes >> 16;
        entry->executable = mode & S_IXUSR;
        switch (mode & S_IFMT) {
        case 0:
        case S_IFREG:
            break;
        case S_IFDIR:
            entry->kind = ZIP_DIRECTORY;
            break;
        case S_IFLNK:
            if (slash)
                return zip_refuse(entry, ERR_INVALID, "is a symbolic link with a directory's name", err);
            entry->kind = ZIP_SYMLINK;
            break;
        case S_IFCHR:
        case S_IFBLK:
            return zip_refuse(entry, ERR_INVALID, "is a device", err);
        case S_IFIFO:
            return zip_refuse(entry, ERR_INVALID, "is a FIFO", err);
        case S_IFSOCK:
            return zip_refuse(entry, ERR_INVALID, "is a socket", err);
        default:
            return zip_refuse(entry, ERR_INVALID, "is of an unknown kind", err);
        }
    }
    if (entry->kind == ZIP_DIRECTORY && entry->unpacked)
        return zip_refuse(entry, ERR_INVALID, "is a directory with content", err);
    return 0;
}

/* The local header must say what the directory says; sizes and checksum may be left to the record behind the data. */
static int check_local(const struct zip *zip, const unsigned char *central, struct zip_entry *entry, struct err *err)
{
    if (entry->offset > zip->directory || zip->directory - entry->offset < LOCAL_BYTES)
        return zip_refuse(entry, ERR_INVALID, "lies outside of the archive", err);
    const unsigned char *local = zip->data + entry->offset;
    size_t room = (size_t)(zip->directory - entry->offset) - LOCAL_BYTES, name_len = u16(local + 26), extra_len = u16(local + 28);
    if (u32(local) != SIG_LOCAL || name_len > room || extra_len > room - name_len || entry->packed > room - name_len - extra_len)
        return zip_refuse(entry, ERR_INVALID, "lies outside of the archive", err);
    struct sizes sizes = {.unpacked = u32(local + 22), .packed = u32(local + 18)};
    if (!widen(local + LOCAL_BYTES + name_len, extra_len, &sizes, false))
        return zip_refuse(entry, ERR_INVALID, "has no sizes", err);
    bool later = u16(central + 8) & FLAG_SIZES_LATER;
    uint32_t crc = u32(local + 14);
    if (name_len != entry->name_len || memcmp(local + LOCAL_BYTES, entry->name, name_len) != 0 ||
        (u16(local + 6) & FLAGS_COMPARED) != (u16(central + 8) & FLAGS_COMPARED) || u16(local + 8) != u16(central + 10) ||
        (crc != u32(central + 16) && !(later && crc == 0)) || (sizes.unpacked != entry->unpacked && !(later && sizes.unpacked == 0)) ||
        (sizes.packed != entry->packed && !(later && sizes.packed == 0)))
        return zip_refuse(entry, ERR_INVALID, "is described differently in the archive's directory and in front of its data", err);
    entry->data = local + LOCAL_BYTES + name_len + extra_len;
    return 0;
}

static int read_entry(const struct zip *zip, const unsigned char *central, size_t room, struct zip_entry *entry, size_t *ret_len,
                      struct err *err)
{
    if (room < CENTRAL_BYTES || u32(central) != SIG_CENTRAL)
        return err_set(err, ERR_INVALID, "the archive's directory is broken");
    size_t name_len = u16(central + 28), extra_len = u16(central + 30), comment_len = u16(central + 32);
    if (name_len + extra_len + comment_len > room - CENTRAL_BYTES)
        return err_set(err, ERR_INVALID, "the archive's directory is broken");
    if (name_len == 0)
        return err_set(err, ERR_INVALID, "an entry has no name");
    struct sizes sizes = {.unpacked = u32(central + 24), .packed = u32(central + 20), .offset = u32(central + 42)};
    *entry = (struct zip_entry){.name = (const char *)central + CENTRAL_BYTES, .name_len = name_len};
    if (!widen(central + CENTRAL_BYTES + name_len, extra_len, &sizes, true))
        return zip_refuse(entry, ERR_INVALID, "has no sizes", err);
    entry->unpacked = sizes.unpacked;
    entry->packed = sizes.packed;
    entry->offset = sizes.offset;
    entry->stored = u16(central + 10) == 0;
    if (u16(central + 34))
        return zip_refuse(entry, ERR_INVALID, "is in another part of the archive", err);
    if (u16(central + 8) & FLAGS_ENCRYPTION)
        return zip_refuse(entry, ERR_INVALID, "is encrypted", err);
    if (!entry->stored && u16(central + 10) != 8)
        return zip_refuse(entry, ERR_INVALID, "is neither stored nor deflated", err);
    if (entry->stored && entry->packed != entry->unpacked)
        return zip_refuse(entry, ERR_INVALID, "is stored and has two sizes", err);
    int rc = read_kind(central, entry, err);
    if (rc == 0)
        rc = check_local(zip, central, entry, err);
    if (rc == 0)
        *ret_len = CENTRAL_BYTES + name_len + extra_len + comment_len;
    return rc;
}

static int by_offset(const void *a, const void *b)
{
    const struct zip_entry *left = a, *right = b;
    return (left->offset > right->offset) - (left->offset < right->offset);
}

static int read_entries(const struct zip *zip, struct zip_directory *dir, struct err *err)
{
    const unsigned char *central = zip->data + zip->directory;
    size_t room = (size_t)zip->directory_len;
    for (; dir->count < zip->entries; dir->count++) {
        struct zip_entry *entry = &dir->entries[dir->count];
        size_t n = 0;
        int rc = read_entry(zip, central, room, entry, &n, err);
        if (rc < 0)
            return rc;
        central += n;
        room -= n;
        dir->names_bytes += entry->name_len;
        if (__builtin_add_overflow(dir->unpacked_bytes, entry->unpacked, &dir->unpacked_bytes))
            return zip_refuse(entry, ERR_INVALID, "has an impossible size", err);
    }
    if (room)
        return err_set(err, ERR_INVALID, "the archive's directory is longer than its entries");
    qsort(dir->entries, dir->count, sizeof *dir->entries, by_offset);
    for (size_t i = 1; i < dir->count; i++) {
        const struct zip_entry *before = &dir->entries[i - 1];
        if ((const char *)zip->data + dir->entries[i].offset < (const char *)before->data + before->packed)
            return zip_refuse(&dir->entries[i], ERR_INVALID, "shares its bytes with another entry", err);
    }
    return 0;
}

int zip_directory_read(const void *data, size_t len, size_t entries_max, struct zip_directory **ret_dir, struct err *err)
{
    struct zip zip = {.data = data, .len = len};
    int rc = find_directory(&zip, err);
    if (rc < 0)
        return rc;
    if (zip.entries > entries_max)
        return err_set(err, ERR_TOO_LARGE, "the archive has %llu entries, more than %zu", (unsigned long long)zip.entries, entries_max);
    struct zip_directory *dir = calloc(1, sizeof *dir);
    if (dir)
        dir->entries = calloc((size_t)zip.entries, sizeof *dir->entries);
    if (!dir || !dir->entries) {
        zip_directory_free(dir);
        return err_set(err, ERR_NO_MEMORY, "no memory for the archive's directory");
    }
    dir->zip = data;
    dir->zip_len = len;
    rc = read_entries(&zip, dir, err);
    if (rc < 0) {
        zip_directory_free(dir);
        return rc;
    }
    *ret_dir = dir;
    return 0;
}

void zip_directory_free(struct zip_directory *dir)
{
    if (!dir)
        return;
    free(dir->entries);
    free(dir);
}
