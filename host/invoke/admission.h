/* How many invocations may run at once. A version has what is provisioned for it. A function with reserved concurrency has that many
 * and no more, of which its other versions share what is not provisioned; all other functions share what their account and region have
 * left. An invocation counts until its sandbox is given back, which may be long after its answer (an extension, or a runtime that does
 * not ask for the next event). Yet who calls again right after an answer is not refused: where only sandboxes that have answered fill
 * the limit, an invocation is admitted and held, until it gets one of those or there is room for another. Loop thread only.
 *
 *     admission_on_room(admission, on_room, arg);
 *     if (admission_enter(admission, version, &place, &reason))    // ADMISSION_RUNNING, or ADMISSION_HELD until on_room
 *         ... admission_run(&place);                               // it has got a sandbox, that of another which then leaves
 *         ... admission_answered(&place); ... admission_leave(&place);
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "host/registry/concurrency.h"

struct admission;
struct admission_slot;
struct function_version;

enum admission_standing {
    ADMISSION_OUT,
    ADMISSION_HELD,     /* may only take a sandbox that another gives back */
    ADMISSION_RUNNING,  /* may have any */
    ADMISSION_SETTLING, /* answered; its sandbox still runs */
};

/* What one invocation occupies; embedded in its owner, all zero before. */
struct admission_place {
    struct admission_slot *slot; /* NULL: nothing */
    const struct function_version *version;
    enum admission_standing standing;
    const char *reason; /* static: AWS's of the limit for which it was held; or NULL */
    TAILQ_ENTRY(admission_place) link;
};

/* There is room for one that was held, which is ADMISSION_RUNNING now. From inside any call but admission_enter(): no calls back. */
typedef void admission_room_fn(void *arg, struct admission_place *place);

/* concurrency: NULL: nothing is reserved. NULL: no memory. */
struct admission *admission_new(unsigned account_concurrency, concurrency_fn *concurrency, void *concurrency_arg);
void admission_free(struct admission *admission); /* all places have been left */
/* Before the first is admitted. */
void admission_on_room(struct admission *admission, admission_room_fn *on_room, void *arg);
/* False with AWS's reason (static) when a limit is reached. version is borrowed until the place is left. */
bool admission_enter(struct admission *admission, const struct function_version *version, struct admission_place *place,
                     const char **ret_reason);
/* Of these each does nothing for a place that stands elsewhere. */
void admission_run(struct admission_place *place);      /* HELD -> RUNNING */
void admission_answered(struct admission_place *place); /* RUNNING -> SETTLING */
void admission_leave(struct admission_place *place);
/* A reservation was made, changed or taken back: what runs now counts where it belongs. */
void admission_reserve(struct admission *admission, const char *account, const char *region, const char *function, bool reserved);
/* The same of a version's provisioned concurrency; the function's is asked for. */
void admission_provision(struct admission *admission, const struct function_version *version, unsigned provisioned);
