/* Which layer a call means, and who may. Everybody may do everything with the layers of the own account; of others, only what a
 * layer version's policy allows: to get it. */
#include <string.h>

#include "host/api/layer/layer.h"
#include "lib/base/strutil.h"

void layer_refuse(struct api_call *call, const char *action, const struct layer_name *name, uint64_t number)
{
    char arn[LAYER_ARN_BYTES];
    layer_name_arn(name, number, arn);
    call_fail_denied(call, action, arn);
}

bool layer_of_call(struct api_call *call, struct layer_name *ret_name)
{
    const char *text = json_str(call->aws.input, "LayerName");
    struct err err;
    if (layer_name_parse(text != NULL ? text : "", call->aws.account, call->aws.region, ret_name, &err) < 0) {
        call_fail_err(call, &err);
        return false;
    }
    if (!str_eq(ret_name->region, call->aws.region)) {
        call_fail(call, "InvalidParameterValueException", "Layers from '%s' are not reachable in this region ('%s')", ret_name->region,
                  call->aws.region);
        return false;
    }
    if (str_eq(ret_name->account, call->aws.account))
        return true;
    layer_refuse(call, call->aws.op_name, ret_name, layer_number_of_call(call));
    return false;
}

uint64_t layer_number_of_call(const struct api_call *call)
{
    int64_t number = json_int(call->aws.input, "VersionNumber", 0);
    return number > 0 ? (uint64_t)number : 0;
}

bool layer_waits(struct api_call *call, const struct layer_name *name, api_handler_fn *handler)
{
    call->again = handler;
    return layers_wait(call->api->options.registry, name, call_run_again, call);
}

/* Who belongs to an organization nobody here knows, so that a condition on it is never met. */
bool layer_policy_allows(const char *policy, const char *account)
{
    CLEANUP(json_freep) cJSON *tree = NULL;
    struct err err;
    const cJSON *statement;
    if (policy == NULL || json_parse(policy, strlen(policy), &tree, &err) < 0)
        return false;
    cJSON_ArrayForEach(statement, json_get(tree, "Statement")) {
        const char *everybody = json_str(statement, "Principal"), *arn = json_str(json_get(statement, "Principal"), "AWS");
        if (json_get(statement, "Condition") != NULL)
            continue;
        if (everybody != NULL)
            return true;
        CLEANUP(freep) char *root = str_format(":iam::%s:root", account);
        if (arn != NULL && str_ends(arn, root))
            return true;
    }
    return false;
}
