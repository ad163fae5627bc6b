/* Everything that changes the registry. A write carries its own copies to the writer thread and touches the records only
 * on the loop, before its submission and after its commit; the second revision id of a change, shown once it has settled,
 * is committed with it, so that a crash in between loses nothing. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "host/registry/function_record.h"
#include "lib/aws/arn.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"

/* One write, then its settling, on their way. */
struct change {
    struct registry *registry;
    struct function_record *record;
    struct version_row *row;       /* the new $LATEST, or NULL; the record's after the commit */
    struct version_row *published; /* a new version, or NULL; the same */
    uint64_t gone;                 /* the version to delete, 0: the function, where there are no rows */
    int64_t id;
    const char *setting_kind; /* of a new function, static; or NULL */
    char *setting_value;
    registry_done_fn *done;
    void *arg;
};

static struct change *change_new(struct function_record *record, struct version_row *row, registry_done_fn *done, void *arg)
{
    struct change *change = calloc(1, sizeof(*change));
    if (change == NULL)
        abort();
    *change = (struct change){.registry = record->registry, .record = record, .row = row, .id = record->id, .done = done, .arg = arg};
    record->registry->posted++;
    return change;
}

static struct version_row *row_made(struct registry *registry, uint64_t number, const struct row_content *content)
{
    struct version_row *row = row_new(registry, number, content);
    id_uuid(row->revision_id);
    id_uuid(row->unsettled_revision_id);
    row->modified_ms = clock_wall_ms();
    return row;
}

/* The next version of a function whose $LATEST has that content; NULL if the newest has it already. description: NULL for
 * $LATEST's own. */
static struct version_row *row_published(const struct function_record *record, const struct version_row *latest, const char *description)
{
    CLEANUP(json_freep) cJSON *config = NULL;
    struct err err;
    if (row_same_as_newest(record, latest))
        return NULL;
    if (json_parse(latest->config, strlen(latest->config), &config, &err) < 0)
        config = cJSON_CreateObject(); /* a damaged row, and a copy of it */
    if (description != NULL) {
        cJSON *configured = cJSON_DetachItemFromObjectCaseSensitive(config, "Description");
        cJSON_AddItemToObject(config, LATEST_DESCRIPTION, configured != NULL ? configured : cJSON_CreateString(""));
        cJSON_AddStringToObject(config, "Description", description);
    }
    CLEANUP(freep) char *text = json_print(config);
    const struct row_content content = {.config = text,
                                        .code_sha256 = latest->code_sha256,
                                        .layers = latest->layers,
                                        .code_size = latest->code_size,
                                        .unpacked_size = latest->unpacked_size};
    return row_made(record->registry, record->last_version + 1, &content);
}

/* The digests in Layers, as a row has them; malloc'd, NULL: none. */
static char *layer_digests(const cJSON *config)
{
    char *digests = NULL;
    const cJSON *layer;
    cJSON_ArrayForEach(layer, json_get(config, "Layers")) {
        char *longer = str_format("%s%s%s", digests != NULL ? digests : "", digests != NULL ? " " : "", json_str(layer, "Sha256"));
        free(digests);
        digests = longer;
    }
    return digests;
}

static struct change *change_from_draft(struct function_record *record, const struct function_draft *draft, registry_done_fn *done,
                                        void *arg)
{
    CLEANUP(freep) char *config = json_print(draft->config);
    CLEANUP(freep) char *layers = layer_digests(draft->config);
    const struct row_content content = {.config = config,
                                        .code_sha256 = draft->code_sha256,
                                        .layers = layers,
                                        .code_size = draft->code_size,
                                        .unpacked_size = draft->unpacked_size};
    struct version_row *row = row_made(record->registry, 0, &content);
    struct change *change = change_new(record, row, done, arg);
    if (draft->publish)
        change->published = row_published(record, row, draft->description);
    if (change->published != NULL)
        change->published->settling = true; /* with $LATEST; published alone it is Active at once, as on AWS */
    if (draft->setting == NULL)
        return change;
    change->setting_kind = draft->setting->kind;
    change->setting_value = strdup(draft->setting->value);
    if (change->setting_value == NULL)
        abort();
    return change;
}

