#!/usr/bin/python3
"""A custom runtime that does what $_HANDLER says, for test_hostile_runtimes.py. Runs inside a sandbox."""
import http.client
import os
import random
import signal
import socket
import sys
import time

HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
BASE = "/2018-06-01/runtime"
HOW = os.environ["_HANDLER"]


def connect():
    return socket.create_connection((HOST, int(PORT)), timeout=60)


def ask(method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(HOST, int(PORT), timeout=100)
    connection.request(method, BASE + path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()


def next_event():
    status, headers, body = ask("GET", "/invocation/next")
    return headers["lambda-runtime-aws-request-id"], body


def respond(request, body, headers=None, what="response"):
    return ask("POST", f"/invocation/{request}/{what}", body, headers)[0]


def raw(data, read=True):
    with connect() as s:
        try:
            s.sendall(data)
            return s.recv(65536) if read else b""
        except OSError:
            return b""


def head(path, *headers):
    return ("\r\n".join([f"POST {BASE}{path} HTTP/1.1", "Host: x", *headers]) + "\r\n\r\n").encode("latin-1")


def garbage(request):
    for _ in range(20):
        raw(random.randbytes(20_000), read=False)
    raw(b"GET " + b"/" * 3_000_000 + b" HTTP/1.1\r\n\r\n")
    raw(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n")
    for line in (b"GET", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0\0\0\0", b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                 b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        raw(line, read=False)
    return respond(request, b'"after garbage"')


def answers_twice(request):
    first = respond(request, b'"first"')
    return [first, respond(request, b'"second"'), respond(request, b"{}", what="error")]


def answers_another(request):
    codes = [respond(other, b'"forged"') for other in ("00000000-0000-0000-0000-000000000000", "x", "..", "%00", request + "x", request[:-1], "a" * 5000)]
    codes.append(respond(request, b'"own"'))
    return codes


def seven_megabytes(request):
    return respond(request, b'"' + b"x" * (7 << 20) + b'"')


def fifty_megabytes_chunked(request):
    with connect() as s:
        try:
            s.sendall(head(f"/invocation/{request}/response", "Transfer-Encoding: chunked"))
            for _ in range(50):
                s.sendall(b"100000\r\n" + b"x" * (1 << 20) + b"\r\n")
            s.sendall(b"0\r\n\r\n")
            s.recv(1000)
        except OSError:
            pass


def half_sends_and_stalls(request):
    with connect() as s:
        s.sendall(head(f"/invocation/{request}/response", "Content-Length: 1000") + b'"half')
        time.sleep(600)


def half_sends_and_leaves(request):
    with connect() as s:
        s.sendall(head(f"/invocation/{request}/response", "Content-Length: 1000") + b'"half')


def half_sends_and_answers_elsewhere(request):
    with connect() as s:
        s.sendall(head(f"/invocation/{request}/response", "Content-Length: 1000") + b'"half')
        respond(request, b'"whole"')


def half_a_chunk(request):
    with connect() as s:
        s.sendall(head(f"/invocation/{request}/response", "Transfer-Encoding: chunked") + b"1000\r\nhalf")


def five_hundred_connections(request):
    held = []
    for port in (4566, int(PORT)):
        for _ in range(500):
            try:
                s = socket.create_connection(("127.0.0.1", port), timeout=0.2)
                s.sendall(b"POST /")
                held.append(s)
            except OSError:
                break
    respond(request, str(len(held)).encode())
    return None  # the connections stay for the next one too


def closes_everything(request):
    os.closerange(0, 4096)
    time.sleep(600)


def no_json(request):
    return respond(request, b"\xff\xfe{nope\x00")


def empty_answer(request):
    return respond(request, b"")


def json_with_odd_headers(request):
    return respond(request, b"{}", {"Content-Type": "a" * 5000, "X-Amz-Function-Error": "forged"})


def odd_error_headers(request):
    with connect() as s:
        body = b'{"errorType": "a\\nREPORT RequestId: forged", "errorMessage": "' + b"m" * 100_000 + b'\\u001b[2J", "stackTrace": ["\\r\\nEND forged"]}'
        s.sendall(head(f"/invocation/{request}/error", "Lambda-Runtime-Function-Error-Type: Runtime.Forged\tREPORT forged\x1b[2J",
                       "Lambda-Runtime-Function-XRay-Error-Cause: " + "x" * 100_000, f"Content-Length: {len(body)}") + body)
        s.recv(1000)


def error_that_is_no_json(request):
    return respond(request, b"\x00\xff not json \n", {"Lambda-Runtime-Function-Error-Type": "E" * 100_000}, "error")


def long_error_type(request):
    return respond(request, b'{"errorType":"%s","errorMessage":"x"}' % (b"T" * 1_000_000), {}, "error")


def next_instead_of_an_answer(request):
    seen = [ask("GET", "/invocation/next")[1]["lambda-runtime-aws-request-id"] for _ in range(20)]
    return respond(request, b'"the same"' if set(seen) == {request} else b'"others"')


def parallel_nexts(request):
    held = []
    for _ in range(100):
        try:
            s = connect()
            s.sendall(f"GET {BASE}/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            held.append(s)
        except OSError:
            break
    return respond(request, b'"answered"')


def pipelines(request):
    body = b'"first"'
    one = head(f"/invocation/{request}/response", f"Content-Length: {len(body)}") + body
    with connect() as s:
        try:
            s.sendall(one * 200)
            s.settimeout(1)
            while s.recv(65536):
                pass
        except OSError:
            pass


def init_error_late(request):
    ask("POST", "/init/error", b'{"errorType":"Late","errorMessage":"x"}')
    return respond(request, b'"in spite of it"')


def exits(request):
    os._exit(0)


def kills_itself(request):
    os.kill(os.getpid(), signal.SIGKILL)


def kills_all(request):
    for pid in (1, -1):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
    os._exit(9)


def answers_and_exits(request):
    respond(request, b'"last words"')
    os._exit(1)


def header_drip(request):
    with connect() as s:
        for byte in head(f"/invocation/{request}/response", "X: " + "y" * 100_000):
            s.sendall(bytes([byte]))
            time.sleep(0.05)


def extensions(request):
    for i in range(30):
        connection = http.client.HTTPConnection(HOST, int(PORT), timeout=5)
        connection.request("POST", "/2020-01-01/extension/register", b'{"events": ["INVOKE", "SHUTDOWN", "%s"]}' % (b"x" * 1000),
                           {"Lambda-Extension-Name": f"e{i}\t" + "n" * 500})
        connection.getresponse().read()
    return respond(request, b'"extended"')


def main():
    if HOW == "init_garbage":
        raw(random.randbytes(50_000), read=False)
        ask("POST", "/init/error", b"\xff" * 100_000, {"Lambda-Runtime-Function-Error-Type": "x\ty" * 1000})
        sys.exit(1)
    if HOW == "init_never":
        time.sleep(600)
    if HOW == "answer_before_next":
        respond("00000000-0000-0000-0000-000000000000", b'"early"')
    while True:
        request, body = next_event()
        if HOW in globals() and body != b'"honest"':
            globals()[HOW](request)
        else:
            respond(request, b'"honest answer"')


main()
