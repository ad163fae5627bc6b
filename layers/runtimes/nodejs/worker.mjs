// Loads the handler and answers events one after the other, until the channel ends. Between invocations the process blocks in
// a read; during one it is the event loop alone that decides, so that timers and input run, and an empty loop is noticed.
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

import * as channel from './channel.mjs';
import {callbackContext, describe, emptyLoop, waitingContext} from './context.mjs';
import {runtimeVersion} from './environment.mjs';
import {CallbackHandlerDeprecated, explain, NodeJsExit, toReply, UnhandledPromiseRejection} from './errors.mjs';
import {forget, load, resolveFromNodePath} from './handler.mjs';
import {logError, patchConsole, setCurrent} from './logging.mjs';
import {installGlobal, isStreaming, responseStream} from './streaming.mjs';

const CONTENT_JSON = 'application/json';
// From this runtime on a handler may not take a callback, and one that is not async answers with what it returns
// (https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html).
const WITHOUT_CALLBACKS = 24;
const TERMINATE_MS = 2000; // we are killed before
const EXIT_REJECTION = 128, EXIT_EXCEPTION = 129;

let phase = 'init'; // then 'running' an event or 'idle'
let current; // the event that runs, or ran last: what an earlier one left behind must not answer it
let invoke;
let out = channel.FD;
let goOn = scheduleNext; // what follows an answered event

function stringify(value) {
    let text;
    try {
        text = JSON.stringify(value === undefined ? null : value);
    } catch {
        throw new Error('Unable to stringify response body');
    }
    return text ?? 'null'; // a function or a symbol
}

function respond(contentType, body) {
    if (phase !== 'running') // answered already
        return;
    phase = 'idle';
    channel.send(out, channel.RESPONSE, [current.requestId, contentType], body);
    goOn();
}

const succeed = (result) => respond(CONTENT_JSON, stringify(result));

function reportError(error) {
    const reply = toReply(explain(error));
    if (phase === 'init')
        channel.send(out, channel.INIT_ERROR, [reply.errorType], stringify(reply));
    else if (phase === 'running')
        channel.send(out, channel.ERROR, [current.requestId, reply.errorType], stringify(reply));
    phase = 'idle';
}

function fail(error) {
    logError('Invoke Error', explain(error));
    if (phase !== 'running')
        return;
    reportError(error);
    goOn();
}

const isModern = () => runtimeVersion() >= WITHOUT_CALLBACKS;
const modernContext = (event) => ({xRayTraceId: event.traceId});
const isPromise = (value) => typeof value?.then === 'function';

function invokePlain(handler, event, body) {
    const [callback, context, markAnswered] = callbackContext(succeed, fail, () => current !== event);
    const modern = isModern();
    emptyLoop.set(() => { // neither a promise nor the callback has answered, and nothing is left to wait for
        emptyLoop.reset();
        markAnswered();
        if (modern || handler.constructor?.name === 'AsyncFunction')
            fail(new NodeJsExit());
        else
            succeed(null);
    });
    try {
        const given = describe(modern ? modernContext(event) : context, event);
        const result = handler(JSON.parse(body), given, ...(modern ? [] : [callback]));
        if (isPromise(result))
            result.then(context.succeed, context.fail).catch(context.fail);
        else if (modern)
            context.succeed(result);
    } catch (error) {
        callback(error);
    }
}

async function awaitStream(handler, event, body, stream) {
    const promise = handler(JSON.parse(body), stream, describe(isModern() ? modernContext(event) : waitingContext(), event));
    if (!isPromise(promise))
        throw 'Streaming does not support non-async handlers.';
    if (await promise !== undefined)
        console.warn('Streaming handlers ignore return values.');
    if (!stream.writableFinished && current === event)
        await new Promise((resolve, reject) => {
            stream.once('finish', resolve).once('error', reject);
            emptyLoop.set(() => {
                emptyLoop.reset();
                reject('Response stream is not finished.');
            });
        });
}

