/* Layers of functions: which a function may have, and how its configuration keeps them. The configuration holds all that running needs,
 * so that a function goes on when its layer version is deleted. AWS does not compare a layer's runtimes and architectures with the
 * function's; they are for lists. */
#include <string.h>

#include "host/api/call.h"
#include "host/api/code.h"
#include "host/api/layer/layer.h"
#include "host/registry/functions.h"
#include "lib/base/strutil.h"

/* Whether the function may have that layer version; its facts. False: the call has failed. */
static bool check_layer(struct api_call *call, const char *arn, const char *region, struct layer_name *name, struct layer_facts *facts)
{
    struct err err;
    bool named = layer_name_parse(arn, NULL, NULL, name, &err) == 0;
    bool found = named && layers_describe(call->api->options.registry, name, name->number, facts);
    bool own = named && str_eq(name->account, call->aws.account), here = named && str_eq(name->region, region);
    if (named && own && !here) {
        call_fail(call, "InvalidParameterValueException",
                  "Layers are not in the same region as the function. Layers are expected to be in region %s.", region);
        return false;
    }
    if (named && !own && !(here && found && layer_policy_allows(facts->policy, call->aws.account))) {
        layer_refuse(call, "GetLayerVersion", name, name->number);
        return false;
    }
    if (!found)
        call_fail(call, "InvalidParameterValueException", "Layer version %s does not exist.", arn);
    return found;
}

/* The version of the same layer that is in the list already, or NULL. */
static const char *other_version(const cJSON *list, const char *arn)
{
    const cJSON *item;
    size_t len = (size_t)(strrchr(arn, ':') - arn) + 1;
    cJSON_ArrayForEach(item, list) {
        const char *other = json_str(item, "Arn");
        if (strncmp(other, arn, len) == 0 && strchr(other + len, ':') == NULL)
            return other;
    }
    return NULL;
}

static uint64_t layers_size(const cJSON *list)
{
    const cJSON *item;
    uint64_t size = 0;
    cJSON_ArrayForEach(item, list)
        size += (uint64_t)json_int(item, "UnpackedSize", 0);
    return size;
}

static bool add_layer(struct api_call *call, cJSON *list, const char *arn, const char *region)
{
    struct layer_name name;
    struct layer_facts facts;
    if (!check_layer(call, arn, region, &name, &facts))
        return false;
    const char *other = other_version(list, arn);
    if (other != NULL) {
        call_fail(call, "InvalidParameterValueException",
                  "Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions "
                  "of the same layer.",
                  other, arn);
        return false;
    }
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "Arn", arn);
    cJSON_AddNumberToObject(item, "CodeSize", (double)facts.code_size);
    cJSON_AddStringToObject(item, "Sha256", facts.code_sha256);
    cJSON_AddNumberToObject(item, "UnpackedSize", (double)facts.unpacked_size);
    cJSON_AddItemToArray(list, item);
    return true;
}

static bool add_all(struct api_call *call, cJSON *list, const cJSON *wanted, const char *region)
{
    const cJSON *arn;
    if (cJSON_GetArraySize(wanted) > FUNCTION_LAYERS_MAX) {
        call_fail(call, "InvalidParameterValueException", "Cannot reference more than %d layers.", FUNCTION_LAYERS_MAX);
        return false;
    }
    cJSON_ArrayForEach(arn, wanted) {
        if (!add_layer(call, list, cJSON_IsString(arn) ? arn->valuestring : "", region))
            return false;
    }
    if (layers_size(list) > CODE_UNPACKED_BYTES_MAX) {
        call_fail(call, "InvalidParameterValueException", "Layers consume more than the available size of %llu bytes",
                  CODE_UNPACKED_BYTES_MAX);
        return false;
    }
    return true;
}

bool layer_attach(struct api_call *call, cJSON *config, const char *region)
{
    const cJSON *wanted = json_get(call->aws.input, "Layers");
    if (wanted == NULL)
        return true;
    cJSON *list = cJSON_CreateArray();
    if (!add_all(call, list, wanted, region)) {
        cJSON_Delete(list);
        return false;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(config, "Layers");
    if (list->child != NULL)
        cJSON_AddItemToObject(config, "Layers", list);
    else
        cJSON_Delete(list);
    return true;
}

bool layer_fits(struct api_call *call, const cJSON *config, uint64_t unpacked_size)
{
    const cJSON *list = json_get(config, "Layers"), *item;
    cJSON_ArrayForEach(item, list) {
        if (registry_code_is_live(call->api->options.registry, json_str(item, "Sha256")))
            continue; /* else deleted since it was looked at, while the function's own archive was stored */
        call_fail(call, "InvalidParameterValueException", "Layer version %s does not exist.", json_str(item, "Arn"));
        return false;
    }
    uint64_t size = unpacked_size + layers_size(list);
    if (list == NULL || size <= CODE_UNPACKED_BYTES_MAX)
        return true;
    call_fail(call, "InvalidParameterValueException",
              "Function code combined with layers exceeds the maximum allowed size of %llu bytes. The actual size is %llu bytes.",
              CODE_UNPACKED_BYTES_MAX, (unsigned long long)size);
    return false;
}

void layer_show(cJSON *config)
{
    cJSON *item;
    cJSON_ArrayForEach(item, json_get(config, "Layers")) {
        cJSON_DeleteItemFromObjectCaseSensitive(item, "Sha256");
        cJSON_DeleteItemFromObjectCaseSensitive(item, "UnpackedSize");
    }
}
