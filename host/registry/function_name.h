/* How callers name a function: by name, partial ARN or full ARN, with a qualifier inside or beside it. Pure; any thread.
 *
 *     function_name_parse("arn:aws:lambda:us-east-1:1...:function:hello:7", NULL, account, region, &name, &err);
 *     ... name.name is "hello", name.qualifier "7"
 *
 * Source: the FunctionName and NamespacedFunctionName patterns of Lambda's service model; the messages are AWS's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define FUNCTION_NAME_MAX 256 /* NamespacedFunctionName's bound; a new function's name has at most 64 */
#define FUNCTION_QUALIFIER_MAX 128
#define FUNCTION_ARN_BYTES 512

struct function_name {
    char account[13], region[32];
    char name[FUNCTION_NAME_MAX + 1];
    char qualifier[FUNCTION_QUALIFIER_MAX + 1]; /* empty: none was given */
};

/* account and region are the caller's; qualifier may be NULL. ERR_INVALID: not a name, or two qualifiers that differ;
 * ERR_NOT_FOUND: an ARN of another region; ERR_DENIED: an ARN of another account. */
int function_name_parse(const char *identifier, const char *qualifier, const char *account, const char *region,
                        struct function_name *ret_name, struct err *err) WARN_UNUSED;

/* The number of a published version as it is written everywhere, without zeros before it: versions are also compared and stored as
 * text, so that "007" must be no other way to say "7". False, ret_number untouched: the qualifier is none. */
bool function_name_version(const char *qualifier, uint64_t *ret_number);

/* The ARN into out (FUNCTION_ARN_BYTES); a NULL or empty qualifier is left out. */
void function_name_arn(const struct function_name *name, const char *qualifier, char *out);
