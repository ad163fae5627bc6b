/* Settings in memory and on the disk. What readers see changes when the commit has reached the disk, never before. */
#include "host/registry/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "host/registry/function_record.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"

#define KEY_BYTES 256 /* a kind, a space, a qualifier of at most 128 */

struct change {
    char *kind, *qualifier, *value; /* kind NULL: all kinds; value NULL: gone */
};

/* One write on its way. */
struct write {
    struct registry *registry;
    struct function_record *record;
    int64_t id; /* of the function */
    bool is_tags;
    char *tags;
    bool revises;     /* a version's RevisionId changes, too */
    uint64_t version; /* 0: $LATEST */
    char revision_id[ID_UUID_BYTES];
    size_t count;
    struct change *changes;
    registry_written_fn *done;
    void *arg;
};

static void make_key(char key[KEY_BYTES], const char *kind, const char *qualifier)
{
    size_t kind_len = strlen(kind), qualifier_len = strlen(qualifier);
    assert(kind_len + qualifier_len + 2 <= KEY_BYTES);
    memcpy(key, kind, kind_len);
    key[kind_len] = ' ';
    memcpy(key + kind_len + 1, qualifier, qualifier_len + 1);
}

static struct setting *find(const struct function_record *record, const char *kind, const char *qualifier)
{
    char key[KEY_BYTES];
    struct setting *setting;
    if (strlen(kind) + strlen(qualifier) + 2 > KEY_BYTES)
        return NULL;
    make_key(key, kind, qualifier);
    HASH_FIND_STR(record->settings, key, setting);
    return setting;
}

/* ---- aliases are also resolved by invocations: their numbers are kept ready ---- */

static void read_route(const char *value, struct alias_route *route)
{
    cJSON *alias = NULL;
    struct err err;
    *route = (struct alias_route){0};
    if (json_parse(value, strlen(value), &alias, &err) < 0)
        return;
    const char *version = json_str(alias, "FunctionVersion");
    if (version != NULL && str_eq(version, "$LATEST"))
        route->latest = true;
    else if (version != NULL)
        (void)function_name_version(version, &route->version);
    const cJSON *weights = json_get(json_get(alias, "RoutingConfig"), "AdditionalVersionWeights");
    const cJSON *weight = weights != NULL ? weights->child : NULL;
    if (weight != NULL && cJSON_IsNumber(weight) && function_name_version(weight->string, &route->second))
        route->second_weight = weight->valuedouble;
    cJSON_Delete(alias);
}

const struct alias_route *record_alias(const struct function_record *record, const char *name)
{
    const struct setting *setting = find(record, SETTING_ALIAS, name);
    return setting != NULL ? &setting->route : NULL;
}

/* ---- memory ---- */

void record_set_setting(struct function_record *record, const char *kind, const char *qualifier, const char *value)
{
    struct setting *setting = find(record, kind, qualifier);
    if (str_eq(kind, SETTING_CONCURRENCY))
        record_set_reserved(record, value);
    if (setting != NULL) {
        HASH_DEL(record->settings, setting);
        free(setting->value);
        free(setting);
    }
    if (value == NULL)
        return;
    setting = calloc(1, sizeof(*setting) + strlen(kind) + strlen(qualifier) + 2);
    if (setting == NULL || (setting->value = strdup(value)) == NULL)
        abort();
    make_key(setting->key, kind, qualifier);
    setting->kind_len = strlen(kind);
    if (str_eq(kind, SETTING_ALIAS))
        read_route(value, &setting->route);
    HASH_ADD_STR(record->settings, key, setting);
}

void record_free_settings(struct function_record *record)
{
    struct setting *setting, *next;
    HASH_ITER(hh, record->settings, setting, next) {
        HASH_DEL(record->settings, setting);
        free(setting->value);
        free(setting);
    }
}

void record_drop_settings(struct function_record *record, const char *qualifier)
{
    struct setting *setting, *next;
    HASH_ITER(hh, record->settings, setting, next) {
        if (!str_eq(setting->key + setting->kind_len + 1, qualifier))
            continue;
        HASH_DEL(record->settings, setting);
        free(setting->value);
        free(setting);
    }
}

const char *registry_setting(const struct function_record *record, const char *kind, const char *qualifier)
{
    const struct setting *setting = find(record, kind, qualifier);
    return setting != NULL ? setting->value : NULL;
}

