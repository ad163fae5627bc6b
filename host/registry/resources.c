/* Resources that belong to an account and a region: a shelf for each kind, in memory and on the disk. What readers see changes when the
 * commit has reached the disk, never before. */
#include "host/registry/resources.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/registry/function_record.h"
#include "lib/base/strutil.h"

#define KEY_BYTES 128 /* an account, a region, a kind */

struct resource {
    UT_hash_handle hh;
    char id[RESOURCE_ID_MAX + 1];
    char *value; /* JSON */
    cJSON *json; /* value parsed, once somebody has asked; else NULL */
};

struct resource_shelf {
    UT_hash_handle hh;
    char key[KEY_BYTES]; /* "account region kind" */
    char account[13], region[32];
    const char *kind; /* in key */
    struct registry *registry;
    struct resource *resources; /* by id */
    struct wait_line line;      /* busy: written or held */
};

/* One write on its way. */
struct write {
    struct registry *registry;
    struct resource_shelf *shelf;
    char id[RESOURCE_ID_MAX + 1];
    char *value; /* NULL: gone */
    resource_written_fn *done;
    void *arg;
};

static void make_key(char key[KEY_BYTES], const char *account, const char *region, const char *kind)
{
    int len = snprintf(key, KEY_BYTES, "%s %s %s", account, region, kind);
    assert(len > 0 && len < KEY_BYTES);
}

struct resource_shelf *resource_shelf_find(struct registry *registry, const char *account, const char *region, const char *kind)
{
    char key[KEY_BYTES];
    struct resource_shelf *shelf;
    make_key(key, account, region, kind);
    HASH_FIND_STR(registry->shelves, key, shelf);
    return shelf;
}

struct resource_shelf *resource_shelf(struct registry *registry, const char *account, const char *region, const char *kind)
{
    struct resource_shelf *shelf = resource_shelf_find(registry, account, region, kind);
    if (shelf != NULL)
        return shelf;
    shelf = calloc(1, sizeof(*shelf));
    if (shelf == NULL)
        abort();
    make_key(shelf->key, account, region, kind);
    shelf->kind = strrchr(shelf->key, ' ') + 1;
    (void)str_copy(shelf->account, sizeof(shelf->account), account);
    (void)str_copy(shelf->region, sizeof(shelf->region), region);
    shelf->registry = registry;
    wait_line_init(&shelf->line, registry);
    HASH_ADD_STR(registry->shelves, key, shelf);
    return shelf;
}

static struct resource *find(const struct resource_shelf *shelf, const char *id)
{
    struct resource *resource;
    HASH_FIND_STR(shelf->resources, id, resource);
    return resource;
}

const char *resource_get(const struct resource_shelf *shelf, const char *id)
{
    const struct resource *resource = shelf != NULL ? find(shelf, id) : NULL;
    return resource != NULL ? resource->value : NULL;
}

static int by_id(const void *a, const void *b)
{
    const struct resource_view *x = a, *y = b;
    return strcmp(x->id, y->id);
}

size_t resource_list(const struct resource_shelf *shelf, struct resource_view **ret_views)
{
    size_t n = 0;
    struct resource *first = shelf != NULL ? shelf->resources : NULL;
    struct resource_view *views = calloc(HASH_COUNT(first) + 1, sizeof(*views));
    if (views == NULL)
        abort();
    for (struct resource *r = first; r != NULL; r = r->hh.next)
        views[n++] = (struct resource_view){.id = r->id, .value = r->value, .resource = r};
    qsort(views, n, sizeof(*views), by_id);
    *ret_views = views;
    return n;
}

const cJSON *resource_json(const struct resource_view *view)
{
    struct resource *resource = view->resource;
    struct err err;
    if (resource->json == NULL && json_parse(resource->value, strlen(resource->value), &resource->json, &err) < 0)
        return NULL;
    return resource->json;
}

/* Takes value, which may be NULL. */
static void put(struct resource_shelf *shelf, const char *id, char *value)
{
    struct resource *resource = find(shelf, id);
    if (resource != NULL) {
        free(resource->value);
        json_freep(&resource->json);
        resource->json = NULL;
        resource->value = value;
        if (value == NULL) {
            HASH_DEL(shelf->resources, resource);
            free(resource);
        }
        return;
    }
    if (value == NULL)
        return;
    resource = calloc(1, sizeof(*resource));
    if (resource == NULL)
        abort();
    (void)str_copy(resource->id, sizeof(resource->id), id);
    resource->value = value;
    HASH_ADD_STR(shelf->resources, id, resource);
}

