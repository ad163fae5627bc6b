"""Hostile clients of the front door: half-sent, malformed, enormous and forged requests. Each is answered in AWS's shape or cut, and
an honest function works afterwards."""
import base64
import contextlib
import json
import os
import socket
import subprocess
import threading
import time

import pytest

from attack import creation, descriptors, head, health, make_honest, raw, resident_mb, statuses, unharmed, until
from daemon import SLOW, archive

FUNCTIONS = "/2015-03-31/functions"
INVOKE = FUNCTIONS + "/{}/invocations"
SLEEPER = ("import time, pathlib\ndef handler(event, context):\n    time.sleep(event['s'])\n    print('woke', event['s'])\n"
           "    return 'slept'\n")


@pytest.fixture(autouse=True)
def nothing_is_harmed(stoke):
    with unharmed(stoke):
        yield


def error_of(answer):
    """(status, code, message) of an error in AWS's shape."""
    status, headers, body = answer
    shape = json.loads(body)
    return status, headers["x-amzn-errortype"].split(":")[0], shape.get("message") or shape["Message"]


# ---- clients that are slow, or leave

def test_slow_and_half_sent_requests_are_cut(make_stoke):
    slow = make_stoke(config={"http.request_timeout": 2, "http.idle_timeout": 2})
    make_honest(slow)
    beginnings = [b"", b"P", b"POST " + FUNCTIONS.encode(), head(slow, f"POST {FUNCTIONS} HTTP/1.1", "Content-Length: 1000"),
                  head(slow, f"POST {FUNCTIONS} HTTP/1.1", "Content-Length: 1000", body=b"{"),
                  head(slow, f"POST {FUNCTIONS} HTTP/1.1", "Transfer-Encoding: chunked", body=b"5\r\n{\"a\"")]
    sockets = []
    for beginning in beginnings:
        s = socket.create_connection(("127.0.0.1", slow.port), timeout=20)
        s.sendall(beginning)
        sockets.append(s)
    drip = socket.create_connection(("127.0.0.1", slow.port), timeout=20)
    ended = []

    def dripping():
        try:
            for byte in head(slow, "GET /_stoke/health HTTP/1.1", "X-Long: " + "x" * 10000):
                drip.sendall(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            ended.append(True)

    thread = threading.Thread(target=dripping, daemon=True)
    thread.start()
    with unharmed(slow):
        for s in sockets:
            with s:
                while s.recv(65536):
                    pass
    thread.join(20)
    drip.close()
    assert ended, "a header that comes a byte at a time is never cut"


def large_answer(stoke):
    """A connection over which six million bytes come, more than the kernel takes, and how its answer ends."""
    if stoke.request("GET", f"{FUNCTIONS}/large")[0] == 404:
        stoke.create("large", "python3.11", "app.handler", {"app.py": "def handler(event, context):\n    return 'x' * 6000000\n"}, Timeout=20)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.settimeout(20 * SLOW)
    s.connect(("127.0.0.1", stoke.port))
    s.sendall(head(stoke, f"POST {INVOKE.format('large')} HTTP/1.1", "Connection: close"))
    return s


def slowly(s, pause_s=0.05, piece=100000):
    got = b""
    while more := s.recv(piece):
        got += more
        time.sleep(pause_s)
    return got


def test_who_takes_an_answer_slowly_gets_all_of_it(make_stoke):
    own = make_stoke(config={"http.idle_timeout": 1, "http.request_timeout": 2})
    with large_answer(own) as s:
        answer = slowly(s)
    assert answer.endswith(b'xx"') and len(answer) > 6000000
    with large_answer(own) as s:  # and who takes none is cut
        until(lambda: s.recv(100, socket.MSG_PEEK), what="the beginning of the answer")
        before = descriptors(own.process.pid)
        until(lambda: descriptors(own.process.pid) < before, wait_s=30, what="the end of a connection that nobody reads")
        with contextlib.suppress(ConnectionResetError):
            assert len(slowly(s, 0)) < 6000000


def test_the_last_answers_are_whole(make_stoke):
    own = make_stoke()
    with large_answer(own) as s:
        until(lambda: s.recv(100, socket.MSG_PEEK), what="the beginning of the answer")
        own.process.terminate()
        answer = slowly(s)
    assert answer.endswith(b'xx"') and len(answer) > 6000000
    assert own.process.wait(30 * SLOW) == 0


def test_client_that_leaves_while_its_function_runs(stoke, name):
    stoke.create(name, "python3.11", "app.handler", {"app.py": SLEEPER}, Timeout=10)
    body = b'{"s": 1.5}'
    with socket.create_connection(("127.0.0.1", stoke.port)) as s:
        s.sendall(head(stoke, f"POST {INVOKE.format(name)} HTTP/1.1", f"Content-Length: {len(body)}", body=body))
        time.sleep(0.5)
    # the event was accepted: it runs to its end and is reported
    events = until(lambda: [e["message"] for e in json.loads(stoke.request("GET", f"/_stoke/logs?function={name}")[2])["events"]
                            if "REPORT" in e["message"]], what="the report")
    assert "Status" not in events[0]
    assert stoke.invoke(name, {"s": 0})[2] == b'"slept"'


def test_clients_that_reset_the_connection(stoke, name):
    stoke.create(name, "python3.11", "app.handler", {"app.py": SLEEPER}, Timeout=10)
    body = b'{"s": 0.3}'
    request = head(stoke, f"POST {INVOKE.format(name)} HTTP/1.1", f"Content-Length: {len(body)}", body=body)
    for cut in range(1, len(request) + 1, 7):
        s = socket.create_connection(("127.0.0.1", stoke.port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        s.sendall(request[:cut])
        s.close()


def test_pipelined_requests_are_answered_in_order(stoke, name):
    stoke.create(name, "python3.11", "app.handler", {"app.py": SLEEPER}, Timeout=10)
    requests = b"".join(head(stoke, f"POST {INVOKE.format(name)} HTTP/1.1", f"Content-Length: {len(body)}", body=body)
                        for body in (b'{"s": 0.4}', b'{"s": "x"}', b'{"s": 0}'))
    requests += head(stoke, "GET /_stoke/nothing HTTP/1.1") + head(stoke, "GET /_stoke/health HTTP/1.1", "Connection: close")
    answer = raw(stoke, requests, shut=False)
    assert statuses(answer) == [200, 200, 200, 404, 200]
    assert answer.index(b"slept") < answer.index(b"TypeError") < answer.rindex(b"slept") < answer.index(b"version")


def test_idle_connections_leave_room(stoke):
    """More than http.connections: the oldest idle ones go, new clients are served."""
    before, connections = descriptors(stoke.process.pid), []
    try:
        for _ in range(2000):
            connections.append(socket.create_connection(("127.0.0.1", stoke.port), timeout=10))
        assert stoke.request("GET", "/_stoke/health")[0] == 200
    finally:
        for s in connections:
            s.close()
    until(lambda: descriptors(stoke.process.pid) < before + 50, what="the closing of connections")


# ---- requests that are no HTTP

MALFORMED = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "binary method": b"\x00\xff /_stoke/health HTTP/1.1\r\n\r\n",
    "no version": b"GET /_stoke/health\r\n\r\n",
    "bare line ends in a value": b"GET /_stoke/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\n\r\n",
    "NUL in a value": b"GET /_stoke/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\0b\r\n\r\n",
    "folded line": b"GET /_stoke/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n\r\n",
    "space before a colon": b"GET /_stoke/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX : a\r\n\r\n",
    "two hosts": b"GET /_stoke/health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    "two lengths": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "length and chunks": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    "length of letters": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2x\r\n\r\n{}",
    "length beyond 64 bits": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
    "unknown encoding": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunk size of letters": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "negative chunk": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "chunk beyond 64 bits": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n",
    "chunk without its end": b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_requests_are_refused_or_cut(stoke, kind):
    answer = raw(stoke, MALFORMED[kind] + head(stoke, "GET /_stoke/health HTTP/1.1", "Connection: close"))
    got = statuses(answer)
    assert not got or (got[0] in (400, 403, 413, 501) and len(got) == 1), answer[:500]


def test_headers_that_are_too_large_or_many(stoke):
    assert statuses(raw(stoke, head(stoke, "GET /_stoke/health HTTP/1.1", "Connection: close", "X: " + "x" * 60000)))[0] == 200
    for many in (["X: " + "x" * 70000], ["X: " + "x" * 5_000_000], [f"X-{i}: y" for i in range(5000)]):
        got = statuses(raw(stoke, head(stoke, "GET /_stoke/health HTTP/1.1", *many)))
        assert not got or got[0] in (400, 431), many[0][:20]
    got = statuses(raw(stoke, head(stoke, "GET /" + "x" * 200000 + " HTTP/1.1")))
    assert not got or got[0] in (400, 414, 431)


def test_chunked_bodies(stoke):
    def chunked(*chunks, last=b"0\r\n\r\n"):
        body = b"".join(b"%x;ext=\"a b\"\r\n%s\r\n" % (len(c), c) for c in chunks) + last
        return statuses(raw(stoke, head(stoke, f"POST {INVOKE.format('honest')} HTTP/1.1", "Transfer-Encoding: chunked",
                                        "Connection: close", body=body), shut=False))

    assert chunked(b'{"n"', b': 7', b'}') == [200]
    assert chunked(*[bytes([b]) for b in b'{"n": 7}']) == [200]
    assert chunked(b'{"n": 7}', last=b"0\r\nTrailer: x\r\n\r\n") == [200]
    assert chunked(b'{"n": 7}', last=b"0000000000\r\n\r\n") == [200]
    assert chunked(b'"' + b"x" * (7 << 20) + b'"') == [413]


def test_wrong_methods(stoke):
    for method, path in (("PATCH", FUNCTIONS), ("PUT", INVOKE.format("honest")), ("GET", INVOKE.format("honest")), ("DELETE", FUNCTIONS),
                         ("TRACE", "/"), ("CONNECT", "127.0.0.1:22"), ("BREW", FUNCTIONS), ("POST", "/_stoke/health")):
        answer = raw(stoke, head(stoke, f"{method} {path} HTTP/1.1", "Connection: close"))
        got = statuses(answer)
        assert not got or 400 <= got[0] <= 501, (method, answer[:300])
        assert b"Host:" not in answer, "a request is not echoed"


# ---- limits

def test_payload_over_six_megabytes(stoke):
    exact = b'"' + b"x" * (6291456 - 2) + b'"'
    status, headers, body = stoke.invoke("honest", exact)
    assert (status, headers["x-amz-function-error"]) == (200, "Unhandled")  # it came through: the handler wants a dict
    for size in (1, 10 << 20):
        answer = error_of(stoke.invoke("honest", exact[:-1] + b"x" * size + b'"'))
        assert answer == (413, "RequestEntityTooLargeException",
                          "Request must be smaller than 6291456 bytes for the InvokeFunction operation")


def test_many_large_bodies_at_once(stoke):
    """Bodies are refused by their announced length, or held on disk: stoked's memory is bounded."""
    before, outcomes = resident_mb(stoke.process.pid), []
    zipped = base64.b64encode(os.urandom(30 << 20)).decode()

    def post(i):
        outcomes.append(stoke.request("POST", FUNCTIONS, creation(f"big-{i}", zipped))[0])

    threads = [threading.Thread(target=post, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert outcomes == [400] * 4
    until(lambda: resident_mb(stoke.process.pid) < before + 64, what="the giving back of memory")
    assert os.listdir(stoke.data + "/incoming") == [] and os.listdir(stoke.data + "/tmp") == []


# ---- JSON

def test_nested_json(stoke):
    for text in (b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b"[" * 3_000_000):
        status, code, message = error_of(stoke.invoke("honest", text))
        assert (status, code) == (400, "InvalidRequestContentException") and "json" in message
        status, code, _ = error_of(stoke.request("POST", FUNCTIONS, text))
        assert status == 400 and code == "SerializationException"


@pytest.mark.parametrize("text", [b"", b" ", b"{", b"}", b"nul", b"NaN", b"1e", b"01", b"'a'", b'{"a" 1}', b'{"a":1,}', b"[1,]", b'"\xff"',
                                  b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"a\0b"', b'"\x01"', b'{}{}', b'{} x', b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0"])
def test_json_that_is_none(stoke, text):
    status, code, message = error_of(stoke.invoke("honest", text)) if text else (400, "InvalidRequestContentException", "json")
    assert (status, code) == (400, "InvalidRequestContentException") and "json" in message, text
    status, _, _ = error_of(stoke.request("POST", FUNCTIONS, text))
    assert status == 400


WRONG_TYPES = [{"FunctionName": ["a"]}, {"FunctionName": {}}, {"FunctionName": None}, {"FunctionName": 7}, {"Role": 1}, {"Code": []},
               {"Code": "x"}, {"Code": {"ZipFile": 1}}, {"Code": {"ZipFile": "a"}}, {"Timeout": "x"}, {"Timeout": 1.5},
               {"Timeout": 1e300}, {"Timeout": -1}, {"Timeout": 99999999999999999999}, {"MemorySize": True}, {"MemorySize": 127},
               {"Environment": {"Variables": {"A": 1}}}, {"Environment": {"Variables": {"": "x"}}}, {"Environment": {"Variables": {"A=B": "x"}}},
               {"Environment": {"Variables": {"A": "x\0y"}}}, {"Environment": []}, {"Tags": {"a": []}}, {"Layers": {"a": 1}},
               {"EphemeralStorage": {"Size": 1}}, {"EphemeralStorage": 5}, {"Architectures": ["vax"]}, {"Handler": "x\0y"},
               {"Handler": "a b"}, {"Handler": "x" * 200}, {"Runtime": {"x": 1}}, {"LoggingConfig": {"LogFormat": "X"}}, {"Publish": "yes"},
               {"FunctionName": "x" * 200}, {"Description": "x" * 300}, {"Runtime": "python3.11\n"}]


@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=lambda w: json.dumps(w)[:50])
def test_wrong_types_and_values(stoke, name, wrong):
    good = json.loads(creation(name, base64.b64encode(archive({"app.py": "x = 1\n"})).decode()))
    status, code, message = error_of(stoke.request("POST", FUNCTIONS, {**good, **wrong}))
    assert status in (400, 413) and code and message, (status, code, message)
    assert stoke.request("GET", f"{FUNCTIONS}/{name}")[0] == 404


def test_many_members_and_duplicates(stoke, name):
    good = creation(name, base64.b64encode(archive({"app.py": "x = 1\n"})).decode()).decode()
    many = good[:-1] + "".join(f', "X{i}": {i}' for i in range(200_000)) + "}"
    assert stoke.request("POST", FUNCTIONS, many.encode())[0] in (201, 400)
    twice = good[:-1] + ', "FunctionName": "other-name"}'
    assert stoke.request("POST", FUNCTIONS, twice.encode())[0] in (400, 409)
    assert stoke.request("GET", f"{FUNCTIONS}/other-name")[0] == 404


# ---- names and headers

NAMES = ["..", "../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2fstoke.db", "a%00b", "%00", "a%0d%0aX-Evil:1", "a%", "a%zz", "a%2", "%ff%fe",
         "a%252e", "a%20b", "x" * 141, "x" * 5000, "arn:aws:lambda:us-east-1:000000000000:function:../x", "arn:aws:lambda", ":::::",
         "function:", "honest:", "honest:%00", "honest:../x", "%F0%9F%94%A5", "a'or'1'='1", "a;drop", "a%2fb", "~", "*", "[", "%5c..%5c"]


@pytest.mark.parametrize("bad", NAMES)
def test_names_out_of_pattern(stoke, bad):
    for method, path in (("GET", f"{FUNCTIONS}/{bad}"), ("POST", INVOKE.format(bad)), ("DELETE", f"{FUNCTIONS}/{bad}"),
                         ("GET", f"{FUNCTIONS}/{bad}/configuration")):
        answer = raw(stoke, head(stoke, f"{method} {path} HTTP/1.1", "Content-Length: 0", "Connection: close"))
        assert statuses(answer)[0] in (400, 403, 404, 414), (method, bad, answer[:300])
        assert b"\r\nX-Evil" not in answer and b"root:" not in answer and b"SQLite" not in answer
    status = statuses(raw(stoke, head(stoke, f"GET /_stoke/logs?function={bad} HTTP/1.1", "Connection: close")))[0]
    assert 400 <= status < 500


def test_paths_that_climb(stoke):
    for path in ("/../../etc/passwd", "/_stoke/../../etc/passwd", "/_stoke/code/../../stoke.db", "/_stoke/%2e%2e/stoke.db", "//etc/passwd",
                 "/_stoke/code/%00", "http://evil.example/_stoke/health", "*", "/_stoke/code/" + "a" * 64, "/_stoke/logs?function=%00&limit=1",
                 "/_stoke/logs?function=honest&limit=-1", "/_stoke/logs?function=honest&limit=99999999999999999999",
                 "/_stoke/logs?function=honest&after=zzz", "/_stoke/logs?function=honest&wait=-5", "/?&&&=&=", "/?" + "a=b&" * 5000):
        answer = raw(stoke, head(stoke, f"GET {path} HTTP/1.1", "Connection: close"))
        assert statuses(answer)[0] in (400, 403, 404, 501), (path, answer[:300])
        assert b"root:" not in answer and b"SQLite" not in answer


CONTEXTS = ["*", "e30x", base64.b64encode(b"[]").decode(), base64.b64encode(b"nope").decode(), base64.b64encode(b'{"a": "\xff"}').decode(),
            base64.b64encode(b"{" * 2000).decode(), "A" * 50000, base64.b64encode(b'{"a":"b\0c"}').decode(), "e30=\x0b", "====",
            base64.b64encode(json.dumps({"custom": {"x": "y" * 3000}}).encode()).decode()]


@pytest.mark.parametrize("context", CONTEXTS, ids=range(len(CONTEXTS)))
def test_bad_client_contexts(stoke, context):
    answer = raw(stoke, head(stoke, f"POST {INVOKE.format('honest')} HTTP/1.1", f"X-Amz-Client-Context: {context}", "Content-Length: 8",
                             "Connection: close", body=b'{"n": 7}'))
    assert statuses(answer)[0] in (400, 413), answer[:300]


def test_client_context_cannot_inject_headers(stoke, name):
    stoke.create(name, "python3.11", "app.handler", {"app.py": "def handler(e, c):\n    return [c.client_context.custom, c.aws_request_id]\n"})
    text = '{"custom": {"k": "a\\r\\nLambda-Runtime-Aws-Request-Id: forged"},\r\n "x": 1}'
    status, headers, body = stoke.invoke(name, {}, {"X-Amz-Client-Context": base64.b64encode(text.encode()).decode()})
    custom, request_id = json.loads(body)
    assert custom == {"k": "a\r\nLambda-Runtime-Aws-Request-Id: forged"}
    assert request_id == headers["x-amzn-requestid"]


def test_forged_headers(stoke):
    for headers in ({"X-Amz-Invocation-Type": "Bomb"}, {"X-Amz-Log-Type": "Head"}, {"X-Amzn-Trace-Id": "Root=\x01" + "x" * 4000},
                    {"Authorization": "AWS4-HMAC-SHA256 Credential=////////"}, {"Authorization": "AWS4-HMAC-SHA256 " + "x" * 9000},
                    {"Authorization": "AWS4-HMAC-SHA256 Credential=../../../x/20260101/../../lambda/aws4_request"},
                    {"Authorization": "Basic \xff\xfe"}, {"Content-Type": "text/html"}, {"X-Amz-Target": "Evil.Thing"}, {"Expect": "nonsense"},
                    {"Content-Encoding": "gzip"}, {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABk"}):
        status, _, body = stoke.invoke("honest", {"n": 7}, headers)
        assert status in (200, 400, 403, 404, 415, 417, 501), (headers, status, body[:200])


def test_query_protocol(stoke):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"", b"Action", b"Action=", b"Action=Nothing&Version=1", b"Action=GetCallerIdentity&" + b"a.b.1=" * 3000, b"Action=%00",
                 b"Action=GetCallerIdentity&Version=2011-06-15&Action=Other", b"%", b"&" * 100000):
        status, _, answer = stoke.request("POST", "/", body, form)
        assert status in (200, 400, 403, 404, 501), (body[:40], status, answer[:200])


# ---- the listen address

@pytest.mark.parametrize("address", ["0.0.0.0:{}", "[::]:{}", "127.0.0.1", "127.0.0.1:99999", "nonsense:{}", "", "127.0.0.1:-1"])
def test_listen_addresses_that_are_refused(stoke, tmp_path, address):
    refused = subprocess.run([stoke.build / "stoked", "--listen", address.format(stoke.port + 1), "--data", tmp_path / "data"],
                             capture_output=True, text=True, timeout=30)
    assert refused.returncode in (1, 2) and "listen" in refused.stderr, refused.stderr


def test_what_health_counts_after_all_this(stoke):
    assert health(stoke)["ready"] is True
    assert descriptors(stoke.process.pid) < 400


def test_accounts_without_number(make_stoke):
    """An account is a name in a header: what is prepared for each is bounded, and everyone's functions run."""
    stoke = make_stoke(config={"pool.blanks_min": 0})
    zipped = base64.b64encode(archive({"app.py": "def handler(e, c):\n    return e['n']\n"})).decode()

    def call(account, method, path, body):
        return stoke.request(method, path, body, {"Content-Type": "application/json", "Authorization":
                             f"AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/lambda/aws4_request"})

    accounts = [f"{100000000000 + i}" for i in range(90)]
    for account in accounts:
        assert call(account, "POST", FUNCTIONS, creation("same", zipped))[0] == 201
    until(lambda: health(stoke)["pool"]["zygotes"] >= 60, 60, what="the zygotes")
    for account in accounts[::-9]:
        assert call(account, "POST", INVOKE.format("same"), b'{"n": 1}')[2] == b"1"
    assert health(stoke)["pool"]["zygotes"] <= 64
    make_honest(stoke)
