/* The database: one writer thread that commits in groups, a checkpointer beside it, a reading connection on the loop's thread.
 *
 *   db_write ──> queue ──> writer: BEGIN; for each: SAVEPOINT, work, RELEASE or ROLLBACK TO; COMMIT (one fsync) ──> done on the loop
 *
 * Requests that come while a commit is on its way wait for the next group: the slower the disk, the larger the groups. A commit
 * that fails (disk full) fails every write of its group. Checkpoints run on a thread of their own, because an automatic one makes
 * the commit that triggers it wait for the whole of it. The writer waits at a semaphore: signalling a condition variable can wait itself,
 * for a thread that was woken before and has not run since. */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/loop.h"
#include "lib/db/internal.h"

#define GROUP_MAX 256           /* writes in one commit */
#define CHECKPOINT_PAGES 1000   /* WAL pages that call for a checkpoint */
#define CHECKPOINT_INTERVAL_S 5 /* and at the latest after so long */
#define WAL_PAGES_MAX 16384     /* 64 MiB: past it the writer makes a checkpoint itself, or steady writing would let it grow for ever */

struct write {
    struct db *db;
    db_write_fn *work;
    db_done_fn *done;
    void *arg;
    struct err err;
    bool failed;
    STAILQ_ENTRY(write) link;
};

STAILQ_HEAD(write_list, write);

struct db {
    struct loop *loop;
    struct db_conn reader, writer, checkpointer;
    pthread_t writer_thread, checkpoint_thread;
    bool writer_runs, checkpointer_runs;
    pthread_mutex_t lock; /* guards queue, stopping, wal_pages */
    sem_t more;           /* at least one for each write queued */
    pthread_cond_t checkpoint;
    struct write_list queue;
    bool stopping;
    int wal_pages;
    int wal_length; /* pages at the last commit; writer thread only */
};

/* ---- the writer ---- */

static void finish(void *arg)
{
    struct write *write = arg;
    write->done(write->arg, write->failed ? &write->err : NULL);
    free(write);
}

static int try_write(struct db *db, struct write *write, struct err *err)
{
    int rc = db_conn_exec(&db->writer, "SAVEPOINT one", err);
    if (rc < 0)
        return rc;
    rc = write->work(&db->writer, write->arg, err);
    struct err undo_err;
    if (rc < 0 && sqlite3_get_autocommit(db->writer.handle) == 0 && db_conn_exec(&db->writer, "ROLLBACK TO one", &undo_err) < 0)
        return rc;
    if (sqlite3_get_autocommit(db->writer.handle))
        return rc < 0 ? rc : err_set(err, ERR_IO, "the database gave up the transaction");
    return db_conn_exec(&db->writer, "RELEASE one", rc < 0 ? &undo_err : err) < 0 && rc == 0 ? -(int)err->kind : rc;
}

static void fail_all(struct write_list *group, const struct err *err)
{
    struct write *write;
    STAILQ_FOREACH(write, group, link)
    if (!write->failed) {
        write->failed = true;
        write->err = *err;
    }
}

