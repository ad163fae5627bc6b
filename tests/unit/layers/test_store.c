/* The store: what it keeps, what it refuses (containment probes 59 to 63), and what a crash leaves. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/store.h"
#include "layers/unpack.h"
#include "layers/zip_check.h"
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
    static const struct zip_item items[] = {{"app.py", NULL, "print(1)", 0, 0},
                                            {"bin/run", NULL, "#!/bin/sh", 0100755, 0},
                                            {"secret", NULL, "s", 0100600, 0},
                                            {"setuid", NULL, "s", 0104755, 0},
                                            {"bin/link", NULL, "../app.py", 0120777, 0},
                                            {"empty/", NULL, "", 0040700, 0}};
    struct store_archive a = {0}, b = {0};
    struct err err;
    CU_ASSERT_EQUAL_FATAL(put(items, 6, &a, &err), 0);
    CU_ASSERT_EQUAL(a.unpacked_bytes, 8 + 9 + 1 + 1);
    CU_ASSERT(store_has(store, a.sha256_hex));
    CU_ASSERT_EQUAL(put(items, 6, &b, &err), 0);
    CU_ASSERT_STRING_EQUAL(a.sha256_hex, b.sha256_hex);
    int tree = -1, blob = -1;
    CU_ASSERT_EQUAL(store_open_tree(store, a.sha256_hex, &tree, &err), 0);
    CU_ASSERT_EQUAL(store_open_blob(store, a.sha256_hex, &blob, &err), 0);
    static const struct {
        const char *name;
        mode_t mode;
    } want[] = {{"app.py", 0100644}, {"bin/run", 0100755}, {"secret", 0100644}, {"setuid", 0100755}, {"empty", 0040755}, {"bin/link", 0120777}};
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
        {{{"../up", NULL, "x", 0, 0}}, 1, "\"..\""},
        {{{"a/../../up", NULL, "x", 0, 0}}, 1, "\"..\""},
        {{{"/abs", NULL, "x", 0, 0}}, 1, "absolute"},
        {{{"a\\..\\up", NULL, "x", 0, 0}}, 1, "backslash"},
        {{{"a//b", NULL, "x", 0, 0}}, 1, "component"},
        {{{"link", NULL, "/etc/passwd", 0120777, 0}}, 1, "leads out"},
        {{{"d/link", NULL, "../../up", 0120777, 0}}, 1, "leads out"},
        {{{"link", NULL, "d/..", 0120777, 0}}, 1, "leads out"},
        {{{"dev", NULL, "", 0020666, 0}}, 1, "device"},
        {{{"fifo", NULL, "", 0010666, 0}}, 1, "device"},
        {{{"same", NULL, "1", 0, 0}, {"same", NULL, "2", 0, 0}}, 2, "twice"},
        {{{"f", NULL, "1", 0, 0}, {"f/x", NULL, "2", 0, 0}}, 2, "below it"},
        {{{"d/", NULL, "", 0, 0}, {"d", NULL, "2", 0, 0}}, 2, "twice"},
        {{{"good", "evil", "1", 0, 0}}, 1, "local header"},
        {{{"enc", NULL, "1", 0, 1}}, 1, "encrypted"},
        {{{"bad\xff", NULL, "1", 0, 0}}, 1, "UTF-8"},
        {{{"l", NULL, "d", 0120777, 0}, {"l/x", NULL, "1", 0, 0}}, 2, "below it"},
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
    static const struct zip_item items[] = {{"a", NULL, "hello", 0, 0}, {"b", NULL, "world", 0, 0}};
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

static void test_store_stops_bombs(void)
{
    set_up();
    CLEANUP(freep) char *large = malloc(MAX_BYTES + 2);
    memset(large, 'x', MAX_BYTES + 1);
    large[MAX_BYTES + 1] = '\0';
    struct zip_item items[] = {{"big", NULL, large, 0, 0}};
    struct store_archive a;
    struct err err;
    CU_ASSERT_EQUAL(put(items, 1, &a, &err), -ERR_TOO_LARGE);
    large[MAX_BYTES] = '\0';
    CU_ASSERT_EQUAL(put(items, 1, &a, &err), 0);
    tear_down();
}

static int claims(void *arg, const char *digest)
{
    return strcmp(arg, digest) == 0;
}

static void test_store_sweep(void)
{
    set_up();
    static const struct zip_item one[] = {{"a", NULL, "1", 0, 0}}, two[] = {{"a", NULL, "2", 0, 0}}, three[] = {{"a", NULL, "3", 0, 0}};
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
          TEST(test_store_sweep))
