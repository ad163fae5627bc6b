// The context object that a handler gets, and the ways in which a handler that takes a callback may end.
const WHEN_EMPTY = Symbol('when the event loop is empty');
const nothing = () => {};

// Node's own event for an empty loop; one action at a time.
export const emptyLoop = {
    action: nothing,
    set(action) { this.action = action; },
    reset() { this.action = nothing; },
};
process.on('beforeExit', () => emptyLoop.action());

function parse(text, name) {
    if (text === '')
        return undefined;
    try {
        return JSON.parse(text);
    } catch (error) {
        throw new Error(`Cannot parse ${name} as json: ${error}`);
    }
}

function setTrace(traceId) {
    if (traceId)
        process.env._X_AMZN_TRACE_ID = traceId;
    else
        delete process.env._X_AMZN_TRACE_ID;
}

// Adds what is known of the function and of this event to a context.
export function describe(context, event) {
    setTrace(event.traceId);
    return Object.assign(context, {
        functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
        functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
        memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
        logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
        logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
        clientContext: parse(event.clientContext, 'ClientContext'),
        identity: parse(event.cognito, 'CognitoIdentity'),
        invokedFunctionArn: event.arn,
        awsRequestId: event.requestId,
        tenantId: event.tenantId || undefined,
        getRemainingTimeInMillis: () => event.deadlineMs - Date.now(),
    });
}

// A context with the member callbackWaitsForEmptyEventLoop.
export function waitingContext() {
    const context = {
        get callbackWaitsForEmptyEventLoop() { return this[WHEN_EMPTY]; },
        set callbackWaitsForEmptyEventLoop(value) { this[WHEN_EMPTY] = value; },
    };
    Object.defineProperty(context, WHEN_EMPTY, {value: true, writable: true});
    return context;
}

function afterwards(context, action) {
    emptyLoop.reset();
    if (context[WHEN_EMPTY])
        emptyLoop.set(() => setImmediate(action));
    else
        action();
}

// The callback, and done, succeed and fail in the context. succeeded(result) and failed(error) answer the invocation, each may
// throw; of all the ways to end, only the first that does not throw counts, and none once isPast() is true. Returns
// [callback, context, markAnswered].
export function callbackContext(succeeded, failed, isPast) {
    const context = waitingContext();
    let ended = false, answered = false;
    const once = (end) => (...args) => {
        if (ended || isPast())
            return;
        end(...args);
        ended = true;
    };
    const answer = (result) => {
        if (answered) {
            console.error('Invocation has already been reported as done. Cannot call complete more than once per invocation.');
            return;
        }
        answered = true;
        succeeded(result);
    };
    const isError = (error) => error !== undefined && error !== null;
    const done = (error, result) => {
        emptyLoop.reset();
        if (isError(error))
            failed(error);
        else
            answer(result);
    };
    const callback = (error, result) => {
        if (isError(error))
            done(error);
        else
            afterwards(context, () => answer(result));
    };
    context.succeed = once((result) => done(null, result));
    context.fail = once((error) => done(isError(error) ? error : 'handled'));
    context.done = once(done);
    return [once(callback), context, () => { answered = true; }];
}
