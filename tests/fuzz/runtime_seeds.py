#!/usr/bin/env python3
"""Writes seeds for fuzz_runtime_http and fuzz_channel: whole lives of runtimes, from which a fuzzer departs.

    runtime_seeds.py http|channel DIR
"""
import pathlib
import struct
import sys

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"
POST = b"POST /2018-06-01/runtime/invocation/r/%s HTTP/1.1\r\n%s\r\n%s"
REGISTER = b'POST /2020-01-01/extension/register HTTP/1.1\r\nLambda-Extension-Name: e\r\nContent-Length: 21\r\n\r\n{"events":["INVOKE"]}'
EVENT = b"GET /2020-01-01/extension/event/next HTTP/1.1\r\nLambda-Extension-Identifier: $E\r\n\r\n"
EXIT = (b"POST /2020-01-01/extension/exit/error HTTP/1.1\r\nLambda-Extension-Identifier: $E\r\n"
        b"Lambda-Extension-Function-Error-Type: a\r\nContent-Length: 0\r\n\r\n")


def say(peer, text):
    """One peer writes, in as many pieces as it takes."""
    return b"".join(bytes([peer, len(text[i:i + 200])]) + text[i:i + 200] for i in range(0, len(text), 200))


def act(action, peer=0):
    return bytes([4 * (48 + action) + peer, 0])


def length(kind, body, headers=b""):
    return POST % (kind, headers + b"Content-Length: %d\r\n" % len(body), body)


def chunked(kind, body, headers=b""):
    return POST % (kind, headers + b"Transfer-Encoding: chunked\r\n", body)


INVOKE = act(4)
HTTP = {
    "visit": say(0, NEXT) + INVOKE + say(0, length(b"response", b"{}")) + say(0, NEXT) + INVOKE + say(0, length(b"error", b"{}")),
    "ids": say(0, NEXT) + INVOKE + say(1, length(b"response", b"1", b"Lambda-Runtime-Invocation-Id: $D\r\n")),
    "chunks": say(0, NEXT) + INVOKE + say(0, chunked(b"response", b"2\r\nab\r\n1;x\r\nc\r\n0\r\nA: b\r\n\r\n")),
    "trailers": say(0, NEXT) + INVOKE + say(0, chunked(
        b"response", b"0\r\nLambda-Runtime-Function-Error-Type: Function.A\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n",
        b"Lambda-Runtime-Function-Response-Mode: streaming\r\n")),
    "cause": say(0, NEXT) + INVOKE + say(0, length(
        b"error", b'{"errorType":"T","errorCause":{}}', b"Content-Type: application/vnd.aws.lambda.error.cause+json\r\n")),
    "xray": say(0, NEXT) + INVOKE + say(0, length(b"error", b"{}", b'Lambda-Runtime-Function-XRay-Error-Cause: {"message":"m"}\r\n')),
    "init": say(0, b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}") + act(2) + say(1, NEXT),
    "pipeline": say(0, NEXT + length(b"response", b"1") + NEXT) + INVOKE + INVOKE,
    "extension": say(1, REGISTER) + say(1, EVENT) + say(0, NEXT) + INVOKE + say(0, length(b"response", b"1")) + say(1, EVENT)
    + say(0, NEXT) + INVOKE + act(0, 1) + say(1, EVENT) + act(3) + say(1, EXIT),
    "half": say(0, NEXT) + INVOKE + say(0, length(b"response", b"12345")[:-2]) + act(1, 0),
    "other": say(0, b"GET /2018-06-01/ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\nPUT /x HTTP/1.1\r\nExpect: 100-continue\r\n"
                    b"Content-Length: 3\r\n\r\nabc"),
}


def frame(kind, meta=b"", body=b""):
    return struct.pack("<BBHII", kind, 0, 0, len(meta), len(body)) + meta + body


def pieces(text):
    return b"".join(bytes([len(text[i:i + 64]) - 1]) + text[i:i + 64] for i in range(0, len(text), 64))


CHANNEL = {
    "visits": pieces(frame(16)) + pieces(frame(17)) + pieces(frame(18, b"r\0application/json\0", b"{}"))
    + pieces(frame(19, b"r\0Function.A\0", b'{"errorType":"A"}')),
    "together": pieces(frame(16) + frame(17)) + pieces(frame(18, b"r\0\0", b"1")),
    "init": pieces(frame(16)) + pieces(frame(20, b"Runtime.X\0", b"{}")),
    "exec": pieces(frame(21, b"2\0/var/task/bootstrap\0")),
}


def main():
    where = pathlib.Path(sys.argv[2])
    where.mkdir(parents=True, exist_ok=True)
    for name, data in {"http": HTTP, "channel": CHANNEL}[sys.argv[1]].items():
        (where / name).write_bytes(data)


main()
