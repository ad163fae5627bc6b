"""Custom runtimes that abuse the Runtime API: each invocation ends with an answer or an error of the function's own, in time, and the
next one of the same function works."""
import base64
import json
import pathlib

import pytest

from attack import health, honest_answers, resident_mb, unharmed, until

BOOTSTRAP = pathlib.Path(__file__).with_name("hostile_bootstrap.py").read_bytes()
TIMEOUT = "Sandbox.Timedout"
EXIT = "Runtime.ExitError"
# What the invocation answers: a payload as bytes, an error type, or None where either will do.
EXPECTED = {
    "garbage": b'"after garbage"', "answers_twice": b'"first"', "answers_another": b'"own"', "seven_megabytes": "Function.ResponseSizeTooLarge",
    "fifty_megabytes_chunked": "Function.ResponseSizeTooLarge", "half_sends_and_stalls": TIMEOUT, "half_sends_and_leaves": None,
    "half_sends_and_answers_elsewhere": None, "half_a_chunk": None, "five_hundred_connections": None, "closes_everything": TIMEOUT,
    "no_json": b"\xff\xfe{nope\x00", "empty_answer": b"", "json_with_odd_headers": b"{}", "odd_error_headers": None,
    "error_that_is_no_json": None, "long_error_type": None, "next_instead_of_an_answer": b'"the same"', "parallel_nexts": b'"answered"',
    "pipelines": b'"first"', "init_error_late": None, "exits": EXIT, "kills_itself": EXIT, "kills_all": EXIT,
    "answers_and_exits": b'"last words"', "header_drip": TIMEOUT, "extensions": b'"extended"', "init_garbage": None, "init_never": None,
    "answer_before_next": b'"honest answer"',
}
NEVER_HONEST = ("init_garbage", "init_never")


@pytest.fixture(autouse=True)
def nothing_is_harmed(stoke):
    with unharmed(stoke):
        yield


def deploy(stoke, how):
    name = "rt-" + how.replace("_", "-")
    stoke.create(name, "provided.al2023", how, {"bootstrap": (BOOTSTRAP, 0o755)}, Timeout=4, MemorySize=512)
    return name


@pytest.mark.parametrize("how", EXPECTED)
def test_hostile_runtimes(stoke, how):
    before, name = resident_mb(stoke.process.pid), deploy(stoke, how)
    for _ in range(2):
        status, headers, body = stoke.invoke(name, {}, {"X-Amz-Log-Type": "Tail"}, timeout=60)
        assert status == 200, (status, body[:500])
        expected, failed = EXPECTED[how], "x-amz-function-error" in headers
        if isinstance(expected, bytes):
            assert (failed, body) == (False, expected), body[:500]
        elif expected:
            assert failed and json.loads(body)["errorType"] == expected, body[:500]
        log = base64.b64decode(headers["x-amz-log-result"]).decode()
        reports = [line for line in log.split("\n") if line.startswith("REPORT ")]
        assert len(reports) == 1 and "forged" not in reports[0], log
        assert "\x1b" not in log
    honest_answers(stoke)
    if how not in NEVER_HONEST:
        until(lambda: stoke.invoke(name, "honest")[2] == b'"honest answer"', what="an honest answer")
    assert resident_mb(stoke.process.pid) < before + 64
    assert stoke.request("DELETE", f"/2015-03-31/functions/{name}")[0] == 204
    until(lambda: health(stoke)["pool"]["busy"] == 0, what="an end of its work")


def test_bootstraps_that_cannot_run(stoke):
    elf = bytearray(pathlib.Path("/bin/true").read_bytes())
    elf[18:20] = b"\xb7\x00"  # aarch64
    for i, content in enumerate((b"", b"#!", b"#!/nonexistent/interpreter\n", b"#!" + b"x" * 10_000, b"\x7fELF" + b"\xff" * 1000, bytes(elf),
                                 b"\x00" * 100, b"#!/var/task/bootstrap\n")):
        name = f"unrunnable-{i}"
        configuration = stoke.create(name, "provided.al2023", "x", {"bootstrap": (content, 0o755)}, Timeout=3)
        status, headers, body = stoke.invoke(name, {})
        assert status in (200, 400, 403, 409, 502), (i, status, body)
        assert configuration["State"] == "Failed" or "x-amz-function-error" in headers, (i, body)
        assert b"InvalidEntrypoint" in body or b"ExitError" in body or configuration["State"] == "Failed", (i, body)


SENDS_DESCRIPTORS = """import array, socket, struct
def handler(event, context):
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    client.setblocking(False)
    try:
        while True:
            client.send(bytes(1 << 20))
    except BlockingIOError:
        pass
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
    channel = socket.socket(fileno=3)
    try:
        channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [client.fileno()]))])
        client.close()
        while True:
            pass
    except PermissionError:
        return "refused"
    finally:
        channel.detach()
"""


def test_descriptors_sent_to_stoked(stoke):
    """A socket that lingers would keep whoever gives up its last reference."""
    stoke.create("sends", "python3.11", "app.handler", {"app.py": SENDS_DESCRIPTORS}, Timeout=10)
    for _ in range(3):
        status, headers, body = stoke.invoke("sends", {}, timeout=60)
        ended = "x-amz-function-error" in headers and json.loads(body)["errorType"] != TIMEOUT
        assert status == 200 and (body == b'"refused"' or ended), body
        honest_answers(stoke)
