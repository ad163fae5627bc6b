/* CreateFunctionUrlConfig and its kin: the URL of a function or an alias, as a record with an id of its own that stays. The URL's host
 * is the id below the name under which the client reached Stoke; "localhost" where that is an address, which has no names below it
 * (RFC 6761 lets localhost have them). */
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/handlers.h"
#include "host/api/settings/common.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"

#define URL_ID_CHARS 32 /* as AWS's */
#define HOST_MAX 32     /* FunctionUrl has at most 100 characters */

static void make_id(char id[URL_ID_CHARS + 1])
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char random[URL_ID_CHARS];
    id_random(random, sizeof(random));
    for (size_t i = 0; i < URL_ID_CHARS; i++)
        id[i] = digits[random[i] % 32];
    id[URL_ID_CHARS] = '\0';
}

/* The name and port that the client used; malloc'd. */
static char *host_of(const struct api_call *call)
{
    struct http_slice host = {0};
    if (call->http != NULL)
        host = http_req_header(call->http, "host");
    CLEANUP(freep) char *text = str_format("%.*s", host.p != NULL ? (int)host.n : 0, host.p != NULL ? host.p : "");
    const char *port = strrchr(text, ':');
    bool is_address = *text == '[' || strspn(text, "0123456789.:") == strlen(text);
    if (!is_address && strlen(text) <= HOST_MAX)
        return strdup(text);
    if (port == NULL || strspn(port + 1, "0123456789") != strlen(port + 1))
        port = "";
    return str_format("localhost%s", port);
}

static cJSON *url_output(const struct api_call *call, const struct function_name *name, const char *qualifier, const cJSON *config)
{
    static const char *const members[] = {"AuthType", "Cors", "CreationTime", "LastModifiedTime", "InvokeMode"};
    char arn[FUNCTION_ARN_BYTES];
    cJSON *out = cJSON_CreateObject();
    CLEANUP(freep) char *host = host_of(call);
    CLEANUP(freep) char *url = str_format("http://%s.lambda-url.%s.%s/", json_str(config, "Id"), name->region, host);
    function_name_arn(name, qualifier, arn);
    cJSON_AddStringToObject(out, "FunctionUrl", url);
    cJSON_AddStringToObject(out, "FunctionArn", arn);
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (json_get(config, members[i]) != NULL)
            cJSON_AddItemToObject(out, members[i], cJSON_Duplicate(json_get(config, members[i]), true));
    return out;
}

static void not_there(struct api_call *call)
{
    call_fail(call, "ResourceNotFoundException", "The resource you requested does not exist.");
}

/* FunctionName and Qualifier, of which only an alias may be the qualifier. False: the call has failed. */
static bool url_name(struct api_call *call, struct function_name *name)
{
    if (!call_function_name(call, name))
        return false;
    if (!target_is_version(name->qualifier))
        return true;
    call_fail(call, "ValidationException",
              "1 validation error detected: Value '%s' at 'qualifier' failed to satisfy constraint: Member must satisfy regular "
              "expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)",
              name->qualifier);
    return false;
}

/* The function and alias to write to. False: the call has failed, or waits. */
static bool begin(struct api_call *call, api_handler_fn *handler, struct function_name *name, struct function_record **record)
{
    struct err err;
    if (!url_name(call, name))
        return false;
    if (registry_find(call->api->options.registry, name, record, &err) < 0 || !target_exists(*record, name->qualifier)) {
        call_fail(call, "ResourceNotFoundException", "Function does not exist");
        return false;
    }
    return !call_waits(call, *record, handler);
}

/* What the call gives; an empty Cors takes the old one away. */
static void set_members(struct api_call *call, cJSON *config)
{
    static const char *const members[] = {"AuthType", "InvokeMode", "Cors"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (json_get(call->aws.input, members[i]) != NULL)
            json_set(config, members[i], cJSON_Duplicate(json_get(call->aws.input, members[i]), true));
    const cJSON *cors = json_get(config, "Cors");
    if (cors != NULL && cors->child == NULL)
        cJSON_DeleteItemFromObjectCaseSensitive(config, "Cors");
}

void create_function_url_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    char id[URL_ID_CHARS + 1], now[CLOCK_ISO_BYTES], arn[FUNCTION_ARN_BYTES];
    if (!begin(call, create_function_url_config, &name, &record))
        return;
    if (registry_setting(record, SETTING_URL, name.qualifier) != NULL) {
        function_name_arn(&name, name.qualifier, arn);
        call_fail(call, "ResourceConflictException",
                  "Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda "
                  "function",
                  arn);
        return;
    }
    CLEANUP(json_freep) cJSON *config = cJSON_CreateObject();
    make_id(id);
    clock_iso_utc(clock_wall_ms(), now);
    cJSON_AddStringToObject(config, "Id", id);
    cJSON_AddStringToObject(config, "CreationTime", now);
    cJSON_AddStringToObject(config, "LastModifiedTime", now);
    cJSON_AddStringToObject(config, "InvokeMode", "BUFFERED");
    set_members(call, config);
    cJSON *out = url_output(call, &name, name.qualifier, config);
    cJSON_DeleteItemFromObjectCaseSensitive(out, "LastModifiedTime"); /* which this answer alone lacks */
    setting_put(call, record, SETTING_URL, name.qualifier, config, out);
}

void update_function_url_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    char now[CLOCK_ISO_BYTES];
    if (!begin(call, update_function_url_config, &name, &record))
        return;
    CLEANUP(json_freep) cJSON *config = setting_get(record, SETTING_URL, name.qualifier);
    if (config == NULL) {
        not_there(call);
        return;
    }
    clock_iso_utc(clock_wall_ms(), now);
    json_set(config, "LastModifiedTime", cJSON_CreateString(now));
    set_members(call, config);
    setting_put(call, record, SETTING_URL, name.qualifier, config, url_output(call, &name, name.qualifier, config));
}

/* The configuration of the call, owned; NULL: the call has failed. */
static cJSON *existing(struct api_call *call, struct function_name *name, struct function_record **record)
{
    struct err err;
    cJSON *config = NULL;
    if (!url_name(call, name))
        return NULL;
    if (registry_find(call->api->options.registry, name, record, &err) == 0)
        config = setting_get(*record, SETTING_URL, name->qualifier);
    if (config == NULL)
        not_there(call);
    return config;
}

void get_function_url_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    CLEANUP(json_freep) cJSON *config = existing(call, &name, &record);
    if (config != NULL)
        call_reply(call, url_output(call, &name, name.qualifier, config));
}

void delete_function_url_config(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    CLEANUP(json_freep) cJSON *config = existing(call, &name, &record);
    if (config != NULL && !call_waits(call, record, delete_function_url_config))
        setting_put(call, record, SETTING_URL, name.qualifier, NULL, NULL);
}

void list_function_url_configs(struct api_call *call)
{
    setting_list(call,
                 &(struct setting_list){
                     .kind = SETTING_URL, .member = "FunctionUrlConfigs", .missing = "Function does not exist", .output = url_output});
}
