/* The store: what it keeps, what it refuses (containment probes 59 to 63), and what a crash leaves. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/store.h"
#include "layers/unpack.h"
#include "lib/base/fd.h"
#include "tests/unit/cunit.h"
#include "tests/unit/layers/zips.h"

#define MAX_BYTES 10000

static char dir[64];
static int dirfd_;
static struct store *store;

static void set_up(void)
{
    struct err err;
    strcpy(dir, "/tmp/stoke-store-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(store_open(dirfd_, &store, &err), 0);
}

static int entries_in(const char *name)
{
    int n = 0, fd = openat(dirfd_, name, O_RDONLY | O_DIRECTORY);
    DIR *d = fdopendir(fd);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void tear_down(void)
{
    struct err err;
    CU_ASSERT_EQUAL(entries_in("incoming"), 0); /* whatever happened */
    store_close(store);
    close(dirfd_);
    CU_ASSERT_EQUAL(remove_tree(AT_FDCWD, dir, &err), 0);
}

static int put(const struct zip_item *items, size_t count, struct store_archive *archive, struct err *err)
{
    CLEANUP(buf_free) struct buf zip = BUF_INIT(1 << 20);
    zip_write(&zip, items, count);
    return store_put(store, zip.data, zip.len, MAX_BYTES, archive, err);
}

static void test_store_keeps(void)
{
    umask(077); /* as the daemon's: what workers read must not depend on it */
    set_up();
    static const struct zip_item items[] = {{.name = "app.py", .data = "print(1)"},
                                            {.name = "bin/run", .data = "#!/bin/sh", .mode = 0100755},
                                            {.name = "secret", .data = "s", .mode = 0100600},
                                            {.name = "setuid", .data = "s", .mode = 0104755},
                                            {.name = "bin/link", .data = "../app.py", .mode = 0120777},
                                            {.name = "empty/", .data = "", .mode = 0040700}};
    struct store_archive a = {0}, b = {0};
    struct err err;
    CU_ASSERT_EQUAL_FATAL(put(items, 6, &a, &err), 0);
    CU_ASSERT_EQUAL(a.unpacked_bytes, 8 + 9 + 1 + 1 + strlen("../app.py"));
    CU_ASSERT(store_has(store, a.sha256_hex));
    CU_ASSERT_EQUAL(put(items, 6, &b, &err), 0);
    CU_ASSERT_STRING_EQUAL(a.sha256_hex, b.sha256_hex);
    int tree = -1, blob = -1;
    CU_ASSERT_EQUAL(store_open_tree(store, a.sha256_hex, &tree, &err), 0);
    CU_ASSERT_EQUAL(store_open_blob(store, a.sha256_hex, &blob, &err), 0);
    static const struct {
        const char *name;
        mode_t mode;
    } want[] = {{"app.py", 0100644}, {"bin/run", 0100755}, {"secret", 0100644},
                {"setuid", 0100755}, {"empty", 0040755},   {"bin/link", 0120777}};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct stat st = {0};
        CU_ASSERT_EQUAL(fstatat(tree, want[i].name, &st, AT_SYMLINK_NOFOLLOW), 0);
        CU_ASSERT_EQUAL(st.st_mode, want[i].mode);
    }
    close(tree);
    close(blob);
    CU_ASSERT_EQUAL(store_remove(store, a.sha256_hex, &err), 0);
    CU_ASSERT_FALSE(store_has(store, a.sha256_hex));
    CU_ASSERT_EQUAL(store_open_blob(store, "../../etc/passwd", &blob, &err), -ERR_INVALID);
    tear_down();
}