static int by_qualifier(const void *a, const void *b)
{
    const struct setting_view *x = a, *y = b;
    return strcmp(x->qualifier, y->qualifier);
}

size_t registry_settings(const struct function_record *record, const char *kind, struct setting_view **ret_views)
{
    size_t n = 0, kind_len = strlen(kind);
    struct setting_view *views = calloc(HASH_COUNT(record->settings) + 1, sizeof(*views));
    if (views == NULL)
        abort();
    for (const struct setting *s = record->settings; s != NULL; s = s->hh.next)
        if (s->kind_len == kind_len && memcmp(s->key, kind, kind_len) == 0)
            views[n++] = (struct setting_view){.qualifier = s->key + kind_len + 1, .value = s->value};
    qsort(views, n, sizeof(*views), by_qualifier);
    *ret_views = views;
    return n;
}

/* ---- one at a time ---- */

bool registry_settings_wait(struct function_record *record, void (*fn)(void *arg), void *arg)
{
    return wait_line_wait(&record->line, fn, arg);
}

/* ---- the disk ---- */

static void write_free(struct write *write)
{
    for (size_t i = 0; i < write->count; i++) {
        free(write->changes[i].kind);
        free(write->changes[i].qualifier);
        free(write->changes[i].value);
    }
    free(write->changes);
    free(write->tags);
    free(write);
}

int record_drop_settings_work(struct db_conn *conn, int64_t id, const char *qualifier, struct err *err)
{
    static const char sql[] = "DELETE FROM function_setting WHERE function_id = ? AND qualifier = ?";
    struct db_stmt *stmt;
    int r = db_prepare(conn, sql, &stmt, err);
    if (r < 0)
        return r;
    db_bind_i64(stmt, 1, id);
    db_bind_text(stmt, 2, qualifier);
    r = db_step(stmt, err);
    db_done(stmt);
    return r < 0 ? r : 0;
}

int record_setting_work(struct db_conn *conn, int64_t id, const struct setting_change *change, struct err *err)
{
    static const char put[] = "INSERT OR REPLACE INTO function_setting (function_id, kind, qualifier, value) VALUES (?, ?, ?, ?)";
    static const char gone[] = "DELETE FROM function_setting WHERE function_id = ? AND kind = ? AND qualifier = ?";
    struct db_stmt *stmt;
    if (change->kind == NULL)
        return record_drop_settings_work(conn, id, change->qualifier, err);
    int r = change->value != NULL ? db_prepare(conn, put, &stmt, err) : db_prepare(conn, gone, &stmt, err);
    if (r < 0)
        return r;
    db_bind_i64(stmt, 1, id);
    db_bind_text(stmt, 2, change->kind);
    db_bind_text(stmt, 3, change->qualifier);
    if (change->value != NULL)
        db_bind_text(stmt, 4, change->value);
    r = db_step(stmt, err);
    db_done(stmt);
    return r < 0 ? r : 0;
}

static int write_tags(struct db_conn *conn, int64_t id, const char *tags, struct err *err)
{
    static const char sql[] = "UPDATE function SET tags = ? WHERE id = ?";
    struct db_stmt *stmt;
    int r = db_prepare(conn, sql, &stmt, err);
    if (r < 0)
        return r;
    db_bind_text(stmt, 1, tags);
    db_bind_i64(stmt, 2, id);
    r = db_step(stmt, err);
    db_done(stmt);
    return r < 0 ? r : 0;
}

static int write_revision(struct db_conn *conn, const struct write *write, struct err *err)
{
    static const char sql[] = "UPDATE function_version SET revision_id = ? WHERE function_id = ? AND version = ?";
    struct db_stmt *stmt;
    int r = db_prepare(conn, sql, &stmt, err);
    if (r < 0)
        return r;
    db_bind_text(stmt, 1, write->revision_id);
    db_bind_i64(stmt, 2, write->id);
    db_bind_i64(stmt, 3, (int64_t)write->version);
    r = db_step(stmt, err);
    db_done(stmt);
    return r < 0 ? r : 0;
}

static int write_work(struct db_conn *conn, void *arg, struct err *err)
{
    const struct write *write = arg;
    int r = write->is_tags ? write_tags(conn, write->id, write->tags, err) : 0;
    const struct change *c = write->changes;
    for (size_t i = 0; r == 0 && i < write->count; i++)
        r = record_setting_work(conn, write->id, &(struct setting_change){c[i].kind, c[i].qualifier, c[i].value}, err);
    return r == 0 && write->revises ? write_revision(conn, write, err) : r;
}

