/* What the operations that store something about a function share: does its target exist, and the end of a write. Loop thread only.
 *
 *     if (!call_function_to_write(call, put_thing, &name, &record)) return;
 *     if (!target_exists(record, name.qualifier)) { target_missing(call, &name); return; }
 *     setting_put(call, record, SETTING_THING, name.qualifier, thing, output);
 */
#pragma once

#include "host/api/call.h"

/* Whether a function has that version or alias; "" and "$LATEST" always are. */
bool target_exists(struct function_record *record, const char *qualifier);
/* Ends the call: AWS's words for a version or alias that is not there. */
void target_missing(struct api_call *call, const struct function_name *name);
/* Under which qualifier a setting is kept that belongs to $LATEST where none is given. */
const char *target_key(const struct function_name *name);
/* A version's number or "$LATEST"; false for aliases. */
bool target_is_version(const char *qualifier);

/* Text that the registry holds, as a tree of the caller's; NULL if text is. */
cJSON *setting_parse(const char *text);
cJSON *setting_get(const struct function_record *record, const char *kind, const char *qualifier);

/* Writes (value is borrowed; NULL: gone); the call ends with output (taken; NULL: none) after the commit. The function is not being
 * written, as call_function_to_write() saw to. */
void setting_put(struct api_call *call, struct function_record *record, const char *kind, const char *qualifier, const cJSON *value,
                 cJSON *output);
/* For writes of another kind: the done of a write and its arg. output is taken. */
struct setting_answer;
struct setting_answer *setting_answer(struct api_call *call, cJSON *output);
void setting_answered(void *answer, const struct err *err);

/* A page of what all qualifiers of a function have of one kind; in the order of the qualifiers. */
struct setting_list {
    const char *kind, *member; /* SETTING_...; of the answer, the list */
    const char *missing;       /* AWS's words where there is no such function */
    cJSON *(*output)(const struct api_call *call, const struct function_name *name, const char *qualifier, const cJSON *value);
};
void setting_list(struct api_call *call, const struct setting_list *what);
