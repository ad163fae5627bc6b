/* Names of Lambda functions as clients write them, and ARNs as Lambda writes them
 * (https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html, "Name formats"). No state, any thread.
 *
 *     struct arn_function fn;
 *     if (arn_function_parse("123456789012:function:hello:prod", &fn, &err) < 0) ...
 *     arn_function_format("us-east-1", "123456789012", fn.name, fn.qualifier, out);
 */
#pragma once

#include "lib/base/err.h"

#define ARN_NAME_BYTES 257      /* the longest the models let through, and a NUL; a new function's name has at most 64 */
#define ARN_QUALIFIER_BYTES 129 /* alias or version */
#define ARN_FUNCTION_BYTES 512  /* of a whole ARN */

struct arn_function { /* what the text did not say is "" */
    char region[32];
    char account[13];
    char name[ARN_NAME_BYTES];
    char qualifier[ARN_QUALIFIER_BYTES];
};

/* Takes name, name:qualifier, function:name, account:name, account:function:name and
 * arn:aws:lambda:region:account: function:name, each with or without :qualifier. ERR_INVALID for anything
 * else. */
int arn_function_parse(const char *text, struct arn_function *ret, struct err *err) WARN_UNUSED;

/* "arn:aws:lambda:us-east-1:123456789012:function:hello:prod"; without the last part if qualifier is NULL or
 * "". */
void arn_function_format(const char *region, const char *account, const char *name, const char *qualifier, char out[ARN_FUNCTION_BYTES]);

/* The partition a region is in: "aws", "aws-cn", "aws-us-gov". Static. */
const char *arn_partition(const char *region);
