/* GetFunction, GetFunctionConfiguration, ListFunctions, ListVersionsByFunction, and the FunctionConfiguration that these
 * and every change answer with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

#define PAGE_ITEMS 50 /* Lambda returns no more in one answer */
#define MARKER_BYTES_MAX 512

static void add_text(cJSON *object, const char *name, const char *text)
{
    if (text != NULL)
        cJSON_AddStringToObject(object, name, text);
}

static int hex_digit(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* Lambda's form of a digest. */
static void add_sha256(cJSON *object, const char *name, const char *hex)
{
    unsigned char digest[SHA256_BYTES];
    char text[SHA256_BASE64_BYTES];
    for (size_t i = 0; i < SHA256_BYTES; i++)
        digest[i] = (unsigned char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    digest_base64_encode(digest, sizeof(digest), text);
    cJSON_AddStringToObject(object, name, text);
}

/* AWS names a runtime's build by a digest; ours is of what the function runs on here. */
static void add_runtime_version(cJSON *object, const struct function_facts *facts, const char *runtime)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    const struct runtime_interpreter *interpreter = facts->match->interpreter;
    CLEANUP(freep) char *what = str_format("stoke %s %s", runtime, interpreter != NULL ? interpreter->version : "");
    digest_sha256(what, strlen(what), digest);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    CLEANUP(freep) char *arn = str_format("arn:aws:lambda:%s::runtime:%s", facts->region, hex);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(object, "RuntimeVersionConfig"), "RuntimeVersionArn", arn);
}

cJSON *function_output(const struct function_facts *facts, bool qualified, enum function_output kind)
{
    cJSON *out = NULL;
    struct err err;
    if (json_parse(facts->config, strlen(facts->config), &out, &err) < 0)
        out = cJSON_CreateObject(); /* a damaged row: its state says so */
    struct function_name name = {0};
    char arn[FUNCTION_ARN_BYTES], modified[CLOCK_ISO_BYTES];
    (void)str_copy(name.account, sizeof(name.account), facts->account);
    (void)str_copy(name.region, sizeof(name.region), facts->region);
    (void)str_copy(name.name, sizeof(name.name), facts->name);
    function_name_arn(&name, qualified ? facts->version : NULL, arn);
    clock_iso_lambda(facts->modified_ms, modified);
    add_text(out, "FunctionName", facts->name);
    add_text(out, "FunctionArn", arn);
    add_text(out, "Version", facts->version);
    add_text(out, "LastModified", modified);
    add_text(out, "RevisionId", facts->revision_id);
    add_sha256(out, "CodeSha256", facts->code_sha256);
    cJSON_AddNumberToObject(out, "CodeSize", (double)facts->code_size);
    if (kind == OUTPUT_LISTED)
        return out;
    add_text(out, "State", facts->state);
    add_text(out, "StateReason", facts->state_reason);
    add_text(out, "StateReasonCode", facts->state_reason_code);
    add_text(out, "LastUpdateStatus", facts->update_status);
    add_text(out, "LastUpdateStatusReason", facts->update_status_reason);
    add_text(out, "LastUpdateStatusReasonCode", facts->update_status_reason_code);
    const char *runtime = json_str(out, "Runtime");
    if (runtime != NULL)
        add_runtime_version(out, facts, runtime);
    return out;
}

/* The version that FunctionName and Qualifier mean. */
static bool wanted(struct api_call *call, struct function_name *name, struct function_facts *facts)
{
    struct function_record *record;
    struct err err;
    if (!call_function(call, name, &record))
        return false;
    if (registry_describe(record, name->qualifier, facts, &err) < 0) {
        call_fail_err(call, &err);
        return false;
    }
    return true;
}

void get_function_configuration(struct api_call *call)
{
    struct function_name name;
    struct function_facts facts;
    if (wanted(call, &name, &facts))
        call_reply(call, function_output(&facts, *name.qualifier != '\0', OUTPUT_WHOLE));
}

void get_function(struct api_call *call)
{
    struct function_name name;
    struct function_facts facts;
    struct err err;
    if (!wanted(call, &name, &facts))
        return;
    cJSON *out = cJSON_CreateObject(), *code = cJSON_AddObjectToObject(out, "Code"), *tags = NULL;
    CLEANUP(freep) char *location = code_location(call->api, http_req_header(call->http, "host"), facts.code_sha256);
    cJSON_AddStringToObject(code, "RepositoryType", "S3");
    cJSON_AddStringToObject(code, "Location", location);
    cJSON_AddItemToObject(out, "Configuration", function_output(&facts, *name.qualifier != '\0', OUTPUT_WHOLE));
    if (facts.tags != NULL && json_parse(facts.tags, strlen(facts.tags), &tags, &err) == 0)
        cJSON_AddItemToObject(out, "Tags", tags);
    call_reply(call, out);
}

