/* From settings to numbers, and aliases that move; see provisioned.h. */
#include "host/registry/provisioned.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/registry/function_record.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"

#define MOVE_RETRY_MS 1000

/* One setting, read. */
struct wish {
    const char *qualifier;
    uint64_t requested, moves_from;
    int64_t modified_ms;
    struct version_row *rows[2]; /* where its traffic goes, or will */
    uint64_t shares[2];
    size_t count;
};

char *provisioned_value(uint64_t requested, int64_t modified_ms, uint64_t moves_from)
{
    return str_format("{\"ProvisionedConcurrentExecutions\":%" PRIu64 ",\"LastModified\":%" PRId64 ",\"MovesFrom\":%" PRIu64 "}", requested,
                      modified_ms, moves_from);
}

static void add_row(struct wish *wish, struct version_row *row, uint64_t share)
{
    if (row == NULL || row->number == 0 || share == 0)
        return;
    wish->rows[wish->count] = row;
    wish->shares[wish->count++] = share;
}

/* An alias' share goes by its weights, to the nearest whole sandbox. */
static void add_alias(struct wish *wish, const struct function_record *record, const struct alias_route *route)
{
    struct version_row *main = route->latest ? NULL : record_published(record, route->version);
    uint64_t second = 0;
    if (route->second != 0 && wish->moves_from == 0)
        second = (uint64_t)((double)wish->requested * route->second_weight + 0.5);
    add_row(wish, main, wish->requested - second);
    add_row(wish, record_published(record, route->second), second);
}

static void read_wish(const struct function_record *record, const struct setting_view *view, struct wish *wish)
{
    CLEANUP(json_freep) cJSON *document = NULL;
    struct err err;
    uint64_t number;
    *wish = (struct wish){.qualifier = view->qualifier};
    if (json_parse(view->value, strlen(view->value), &document, &err) < 0)
        return;
    wish->requested = (uint64_t)json_int(document, "ProvisionedConcurrentExecutions", 0);
    wish->modified_ms = json_int(document, "LastModified", 0);
    wish->moves_from = (uint64_t)json_int(document, "MovesFrom", 0);
    const struct alias_route *route = record_alias(record, view->qualifier);
    if (function_name_version(view->qualifier, &number))
        add_row(wish, record_published(record, number), wish->requested);
    else if (route != NULL)
        add_alias(wish, record, route);
}

/* The caller frees *ret_wishes. */
static size_t read_wishes(const struct function_record *record, struct wish **ret_wishes)
{
    struct setting_view *views;
    size_t count = registry_settings(record, SETTING_PROVISIONED, &views);
    *ret_wishes = calloc(count + 1, sizeof(**ret_wishes));
    if (*ret_wishes == NULL)
        abort();
    for (size_t i = 0; i < count; i++)
        read_wish(record, &views[i], &(*ret_wishes)[i]);
    free(views);
    return count;
}

/* ---- numbers ---- */

static void tell(struct function_record *record, struct version_row *row)
{
    struct registry *registry = record->registry;
    if (registry->provisioned != NULL)
        registry->provisioned(registry->provisioned_arg, row_version(record, row), row->provisioned);
}

static void want(struct version_row *row, uint64_t share, const struct wish *wish)
{
    row->wanted += (uint32_t)share;
    if (row->wished_ms < wish->modified_ms)
        row->wished_ms = wish->modified_ms;
}

/* The listener hears of numbers that change, and of the same number that somebody has asked for again: what has failed is then tried
 * again at once. */
void record_provision(struct function_record *record)
{
    struct wish *wishes;
    size_t count = read_wishes(record, &wishes);
    uint64_t sum = 0;
    bool moves = false;
    if (count == 0 && record->provisioned == 0) {
        free(wishes);
        return;
    }
    for (size_t i = 0; i < record->published_count; i++) {
        record->published[i]->wanted = 0;
        record->published[i]->wished_ms = 0;
    }
    for (size_t i = 0; i < count; i++) {
        const struct wish *wish = &wishes[i];
        struct version_row *from = wish->moves_from != 0 ? record_published(record, wish->moves_from) : NULL;
        sum += wish->requested;
        for (size_t j = 0; j < wish->count; j++)
            want(wish->rows[j], wish->shares[j], wish);
        if (from != NULL)
            want(from, wish->requested, wish);
        moves = moves || wish->moves_from != 0;
    }
    free(wishes);
    if (moves) /* to a version that may have all its sandboxes: then nobody announces them any more */
        loop_timer_set(record->registry->loop, &record->registry->moves, 0);
    record_set_provisioned(record, sum);
    for (size_t i = 0; i < record->published_count; i++) {
        struct version_row *row = record->published[i];
        if (row->wanted == row->provisioned && row->wished_ms == row->told_ms)
            continue;
        row->provisioned = row->wanted;
        row->told_ms = row->wished_ms;
        row->reached = false;
        if (row->provisioned > 0)
            row_wake(record, row);
        tell(record, row);
    }
}

void row_unprovision(struct registry *registry, struct version_row *row)
{
    if (row->provisioned == 0)
        return;
    row->provisioned = 0;
    if (registry->provisioned != NULL && row->built != NULL)
        registry->provisioned(registry->provisioned_arg, row->built, 0);
}

