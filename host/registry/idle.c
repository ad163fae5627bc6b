/* Who has been idle for too long, and how they come back; see idle.h. */
#include "host/registry/idle.h"

#include <assert.h>
#include <stdlib.h>

#include "host/registry/function_record.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

#define LOOK_US_MIN 1000000 /* between two looks at all versions, and at least this part of the time they may be idle: */
#define LOOK_PARTS 100
#define SLEEPS_MAX 200        /* in one look: each is a write, and after a start all that nobody invoked are due at once */
#define SLEEPS_PAUSE_US 50000 /* before the next of them */

/* One row's new rest on its way to the disk; what it was may be gone when it is there. */
struct write {
    struct registry *registry;
    char key[FUNCTION_KEY_BYTES];
    int64_t id;
    uint64_t number;
    bool inactive;
};

static void set_rest(struct version_row *row, enum row_rest to)
{
    static const bool next[ROW_RESTS][ROW_RESTS] = {
        [ROW_AWAKE] = {[ROW_INACTIVE] = true},
        [ROW_INACTIVE] = {[ROW_WAKING] = true},
        [ROW_WAKING] = {[ROW_AWAKE] = true, [ROW_INACTIVE] = true},
    };
    assert(next[row->rest][to]);
    row->rest = to;
}

static int rest_work(struct db_conn *conn, void *arg, struct err *err)
{
    static const char sql[] = "UPDATE function_version SET inactive = ? WHERE function_id = ? AND version = ?";
    const struct write *write = arg;
    struct db_stmt *stmt;
    int r = db_prepare(conn, sql, &stmt, err);
    if (r < 0)
        return r;
    db_bind_i64(stmt, 1, write->inactive);
    db_bind_i64(stmt, 2, write->id);
    db_bind_i64(stmt, 3, (int64_t)write->number);
    r = db_step(stmt, err);
    db_done(stmt);
    return r < 0 ? r : 0;
}

/* The row that is waking, if it is still there: the function may be gone, and $LATEST another. */
static struct version_row *find_waking(const struct write *write, struct function_record **ret_record)
{
    struct function_record *record;
    HASH_FIND_STR(write->registry->functions, write->key, record);
    if (record == NULL || record->id != write->id)
        return NULL;
    struct version_row *row = write->number == 0 ? record->latest : record_published(record, write->number);
    *ret_record = record;
    return row != NULL && row->rest == ROW_WAKING ? row : NULL;
}

static void woken(const struct write *write, const struct err *err)
{
    struct registry *registry = write->registry;
    struct function_record *record;
    struct version_row *row = find_waking(write, &record);
    if (row == NULL)
        return;
    if (err != NULL) {
        set_rest(row, ROW_INACTIVE);
        return;
    }
    set_rest(row, ROW_AWAKE);
    row->awake_us = clock_mono_us();
    struct function_version *version = row_version(record, row);
    log_info("function.active", "function=%s version=%s", version->name, version->version);
    if (registry->active != NULL && str_eq(version->state, "Active"))
        registry->active(registry->active_arg, version);
}

static void written(void *arg, const struct err *err)
{
    struct write write = *(struct write *)arg;
    free(arg);
    if (!registry_enter(write.registry))
        return;
    if (err != NULL)
        log_warn("function.rest", "function=\"%s\" inactive=%d error=\"%s\"", write.key, write.inactive, err->msg);
    if (!write.inactive)
        woken(&write, err);
}

static void write_rest(struct function_record *record, const struct version_row *row)
{
    struct write *write = calloc(1, sizeof(*write));
    if (write == NULL)
        abort();
    *write = (struct write){.registry = record->registry, .id = record->id, .number = row->number, .inactive = row->rest == ROW_INACTIVE};
    (void)str_copy(write->key, sizeof(write->key), record->key);
    record->registry->posted++;
    db_write(record->registry->db, rest_work, written, write);
}

