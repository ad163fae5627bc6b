/* CreateAlias, UpdateAlias, GetAlias, ListAliases, DeleteAlias. An alias is a setting of its function: a JSON object with the
 * members of AWS's AliasConfiguration but for the name and the ARN. */
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/function/function.h"
#include "host/api/handlers.h"
#include "host/api/page.h"
#include "host/api/settings/provisioned.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"

#define LATEST "$LATEST"

/* A write on its way. */
struct alias_write {
    struct api_call *call;
    struct function_name name; /* the qualifier is the alias */
    cJSON *alias;              /* NULL: deleted */
};

static const char *alias_name(const struct api_call *call)
{
    const char *name = json_str(call->aws.input, "Name");
    return name != NULL ? name : "";
}

static cJSON *alias_output(const struct function_name *name, const char *alias_name, const cJSON *alias)
{
    cJSON *out = cJSON_CreateObject();
    char arn[FUNCTION_ARN_BYTES];
    function_name_arn(name, alias_name, arn);
    cJSON_AddStringToObject(out, "AliasArn", arn);
    cJSON_AddStringToObject(out, "Name", alias_name);
    for (const cJSON *member = alias != NULL ? alias->child : NULL; member != NULL; member = member->next)
        cJSON_AddItemToObject(out, member->string, cJSON_Duplicate(member, true));
    return out;
}

static cJSON *parse_alias(const char *value)
{
    cJSON *alias = NULL;
    struct err err;
    return value != NULL && json_parse(value, strlen(value), &alias, &err) == 0 ? alias : NULL;
}

/* ---- checks, in AWS's words ---- */

static bool has_version(struct api_call *call, struct function_record *record, const struct function_name *name, const char *version)
{
    struct function_facts facts;
    struct err err;
    char arn[FUNCTION_ARN_BYTES];
    uint64_t number;
    bool is_version = str_eq(version, LATEST) || function_name_version(version, &number);
    if (is_version && registry_describe(record, version, &facts, &err) == 0)
        return true;
    function_name_arn(name, version, arn);
    call_fail(call, "ResourceNotFoundException", "Function not found: %s", arn);
    return false;
}

/* The weights of RoutingConfig against the alias' own version. */
static bool check_routing(struct api_call *call, struct function_record *record, const struct function_name *name, const char *version,
                          const cJSON *routing)
{
    const cJSON *weights = json_get(routing, "AdditionalVersionWeights");
    const cJSON *first = weights != NULL ? weights->child : NULL;
    if (first == NULL)
        return true;
    if (first->next != NULL) {
        call_fail(call, "InvalidParameterValueException", "Number of items in AdditionalVersionWeights cannot be greater than 1");
        return false;
    }
    if (str_eq(first->string, version)) {
        call_fail(call, "InvalidParameterValueException",
                  "Invalid function version %s. Function version %s is already included in routing configuration.", version, version);
        return false;
    }
    if (str_eq(version, LATEST)) {
        call_fail_untyped(call, "InvalidParameterValueException", "$LATEST is not supported for an alias pointing to more than 1 version");
        return false;
    }
    return has_version(call, record, name, first->string);
}

/* ---- writing ---- */

static void written(void *arg, const struct err *err)
{
    struct alias_write *write = arg;
    struct api_call *call = write->call;
    if (err != NULL)
        call_fail_err(call, err);
    else if (write->alias == NULL)
        call_reply(call, NULL);
    else
        call_reply(call, alias_output(&write->name, write->name.qualifier, write->alias));
    cJSON_Delete(write->alias);
    free(write);
}

/* Takes alias. provisioned: the other setting of it that changes, or NULL. */
static void write_alias(struct api_call *call, struct function_record *record, const struct function_name *name, cJSON *alias,
                        const char *provisioned)
{
    char revision[ID_UUID_BYTES];
    struct alias_write *write = calloc(1, sizeof(*write));
    if (write == NULL)
        abort();
    write->call = call;
    write->name = *name;
    write->alias = alias;
    (void)str_copy(write->name.qualifier, sizeof(write->name.qualifier), alias_name(call));
    CLEANUP(freep) char *text = NULL;
    if (alias != NULL) {
        id_uuid(revision);
        json_set(alias, "RevisionId", cJSON_CreateString(revision));
        text = json_print(alias);
    }
    const struct setting_change changes[] = {{alias != NULL ? SETTING_ALIAS : NULL, write->name.qualifier, text},
                                             {SETTING_PROVISIONED, write->name.qualifier, provisioned}};
    registry_settings_write(record, changes, provisioned != NULL ? 2 : 1, written, write);
}

static void set_text(cJSON *alias, const char *member, const char *text)
{
    json_set(alias, member, cJSON_CreateString(text));
}

/* An empty map of weights takes them away. */
static void set_routing(cJSON *alias, const cJSON *routing)
{
    const cJSON *weights = json_get(routing, "AdditionalVersionWeights");
    cJSON_DeleteItemFromObjectCaseSensitive(alias, "RoutingConfig");
    if (weights != NULL && weights->child != NULL)
        cJSON_AddItemToObject(alias, "RoutingConfig", cJSON_Duplicate(routing, true));
}