/* The change has taken effect: a task of its own on the loop, so that the answer leaves first. */
static void settle(void *arg)
{
    struct change change = *(struct change *)arg;
    struct function_record *record = change.record;
    free(arg);
    if (!registry_enter(change.registry))
        return;
    struct version_row *before = record->before;
    bool published_only = record->state == RECORD_CLAIMED;
    record->before = NULL;
    record_set_state(record, RECORD_READY);
    record_settle_published(record);
    if (published_only)
        return;
    row_free(record->registry, before);
    struct function_version *version = row_version(record, record->latest);
    if (record->registry->active != NULL && str_eq(version->state, "Active"))
        record->registry->active(record->registry->active_arg, version);
}

static int write_row(struct db_conn *conn, const char *sql, int64_t id, const struct version_row *row, struct err *err)
{
    struct db_stmt *stmt;
    int r = db_prepare(conn, sql, &stmt, err);
    if (r < 0)
        return r;
    db_bind_i64(stmt, 1, id);
    db_bind_i64(stmt, 2, (int64_t)row->number);
    db_bind_text(stmt, 3, row->config);
    db_bind_text(stmt, 4, row->code_sha256);
    db_bind_i64(stmt, 5, (int64_t)row->code_size);
    db_bind_text(stmt, 6, row->revision_id);
    db_bind_i64(stmt, 7, row->modified_ms);
    db_bind_text(stmt, 8, row->layers);
    db_bind_i64(stmt, 9, (int64_t)row->unpacked_size);
    r = db_step(stmt, err);
    db_done(stmt);
    return r < 0 ? r : 0;
}

static const char insert_row[] = "INSERT OR REPLACE INTO function_version"
                                 " (function_id, version, config, code_sha256, code_size, revision_id, modified_ms, layers,"
                                 " unpacked_size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

static int write_rows(struct db_conn *conn, const struct change *change, struct err *err)
{
    static const char newest[] = "UPDATE function SET last_version = ? WHERE id = ?";
    struct db_stmt *stmt;
    int r = change->row != NULL ? write_row(conn, insert_row, change->id, change->row, err) : 0;
    if (r < 0 || change->published == NULL)
        return r;
    if ((r = write_row(conn, insert_row, change->id, change->published, err)) < 0 || (r = db_prepare(conn, newest, &stmt, err)) < 0)
        return r;
    db_bind_i64(stmt, 1, (int64_t)change->published->number);
    db_bind_i64(stmt, 2, change->id);
    r = db_step(stmt, err);
    db_done(stmt);
    return r < 0 ? r : 0;
}

static void discard_rows(const struct change *change)
{
    row_discard(change->row);
    row_discard(change->published);
}

/* The write failed: what it would have made is no more. */
static void free_rows(const struct change *change)
{
    row_free(change->registry, change->row);
    row_free(change->registry, change->published);
}

static int create_work(struct db_conn *conn, void *arg, struct err *err)
{
    static const char sql[] = "INSERT INTO function (account, region, name, created_ms, tags) VALUES (?, ?, ?, ?, ?)";
    struct change *change = arg;
    const struct function_record *record = change->record;
    struct db_stmt *stmt;
    int r = db_prepare(conn, sql, &stmt, err);
    if (r < 0)
        return r;
    db_bind_text(stmt, 1, record->account);
    db_bind_text(stmt, 2, record->region);
    db_bind_text(stmt, 3, record->name);
    db_bind_i64(stmt, 4, change->row->modified_ms);
    db_bind_text(stmt, 5, record->tags);
    r = db_step(stmt, err);
    db_done(stmt);
    if (r < 0)
        return r;
    change->id = db_last_id(conn);
    r = write_rows(conn, change, err);
    const struct setting_change setting = {change->setting_kind, "", change->setting_value};
    return r == 0 && setting.kind != NULL ? record_setting_work(conn, change->id, &setting, err) : r;
}

