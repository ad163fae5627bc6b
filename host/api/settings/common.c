/* What the operations that store something about a function share. */
#include "host/api/settings/common.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "host/api/page.h"
#include "lib/base/strutil.h"

#define LATEST "$LATEST"

/* What a call ends with once its write is on the disk. */
struct setting_answer {
    struct api_call *call;
    cJSON *output;
};

const char *target_key(const struct function_name *name)
{
    return *name->qualifier != '\0' ? name->qualifier : LATEST;
}

bool target_is_version(const char *qualifier)
{
    return str_eq(qualifier, LATEST) || (*qualifier != '\0' && strspn(qualifier, "0123456789") == strlen(qualifier));
}

bool target_exists(struct function_record *record, const char *qualifier)
{
    struct function_facts facts;
    struct err err;
    if (*qualifier == '\0' || target_is_version(qualifier))
        return registry_describe(record, qualifier, &facts, &err) == 0;
    return registry_setting(record, SETTING_ALIAS, qualifier) != NULL;
}

static bool may_be_alias(const char *qualifier)
{
    for (const char *p = qualifier; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
            return false;
    return !target_is_version(qualifier);
}

void target_missing(struct api_call *call, const struct function_name *name)
{
    char arn[FUNCTION_ARN_BYTES];
    function_name_arn(name, name->qualifier, arn);
    call_fail(call, "ResourceNotFoundException", may_be_alias(name->qualifier) ? "Cannot find alias arn: %s" : "Function not found: %s",
              arn);
}

cJSON *setting_parse(const char *text)
{
    cJSON *tree = NULL;
    struct err err;
    return text != NULL && json_parse(text, strlen(text), &tree, &err) == 0 ? tree : NULL;
}

cJSON *setting_get(const struct function_record *record, const char *kind, const char *qualifier)
{
    return setting_parse(registry_setting(record, kind, qualifier));
}

struct setting_answer *setting_answer(struct api_call *call, cJSON *output)
{
    struct setting_answer *answer = malloc(sizeof(*answer));
    if (answer == NULL)
        abort();
    *answer = (struct setting_answer){.call = call, .output = output};
    return answer;
}

void setting_answered(void *arg, const struct err *err)
{
    struct setting_answer answer = *(struct setting_answer *)arg;
    free(arg);
    if (err == NULL) {
        call_reply(answer.call, answer.output);
        return;
    }
    cJSON_Delete(answer.output);
    call_fail_err(answer.call, err);
}

void setting_put(struct api_call *call, struct function_record *record, const char *kind, const char *qualifier, const cJSON *value,
                 cJSON *output)
{
    CLEANUP(freep) char *text = value != NULL ? json_print(value) : NULL;
    const struct setting_change change = {kind, qualifier, text};
    registry_settings_write(record, &change, 1, setting_answered, setting_answer(call, output));
}

void setting_list(struct api_call *call, const struct setting_list *what)
{
    struct function_name name;
    struct function_record *record;
    struct setting_view *views;
    struct page page;
    struct err err;
    if (!call_function_name(call, &name))
        return;
    if (registry_find(call->api->options.registry, &name, &record, &err) < 0) {
        call_fail(call, "ResourceNotFoundException", "%s", what->missing);
        return;
    }
    if (!page_begin(call, &page))
        return;
    cJSON *out = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(out, what->member);
    size_t count = registry_settings(record, what->kind, &views);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(views[i].qualifier, page.from) < 0)
            continue;
        if (page_is_full(&page, list)) {
            page_end(out, 0, views[i].qualifier);
            break;
        }
        CLEANUP(json_freep) cJSON *value = setting_parse(views[i].value);
        cJSON_AddItemToArray(list, what->output(call, &name, views[i].qualifier, value));
    }
    free(views);
    call_reply(call, out);
}
