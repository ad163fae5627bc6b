/* The one place where kinds of errors become AWS's. Handlers that know a more exact error name it themselves. */
#include "host/api/call.h"

#include "lib/aws/arn.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

/* HTTP statuses of codes that no model lists; 0, the model's, for all others. */
int errors_status(const char *code)
{
    static const struct {
        const char *code;
        int status;
    } statuses[] = {
        {"NotImplemented", 501},
        {"AccessDeniedException", 403},
        {"RequestEntityTooLargeException", 413},
        {"ServiceException", 500},
    };
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (str_eq(statuses[i].code, code))
            return statuses[i].status;
    return 0;
}

static const char *code_of(enum err_kind kind)
{
    switch (kind) {
    case ERR_INVALID:
    case ERR_TOO_LARGE:
        return "InvalidParameterValueException";
    case ERR_NOT_FOUND:
        return "ResourceNotFoundException";
    case ERR_EXISTS:
    case ERR_CONFLICT:
        return "ResourceConflictException";
    case ERR_LIMIT:
        return "TooManyRequestsException";
    case ERR_DENIED:
        return "AccessDeniedException";
    case ERR_UNSUPPORTED:
        return "NotImplemented";
    case ERR_NONE:
    case ERR_TIMEOUT:
    case ERR_UNAVAILABLE:
    case ERR_IO:
    case ERR_NO_SPACE:
    case ERR_NO_MEMORY:
    case ERR_CORRUPT:
    case ERR_INTERNAL:
        break;
    }
    return "ServiceException";
}

void call_fail_err(struct api_call *call, const struct err *err)
{
    const char *code = code_of(err->kind);
    if (errors_status(code) == 500)
        log_error("api.failed", "operation=%s request_id=%s kind=%s error=\"%s\"", call->aws.op_name != NULL ? call->aws.op_name : "-",
                  call->aws.request_id, err_kind_name(err->kind), err->msg);
    call_fail(call, code, "%s", err->msg);
}

void call_fail_denied(struct api_call *call, const char *action, const char *arn)
{
    CLEANUP(freep) char *caller = call_caller_arn(call);
    call_fail(call, "AccessDeniedException",
              "User: %s is not authorized to perform: lambda:%s on resource: %s because no resource-based policy allows the lambda:%s "
              "action",
              caller, action, arn, action);
}

void call_fail_name(struct api_call *call, const char *identifier, const char *qualifier, const struct err *err)
{
    struct arn_function named;
    struct err none;
    char arn[ARN_FUNCTION_BYTES];
    if (err->kind != ERR_DENIED || arn_function_parse(identifier, &named, &none) < 0) {
        call_fail_err(call, err);
        return;
    }
    if (*named.qualifier == '\0' && qualifier != NULL)
        (void)str_copy(named.qualifier, sizeof(named.qualifier), qualifier);
    arn_function_format(call->aws.region, named.account, named.name, named.qualifier, arn);
    bool invokes = str_starts(call->aws.op_name, "Invoke"); /* one permission for all of them */
    call_fail_denied(call, invokes ? "InvokeFunction" : call->aws.op_name, arn);
}

void call_fail_unsupported(struct api_call *call, const char *what, const char *missing)
{
    call_fail(call, "NotImplemented", "%s is not implemented in Stoke: %s.", what, missing);
}