static void created(void *arg, const struct err *err)
{
    struct change change = *(struct change *)arg;
    struct function_record *record = change.record;
    struct registry *registry = change.registry;
    CLEANUP(freep) char *setting = change.setting_value;
    free(arg);
    if (!registry_enter(registry)) {
        discard_rows(&change);
        return;
    }
    if (err != NULL) {
        free_rows(&change);
        record_free(record);
        change.done(change.arg, NULL, err);
        return;
    }
    record->id = change.id;
    record->latest = change.row;
    record_add_published(record, change.published);
    if (setting != NULL)
        record_set_setting(record, change.setting_kind, "", setting);
    record_set_state(record, RECORD_PENDING);
    registry->committed++;
    change.done(change.arg, record, NULL);
    loop_post(registry->loop, settle, change_new(record, NULL, NULL, NULL));
}

int registry_create_begin(struct registry *registry, const struct function_name *name, struct function_record **ret_record, struct err *err)
{
    if (record_lookup(registry, name->account, name->region, name->name) != NULL)
        return err_set(err, ERR_EXISTS, "Function already exist: %s", name->name);
    *ret_record = record_new(registry, name->account, name->region, name->name);
    return 0;
}

void registry_create_commit(struct function_record *record, const struct function_draft *draft, const cJSON *tags, registry_done_fn *done,
                            void *arg)
{
    struct registry *registry = record->registry;
    assert(record->state == RECORD_RESERVED);
    if (tags != NULL && tags->child != NULL)
        record->tags = json_print(tags);
    db_write(registry->db, create_work, created, change_from_draft(record, draft, done, arg));
}

static int update_work(struct db_conn *conn, void *arg, struct err *err)
{
    return write_rows(conn, arg, err);
}

static void updated(void *arg, const struct err *err)
{
    struct change change = *(struct change *)arg;
    struct function_record *record = change.record;
    struct registry *registry = change.registry;
    free(arg);
    if (!registry_enter(registry)) {
        discard_rows(&change);
        return;
    }
    if (err != NULL) {
        free_rows(&change);
        record_set_state(record, RECORD_READY);
        change.done(change.arg, record, err);
        return;
    }
    record_add_published(record, change.published);
    if (change.row != NULL) { /* else it stays CLAIMED: $LATEST is what it was */
        record->before = record->latest;
        record->latest = change.row;
        record_set_state(record, RECORD_SETTLING);
    }
    change.done(change.arg, record, NULL);
    loop_post(registry->loop, settle, change_new(record, NULL, NULL, NULL));
}

static int refuse_busy(const struct function_record *record, struct err *err)
{
    char arn[ARN_FUNCTION_BYTES];
    arn_function_format(record->region, record->account, record->name, NULL, arn);
    return err_set(err, ERR_CONFLICT, "The operation cannot be performed at this time. An update is in progress for resource: %s", arn);
}

int registry_check_idle(const struct function_record *record, struct err *err)
{
    return record->state == RECORD_READY ? 0 : refuse_busy(record, err);
}

int registry_update_begin(struct function_record *record, struct err *err)
{
    int r = registry_check_idle(record, err);
    if (r < 0)
        return r;
    record_set_state(record, RECORD_CLAIMED);
    return 0;
}

void registry_update_commit(struct function_record *record, const struct function_draft *draft, registry_done_fn *done, void *arg)
{
    struct registry *registry = record->registry;
    assert(record->state == RECORD_CLAIMED);
    db_write(registry->db, update_work, updated, change_from_draft(record, draft, done, arg));
}

