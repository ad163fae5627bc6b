/* GetFunction, GetFunctionConfiguration, ListFunctions, ListVersionsByFunction, and the FunctionConfiguration that these
 * and every change answer with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/code.h"
#include "host/api/function/function.h"
#include "host/api/handlers.h"
#include "host/api/layer/layer.h"
#include "host/api/page.h"
#include "host/registry/concurrency.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"

static void add_text(cJSON *object, const char *name, const char *text)
{
    if (text != NULL)
        cJSON_AddStringToObject(object, name, text);
}

static int hex_digit(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

void function_sha256(const char *hex, char out[SHA256_BASE64_BYTES])
{
    unsigned char digest[SHA256_BYTES];
    for (size_t i = 0; i < SHA256_BYTES; i++)
        digest[i] = (unsigned char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    digest_base64_encode(digest, sizeof(digest), out);
}

static void add_sha256(cJSON *object, const char *name, const char *hex)
{
    char text[SHA256_BASE64_BYTES];
    function_sha256(hex, text);
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

cJSON *function_output(const struct function_facts *facts, const char *qualifier, enum function_output kind)
{
    cJSON *out = NULL;
    struct err err;
    if (json_parse(facts->config, strlen(facts->config), &out, &err) < 0)
        out = cJSON_CreateObject(); /* a damaged row: its state says so */
    layer_show(out);
    cJSON_DeleteItemFromObjectCaseSensitive(out, LATEST_DESCRIPTION);
    cJSON *snap = json_get(out, "SnapStart");
    const char *apply_on = json_str(snap, "ApplyOn");
    if (apply_on != NULL && str_eq(apply_on, "PublishedVersions") && !str_eq(facts->version, "$LATEST"))
        cJSON_ReplaceItemInObjectCaseSensitive(snap, "OptimizationStatus", cJSON_CreateString("On"));
    struct function_name name = {0};
    char arn[FUNCTION_ARN_BYTES], modified[CLOCK_ISO_BYTES];
    (void)str_copy(name.account, sizeof(name.account), facts->account);
    (void)str_copy(name.region, sizeof(name.region), facts->region);
    (void)str_copy(name.name, sizeof(name.name), facts->name);
    function_name_arn(&name, qualifier, arn);
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

/* The version that FunctionName and Qualifier mean; of an alias the one it points to, whatever its weights. */
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
        call_reply(call, function_output(&facts, name.qualifier, OUTPUT_WHOLE));
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
    cJSON_AddItemToObject(out, "Configuration", function_output(&facts, name.qualifier, OUTPUT_WHOLE));
    if (facts.reserved != CONCURRENCY_UNRESERVED && *name.qualifier == '\0')
        cJSON_AddNumberToObject(cJSON_AddObjectToObject(out, "Concurrency"), "ReservedConcurrentExecutions", (double)facts.reserved);
    if (facts.tags != NULL && json_parse(facts.tags, strlen(facts.tags), &tags, &err) == 0)
        cJSON_AddItemToObject(out, "Tags", tags);
    call_reply(call, out);
}

/* ---- lists: items are versions in the order of function name and version ---- */

/* Adds versions from number *from on (0: $LATEST) until the page is full; false when it is. *from is then the first that was left out:
 * not its place, which moves when versions before it go. */
static bool add_versions(cJSON *list, const struct page *page, struct function_record *record, bool all, size_t *from)
{
    size_t count = all ? registry_version_count(record) : 1;
    for (size_t i = registry_version_from(record, *from); i < count; i++) {
        struct function_facts facts;
        int64_t number = 0;
        registry_describe_at(record, i, &facts);
        if (page_is_full(page, list)) {
            (void)str_to_i64(facts.version, 1, INT64_MAX, &number); /* which $LATEST is not */
            *from = (size_t)number;
            return false;
        }
        cJSON_AddItemToArray(list, function_output(&facts, all ? facts.version : NULL, OUTPUT_LISTED));
    }
    return true;
}

void list_functions(struct api_call *call)
{
    struct page page;
    const char *version = json_str(call->aws.input, "FunctionVersion");
    const char *master = json_str(call->aws.input, "MasterRegion");
    bool all = version != NULL && str_eq(version, "ALL");
    if (master != NULL && !all) {
        call_fail(call, "InvalidParameterValueException", "FunctionVersion must be set to ALL if MasterRegion is specified.");
        return;
    }
    if (!page_begin(call, &page))
        return;
    size_t from = page.index;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Functions");
    struct function_record **records;
    if (master != NULL && !str_eq(master, "ALL")) { /* only replicas of Lambda@Edge functions there, which nobody has here */
        call_reply(call, out);
        return;
    }
    size_t count = registry_list(call->api->options.registry, call->aws.account, call->aws.region, page.from, &records);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 || !str_eq(registry_record_name(records[i]), page.from))
            from = 0; /* the marker's own function alone begins in its middle */
        if (!add_versions(list, &page, records[i], all, &from)) {
            page_end(out, from, registry_record_name(records[i]));
            break;
        }
    }
    free(records);
    call_reply(call, out);
}

void list_versions_by_function(struct api_call *call)
{
    struct page page;
    struct function_name name;
    struct function_record *record;
    if (!call_function(call, &name, &record) || !page_begin(call, &page))
        return;
    size_t from = page.index;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, "Versions");
    if (!add_versions(list, &page, record, true, &from))
        page_end(out, from, name.name);
    call_reply(call, out);
}
