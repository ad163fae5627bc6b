"""What functions may send to 127.0.0.1:4566 inside their sandboxes: requests as large as Invoke takes, and no more of them at once than
a sandbox may leave to the host to keep."""
import base64
import json
import os

import pytest

from attack import creation, honest_answers, make_honest, resident_mb, unharmed, until

FUNCTIONS = "/2015-03-31/functions"
PAYLOAD_MAX = 6291456
MB = 1 << 20
SENDER = """import http.client, select, socket, time

AT = ("127.0.0.1", 4566)

def begin(path, *headers):
    s = socket.create_connection(AT, timeout=30)
    s.sendall("\\r\\n".join(["POST " + path + " HTTP/1.1", "Host: 127.0.0.1:4566", "Content-Type: application/json", *headers, "", ""]).encode())
    return s

def answer(s):
    response = http.client.HTTPResponse(s)
    response.begin()
    return [response.status, response.getheader("x-amzn-errortype"), response.read().decode()]

def announce(path, bytes):
    return answer(begin(path, "Content-Length: %d" % bytes))

def chunks(path, bytes):
    s = begin(path, "Transfer-Encoding: chunked")
    try:
        for _ in range(bytes >> 20):
            s.sendall(b"100000\\r\\n" + bytearray(1 << 20) + b"\\r\\n")
        s.sendall(b"0\\r\\n\\r\\n")
    except OSError:
        pass
    return answer(s)

def whole(path, bytes, before='"', after='"'):
    s = begin(path, "Content-Length: %d" % bytes)
    s.sendall(before.encode() + b"x" * (bytes - len(before) - len(after)) + after.encode())
    return answer(s)

def park(path, count, bytes, seconds):
    # So many requests, each but for its last byte; how many are not cut.
    parked = []
    for _ in range(count):
        s = begin(path, "Content-Length: %d" % bytes)
        parked.append(s)
        try:
            for left in range(bytes - 1, 0, -(1 << 20)):
                s.sendall(bytearray(min(left, 1 << 20)))
        except OSError:
            pass
    time.sleep(seconds)
    return len(parked) - len(select.select(parked, [], [], 0)[0])

def handler(event, context):
    return globals()[event.pop("do")](**event)
"""


def deploy(stoke):
    make_honest(stoke)
    stoke.create("sender", "python3.11", "app.handler", {"app.py": SENDER}, Timeout=60, MemorySize=1769)


def send(stoke, do, path=FUNCTIONS, **event):
    status, headers, body = stoke.invoke("sender", {"do": do, "path": path, **event})
    assert (status, headers.get("x-amz-function-error")) == (200, None), body
    return json.loads(body)


@pytest.mark.parametrize("endpoint", ["none", "invoke"])
def test_a_function_that_may_deploy_nothing(make_stoke, endpoint):
    stoke = make_stoke(config={"functions.endpoint": endpoint})
    deploy(stoke)
    invoke = FUNCTIONS + "/honest/invocations"
    for answer in (send(stoke, "announce", bytes=7 * MB), send(stoke, "announce", bytes=1 << 40), send(stoke, "chunks", bytes=8 * MB),
                   send(stoke, "whole", invoke, bytes=7 * MB)):
        assert answer[:2] == [413, "RequestEntityTooLargeException"]
        assert json.loads(answer[2])["Message"] == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    # what is just too large, and what is not
    assert send(stoke, "whole", invoke, bytes=PAYLOAD_MAX + 1)[0] == (413 if endpoint == "invoke" else 403)
    status, kind, text = send(stoke, "whole", invoke, bytes=PAYLOAD_MAX)
    assert (status, kind) == ((200, None) if endpoint == "invoke" else (403, "AccessDeniedException")), text
    # the host's own clients deploy as ever
    status, _, body = stoke.request("POST", FUNCTIONS, creation("large", base64.b64encode(os.urandom(20 * MB)).decode()))
    assert status == 400 and b"unzip" in body, body


@pytest.mark.parametrize("endpoint,count,each,alive", [("invoke", 100, 6 * MB, 64 // 6), ("account", 8, 60 * MB, 2)])
def test_bodies_that_are_parked(make_stoke, endpoint, count, each, alive):
    stoke = make_stoke(config={"functions.endpoint": endpoint})
    deploy(stoke)
    with unharmed(stoke):
        before = resident_mb(stoke.process.pid)
        assert 1 <= send(stoke, "park", count=count, bytes=each, seconds=1) <= alive
        honest_answers(stoke)
        until(lambda: resident_mb(stoke.process.pid) < before + 64, what="the giving back of memory")


def test_a_function_that_may_deploy(make_stoke):
    stoke = make_stoke(config={"functions.endpoint": "account"})
    deploy(stoke)
    before, after = creation("large", "@").decode().split("@")
    status, kind, text = send(stoke, "whole", bytes=50 * MB, before=before, after=after)
    assert (status, kind) == (400, "InvalidParameterValueException") and "unzip" in text
    assert send(stoke, "announce", bytes=71 * MB) == [413, "RequestEntityTooLargeException",
                                                      '{"Type":"User","Message":"Request must be smaller than 69905067 bytes"}']
