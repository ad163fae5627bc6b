/* What is set about a function beside its versions: aliases, concurrency, policies, where failed events go ... Small JSON documents,
 * each under a kind and a qualifier (the alias or version that it is about, or ""). Committed like versions: done runs on the loop
 * after the commit. Loop thread only.
 *
 *     if (registry_settings_wait(record, again, call))            // somebody writes: again(call) runs when it is done
 *         return;
 *     registry_settings_write(record, &(struct setting_change){SETTING_ALIAS, "live", text}, 1, written, call);
 *
 * One write at a time per function, so that whoever checks and then writes sees what everybody else acknowledged.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct function_record;
struct registry;

/* The kinds, as stored. */
#define SETTING_ALIAS "alias"                           /* qualifier: its name */
#define SETTING_CONCURRENCY "concurrency"               /* reserved; no qualifier */
#define SETTING_PROVISIONED "provisioned"               /* qualifier: an alias or a version */
#define SETTING_POLICY "policy"                         /* qualifier: "", an alias or a version */
#define SETTING_EVENT_INVOKE "event-invoke"             /* qualifier: "$LATEST", an alias or a version */
#define SETTING_URL "url"                               /* qualifier: "" or an alias */
#define SETTING_RUNTIME_MANAGEMENT "runtime-management" /* qualifier: "$LATEST" or a version */
#define SETTING_RECURSION "recursion"
#define SETTING_CODE_SIGNING "code-signing"

struct setting_change {
    const char *kind; /* NULL, with no value: everything about the qualifier */
    const char *qualifier;
    const char *value; /* JSON text; NULL: gone */
};

/* Runs once on the loop, never when the registry is closed before; err is NULL after the commit. */
typedef void registry_written_fn(void *arg, const struct err *err);

/* The document, borrowed until the next write; NULL: none. */
const char *registry_setting(const struct function_record *record, const char *kind, const char *qualifier);

struct setting_view {
    const char *qualifier, *value; /* borrowed */
};
/* All of a kind, by qualifier. The caller frees *ret_views. */
size_t registry_settings(const struct function_record *record, const char *kind, struct setting_view **ret_views);

/* True while the function is being written: fn(arg) then runs once, when it is not, or when the function is gone. */
bool registry_settings_wait(struct function_record *record, void (*fn)(void *arg), void *arg);
/* All changes or none; borrowed for the call. Not while another write is under way. */
void registry_settings_write(struct function_record *record, const struct setting_change *changes, size_t count, registry_written_fn *done,
                             void *arg);
/* The same, and the version's RevisionId changes in the same commit. version: 0 for $LATEST. */
void registry_settings_revise(struct function_record *record, uint64_t version, const struct setting_change *changes, size_t count,
                              registry_written_fn *done, void *arg);
/* Tags of the function: an object of strings as JSON text, or NULL. The same rules; the RevisionId of $LATEST changes. */
void registry_tags_write(struct function_record *record, const char *tags, registry_written_fn *done, void *arg);