/* ---- pages: items are versions in the order of function name and version ---- */

/* Where the next page begins: "INDEX NAME", as base64, which no client looks into. */
static char *marker_make(size_t index, const char *name)
{
    CLEANUP(freep) char *text = str_format("%zu %s", index, name);
    char *marker = malloc(DIGEST_BASE64_SIZE(strlen(text)));
    if (marker == NULL)
        abort();
    digest_base64_encode(text, strlen(text), marker);
    return marker;
}

static bool marker_read(const char *marker, size_t *ret_index, char name[MARKER_BYTES_MAX])
{
    char text[MARKER_BYTES_MAX];
    size_t len = strlen(marker);
    int64_t index;
    struct err err;
    if (len >= sizeof(text) || digest_base64_decode(marker, len, text, &len, &err) < 0)
        return false;
    text[len] = '\0';
    char *space = strchr(text, ' ');
    if (space == NULL || strlen(text) != len)
        return false;
    *space = '\0';
    if (!str_to_i64(text, 0, INT32_MAX, &index))
        return false;
    *ret_index = (size_t)index;
    return str_copy(name, MARKER_BYTES_MAX, space + 1);
}

/* Marker and MaxItems of the call. False: the call has failed. */
static bool read_page(struct api_call *call, size_t *ret_index, char name[MARKER_BYTES_MAX], size_t *ret_max)
{
    const char *marker = json_str(call->aws.input, "Marker");
    int64_t max = json_int(call->aws.input, "MaxItems", PAGE_ITEMS);
    *ret_max = max > PAGE_ITEMS ? PAGE_ITEMS : (size_t)max;
    *ret_index = 0;
    name[0] = '\0';
    if (marker == NULL || *marker == '\0' || marker_read(marker, ret_index, name))
        return true;
    call_fail(call, "InvalidParameterValueException", "The marker '%.64s' is none that Stoke gave out.", marker);
    return false;
}

/* Adds versions from *index on until the page is full; false when it is. *index is then the first that was left out. */
static bool add_versions(cJSON *list, size_t max, struct function_record *record, bool all, size_t *index)
{
    size_t count = all ? registry_version_count(record) : 1;
    for (; *index < count; ++*index) {
        struct function_facts facts;
        if ((size_t)cJSON_GetArraySize(list) >= max)
            return false;
        registry_describe_at(record, *index, &facts);
        cJSON_AddItemToArray(list, function_output(&facts, all, OUTPUT_LISTED));
    }
    return true;
}

void list_functions(struct api_call *call)
{
    char from[MARKER_BYTES_MAX];
    size_t index, max;
    const char *version = json_str(call->aws.input, "FunctionVersion");
    bool all = version != NULL && str_eq(version, "ALL");
    if (json_str(call->aws.input, "MasterRegion") != NULL && !all) {
        call_fail(call, "InvalidParameterValueException", "FunctionVersion must be set to ALL if MasterRegion is specified.");
        return;
    }
    if (!read_page(call, &index, from, &max))
        return;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Functions");
    struct function_record **records;
    size_t count = registry_list(call->api->options.registry, call->aws.account, call->aws.region, from, &records);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 || !str_eq(registry_record_name(records[i]), from))
            index = 0; /* the marker's own function alone begins in its middle */
        if (!add_versions(list, max, records[i], all, &index)) {
            CLEANUP(freep) char *marker = marker_make(index, registry_record_name(records[i]));
            cJSON_AddStringToObject(out, "NextMarker", marker);
            break;
        }
    }
    free(records);
    call_reply(call, out);
}

void list_versions_by_function(struct api_call *call)
{
    char from[MARKER_BYTES_MAX];
    struct function_name name;
    struct function_record *record;
    size_t index, max;
    if (!call_function(call, &name, &record) || !read_page(call, &index, from, &max))
        return;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Versions");
    if (!add_versions(list, max, record, true, &index)) {
        CLEANUP(freep) char *marker = marker_make(index, name.name);
        cJSON_AddStringToObject(out, "NextMarker", marker);
    }
    call_reply(call, out);
}
