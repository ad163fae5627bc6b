// Errors as Lambda's Node runtime names, reports and logs them.
import fs from 'node:fs';
import {isNativeError} from 'node:util/types';

function named(name) {
    const type = {[name]: class extends Error {}}[name];
    type.prototype.name = `Runtime.${name}`;
    return type;
}

export const ImportModuleError = named('ImportModuleError');
export const HandlerNotFound = named('HandlerNotFound');
export const MalformedHandlerName = named('MalformedHandlerName');
export const UserCodeSyntaxError = named('UserCodeSyntaxError');
export const MalformedStreamingHandler = named('MalformedStreamingHandler');
export const InvalidStreamingOperation = named('InvalidStreamingOperation');
export const CallbackHandlerDeprecated = named('CallbackHandlerDeprecated');
export const InvalidEntrypoint = named('InvalidEntrypoint');
export class NodeJsExit extends named('NodeJsExit') {
    constructor() {
        super('The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was ' +
            'never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes');
    }
}
export class UnhandledPromiseRejection extends named('UnhandledPromiseRejection') {
    constructor(reason, promise) {
        super(reason);
        this.reason = reason;
        this.promise = promise;
    }
}

const isText = (value) => typeof value === 'string' && value !== '';
const looksLikeError = (value) => isText(value?.name) && isText(value.message) && isText(value.stack);

export const intoError = (value) => (value instanceof Error ? value : new Error(value));

// The error document that the caller of the function gets.
export function toReply(error) {
    try {
        if (isNativeError(error) || looksLikeError(error)) {
            const clean = (text) => text?.replace(/\x7F/g, '%7F');
            return {errorType: clean(error.name), errorMessage: clean(error.message), trace: clean(error.stack).split('\n')};
        }
        return {errorType: typeof error, errorMessage: error.toString(), trace: []};
    } catch {
        return {
            errorType: 'handled',
            errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of ' +
                'its message, name, and stack',
        };
    }
}

function withAllProperties(_, value) {
    if (!(value instanceof Error))
        return value;
    const all = {errorType: value.name, errorMessage: value.message, code: value.code, ...value};
    if (typeof value.stack === 'string')
        all.stack = value.stack.split('\n');
    return all;
}

export function toLogText(error) {
    try {
        return '\t' + JSON.stringify(error, withAllProperties);
    } catch {
        return '\t' + JSON.stringify(toReply(error));
    }
}

// ---- why a module is not there

const SDK = /Cannot find (?:module|package) '(aws-sdk|@aws-sdk\/[^'/]+|@smithy\/[^'/]+)/;
const ABI = /NODE_MODULE_VERSION (\d+)[^]*NODE_MODULE_VERSION (\d+)/;

function missingSdk(name) {
    const directory = new URL('./node_modules/@aws-sdk/', import.meta.url);
    if (fs.existsSync(directory))
        return `Stoke carries ${fs.readdirSync(directory).filter((n) => n.startsWith('client-')).join(', ')} of the AWS SDK; ` +
            `put ${name} into the function's archive or a layer`;
    try {
        return `${name} is not installed: ` + fs.readFileSync(new URL('./node_modules/missing.txt', import.meta.url), 'utf8').trim();
    } catch {
        return `${name} is not installed: it was never fetched; run layers/runtimes/fetch_sdk.sh DATA_DIR and start stoked again`;
    }
}

// Words to add to an error of loading code, or ''.
export function hint(error) {
    const message = String(error?.message);
    const sdk = SDK.exec(message);
    if (sdk)
        return missingSdk(sdk[1]);
    if (error?.code !== 'ERR_DLOPEN_FAILED')
        return '';
    const runtime = (process.env.AWS_EXECUTION_ENV || '').replace('AWS_Lambda_', '') || 'unknown';
    return ABI.test(message) || /ELF|cannot open shared object|symbol/.test(message)
        ? `the function's runtime is ${runtime}; here it runs on Node ${process.versions.node}, ${process.arch}`
        : '';
}

// The same error with the hint in its message and stack.
export function explain(error) {
    const words = error instanceof Error ? hint(error) : '';
    if (words && !error.message.includes(words)) {
        const old = error.message;
        error.message = `${old} (${words})`;
        if (typeof error.stack === 'string')
            error.stack = error.stack.replace(old, () => error.message);
    }
    return error;
}
