"""What the tests of hostile input share: raw requests, and the question that follows every attack: is stoked alive, does an honest
function work, was nothing left behind?

    with unharmed(stoke):
        attack(stoke)
"""
import contextlib
import json
import os
import pathlib
import re
import socket
import time

from daemon import ROLE, SLOW, processes

HONEST = "def handler(event, context):\n    return {'honest': event['n']}\n"


def make_honest(stoke, name="honest"):
    if stoke.request("GET", f"/2015-03-31/functions/{name}")[0] == 404:
        stoke.create(name, "python3.11", "app.handler", {"app.py": HONEST}, Timeout=30)


def honest_answers(stoke, name="honest"):
    status, headers, body = stoke.invoke(name, {"n": 7})
    assert (status, headers.get("x-amz-function-error")) == (200, None), (status, body)
    assert json.loads(body) == {"honest": 7}


@contextlib.contextmanager
def unharmed(stoke):
    """The daemon is the same process before and after, ready, and serves an honest function."""
    make_honest(stoke)
    pid = stoke.process.pid
    yield
    assert stoke.process.poll() is None and stoke.process.pid == pid, stoke.log()[-4000:]
    assert health(stoke)["ready"] is True
    honest_answers(stoke)


def health(stoke):
    return json.loads(stoke.request("GET", "/_stoke/health")[2])


def resident_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    raise AssertionError(f"{pid} has no memory")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def until(condition, wait_s=15, what="it"):
    """Waits for condition() to be true; bounded."""
    end = time.monotonic() + wait_s * SLOW
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come about within {wait_s} s"
        time.sleep(0.05)
    return value


def family(stoke):
    """(monitor, spawner), when both are there: the daemon answers before they are."""
    def look():
        table = processes()
        monitor = next((p for p, (parent, name) in table.items() if parent == stoke.process.pid and name == "stoke-spawner"), None)
        spawner = next((p for p, (parent, _) in table.items() if parent == monitor), None)
        return spawner and (monitor, spawner)

    return until(look, what="a monitor and its spawner")


def raw(stoke, data, wait_s=15, shut=True):
    """Everything that the daemon answers to these bytes until it closes."""
    with socket.create_connection(("127.0.0.1", stoke.port), timeout=wait_s * SLOW) as s:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(data)
        with contextlib.suppress(OSError):  # not connected any more, where it was refused before it had sent all
            if shut:
                s.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := s.recv(65536):
                answer += piece
        return answer


def head(stoke, line, *headers, body=b""):
    lines = [line, f"Host: 127.0.0.1:{stoke.port}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def statuses(answer):
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


def creation(name, zipped, **more):
    """The body of CreateFunction around an archive already in base64."""
    return json.dumps({"FunctionName": name, "Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE,
                       "Code": {"ZipFile": zipped}, **more}).encode()
