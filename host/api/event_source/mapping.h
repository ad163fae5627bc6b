/* Event source mappings, as far as others must know them. */
#pragma once

#include "host/api/call.h"
#include "host/registry/resources.h"

/* The mappings of the call's account and region. NULL: there was never one. */
struct resource_shelf *mapping_shelf(const struct api_call *call);
/* The names of the functions that have mappings, as the members of an object of the caller's. */
cJSON *mapping_functions(struct registry *registry, const char *account, const char *region);
