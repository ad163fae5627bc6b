/* CreateFunction of a real archive over the least that a store must do for it, in pairs on the same disk: SHA-256 of the archive,
 * unpacking it with libarchive, and the syncs that make both durable before a name and a row of a database say so. The floor is one
 * thread's plain code without a check. The last bytes of the archive are its comment, which makes every sample another archive. Nothing is
 * removed meanwhile: ext4 searches long for inodes that were not deleted just now, on both sides.
 * usage: stoke_bench create FIGURE PORT ZIP_FILE DIR SAMPLES */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/base/fd.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"
#include "lib/crypto/digest.h"

#define ZIP_BYTES_MAX (32u << 20)
#define BLOCK_BYTES 65536
#define ROW_BYTES 8192   /* what a commit of one function appends to a log: two pages */
#define SETTLE_US 100000 /* between samples: the function is Active, the disk has nothing of it left to do */
#define DISCARDED 3      /* the first ones warm both sides */

static void must(int ok, const char *what)
{
    if (!ok)
        bench_die("%s: %s", what, strerror(errno));
}

/* ---- the floor ---- */

static void write_file(int dir, const char *name, const void *data, size_t len)
{
    struct err err;
    CLEANUP(fd_closep) int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    must(fd >= 0, name);
    if (fd_write_all(fd, data, len, &err) < 0)
        bench_die("%s", err.msg);
}

static void make_parents(int dir, const char *path)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        must(mkdirat(dir, part, 0755) == 0 || errno == EEXIST, part);
    }
}

static void unpack(int dir, const char *zip, size_t len)
{
    char block[BLOCK_BYTES];
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    struct err err;
    la_ssize_t n;
    if (!archive || archive_read_support_format_zip_seekable(archive) != ARCHIVE_OK ||
        archive_read_open_memory(archive, zip, len) != ARCHIVE_OK)
        bench_die("the archive cannot be read");
    while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
        const char *path = archive_entry_pathname(entry);
        make_parents(dir, path);
        CLEANUP(fd_closep) int fd = openat(dir, path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        must(fd >= 0, path);
        while ((n = archive_read_data(archive, block, sizeof block)) > 0)
            if (fd_write_all(fd, block, (size_t)n, &err) < 0)
                bench_die("%s", err.msg);
        if (n < 0)
            bench_die("%s cannot be unpacked", path);
    }
    archive_read_free(archive);
}

/* Where the floor puts things: as a store does, what is being made apart from what is there. */
struct floor {
    int incoming, trees, blobs, log;
};

static void floor_open(struct floor *floor, const char *path)
{
    must(mkdir(path, 0755) == 0, path);
    CLEANUP(fd_closep) int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *const names[] = {"incoming", "trees", "blobs"};
    int *const fds[] = {&floor->incoming, &floor->trees, &floor->blobs};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        must(mkdirat(dir, names[i], 0755) == 0, names[i]);
        *fds[i] = openat(dir, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    floor->log = openat(dir, "log", O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    must(floor->log >= 0, "the floor's log");
}

static double floor_sample(struct floor *floor, const char *zip, size_t len)
{
    static const char row[ROW_BYTES];
    unsigned char digest[SHA256_BYTES];
    char name[SHA256_HEX_BYTES];
    struct err err;
    double began = now_us();
    digest_sha256(zip, len, digest);
    id_hex(digest, sizeof digest, name);
    must(mkdirat(floor->incoming, "tree", 0755) == 0, "the tree");
    CLEANUP(fd_closep) int tree = openat(floor->incoming, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unpack(tree, zip, len);
    write_file(floor->incoming, "blob", zip, len);
    must(syncfs(tree) == 0, "syncfs");
    must(renameat(floor->incoming, "tree", floor->trees, name) == 0, "rename");
    must(renameat(floor->incoming, "blob", floor->blobs, name) == 0, "rename");
    must(fsync(floor->trees) == 0 && fsync(floor->blobs) == 0, "fsync");
    if (fd_write_all(floor->log, row, sizeof row, &err) < 0)
        bench_die("%s", err.msg);
    must(fdatasync(floor->log) == 0, "fdatasync");
    return now_us() - began;
}

/* ---- ours ---- */

static char *create_request(const char *name, const char *zip, size_t len, size_t *ret_len)
{
    CLEANUP(freep) char *text = malloc(DIGEST_BASE64_SIZE(len));
    if (!text)
        bench_die("no memory");
    digest_base64_encode(zip, len, text);
    CLEANUP(freep)
    char *body = str_format("{\"FunctionName\":\"%s\",\"Runtime\":\"python3.11\",\"Handler\":\"app.handler\","
                            "\"Role\":\"arn:aws:iam::000000000000:role/bench\",\"Code\":{\"ZipFile\":\"%s\"}}",
                            name, text);
    return wire_request("POST", "/2015-03-31/functions", body, ret_len);
}

static double our_sample(struct wire *w, int i, const char *zip, size_t len)
{
    CLEANUP(freep) char *name = str_format("create-%d-%d", (int)getpid(), i);
    size_t n;
    CLEANUP(freep) char *create = create_request(name, zip, len, &n);
    double us = wire_call(w, create, n);
    if (w->status != 201)
        bench_die("CreateFunction answered %d: %.300s", w->status, w->body);
    return us;
}

int bench_create(int argc, char **argv)
{
    if (argc != 6)
        bench_die("usage: create FIGURE PORT ZIP_FILE DIR SAMPLES");
    struct samples ours = {.name = "CreateFunction"}, least = {.name = "hash, unpack, sync"};
    struct floor floor;
    struct wire w;
    struct err err;
    char *zip;
    size_t len;
    if (fd_read_file(AT_FDCWD, argv[3], ZIP_BYTES_MAX, &zip, &len, &err) < 0)
        bench_die("%s", err.msg);
    floor_open(&floor, argv[4]);
    wire_connect(&w, atoi(argv[2]));
    int count = atoi(argv[5]) + DISCARDED;
    for (int i = 0; i < count; i++) {
        double us[2];
        for (int side = 0; side < 2; side++) { /* in turn the first */
            bool is_ours = (i + side) % 2 == 0;
            char stamp[17];
            snprintf(stamp, sizeof stamp, "%016d", 2 * i + side);
            memcpy(zip + len - 16, stamp, 16);
            us[is_ours] = is_ours ? our_sample(&w, i, zip, len) : floor_sample(&floor, zip, len);
            usleep(SETTLE_US);
        }
        if (i < DISCARDED)
            continue;
        samples_add(&ours, us[1]);
        samples_add(&least, us[0]);
    }
    samples_print(&ours);
    samples_print(&least);
    samples_ratio(argv[1], &ours, &least);
    samples_free(&ours);
    samples_free(&least);
    wire_close(&w);
    free(zip);
    return 0;
}
