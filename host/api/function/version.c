/* PublishVersion. */
#include <stdlib.h>

#include "host/api/call.h"
#include "host/api/function/function.h"
#include "host/api/handlers.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

static void published(void *arg, struct function_record *record, const struct err *err)
{
    struct api_call *call = arg;
    struct function_facts facts;
    if (err != NULL) {
        call_fail_err(call, err);
        return;
    }
    registry_describe_at(record, registry_version_count(record) - 1, &facts);
    log_info("function.published", "account=%s region=%s function=%s version=%s request_id=%s", facts.account, facts.region, facts.name,
             facts.version, call->aws.request_id);
    call_reply(call, function_output(&facts, facts.version, OUTPUT_WHOLE));
}

/* Somebody else may have deployed since the caller looked. */
static bool check_code(struct api_call *call, const struct function_facts *latest)
{
    const char *wanted = json_str(call->aws.input, "CodeSha256");
    char current[SHA256_BASE64_BYTES];
    if (wanted == NULL || *wanted == '\0')
        return true;
    function_sha256(latest->code_sha256, current);
    if (str_eq(wanted, current))
        return true;
    call_fail(call, "InvalidParameterValueException",
              "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.",
              wanted, current);
    return false;
}

void publish_version(struct api_call *call)
{
    struct function_name name;
    struct function_record *record;
    struct function_facts latest;
    struct err err;
    if (!call_latest_name(call, &name) || !call_function(call, &name, &record) || !function_config_refuse(call, call->aws.input))
        return;
    if (json_get(call->aws.input, "RevisionId") != NULL && call_waits(call, record, publish_version))
        return; /* which may be about to change it */
    if (registry_describe(record, NULL, &latest, &err) < 0) {
        call_fail_err(call, &err);
        return;
    }
    if (!call_check_revision(call, latest.revision_id, "GetFunction/GetAlias") || !check_code(call, &latest))
        return;
    int r = registry_publish(record, json_str(call->aws.input, "Description"), published, call, &err);
    if (r < 0)
        call_fail_err(call, &err);
    else if (r == 1) /* nothing changed: the newest version is the answer */
        published(call, record, NULL);
}
