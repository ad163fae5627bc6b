/* The schema, and reading all of it at start. Rows are taken as they are, configurations unparsed: 10,000 functions with
 * 20 versions each have to be there in less than 2 seconds. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "host/registry/function_record.h"
#include "lib/base/strutil.h"

const char *const registry_migrations[] = {
    /* version 0 of a function is $LATEST; config and tags are JSON objects; revision ids are UUIDs. */
    "CREATE TABLE function ("
    "  id INTEGER PRIMARY KEY,"
    "  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  last_version INTEGER NOT NULL DEFAULT 0," /* numbers are never used twice */
    "  tags TEXT,"
    "  UNIQUE (account, region, name)) STRICT;"
    "CREATE TABLE function_version ("
    "  function_id INTEGER NOT NULL REFERENCES function (id),"
    "  version INTEGER NOT NULL,"
    "  config TEXT NOT NULL,"
    "  code_sha256 TEXT NOT NULL,"
    "  code_size INTEGER NOT NULL,"
    "  revision_id TEXT NOT NULL,"
    "  modified_ms INTEGER NOT NULL,"
    "  PRIMARY KEY (function_id, version)) STRICT, WITHOUT ROWID;",
    /* kinds: settings.h; value is a JSON object. */
    "CREATE TABLE function_setting ("
    "  function_id INTEGER NOT NULL REFERENCES function (id),"
    "  kind TEXT NOT NULL, qualifier TEXT NOT NULL,"
    "  value TEXT NOT NULL,"
    "  PRIMARY KEY (function_id, kind, qualifier)) STRICT, WITHOUT ROWID;",
    /* layers of a function version: digests, a space between them; about and policy are JSON objects. Layers stay when their last
     * version is deleted, for their numbers. */
    "ALTER TABLE function_version ADD COLUMN layers TEXT;"
    "ALTER TABLE function_version ADD COLUMN unpacked_size INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE layer ("
    "  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,"
    "  last_version INTEGER NOT NULL,"
    "  PRIMARY KEY (account, region, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE layer_version ("
    "  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,"
    "  about TEXT NOT NULL,"
    "  code_sha256 TEXT NOT NULL, code_size INTEGER NOT NULL, unpacked_size INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  policy TEXT, policy_revision TEXT,"
    "  PRIMARY KEY (account, region, name, version)) STRICT, WITHOUT ROWID;",
    /* kinds: resources.h; value is a JSON object. */
    "CREATE TABLE resource ("
    "  account TEXT NOT NULL, region TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,"
    "  value TEXT NOT NULL,"
    "  PRIMARY KEY (account, region, kind, id)) STRICT, WITHOUT ROWID;",
    "ALTER TABLE function_version ADD COLUMN inactive INTEGER NOT NULL DEFAULT 0;",
};
const size_t registry_migration_count = ARRAY_LEN(registry_migrations);

/* Records by id, the order in which the versions come. */
struct by_id {
    struct function_record **list;
    size_t count, cap, at;
};

static int load_functions(struct registry *registry, struct by_id *all, struct err *err)
{
    struct db_stmt *stmt;
    int r = db_read(registry->db, "SELECT id, account, region, name, tags, last_version FROM function ORDER BY id", &stmt, err);
    if (r < 0)
        return r;
    while ((r = db_step(stmt, err)) == 1) {
        const char *name = db_col_text(stmt, 3);
        if (strlen(name) > FUNCTION_NAME_MAX) {
            r = err_set(err, ERR_CORRUPT, "a stored function name is longer than %d", FUNCTION_NAME_MAX);
            break;
        }
        struct function_record *record = record_new(registry, db_col_text(stmt, 1), db_col_text(stmt, 2), name);
        record->id = db_col_i64(stmt, 0);
        record->last_version = (uint64_t)db_col_i64(stmt, 5);
        record->tags = str_dup(db_col_text(stmt, 4));
        if (all->count == all->cap) {
            all->cap = all->cap != 0 ? all->cap * 2 : 256;
            all->list = reallocarray(all->list, all->cap, sizeof(*all->list));
            if (all->list == NULL)
                abort();
        }
        all->list[all->count++] = record;
    }
    db_done(stmt);
    return r;
}

/* Rows come by function and version: $LATEST first, then the published ones in order. */
static void add_row(struct function_record *record, struct version_row *row)
{
    if (row->number == 0) {
        record->latest = row;
        return;
    }
    record_add_published(record, row);
}

static int load_versions(struct registry *registry, struct by_id *all, struct err *err)
{
    struct db_stmt *stmt;
    int r = db_read(registry->db,
                    "SELECT function_id, version, config, code_sha256, code_size, revision_id, modified_ms, layers, unpacked_size,"
                    " inactive FROM function_version ORDER BY function_id, version",
                    &stmt, err);
    if (r < 0)
        return r;
    while ((r = db_step(stmt, err)) == 1) {
        int64_t id = db_col_i64(stmt, 0);
        while (all->at < all->count && all->list[all->at]->id < id)
            all->at++;
        const char *sha256 = db_col_text(stmt, 3);
        if (all->at == all->count || all->list[all->at]->id != id || strlen(sha256) >= SHA256_HEX_BYTES) {
            r = err_set(err, ERR_CORRUPT, "a stored version belongs to no function (id %lld) or names no archive", (long long)id);
            break;
        }
        const struct row_content content = {.config = db_col_text(stmt, 2),
                                            .code_sha256 = sha256,
                                            .layers = db_col_text(stmt, 7),
                                            .code_size = (uint64_t)db_col_i64(stmt, 4),
                                            .unpacked_size = (uint64_t)db_col_i64(stmt, 8)};
        struct version_row *row = row_new(registry, (uint64_t)db_col_i64(stmt, 1), &content);
        (void)str_copy(row->revision_id, sizeof(row->revision_id), db_col_text(stmt, 5));
        row->modified_ms = db_col_i64(stmt, 6);
        row_load_rest(registry, row, db_col_i64(stmt, 9) != 0);
        add_row(all->list[all->at], row);
    }
    db_done(stmt);
    return r;
}

int registry_load(struct registry *registry, struct err *err)
{
    struct by_id all = {0};
    int r = load_functions(registry, &all, err);
    if (r == 0)
        r = load_versions(registry, &all, err);
    if (r == 0)
        r = registry_load_settings(registry, all.list, all.count, err);
    if (r == 0)
        r = registry_load_resources(registry, err);
    for (size_t i = 0; r == 0 && i < all.count; i++) {
        if (all.list[i]->latest == NULL) {
            r = err_set(err, ERR_CORRUPT, "function %s is stored without its $LATEST", all.list[i]->name);
            break;
        }
        record_set_state(all.list[i], RECORD_READY);
        if (all.list[i]->settings != NULL)
            record_provision(all.list[i]);
        registry->committed++;
    }
    free(all.list);
    if (r == 0)
        r = registry_load_layers(registry, err);
    return r < 0 ? err_wrap(err, "reading the functions") : 0;
}
