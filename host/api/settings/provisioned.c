/* PutProvisionedConcurrencyConfig, GetProvisionedConcurrencyConfig, DeleteProvisionedConcurrencyConfig,
 * ListProvisionedConcurrencyConfigs: sandboxes of an alias or a version that wait initialised. Messages from recorded answers, and from
 * what users of AWS report. */
#include "host/api/settings/provisioned.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/api/handlers.h"
#include "host/api/page.h"
#include "host/api/settings/common.h"
#include "host/api/settings/settings.h"
#include "host/invoke/provision.h"
#include "host/registry/concurrency.h"
#include "host/registry/provisioned.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

#define MEMBER "ProvisionedConcurrentExecutions"
#define LATEST "$LATEST"
#define UNPUBLISHED "Provisioned Concurrency Configs cannot be applied to unpublished function versions."

/* ---- answers ---- */

static uint64_t part_of(unsigned count, const struct provisioned_part *part)
{
    uint64_t left = count > part->before ? count - part->before : 0;
    return left < part->share ? left : part->share;
}

/* accepted: the answer to a Put, whose work begins after it. */
static cJSON *config_output(const struct api_call *call, const struct provisioned_config *config, bool accepted)
{
    uint64_t allocated = 0, available = 0;
    const char *failure = NULL;
    char modified[32];
    time_t seconds = (time_t)(config->modified_ms / 1000);
    struct tm tm;
    for (size_t i = 0; i < config->part_count; i++) {
        struct provision_state state;
        provision_get(call->api->options.provision, config->parts[i].version->key, &state);
        allocated += part_of(state.allocated, &config->parts[i]);
        available += part_of(state.available, &config->parts[i]);
        failure = failure != NULL ? failure : state.failure;
    }
    bool ready = !accepted && !config->moving && available >= config->requested;
    bool failed = !accepted && !ready && failure != NULL;
    gmtime_r(&seconds, &tm);
    strftime(modified, sizeof(modified), "%Y-%m-%dT%H:%M:%S+0000", &tm);
    cJSON *out = cJSON_CreateObject();
    cJSON_AddNumberToObject(out, "RequestedProvisionedConcurrentExecutions", (double)config->requested);
    cJSON_AddNumberToObject(out, "AvailableProvisionedConcurrentExecutions", (double)available);
    cJSON_AddNumberToObject(out, "AllocatedProvisionedConcurrentExecutions", (double)allocated);
    cJSON_AddStringToObject(out, "Status", ready ? "READY" : failed ? "FAILED" : "IN_PROGRESS");
    if (failed)
        cJSON_AddStringToObject(out, "StatusReason", failure);
    cJSON_AddStringToObject(out, "LastModified", modified);
    return out;
}

/* The function of the call; latest: what is said of $LATEST. False: the call has failed, or waits (handler is not NULL). */
static bool begin(struct api_call *call, api_handler_fn *handler, const char *latest, struct function_name *name,
                  struct function_record **record)
{
    struct err err;
    if (!call_function_name(call, name))
        return false;
    if (*name->qualifier == '\0' || str_eq(name->qualifier, LATEST)) {
        call_fail(call, "InvalidParameterValueException", "%s", latest);
        return false;
    }
    if (registry_find(call->api->options.registry, name, record, &err) < 0) {
        target_missing(call, name);
        return false;
    }
    if (handler != NULL && call_waits(call, *record, handler))
        return false;
    if (target_exists(*record, name->qualifier))
        return true;
    target_missing(call, name);
    return false;
}

/* ---- Put ---- */

static bool check_alias(struct api_call *call, struct function_record *record, const char *qualifier)
{
    CLEANUP(json_freep) cJSON *alias = setting_get(record, SETTING_ALIAS, qualifier);
    const char *version = json_str(alias, "FunctionVersion");
    if (version != NULL && str_eq(version, LATEST)) {
        call_fail(call, "InvalidParameterValueException", UNPUBLISHED);
        return false;
    }
    /* The weight that holds an alias which moves is ours, and no reason to refuse. */
    if (json_get(alias, "RoutingConfig") != NULL && registry_provisioned_moves_from(record, qualifier) == 0) {
        call_fail(call, "InvalidParameterValueException", "Alias with weights can not be used with Provisioned Concurrency");
        return false;
    }
    if (version != NULL && registry_setting(record, SETTING_PROVISIONED, version) != NULL) {
        call_fail(call, "ResourceConflictException",
                  "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version");
        return false;
    }
    return true;
}

