/* The database: migrations, order and grouping of writes, one write's failure alone, a full disk, reopening. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "lib/db/db.h"
#include "tests/unit/cunit.h"

static const char *const migrations[] = {"CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)", "ALTER TABLE t ADD COLUMN more TEXT"};

static char dir[64], path[128];
static struct loop *loop;

static struct db *open_db(size_t count)
{
    struct err err;
    struct db *db = NULL;
    int rc = db_open(path, migrations, count, loop, &db, &err);
    if (rc < 0)
        printf("%s\n", err.msg);
    return db;
}

static void set_up(void)
{
    struct err err;
    strcpy(dir, "/tmp/stoke-db-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/test.db", dir);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
}

static void tear_down(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char file[160];
        snprintf(file, sizeof file, "%s%s", path, suffixes[i]);
        unlink(file);
    }
    rmdir(dir);
    loop_free(loop);
}

struct insert {
    const char *name;
    size_t bytes;
    int done, failed;
    enum err_kind kind;
};

static int insert(struct db_conn *conn, void *arg, struct err *err)
{
    struct insert *in = arg;
    struct db_stmt *stmt;
    CLEANUP(freep) char *more = calloc(1, in->bytes + 1);
    memset(more, 'x', in->bytes);
    int rc = db_prepare(conn, "INSERT INTO t (name, more) VALUES (?1, ?2)", &stmt, err);
    if (rc < 0)
        return rc;
    db_bind_text(stmt, 1, in->name);
    db_bind_text(stmt, 2, more);
    rc = db_step(stmt, err);
    db_done(stmt);
    return rc;
}

static int finished;

static void done(void *arg, const struct err *err)
{
    struct insert *in = arg;
    in->done = ++finished;
    in->failed = err != NULL;
    in->kind = err ? err->kind : ERR_NONE;
}

static void run_until(int count)
{
    for (int i = 0; i < 5000 && finished < count; i++)
        loop_run_once(loop, 100);
    CU_ASSERT_EQUAL(finished, count);
}

static int64_t rows(struct db *db)
{
    struct db_stmt *stmt;
    struct err err;
    CU_ASSERT_EQUAL_FATAL(db_read(db, "SELECT count(*) FROM t", &stmt, &err), 0);
    CU_ASSERT_EQUAL(db_step(stmt, &err), 1);
    int64_t n = db_col_i64(stmt, 0);
    db_done(stmt);
    return n;
}

static void test_db_writes_in_order(void)
{
    enum { COUNT = 1000 };
    static struct insert in[COUNT];
    static char names[COUNT][16];
    set_up();
    struct db *db = open_db(2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(db);
    finished = 0;
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i % 10 == 9 ? i - 1 : i); /* each tenth repeats a name: it alone fails */
        in[i] = (struct insert){.name = names[i]};
        db_write(db, insert, done, &in[i]);
    }
    run_until(COUNT);
    for (int i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(in[i].done, i + 1);
        CU_ASSERT_EQUAL(in[i].failed, i % 10 == 9);
        CU_ASSERT(!in[i].failed || in[i].kind == ERR_CONFLICT);
    }
    CU_ASSERT_EQUAL(rows(db), COUNT - COUNT / 10);
    db_close(db);
    db = open_db(2); /* all of it is there again */
    CU_ASSERT_EQUAL(rows(db), COUNT - COUNT / 10);
    db_close(db);
    tear_down();
}

static void test_db_close_commits(void)
{
    set_up();
    struct db *db = open_db(2);
    struct insert in = {.name = "last"};
    finished = 0;
    db_write(db, insert, done, &in);
    db_close(db);
    run_until(1);
    CU_ASSERT_FALSE(in.failed);
    db = open_db(2);
    CU_ASSERT_EQUAL(rows(db), 1);
    db_close(db);
    tear_down();
}

static void test_db_migrations(void)
{
    static const char *const broken[] = {"CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)", "CREATE NONSENSE"};
    set_up();
    struct db *db = open_db(1);
    CU_ASSERT_PTR_NOT_NULL(db);
    db_close(db);
    struct err err;
    struct db *none = NULL;
    CU_ASSERT(db_open(path, broken, 2, loop, &none, &err) < 0);
    CU_ASSERT_PTR_NULL(none);
    db = open_db(2); /* the failed one left nothing; the right one brings the old schema up */
    CU_ASSERT_PTR_NOT_NULL(db);
    db_close(db);
    CU_ASSERT_EQUAL(db_open(path, migrations, 1, loop, &none, &err), -ERR_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "newer"));
    tear_down();
}

static void test_db_full_disk(void)
{
    if (geteuid() != 0) {
        SKIP("needs root: mounts a small file system");
        return;
    }
    set_up();
    CU_ASSERT_EQUAL_FATAL(mount("test", dir, "tmpfs", 0, "size=1m"), 0);
    struct db *db = open_db(2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(db);
    struct insert small = {.name = "small", .bytes = 100}, big = {.name = "big", .bytes = 4 << 20}, again = {.name = "again", .bytes = 100};
    finished = 0;
    db_write(db, insert, done, &small);
    run_until(1);
    db_write(db, insert, done, &big);
    run_until(2);
    CU_ASSERT(big.failed);
    CU_ASSERT_EQUAL(big.kind, ERR_NO_SPACE);
    db_write(db, insert, done, &again);
    run_until(3);
    CU_ASSERT_FALSE(small.failed);
    CU_ASSERT_FALSE(again.failed); /* the database is usable after it */
    CU_ASSERT_EQUAL(rows(db), 2);
    db_close(db);
    umount(dir);
    tear_down();
}

/* Writing without a pause does not let the log grow for ever. */
static void test_db_bounds_the_log(void)
{
    enum { COUNT = 400, BYTES = 512 << 10, AHEAD = 8 };
    static struct insert in[COUNT];
    static char names[COUNT][16];
    set_up();
    struct db *db = open_db(2);
    CLEANUP(freep) char *wal = str_format("%s-wal", path);
    finished = 0;
    off_t largest = 0;
    for (int i = 0; i < COUNT; i++) {
        struct stat st;
        snprintf(names[i], sizeof names[i], "n%d", i);
        in[i] = (struct insert){.name = names[i], .bytes = BYTES};
        db_write(db, insert, done, &in[i]);
        while (i - finished > AHEAD)
            loop_run_once(loop, 100);
        if (stat(wal, &st) == 0 && st.st_size > largest)
            largest = st.st_size;
    }
    run_until(COUNT);
    CU_ASSERT(largest < 128 << 20); /* of 200 MiB */
    CU_ASSERT_EQUAL(rows(db), COUNT);
    db_close(db);
    CU_ASSERT_EQUAL(access(wal, F_OK), -1);
    tear_down();
}

TEST_MAIN("db", TEST(test_db_writes_in_order), TEST(test_db_close_commits), TEST(test_db_migrations), TEST(test_db_full_disk),
          TEST(test_db_bounds_the_log))