void create_alias(struct api_call *call)
{
    const cJSON *input = call->aws.input, *routing = json_get(input, "RoutingConfig");
    const char *version = json_str(input, "FunctionVersion"), *description = json_str(input, "Description");
    struct function_name name;
    struct function_record *record;
    char arn[FUNCTION_ARN_BYTES];
    if (!call_whole_name(call, &name) || !call_function_to_write(call, create_alias, &name, &record) ||
        !has_version(call, record, &name, version) || !check_routing(call, record, &name, version, routing))
        return;
    if (registry_setting(record, SETTING_ALIAS, alias_name(call)) != NULL) {
        function_name_arn(&name, alias_name(call), arn);
        call_fail(call, "ResourceConflictException", "Alias already exists: %s", arn);
        return;
    }
    cJSON *alias = cJSON_CreateObject();
    set_text(alias, "FunctionVersion", version);
    set_text(alias, "Description", description != NULL ? description : "");
    set_routing(alias, routing);
    write_alias(call, record, &name, alias, NULL);
}

void update_alias(struct api_call *call)
{
    const cJSON *input = call->aws.input, *routing = json_get(input, "RoutingConfig");
    const char *version = json_str(input, "FunctionVersion"), *description = json_str(input, "Description");
    struct function_name name;
    struct function_record *record;
    char arn[FUNCTION_ARN_BYTES];
    if (!call_whole_name(call, &name) || !call_function_to_write(call, update_alias, &name, &record))
        return;
    CLEANUP(json_freep) cJSON *alias = parse_alias(registry_setting(record, SETTING_ALIAS, alias_name(call)));
    if (alias == NULL) {
        function_name_arn(&name, alias_name(call), arn);
        call_fail(call, "ResourceNotFoundException", "Alias not found: %s", arn);
        return;
    }
    if (!call_check_revision(call, json_str(alias, "RevisionId"), "GetFunction/GetAlias") ||
        (version != NULL && !has_version(call, record, &name, version)))
        return;
    struct alias_move move;
    provisioned_alias_begin(record, alias_name(call), alias, &move);
    if (version != NULL)
        set_text(alias, "FunctionVersion", version);
    if (description != NULL)
        set_text(alias, "Description", description);
    if (routing != NULL)
        set_routing(alias, routing);
    if (!check_routing(call, record, &name, json_str(alias, "FunctionVersion"), json_get(alias, "RoutingConfig")) ||
        !provisioned_alias_check(call, &move, alias))
        return;
    CLEANUP(freep) char *provisioned = provisioned_alias_end(&move, alias, routing != NULL);
    write_alias(call, record, &name, STEAL(alias), provisioned);
}

void delete_alias(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    if (!call_whole_name(call, &name) || !call_function_to_write(call, delete_alias, &name, &record))
        return;
    if (registry_setting(record, SETTING_ALIAS, alias_name(call)) == NULL)
        call_reply(call, NULL);
    else
        write_alias(call, record, &name, NULL, NULL);
}

/* ---- reading ---- */

void get_alias(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    char arn[FUNCTION_ARN_BYTES];
    if (!call_function(call, &name, &record))
        return;
    CLEANUP(json_freep) cJSON *alias = parse_alias(registry_setting(record, SETTING_ALIAS, alias_name(call)));
    if (alias != NULL) {
        call_reply(call, alias_output(&name, alias_name(call), alias));
        return;
    }
    function_name_arn(&name, alias_name(call), arn);
    call_fail(call, "ResourceNotFoundException", "Cannot find alias arn: %s", arn);
}

static bool routes_to(const cJSON *alias, const char *version)
{
    const char *own = json_str(alias, "FunctionVersion");
    const cJSON *weights = json_get(json_get(alias, "RoutingConfig"), "AdditionalVersionWeights");
    return version == NULL || (own != NULL && str_eq(own, version)) || json_get(weights, version) != NULL;
}

char *alias_users(struct function_record *record, const char *version)
{
    struct setting_view *views;
    char *users = NULL;
    size_t count = registry_settings(record, SETTING_ALIAS, &views);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(json_freep) cJSON *alias = parse_alias(views[i].value);
        if (!routes_to(alias, version))
            continue;
        char *longer = str_format("%s%s%s", users != NULL ? users : "", users != NULL ? ", " : "", views[i].qualifier);
        free(users);
        users = longer;
    }
    free(views);
    return users;
}

void list_aliases(struct api_call *call)
{
    const char *version = json_str(call->aws.input, "FunctionVersion");
    struct function_name name;
    struct function_record *record;
    struct setting_view *views;
    struct page page;
    if (!call_function(call, &name, &record) || !page_begin(call, &page))
        return;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Aliases");
    size_t count = registry_settings(record, SETTING_ALIAS, &views);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(json_freep) cJSON *alias = parse_alias(views[i].value);
        if (strcmp(views[i].qualifier, page.from) < 0 || !routes_to(alias, version))
            continue;
        if (page_is_full(&page, list)) {
            page_end(out, 0, views[i].qualifier);
            break;
        }
        cJSON_AddItemToArray(list, alias_output(&name, views[i].qualifier, alias));
    }
    free(views);
    call_reply(call, out);
}
