/* CreateEventSourceMapping and its kin: which source's events go to which function, as records. A mapping is Creating, Updating or
 * Deleting in the answer that says so, and Enabled, Disabled or gone for everybody who asks later. */
#include "host/api/event_source/mapping.h"

#include <stdlib.h>
#include <string.h>

#include "host/api/event_source/source.h"
#include "host/api/handlers.h"
#include "host/api/page.h"
#include "host/api/settings/common.h"
#include "host/api/settings/tags.h"
#include "lib/aws/arn.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"

#define MAPPING_PAGE_ITEMS 100 /* Lambda returns no more in one answer */

struct resource_shelf *mapping_shelf(const struct api_call *call)
{
    return resource_shelf_find(call->api->options.registry, call->aws.account, call->aws.region, RESOURCE_EVENT_SOURCE);
}

/* The mapping as AWS shows it. state: NULL for the one it is in. */
static cJSON *mapping_output(const struct api_call *call, const char *uuid, const cJSON *mapping, const char *state)
{
    cJSON *out = cJSON_Duplicate(mapping, true);
    bool enabled = json_bool(mapping, "Enabled", true);
    CLEANUP(freep)
    char *arn = str_format("arn:%s:lambda:%s:%s:event-source-mapping:%s", arn_partition(call->aws.region), call->aws.region,
                           call->aws.account, uuid);
    cJSON_DeleteItemFromObjectCaseSensitive(out, "Tags");
    cJSON_DeleteItemFromObjectCaseSensitive(out, "Enabled");
    cJSON_AddStringToObject(out, "UUID", uuid);
    cJSON_AddStringToObject(out, "EventSourceMappingArn", arn);
    cJSON_AddStringToObject(out, "State", state != NULL ? state : enabled ? "Enabled" : "Disabled");
    cJSON_AddStringToObject(out, "StateTransitionReason", source_reason(source_kind_of(mapping)));
    return out;
}

/* Everything in the call but what names the mapping or its function. */
static void take_members(cJSON *mapping, const cJSON *input)
{
    for (const cJSON *member = input->child; member != NULL; member = member->next)
        if (!str_eq(member->string, "FunctionName") && !str_eq(member->string, "UUID"))
            json_set(mapping, member->string, cJSON_Duplicate(member, true));
    static const char *const cleared[] = {"FilterCriteria", "ScalingConfig"}; /* by an empty object */
    for (size_t i = 0; i < ARRAY_LEN(cleared); i++)
        if (json_get(mapping, cleared[i]) != NULL && json_get(mapping, cleared[i])->child == NULL)
            cJSON_DeleteItemFromObjectCaseSensitive(mapping, cleared[i]);
    json_set(mapping, "LastModified", cJSON_CreateNumber((double)clock_wall_ms() / 1000));
}

/* Sets the mapping's FunctionArn to the function that the call names. False: the call has failed. */
static bool take_function(struct api_call *call, cJSON *mapping)
{
    struct function_name name;
    struct function_record *record;
    struct err err;
    char arn[FUNCTION_ARN_BYTES];
    if (!call_function_name(call, &name))
        return false;
    if (registry_find(call->api->options.registry, &name, &record, &err) < 0 || !target_exists(record, name.qualifier)) {
        call_fail(call, "InvalidParameterValueException", "Function does not exist");
        return false;
    }
    function_name_arn(&name, name.qualifier, arn);
    json_set(mapping, "FunctionArn", cJSON_CreateString(arn));
    return true;
}

static bool text_same(const cJSON *a, const cJSON *b, const char *member)
{
    return cJSON_Compare(json_get(a, member), json_get(b, member), true) || (json_get(a, member) == NULL && json_get(b, member) == NULL);
}

/* No other mapping (but uuid, which may be NULL) has the same source and function. False: the call has failed. */
static bool is_unique(struct api_call *call, const struct resource_shelf *shelf, const cJSON *mapping, const char *uuid)
{
    static const char *const same[] = {
        "EventSourceArn", "FunctionArn", "Topics", "Queues", "SelfManagedEventSource", "DocumentDBEventSourceConfig"};
    struct resource_view *views;
    size_t count = resource_list(shelf, &views);
    bool unique = true;
    for (size_t i = 0; unique && i < count; i++) {
        const cJSON *other = resource_json(&views[i]);
        bool differs = uuid != NULL && str_eq(views[i].id, uuid);
        for (size_t k = 0; k < ARRAY_LEN(same) && !differs; k++)
            differs = !text_same(mapping, other, same[k]);
        if (differs)
            continue;
        struct arn_function function;
        struct err err;
        char message[SOURCE_MESSAGE_BYTES];
        const char *arn = json_str(mapping, "EventSourceArn");
        if (arn_function_parse(json_str(mapping, "FunctionArn"), &function, &err) < 0)
            function.name[0] = '\0';
        source_duplicate(source_kind_of(mapping), arn != NULL ? arn : "", function.name, views[i].id, message);
        call_fail(call, "ResourceConflictException", "%s", message);
        unique = false;
    }
    free(views);
    return unique;
}

static void write_mapping(struct api_call *call, struct resource_shelf *shelf, const char *uuid, const cJSON *mapping, const char *state)
{
    CLEANUP(freep) char *text = json_print(mapping);
    resource_write(shelf, uuid, text, setting_answered, setting_answer(call, mapping_output(call, uuid, mapping, state)));
}

