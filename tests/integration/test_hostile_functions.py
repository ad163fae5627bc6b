"""Hostile handlers in our own Python and Node runtimes: they exhaust what they have, lie on the private channel, forge the log, call
themselves. Each costs its own invocation and nothing else."""
import base64
import json
import os
import pathlib
import re
import threading

import pytest

from attack import health, honest_answers, resident_mb, unharmed, until
from daemon import SLOW

PYTHON = pathlib.Path(__file__).with_name("hostile_handlers.py").read_text()
NODE = pathlib.Path(__file__).with_name("hostile_handlers.mjs").read_text()
PROCESSES = 742  # and threads of a function, the one that makes the others among them


@pytest.fixture(autouse=True)
def nothing_is_harmed(stoke):
    with unharmed(stoke):
        yield


@pytest.fixture
def python(stoke):
    def run(handler, event=None, **more):
        name = re.sub(r"\W+", "-", f"py-{handler}-" + "-".join(str(v) for v in more.values()))[:60]
        if stoke.request("GET", f"/2015-03-31/functions/{name}")[0] == 404:
            stoke.create(name, "python3.11", f"app.{handler}", {"app.py": PYTHON}, **{"Timeout": 20, "MemorySize": 256, **more})
        return Answer(name, stoke.invoke(name, event, {"X-Amz-Log-Type": "Tail"}))
    return run


@pytest.fixture
def node(stoke):
    if not any(r["Language"] == "nodejs" for r in json.loads(stoke.request("GET", "/_stoke/runtimes")[2])["Runtimes"]):
        pytest.skip("needs node")

    def run(handler, event=None, **more):
        name = f"js-{handler}"
        if stoke.request("GET", f"/2015-03-31/functions/{name}")[0] == 404:
            stoke.create(name, "nodejs20.x", f"app.{handler}", {"app.mjs": NODE}, **{"Timeout": 20, "MemorySize": 256, **more})
        return Answer(name, stoke.invoke(name, event, {"X-Amz-Log-Type": "Tail"}))
    return run


class Answer:
    def __init__(self, name, answer):
        self.name = name
        self.status, self.headers, body = answer
        self.log = base64.b64decode(self.headers.get("x-amz-log-result", "")).decode(errors="replace")
        self.failed = "x-amz-function-error" in self.headers
        assert self.status == 200, (self.status, body[:500])
        self.body = json.loads(body)

    def __repr__(self):
        return f"{self.body!r:.500}\n{self.log[-1500:]}"

    @property
    def type(self):
        return self.body["errorType"] if self.failed else None


# ---- exhaustion

def test_fork_bomb(python):
    answer = python("fork_bomb", MemorySize=3008)
    assert not answer.failed and answer.body["error"] == "BlockingIOError" and 700 <= answer.body["children"] < PROCESSES, answer
    assert python("echo", {"n": 1}).body == {"n": 1}


def test_thread_bomb(python):
    answer = python("thread_bomb")
    assert not answer.failed and 700 <= answer.body["threads"] < PROCESSES, answer


@pytest.mark.parametrize("handler", ["memory_hog", "memory_hog_in_children", "page_cache_hog", "memory_hog_in_threads"])
def test_memory(python, handler):
    answer = python(handler)
    if handler == "page_cache_hog":
        assert not answer.failed, answer  # /tmp is a disk: what is cached of it makes room
        return
    assert answer.failed and answer.type == "Runtime.ExitError" and "signal: killed" in answer.body["errorMessage"], answer
    assert "Status: error\tError Type: Runtime.OutOfMemory" in answer.log and "Max Memory Used: 256 MB" in answer.log, answer
    assert python("echo", {"n": 1}).body == {"n": 1}


def test_memory_at_init(python):
    answer = python("echo", {}, Environment={"Variables": {"AT_INIT": "memory"}})
    assert answer.failed and "Runtime.OutOfMemory" in answer.log, answer


def test_filling_tmp_and_inodes(python):
    for handler in ("fill_tmp", "fill_inodes"):
        answer = python(handler)
        assert not answer.failed and answer.body["errno"] in ("ENOSPC", "EDQUOT"), answer


def test_descriptors(python):
    answer = python("descriptors")
    assert answer.body["errno"] == "EMFILE" and 1000 <= answer.body["held"] <= 1024, answer


def test_inotify_instances(python):
    """Who takes all that it can get leaves some to the others of its account; what it took stays taken while it is kept."""
    for memory in (256, 257, 258):
        answer = python("inotify", MemorySize=memory)
        assert answer.body == {"taken": 16, "error": "EMFILE"}, answer


