/* SQLite behind a small interface, the only user of sqlite3. One file in WAL mode with synchronous=FULL; one writer
 * thread commits in groups: many submitted writes, one fsync, and a write's done callback runs only after its commit.
 *
 *     db_open("stoke.db", migrations, n, loop, &db, &err);
 *     db_write(db, insert_function, inserted, request);    // insert_function on the writer thread, inserted on the loop
 *     db_read(db, "SELECT name FROM function", &stmt, &err); while (db_step(stmt, &err) == 1) ... db_done(stmt);
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct db;
struct db_conn; /* a connection as a write callback sees it */
struct db_stmt;
struct loop;

/* Migration i brings the schema from version i to i + 1 (PRAGMA user_version), in its own transaction. A database newer
 * than the list is refused with ERR_UNSUPPORTED. */
int db_open(const char *path, const char *const *migrations, size_t count, struct loop *loop, struct db **ret_db,
            struct err *err) WARN_UNUSED;
/* Commits what was submitted, checkpoints, closes. The done callbacks stay posted on the loop. */
void db_close(struct db *db);

/* On the writer thread, inside a savepoint of its own: an error undoes this write alone. 0 or negative with err. */
typedef int db_write_fn(struct db_conn *conn, void *arg, struct err *err);
/* On the loop's thread. err is NULL after a commit that reached the disk, else why nothing was written. */
typedef void db_done_fn(void *arg, const struct err *err);
/* Loop thread. Writes are applied in order of submission. A full disk fails the write and leaves the database usable. */
void db_write(struct db *db, db_write_fn *work, db_done_fn *done, void *arg);

/* A statement on the reading connection; loop thread only. db_done() hands it back. */
int db_read(struct db *db, const char *sql, struct db_stmt **ret_stmt, struct err *err) WARN_UNUSED;
/* A statement inside a write, cached by the address of sql (a string literal). db_done() hands it back. */
int db_prepare(struct db_conn *conn, const char *sql, struct db_stmt **ret_stmt, struct err *err) WARN_UNUSED;

/* Parameters count from 1; texts are borrowed until db_done(); a NULL text binds SQL NULL. */
void db_bind_i64(struct db_stmt *stmt, int index, int64_t value);
void db_bind_text(struct db_stmt *stmt, int index, const char *text);
/* 1: a row is there; 0: the end; negative: an error. */
int db_step(struct db_stmt *stmt, struct err *err) WARN_UNUSED;
/* Columns count from 0; texts are borrowed until the next db_step() or db_done(). */
int64_t db_col_i64(struct db_stmt *stmt, int column);
const char *db_col_text(struct db_stmt *stmt, int column); /* NULL for SQL NULL */
void db_done(struct db_stmt *stmt);
/* The last inserted rowid of a write. */
int64_t db_last_id(struct db_conn *conn);