void registry_on_provisioned(struct registry *registry, registry_provisioned_fn *fn, void *arg)
{
    registry->provisioned = fn;
    registry->provisioned_arg = arg;
    for (struct function_record *r = registry->functions; fn != NULL && r != NULL; r = r->hh.next)
        for (size_t i = 0; r->provisioned > 0 && i < r->published_count; i++)
            if (r->published[i]->provisioned > 0)
                tell(r, r->published[i]);
}

uint64_t registry_provisioned_sum(const struct function_record *record)
{
    return record->provisioned;
}

uint64_t registry_provisioned_moves_from(const struct function_record *record, const char *qualifier)
{
    const char *value = registry_setting(record, SETTING_PROVISIONED, qualifier);
    struct wish wish = {0};
    if (value != NULL)
        read_wish(record, &(struct setting_view){.qualifier = qualifier, .value = value}, &wish);
    return wish.moves_from;
}

size_t registry_provisioned(struct function_record *record, struct provisioned_config **ret_configs)
{
    struct wish *wishes;
    size_t count = read_wishes(record, &wishes);
    struct provisioned_config *configs = calloc(count + 1, sizeof(*configs));
    if (configs == NULL)
        abort();
    for (size_t i = 0; i < record->published_count; i++)
        record->published[i]->wanted = 0;
    for (size_t i = 0; i < count; i++) {
        const struct wish *wish = &wishes[i];
        configs[i] = (struct provisioned_config){.qualifier = wish->qualifier,
                                                 .requested = wish->requested,
                                                 .modified_ms = wish->modified_ms,
                                                 .moving = wish->moves_from != 0,
                                                 .part_count = wish->count};
        for (size_t j = 0; j < wish->count; j++) {
            struct version_row *row = wish->rows[j];
            configs[i].parts[j] =
                (struct provisioned_part){.version = row_version(record, row), .share = wish->shares[j], .before = row->wanted};
            row->wanted += (uint32_t)wish->shares[j];
        }
    }
    free(wishes);
    *ret_configs = configs;
    return count;
}

bool registry_provisioned_find(struct function_record *record, const char *qualifier, struct provisioned_config *ret_config)
{
    struct provisioned_config *configs;
    size_t count = registry_provisioned(record, &configs);
    bool found = false;
    for (size_t i = 0; i < count && !found; i++)
        if ((found = str_eq(configs[i].qualifier, qualifier)))
            *ret_config = configs[i];
    free(configs);
    return found;
}

/* ---- aliases that move ---- */

/* What could not be written is tried again: nothing else would come and do it. */
static void moved(void *arg, const struct err *err)
{
    struct registry *registry = arg;
    if (err == NULL)
        return;
    log_error("provisioned.move", "error=\"%s\" effect=\"an alias goes on with its old version\" next_ms=%d", err->msg, MOVE_RETRY_MS);
    loop_timer_set(registry->loop, &registry->moves, clock_mono_us() + MOVE_RETRY_MS * 1000);
}

/* The alias as it was set, without the weight that held it. Its RevisionId stays: nobody has changed it. */
static char *alias_let_go(const struct function_record *record, const char *name)
{
    const char *value = registry_setting(record, SETTING_ALIAS, name);
    CLEANUP(json_freep) cJSON *alias = NULL;
    struct err err;
    if (value == NULL || json_parse(value, strlen(value), &alias, &err) < 0)
        return NULL;
    cJSON_DeleteItemFromObjectCaseSensitive(alias, "RoutingConfig");
    return json_print(alias);
}

/* The first one that can go on does; the others when its write is done. */
static void finish_moves(struct function_record *record)
{
    struct wish *wishes;
    size_t count = read_wishes(record, &wishes);
    for (size_t i = 0; i < count; i++) {
        const struct wish *wish = &wishes[i];
        if (wish->moves_from == 0 || wish->count == 0 || !wish->rows[0]->reached)
            continue;
        if (registry_settings_wait(record, registry_finish_moves, record->registry))
            break;
        CLEANUP(freep) char *alias = alias_let_go(record, wish->qualifier);
        CLEANUP(freep) char *setting = provisioned_value(wish->requested, wish->modified_ms, 0);
        const struct setting_change changes[] = {{SETTING_PROVISIONED, wish->qualifier, setting}, {SETTING_ALIAS, wish->qualifier, alias}};
        if (alias != NULL)
            registry_settings_write(record, changes, ARRAY_LEN(changes), moved, record->registry);
    }
    free(wishes);
}

void registry_finish_moves(void *arg)
{
    struct registry *registry = arg;
    struct function_record *record, *next;
    HASH_ITER(hh, registry->functions, record, next) {
        if (record->provisioned > 0)
            finish_moves(record);
    }
}

void registry_provisioned_reached(struct registry *registry, const struct function_version *version)
{
    struct function_record *record = record_lookup(registry, version->account, version->region, version->name);
    struct version_row *row = record != NULL ? record_row(record, version->version) : NULL;
    if (row == NULL || row->built != version)
        return;
    row->reached = true;
    finish_moves(record);
}
