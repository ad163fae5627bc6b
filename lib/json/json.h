/* JSON trees, the only user of cJSON: other modules include this header and use the cJSON_* functions it brings, but
 * parse through json_parse(), which adds the rules cJSON lacks. Any thread; a tree has one owner.
 *
 *     CLEANUP(json_freep) cJSON *doc = NULL;
 *     if (json_parse(text, len, &doc, &err) < 0) ...
 *     const char *name = json_str(doc, "Name");      // NULL if absent or no string
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

#define JSON_DEPTH_MAX 64

/* Parses exactly one value (white space around it allowed) into an owned tree. ERR_INVALID, with the offset in the
 * message, for anything else, for invalid UTF-8, for the escape \u0000 or a NUL byte, for nesting beyond JSON_DEPTH_MAX
 * and for a key that an object has twice (exactly: case counts). */
int json_parse(const char *text, size_t len, cJSON **ret_tree, struct err *err) WARN_UNUSED;

/* Compact text, malloc'd, NUL-terminated; the caller frees. Aborts when memory runs out. */
char *json_print(const cJSON *tree);

/* Members of an object by exact name; NULL (or fallback) when absent, JSON null or of another type. Borrowed. */
cJSON *json_get(const cJSON *object, const char *name);
const char *json_str(const cJSON *object, const char *name);
int64_t json_int(const cJSON *object, const char *name, int64_t fallback);
bool json_bool(const cJSON *object, const char *name, bool fallback);

/* Replaces or adds a member; value is taken. */
void json_set(cJSON *object, const char *name, cJSON *value);

/* Deletes *tree; for CLEANUP. */
void json_freep(cJSON **tree);
