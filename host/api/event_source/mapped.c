/* Which functions have event source mappings. */
#include <stdlib.h>
#include <string.h>

#include "host/api/event_source/mapping.h"
#include "lib/aws/arn.h"

static int by_name(const void *name, const void *element)
{
    return strcmp(name, *(const char *const *)element);
}

void mapping_find_functions(struct registry *registry, const char *account, const char *region, const char *const *names, size_t count,
                            bool *ret_mapped)
{
    struct resource_view *views;
    size_t mappings = resource_list(resource_shelf_find(registry, account, region, RESOURCE_EVENT_SOURCE), &views);
    memset(ret_mapped, 0, count * sizeof(*ret_mapped));
    for (size_t i = 0; i < mappings; i++) {
        const char *arn = json_str(resource_json(&views[i]), "FunctionArn");
        struct arn_function function;
        struct err err;
        if (arn == NULL || arn_function_parse(arn, &function, &err) < 0)
            continue;
        const char *const *found = bsearch(function.name, names, count, sizeof(*names), by_name);
        if (found != NULL)
            ret_mapped[found - names] = true;
    }
    free(views);
}
