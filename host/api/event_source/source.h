/* The kinds of event sources that Lambda polls: what each may be told, what it is told by default. Pure; any thread.
 *
 *     const struct source_kind *kind = source_kind_of(input);                      // NULL: none that Lambda knows
 *     if (source_check(kind, input, false, message) < 0) ...                       // AWS's words in message
 *     source_fill(kind, mapping, uuid);                                            // defaults of a new mapping
 *
 * Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html, which says per member for which sources it
 * is, and recorded answers.
 */
#pragma once

#include "lib/json/json.h"

#define SOURCE_MESSAGE_BYTES 512

struct source_kind;

/* By EventSourceArn, else by SelfManagedEventSource. */
const struct source_kind *source_kind_of(const cJSON *input);
/* The members of a new mapping, or of a change (updates), against the kind. Negative, with AWS's words. */
int source_check(const struct source_kind *kind, const cJSON *input, bool updates, char message[SOURCE_MESSAGE_BYTES]);
/* The members that depend on each other: of the mapping as it would be. Negative, with AWS's words. */
int source_check_whole(const struct source_kind *kind, const cJSON *mapping, char message[SOURCE_MESSAGE_BYTES]);
/* Adds what AWS's answer always has to what the client gave. uuid: the mapping's, also the name of its consumer group. */
void source_fill(const struct source_kind *kind, cJSON *mapping, const char *uuid);
/* Why a mapping is in its state, when somebody asked for it. */
const char *source_reason(const struct source_kind *kind);
/* AWS words a second mapping of the same source and function by kind. */
void source_duplicate(const struct source_kind *kind, const char *arn, const char *function, const char *uuid,
                      char message[SOURCE_MESSAGE_BYTES]);
