/* Inside lib/db: a connection with its cache of statements. One thread each. */
#pragma once

#include <sqlite3.h>
#include <sys/queue.h>

#include "lib/db/db.h"

#define STATEMENTS_MAX 256 /* cached per connection; SQL texts are literals, so their number is known while compiling */

struct db_stmt {
    sqlite3_stmt *handle;
    struct db_conn *conn;
    const char *sql; /* identity: the literal's address */
    int busy;
};

struct db_conn {
    sqlite3 *handle;
    struct db_stmt cache[STATEMENTS_MAX];
    size_t cached;
};

int db_conn_open(struct db_conn *conn, const char *path, struct err *err) WARN_UNUSED;
void db_conn_close(struct db_conn *conn);
/* Runs SQL without results. */
int db_conn_exec(struct db_conn *conn, const char *sql, struct err *err) WARN_UNUSED;
/* The error of the last call on conn, with its class. */
int db_conn_error(struct db_conn *conn, const char *what, struct err *err);
