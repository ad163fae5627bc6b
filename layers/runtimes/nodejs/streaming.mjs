// awslambda.streamifyResponse: the handler writes to a stream. What it writes is collected and answered as one response.
import {Writable} from 'node:stream';

import {InvalidStreamingOperation, MalformedStreamingHandler} from './errors.mjs';

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const STREAM_RESPONSE = 'response';
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = Buffer.alloc(8);

class ResponseStream extends Writable {
    contentType = 'application/octet-stream';
    chunks = [];
    wrote = false;

    constructor(highWaterMark) {
        super({highWaterMark, decodeStrings: true});
    }

    setContentType(contentType) {
        if (this.wrote)
            throw new InvalidStreamingOperation('Cannot set content-type, too late.');
        this.contentType = contentType;
    }

    write(chunk, encoding, callback) {
        if (typeof chunk !== 'string' && !Buffer.isBuffer(chunk) && chunk?.constructor !== Uint8Array)
            chunk = JSON.stringify(chunk);
        if (!this.wrote) {
            this.wrote = true;
            this._onBeforeFirstWrite?.((data) => this.chunks.push(Buffer.from(data)));
        }
        return super.write(chunk, encoding, callback);
    }

    end(chunk, encoding, callback) {
        if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') {
            this.write(chunk, typeof encoding === 'string' ? encoding : undefined);
            return super.end(typeof encoding === 'function' ? encoding : callback);
        }
        return super.end(chunk, encoding, callback);
    }

    _write(chunk, encoding, callback) {
        this.chunks.push(chunk);
        callback();
    }

    body() {
        return Buffer.concat(this.chunks);
    }
}

class HttpResponseStream {
    static from(stream, prelude) {
        stream.setContentType(PRELUDE_TYPE);
        stream._onBeforeFirstWrite = (write) => {
            write(JSON.stringify(prelude));
            write(PRELUDE_END);
        };
        return stream;
    }
}

export function installGlobal() {
    if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA))
        return;
    globalThis.awslambda = {
        streamifyResponse(handler, options) {
            handler[STREAMING] = STREAM_RESPONSE;
            if (typeof options?.highWaterMark === 'number')
                handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
            return handler;
        },
        HttpResponseStream,
    };
}

export function isStreaming(handler) {
    const mode = handler[STREAMING];
    if (mode === undefined || mode === null || mode === false)
        return false;
    if (mode !== STREAM_RESPONSE)
        throw new MalformedStreamingHandler('Only response streaming is supported.');
    return true;
}

export const responseStream = (handler) => new ResponseStream(Number.parseInt(handler[HIGH_WATER_MARK]) || undefined);