/* Each is refused as invalid, names its entry, and leaves nothing. */
static void test_store_refuses_hostile(void)
{
    static const struct {
        struct zip_item items[3];
        size_t count;
        const char *says;
    } rows[] = {
        {{{.name = "../up", .data = "x"}}, 1, "\"../up\" leads out"},
        {{{.name = "a/../../up", .data = "x"}}, 1, "leads out"},
        {{{.name = "a/..", .data = "x"}}, 1, "leads out"},
        {{{.name = "/abs", .data = "x"}}, 1, "absolute"},
        {{{.name = "//abs", .data = "x"}}, 1, "absolute"},
        {{{.name = "a\\..\\up", .data = "x"}}, 1, "backslash"},
        {{{.name = ".", .data = "x"}}, 1, "no name"},
        {{{.name = "bad\xff", .data = "1"}}, 1, "UTF-8"},
        {{{.name = "link", .data = "/etc/passwd", .mode = 0120777}}, 1, "absolute"},
        {{{.name = "link", .data = "", .mode = 0120777}}, 1, "without a target"},
        {{{.name = "d/link", .data = "../../up", .mode = 0120777}}, 1, "leads out"},
        {{{.name = "d/link", .data = "x/../../../up", .mode = 0120777}, {.name = "d/x/f", .data = ""}}, 2, "leads out"},
        {{{.name = "a/b/up", .data = "../..", .mode = 0120777}, {.name = "link", .data = "a/b/up/..", .mode = 0120777}},
         2,
         "goes up from"}, /* each inside by its text */
        {{{.name = "link", .data = "d/..", .mode = 0120777}}, 1, "goes up from"},
        {{{.name = "l", .data = "d", .mode = 0120777}, {.name = "l/x", .data = "1"}}, 2, "no directory"},
        {{{.name = "l/x", .data = "1"}, {.name = "l", .data = "d", .mode = 0120777}}, 2, "no directory"},
        {{{.name = "dev", .data = "", .mode = 0020666}}, 1, "device"},
        {{{.name = "disk", .data = "", .mode = 0060666}}, 1, "device"},
        {{{.name = "fifo", .data = "", .mode = 0010666}}, 1, "FIFO"},
        {{{.name = "sock", .data = "", .mode = 0140666}}, 1, "socket"},
        {{{.name = "odd", .data = "", .mode = 0150666}}, 1, "unknown kind"},
        {{{.name = "same", .data = "1"}, {.name = "same", .data = "2"}}, 2, "twice"},
        {{{.name = "d/same", .data = "1"}, {.name = "./d//same", .data = "2"}}, 2, "twice"},
        {{{.name = "f", .data = "1"}, {.name = "f/x", .data = "2"}}, 2, "no directory"},
        {{{.name = "f/x/y", .data = "2"}, {.name = "f", .data = "1"}, {.name = "f-", .data = "1"}}, 3, "no directory"},
        {{{.name = "d/", .data = ""}, {.name = "d", .data = "2"}}, 2, "twice"},
        {{{.name = "d/", .data = "content"}}, 1, "with content"},
        {{{.name = "good", .local_name = "evil", .data = "1"}}, 1, "differently"},
        {{{.name = "good", .local_name = "../x", .data = "1"}}, 1, "differently"},
        {{{.name = "good", .data = "1", .local_method = 8}}, 1, "differently"},
        {{{.name = "one", .data = "1"}, {.name = "one", .data = "1", .inside = true}}, 2, "shares"},
        {{{.name = "one", .data = "1"}, {.name = "two", .local_name = "one", .data = "1", .inside = true}}, 2, "differently"},
        {{{.name = "enc", .data = "1", .encrypted = 1}}, 1, "encrypted"},
        {{{.name = "lzma", .data = "1", .method = 14}}, 1, "neither stored"},
        {{{.name = "short", .data = "1", .claims = 2}}, 1, "two sizes"},
        {{{.name = "short", .data = "12345", .deflated = true, .claims = 9}}, 1, "is broken"},
        {{{.name = "long", .data = "12345", .deflated = true, .claims = 3}}, 1, "\"long\""},
        {{{.name = "crc", .data = "1", .crc_xor = 1}}, 1, "checksum"},
        {{{.name = "crc", .data = "1", .crc_xor = 1, .deflated = true}}, 1, "checksum"},
        {{{.name = "mess", .data = "\xff\xff\xff\xff", .method = 8}}, 1, "is broken"},
        {{{.name = "n\033[2J", .data = "1", .encrypted = 1}}, 1, "\"n?[2J\""}, /* no escapes in anybody's terminal */
    };
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_archive a;
        struct err err = {0};
        CU_ASSERT_EQUAL(put(rows[i].items, rows[i].count, &a, &err), -ERR_INVALID);
        if (!strstr(err.msg, rows[i].says))
            printf("row %zu: %s\n", i, err.msg);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, rows[i].says));
    }
    CU_ASSERT_EQUAL(entries_in("trees") + entries_in("blobs"), 0);
    tear_down();
}

