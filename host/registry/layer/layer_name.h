/* How callers name a layer: by its name or ARN, perhaps with a version inside. Pure; any thread.
 *
 *     layer_name_parse("arn:aws:lambda:us-east-1:1...:layer:deps:7", NULL, NULL, &name, &err);
 *     ... name.name is "deps", name.number 7
 *
 * Source: the LayerName and LayerVersionArn patterns of Lambda's service model.
 */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"

#define LAYER_NAME_MAX 140
#define LAYER_ARN_BYTES 400

struct layer_name {
    char account[13], region[32];
    char name[LAYER_NAME_MAX + 1];
    uint64_t number; /* of the version; 0: none was given */
};

/* account and region complete a plain name; an ARN has its own, whatever they are. ERR_INVALID: neither. */
int layer_name_parse(const char *text, const char *account, const char *region, struct layer_name *ret_name, struct err *err) WARN_UNUSED;

/* The ARN of a version, or with number 0 of the layer, into out (LAYER_ARN_BYTES). */
void layer_name_arn(const struct layer_name *name, uint64_t number, char *out);
