/* Opening and closing the registry, and everything that only reads it: resolving for an invocation, describing and
 * listing for the control plane. */
#include "host/registry/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "host/registry/function_record.h"
#include "lib/aws/arn.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

int registry_open(const struct registry_options *options, struct registry **ret_registry, struct err *err)
{
    struct registry *registry = calloc(1, sizeof(*registry));
    if (registry == NULL)
        return err_set(err, ERR_NO_MEMORY, "the registry");
    registry->loop = options->loop;
    registry->runtimes = options->runtimes;
    registry->runtimes_exact = options->runtimes_exact;
    registry_idle_init(registry, options->inactive_after_s);
    loop_timer_init(&registry->moves, registry_finish_moves, registry);
    long seed;
    id_random(&seed, sizeof(seed));
    srand48(seed);
    if (db_open(options->db_path, registry_migrations, registry_migration_count, options->loop, &registry->db, err) < 0) {
        free(registry);
        return err_wrap(err, "opening %s", options->db_path);
    }
    int r = registry_load(registry, err);
    if (r < 0) {
        registry_close(registry);
        return err_wrap(err, "%s", options->db_path);
    }
    registry_idle_start(registry);
    *ret_registry = registry;
    return 0;
}

void registry_close(struct registry *registry)
{
    if (registry == NULL)
        return;
    registry->retired = NULL;
    registry->active = NULL;
    registry->unused = NULL;
    registry->provisioned = NULL;
    registry_idle_stop(registry);
    loop_timer_cancel(registry->loop, &registry->moves);
    db_close(registry->db);
    struct function_record *record, *next;
    HASH_ITER(hh, registry->functions, record, next) {
        wait_line_drop(&record->line);
        record_free(record);
    }
    registry_free_layers(registry);
    registry->closed = true;
    registry_free_accounts(registry);
    registry_free_resources(registry);
    struct code_use *use, *next_use; /* of writes that were still on their way */
    HASH_ITER(hh, registry->codes, use, next_use) {
        HASH_DEL(registry->codes, use);
        free(use);
    }
    registry_free_if_unneeded(registry);
}

bool registry_is_busy(const struct registry *registry)
{
    return registry->posted > 0;
}

void registry_free_if_unneeded(struct registry *registry)
{
    if (registry->closed && registry->posted == 0 && registry->versions == 0)
        free(registry);
}

bool registry_enter(struct registry *registry)
{
    bool open = !registry->closed;
    registry->posted--;
    registry_free_if_unneeded(registry);
    return open;
}

void registry_on_retired(struct registry *registry, registry_retired_fn *fn, void *arg)
{
    registry->retired = fn;
    registry->retired_arg = arg;
}

void registry_on_active(struct registry *registry, registry_active_fn *fn, void *arg)
{
    registry->active = fn;
    registry->active_arg = arg;
}

void registry_on_unused(struct registry *registry, registry_unused_fn *fn, void *arg)
{
    registry->unused = fn;
    registry->unused_arg = arg;
}

static bool same_interpreter(const struct runtime_match *a, const struct runtime_match *b)
{
    if (a->interpreter == NULL || b->interpreter == NULL)
        return a->interpreter == b->interpreter;
    return str_eq(a->interpreter->path, b->interpreter->path) && str_eq(a->interpreter->version, b->interpreter->version);
}

/* A version that is better served now is built anew when it is next asked for; what runs of it goes on with what it has. One that lost
 * its interpreter keeps it: an interpreter that did not answer in time may be there all the same. */
static void match_anew(struct registry *registry, struct version_row *row)
{
    struct runtime_match match;
    struct err err;
    if (row == NULL || row->built == NULL)
        return;
    const struct function_version *version = row->built;
    if (str_eq(version->state, "Active") &&
        (runtimes_match(registry->runtimes, version->runtime, registry->runtimes_exact, &match, &err) < 0 ||
         (version->match.exact && !match.exact) || same_interpreter(&version->match, &match)))
        return;
    row_unprovision(registry, row);
    row_retire(registry, row);
    row->awake_us = clock_mono_us();
}

void registry_set_runtimes(struct registry *registry, const struct runtimes *runtimes)
{
    registry->runtimes = runtimes;
    for (struct function_record *r = registry->functions; r != NULL; r = r->hh.next) {
        match_anew(registry, r->latest);
        match_anew(registry, r->before);
        for (size_t i = 0; i < r->published_count; i++)
            match_anew(registry, r->published[i]);
        record_provision(r);
    }
}