void create_event_source_mapping(struct api_call *call)
{
    const cJSON *input = call->aws.input;
    const struct source_kind *kind = source_kind_of(input);
    char message[SOURCE_MESSAGE_BYTES], uuid[ID_UUID_BYTES];
    if (kind == NULL) {
        call_fail(call, "InvalidParameterValueException", "Unrecognized event source.");
        return;
    }
    CLEANUP(json_freep) cJSON *mapping = cJSON_CreateObject();
    take_members(mapping, input);
    if (source_check(kind, input, false, message) < 0 || source_check_whole(kind, mapping, message) < 0) {
        call_fail(call, "InvalidParameterValueException", "%s", message);
        return;
    }
    struct resource_shelf *shelf = resource_shelf(call->api->options.registry, call->aws.account, call->aws.region, RESOURCE_EVENT_SOURCE);
    if (!tags_check(call, json_get(input, "Tags")) || !take_function(call, mapping) ||
        call_waits_shelf(call, shelf, create_event_source_mapping) || !is_unique(call, shelf, mapping, NULL))
        return;
    id_uuid(uuid);
    source_fill(kind, mapping, uuid);
    write_mapping(call, shelf, uuid, mapping, "Creating");
}

/* The mapping that the call names, owned, with its id as stored; NULL: the call has failed, or waits (handler: it will write). */
static cJSON *named(struct api_call *call, api_handler_fn *handler, char uuid[RESOURCE_ID_MAX + 1])
{
    const char *wanted = json_str(call->aws.input, "UUID");
    struct resource_shelf *shelf = mapping_shelf(call);
    if (handler != NULL && shelf != NULL && call_waits_shelf(call, shelf, handler))
        return NULL;
    (void)str_copy(uuid, RESOURCE_ID_MAX + 1, wanted);
    cJSON *mapping = setting_parse(resource_get(shelf, uuid));
    if (mapping == NULL)
        call_fail(call, "ResourceNotFoundException", "The resource you requested does not exist.");
    return mapping;
}

void update_event_source_mapping(struct api_call *call)
{
    const cJSON *input = call->aws.input, *enabled = json_get(input, "Enabled");
    char message[SOURCE_MESSAGE_BYTES], uuid[RESOURCE_ID_MAX + 1];
    CLEANUP(json_freep) cJSON *mapping = named(call, update_event_source_mapping, uuid);
    if (mapping == NULL)
        return;
    bool was = json_bool(mapping, "Enabled", true);
    const struct source_kind *kind = source_kind_of(mapping);
    take_members(mapping, input);
    if (source_check(kind, input, true, message) < 0 || source_check_whole(kind, mapping, message) < 0) {
        call_fail(call, "InvalidParameterValueException", "%s", message);
        return;
    }
    if (json_str(input, "FunctionName") != NULL && (!take_function(call, mapping) || !is_unique(call, mapping_shelf(call), mapping, uuid)))
        return;
    const char *state = "Updating";
    if (enabled != NULL && cJSON_IsTrue(enabled) != was)
        state = was ? "Disabling" : "Enabling";
    write_mapping(call, mapping_shelf(call), uuid, mapping, state);
}

void delete_event_source_mapping(struct api_call *call)
{
    char uuid[RESOURCE_ID_MAX + 1];
    CLEANUP(json_freep) cJSON *mapping = named(call, delete_event_source_mapping, uuid);
    if (mapping != NULL)
        resource_write(mapping_shelf(call), uuid, NULL, setting_answered,
                       setting_answer(call, mapping_output(call, uuid, mapping, "Deleting")));
}

void get_event_source_mapping(struct api_call *call)
{
    char uuid[RESOURCE_ID_MAX + 1];
    CLEANUP(json_freep) cJSON *mapping = named(call, NULL, uuid);
    if (mapping != NULL)
        call_reply(call, mapping_output(call, uuid, mapping, NULL));
}

/* Whether a mapping is what a list asks for. function: NULL for all; without a qualifier it means all of the function's. */
static bool is_listed(const cJSON *mapping, const char *source, const struct function_name *function)
{
    const char *arn = json_str(mapping, "EventSourceArn");
    struct arn_function own;
    struct err err;
    if (source != NULL && (arn == NULL || !str_eq(arn, source)))
        return false;
    if (function == NULL)
        return true;
    return arn_function_parse(json_str(mapping, "FunctionArn"), &own, &err) == 0 && str_eq(own.name, function->name) &&
           (*function->qualifier == '\0' || str_eq(own.qualifier, function->qualifier));
}

void list_event_source_mappings(struct api_call *call)
{
    const char *source = json_str(call->aws.input, "EventSourceArn");
    struct page page;
    struct function_name name, *function = NULL;
    struct resource_view *views;
    if (json_str(call->aws.input, "FunctionName") != NULL) {
        if (!call_function_name(call, &name))
            return;
        function = &name;
    }
    if (!page_begin_up_to(call, MAPPING_PAGE_ITEMS, &page))
        return;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "EventSourceMappings");
    size_t count = resource_list(mapping_shelf(call), &views);
    for (size_t i = 0; i < count; i++) {
        const cJSON *mapping = resource_json(&views[i]);
        if (strcmp(views[i].id, page.from) < 0 || !is_listed(mapping, source, function))
            continue;
        if (page_is_full(&page, list)) {
            page_end(out, 0, views[i].id);
            break;
        }
        cJSON_AddItemToArray(list, mapping_output(call, views[i].id, mapping, NULL));
    }
    free(views);
    call_reply(call, out);
}
