/* GetLayerVersion, GetLayerVersionByArn, ListLayers, ListLayerVersions, and layer versions as AWS shows them. */
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/code.h"
#include "host/api/function/function.h"
#include "host/api/handlers.h"
#include "host/api/layer/output.h"
#include "host/api/page.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

cJSON *layer_listed(const struct layer_facts *facts)
{
    cJSON *out = NULL;
    struct err err;
    char arn[LAYER_ARN_BYTES], created[CLOCK_ISO_BYTES];
    if (json_parse(facts->about, strlen(facts->about), &out, &err) < 0)
        out = cJSON_CreateObject(); /* a damaged row: what is known without it */
    layer_name_arn(facts->layer, facts->number, arn);
    clock_iso_lambda(facts->created_ms, created);
    cJSON_AddStringToObject(out, "LayerVersionArn", arn);
    cJSON_AddNumberToObject(out, "Version", (double)facts->number);
    cJSON_AddStringToObject(out, "CreatedDate", created);
    return out;
}

cJSON *layer_output(struct api_call *call, const struct layer_facts *facts)
{
    cJSON *out = layer_listed(facts), *content = cJSON_AddObjectToObject(out, "Content");
    char arn[LAYER_ARN_BYTES], sha256[SHA256_BASE64_BYTES];
    struct http_slice host = call->http != NULL ? http_req_header(call->http, "host") : (struct http_slice){0};
    CLEANUP(freep) char *location = code_location(call->api, host, facts->code_sha256);
    layer_name_arn(facts->layer, 0, arn);
    function_sha256(facts->code_sha256, sha256);
    cJSON_AddStringToObject(out, "LayerArn", arn);
    cJSON_AddStringToObject(content, "Location", location);
    cJSON_AddStringToObject(content, "CodeSha256", sha256);
    cJSON_AddNumberToObject(content, "CodeSize", (double)facts->code_size);
    return out;
}

/* What is not there and what is not shared are the same to another account. */
static void get_version(struct api_call *call, const struct layer_name *name, uint64_t number)
{
    struct layer_facts facts;
    bool found = layers_describe(call->api->options.registry, name, number, &facts);
    if (!str_eq(name->region, call->aws.region))
        call_fail(call, "InvalidParameterValueException", "Layers from '%s' are not reachable in this region ('%s')", name->region,
                  call->aws.region);
    else if (!str_eq(name->account, call->aws.account) && !(found && layer_policy_allows(facts.policy, call->aws.account)))
        layer_refuse(call, "GetLayerVersion", name, number);
    else if (!found)
        call_fail(call, "ResourceNotFoundException", "The resource you requested does not exist.");
    else
        call_reply(call, layer_output(call, &facts));
}

void get_layer_version(struct api_call *call)
{
    struct layer_name name;
    struct err err;
    if (layer_number_of_call(call) == 0)
        call_fail(call, "InvalidParameterValueException", "Layer Version Cannot be less than 1");
    else if (layer_name_parse(json_str(call->aws.input, "LayerName"), call->aws.account, call->aws.region, &name, &err) < 0)
        call_fail_err(call, &err);
    else
        get_version(call, &name, layer_number_of_call(call));
}

void get_layer_version_by_arn(struct api_call *call)
{
    struct layer_name name;
    struct err err;
    if (layer_name_parse(json_str(call->aws.input, "Arn"), NULL, NULL, &name, &err) < 0)
        call_fail(call, "ResourceNotFoundException", "The resource you requested does not exist."); /* an awslayer, say */
    else
        get_version(call, &name, name.number);
}

/* ---- lists ---- */

static bool has(const cJSON *list, const char *text)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        if (cJSON_IsString(item) && str_eq(item->valuestring, text))
            return true;
    }
    return false;
}

/* CompatibleRuntime and CompatibleArchitecture of the call: what says nothing about them does not match. */
static bool matches(const struct api_call *call, const cJSON *listed)
{
    const char *runtime = json_str(call->aws.input, "CompatibleRuntime");
    const char *architecture = json_str(call->aws.input, "CompatibleArchitecture");
    return (runtime == NULL || has(json_get(listed, "CompatibleRuntimes"), runtime)) &&
           (architecture == NULL || has(json_get(listed, "CompatibleArchitectures"), architecture));
}

/* The newest version that matches, as in lists, or NULL. */
static cJSON *latest_matching(const struct api_call *call, const struct layer *layer, const struct layer_name **ret_name)
{
    for (size_t i = 0; i < layer_version_count(layer); i++) {
        struct layer_facts facts;
        layer_describe_at(layer, i, &facts);
        cJSON *listed = layer_listed(&facts);
        *ret_name = facts.layer;
        if (matches(call, listed))
            return listed;
        cJSON_Delete(listed);
    }
    return NULL;
}

void list_layers(struct api_call *call)
{
    struct page page;
    const struct layer **layers;
    if (!page_begin(call, &page))
        return;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Layers");
    size_t count = layers_list(call->api->options.registry, call->aws.account, call->aws.region, page.from, &layers);
    for (size_t i = 0; i < count; i++) {
        const struct layer_name *name;
        char arn[LAYER_ARN_BYTES];
        cJSON *latest = latest_matching(call, layers[i], &name);
        if (latest == NULL)
            continue;
        if (page_is_full(&page, list)) {
            cJSON_Delete(latest);
            page_end(out, 0, name->name);
            break;
        }
        cJSON *item = cJSON_CreateObject();
        layer_name_arn(name, 0, arn);
        cJSON_AddStringToObject(item, "LayerName", name->name);
        cJSON_AddStringToObject(item, "LayerArn", arn);
        cJSON_AddItemToObject(item, "LatestMatchingVersion", latest);
        cJSON_AddItemToArray(list, item);
    }
    free(layers);
    call_reply(call, out);
}

/* Newest first; a marker names the version that comes next. */
void list_layer_versions(struct api_call *call)
{
    struct page page;
    struct layer_name name;
    if (!layer_of_call(call, &name) || !page_begin(call, &page))
        return;
    const struct layer *layer = layers_find(call->api->options.registry, &name);
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "LayerVersions");
    for (size_t i = 0; layer != NULL && i < layer_version_count(layer); i++) {
        struct layer_facts facts;
        layer_describe_at(layer, i, &facts);
        if (*page.from != '\0' && facts.number > page.index)
            continue;
        cJSON *listed = layer_listed(&facts);
        if (matches(call, listed) && !page_is_full(&page, list)) {
            cJSON_AddItemToArray(list, listed);
            continue;
        }
        bool more = matches(call, listed);
        cJSON_Delete(listed);
        if (more) {
            page_end(out, facts.number, name.name);
            break;
        }
    }
    call_reply(call, out);
}