static void test_store_refuses_broken(void)
{
    set_up();
    static const struct zip_item items[] = {{.name = "a", .data = "hello"}, {.name = "b", .data = "world"}};
    CLEANUP(buf_free) struct buf zip = BUF_INIT(1 << 20);
    zip_write(&zip, items, 2);
    struct store_archive a;
    struct err err;
    for (size_t len = 0; len < zip.len; len++) /* cut anywhere */
        CU_ASSERT_EQUAL(store_put(store, zip.data, len, MAX_BYTES, &a, &err), -ERR_INVALID);
    zip_write(&zip, items, 0);
    CU_ASSERT_EQUAL(store_put(store, zip.data, zip.len, MAX_BYTES, &a, &err), -ERR_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "empty"));
    CU_ASSERT_EQUAL(store_put(store, "not a zip at all, but long enough to be one", 43, MAX_BYTES, &a, &err), -ERR_INVALID);
    tear_down();
}

/* Like probe 62: neither what an archive says nor what it hides gets beyond the limit. */
static void test_store_stops_bombs(void)
{
    set_up();
    struct zip_item honest[] = {{.name = "big", .data = "x", .repeat = MAX_BYTES + 1, .deflated = true}};
    struct zip_item two[] = {{.name = "a", .data = "x", .repeat = MAX_BYTES - 1}, {.name = "b", .data = "xx"}};
    struct zip_item liar[] = {{.name = "big", .data = "x", .repeat = 50 << 20, .deflated = true, .claims = 100}};
    struct store_archive a;
    struct err err;
    CU_ASSERT_EQUAL(put(honest, 1, &a, &err), -ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(put(two, 2, &a, &err), -ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(put(liar, 1, &a, &err), -ERR_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "unpacks to more"));
    liar[0].later = true;
    CU_ASSERT_EQUAL(put(liar, 1, &a, &err), -ERR_INVALID);
    honest[0].repeat = MAX_BYTES;
    CU_ASSERT_EQUAL(put(honest, 1, &a, &err), 0);
    tear_down();
}

/* Inodes are a limit, too, also those that only long names ask for. */
static void test_store_limits_names(void)
{
    enum { ENTRIES = 1500, DEPTH = 80 };
    set_up();
    struct store_archive a;
    struct err err;
    CLEANUP(freep) struct zip_item *items = calloc(ENTRIES, sizeof *items);
    CLEANUP(freep) char *names = calloc(ENTRIES, 3 * DEPTH + 8);
    for (size_t i = 0; i < ENTRIES; i++) {
        char *name = names + i * (3 * DEPTH + 8);
        items[i] = (struct zip_item){.name = name, .data = ""};
        name += sprintf(name, "%04zu", i);
        for (int d = 0; d < DEPTH; d++)
            name += sprintf(name, "/d");
    }
    CU_ASSERT_EQUAL(put(items, ENTRIES, &a, &err), -ERR_TOO_LARGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "too many directories"));
    char deep[2 * 101 + 2] = "", wide[258];
    for (int d = 0; d < 101; d++)
        strcat(deep, "d/");
    memset(wide, 'w', 256);
    wide[256] = '\0';
    struct zip_item one[] = {{.name = deep, .data = ""}};
    CU_ASSERT_EQUAL(put(one, 1, &a, &err), -ERR_TOO_LARGE);
    one[0].name = wide;
    CU_ASSERT_EQUAL(put(one, 1, &a, &err), -ERR_TOO_LARGE);
    deep[2 * 100] = wide[255] = '\0';
    CU_ASSERT_EQUAL(put(one, 1, &a, &err), 0);
    one[0].name = deep;
    CU_ASSERT_EQUAL(put(one, 1, &a, &err), 0);
    tear_down();
}

