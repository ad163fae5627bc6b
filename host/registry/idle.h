/* Versions that nobody invokes. After functions.inactive_after without an invocation a version is Inactive: its workers are retired.
 * The next invocation of it fails, sets it Pending, and it comes back to Active by itself, as on AWS
 * (https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html). Private to host/registry. Loop thread only.
 *
 *     row_due passes        invocation, or provisioned     written
 *   AWAKE -------------> INACTIVE ----------------> WAKING -------> AWAKE
 *                           ^                         | write failed
 *                           +-------------------------+
 *
 * Inactive is on disk and survives the daemon; how long the others have been idle is counted while it runs, from its start on. What
 * is changed has a new row, which is AWAKE.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct function_facts;
struct function_record;
struct registry;
struct version_row;

enum row_rest { ROW_AWAKE, ROW_INACTIVE, ROW_WAKING, ROW_RESTS };

/* after_s: 0: never, and what a former run left Inactive is Active. Before the rows are loaded. */
void registry_idle_init(struct registry *registry, int64_t after_s);
/* Starts counting. */
void registry_idle_start(struct registry *registry);
void registry_idle_stop(struct registry *registry);

/* Of a row that was stored as Inactive, or not. */
void row_load_rest(const struct registry *registry, struct version_row *row, bool inactive);
/* Brings it back, if it is Inactive. */
void row_wake(struct function_record *record, struct version_row *row);
/* State and reasons of one that rests and could run; leaves those of others alone. */
void row_describe_rest(const struct version_row *row, struct function_facts *facts);