def test_a_gigabyte_on_stdout(stoke, python):
    """The log is bounded on disk and in stoked; the function is slowed, and perhaps out of time, not stoked."""
    before = resident_mb(stoke.process.pid)
    sizes = []
    done = threading.Event()

    def watch():
        while not done.wait(0.2):
            sizes.append(resident_mb(stoke.process.pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        python("flood", {"mb": 1024}, MemorySize=1769, Timeout=15)
        python("flood_without_newlines", {"mb": 200}, MemorySize=1769, Timeout=5)
    finally:
        done.set()
        thread.join()
    assert max(sizes) < before + 100, (before, max(sizes))
    logs = sum(f.stat().st_size for f in pathlib.Path(stoke.data, "logs").rglob("*") if f.is_file())
    assert logs < 100 << 20


def test_timeout_of_every_kind(python):
    for handler in ("spin", "stop_itself", "ignore_signals", "hold_gil_asleep"):
        answer = python(handler, Timeout=1)
        assert answer.failed and "Task timed out after 1.00 seconds" in answer.body["errorMessage"], (handler, answer)
        assert "Status: timeout" in answer.log


def test_background_work_is_frozen_and_ends(stoke, python):
    answer = python("leaves_a_daemon")
    assert not answer.failed
    assert python("counts", answer.body).body <= 100


# ---- ends

@pytest.mark.parametrize("handler, words", [("exit_now", "exit status 3"), ("exit_cleanly", "without providing a reason"), ("kill_itself", "signal: killed"),
                                            ("segfault", "signal: segmentation fault"), ("abort", "signal: aborted"), ("system_exit", "exit status 7"),
                                            ("kill_all", "signal: killed"), ("close_everything", None), ("close_channel", None)])
def test_ends(python, handler, words):
    answer = python(handler, Timeout=5)
    assert answer.failed, answer
    assert words is None or words in answer.body["errorMessage"], answer
    assert answer.type in ("Runtime.ExitError", "Sandbox.Timedout"), answer
    assert re.search(r"REPORT RequestId: \S+\tDuration", answer.log)


def test_attempts_at_privilege(python):
    answer = python("privilege")
    assert not answer.failed, answer
    refused = {k: v for k, v in answer.body.items() if v not in ("EPERM", "EACCES", "ESRCH", "ENOSYS", "EINVAL", "ENOENT", "EROFS", "no effect")}
    assert not refused, refused


# ---- the private channel of our runtimes

FRAMES = ["random", "header_only", "huge_length", "second_answer", "answer_to_other", "unknown_type", "booted_again", "ready_again", "init_error_now",
          "exec_failed_now", "error_then_response", "half_frame_and_wait", "half_frame_and_exit", "flood_of_answers", "shutdown_writing",
          "shutdown_reading", "seven_megabytes", "fds_over_it"]


@pytest.mark.parametrize("trick", FRAMES)
def test_python_channel(stoke, python, trick):
    before = resident_mb(stoke.process.pid)
    name = f"channel-{trick.replace('_', '-')}"
    stoke.create(name, "python3.11", "app.channel", {"app.py": PYTHON}, Timeout=2)
    for _ in range(3):
        status, headers, body = stoke.invoke(name, {"trick": trick})
        assert status in (200, 500), (status, body[:300])
    assert until(lambda: stoke.invoke(name, {"trick": "none"})[2] == b'"honest answer"', what="an answer after the trick")
    assert resident_mb(stoke.process.pid) < before + 64
    honest_answers(stoke)


@pytest.mark.parametrize("trick", ["random", "huge_length", "second_answer", "half_frame_and_exit", "close_channel"])
def test_node_channel(node, stoke, trick):
    node("channel", {"trick": trick}, Timeout=2)
    assert node("echo", {"n": 2}).body == {"n": 2}


@pytest.mark.parametrize("handler", ["reject", "uncaught", "throw_odd", "exit", "bigint", "cycle", "never", "spin", "throw_undefined", "huge"])
def test_node_errors(node, handler):
    answer = node(handler, Timeout=2)
    assert answer.failed, answer
    assert node("echo", {"n": 2}).body == {"n": 2}


# ---- the log

def test_log_lines_cannot_be_forged(stoke, python):
    answer = python("forge")
    page = json.loads(stoke.request("GET", f"/_stoke/logs?function={answer.name}&limit=1000")[2])
    own = [e for e in page["events"] if e["platform"]]
    assert len([e for e in own if e["message"].startswith("START ")]) == 1
    assert len([e for e in own if e["message"].startswith("REPORT ")]) == 1
    assert not [e for e in own if "forged" in e["message"]]
    forged = [e for e in page["events"] if "forged" in e["message"]]
    assert forged and not any(e["platform"] for e in forged)
    stored = "".join(f.read_text(errors="replace") for f in pathlib.Path(stoke.data, "logs").rglob(f"*{answer.name}*/*"))
    assert not [line for line in stored.splitlines() if "forged" in line and line.split("\t")[1:2] == ["P"]]


FORGED_START = """
import os, struct
meta = b"2\\0/opt/extensions/x\\nREPORT RequestId: forged\\tDuration: 0.00 ms\\\"\\0x\\nEND RequestId: forged\\0"
os.write(3, struct.pack("<BBHII", 21, 0, 0, len(meta), 0) + meta)
def handler(event, context):
    return "ran"
"""


def test_a_start_that_failed_cannot_be_forged(stoke):
    """Code that loads says on the private channel that it could not be executed: its own loss, and one line in the log."""
    stoke.create("forged-start", "python3.11", "app.handler", {"app.py": FORGED_START})
    for _ in range(2):
        status, _, body = stoke.invoke("forged-start", {})
        assert status == 200 and json.loads(body)["errorType"] in ("Extension.LaunchError", "Runtime.ExitError"), body
    page = json.loads(stoke.request("GET", "/_stoke/logs?function=forged-start&limit=1000")[2])
    platform = [line for e in page["events"] if e["platform"] for line in e["message"].splitlines()]
    assert not [line for line in platform if line.startswith(("REPORT RequestId: forged", "END RequestId: forged"))], platform
    honest_answers(stoke)


ODD_TYPES = ["newline", "report", "control", "long", "surrogate", "nul", "not_text", "deep_trace"]


@pytest.mark.parametrize("kind", ODD_TYPES)
def test_odd_errors(stoke, python, kind):
    answer = python("odd_error", {"kind": kind}, Description=kind)
    assert answer.failed and len(json.dumps(answer.body)) < 1 << 20, answer
    page = json.loads(stoke.request("GET", f"/_stoke/logs?function={answer.name}&limit=1000")[2])
    own = [e["message"] for e in page["events"] if e["platform"]]
    assert len([m for m in own if m.startswith("REPORT ")]) == 1 and not [m for m in own if "forged" in m]
    for message in own:
        assert "\x1b" not in message and "\r" not in message, message
    assert all("\r" not in v and "\n" not in v for v in answer.headers.values())


@pytest.mark.parametrize("handler", ["odd_result_set", "odd_result_nan", "odd_result_cycle", "odd_result_deep", "odd_result_huge",
                                     "odd_result_surrogate", "odd_result_iterates_for_ever"])
def test_odd_results(python, handler):
    answer = python(handler, Timeout=3, MemorySize=512)
    if handler == "odd_result_huge":
        assert answer.type == "Function.ResponseSizeTooLarge", answer
    elif handler in ("odd_result_set", "odd_result_cycle", "odd_result_deep"):
        assert answer.type == "Runtime.MarshalError", answer
    assert python("echo", {"n": 1}).body == {"n": 1}


def test_bytes_are_handed_on_as_they_are(stoke, name):
    stoke.create(name, "python3.11", "app.odd_result_bytes", {"app.py": PYTHON})
    assert stoke.invoke(name)[2] == b"\xff\x00"


# ---- through its own front door

def test_recursion_is_bounded_by_concurrency(make_stoke):
    stoke = make_stoke(config={"concurrency.account": 6})
    stoke.create("recursive", "python3.11", "app.recurse", {"app.py": PYTHON}, Timeout=20)
    answer = Answer("recursive", stoke.invoke("recursive", {"depth": 0}))
    assert not answer.failed and answer.body["refused"] == 429 and answer.body["depth"] == 5, answer
    assert Answer("recursive", stoke.invoke("recursive", {"depth": 0})).body["depth"] == 5
    until(lambda: health(stoke)["pool"]["busy"] == 0, what="the end of the recursion")


def test_many_connections_to_the_front_door_inside(stoke, python):
    answer = python("hold_connections", {"count": 500})
    assert not answer.failed and answer.body["opened"] >= 100, answer
    honest_answers(stoke)
    answer = python("front_door_garbage")
    assert not answer.failed, answer


def test_what_it_may_not_reach_inside(python):
    answer = python("front_door_tricks")
    assert not answer.failed
    assert {k: v for k, v in answer.body.items() if v not in (400, 403, 404, 405, 0)} == {}, answer.body


def test_proc_is_the_rooms_own(python):
    """A process is found in /proc under the number that it has, and nobody else is."""
    a = python("process_numbers").body
    assert a["seen"] == a["have"] and a["self"] == a["parent"] and a["self"] in a["have"], a


def test_many_hostile_at_once(stoke, python):
    """Together, beside an honest one that keeps answering."""
    python("echo")
    threads = [threading.Thread(target=lambda h=h: python(h, Timeout=5)) for h in
               ("fork_bomb", "memory_hog", "fill_tmp", "spin", "kill_all", "flood_forever", "descriptors")]
    [t.start() for t in threads]
    while any(t.is_alive() for t in threads):
        honest_answers(stoke)
        threads[0].join(0.1 * SLOW)
    [t.join() for t in threads]
    assert os.path.exists(f"/proc/{stoke.process.pid}")
