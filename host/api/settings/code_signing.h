/* Code signing configurations, as far as others must know them. */
#pragma once

#include "host/api/call.h"
#include "host/registry/resources.h"

/* The configurations of the call's account and region. NULL: there was never one. */
struct resource_shelf *code_signing_shelf(const struct api_call *call);
/* Whether the ARN is that of a configuration on the shelf (which may be NULL). */
bool code_signing_exists(const struct api_call *call, const char *arn);
/* Ends the call: a function asked for a configuration that is not there. */
void code_signing_missing(struct api_call *call, const char *arn);

/* A configuration by its ARN, with its id: the tree is the caller's; NULL: none. */
cJSON *code_signing_get(const struct api_call *call, const char *arn, const char **ret_id);
