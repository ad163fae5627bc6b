/* Provisioned concurrency: so many initialised sandboxes of a function version, before anybody asks. Starts them a few at a time, replaces
 * those that die at once, and those that do not initialise later each time. Visits take them from the pool like any warm worker.
 * Loop thread only.
 *
 *     provision_new(&options, &provision, &err);
 *     provision_set(provision, version, 3);          // options.reached(version) once three are initialised
 *     provision_get(provision, version->key, &state);
 *
 * Source: https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html; init may take 130 seconds, or the function's
 * timeout: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct function_version;
struct loop;
struct pool;
struct provision;

struct provision_options {
    struct loop *loop; /* borrowed for life, as pool, of which this becomes the one listener for provisioned workers */
    struct pool *pool;
    int64_t init_ms_max; /* of functions whose timeout is shorter; 0: 130000 */
    int64_t retry_ms;    /* the first pause once init keeps failing, the next twice as long; 0: 1000 */
    void (*reached)(void *arg, const struct function_version *version); /* or NULL; from the loop */
    void *arg;
};

int provision_new(const struct provision_options *options, struct provision **ret_provision, struct err *err) WARN_UNUSED;
/* Before pool_free(). */
void provision_free(struct provision *provision);
/* The daemon ends: nothing new is started, and what initialises is given up. */
void provision_stop(struct provision *provision);

/* A registry_provisioned_fn: from now on so many; 0: none, and idle ones end. version is counted by provision itself. */
void provision_set(void *provision, struct function_version *version, unsigned wanted);

struct provision_state {
    unsigned wanted;
    unsigned allocated;  /* sandboxes that have begun to initialise, and */
    unsigned available;  /* those that have done so; busy ones too */
    const char *failure; /* NULL, or why it does not come to what is wanted: AWS's word for what the function does, else a sentence */
};
void provision_get(const struct provision *provision, uint64_t version_key, struct provision_state *ret_state);