int registry_publish(struct function_record *record, const char *description, registry_done_fn *done, void *arg, struct err *err)
{
    if (record->state != RECORD_READY)
        return refuse_busy(record, err);
    struct version_row *published = row_published(record, record->latest, description);
    if (published == NULL)
        return 1;
    record_set_state(record, RECORD_CLAIMED);
    struct change *change = change_new(record, NULL, done, arg);
    change->published = published;
    db_write(record->registry->db, update_work, updated, change);
    return 0;
}

void registry_abandon(struct function_record *record)
{
    if (record->state == RECORD_RESERVED)
        record_free(record);
    else
        record_set_state(record, RECORD_READY);
}

static int delete_version_work(struct db_conn *conn, void *arg, struct err *err)
{
    static const char sql[] = "DELETE FROM function_version WHERE function_id = ? AND version = ?";
    const struct change *change = arg;
    struct db_stmt *stmt;
    int r = db_prepare(conn, sql, &stmt, err);
    if (r < 0)
        return r;
    db_bind_i64(stmt, 1, change->id);
    db_bind_i64(stmt, 2, (int64_t)change->gone);
    r = db_step(stmt, err);
    db_done(stmt);
    if (r < 0)
        return r;
    CLEANUP(freep) char *qualifier = str_format("%llu", (unsigned long long)change->gone);
    return record_drop_settings_work(conn, change->id, qualifier, err);
}

static void version_deleted(void *arg, const struct err *err)
{
    struct change change = *(struct change *)arg;
    free(arg);
    if (!registry_enter(change.registry))
        return;
    record_set_state(change.record, RECORD_READY);
    if (err == NULL) {
        CLEANUP(freep) char *qualifier = str_format("%llu", (unsigned long long)change.gone);
        record_drop_settings(change.record, qualifier);
        record_remove_published(change.record, change.gone);
        record_provision(change.record);
    }
    wait_line_end(&change.record->line);
    change.done(change.arg, change.record, err);
}

int registry_delete_version(struct function_record *record, uint64_t number, registry_done_fn *done, void *arg, struct err *err)
{
    assert(!record->line.busy);
    if (record->state != RECORD_READY)
        return refuse_busy(record, err);
    record_set_state(record, RECORD_CLAIMED);
    wait_line_begin(&record->line); /* of its settings, which go with it */
    struct change *change = change_new(record, NULL, done, arg);
    change->gone = number;
    db_write(record->registry->db, delete_version_work, version_deleted, change);
    return 0;
}

static int delete_work(struct db_conn *conn, void *arg, struct err *err)
{
    static const char versions[] = "DELETE FROM function_version WHERE function_id = ?";
    static const char settings[] = "DELETE FROM function_setting WHERE function_id = ?";
    static const char function[] = "DELETE FROM function WHERE id = ?";
    const char *const sql[] = {versions, settings, function};
    struct change *change = arg;
    for (size_t i = 0; i < ARRAY_LEN(sql); i++) {
        struct db_stmt *stmt;
        int r = db_prepare(conn, sql[i], &stmt, err);
        if (r < 0)
            return r;
        db_bind_i64(stmt, 1, change->id);
        r = db_step(stmt, err);
        db_done(stmt);
        if (r < 0)
            return r;
    }
    return 0;
}

static void deleted(void *arg, const struct err *err)
{
    struct change change = *(struct change *)arg;
    free(arg);
    if (!registry_enter(change.registry))
        return;
    if (err != NULL) {
        record_set_state(change.record, RECORD_READY);
        wait_line_end(&change.record->line);
    } else {
        record_free(change.record);
    }
    change.done(change.arg, NULL, err);
}

int registry_delete(struct function_record *record, registry_done_fn *done, void *arg, struct err *err)
{
    assert(!record->line.busy);
    if (record->state != RECORD_READY)
        return refuse_busy(record, err);
    record_set_state(record, RECORD_DELETING);
    wait_line_begin(&record->line);
    db_write(record->registry->db, delete_work, deleted, change_new(record, NULL, done, arg));
    return 0;
}
