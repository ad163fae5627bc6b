// Frames of the private channel (runtime-api/channel.h) on descriptor 3. Reading blocks the whole process: it happens only
// between invocations, when Lambda's worker would be frozen, and costs a fraction of what a socket in the event loop does.
import fs from 'node:fs';

export const FD = 3;
export const CONTROL_FD = 4;
export const START = 1, INVOKE = 2, EXTENSION = 3, TERMINATE = 4;
export const BOOTED = 16, READY = 17, RESPONSE = 18, ERROR = 19, INIT_ERROR = 20, EXEC_FAILED = 21;
const HEADER_BYTES = 12;
const META_BYTES_MAX = 256 * 1024;
const BODY_BYTES_MAX = 6291556 + 1024;
const FIELD_CHARS_MAX = 1024;

const input = Buffer.allocUnsafeSlow(64 * 1024);
let start = 0, end = 0;
const pause = new Int32Array(new SharedArrayBuffer(4));

function isMomentary(error) {
    if (error.code === 'EAGAIN') // somebody made the descriptor non-blocking
        Atomics.wait(pause, 0, 0, 1);
    return error.code === 'EINTR' || error.code === 'EAGAIN';
}

function readSome(fd, buffer, at, length) {
    for (;;) {
        try {
            return fs.readSync(fd, buffer, at, length, null);
        } catch (error) {
            if (error.code === 'ECONNRESET')
                return 0;
            if (!isMomentary(error))
                throw error;
        }
    }
}

export function writeAll(fd, buffer) {
    for (let at = 0; at < buffer.length;) {
        try {
            at += fs.writeSync(fd, buffer, at, buffer.length - at);
        } catch (error) {
            if (!isMomentary(error))
                throw error;
        }
    }
}

// Fills target; false at the end of the stream.
function readExactly(fd, target) {
    for (let at = 0; at < target.length;) {
        if (start < end) {
            const copied = input.copy(target, at, start, Math.min(end, start + target.length - at));
            start += copied;
            at += copied;
            continue;
        }
        const large = target.length - at >= input.length;
        const n = large ? readSome(fd, target, at, target.length - at) : readSome(fd, input, 0, input.length);
        if (n === 0)
            return false;
        if (large) {
            at += n;
        } else {
            start = 0;
            end = n;
        }
    }
    return true;
}

const header = Buffer.alloc(HEADER_BYTES);

// The next frame, {type, fields, body}, or null at the end of the channel.
export function receive(fd) {
    if (!readExactly(fd, header))
        return null;
    const metaBytes = header.readUInt32LE(4), bodyBytes = header.readUInt32LE(8);
    if (metaBytes > META_BYTES_MAX || bodyBytes > BODY_BYTES_MAX)
        throw new Error(`a frame of ${metaBytes} and ${bodyBytes} bytes is beyond the channel's limits`);
    const data = Buffer.allocUnsafe(metaBytes + bodyBytes);
    if (!readExactly(fd, data))
        return null;
    const fields = data.toString('utf8', 0, metaBytes).split('\0');
    fields.pop();
    return {type: header[0], fields, body: data.subarray(metaBytes)};
}

// body is a string or a Buffer. One over the limit is cut where stoked sees that it is over, and reports it.
export function send(fd, type, fields, body = '') {
    const meta = fields.map((field) => String(field).slice(0, FIELD_CHARS_MAX).replace(/\0/g, '') + '\0').join('');
    const metaBytes = Buffer.byteLength(meta);
    const bodyBytes = Math.min(typeof body === 'string' ? Buffer.byteLength(body) : body.length, BODY_BYTES_MAX);
    const frame = Buffer.allocUnsafe(HEADER_BYTES + metaBytes + bodyBytes);
    frame.writeUInt32LE(type, 0);
    frame.writeUInt32LE(metaBytes, 4);
    frame.writeUInt32LE(bodyBytes, 8);
    frame.write(meta, HEADER_BYTES, 'utf8');
    if (typeof body !== 'string')
        body.copy(frame, HEADER_BYTES + metaBytes, 0, bodyBytes);
    else if (frame.write(body, HEADER_BYTES + metaBytes, 'utf8') < bodyBytes)
        frame.fill(0x20, frame.length - 4); // a character that was cut in two
    writeAll(fd, frame);
}

// Blocks until the spawner says GO; false when the room is over.
export function awaitGo() {
    const text = Buffer.alloc(3);
    const n = readSome(CONTROL_FD, text, 0, text.length);
    fs.closeSync(CONTROL_FD);
    return text.toString('latin1', 0, n) === 'GO';
}