static bool check_version(struct api_call *call, struct function_record *record, const char *qualifier)
{
    struct provisioned_config *configs;
    size_t count = registry_provisioned(record, &configs);
    bool pointed = false;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < configs[i].part_count; j++)
            pointed |= !str_eq(configs[i].qualifier, qualifier) && str_eq(configs[i].parts[j].version->version, qualifier);
    free(configs);
    if (pointed)
        call_fail(call, "ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias");
    return !pointed;
}

/* What starts from snapshots cannot be provisioned (https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html). */
static bool check_snapshots(struct api_call *call, struct function_record *record, const char *qualifier)
{
    struct function_facts facts;
    struct err err;
    if (registry_describe(record, qualifier, &facts, &err) < 0) {
        call_fail_err(call, &err);
        return false;
    }
    CLEANUP(json_freep) cJSON *config = setting_parse(facts.config);
    const char *apply_on = json_str(json_get(config, "SnapStart"), "ApplyOn");
    if (apply_on == NULL || str_eq(apply_on, "None"))
        return true;
    call_fail(call, "InvalidParameterValueException", "Provisioned Concurrency is not supported for SnapStart enabled functions.");
    return false;
}

/* sum: of the function, with what is asked for. */
static bool check_limits(struct api_call *call, const struct function_record *record, uint64_t sum)
{
    const struct api_options *options = &call->api->options;
    uint64_t limit = (uint64_t)options->config->concurrency_account, least = concurrency_floor(call->api);
    int64_t reserved = registry_reserved(record);
    if (reserved != CONCURRENCY_UNRESERVED) {
        if (sum <= (uint64_t)reserved)
            return true;
        call_fail_untyped(call, "InvalidParameterValueException",
                          "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function");
        return false;
    }
    uint64_t others = registry_account_promised(options->registry, call->aws.account, call->aws.region) - registry_claimed(record);
    uint64_t unreserved = limit > others ? limit - others : 0;
    if (sum > unreserved)
        call_fail_untyped(call, "InvalidParameterValueException",
                          "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%" PRIu64 "].",
                          unreserved);
    else if (sum + least > unreserved)
        call_fail_untyped(
            call, "InvalidParameterValueException",
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value "
            "of [%" PRIu64 "].",
            least);
    else
        return true;
    return false;
}

static void put(void *arg, const struct err *err)
{
    struct api_call *call = arg;
    struct function_name name;
    struct function_record *record;
    struct provisioned_config config;
    struct err ignored;
    if (err != NULL)
        call_fail_err(call, err);
    else if (!call_function_name(call, &name))
        return;
    else if (registry_find(call->api->options.registry, &name, &record, &ignored) < 0 ||
             !registry_provisioned_find(record, name.qualifier, &config))
        target_missing(call, &name);
    else
        call_reply(call, config_output(call, &config, true));
}

void put_provisioned_concurrency_config(struct api_call *call)
{
    uint64_t wanted = (uint64_t)json_int(call->aws.input, MEMBER, 0);
    struct function_name name;
    struct function_record *record;
    struct provisioned_config old = {0};
    if (!begin(call, put_provisioned_concurrency_config, UNPUBLISHED, &name, &record))
        return;
    bool checked =
        target_is_version(name.qualifier) ? check_version(call, record, name.qualifier) : check_alias(call, record, name.qualifier);
    (void)registry_provisioned_find(record, name.qualifier, &old);
    uint64_t sum = registry_provisioned_sum(record) - old.requested + wanted;
    if (!checked || !check_snapshots(call, record, name.qualifier) || !check_limits(call, record, sum))
        return;
    CLEANUP(freep) char *value = provisioned_value(wanted, clock_wall_ms(), registry_provisioned_moves_from(record, name.qualifier));
    const struct setting_change change = {SETTING_PROVISIONED, name.qualifier, value};
    if (registry_reserved(record) == CONCURRENCY_UNRESERVED) /* else it is within that */
        registry_promise(record, sum);
    registry_settings_write(record, &change, 1, put, call);
}

/* ---- the others ---- */

#define NOT_ONE "The function resource provided must be an alias or a published version."

