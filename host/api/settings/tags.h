/* Tags of whatever can carry them. */
#pragma once

#include "host/api/call.h"

/* The tags of a new resource (may be NULL) are within Lambda's limits. False: the call has failed. */
bool tags_check(struct api_call *call, const cJSON *tags);