/* ---- one at a time ---- */

bool resource_wait(struct resource_shelf *shelf, void (*fn)(void *arg), void *arg)
{
    return wait_line_wait(&shelf->line, fn, arg);
}

void resource_hold(struct resource_shelf *shelf)
{
    wait_line_begin(&shelf->line);
}

void resource_release(struct resource_shelf *shelf)
{
    wait_line_end(&shelf->line);
}

/* ---- the disk ---- */

static int write_work(struct db_conn *conn, void *arg, struct err *err)
{
    static const char put_sql[] = "INSERT OR REPLACE INTO resource (account, region, kind, id, value) VALUES (?, ?, ?, ?, ?)";
    static const char gone_sql[] = "DELETE FROM resource WHERE account = ? AND region = ? AND kind = ? AND id = ?";
    const struct write *write = arg;
    struct db_stmt *stmt;
    int r = write->value != NULL ? db_prepare(conn, put_sql, &stmt, err) : db_prepare(conn, gone_sql, &stmt, err);
    if (r < 0)
        return r;
    db_bind_text(stmt, 1, write->shelf->account);
    db_bind_text(stmt, 2, write->shelf->region);
    db_bind_text(stmt, 3, write->shelf->kind);
    db_bind_text(stmt, 4, write->id);
    if (write->value != NULL)
        db_bind_text(stmt, 5, write->value);
    r = db_step(stmt, err);
    db_done(stmt);
    return r < 0 ? r : 0;
}

static void written(void *arg, const struct err *err)
{
    struct write write = *(struct write *)arg;
    free(arg);
    if (!registry_enter(write.registry)) {
        free(write.value);
        return;
    }
    if (err == NULL)
        put(write.shelf, write.id, write.value);
    else
        free(write.value);
    resource_release(write.shelf);
    write.done(write.arg, err);
}

void resource_write(struct resource_shelf *shelf, const char *id, const char *value, resource_written_fn *done, void *arg)
{
    struct write *write = calloc(1, sizeof(*write));
    if (write == NULL)
        abort();
    *write = (struct write){.registry = shelf->registry, .shelf = shelf, .done = done, .arg = arg};
    bool fits = str_copy(write->id, sizeof(write->id), id);
    assert(fits);
    if (value != NULL && (write->value = strdup(value)) == NULL)
        abort();
    resource_hold(shelf);
    shelf->registry->posted++;
    db_write(shelf->registry->db, write_work, written, write);
}

/* ---- start and end ---- */

static int load(struct registry *registry, struct db_stmt *stmt, struct err *err)
{
    const char *account = db_col_text(stmt, 0), *region = db_col_text(stmt, 1), *kind = db_col_text(stmt, 2), *id = db_col_text(stmt, 3);
    if (strlen(account) > 12 || strlen(region) > 31 || strlen(kind) > 32 || strlen(id) > RESOURCE_ID_MAX)
        return err_set(err, ERR_CORRUPT, "a stored resource has a name that is too long");
    char *value = strdup(db_col_text(stmt, 4));
    if (value == NULL)
        abort();
    put(resource_shelf(registry, account, region, kind), id, value);
    return 0;
}

int registry_load_resources(struct registry *registry, struct err *err)
{
    struct db_stmt *stmt;
    int r = db_read(registry->db, "SELECT account, region, kind, id, value FROM resource", &stmt, err);
    if (r < 0)
        return r;
    while ((r = db_step(stmt, err)) == 1)
        if ((r = load(registry, stmt, err)) < 0)
            break;
    db_done(stmt);
    return r;
}

void registry_free_resources(struct registry *registry)
{
    struct resource_shelf *shelf, *next_shelf;
    HASH_ITER(hh, registry->shelves, shelf, next_shelf) {
        struct resource *resource, *next;
        HASH_ITER(hh, shelf->resources, resource, next) {
            HASH_DEL(shelf->resources, resource);
            free(resource->value);
            json_freep(&resource->json);
            free(resource);
        }
        wait_line_drop(&shelf->line);
        HASH_DEL(registry->shelves, shelf);
        free(shelf);
    }
}
