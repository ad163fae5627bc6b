/* What Stoke stores as AWS does and does not act on yet, in one table: health, GET /_stoke/functions and `stoke list` tell people.
 * Loop thread only. */
#pragma once

#include "host/registry/functions.h"
#include "lib/json/json.h"

/* All such settings by name, an array of strings. */
cJSON *stored_only_all(void);
/* Those that a function has; NULL: none. config: that of its $LATEST, as JSON text; mapped: an event source mapping names it. */
cJSON *stored_only_of(const struct function_record *record, const char *config, bool mapped);