function invokeStreaming(handler, event, body) {
    const stream = responseStream(handler);
    let error;
    stream.on('error', (problem) => { error ??= problem; });
    emptyLoop.set(() => {
        emptyLoop.reset();
        fail('Response stream is not finished.');
    });
    awaitStream(handler, event, body, stream).then(() => {
        if (error)
            throw error;
        if (current !== event)
            return;
        emptyLoop.reset();
        respond(stream.contentType, stream.body()); // and on at once, whatever is left in the loop: the host knows us as ready
    }).catch((problem) => {
        if (current !== event)
            return;
        emptyLoop.reset();
        fail(problem);
    });
}

function begin(frame) {
    const [id, deadline, arn, traceId, clientContext, cognito, tenantId] = frame.fields;
    current = {requestId: id, deadlineMs: Number(deadline), arn, traceId, clientContext, cognito, tenantId};
    phase = 'running';
    setCurrent(id, tenantId || undefined);
    invoke(current, frame.body.toString('utf8'));
}

function next() {
    const frame = channel.receive(channel.FD);
    if (frame === null)
        process.exit(0); // the room is over
    if (frame.type === channel.TERMINATE) { // the event loop goes on, for whoever listens for SIGTERM
        setTimeout(() => {}, TERMINATE_MS);
        return;
    }
    if (frame.type !== channel.INVOKE)
        throw new Error(`a frame of type ${frame.type} instead of an event`);
    setImmediate(begin, frame); // what happened to sockets and timers meanwhile comes first
}

function scheduleNext() {
    setImmediate(next);
}

function die(title, error, status) {
    logError(title, explain(error));
    reportError(error);
    process.exit(status);
}

// Node writes to pipes when the event loop gets to it; here output must be out before the worker waits, or exits.
function blockOnOutput() {
    for (const stream of [process.stdout, process.stderr])
        stream._handle?.setBlocking?.(true);
}

// An event from end to end, with a handler of ours and nobody to hear the answer. Leaves no trace.
export async function rehearse() {
    const methods = {...console}, root = path.dirname(fileURLToPath(import.meta.url));
    const nowhere = fs.openSync('/dev/null', 'w');
    const fields = ['rehearsal', '0', 'arn', '', '', '', ''];
    blockOnOutput();
    patchConsole(nowhere);
    out = nowhere;
    invoke = invokePlain.bind(null, await load(root, 'rehearsal.handler'));
    await new Promise((resolve) => {
        goOn = resolve;
        setImmediate(begin, {fields, body: Buffer.from('{"rehearsal":[1,2.5,null,"é"]}')});
    });
    goOn = scheduleNext;
    out = channel.FD;
    phase = 'init';
    setCurrent(undefined, undefined);
    Object.assign(console, methods);
    fs.closeSync(nowhere);
    forget(path.join(root, 'rehearsal.cjs'));
}

// From an environment that is the function's to the end of its life. prepare() returns the directory of its code.
export async function run(prepare) {
    patchConsole();
    blockOnOutput();
    process.on('uncaughtException', (error) => die('Uncaught Exception', error, EXIT_EXCEPTION));
    process.on('unhandledRejection', (reason, promise) =>
        die('Unhandled Promise Rejection', new UnhandledPromiseRejection(reason, promise), EXIT_REJECTION));
    installGlobal();
    resolveFromNodePath();
    let handler, streaming;
    try {
        handler = await load(prepare(), process.env._HANDLER || '');
        streaming = isStreaming(handler);
        if (isModern() && handler.length > 2 && !streaming)
            throw new CallbackHandlerDeprecated('ERROR: AWS Lambda has removed support for callback-based function handlers ' +
                'starting with Node.js 24. You need to modify this function to use a supported handler signature to use ' +
                'Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.');
    } catch (error) {
        die('Uncaught Exception', error, EXIT_EXCEPTION);
    }
    invoke = (streaming ? invokeStreaming : invokePlain).bind(null, handler);
    phase = 'idle';
    channel.send(out, channel.READY, []);
    scheduleNext();
}
