/* The private channel between stoked and a runtime of ours: a unix stream socket, descriptor 3 of the worker, that
 * carries frames both ways. Other people's runtimes use the HTTP Runtime API; an exec'd one uses the channel only until
 * its exec. The same constants stand in layers/runtimes/ (python: _stoke.c, nodejs: channel.mjs).
 *
 * frame = header (12 bytes, little-endian) + meta + body
 *   u8 type | u8 flags (0) | u16 reserved (0) | u32 meta_len | u32 body_len
 * meta = fields, each ended by NUL, in the order given below. A header beyond the limits ends the session.
 */
#pragma once

#include <stdint.h>

#define CHANNEL_FD 3         /* in the worker: frames with stoked */
#define CHANNEL_CONTROL_FD 4 /* in the worker, until GO: a SEQPACKET socket to the spawner */
#define CHANNEL_HEADER_BYTES 12
#define CHANNEL_META_BYTES_MAX (256 * 1024)
#define CHANNEL_BODY_BYTES_MAX (6291556 + 1024) /* the largest payload, and room to report one that is larger */

enum channel_type {
    /* stoked -> worker */
    CHANNEL_START = 1,     /* meta: the environment, "NAME=value" each. Sent once; acted on only after GO. */
    CHANNEL_EXTENSION = 3, /* before START, after GO: a program to start beside the runtime. meta: path, its environment */
    CHANNEL_INVOKE = 2,    /* meta: request id, deadline (epoch ms), function ARN, trace id, client context (JSON, one line),
                              Cognito identity (JSON), tenant id; empty where absent. body: the event, as it came. */
    CHANNEL_TERMINATE = 4, /* between events: SIGTERM comes, and no event any more */
    /* worker -> stoked */
    CHANNEL_BOOTED = 16,      /* a runtime of ours: no user code yet, waiting for GO. An exec'd one sends none */
    CHANNEL_READY = 17,       /* user code loaded, waiting for INVOKE */
    CHANNEL_RESPONSE = 18,    /* meta: request id, content type. body: the result */
    CHANNEL_ERROR = 19,       /* meta: request id, error type. body: {"errorMessage","errorType","stackTrace"...} */
    CHANNEL_INIT_ERROR = 20,  /* meta: error type. body: the same */
    CHANNEL_EXEC_FAILED = 21, /* meta: errno (decimal), path, machine the file is built for if it is not
                                 this one, else empty. The bootstrap, or an extension, could not be executed */
};
