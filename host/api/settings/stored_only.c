/* What Stoke stores as AWS does and does not act on yet. */
#include "host/api/settings/stored_only.h"

#include <stdlib.h>

#include "host/api/settings/common.h"
#include "host/registry/settings.h"
#include "lib/base/strutil.h"

static const struct {
    const char *name;
    const char *kind;                     /* a kind of setting, or: */
    bool mappings;                        /* an event source mapping, or: */
    const char *parent, *member, *unless; /* a member of the configuration with another value than this */
} stored_only[] = {
    {.name = "resource policies", .kind = SETTING_POLICY},
    {.name = "event invoke configurations", .kind = SETTING_EVENT_INVOKE},
    {.name = "function URLs", .kind = SETTING_URL},
    {.name = "runtime management", .kind = SETTING_RUNTIME_MANAGEMENT},
    {.name = "recursion configuration", .kind = SETTING_RECURSION},
    {.name = "code signing", .kind = SETTING_CODE_SIGNING},
    {.name = "event source mappings", .mappings = true},
    {.name = "TracingConfig", .parent = "TracingConfig", .member = "Mode", .unless = "PassThrough"},
    {.name = "DeadLetterConfig", .parent = "DeadLetterConfig", .member = "TargetArn", .unless = ""},
    {.name = "SnapStart", .parent = "SnapStart", .member = "ApplyOn", .unless = "None"},
};

cJSON *stored_only_all(void)
{
    cJSON *names = cJSON_CreateArray();
    for (size_t i = 0; i < ARRAY_LEN(stored_only); i++)
        cJSON_AddItemToArray(names, cJSON_CreateString(stored_only[i].name));
    return names;
}

static bool has_setting(const struct function_record *record, const char *kind)
{
    struct setting_view *views;
    size_t count = registry_settings(record, kind, &views);
    free(views);
    return count > 0;
}

cJSON *stored_only_of(const struct function_record *record, const char *config, bool mapped)
{
    CLEANUP(json_freep) cJSON *tree = setting_parse(config);
    cJSON *names = NULL;
    for (size_t i = 0; i < ARRAY_LEN(stored_only); i++) {
        bool has = mapped;
        if (stored_only[i].kind != NULL) {
            has = has_setting(record, stored_only[i].kind);
        } else if (!stored_only[i].mappings) {
            const char *value = json_str(json_get(tree, stored_only[i].parent), stored_only[i].member);
            has = value != NULL && !str_eq(value, stored_only[i].unless);
        }
        if (!has)
            continue;
        if (names == NULL)
            names = cJSON_CreateArray();
        cJSON_AddItemToArray(names, cJSON_CreateString(stored_only[i].name));
    }
    return names;
}
