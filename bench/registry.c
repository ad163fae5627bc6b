/* A registry of 10,000 functions with 20 versions and an alias each: reading it at start, and finding the version that a name means,
 * beside a bare look-up of the same keys in a hash table.
 * usage: stoke_bench registry */
#include "host/registry/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "bench/bench.h"
#include "host/registry/function_record.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"

#define FUNCTIONS 10000
#define VERSIONS 20
#define ROUNDS 200000
#define BATCH 1000

static const char config[] =
    "{\"Runtime\":\"python3.11\",\"Role\":\"arn:aws:iam::000000000000:role/r\",\"Handler\":\"app.handler\","
    "\"Description\":\"\",\"Timeout\":3,\"MemorySize\":128,\"PackageType\":\"Zip\",\"Architectures\":[\"x86_64\"],"
    "\"EphemeralStorage\":{\"Size\":512},\"TracingConfig\":{\"Mode\":\"PassThrough\"},\"Environment\":{\"Variables\":"
    "{\"STAGE\":\"bench\",\"TABLE\":\"a-table-with-a-name\"}},\"LoggingConfig\":{\"LogFormat\":\"Text\"}}";

static void must(int rc, const struct err *err)
{
    if (rc < 0)
        bench_die("%s", err->msg);
}

static void run(struct db_stmt *stmt, struct err *err)
{
    must(db_step(stmt, err), err);
    db_done(stmt);
}

static int fill(struct db_conn *conn, void *arg, struct err *err)
{
    static const char function[] = "INSERT INTO function (id, account, region, name, created_ms, last_version) VALUES (?, ?, ?, ?, 1, ?)";
    static const char version[] =
        "INSERT INTO function_version (function_id, version, config, code_sha256, code_size, revision_id, modified_ms) "
        "VALUES (?, ?, ?, ?, 1000, '00000000-0000-0000-0000-000000000000', 1)";
    static const char alias[] = "INSERT INTO function_setting VALUES (?, 'alias', 'live', '{\"FunctionVersion\":\"7\"}')";
    struct db_stmt *stmt;
    (void)arg;
    for (int i = 1; i <= FUNCTIONS; i++) {
        char name[32], sha[65];
        snprintf(name, sizeof name, "function-%d", i);
        must(db_prepare(conn, function, &stmt, err), err);
        db_bind_i64(stmt, 1, i);
        db_bind_text(stmt, 2, "000000000000");
        db_bind_text(stmt, 3, "us-east-1");
        db_bind_text(stmt, 4, name);
        db_bind_i64(stmt, 5, VERSIONS);
        run(stmt, err);
        for (int v = 0; v <= VERSIONS; v++) {
            snprintf(sha, sizeof sha, "%064x", i * 100 + v);
            must(db_prepare(conn, version, &stmt, err), err);
            db_bind_i64(stmt, 1, i);
            db_bind_i64(stmt, 2, v);
            db_bind_text(stmt, 3, config);
            db_bind_text(stmt, 4, sha);
            run(stmt, err);
        }
        must(db_prepare(conn, alias, &stmt, err), err);
        db_bind_i64(stmt, 1, i);
        run(stmt, err);
    }
    return 0;
}

static void filled(void *arg, const struct err *err)
{
    if (err)
        bench_die("%s", err->msg);
    *(bool *)arg = true;
}

static void make_database(struct loop *loop, const char *path)
{
    struct db *db;
    struct err err;
    bool done = false;
    must(db_open(path, registry_migrations, registry_migration_count, loop, &db, &err), &err);
    db_write(db, fill, filled, &done);
    while (!done)
        loop_run_once(loop, -1);
    db_close(db);
}

/* The peer: the same names in a plain table. */
struct entry {
    UT_hash_handle hh;
    char key[64];
};

static void measure(struct registry *registry, struct entry *table, const char *figure, const char *qualifier)
{
    struct samples ours = {.name = figure}, bare = {.name = "hash table"};
    char name[32], key[64];
    struct err err;
    for (int round = 0; round < ROUNDS / BATCH; round++) {
        double began = now_us();
        for (int i = 0; i < BATCH; i++) {
            struct function_version *version;
            snprintf(name, sizeof name, "function-%d", 1 + (round * BATCH + i * 7919) % FUNCTIONS);
            must(registry_resolve(registry, "000000000000", "us-east-1", name, qualifier, &version, &err), &err);
            function_version_unref(version);
        }
        samples_add(&ours, (now_us() - began) / BATCH);
        began = now_us();
        for (int i = 0; i < BATCH; i++) {
            struct entry *entry;
            snprintf(key, sizeof key, "000000000000 us-east-1 function-%d", 1 + (round * BATCH + i * 7919) % FUNCTIONS);
            HASH_FIND_STR(table, key, entry);
            if (!entry)
                bench_die("the table lacks %s", key);
        }
        samples_add(&bare, (now_us() - began) / BATCH);
    }
    samples_print(&ours);
    samples_print(&bare);
    samples_ratio(figure, &ours, &bare);
    samples_free(&ours);
    samples_free(&bare);
}

int bench_registry(void)
{
    char dir[] = "/tmp/stoke-bench-XXXXXX";
    struct loop *loop;
    struct registry *registry;
    struct runtimes *runtimes;
    struct entry *table = NULL, *entry, *next;
    struct err err;
    if (!mkdtemp(dir))
        bench_die("no directory");
    must(loop_new(&loop, &err), &err);
    must(runtimes_scan(&(struct runtimes_options){.search_path = "", .extra_file = "/nonexistent"}, &runtimes, &err), &err);
    CLEANUP(freep) char *path = str_format("%s/stoke.db", dir);
    make_database(loop, path);
    const struct registry_options options = {.db_path = path, .loop = loop, .runtimes = runtimes};
    double began = now_us();
    must(registry_open(&options, &registry, &err), &err);
    printf("registry_open                %8.3f s for %d functions with %d versions each\n", (now_us() - began) / 1e6, FUNCTIONS, VERSIONS);
    for (int i = 1; i <= FUNCTIONS; i++) {
        if (!(entry = calloc(1, sizeof *entry)))
            bench_die("no memory");
        snprintf(entry->key, sizeof entry->key, "000000000000 us-east-1 function-%d", i);
        HASH_ADD_STR(table, key, entry);
    }
    measure(registry, table, "registry_resolve $LATEST", NULL);
    measure(registry, table, "registry_resolve version", "7");
    measure(registry, table, "registry_resolve alias", "live");
    registry_close(registry);
    HASH_ITER(hh, table, entry, next) {
        HASH_DEL(table, entry);
        free(entry);
    }
    runtimes_free(runtimes);
    loop_free(loop);
    CLEANUP(freep) char *rm = str_format("rm -rf %s", dir);
    return system(rm) == 0 ? 0 : 1;
}