static void commit_group(struct db *db, struct write_list *group)
{
    struct err err;
    struct write *write;
    int rc = db_conn_exec(&db->writer, "BEGIN IMMEDIATE", &err);
    if (rc == 0) {
        STAILQ_FOREACH(write, group, link)
        {
            write->failed = try_write(db, write, &write->err) < 0;
            if (sqlite3_get_autocommit(db->writer.handle)) { /* SQLite rolled everything back: a full disk does that */
                err = write->err;
                rc = -1;
                break;
            }
        }
    }
    if (rc == 0)
        rc = db_conn_exec(&db->writer, "COMMIT", &err);
    if (rc < 0) {
        if (!sqlite3_get_autocommit(db->writer.handle))
            sqlite3_exec(db->writer.handle, "ROLLBACK", NULL, NULL, NULL);
        fail_all(group, &err);
    }
    while ((write = STAILQ_FIRST(group))) {
        STAILQ_REMOVE_HEAD(group, link);
        loop_post(db->loop, finish, write);
    }
    if (db->wal_length > WAL_PAGES_MAX) {
        db->wal_length = 0; /* the next commit tells anew, should this have failed */
        sqlite3_wal_checkpoint_v2(db->writer.handle, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    }
}

static void *writer_main(void *arg)
{
    struct db *db = arg;
    for (;;) {
        while (sem_wait(&db->more) < 0) /* a signal */
            ;
        struct write_list group = STAILQ_HEAD_INITIALIZER(group);
        pthread_mutex_lock(&db->lock);
        bool stop = db->stopping && STAILQ_EMPTY(&db->queue);
        for (int i = 0; i < GROUP_MAX && !STAILQ_EMPTY(&db->queue); i++) {
            struct write *write = STAILQ_FIRST(&db->queue);
            STAILQ_REMOVE_HEAD(&db->queue, link);
            STAILQ_INSERT_TAIL(&group, write, link);
        }
        pthread_mutex_unlock(&db->lock);
        if (stop)
            return NULL;
        if (!STAILQ_EMPTY(&group)) /* it is, after a group of several */
            commit_group(db, &group);
    }
}

/* ---- checkpoints ---- */

static int on_commit(void *arg, sqlite3 *handle, const char *name, int pages)
{
    (void)handle, (void)name;
    struct db *db = arg;
    db->wal_length = pages;
    pthread_mutex_lock(&db->lock);
    db->wal_pages = pages;
    pthread_mutex_unlock(&db->lock);
    if (pages > CHECKPOINT_PAGES)
        pthread_cond_signal(&db->checkpoint); /* without the lock, which the loop takes: see above */
    return SQLITE_OK;
}

static void *checkpoint_main(void *arg)
{
    struct db *db = arg;
    pthread_mutex_lock(&db->lock);
    while (!db->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += CHECKPOINT_INTERVAL_S;
        pthread_cond_timedwait(&db->checkpoint, &db->lock, &until);
        if (db->stopping || !db->wal_pages)
            continue;
        db->wal_pages = 0;
        pthread_mutex_unlock(&db->lock);
        sqlite3_wal_checkpoint_v2(db->checkpointer.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL); /* the next one tries again */
        pthread_mutex_lock(&db->lock);
    }
    pthread_mutex_unlock(&db->lock);
    return NULL;
}

/* ---- opening ---- */

static int schema_version(struct db_conn *conn, int64_t *ret_version, struct err *err)
{
    struct db_stmt *stmt;
    int rc = db_prepare(conn, "PRAGMA user_version", &stmt, err);
    if (rc < 0)
        return rc;
    rc = db_step(stmt, err);
    if (rc == 1)
        *ret_version = db_col_i64(stmt, 0);
    db_done(stmt);
    return rc < 0 ? rc : 0;
}

static int migrate(struct db *db, const char *path, const char *const *migrations, size_t count, struct err *err)
{
    int64_t version = 0;
    int rc = schema_version(&db->writer, &version, err);
    if (rc < 0)
        return rc;
    if (version < 0 || (size_t)version > count)
        return err_set(err, ERR_UNSUPPORTED, "%s has schema version %lld, this program knows up to %zu: it was written by a newer one",
                       path, (long long)version, count);
    for (size_t i = (size_t)version; i < count; i++) {
        char done[64];
        snprintf(done, sizeof done, "PRAGMA user_version = %zu", i + 1);
        rc = db_conn_exec(&db->writer, "BEGIN IMMEDIATE", err);
        if (rc == 0)
            rc = db_conn_exec(&db->writer, migrations[i], err);
        if (rc == 0)
            rc = db_conn_exec(&db->writer, done, err);
        if (rc == 0)
            rc = db_conn_exec(&db->writer, "COMMIT", err);
        if (rc < 0) {
            sqlite3_exec(db->writer.handle, "ROLLBACK", NULL, NULL, NULL);
            return err_wrap(err, "bringing %s to schema version %zu", path, i + 1);
        }
    }
    return 0;
}

/* SQLite answers with the mode that it took, and takes another one without an error where shared memory cannot be had. */
static int set_wal_mode(struct db_conn *conn, const char *path, struct err *err)
{
    struct db_stmt *stmt;
    int rc = db_prepare(conn, "PRAGMA journal_mode = WAL", &stmt, err);
    if (rc < 0)
        return rc;
    rc = db_step(stmt, err);
    const char *mode = rc == 1 ? db_col_text(stmt, 0) : NULL;
    if (rc >= 0 && (!mode || strcmp(mode, "wal") != 0))
        rc = err_set(err, ERR_UNSUPPORTED, "%s is on a file system that SQLite's write-ahead log does not work on", path);
    db_done(stmt);
    return rc < 0 ? rc : 0;
}

static int open_all(struct db *db, const char *path, const char *const *migrations, size_t count, struct err *err)
{
    int rc = db_conn_open(&db->writer, path, err);
    if (rc == 0)
        rc = set_wal_mode(&db->writer, path, err);
    if (rc == 0)
        rc = db_conn_exec(&db->writer, "PRAGMA synchronous = FULL", err);
    if (rc == 0)
        rc = migrate(db, path, migrations, count, err);
    if (rc == 0)
        rc = db_conn_open(&db->reader, path, err);
    if (rc == 0)
        rc = db_conn_open(&db->checkpointer, path, err);
    return rc;
}

int db_open(const char *path, const char *const *migrations, size_t count, struct loop *loop, struct db **ret_db, struct err *err)
{
    struct db *db = calloc(1, sizeof *db);
    if (!db)
        return err_set(err, ERR_NO_MEMORY, "no memory to open %s", path);
    db->loop = loop;
    STAILQ_INIT(&db->queue);
    pthread_mutex_init(&db->lock, NULL);
    sem_init(&db->more, 0, 0);
    pthread_cond_init(&db->checkpoint, NULL);
    int rc = open_all(db, path, migrations, count, err);
    if (rc == 0) {
        sqlite3_wal_hook(db->writer.handle, on_commit, db);
        db->writer_runs = pthread_create(&db->writer_thread, NULL, writer_main, db) == 0;
        db->checkpointer_runs = pthread_create(&db->checkpoint_thread, NULL, checkpoint_main, db) == 0;
        if (!db->writer_runs || !db->checkpointer_runs)
            rc = err_set(err, ERR_NO_MEMORY, "cannot start the threads of %s", path);
    }
    if (rc < 0) {
        db_close(db);
        return rc;
    }
    *ret_db = db;
    return 0;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    pthread_mutex_lock(&db->lock);
    db->stopping = true;
    pthread_cond_signal(&db->checkpoint);
    pthread_mutex_unlock(&db->lock);
    sem_post(&db->more);
    if (db->writer_runs)
        pthread_join(db->writer_thread, NULL);
    if (db->checkpointer_runs)
        pthread_join(db->checkpoint_thread, NULL);
    db_conn_close(&db->reader);
    db_conn_close(&db->checkpointer);
    db_conn_close(&db->writer); /* the last connection checkpoints and removes the WAL */
    pthread_mutex_destroy(&db->lock);
    sem_destroy(&db->more);
    pthread_cond_destroy(&db->checkpoint);
    free(db);
}

void db_write(struct db *db, db_write_fn *work, db_done_fn *done, void *arg)
{
    struct write *write = calloc(1, sizeof *write);
    if (!write)
        abort();
    write->db = db;
    write->work = work;
    write->done = done;
    write->arg = arg;
    pthread_mutex_lock(&db->lock);
    STAILQ_INSERT_TAIL(&db->queue, write, link);
    pthread_mutex_unlock(&db->lock);
    sem_post(&db->more);
}

int db_read(struct db *db, const char *sql, struct db_stmt **ret_stmt, struct err *err)
{
    return db_prepare(&db->reader, sql, ret_stmt, err);
}
