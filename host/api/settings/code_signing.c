/* Code signing configurations, and which function has which: CreateCodeSigningConfig and its kin. A configuration that a function has
 * cannot go: whoever gives one to a function holds their shelf until that is committed. */
#include "host/api/settings/code_signing.h"

#include <stdlib.h>
#include <string.h>

#include "host/api/handlers.h"
#include "host/api/page.h"
#include "host/api/settings/common.h"
#include "host/api/settings/tags.h"
#include "lib/aws/arn.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"

#define ID_RANDOM_CHARS 17 /* after "csc-", as the model's pattern wants */
#define MEMBER "CodeSigningConfigArn"

struct resource_shelf *code_signing_shelf(const struct api_call *call)
{
    return resource_shelf_find(call->api->options.registry, call->aws.account, call->aws.region, RESOURCE_CODE_SIGNING);
}

static char *arn_of(const struct api_call *call, const char *id)
{
    return str_format("arn:%s:lambda:%s:%s:code-signing-config:%s", arn_partition(call->aws.region), call->aws.region, call->aws.account,
                      id);
}

/* NULL if the ARN is of another account or region. */
static const char *id_in(const struct api_call *call, const char *arn)
{
    CLEANUP(freep) char *prefix = arn_of(call, "");
    return str_starts(arn, prefix) ? arn + strlen(prefix) : NULL;
}

static const char *stored(const struct api_call *call, const char *arn)
{
    const char *id = id_in(call, arn);
    return id != NULL ? resource_get(code_signing_shelf(call), id) : NULL;
}

bool code_signing_exists(const struct api_call *call, const char *arn)
{
    return stored(call, arn) != NULL;
}

cJSON *code_signing_get(const struct api_call *call, const char *arn, const char **ret_id)
{
    *ret_id = id_in(call, arn);
    return setting_parse(stored(call, arn));
}

void code_signing_missing(struct api_call *call, const char *arn)
{
    call_fail_untyped(call, "CodeSigningConfigNotFoundException",
                      "The code signing configuration cannot be found. Check that the provided configuration is not deleted: %s.", arn);
}

static void not_found(struct api_call *call, const char *arn)
{
    call_fail(call, "ResourceNotFoundException", "The Lambda code signing configuration %s can not be found.", arn);
}

static cJSON *config_output(const struct api_call *call, const char *id, const cJSON *config)
{
    CLEANUP(freep) char *arn = arn_of(call, id);
    cJSON *out = cJSON_Duplicate(config, true);
    cJSON_DeleteItemFromObjectCaseSensitive(out, "Tags");
    cJSON_AddStringToObject(out, "CodeSigningConfigId", id);
    cJSON_AddStringToObject(out, "CodeSigningConfigArn", arn);
    return out;
}

static cJSON *wrapped(cJSON *config)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddItemToObject(out, "CodeSigningConfig", config);
    return out;
}

/* ---- configurations ---- */

/* Writes config with what the call gives; the call ends with it. */
static void write_config(struct api_call *call, struct resource_shelf *shelf, const char *id, cJSON *config)
{
    static const char *const members[] = {"AllowedPublishers", "CodeSigningPolicies", "Description"};
    char now[CLOCK_ISO_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (json_get(call->aws.input, members[i]) != NULL)
            json_set(config, members[i], cJSON_Duplicate(json_get(call->aws.input, members[i]), true));
    if (json_str(json_get(config, "CodeSigningPolicies"), "UntrustedArtifactOnDeployment") == NULL) {
        cJSON *policies = cJSON_CreateObject();
        cJSON_AddStringToObject(policies, "UntrustedArtifactOnDeployment", "Warn");
        json_set(config, "CodeSigningPolicies", policies);
    }
    clock_iso_lambda(clock_wall_ms(), now);
    json_set(config, "LastModified", cJSON_CreateString(now));
    CLEANUP(freep) char *text = json_print(config);
    resource_write(shelf, id, text, setting_answered, setting_answer(call, wrapped(config_output(call, id, config))));
}

void create_code_signing_config(struct api_call *call)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    const cJSON *tags = json_get(call->aws.input, "Tags");
    struct resource_shelf *shelf = resource_shelf(call->api->options.registry, call->aws.account, call->aws.region, RESOURCE_CODE_SIGNING);
    char id[4 + ID_RANDOM_CHARS + 1] = "csc-";
    unsigned char random[ID_RANDOM_CHARS];
    if (!tags_check(call, tags) || call_waits_shelf(call, shelf, create_code_signing_config))
        return;
    id_random(random, sizeof(random));
    for (size_t i = 0; i < ID_RANDOM_CHARS; i++)
        id[4 + i] = digits[random[i] % (sizeof(digits) - 1)];
    CLEANUP(json_freep) cJSON *config = cJSON_CreateObject();
    if (tags != NULL && tags->child != NULL)
        cJSON_AddItemToObject(config, "Tags", cJSON_Duplicate(tags, true));
    write_config(call, shelf, id, config);
}

/* The configuration that the call names, owned; NULL: the call has failed, or waits (handler: it will write). */
static cJSON *named(struct api_call *call, api_handler_fn *handler, const char **ret_id)
{
    const char *arn = json_str(call->aws.input, MEMBER);
    struct resource_shelf *shelf = code_signing_shelf(call);
    if (handler != NULL && shelf != NULL && call_waits_shelf(call, shelf, handler))
        return NULL;
    cJSON *config = code_signing_get(call, arn, ret_id);
    if (config == NULL)
        not_found(call, arn);
    return config;
}

