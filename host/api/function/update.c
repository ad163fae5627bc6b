/* UpdateFunctionCode, UpdateFunctionConfiguration, DeleteFunction. An update claims its function first: a second one at the
 * same time is refused, as on AWS. */
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/code.h"
#include "host/api/function/function.h"
#include "host/api/handlers.h"
#include "host/api/layer/layer.h"
#include "host/api/settings/common.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

/* https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3320 */
#define CONFIGURATION_BYTES_MAX 5120

/* An update on its way. */
struct update {
    struct api_call *call;
    struct function_record *record;
    cJSON *config;
};

static void update_free(struct update *update)
{
    cJSON_Delete(update->config);
    free(update);
}

static void updated(void *arg, struct function_record *record, const struct err *err)
{
    struct update *update = arg;
    struct api_call *call = update->call;
    struct function_facts facts;
    struct err none;
    update_free(update);
    if (err != NULL) {
        call_fail_err(call, err);
        return;
    }
    bool publish = json_bool(call->aws.input, "Publish", false);
    if (publish) {
        registry_describe_at(record, registry_version_count(record) - 1, &facts);
    } else if (registry_describe(record, NULL, &facts, &none) < 0) {
        call_fail_err(call, &none);
        return;
    }
    log_info("function.updated", "account=%s region=%s function=%s code=%.12s request_id=%s", facts.account, facts.region, facts.name,
             facts.code_sha256, call->aws.request_id);
    call_reply(call, function_output(&facts, publish ? facts.version : NULL, OUTPUT_WHOLE));
}

/* The function and what it is now; refuses a RevisionId that is not the latest, which a write on its way may be about to change. False:
 * the call has failed, or waits. */
static bool find_latest(struct api_call *call, api_handler_fn *handler, struct function_name *name, struct function_record **record,
                        struct function_facts *facts)
{
    struct err err;
    if (!call_latest_name(call, name) || !call_function(call, name, record))
        return false;
    if (json_get(call->aws.input, "RevisionId") != NULL && call_waits(call, *record, handler))
        return false;
    if (registry_describe(*record, NULL, facts, &err) < 0) {
        call_fail_err(call, &err);
        return false;
    }
    return call_check_revision(call, facts->revision_id, "GetFunction/GetAlias");
}

void update_function_configuration(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    struct function_facts facts;
    struct err err;
    if (!call_body_fits(call, CONFIGURATION_BYTES_MAX) || !find_latest(call, update_function_configuration, &name, &record, &facts))
        return;
    cJSON *config = function_config_changed(call, facts.config, &name);
    if (config == NULL)
        return;
    if (!layer_fits(call, config, facts.unpacked_size)) {
        cJSON_Delete(config);
        return;
    }
    if (registry_update_begin(record, &err) < 0) {
        cJSON_Delete(config);
        call_fail_err(call, &err);
        return;
    }
    struct update *update = calloc(1, sizeof(*update));
    if (update == NULL)
        abort();
    *update = (struct update){.call = call, .record = record, .config = config};
    const struct function_draft draft = {
        .config = config, .code_sha256 = facts.code_sha256, .code_size = facts.code_size, .unpacked_size = facts.unpacked_size};
    registry_update_commit(record, &draft, updated, update);
}

/* DryRun: the archive was good; the function stays as it is, the answer shows what it would have been. */
static void answer_dry_run(struct update *update, const struct store_archive *archive)
{
    struct api_call *call = update->call;
    struct function_facts facts;
    struct err err;
    registry_abandon(update->record);
    registry_code_spared(call->api->options.registry, archive->sha256_hex);
    int r = registry_describe(update->record, NULL, &facts, &err);
    if (r < 0) {
        call_fail_err(call, &err);
    } else {
        facts.code_sha256 = archive->sha256_hex;
        facts.code_size = archive->size_bytes;
        call_reply(call, function_output(&facts, NULL, OUTPUT_WHOLE));
    }
    update_free(update);
}