static int not_found(const struct function_name *name, const char *qualifier, struct err *err)
{
    char arn[FUNCTION_ARN_BYTES];
    function_name_arn(name, qualifier, arn);
    return err_set(err, ERR_NOT_FOUND, "Function not found: %s", arn);
}

int registry_find(struct registry *registry, const struct function_name *name, struct function_record **ret_record, struct err *err)
{
    struct function_record *record = record_lookup(registry, name->account, name->region, name->name);
    if (record == NULL || !record_is_visible(record))
        return not_found(name, name->qualifier, err);
    *ret_record = record;
    return 0;
}

/* Where one invocation of an alias goes: by chance, as its weights say. */
static struct version_row *route(const struct function_record *record, const struct alias_route *alias)
{
    if (alias->second != 0 && drand48() < alias->second_weight)
        return record_published(record, alias->second);
    return alias->latest ? record->latest : record_published(record, alias->version);
}

/* The row an invocation means now. */
static int find_row(struct registry *registry, const struct function_name *name, struct function_record **ret_record,
                    struct version_row **ret_row, struct err *err)
{
    struct function_record *record;
    int r = registry_find(registry, name, &record, err);
    if (r < 0)
        return r;
    struct version_row *row = record_row(record, name->qualifier);
    const struct alias_route *alias = row == NULL ? record_alias(record, name->qualifier) : NULL;
    if (alias != NULL)
        row = route(record, alias);
    if (row == NULL)
        return not_found(name, name->qualifier, err);
    if (record->state == RECORD_PENDING)
        return err_set(err, ERR_CONFLICT,
                       "The operation cannot be performed at this time. The function is currently in the following "
                       "state: Pending");
    if (record->state == RECORD_SETTLING && row == record->latest)
        row = record->before;
    *ret_record = record;
    *ret_row = row;
    return 0;
}

static int resolve(struct registry *registry, const struct function_name *name, bool visit, struct function_version **ret_version,
                   struct err *err)
{
    struct function_record *record = NULL;
    struct version_row *row = NULL;
    int r = find_row(registry, name, &record, &row, err);
    if (r < 0)
        return r;
    if (visit && row->rest != ROW_AWAKE) { /* the words of AWS: https://github.com/boto/boto3/issues/3788 */
        row_wake(record, row);
        return err_set(err, ERR_UNAVAILABLE, "Lambda is initializing your function. It will be ready to invoke shortly.");
    }
    struct function_version *version = row_version(record, row);
    function_version_ref(version);
    *ret_version = version;
    return 0;
}

int registry_resolve(struct registry *registry, const char *account, const char *region, const char *identifier, const char *qualifier,
                     struct function_version **ret_version, struct err *err)
{
    struct function_name name;
    int r = function_name_parse(identifier, qualifier, account, region, &name, err);
    return r < 0 ? r : resolve(registry, &name, false, ret_version, err);
}

int registry_resolve_visit(struct registry *registry, const char *account, const char *region, const char *identifier,
                           const char *qualifier, struct function_version **ret_version, struct err *err)
{
    struct function_name name;
    int r = function_name_parse(identifier, qualifier, account, region, &name, err);
    return r < 0 ? r : resolve(registry, &name, true, ret_version, err);
}

/* The lifecycle as AWS words it, from our own state. */
static void describe_state(struct function_record *record, const struct function_version *version, struct function_facts *facts)
{
    const struct function_version *before = record->state == RECORD_SETTLING ? row_version(record, record->before) : NULL;
    facts->state = version->state;
    facts->state_reason = version->state_reason;
    facts->state_reason_code = version->state_reason_code;
    facts->update_status = "Successful";
    if (record->state == RECORD_PENDING) {
        facts->state = "Pending";
        facts->state_reason = "The function is being created.";
        facts->state_reason_code = "Creating";
        facts->update_status = NULL;
    } else if (record->state == RECORD_SETTLING) {
        facts->state = before->state; /* which runs until then, or cannot */
        facts->state_reason = before->state_reason;
        facts->state_reason_code = before->state_reason_code;
        facts->update_status = "InProgress";
        facts->update_status_reason = "The function is being created.";
        facts->update_status_reason_code = "Creating";
    }
}

