/* Connections and their cached statements. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/db/internal.h"

#define BUSY_MS 5000

int db_conn_error(struct db_conn *conn, const char *what, struct err *err)
{
    int extended = sqlite3_extended_errcode(conn->handle), code = extended & 0xff;
    int os = code == SQLITE_FULL ? ENOSPC : code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? sqlite3_system_errno(conn->handle) : 0;
    enum err_kind kind = os == ENOSPC || os == EDQUOT                                                ? ERR_NO_SPACE
                         : code == SQLITE_NOMEM                                                      ? ERR_NO_MEMORY
                         : code == SQLITE_CORRUPT || code == SQLITE_NOTADB                           ? ERR_CORRUPT
                         : code == SQLITE_READONLY || code == SQLITE_PERM || code == SQLITE_CANTOPEN ? ERR_DENIED
                         : code == SQLITE_CONSTRAINT                                                 ? ERR_CONFLICT
                                                                                                     : ERR_IO;
    int rc = err_set(err, kind, "%s: %s (SQLite error %d)", what, sqlite3_errmsg(conn->handle), extended);
    if (err)
        err->code = os;
    return rc;
}

int db_conn_exec(struct db_conn *conn, const char *sql, struct err *err)
{
    if (sqlite3_exec(conn->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_conn_error(conn, sql, err);
    return 0;
}

int db_conn_open(struct db_conn *conn, const char *path, struct err *err)
{
    memset(conn, 0, sizeof *conn);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &conn->handle, flags, NULL) != SQLITE_OK) {
        int rc = conn->handle ? db_conn_error(conn, path, err) : err_set(err, ERR_NO_MEMORY, "no memory to open %s", path);
        db_conn_close(conn);
        return rc;
    }
    sqlite3_busy_timeout(conn->handle, BUSY_MS);
    int rc = db_conn_exec(conn, "PRAGMA foreign_keys = ON", err);
    if (rc == 0)
        rc = db_conn_exec(conn, "PRAGMA wal_autocheckpoint = 0", err); /* a thread of its own does it */
    if (rc < 0)
        db_conn_close(conn);
    return rc;
}

void db_conn_close(struct db_conn *conn)
{
    for (size_t i = 0; i < conn->cached; i++)
        sqlite3_finalize(conn->cache[i].handle);
    conn->cached = 0;
    sqlite3_close(conn->handle);
    conn->handle = NULL;
}

int db_prepare(struct db_conn *conn, const char *sql, struct db_stmt **ret_stmt, struct err *err)
{
    for (size_t i = 0; i < conn->cached; i++)
        if (conn->cache[i].sql == sql && !conn->cache[i].busy) {
            conn->cache[i].busy = 1;
            *ret_stmt = &conn->cache[i];
            return 0;
        }
    assert(conn->cached < STATEMENTS_MAX); /* statements are literals and handed back: more is a leak of ours */
    struct db_stmt *stmt = &conn->cache[conn->cached];
    if (sqlite3_prepare_v3(conn->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL) != SQLITE_OK)
        return db_conn_error(conn, sql, err);
    stmt->conn = conn;
    stmt->sql = sql;
    stmt->busy = 1;
    conn->cached++;
    *ret_stmt = stmt;
    return 0;
}

void db_bind_i64(struct db_stmt *stmt, int index, int64_t value)
{
    int rc = sqlite3_bind_int64(stmt->handle, index, value);
    assert(rc == SQLITE_OK);
    (void)rc;
}

void db_bind_text(struct db_stmt *stmt, int index, const char *text)
{
    int rc = text ? sqlite3_bind_text(stmt->handle, index, text, -1, SQLITE_STATIC) : sqlite3_bind_null(stmt->handle, index);
    assert(rc == SQLITE_OK);
    (void)rc;
}

int db_step(struct db_stmt *stmt, struct err *err)
{
    int rc = sqlite3_step(stmt->handle);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : db_conn_error(stmt->conn, stmt->sql, err);
}

int64_t db_col_i64(struct db_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

const char *db_col_text(struct db_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(stmt->handle, column);
}

void db_done(struct db_stmt *stmt)
{
    if (!stmt)
        return;
    sqlite3_reset(stmt->handle);
    sqlite3_clear_bindings(stmt->handle);
    stmt->busy = 0;
}

int64_t db_last_id(struct db_conn *conn)
{
    return sqlite3_last_insert_rowid(conn->handle);
}
