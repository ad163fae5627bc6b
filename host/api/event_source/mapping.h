/* Event source mappings, as far as others must know them. */
#pragma once

#include "host/api/call.h"
#include "host/registry/resources.h"

/* The mappings of the call's account and region. NULL: there was never one. */
struct resource_shelf *mapping_shelf(const struct api_call *call);
/* Which of the functions of an account and region have mappings: ret_mapped[i] is about names[i]. names: sorted, each once. Looks at every
 * mapping once, however many there are (mapped.c). */
void mapping_find_functions(struct registry *registry, const char *account, const char *region, const char *const *names, size_t count,
                            bool *ret_mapped);