static void show(struct write *write)
{
    struct function_record *record = write->record;
    for (size_t i = 0; i < write->count; i++) {
        const struct change *change = &write->changes[i];
        if (change->kind != NULL)
            record_set_setting(record, change->kind, change->qualifier, change->value);
        else
            record_drop_settings(record, change->qualifier);
    }
    if (write->is_tags) {
        free(record->tags);
        record->tags = STEAL(write->tags);
    }
    struct version_row *row = write->version == 0 ? record->latest : record_published(record, write->version);
    if (write->revises && row != NULL)
        (void)str_copy(row->revision_id, sizeof(row->revision_id), write->revision_id);
    if (write->count > 0)
        record_provision(record);
}

static void written(void *arg, const struct err *err)
{
    struct write *write = arg;
    struct function_record *record = write->record;
    if (!registry_enter(write->registry)) {
        write_free(write);
        return;
    }
    record_end_promise(record);
    if (err == NULL)
        show(write);
    wait_line_end(&record->line);
    write->done(write->arg, err);
    write_free(write);
}

static void submit(struct function_record *record, struct write *write)
{
    assert(record->state != RECORD_RESERVED);
    wait_line_begin(&record->line);
    write->registry = record->registry;
    write->record = record;
    write->id = record->id;
    record->registry->posted++;
    db_write(record->registry->db, write_work, written, write);
}

static struct write *write_new(const struct setting_change *changes, size_t count, registry_written_fn *done, void *arg)
{
    struct write *write = calloc(1, sizeof(*write));
    if (write == NULL || (write->changes = calloc(count, sizeof(*write->changes))) == NULL)
        abort();
    write->count = count;
    write->done = done;
    write->arg = arg;
    for (size_t i = 0; i < count; i++)
        write->changes[i] = (struct change){str_dup(changes[i].kind), str_dup(changes[i].qualifier), str_dup(changes[i].value)};
    return write;
}

void registry_settings_write(struct function_record *record, const struct setting_change *changes, size_t count, registry_written_fn *done,
                             void *arg)
{
    submit(record, write_new(changes, count, done, arg));
}

void registry_settings_revise(struct function_record *record, uint64_t version, const struct setting_change *changes, size_t count,
                              registry_written_fn *done, void *arg)
{
    struct write *write = write_new(changes, count, done, arg);
    write->revises = true;
    write->version = version;
    id_uuid(write->revision_id);
    submit(record, write);
}

void registry_tags_write(struct function_record *record, const char *tags, registry_written_fn *done, void *arg)
{
    struct write *write = calloc(1, sizeof(*write));
    if (write == NULL)
        abort();
    *write = (struct write){.is_tags = true, .tags = str_dup(tags), .revises = true, .done = done, .arg = arg};
    id_uuid(write->revision_id);
    submit(record, write);
}

static int load_setting(struct db_stmt *stmt, struct function_record *record, struct err *err)
{
    const char *kind = db_col_text(stmt, 1), *qualifier = db_col_text(stmt, 2);
    if (strlen(kind) + strlen(qualifier) + 2 > KEY_BYTES)
        return err_set(err, ERR_CORRUPT, "a stored setting of %s has a name that is too long", record->name);
    record_set_setting(record, kind, qualifier, db_col_text(stmt, 3));
    return 0;
}

int registry_load_settings(struct registry *registry, struct function_record **by_id, size_t count, struct err *err)
{
    struct db_stmt *stmt;
    size_t at = 0;
    int r = db_read(registry->db, "SELECT function_id, kind, qualifier, value FROM function_setting ORDER BY function_id", &stmt, err);
    if (r < 0)
        return r;
    while ((r = db_step(stmt, err)) == 1) {
        int64_t id = db_col_i64(stmt, 0);
        while (at < count && by_id[at]->id < id)
            at++;
        if (at == count || by_id[at]->id != id)
            r = err_set(err, ERR_CORRUPT, "a stored setting belongs to no function (id %lld)", (long long)id);
        else
            r = load_setting(stmt, by_id[at], err);
        if (r < 0)
            break;
    }
    db_done(stmt);
    return r;
}