static void sleep_now(struct function_record *record, struct version_row *row)
{
    CLEANUP(freep) char *number = row->number == 0 ? NULL : str_format("%llu", (unsigned long long)row->number);
    log_info("function.inactive", "function=%s version=%s", record->name, number != NULL ? number : "$LATEST");
    set_rest(row, ROW_INACTIVE);
    write_rest(record, row);
    row_retire(record->registry, row);
}

void row_wake(struct function_record *record, struct version_row *row)
{
    if (row->rest != ROW_INACTIVE)
        return;
    set_rest(row, ROW_WAKING);
    write_rest(record, row);
}

/* When it will have been idle for too long, as far as is known now; INT64_MAX: it rests. */
static int64_t row_due(const struct registry *registry, const struct version_row *row, int64_t now_us)
{
    const struct function_version *version = row->built;
    int64_t since_us = row->awake_us;
    if (row->rest != ROW_AWAKE)
        return INT64_MAX;
    if (row->provisioned > 0 || (version != NULL && (version->visits > 0 || !str_eq(version->state, "Active"))))
        return now_us + registry->inactive_after_us;
    if (version != NULL && version->visited_us > since_us)
        since_us = version->visited_us;
    return since_us + registry->inactive_after_us;
}

struct look {
    int64_t now_us, next_us; /* next_us: when the first of the others is due */
    unsigned sleeps;
};

/* False: enough of them for one look. */
static bool look_at(struct look *at, struct function_record *record, struct version_row *row)
{
    int64_t due_us = row_due(record->registry, row, at->now_us);
    if (due_us <= at->now_us) {
        sleep_now(record, row);
        at->sleeps++;
    } else if (due_us < at->next_us) {
        at->next_us = due_us;
    }
    return at->sleeps < SLEEPS_MAX;
}

static void look(void *arg)
{
    struct registry *registry = arg;
    struct look at = {.now_us = clock_mono_us()};
    int64_t least_us = registry->inactive_after_us / LOOK_PARTS;
    bool more = true;
    at.next_us = at.now_us + registry->inactive_after_us;
    for (struct function_record *r = registry->functions; more && r != NULL; r = r->hh.next) {
        if (r->state != RECORD_READY) { /* a change is on its way */
            at.next_us = at.now_us;
            continue;
        }
        more = look_at(&at, r, r->latest);
        for (size_t i = 0; more && i < r->published_count; i++)
            more = look_at(&at, r, r->published[i]);
    }
    if (least_us < LOOK_US_MIN)
        least_us = LOOK_US_MIN;
    int64_t then_us = at.next_us > at.now_us + least_us ? at.next_us : at.now_us + least_us;
    loop_timer_set(registry->loop, &registry->look, more ? then_us : at.now_us + SLEEPS_PAUSE_US);
}

void registry_idle_init(struct registry *registry, int64_t after_s)
{
    registry->inactive_after_us = after_s * 1000000;
    loop_timer_init(&registry->look, look, registry);
}

void registry_idle_start(struct registry *registry)
{
    if (registry->inactive_after_us > 0)
        loop_timer_set(registry->loop, &registry->look, clock_mono_us() + registry->inactive_after_us);
}

void registry_idle_stop(struct registry *registry)
{
    loop_timer_cancel(registry->loop, &registry->look);
}

void row_load_rest(const struct registry *registry, struct version_row *row, bool inactive)
{
    row->rest = inactive && registry->inactive_after_us > 0 ? ROW_INACTIVE : ROW_AWAKE;
}

void row_describe_rest(const struct version_row *row, struct function_facts *facts)
{
    if (row->rest == ROW_AWAKE || !str_eq(facts->state, "Active"))
        return;
    bool waking = row->rest == ROW_WAKING;
    facts->state = waking ? "Pending" : "Inactive";
    facts->state_reason = waking ? "The function is being restored." : "The function is currently idle.";
    facts->state_reason_code = waking ? "Restoring" : "Idle";
}
