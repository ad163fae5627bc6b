/* What an account has in a region beside its functions: code signing configurations, event source mappings. Small JSON documents, each
 * under a kind and an id. Committed like settings: done runs on the loop after the commit. Loop thread only.
 *
 *     struct resource_shelf *shelf = resource_shelf(registry, account, region, RESOURCE_CODE_SIGNING);
 *     if (resource_wait(shelf, again, call))               // somebody writes: again(call) runs when it is done
 *         return;
 *     resource_write(shelf, id, text, written, call);
 *
 * One write at a time per shelf, so that whoever checks and then writes sees what everybody else acknowledged.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/json/json.h"

struct registry;
struct resource_shelf; /* the resources of a kind of an account and region; as long as the registry */

/* The kinds, as stored. */
#define RESOURCE_CODE_SIGNING "code-signing-config"  /* id: "csc-..." */
#define RESOURCE_EVENT_SOURCE "event-source-mapping" /* id: its UUID */

#define RESOURCE_ID_MAX 64

/* For writing: made on first use. */
struct resource_shelf *resource_shelf(struct registry *registry, const char *account, const char *region, const char *kind);
/* NULL: there was never anything, as empty as any to the readers below. */
struct resource_shelf *resource_shelf_find(struct registry *registry, const char *account, const char *region, const char *kind);

/* The document, borrowed until the next write; NULL: none. */
const char *resource_get(const struct resource_shelf *shelf, const char *id);

struct resource_view {
    const char *id, *value; /* borrowed */
    struct resource *resource;
};
/* All of a shelf, by id. The caller frees *ret_views. */
size_t resource_list(const struct resource_shelf *shelf, struct resource_view **ret_views);
/* The value as a tree, borrowed until the next write; parsed once, however often it is asked for: whoever looks through thousands keeps
 * everybody else waiting. NULL: what is stored is no JSON. */
const cJSON *resource_json(const struct resource_view *view);

/* True while the shelf is being written or held: fn(arg) then runs once, when it is not. */
bool resource_wait(struct resource_shelf *shelf, void (*fn)(void *arg), void *arg);
/* Keeps others from writing, for a write elsewhere that depends on what is on the shelf. Not while it is written or held. */
void resource_hold(struct resource_shelf *shelf);
void resource_release(struct resource_shelf *shelf);

/* err is NULL after the commit. */
typedef void resource_written_fn(void *arg, const struct err *err);
/* value: JSON text, or NULL: gone; borrowed for the call. Not while another write is under way or the shelf is held. */
void resource_write(struct resource_shelf *shelf, const char *id, const char *value, resource_written_fn *done, void *arg);