static void code_stored(void *arg, const struct store_archive *archive, const struct err *err)
{
    struct update *update = arg;
    struct api_call *call = update->call;
    struct registry *registry = call->api->options.registry;
    if (archive == NULL) {
        registry_abandon(update->record);
        update_free(update);
        code_fail(call, err);
        return;
    }
    if (!layer_fits(call, update->config, archive->unpacked_bytes)) {
        registry_abandon(update->record);
        registry_code_spared(registry, archive->sha256_hex);
        update_free(update);
        return;
    }
    if (json_bool(call->aws.input, "DryRun", false)) {
        answer_dry_run(update, archive);
        return;
    }
    const struct function_draft draft = {.config = update->config,
                                         .code_sha256 = archive->sha256_hex,
                                         .code_size = archive->size_bytes,
                                         .unpacked_size = archive->unpacked_bytes,
                                         .publish = json_bool(call->aws.input, "Publish", false)};
    registry_update_commit(update->record, &draft, updated, update);
}

void update_function_code(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    struct function_facts facts;
    struct err err;
    cJSON *config = NULL;
    if (!code_request_fits(call) || !find_latest(call, update_function_code, &name, &record, &facts))
        return;
    if (json_get(call->aws.input, "ImageUri") != NULL) {
        call_fail(call, "InvalidParameterValueException", "Please don't provide ImageUri when updating a function with packageType Zip.");
        return;
    }
    if (!function_config_refuse(call, call->aws.input))
        return;
    struct http_slice zip = code_blob(call);
    if (zip.p == NULL) {
        call_fail(call, "InvalidParameterValueException", "Please provide a source for function code.");
        return;
    }
    if (!code_may_put(call, zip))
        return;
    if (json_parse(facts.config, strlen(facts.config), &config, &err) < 0 || registry_update_begin(record, &err) < 0) {
        cJSON_Delete(config);
        call_fail_err(call, &err);
        return;
    }
    const cJSON *architectures = json_get(call->aws.input, "Architectures");
    if (architectures != NULL)
        cJSON_ReplaceItemInObjectCaseSensitive(config, "Architectures", cJSON_Duplicate(architectures, true));
    struct update *update = calloc(1, sizeof(*update));
    if (update == NULL)
        abort();
    *update = (struct update){.call = call, .record = record, .config = config};
    code_put(call->api, zip, code_stored, update);
}

static void answer_deleted(struct api_call *call)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddNumberToObject(out, "StatusCode", 204);
    call_reply(call, out);
}

static void deleted(void *arg, struct function_record *record, const struct err *err)
{
    struct api_call *call = arg;
    (void)record;
    if (err != NULL) {
        call_fail_err(call, err);
        return;
    }
    log_info("function.deleted", "account=%s region=%s function=%s request_id=%s", call->aws.account, call->aws.region,
             json_str(call->aws.input, "FunctionName"), call->aws.request_id);
    answer_deleted(call);
}

/* An alias that routes to the version keeps it. A version that is not there, such as "007", is gone already. */
static void delete_version(struct api_call *call, struct function_record *record, const char *qualifier)
{
    struct function_facts facts;
    struct err err;
    uint64_t number;
    if (!target_is_version(qualifier)) {
        call_fail(call, "InvalidParameterValueException", "Deletion of aliases is not currently supported.");
        return;
    }
    CLEANUP(freep) char *users = alias_users(record, qualifier);
    if (users != NULL)
        call_fail(call, "ResourceConflictException", "Unable to delete version because the following aliases reference it: [%s]", users);
    else if (!function_name_version(qualifier, &number) || registry_describe(record, qualifier, &facts, &err) < 0)
        answer_deleted(call);
    else if (registry_delete_version(record, number, deleted, call, &err) < 0)
        call_fail_err(call, &err);
}

void delete_function(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    struct err err;
    if (!call_function_to_write(call, delete_function, &name, &record))
        return;
    if (str_eq(name.qualifier, "$LATEST")) {
        call_fail(call, "InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function.");
        return;
    }
    if (*name.qualifier != '\0') {
        delete_version(call, record, name.qualifier);
        return;
    }
    if (registry_delete(record, deleted, call, &err) < 0)
        call_fail_err(call, &err);
}