static void describe(struct function_record *record, struct version_row *row, struct function_facts *ret_facts)
{
    const struct function_version *version = row_version(record, row);
    struct function_facts facts = {
        .account = record->account,
        .region = record->region,
        .name = record->name,
        .config = row->config,
        .code_sha256 = row->code_sha256,
        .code_size = row->code_size,
        .unpacked_size = row->unpacked_size,
        .modified_ms = row->modified_ms,
        .revision_id = row->revision_id,
        .match = &version->match,
        .tags = record->tags,
        .reserved = record->reserved,
        .net_bytes = record->net_bytes,
        .net_packets = record->net_packets,
    };
    (void)str_copy(facts.version, sizeof(facts.version), version->version);
    if (row == record->latest) {
        describe_state(record, version, &facts);
        if (record->state == RECORD_PENDING || record->state == RECORD_SETTLING)
            facts.revision_id = row->unsettled_revision_id;
    } else {
        facts.state = row->settling ? "Pending" : version->state;
        facts.state_reason = row->settling ? "The function is being created." : version->state_reason;
        facts.state_reason_code = row->settling ? "Creating" : version->state_reason_code;
        facts.update_status = record->state == RECORD_PENDING ? NULL : "Successful";
        if (row->settling)
            facts.revision_id = row->unsettled_revision_id;
    }
    row_describe_rest(row, &facts);
    *ret_facts = facts;
}

int registry_describe(struct function_record *record, const char *qualifier, struct function_facts *ret_facts, struct err *err)
{
    struct version_row *row = record_row(record, qualifier);
    const struct alias_route *alias = row == NULL ? record_alias(record, qualifier) : NULL;
    if (alias != NULL)
        row = alias->latest ? record->latest : record_published(record, alias->version);
    if (row == NULL) {
        char arn[ARN_FUNCTION_BYTES];
        arn_function_format(record->region, record->account, record->name, qualifier, arn);
        return err_set(err, ERR_NOT_FOUND, "Function not found: %s", arn);
    }
    describe(record, row, ret_facts);
    return 0;
}

size_t registry_version_count(const struct function_record *record)
{
    return 1 + record->published_count;
}

void registry_describe_at(struct function_record *record, size_t i, struct function_facts *ret_facts)
{
    assert(i < registry_version_count(record));
    describe(record, i == 0 ? record->latest : record->published[i - 1], ret_facts);
}

size_t registry_version_from(const struct function_record *record, uint64_t number)
{
    return number == 0 ? 0 : 1 + record_published_from(record, number);
}

const char *registry_record_name(const struct function_record *record)
{
    return record->name;
}

static int by_name(const void *a, const void *b)
{
    const struct function_record *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static bool is_in(const struct function_record *record, const char *account, const char *region)
{
    return record_is_visible(record) && str_eq(record->region, region) && str_eq(record->account, account);
}

size_t registry_list(struct registry *registry, const char *account, const char *region, const char *from,
                     struct function_record ***ret_records)
{
    size_t n = 0;
    struct function_record **list = malloc((registry->committed + 1) * sizeof(struct function_record *));
    if (list == NULL)
        abort();
    for (struct function_record *r = registry->functions; r != NULL; r = r->hh.next)
        if (is_in(r, account, region) && (from == NULL || strcmp(r->name, from) >= 0))
            list[n++] = r;
    qsort(list, n, sizeof(struct function_record *), by_name);
    *ret_records = list;
    return n;
}

void registry_usage(struct registry *registry, const char *account, const char *region, uint64_t *ret_functions, uint64_t *ret_code_bytes)
{
    uint64_t functions = 0, bytes = 0;
    for (struct function_record *r = registry->functions; r != NULL; r = r->hh.next) {
        if (!is_in(r, account, region))
            continue;
        functions++;
        bytes += r->latest->code_size;
        for (size_t i = 0; i < r->published_count; i++)
            bytes += r->published[i]->code_size;
    }
    *ret_functions = functions;
    *ret_code_bytes = bytes;
}

void registry_each_latest(struct registry *registry, size_t max, void (*fn)(void *arg, struct function_version *version), void *arg)
{
    struct function_record *record, *next;
    HASH_ITER(hh, registry->functions, record, next) {
        if (record->latest == NULL || record->latest->rest != ROW_AWAKE)
            continue;
        if (max-- == 0)
            return;
        fn(arg, row_version(record, record->latest));
    }
}

size_t registry_count(const struct registry *registry)
{
    return registry->committed;
}

int registry_code_is_live(void *arg, const char *sha256_hex)
{
    struct registry *registry = arg;
    struct code_use *use;
    HASH_FIND_STR(registry->codes, sha256_hex, use);
    return use != NULL;
}

void registry_code_keep(struct registry *registry, const char *sha256_hex)
{
    code_use_add(registry, sha256_hex);
}

void registry_code_let_go(struct registry *registry, const char *sha256_hex)
{
    code_use_drop(registry, sha256_hex);
}

void registry_code_spared(struct registry *registry, const char *sha256_hex)
{
    registry_code_keep(registry, sha256_hex);
    registry_code_let_go(registry, sha256_hex);
}
