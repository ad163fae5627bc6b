/* The table of a runtime's states; see runtime_state.h. */
#include "runtime-api/runtime_state.h"

#include <assert.h>

#include "lib/base/log.h"

#define TO(state) ((state) + 1) /* 0: not allowed */

static const unsigned char table[RUNTIME_STATE_COUNT][RUNTIME_INPUT_COUNT] = {
    [RUNTIME_STARTED] = {[RUNTIME_NEXT] = TO(RUNTIME_READY),
                         [RUNTIME_FAIL_INIT] = TO(RUNTIME_INIT_ERROR),
                         [RUNTIME_FAIL_EXTENSION] = TO(RUNTIME_INIT_ERROR),
                         [RUNTIME_BREAK] = TO(RUNTIME_BROKEN)},
    [RUNTIME_INIT_ERROR] = {[RUNTIME_BREAK] = TO(RUNTIME_BROKEN)},
    [RUNTIME_READY] = {[RUNTIME_NEXT] = TO(RUNTIME_READY),
                       [RUNTIME_DELIVER] = TO(RUNTIME_RUNNING),
                       [RUNTIME_FAIL_EXTENSION] = TO(RUNTIME_INIT_ERROR),
                       [RUNTIME_BREAK] = TO(RUNTIME_BROKEN)},
    [RUNTIME_RUNNING] = {[RUNTIME_NEXT] = TO(RUNTIME_RUNNING),
                         [RUNTIME_BEGIN_RESPONSE] = TO(RUNTIME_RESPONSE),
                         [RUNTIME_BEGIN_ERROR] = TO(RUNTIME_ERROR_RESPONSE),
                         [RUNTIME_BREAK] = TO(RUNTIME_BROKEN)},
    [RUNTIME_RESPONSE] = {[RUNTIME_SENT] = TO(RUNTIME_RESPONSE_SENT), [RUNTIME_BREAK] = TO(RUNTIME_BROKEN)},
    [RUNTIME_ERROR_RESPONSE] = {[RUNTIME_SENT] = TO(RUNTIME_RESPONSE_SENT), [RUNTIME_BREAK] = TO(RUNTIME_BROKEN)},
    [RUNTIME_RESPONSE_SENT] = {[RUNTIME_NEXT] = TO(RUNTIME_READY), [RUNTIME_BREAK] = TO(RUNTIME_BROKEN)},
};

static const char *const state_names[RUNTIME_STATE_COUNT] = {
    [RUNTIME_STARTED] = "Started",
    [RUNTIME_INIT_ERROR] = "InitError",
    [RUNTIME_READY] = "Ready",
    [RUNTIME_RUNNING] = "Running",
    [RUNTIME_RESPONSE] = "InvocationResponse",
    [RUNTIME_ERROR_RESPONSE] = "InvocationErrorResponse",
    [RUNTIME_RESPONSE_SENT] = "RuntimeResponseSentState",
    [RUNTIME_BROKEN] = "Broken",
};

static const char *const input_names[RUNTIME_INPUT_COUNT] = {
    [RUNTIME_NEXT] = "Ready",
    [RUNTIME_DELIVER] = "Running",
    [RUNTIME_BEGIN_RESPONSE] = "InvocationResponse",
    [RUNTIME_BEGIN_ERROR] = "InvocationErrorResponse",
    [RUNTIME_SENT] = "RuntimeResponseSentState",
    [RUNTIME_FAIL_INIT] = "InitError",
    [RUNTIME_FAIL_EXTENSION] = "InitError",
    [RUNTIME_BREAK] = "Broken",
};

static void set_state(struct runtime *runtime, enum runtime_state state)
{
    assert(state < RUNTIME_STATE_COUNT);
    log_debug("runtime.state", "from=%s to=%s", state_names[runtime->state], state_names[state]);
    runtime->state = state;
    runtime->steps++;
}

bool runtime_may(const struct runtime *runtime, enum runtime_input input)
{
    assert(runtime->state < RUNTIME_STATE_COUNT && input < RUNTIME_INPUT_COUNT);
    return table[runtime->state][input] != 0;
}

bool runtime_step(struct runtime *runtime, enum runtime_input input)
{
    if (!runtime_may(runtime, input))
        return false;
    set_state(runtime, (enum runtime_state)(table[runtime->state][input] - 1));
    return true;
}

const char *runtime_state_name(enum runtime_state state)
{
    assert(state < RUNTIME_STATE_COUNT);
    return state_names[state];
}

const char *runtime_input_name(enum runtime_input input)
{
    assert(input < RUNTIME_INPUT_COUNT);
    return input_names[input];
}
