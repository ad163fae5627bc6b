/* Layers on the disk. Numbers are given when a write is submitted, in the order in which the writer commits; readers see a version, and
 * miss it, from the commit on. */
#include "host/registry/layer/layers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "host/registry/function_record.h"
#include "host/registry/layer/layer_record.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

/* One write on its way. */
struct layer_write {
    struct registry *registry;
    struct layer *layer;
    struct layer_version *version; /* published: not yet in the layer */
    uint64_t number;               /* else: what is changed */
    char *policy;
    char revision[ID_UUID_BYTES];
    layers_published_fn *published;
    registry_written_fn *done;
    void *arg;
};

static void write_free(struct layer_write *write)
{
    free(write->policy);
    free(write);
}

static struct layer_write *write_new(struct registry *registry, struct layer *layer, void *arg)
{
    struct layer_write *write = calloc(1, sizeof(*write));
    if (write == NULL)
        abort();
    *write = (struct layer_write){.registry = registry, .layer = layer, .arg = arg};
    registry->posted++;
    return write;
}

/* The layer's name as the parameters from `at` on. */
static void bind_name(struct db_stmt *stmt, int at, const struct layer_write *write)
{
    db_bind_text(stmt, at, write->layer->name.account);
    db_bind_text(stmt, at + 1, write->layer->name.region);
    db_bind_text(stmt, at + 2, write->layer->name.name);
}

static int step(struct db_stmt *stmt, struct err *err)
{
    int r = db_step(stmt, err);
    db_done(stmt);
    return r < 0 ? r : 0;
}

static int publish_work(struct db_conn *conn, void *arg, struct err *err)
{
    static const char layer[] = "INSERT INTO layer (account, region, name, last_version) VALUES (?, ?, ?, ?)"
                                " ON CONFLICT DO UPDATE SET last_version = excluded.last_version";
    static const char version[] = "INSERT INTO layer_version (account, region, name, version, about, code_sha256, code_size,"
                                  " unpacked_size, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const struct layer_write *write = arg;
    const struct layer_version *row = write->version;
    struct db_stmt *stmt;
    int r = db_prepare(conn, layer, &stmt, err);
    if (r < 0)
        return r;
    bind_name(stmt, 1, write);
    db_bind_i64(stmt, 4, (int64_t)row->number);
    if ((r = step(stmt, err)) < 0 || (r = db_prepare(conn, version, &stmt, err)) < 0)
        return r;
    bind_name(stmt, 1, write);
    db_bind_i64(stmt, 4, (int64_t)row->number);
    db_bind_text(stmt, 5, row->about);
    db_bind_text(stmt, 6, row->code_sha256);
    db_bind_i64(stmt, 7, (int64_t)row->code_size);
    db_bind_i64(stmt, 8, (int64_t)row->unpacked_size);
    db_bind_i64(stmt, 9, row->created_ms);
    return step(stmt, err);
}

static void published(void *arg, const struct err *err)
{
    struct layer_write *write = arg;
    struct layer_facts facts;
    if (!registry_enter(write->registry)) {
        layer_version_discard(write->version);
    } else if (err != NULL) {
        layer_version_free(write->registry, write->version);
        write->published(write->arg, NULL, err);
    } else {
        layer_add(write->layer, write->version);
        layer_describe(write->layer, write->version, &facts);
        write->published(write->arg, &facts, NULL);
    }
    write_free(write);
}

void layers_publish(struct registry *registry, const struct layer_name *name, const struct layer_draft *draft, layers_published_fn *done,
                    void *arg)
{
    struct layer *layer = layer_obtain(registry, name);
    CLEANUP(freep) char *about = json_print(draft->about);
    struct layer_write *write = write_new(registry, layer, arg);
    write->published = done;
    write->version = layer_version_new(registry, ++layer->last_number, about, draft->code_sha256);
    write->version->code_size = draft->code_size;
    write->version->unpacked_size = draft->unpacked_size;
    write->version->created_ms = clock_wall_ms();
    db_write(registry->db, publish_work, published, write);
}

static int delete_work(struct db_conn *conn, void *arg, struct err *err)
{
    static const char sql[] = "DELETE FROM layer_version WHERE account = ? AND region = ? AND name = ? AND version = ?";
    const struct layer_write *write = arg;
    struct db_stmt *stmt;
    int r = db_prepare(conn, sql, &stmt, err);
    if (r < 0)
        return r;
    bind_name(stmt, 1, write);
    db_bind_i64(stmt, 4, (int64_t)write->number);
    return step(stmt, err);
}

static void deleted(void *arg, const struct err *err)
{
    struct layer_write *write = arg;
    struct layer *layer = write->layer;
    if (!registry_enter(write->registry)) {
        write_free(write);
        return;
    }
    wait_line_end(&layer->line);
    if (err == NULL)
        layer_remove(write->registry, layer, write->number);
    write->done(write->arg, err);
    write_free(write);
}

