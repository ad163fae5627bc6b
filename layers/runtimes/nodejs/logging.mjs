// What a function logs: the console's methods write lines with the time, the request id and the level to standard output, as
// text or as JSON (AWS_LAMBDA_LOG_FORMAT), from AWS_LAMBDA_LOG_LEVEL on.
import util from 'node:util';

import {writeAll} from './channel.mjs';
import {intoError, toLogText} from './errors.mjs';

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const METHODS = {trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL'};
// Where Lambda's runtime keeps them, for the libraries that look there.
const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const TENANT_ID = Symbol.for('aws.lambda.runtime.tenantId');

let isJson = false;

export function setCurrent(requestId, tenantId) {
    globalThis[REQUEST_ID] = requestId;
    globalThis[TENANT_ID] = tenantId;
}

function textLine(level, params) {
    return `${new Date().toISOString()}\t${globalThis[REQUEST_ID]}\t${level}\t${util.format(...params)}\n`;
}

const typeName = (error) => error?.constructor?.name ?? 'UnknownError';
const stackLines = (error) => (typeof error.stack === 'string' ? error.stack.split('\n') : error.stack);

function errorsAsObjects(_, value) {
    if (!(value instanceof Error))
        return value;
    return {errorType: typeName(value), errorMessage: value.message, stackTrace: stackLines(value), ...value};
}

function jsonLine(level, params) {
    const line = {timestamp: new Date().toISOString(), level, requestId: globalThis[REQUEST_ID]};
    if (globalThis[TENANT_ID] != null)
        line.tenantId = globalThis[TENANT_ID];
    if (params.length === 1) {
        try {
            return JSON.stringify({...line, message: params[0]}, errorsAsObjects) + '\n';
        } catch {
            return JSON.stringify({...line, message: util.format(params[0])}) + '\n';
        }
    }
    line.message = util.format(...params);
    const error = params.find((param) => param instanceof Error);
    if (error)
        Object.assign(line, {errorType: typeName(error), errorMessage: error.message, stackTrace: stackLines(error) ?? []});
    return JSON.stringify(line) + '\n';
}

// Takes the console over. fd is standard output.
export function patchConsole(fd = 1) {
    isJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
    const lineOf = isJson ? jsonLine : textLine;
    const lowest = LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase());
    for (const [method, level] of Object.entries(METHODS))
        console[method] = LEVELS.indexOf(level) < lowest
            ? () => {}
            : (...params) => writeAll(fd, Buffer.from(lineOf(level, params)));
}

export function logError(title, error) {
    if (isJson)
        console.error(intoError(error));
    else
        console.error(title, toLogText(intoError(error)));
}