void get_provisioned_concurrency_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    struct provisioned_config config;
    if (!begin(call, NULL, NOT_ONE, &name, &record))
        return;
    if (registry_provisioned_find(record, name.qualifier, &config))
        call_reply(call, config_output(call, &config, false));
    else
        call_fail(call, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function");
}

/* An alias on its way to a new version has no reason to wait any more. */
void delete_provisioned_concurrency_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!begin(call, delete_provisioned_concurrency_config, NOT_ONE, &name, &record))
        return;
    if (registry_setting(record, SETTING_PROVISIONED, name.qualifier) == NULL) {
        call_reply(call, NULL);
        return;
    }
    CLEANUP(json_freep) cJSON *alias = setting_get(record, SETTING_ALIAS, name.qualifier);
    cJSON_DeleteItemFromObjectCaseSensitive(alias, "RoutingConfig");
    CLEANUP(freep) char *text = alias != NULL ? json_print(alias) : NULL;
    const struct setting_change changes[] = {{SETTING_PROVISIONED, name.qualifier, NULL}, {SETTING_ALIAS, name.qualifier, text}};
    size_t count = registry_provisioned_moves_from(record, name.qualifier) != 0 ? 2 : 1;
    registry_settings_write(record, changes, count, setting_answered, setting_answer(call, NULL));
}

void list_provisioned_concurrency_configs(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    struct provisioned_config *configs;
    struct page page;
    char arn[FUNCTION_ARN_BYTES];
    if (!call_function(call, &name, &record) || !page_begin(call, &page))
        return;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "ProvisionedConcurrencyConfigs");
    size_t count = registry_provisioned(record, &configs);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(configs[i].qualifier, page.from) < 0)
            continue;
        if (page_is_full(&page, list)) {
            page_end(out, 0, configs[i].qualifier);
            break;
        }
        function_name_arn(&name, configs[i].qualifier, arn);
        cJSON *item = config_output(call, &configs[i], false);
        cJSON_AddStringToObject(item, "FunctionArn", arn);
        cJSON_AddItemToArray(list, item);
    }
    free(configs);
    call_reply(call, out);
}

/* ---- aliases that move ---- */

#define ROUTING "RoutingConfig"

void provisioned_alias_begin(struct function_record *record, const char *name, cJSON *alias, struct alias_move *ret_move)
{
    struct provisioned_config config = {0};
    const char *version = json_str(alias, "FunctionVersion");
    *ret_move = (struct alias_move){.provisioned = registry_provisioned_find(record, name, &config)};
    if (!ret_move->provisioned)
        return;
    ret_move->requested = config.requested;
    ret_move->modified_ms = config.modified_ms;
    ret_move->from = registry_provisioned_moves_from(record, name);
    if (ret_move->from != 0)
        cJSON_DeleteItemFromObjectCaseSensitive(alias, ROUTING); /* ours; the checks are about the user's */
    else if (version != NULL)
        (void)function_name_version(version, &ret_move->serves);
    if (ret_move->from != 0)
        ret_move->serves = ret_move->from;
    (void)str_copy(ret_move->version, sizeof(ret_move->version), version != NULL ? version : "");
}

bool provisioned_alias_check(struct api_call *call, const struct alias_move *move, const cJSON *alias)
{
    if (!move->provisioned || !str_eq(json_str(alias, "FunctionVersion"), LATEST))
        return true;
    call_fail(call, "InvalidParameterValueException", UNPUBLISHED);
    return false;
}

char *provisioned_alias_end(const struct alias_move *move, cJSON *alias, bool routing_given)
{
    const char *version = json_str(alias, "FunctionVersion");
    uint64_t number = 0;
    if (!move->provisioned || !function_name_version(version, &number))
        return NULL;
    bool moves = !str_eq(version, move->version), weighted = json_get(alias, ROUTING) != NULL;
    bool goes_on = move->from != 0 && !moves && !routing_given;
    uint64_t from = 0;
    if (!weighted && (moves || goes_on) && move->serves != number)
        from = move->serves;
    if (from != 0) {
        char key[24];
        snprintf(key, sizeof(key), "%" PRIu64, from);
        cJSON *weights = cJSON_AddObjectToObject(cJSON_AddObjectToObject(alias, ROUTING), "AdditionalVersionWeights");
        cJSON_AddNumberToObject(weights, key, 1);
    }
    return provisioned_value(move->requested, move->modified_ms, from);
}
