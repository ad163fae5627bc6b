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

// LD_LIBRARY_PATH, too, is read at the start: shared libraries in the function's own directories count.
export function needsExec(env) {
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
