// Starts an external extension: a program of a layer beside us, in a session of its own.
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import {constants} from 'node:os';

import * as channel from './channel.mjs';

const MACHINES = new Map([[3, 'i686'], [40, 'armv7l'], [62, 'x86_64'], [183, 'aarch64'], [243, 'riscv64']]); // e_machine of ELF
const OWN = {arm64: 183, x64: 62}[process.arch];
const ELF = 0x7f454c46, MACHINE_AT = 18, HEAD_BYTES = 20;

// What is spawned goes through execvp, which gives a shell what the kernel refuses with ENOEXEC: a program for another machine would
// run, as a script of nonsense. The machine if this is such a file, '' if it is no program at all, null if the kernel may see it.
function foreignMachine(path) {
    const head = Buffer.alloc(HEAD_BYTES);
    try {
        fs.accessSync(path, fs.constants.X_OK);
        const fd = fs.openSync(path);
        fs.readSync(fd, head);
        fs.closeSync(fd);
    } catch {
        return null; // spawn finds the same reason
    }
    if (head.toString('latin1', 0, 2) === '#!')
        return null;
    const machine = head.readUInt16LE(MACHINE_AT);
    if (head.readUInt32BE(0) !== ELF)
        return '';
    return machine === OWN ? null : MACHINES.get(machine) ?? 'another machine';
}

function leave(errno, path, machine) {
    channel.send(channel.FD, channel.EXEC_FAILED, [errno, path, machine]);
    process.exit(127);
}

// The child once it runs; rejects with the error of a system call, some of which spawn throws and some of which it emits.
async function start(path, env) {
    const child = spawn(path, [], {env, cwd: '/', detached: true, stdio: ['ignore', 'inherit', 'inherit']});
    if (child.pid === undefined)
        throw await new Promise((resolve) => child.on('error', resolve));
    return child;
}

export async function startExtension(path, env) {
    const machine = foreignMachine(path);
    if (machine !== null)
        leave(constants.errno.ENOEXEC, path, machine);
    try {
        (await start(path, env)).unref();
    } catch (error) {
        leave(-error.errno, path, '');
    }
}
