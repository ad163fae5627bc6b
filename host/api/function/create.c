/* CreateFunction: the name is taken, the archive stored, the function committed; the answer says Pending, and Active comes
 * right after it. */
#include <stdlib.h>

#include "host/api/call.h"
#include "host/api/code.h"
#include "host/api/function/function.h"
#include "host/api/handlers.h"
#include "host/api/layer/layer.h"
#include "host/api/settings/code_signing.h"
#include "host/api/settings/tags.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

/* The call on its way. */
struct creation {
    struct api_call *call;
    struct function_record *record;
    cJSON *config, *tags;
    struct registry *registry;
    struct store_archive archive; /* kept, once it is stored */
    char *signing;                /* the setting that says its code signing configuration, or NULL */
    struct resource_shelf *held;  /* with that configuration, which so stays while the function is written */
};

static void creation_free(struct creation *creation)
{
    if (creation->held != NULL)
        resource_release(creation->held);
    if (*creation->archive.sha256_hex != '\0')
        registry_code_let_go(creation->registry, creation->archive.sha256_hex);
    free(creation->signing);
    cJSON_Delete(creation->config);
    cJSON_Delete(creation->tags);
    free(creation);
}

static void created(void *arg, struct function_record *record, const struct err *err)
{
    struct creation *creation = arg;
    struct api_call *call = creation->call;
    struct function_facts facts;
    struct err none;
    creation_free(creation);
    if (err != NULL) {
        call_fail_err(call, err);
        return;
    }
    if (json_bool(call->aws.input, "Publish", false)) {
        registry_describe_at(record, registry_version_count(record) - 1, &facts);
    } else if (registry_describe(record, NULL, &facts, &none) < 0) {
        call_fail_err(call, &none);
        return;
    }
    log_info("function.created", "account=%s region=%s function=%s code=%.12s request_id=%s", facts.account, facts.region, facts.name,
             facts.code_sha256, call->aws.request_id);
    if (*facts.match->note != '\0')
        log_warn("function.runtime", "function=%s note=\"%s\"", facts.name, facts.match->note);
    call_reply(call, function_output(&facts, NULL, OUTPUT_WHOLE));
}

static void give_up(struct creation *creation)
{
    registry_abandon(creation->record);
    creation_free(creation);
}

static void commit(void *arg);

/* The function gets the configuration in the commit that makes it, if that is still there: whoever deletes it waits until then, and finds
 * it in use. False: the call has failed, or waits for who writes configurations now. */
static bool hold_code_signing(struct creation *creation)
{
    struct api_call *call = creation->call;
    const char *arn = json_str(call->aws.input, "CodeSigningConfigArn");
    struct resource_shelf *shelf = code_signing_shelf(call);
    if (arn == NULL)
        return true;
    if (resource_wait(shelf, commit, creation)) /* there is one: it was looked for before the archive was read */
        return false;
    if (!code_signing_exists(call, arn)) {
        give_up(creation);
        code_signing_missing(call, arn);
        return false;
    }
    creation->signing = str_format("{\"CodeSigningConfigArn\":\"%s\"}", arn); /* its pattern has nothing to escape */
    creation->held = shelf;
    resource_hold(shelf);
    return true;
}

static void commit(void *arg)
{
    struct creation *creation = arg;
    const struct store_archive *archive = &creation->archive;
    if (!hold_code_signing(creation))
        return;
    if (!layer_fits(creation->call, creation->config, archive->unpacked_bytes)) {
        give_up(creation);
        return;
    }
    const struct setting_change signing = {SETTING_CODE_SIGNING, "", creation->signing};
    const struct function_draft draft = {.config = creation->config,
                                         .code_sha256 = archive->sha256_hex,
                                         .code_size = archive->size_bytes,
                                         .unpacked_size = archive->unpacked_bytes,
                                         .publish = json_bool(creation->call->aws.input, "Publish", false),
                                         .setting = creation->signing != NULL ? &signing : NULL};
    registry_create_commit(creation->record, &draft, creation->tags, created, creation);
}

static void code_stored(void *arg, const struct store_archive *archive, const struct err *err)
{
    struct creation *creation = arg;
    struct api_call *call = creation->call;
    if (archive == NULL) {
        give_up(creation);
        code_fail(call, err);
        return;
    }
    creation->archive = *archive;
    registry_code_keep(creation->registry, archive->sha256_hex);
    commit(creation);
}

/* The call names no code signing configuration, or one that is there. False: it has failed. */
static bool check_code_signing(struct api_call *call)
{
    const char *arn = json_str(call->aws.input, "CodeSigningConfigArn");
    if (arn == NULL || code_signing_exists(call, arn))
        return true;
    code_signing_missing(call, arn);
    return false;
}

void create_function(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    struct err err;
    const cJSON *tags = json_get(call->aws.input, "Tags");
    if (!check_code_signing(call) || !code_request_fits(call) || !call_latest_name(call, &name) || !tags_check(call, tags))
        return;
    cJSON *config = function_config_new(call, &name);
    if (config == NULL)
        return;
    struct http_slice zip = code_blob(call);
    if (zip.p == NULL) {
        cJSON_Delete(config);
        call_fail(call, "InvalidParameterValueException", "Please provide a source for function code.");
        return;
    }
    if (!code_may_put(call, zip)) {
        cJSON_Delete(config);
        return;
    }
    if (registry_create_begin(call->api->options.registry, &name, &record, &err) < 0) {
        cJSON_Delete(config);
        call_fail_err(call, &err);
        return;
    }
    struct creation *creation = calloc(1, sizeof(*creation));
    if (creation == NULL)
        abort();
    *creation = (struct creation){.call = call, .registry = call->api->options.registry, .record = record, .config = config};
    creation->tags = tags != NULL ? cJSON_Duplicate(tags, true) : NULL;
    code_put(call->api, zip, code_stored, creation);
}
