// Makes the process the function's: its environment and working directory, and the decision whether Node has to start anew
// because something must be there when a process starts.
import fs from 'node:fs';
import module, {createRequire} from 'node:module';
import v8 from 'node:v8';

import {InvalidEntrypoint} from './errors.mjs';

// What Node, V8, libuv, libc or the loader read once, at their start.
const START_NAMES = new Set([
    'AWS_LAMBDA_EXEC_WRAPPER', 'GLIBC_TUNABLES', 'LD_AUDIT', 'LD_PRELOAD', 'NODE_COMPILE_CACHE', 'NODE_DEBUG',
    'NODE_DEBUG_NATIVE', 'NODE_EXTRA_CA_CERTS', 'NODE_ICU_DATA', 'NODE_NO_WARNINGS', 'NODE_OPTIONS', 'NODE_PENDING_DEPRECATION',
    'NODE_PRESERVE_SYMLINKS', 'NODE_REDIRECT_WARNINGS', 'NODE_USE_ENV_PROXY', 'NODE_USE_SYSTEM_CA', 'NODE_V8_COVERAGE',
    'UV_THREADPOOL_SIZE', 'UV_USE_IO_URING',
]);
const SMALL_MB = 512;
const WITHIN_ANY_HEAP_MB = 1024; // what V8 allows itself on any host with that much memory to give
const HEAP_MARGIN_MB = 128; // that more heap must be worth, for Node to start anew
const MB = 1024 * 1024;
const GROWTH_PERCENT = 30;

// Beside the function's code lie native modules, too, which Node finds by itself.
function hasLibraries(directory) {
    const pattern = directory === '/var/task' ? /^lib.*\.so(\.|$)/ : /\.so(\.|$)/;
    try {
        return fs.readdirSync(directory).some((name) => pattern.test(name));
    } catch {
        return false;
    }
}

// V8's limit is the host's, and only a start can raise it (exec.c). Looking it up takes 0.1 ms.
function wantsMoreHeap(memoryMb) {
    return memoryMb > WITHIN_ANY_HEAP_MB && memoryMb * 0.9 > v8.getHeapStatistics().heap_size_limit / MB + HEAP_MARGIN_MB;
}

// LD_LIBRARY_PATH, too, is read at the start: shared libraries in the function's own directories count.
export function needsExec(env) {
    if (wantsMoreHeap(Number(env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE)))
        return true;
    for (const name in env)
        if (START_NAMES.has(name) || name.startsWith('MALLOC_'))
            return true;
    return (env.LD_LIBRARY_PATH || '').split(':').some((directory) =>
        /^\/(var\/task|opt)(\/|$)/.test(directory) && hasLibraries(directory));
}

export function setEnvironment(env) {
    for (const name of Object.keys(process.env))
        if (!(name in env))
            delete process.env[name];
    Object.assign(process.env, env);
}

// In the words, and with the status, of Lambda's bootstrap script.
function checkWrapper(wrapper) {
    if (!wrapper)
        return;
    if (!fs.existsSync(wrapper)) {
        fs.writeSync(1, `${wrapper}: does not exist\n`);
        process.reallyExit(127);
    }
    try {
        fs.accessSync(wrapper, fs.constants.X_OK);
    } catch {
        fs.writeSync(1, `${wrapper}: is not an executable\n`);
        process.reallyExit(126);
    }
}

// Replaces the process by WRAPPER node index.mjs, in the environment that is set. Returns only by throwing.
export function execAgain() {
    checkWrapper(process.env.AWS_LAMBDA_EXEC_WRAPPER);
    try {
        createRequire(import.meta.url)('./exec.node');
    } catch (error) {
        throw new InvalidEntrypoint(error.message);
    }
}

// V8 takes its limits from the host's memory when it starts. In a small function neither generation of the heap shall grow as
// if that memory were its own: garbage piled up to 225 MB where these keep it at 75, at no cost in time.
function boundHeap(memoryMb) {
    if (!(memoryMb <= SMALL_MB))
        return;
    v8.setFlagsFromString('--semi-space-growth-factor=1');
    v8.setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}

// gc(), which Lambda has by --expose-gc. That flag would cost 3 % of Node's start.
function exposeGc() {
    if ('gc' in globalThis)
        return;
    const put = (value) => {
        Object.defineProperty(globalThis, 'gc', {value, writable: true, enumerable: true, configurable: true});
        return value;
    };
    Object.defineProperty(globalThis, 'gc', {
        get() {
            v8.setFlagsFromString('--expose-gc');
            return put(createRequire(import.meta.url)('node:vm').runInNewContext('gc'));
        },
        set: put, enumerable: true, configurable: true,
    });
}

// 24 of nodejs24.x: the function's runtime, which need not be the Node that runs it; 0 where nobody says.
export function runtimeVersion() {
    return Number(/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV)?.[1] ?? 0);
}

// Returns the directory of the function's code.
export function apply() {
    const root = process.env.LAMBDA_TASK_ROOT || '/var/task';
    try {
        process.chdir(root);
    } catch {
        // loading the handler says what is missing
    }
    module.Module._initPaths(); // NODE_PATH is new
    boundHeap(Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE));
    exposeGc();
    return root;
}

export function parse(fields) {
    const env = {};
    for (const field of fields) {
        const at = field.indexOf('=');
        env[field.slice(0, at)] = field.slice(at + 1);
    }
    return env;
}
