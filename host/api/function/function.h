/* What the operations on functions share: configurations from and to AWS's form. */
#pragma once

#include "host/api/call.h"

/* ---- config.c: what a client may set ---- */
/* A new function's configuration from CreateFunction's input: defaults filled in. NULL: the call has failed. Owned. */
cJSON *function_config_new(struct api_call *call, const struct function_name *name);
/* The configuration after UpdateFunctionConfiguration's input (old: JSON text). NULL: the call has failed. Owned. */
cJSON *function_config_changed(struct api_call *call, const char *old, const struct function_name *name);
/* Refuses members of input that are known and not available here; where: "" or "Code.". False: the call has failed. */
bool function_config_refuse(struct api_call *call, const cJSON *input);

/* ---- read.c: what AWS answers ---- */
enum function_output { OUTPUT_WHOLE, OUTPUT_LISTED };
/* qualifier: what the ARN ends in, a version or an alias; NULL or empty: the function's own. */
cJSON *function_output(const struct function_facts *facts, const char *qualifier, enum function_output kind);
/* Lambda's form of a digest. */
void function_sha256(const char *hex, char out[SHA256_BASE64_BYTES]);

/* ---- alias.c ---- */
/* The names of the aliases that route to a version, ", " between them; malloc'd; NULL: none. */
char *alias_users(struct function_record *record, const char *version);