/* What ordinary tools write in other ways. */
static void test_store_takes_ordinary_archives(void)
{
    static const struct zip_item items[] = {{.name = "./", .data = "", .mode = 0040755},
                                            {.name = "./a.py", .data = "1"},
                                            {.name = "pkg/sub//x.py", .data = "2", .deflated = true, .later = true},
                                            {.name = "pkg/", .data = "", .mode = 0040755},
                                            {.name = "pkg-1/x", .data = "3"},
                                            {.name = "pkg/", .data = "", .mode = 0040755},
                                            {.name = "caf\xc3\xa9/e\xcc\x81.py", .data = "4"}, /* composed and not */
                                            {.name = "caf\xc3\xa9/link", .data = "e\xcc\x81.py", .mode = 0120777},
                                            {.name = "pkg/up", .data = "sub/../../a.py", .mode = 0120777},
                                            {.name = "dangling", .data = "pkg/none", .mode = 0120777},
                                            {.name = "late", .data = "data PK\7\10 in the middle", .later = true, .deflated = true},
                                            {.name = "Icon\r", .data = ""}};
    set_up();
    mode_t mask = umask(077); /* the sandbox's user must be able to read it all the same */
    struct store_archive a;
    struct err err = {0};
    CU_ASSERT_EQUAL(put(items, ARRAY_LEN(items), &a, &err), 0);
    CU_ASSERT_STRING_EQUAL(err.msg, "");
    umask(mask);
    int tree = -1;
    CU_ASSERT_EQUAL_FATAL(store_open_tree(store, a.sha256_hex, &tree, &err), 0);
    static const struct {
        const char *name;
        mode_t mode;
    } want[] = {
        {".", 0040755},      {"a.py", 0100644}, {"pkg/sub", 0040755}, {"pkg/sub/x.py", 0100644}, {"caf\xc3\xa9/e\xcc\x81.py", 0100644},
        {"Icon\r", 0100644}, {"late", 0100644}};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct stat st = {0};
        CU_ASSERT_EQUAL(fstatat(tree, want[i].name, &st, AT_SYMLINK_NOFOLLOW), 0);
        CU_ASSERT_EQUAL(st.st_mode, want[i].mode);
        if (S_ISREG(st.st_mode))
            CU_ASSERT(st.st_mtime > 1750000000 && st.st_mtime < 1770000000); /* 2025-10-21, as the archive says */
    }
    CU_ASSERT_EQUAL(faccessat(tree, "caf\xc3\xa9/link", R_OK, 0), 0);
    CU_ASSERT_EQUAL(faccessat(tree, "pkg/up", R_OK, 0), 0);
    close(tree);
    tear_down();
}

