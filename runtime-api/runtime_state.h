/* Where a runtime stands between its start and its end, whichever way it talks. The names are those that Lambda's own
 * Runtime API uses in the text of a 403. Loop thread only.
 *
 *             NEXT            DELIVER          RESPONSE            SENT
 *   Started --------> Ready ----------> Running --------> InvocationResponse ------> RuntimeResponseSentState
 *      |               ^  ^               |                                            ^          |
 *      | INIT_ERROR    |  +---------------+ ERROR -> InvocationErrorResponse ----------+          | NEXT
 *      v               +-------------------------------------------------------------------------+
 *   InitError          NEXT in Ready and in Running stays there (the same event again). BREAK leads from anywhere to Broken.
 *
 * Deadlines: Started has that of init, Running and the two that follow have the invocation's (host/invoke keeps both), Ready and
 * InitError have none. An extension that fails before
 * the first event leads from Ready to InitError, too. The states of SnapStart's restore do not occur: no function version has SnapStart.
 */
#pragma once

#include <stdbool.h>

enum runtime_state {
    RUNTIME_STARTED,        /* init code runs */
    RUNTIME_INIT_ERROR,     /* it reported that init failed; nothing is accepted any more */
    RUNTIME_READY,          /* waits for an event */
    RUNTIME_RUNNING,        /* has one */
    RUNTIME_RESPONSE,       /* sends its result */
    RUNTIME_ERROR_RESPONSE, /* sends its error */
    RUNTIME_RESPONSE_SENT,  /* has answered, has not asked for the next event */
    RUNTIME_BROKEN,         /* broke the protocol; ours, no name of Lambda's */
    RUNTIME_STATE_COUNT
};

enum runtime_input { /* named for the state that it asks for */
                     RUNTIME_NEXT,
                     RUNTIME_DELIVER,
                     RUNTIME_BEGIN_RESPONSE,
                     RUNTIME_BEGIN_ERROR,
                     RUNTIME_SENT,
                     RUNTIME_FAIL_INIT,
                     RUNTIME_FAIL_EXTENSION, /* before the first event: an extension cannot work, and init has failed with it */
                     RUNTIME_BREAK,
                     RUNTIME_INPUT_COUNT
};

struct runtime {
    enum runtime_state state;
    unsigned long long steps; /* transitions so far, for tests and traces */
};

/* Makes the transition if the table has it; false, nothing changed, otherwise. */
bool runtime_step(struct runtime *runtime, enum runtime_input input);
bool runtime_may(const struct runtime *runtime, enum runtime_input input);
const char *runtime_state_name(enum runtime_state state);
/* The name of the state an input asks for. */
const char *runtime_input_name(enum runtime_input input);