void update_code_signing_config(struct api_call *call)
{
    const char *id;
    CLEANUP(json_freep) cJSON *config = named(call, update_code_signing_config, &id);
    if (config != NULL)
        write_config(call, code_signing_shelf(call), id, config);
}

void get_code_signing_config(struct api_call *call)
{
    const char *id;
    CLEANUP(json_freep) cJSON *config = named(call, NULL, &id);
    if (config != NULL)
        call_reply(call, wrapped(config_output(call, id, config)));
}

/* The ARNs of the functions that have a configuration, from page->from on; page NULL: only whether there are any. */
static cJSON *users_of(struct api_call *call, const char *arn, const struct page *page)
{
    struct function_record **records;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "FunctionArns");
    size_t count =
        registry_list(call->api->options.registry, call->aws.account, call->aws.region, page != NULL ? page->from : NULL, &records);
    for (size_t i = 0; i < count; i++) {
        char function[ARN_FUNCTION_BYTES];
        CLEANUP(json_freep) cJSON *own = setting_get(records[i], SETTING_CODE_SIGNING, "");
        if (own == NULL || !str_eq(json_str(own, MEMBER), arn))
            continue;
        if (page != NULL && page_is_full(page, list)) {
            page_end(out, 0, registry_record_name(records[i]));
            break;
        }
        arn_function_format(call->aws.region, call->aws.account, registry_record_name(records[i]), NULL, function);
        cJSON_AddItemToArray(list, cJSON_CreateString(function));
    }
    free(records);
    return out;
}

void delete_code_signing_config(struct api_call *call)
{
    const char *id, *arn = json_str(call->aws.input, MEMBER);
    CLEANUP(json_freep) cJSON *config = named(call, delete_code_signing_config, &id);
    if (config == NULL)
        return;
    CLEANUP(json_freep) cJSON *users = users_of(call, arn, NULL);
    if (cJSON_GetArraySize(json_get(users, "FunctionArns")) > 0)
        call_fail(call, "ResourceConflictException",
                  "The code signing configuration %s cannot be deleted because it is associated with functions.", arn);
    else
        resource_write(code_signing_shelf(call), id, NULL, setting_answered, setting_answer(call, NULL));
}

void list_code_signing_configs(struct api_call *call)
{
    struct page page;
    struct resource_view *views;
    if (!page_begin(call, &page))
        return;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "CodeSigningConfigs");
    size_t count = resource_list(code_signing_shelf(call), &views);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(views[i].id, page.from) < 0)
            continue;
        if (page_is_full(&page, list)) {
            page_end(out, 0, views[i].id);
            break;
        }
        const cJSON *config = resource_json(&views[i]);
        cJSON_AddItemToArray(list, config_output(call, views[i].id, config));
    }
    free(views);
    call_reply(call, out);
}

void list_functions_by_code_signing_config(struct api_call *call)
{
    const char *id;
    struct page page;
    CLEANUP(json_freep) cJSON *config = named(call, NULL, &id);
    if (config != NULL && page_begin(call, &page))
        call_reply(call, users_of(call, json_str(call->aws.input, MEMBER), &page));
}

/* ---- functions ---- */

/* A function gets a configuration: the shelf is held meanwhile. */
struct giving {
    struct setting_answer *answer;
    struct resource_shelf *shelf;
};

static void given(void *arg, const struct err *err)
{
    struct giving giving = *(struct giving *)arg;
    free(arg);
    resource_release(giving.shelf);
    setting_answered(giving.answer, err);
}

static cJSON *function_output(const char *function, const char *arn)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "FunctionName", function);
    if (arn != NULL)
        cJSON_AddStringToObject(out, MEMBER, arn);
    return out;
}

void put_function_code_signing_config(struct api_call *call)
{
    const char *arn = json_str(call->aws.input, MEMBER);
    struct function_name name;
    struct function_record *record;
    struct resource_shelf *shelf = code_signing_shelf(call);
    if (!call_whole_name(call, &name) || (shelf != NULL && call_waits_shelf(call, shelf, put_function_code_signing_config)))
        return;
    if (!code_signing_exists(call, arn)) {
        code_signing_missing(call, arn);
        return;
    }
    if (!call_function_to_write(call, put_function_code_signing_config, &name, &record))
        return;
    CLEANUP(json_freep) cJSON *value = cJSON_CreateObject();
    cJSON_AddStringToObject(value, MEMBER, arn);
    CLEANUP(freep) char *text = json_print(value);
    struct giving *giving = malloc(sizeof(*giving));
    if (giving == NULL)
        abort();
    *giving = (struct giving){.answer = setting_answer(call, function_output(name.name, arn)), .shelf = shelf};
    const struct setting_change change = {SETTING_CODE_SIGNING, "", text};
    resource_hold(shelf);
    registry_settings_write(record, &change, 1, given, giving);
}

void get_function_code_signing_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!call_function(call, &name, &record))
        return;
    CLEANUP(json_freep) cJSON *own = setting_get(record, SETTING_CODE_SIGNING, "");
    call_reply(call, own != NULL ? function_output(name.name, json_str(own, MEMBER)) : cJSON_CreateObject());
}

void delete_function_code_signing_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (call_whole_name(call, &name) && call_function_to_write(call, delete_function_code_signing_config, &name, &record))
        setting_put(call, record, SETTING_CODE_SIGNING, "", NULL, NULL);
}
