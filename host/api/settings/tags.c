/* TagResource, UntagResource, ListTags: of functions, event source mappings and code signing configurations, by ARN. */
#include "host/api/settings/tags.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/api/handlers.h"
#include "host/api/settings/common.h"
#include "host/registry/resources.h"
#include "lib/aws/arn.h"
#include "lib/base/strutil.h"

#define TAGS_MAX 50 /* https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html (tag requirements) */

/* What is tagged: a function, or a resource on its shelf. */
struct tagged {
    struct function_record *record; /* or: */
    struct resource_shelf *shelf;
    char id[RESOURCE_ID_MAX + 1];
    cJSON *value; /* owned */
};

static void tagged_free(struct tagged *tagged)
{
    cJSON_Delete(tagged->value);
}

/* The resources that live on shelves, and what cannot exist. */
static const struct {
    const char *part, *words;
    const char *kind; /* NULL: there are none in Stoke */
} kinds[] = {
    {"event-source-mapping", "Event source mapping not found", RESOURCE_EVENT_SOURCE},
    {"code-signing-config", "Code signing configuration not found", RESOURCE_CODE_SIGNING},
    {"capacity-provider", "Capacity provider not found", NULL},
    {"layer", "Layer not found", NULL},
};

/* A resource of another kind than functions. False: the call has failed, or waits (handler: it will write). */
static bool find_resource(struct api_call *call, const char *arn, size_t kind, api_handler_fn *handler, struct tagged *tagged)
{
    const struct aws_call *who = &call->aws;
    CLEANUP(freep)
    char *prefix = str_format("arn:%s:lambda:%s:%s:%s:", arn_partition(who->region), who->region, who->account, kinds[kind].part);
    if (kinds[kind].kind != NULL && str_starts(arn, prefix))
        tagged->shelf = resource_shelf_find(call->api->options.registry, who->account, who->region, kinds[kind].kind);
    if (tagged->shelf != NULL && handler != NULL && call_waits_shelf(call, tagged->shelf, handler))
        return false;
    if (tagged->shelf != NULL && str_copy(tagged->id, sizeof(tagged->id), arn + strlen(prefix)))
        tagged->value = setting_parse(resource_get(tagged->shelf, tagged->id));
    if (tagged->value != NULL)
        return true;
    call_fail(call, "ResourceNotFoundException", "%s: %s", kinds[kind].words, arn);
    return false;
}

static bool find_function(struct api_call *call, const char *arn, api_handler_fn *handler, struct tagged *tagged)
{
    struct function_name name;
    struct err err;
    if (function_name_parse(arn, NULL, call->aws.account, call->aws.region, &name, &err) < 0) {
        call_fail_name(call, arn, NULL, &err);
        return false;
    }
    if (*name.qualifier != '\0') {
        call_fail(call, "InvalidParameterValueException",
                  "Tags on function aliases and versions are not supported. Please specify a function ARN.");
        return false;
    }
    if (registry_find(call->api->options.registry, &name, &tagged->record, &err) < 0) {
        call_fail_err(call, &err);
        return false;
    }
    return handler == NULL || !call_waits(call, tagged->record, handler);
}

/* What the call's Resource names. False: the call has failed, or waits (handler: it will write; else NULL). */
static bool find(struct api_call *call, api_handler_fn *handler, struct tagged *tagged)
{
    const char *arn = json_str(call->aws.input, "Resource");
    *tagged = (struct tagged){0};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        CLEANUP(freep) char *part = str_format(":%s:", kinds[i].part);
        if (strstr(arn, part) != NULL)
            return find_resource(call, arn, i, handler, tagged);
    }
    return find_function(call, arn, handler, tagged);
}

/* An object of the caller's, empty if there are none. */
static cJSON *tags_of(const struct tagged *tagged)
{
    struct function_facts facts;
    struct err err;
    cJSON *tags = NULL;
    if (tagged->record == NULL)
        tags = cJSON_Duplicate(json_get(tagged->value, "Tags"), true);
    else if (registry_describe(tagged->record, NULL, &facts, &err) == 0)
        tags = setting_parse(facts.tags);
    return tags != NULL ? tags : cJSON_CreateObject();
}

bool tags_check(struct api_call *call, const cJSON *tags)
{
    const cJSON *tag;
    cJSON_ArrayForEach(tag, tags) {
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

static void write_tags(struct api_call *call, const struct tagged *tagged, const cJSON *tags)
{
    CLEANUP(freep) char *text = tags->child != NULL ? json_print(tags) : NULL;
    if (tagged->record != NULL) {
        registry_tags_write(tagged->record, text, setting_answered, setting_answer(call, NULL));
        return;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(tagged->value, "Tags");
    if (tags->child != NULL)
        cJSON_AddItemToObject(tagged->value, "Tags", cJSON_Duplicate(tags, true));
    CLEANUP(freep) char *value = json_print(tagged->value);
    resource_write(tagged->shelf, tagged->id, value, setting_answered, setting_answer(call, NULL));
}

void tag_resource(struct api_call *call)
{
    const cJSON *wanted = json_get(call->aws.input, "Tags"), *tag;
    CLEANUP(tagged_free) struct tagged tagged = {0};
    if (wanted == NULL || wanted->child == NULL) {
        call_fail(call, "InvalidParameterValueException", "An error occurred and the request cannot be processed.");
        return;
    }
    if (!find(call, tag_resource, &tagged))
        return;
    CLEANUP(json_freep) cJSON *tags = tags_of(&tagged);
    cJSON_ArrayForEach(tag, wanted) {
        json_set(tags, tag->string, cJSON_Duplicate(tag, true));
    }
    if (tags_check(call, tags))
        write_tags(call, &tagged, tags);
}

void untag_resource(struct api_call *call)
{
    const cJSON *key;
    CLEANUP(tagged_free) struct tagged tagged = {0};
    if (!find(call, untag_resource, &tagged))
        return;
    CLEANUP(json_freep) cJSON *tags = tags_of(&tagged);
    cJSON_ArrayForEach(key, json_get(call->aws.input, "TagKeys")) {
        if (cJSON_IsString(key))
            cJSON_DeleteItemFromObjectCaseSensitive(tags, key->valuestring);
    }
    write_tags(call, &tagged, tags);
}

void list_tags(struct api_call *call)
{
    CLEANUP(tagged_free) struct tagged tagged = {0};
    if (!find(call, NULL, &tagged))
        return;
    cJSON *out = cJSON_CreateObject();
    cJSON_AddItemToObject(out, "Tags", tags_of(&tagged));
    call_reply(call, out);
}
