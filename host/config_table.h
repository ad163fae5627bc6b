/* The rows of the configuration table; private to host/config*.c. */
#pragma once

#include <stddef.h>

#include "host/config.h"

enum config_type { CONFIG_TEXT, CONFIG_INT, CONFIG_BOOL, CONFIG_CHOICE, CONFIG_LIST };

struct config_setting {
    const char *name;
    enum config_type type;
    size_t offset;       /* of the field in struct config: char *, int64_t or bool */
    const char *unit;    /* or NULL */
    int64_t min, max;    /* CONFIG_INT */
    const char *choices; /* CONFIG_CHOICE: "a|b", the index is the value */
    const char *default_value;
    const char *help; /* one or two sentences */
};

extern const struct config_setting config_table[];
extern const size_t config_table_count;
