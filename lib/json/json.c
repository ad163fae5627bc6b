/* JSON trees: cJSON plus the checks a control plane wants (depth, duplicates, NUL, UTF-8, trailing text). */
#include "lib/json/json.h"

#include <string.h>

#include "lib/base/strutil.h"

/* cJSON refuses nesting beyond its own limit of 1000, so the recursions below are bounded too; ours is stricter. */
static int check_depth(const char *text, size_t len, struct err *err)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\0')
            return err_set(err, ERR_INVALID, "a NUL byte at offset %zu", i);
        if (in_string) {
            if (c == '\\') {
                if (len - i > 5 && memcmp(text + i, "\\u0000", 6) == 0)
                    return err_set(err, ERR_INVALID, "the escape \\u0000 at offset %zu", i);
                i++;
            } else if (c == '"')
                in_string = false;
        } else if (c == '"')
            in_string = true;
        else if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
            return err_set(err, ERR_INVALID, "nesting deeper than %d at offset %zu", JSON_DEPTH_MAX, i);
        else if (c == '}' || c == ']')
            depth--;
    }
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_duplicates(const cJSON *tree, struct err *err)
{
    int count = 0;
    for (const cJSON *c = tree->child; c; c = c->next) {
        int rc = c->child ? check_duplicates(c, err) : 0;
        if (rc < 0)
            return rc;
        count++;
    }
    if (!cJSON_IsObject(tree) || count < 2)
        return 0;
    CLEANUP(freep) const char **keys = malloc((size_t)count * sizeof *keys);
    if (!keys)
        return err_set(err, ERR_NO_MEMORY, "no memory to check an object of %d members", count);
    int n = 0;
    for (const cJSON *c = tree->child; c; c = c->next)
        keys[n++] = c->string;
    qsort(keys, (size_t)n, sizeof *keys, compare_keys);
    for (int i = 1; i < n; i++)
        if (str_eq(keys[i - 1], keys[i]))
            return err_set(err, ERR_INVALID, "the key \"%.64s\" appears twice in one object", keys[i]);
    return 0;
}

int json_parse(const char *text, size_t len, cJSON **ret_tree, struct err *err)
{
    int rc = check_depth(text, len, err);
    if (rc < 0)
        return rc;
    if (!str_is_utf8(text, len))
        return err_set(err, ERR_INVALID, "text that is not UTF-8");
    const char *end = NULL;
    CLEANUP(json_freep) cJSON *tree = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    if (!tree)
        return err_set(err, ERR_INVALID, "no JSON at offset %zu", end ? (size_t)(end - text) : (size_t)0);
    for (; end < text + len; end++)
        if (*end != ' ' && *end != '\t' && *end != '\r' && *end != '\n')
            return err_set(err, ERR_INVALID, "text after the JSON value at offset %zu", (size_t)(end - text));
    rc = check_duplicates(tree, err);
    if (rc < 0)
        return rc;
    *ret_tree = STEAL(tree);
    return 0;
}

char *json_print(const cJSON *tree)
{
    char *text = cJSON_PrintUnformatted(tree);
    if (!text)
        abort();
    return text;
}

cJSON *json_get(const cJSON *object, const char *name)
{
    cJSON *item = object ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
    return item && !cJSON_IsNull(item) ? item : NULL;
}

const char *json_str(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(json_get(object, name));
}

int64_t json_int(const cJSON *object, const char *name, int64_t fallback)
{
    cJSON *item = json_get(object, name);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : fallback;
}

bool json_bool(const cJSON *object, const char *name, bool fallback)
{
    cJSON *item = json_get(object, name);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

void json_set(cJSON *object, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    cJSON_AddItemToObject(object, name, value);
}

void json_freep(cJSON **tree)
{
    cJSON_Delete(*tree);
    *tree = NULL;
}
