/* TagResource, UntagResource, ListTags: of functions, by ARN. */
#include "host/api/settings/tags.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/api/handlers.h"
#include "host/api/settings/common.h"
#include "lib/base/strutil.h"

#define TAGS_MAX 50 /* https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html (tag requirements) */

/* Things other than functions that may carry tags. */
static bool refuse_other_resource(struct api_call *call, const char *arn)
{
    static const struct {
        const char *part, *words;
    } kinds[] = {
        {":event-source-mapping:", "Event source mapping not found"},
        {":capacity-provider:", "Capacity provider not found"},
        {":code-signing-config:", "Code signing configuration not found"},
        {":layer:", "Layer not found"},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strstr(arn, kinds[i].part) == NULL)
            continue;
        call_fail(call, "ResourceNotFoundException", "%s: %s", kinds[i].words, arn);
        return true;
    }
    return false;
}

/* The function that the call's Resource names. False: the call has failed. */
static bool tagged_function(struct api_call *call, struct function_record **ret_record)
{
    const char *arn = json_str(call->aws.input, "Resource");
    struct function_name name;
    struct err err;
    if (refuse_other_resource(call, arn))
        return false;
    if (function_name_parse(arn, NULL, call->aws.account, call->aws.region, &name, &err) < 0) {
        call_fail_err(call, &err);
        return false;
    }
    if (*name.qualifier != '\0') {
        call_fail(call, "InvalidParameterValueException",
                  "Tags on function aliases and versions are not supported. Please specify a function ARN.");
        return false;
    }
    if (registry_find(call->api->options.registry, &name, ret_record, &err) < 0) {
        call_fail_err(call, &err);
        return false;
    }
    return true;
}

/* An object, empty if there are none. */
static cJSON *tags_of(struct function_record *record)
{
    struct function_facts facts;
    struct err err;
    cJSON *tags = registry_describe(record, NULL, &facts, &err) == 0 ? setting_parse(facts.tags) : NULL;
    return tags != NULL ? tags : cJSON_CreateObject();
}

bool tags_check(struct api_call *call, const cJSON *tags)
{
    const cJSON *tag;
    cJSON_ArrayForEach(tag, tags)
    {
        if (strncasecmp(tag->string, "aws:", 4) != 0)
            continue;
        call_fail(call, "InvalidParameterValueException", "Tag keys beginning with 'aws:' are reserved for AWS: %s", tag->string);
        return false;
    }
    if (cJSON_GetArraySize(tags) <= TAGS_MAX)
        return true;
    call_fail(call, "InvalidParameterValueException", "Number of tags exceeds resource tag limit.");
    return false;
}

static void write_tags(struct api_call *call, struct function_record *record, const cJSON *tags)
{
    CLEANUP(freep) char *text = tags->child != NULL ? json_print(tags) : NULL;
    registry_tags_write(record, text, setting_answered, setting_answer(call, NULL));
}

void tag_resource(struct api_call *call)
{
    const cJSON *wanted = json_get(call->aws.input, "Tags"), *tag;
    struct function_record *record;
    if (wanted == NULL || wanted->child == NULL) {
        call_fail(call, "InvalidParameterValueException", "An error occurred and the request cannot be processed.");
        return;
    }
    if (!tagged_function(call, &record) || call_waits(call, record, tag_resource))
        return;
    CLEANUP(json_freep) cJSON *tags = tags_of(record);
    cJSON_ArrayForEach(tag, wanted)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(tags, tag->string);
        cJSON_AddItemToObject(tags, tag->string, cJSON_Duplicate(tag, true));
    }
    if (tags_check(call, tags))
        write_tags(call, record, tags);
}

void untag_resource(struct api_call *call)
{
    const cJSON *key;
    struct function_record *record;
    if (!tagged_function(call, &record) || call_waits(call, record, untag_resource))
        return;
    CLEANUP(json_freep) cJSON *tags = tags_of(record);
    cJSON_ArrayForEach(key, json_get(call->aws.input, "TagKeys"))
    {
        if (cJSON_IsString(key))
            cJSON_DeleteItemFromObjectCaseSensitive(tags, key->valuestring);
    }
    write_tags(call, record, tags);
}

void list_tags(struct api_call *call)
{
    struct function_record *record;
    if (!tagged_function(call, &record))
        return;
    cJSON *out = cJSON_CreateObject();
    cJSON_AddItemToObject(out, "Tags", tags_of(record));
    call_reply(call, out);
}