static void test_store_full_disk(void)
{
    if (geteuid() != 0) {
        SKIP("needs root: mounts a small file system");
        return;
    }
    set_up();
    char path[96];
    snprintf(path, sizeof path, "%s/incoming", dir);
    CU_ASSERT_EQUAL_FATAL(mount("test", path, "tmpfs", 0, "size=64k,nr_inodes=20"), 0);
    store_close(store);
    struct err err;
    CU_ASSERT_EQUAL_FATAL(store_open(dirfd_, &store, &err), 0);
    struct zip_item large[] = {{.name = "a", .data = "x"}, {.name = "b", .data = "x", .repeat = 9900, .deflated = true}};
    struct zip_item many[64];
    char names[64][4];
    for (int i = 0; i < 64; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        many[i] = (struct zip_item){.name = names[i], .data = ""};
    }
    struct store_archive a;
    CU_ASSERT_EQUAL(put(many, 64, &a, &err), -ERR_NO_SPACE);
    CU_ASSERT_EQUAL(entries_in("incoming"), 0);
    CU_ASSERT_EQUAL(mount("test", path, "tmpfs", MS_REMOUNT, "size=8k"), 0);
    CU_ASSERT_EQUAL(put(large, 2, &a, &err), -ERR_NO_SPACE);
    CU_ASSERT_EQUAL(entries_in("incoming"), 0);
    store_close(store);
    CU_ASSERT_EQUAL(umount(path), 0);
    CU_ASSERT_EQUAL(store_open(dirfd_, &store, &err), 0);
    CU_ASSERT_EQUAL(put(large, 2, &a, &err), 0);
    tear_down();
}

struct racer {
    struct buf *zip;
    int failed;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct store_archive a;
    struct err err;
    for (int i = 0; i < 5; i++)
        if (store_put(store, racer->zip->data, racer->zip->len, MAX_BYTES, &a, &err) < 0 || !store_has(store, a.sha256_hex))
            racer->failed = 1;
    return NULL;
}

static void test_store_put_at_once(void)
{
    enum { THREADS = 4 };
    set_up();
    setenv("TZ", "UTC", 1); /* unset, glibc's mktime() sets it anew each time, under a lock of its own that ThreadSanitizer does not see */
    tzset();
    static const struct zip_item items[] = {{.name = "a/b/c", .data = "x", .repeat = 5000, .deflated = true}, {.name = "d", .data = "y"}};
    CLEANUP(buf_free) struct buf zip = BUF_INIT(1 << 20);
    zip_write(&zip, items, 2);
    pthread_t threads[THREADS];
    struct racer racers[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        racers[i].zip = &zip;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_FALSE(racers[i].failed);
    }
    CU_ASSERT_EQUAL(entries_in("trees"), 1);
    tear_down();
}

static int claims(void *arg, const char *digest)
{
    return strcmp(arg, digest) == 0;
}

static void test_store_sweep(void)
{
    set_up();
    static const struct zip_item one[] = {{.name = "a", .data = "1"}}, two[] = {{.name = "a", .data = "2"}},
                                 three[] = {{.name = "a", .data = "3"}};
    struct store_archive a, b, c;
    struct err err;
    CU_ASSERT_EQUAL(put(one, 1, &a, &err) | put(two, 1, &b, &err) | put(three, 1, &c, &err), 0);
    CU_ASSERT_EQUAL(mkdirat(dirfd_, "incoming/0123.tree", 0755), 0); /* as a crash leaves it */
    close(openat(dirfd_, "incoming/0123.tree/file", O_CREAT | O_WRONLY, 0644));
    char path[160];
    snprintf(path, sizeof path, "blobs/%s", c.sha256_hex); /* a tree whose blob never came */
    CU_ASSERT_EQUAL(unlinkat(dirfd_, path, 0), 0);
    CU_ASSERT_EQUAL(store_sweep(store, claims, a.sha256_hex, &err), 0);
    CU_ASSERT(store_has(store, a.sha256_hex));
    CU_ASSERT_EQUAL(entries_in("trees"), 1);
    CU_ASSERT_EQUAL(entries_in("blobs"), 1);
    tear_down();
}

TEST_MAIN("store", TEST(test_store_keeps), TEST(test_store_refuses_hostile), TEST(test_store_refuses_broken), TEST(test_store_stops_bombs),
          TEST(test_store_limits_names), TEST(test_store_takes_ordinary_archives), TEST(test_store_full_disk), TEST(test_store_put_at_once),
          TEST(test_store_sweep))