/* A change of a version that is there. */
static struct layer_write *change_new(struct registry *registry, const struct layer_name *name, uint64_t number, registry_written_fn *done,
                                      void *arg)
{
    struct layer *layer = layer_lookup(registry, name);
    assert(layer != NULL && layer_index(layer, number) < layer->count);
    wait_line_begin(&layer->line);
    struct layer_write *write = write_new(registry, layer, arg);
    write->number = number;
    write->done = done;
    return write;
}

void layers_delete(struct registry *registry, const struct layer_name *name, uint64_t number, registry_written_fn *done, void *arg)
{
    db_write(registry->db, delete_work, deleted, change_new(registry, name, number, done, arg));
}

static int policy_work(struct db_conn *conn, void *arg, struct err *err)
{
    static const char sql[] = "UPDATE layer_version SET policy = ?, policy_revision = ?"
                              " WHERE account = ? AND region = ? AND name = ? AND version = ?";
    const struct layer_write *write = arg;
    struct db_stmt *stmt;
    int r = db_prepare(conn, sql, &stmt, err);
    if (r < 0)
        return r;
    db_bind_text(stmt, 1, write->policy);
    db_bind_text(stmt, 2, write->policy != NULL ? write->revision : NULL);
    bind_name(stmt, 3, write);
    db_bind_i64(stmt, 6, (int64_t)write->number);
    return step(stmt, err);
}

static void policy_set(void *arg, const struct err *err)
{
    struct layer_write *write = arg;
    struct layer *layer = write->layer;
    if (!registry_enter(write->registry)) {
        write_free(write);
        return;
    }
    wait_line_end(&layer->line);
    if (err == NULL) {
        struct layer_version *version = layer->versions[layer_index(layer, write->number)];
        free(version->policy);
        version->policy = STEAL(write->policy);
        memcpy(version->revision, write->revision, sizeof(version->revision));
    }
    write->done(write->arg, err);
    write_free(write);
}

void layers_set_policy(struct registry *registry, const struct layer_name *name, uint64_t number, const char *policy, const char *revision,
                       registry_written_fn *done, void *arg)
{
    struct layer_write *write = change_new(registry, name, number, done, arg);
    write->policy = str_dup(policy);
    if (revision != NULL)
        (void)str_copy(write->revision, sizeof(write->revision), revision);
    db_write(registry->db, policy_work, policy_set, write);
}

/* ---- at the start ---- */

static int read_name(struct db_stmt *stmt, struct layer_name *name, struct err *err)
{
    *name = (struct layer_name){0};
    if (str_copy(name->account, sizeof(name->account), db_col_text(stmt, 0)) &&
        str_copy(name->region, sizeof(name->region), db_col_text(stmt, 1)) &&
        str_copy(name->name, sizeof(name->name), db_col_text(stmt, 2)))
        return 0;
    return err_set(err, ERR_CORRUPT, "a stored layer has a name that is too long");
}

static int load_version(struct registry *registry, struct db_stmt *stmt, struct err *err)
{
    struct layer_name name;
    const char *sha256 = db_col_text(stmt, 5), *revision = db_col_text(stmt, 10);
    int r = read_name(stmt, &name, err);
    if (r < 0)
        return r;
    struct layer *layer = layer_lookup(registry, &name);
    if (layer == NULL || strlen(sha256) >= SHA256_HEX_BYTES)
        return err_set(err, ERR_CORRUPT, "a stored version of layer %s belongs to none or names no archive", name.name);
    struct layer_version *version = layer_version_new(registry, (uint64_t)db_col_i64(stmt, 3), db_col_text(stmt, 4), sha256);
    version->code_size = (uint64_t)db_col_i64(stmt, 6);
    version->unpacked_size = (uint64_t)db_col_i64(stmt, 7);
    version->created_ms = db_col_i64(stmt, 8);
    version->policy = str_dup(db_col_text(stmt, 9));
    if (revision != NULL)
        (void)str_copy(version->revision, sizeof(version->revision), revision);
    layer_add(layer, version);
    return 0;
}

int registry_load_layers(struct registry *registry, struct err *err)
{
    struct layer_name name;
    struct db_stmt *stmt;
    int r = db_read(registry->db, "SELECT account, region, name, last_version FROM layer", &stmt, err);
    if (r < 0)
        return r;
    while ((r = db_step(stmt, err)) == 1) {
        if ((r = read_name(stmt, &name, err)) < 0)
            break;
        layer_obtain(registry, &name)->last_number = (uint64_t)db_col_i64(stmt, 3);
    }
    db_done(stmt);
    if (r < 0)
        return r;
    r = db_read(registry->db,
                "SELECT account, region, name, version, about, code_sha256, code_size, unpacked_size, created_ms, policy,"
                " policy_revision FROM layer_version ORDER BY account, region, name, version",
                &stmt, err);
    if (r < 0)
        return r;
    while ((r = db_step(stmt, err)) == 1)
        if ((r = load_version(registry, stmt, err)) < 0)
            break;
    db_done(stmt);
    return r;
}
