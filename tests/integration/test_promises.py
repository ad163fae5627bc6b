"""Promises of the runtimes, seen from outside with the real client: what a function's init leaves behind, on what it runs and
where that is said, and that what cannot run here says why."""
import base64
import json
import math
import os
import re
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

from attack import health, until
from daemon import SLOW

INIT_FAILS_ONCE = '''
import os
if not os.path.exists("/tmp/second"):
    open("/tmp/second", "w").close()
    raise RuntimeError("the first time")
def handler(event, context):
    return "the second time"
'''


def make(stoke, name, files, handler="app.handler", **more):
    client = stoke.client()
    client.create_function(**{**stoke.function(name, files), "Handler": handler, **more})
    return client, stoke.wait_active(name)


def visit(client, name, event=None):
    """(error or None, answer, log)"""
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event or {}), LogType="Tail")
    return answer.get("FunctionError"), json.loads(answer["Payload"].read()), base64.b64decode(answer["LogResult"]).decode()


def cli(stoke, *words, status=0):
    run = subprocess.run([stoke.build / "stoke", "--endpoint", stoke.endpoint, *words], capture_output=True, text=True, timeout=60)
    assert run.returncode == status, run
    return run.stdout


def logged(stoke, name):
    page = json.loads(stoke.request("GET", f"/_stoke/logs?function={name}")[2])
    return [event["message"].rstrip("\n") for event in page["events"]]


def in_order(text, *parts):
    at = -1
    for part in parts:
        at = text.find(part, at + 1)
        assert at >= 0, (part, text)


# ---- init


def test_a_failed_init_runs_once_more_inside_the_invocation(stoke, name):
    client, _ = make(stoke, name, {"app.py": INIT_FAILS_ONCE})
    error, answer, log = visit(client, name)
    assert (error, answer) == (None, "the second time")
    in_order(log, "[ERROR] RuntimeError: the first time", "INIT_REPORT Init Duration: ", "Phase: init\tStatus: error", "START RequestId",
             "END RequestId", "REPORT RequestId")
    assert "Phase: invoke" not in log and "\tInit Duration" not in log


def test_an_init_that_fails_twice(stoke, name):
    client, _ = make(stoke, name, {"app.py": "import absent\n"})
    error, answer, log = visit(client, name)
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")
    assert answer["errorMessage"] == "Unable to import module 'app': No module named 'absent'"
    in_order(log, "[ERROR]", "Phase: init\tStatus: error\tError Type: Runtime.ImportModuleError", "[ERROR]",
             "Phase: invoke\tStatus: error\tError Type: Runtime.ImportModuleError", "START", "END",
             "Status: error\tError Type: Runtime.ImportModuleError")


def test_a_missing_bootstrap_is_named_in_the_log(stoke, name):
    client, _ = make(stoke, name, {"readme": "nothing to run"}, Runtime="provided.al2023")
    error, answer, log = visit(client, name)
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.InvalidEntrypoint")
    in_order(log, "Phase: init", "Phase: invoke", "START", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]\n"
             "Runtime.InvalidEntrypoint", "END")


# ---- on what it runs


def test_init_start(stoke, name):
    client, _ = make(stoke, name, {"app.py": "def handler(event, context):\n    return 1\n"})
    _, _, log = visit(client, name)
    assert "INIT_START" not in log  # as on Lambda, LogResult begins after it
    first = logged(stoke, name)[0]
    assert re.fullmatch(r"INIT_START Runtime Version: python:3\.11\.\d+\tRuntime Version ARN: "
                        r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}", first)


def test_the_nearest_version_says_so(stoke, name):
    client, configuration = make(stoke, name, {"app.py": "import sys\ndef handler(event, context):\n    return sys.version_info[:2]\n"},
                                 Runtime="python3.13")
    assert configuration["State"] == "Active" and configuration["Runtime"] == "python3.13"
    assert visit(client, name)[1] == [3, 11]
    assert "Note: python3.13 runs on Python 3.11." in logged(stoke, name)[0]
    assert "note: python3.13 runs on Python 3.11." in cli(stoke, "list")


def test_another_architecture_says_so(stoke, name):
    client, configuration = make(stoke, name, {"app.py": "import os\ndef handler(event, context):\n    return os.uname().machine\n"},
                                 Architectures=["arm64"])
    assert configuration["State"] == "Active" and configuration["Architectures"] == ["arm64"]
    machine = visit(client, name)[1]
    words = f"the function is for arm64, this machine is {machine}"
    assert machine == "aarch64" or (words in logged(stoke, name)[0] and words in cli(stoke, "list"))


def test_a_foreign_program_is_named(stoke, name):
    program = bytearray(open("/bin/true", "rb").read())
    program[18:20] = (0xf3).to_bytes(2, "little")  # RISC-V
    client, _ = make(stoke, name, {"bootstrap": (bytes(program), 0o755)}, Runtime="provided.al2023")
    error, answer, log = visit(client, name)
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.InvalidEntrypoint")
    why = "fork/exec /var/task/bootstrap: exec format error (it is built for riscv64, this machine is "
    assert why in answer["errorMessage"] and why in log


def test_a_foreign_native_module_names_both_versions(stoke, name):
    files = {"app.py": "import fast\ndef handler(event, context):\n    return 1\n",
             "fast.cpython-313-x86_64-linux-gnu.so": open("/bin/true", "rb").read()}
    client, _ = make(stoke, name, files, Runtime="python3.13")
    error, answer, _ = visit(client, name)
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")
    assert "fast.cpython-313-x86_64-linux-gnu.so" in answer["errorMessage"]
    assert "python3.13" in answer["errorMessage"] and "Python 3.11." in answer["errorMessage"]


def test_a_native_module_of_this_version_is_not_called_foreign(stoke, name):
    files = {"app.py": "import fast\n", "fast.cpython-311-x86_64-linux-gnu.so": b"no program at all"}
    client, _ = make(stoke, name, files)
    error, answer, _ = visit(client, name)
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")
    assert "fast.cpython-311" in answer["errorMessage"] and "another interpreter" not in answer["errorMessage"]


def test_a_language_that_is_not_here(stoke, name):
    client, configuration = make(stoke, name, {"x": "y"}, Runtime="java21")
    assert (configuration["State"], configuration["StateReasonCode"]) == ("Failed", "InvalidRuntime")
    assert "java21" in configuration["StateReason"] and "provided.al2023" in configuration["StateReason"]
    assert configuration["StateReason"] in cli(stoke, "list")
    with pytest.raises(ClientError) as refused:
        client.invoke(FunctionName=name)
    assert refused.value.response["Error"]["Code"] == "InvalidRuntimeException"


def test_exact_versions_only(make_stoke):
    stoke = make_stoke(config={"runtimes.exact": "yes"})
    client = stoke.client()
    with pytest.raises(ClientError) as refused:
        client.create_function(**{**stoke.function("new"), "Runtime": "python3.13"})
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert "python3.13 is not installed on this host" in str(refused.value)
    client.create_function(**stoke.function("old"))
    assert stoke.wait_active("old")["State"] == "Active"


def test_retired_and_unknown_runtimes(make_stoke):
    strict, lenient = make_stoke(), make_stoke(config={"runtimes.retired": "allow"})
    for runtime, words in [("python3.7", "The runtime parameter of python3.7 is no longer supported"),
                           ("python9.9", "Value python9.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set")]:
        with pytest.raises(ClientError) as refused:
            strict.client().create_function(**{**strict.function("old"), "Runtime": runtime})
        assert words in str(refused.value)
    lenient.client().create_function(**{**lenient.function("old"), "Runtime": "python3.7"})
    lenient.wait_active("old")
    assert visit(lenient.client(), "old", {"a": 1})[:2] == (None, {"a": 1})
    assert "runtime=python3.7" in lenient.log()


# ---- the log

LOGS = """
import logging
log = logging.getLogger()
def handler(event, context):
    log.debug("a debug line"), log.info("an info line"), log.warning("a warning line")
    if event.get("fail"):
        raise ValueError("as asked")
"""
NODE_LOGS = "exports.handler = async () => { console.debug('a debug line'); console.info('an info line'); console.warn('a warning line'); };"


@pytest.mark.parametrize("runtime", ["python3.11", "nodejs20.x"])
@pytest.mark.parametrize("levels, lines, records", [
    ({}, ["info", "warning"], ["platform.start", "platform.report"]),
    ({"ApplicationLogLevel": "DEBUG", "SystemLogLevel": "DEBUG"}, ["debug", "info", "warning"],
     ["platform.start", "platform.runtimeDone", "platform.report"]),
    ({"ApplicationLogLevel": "WARN", "SystemLogLevel": "WARN"}, ["warning"], []),
    ({"ApplicationLogLevel": "ERROR"}, [], ["platform.start", "platform.report"])], ids=str)
def test_log_levels(stoke, name, runtime, levels, lines, records):
    files, handler = ({"app.py": LOGS}, "app.handler") if runtime.startswith("python") else ({"index.js": NODE_LOGS}, "index.handler")
    client, _ = make(stoke, name, files, handler, Runtime=runtime, LoggingConfig={"LogFormat": "JSON", **levels})
    log = [json.loads(line) for line in visit(client, name)[2].splitlines()]
    assert [entry["message"].split()[1] for entry in log if "message" in entry] == lines
    assert [entry["type"] for entry in log if "type" in entry] == records


def test_a_failure_is_above_every_level(stoke, name):
    client, _ = make(stoke, name, {"app.py": LOGS}, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "FATAL", "SystemLogLevel": "WARN"})
    log = [json.loads(line) for line in visit(client, name, {"fail": True})[2].splitlines()]
    assert [entry.get("type", entry.get("errorType")) for entry in log] == ["ValueError", "platform.runtimeDone", "platform.report"]


def test_processes_that_start_anew(stoke, name):
    """multiprocessing's spawn runs the program's main module again, which is ours."""
    code = """
import multiprocessing
def work(pipe):
    pipe.send("from a child")
def handler(event, context):
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    child = spawn.Process(target=work, args=(theirs,))
    child.start()
    heard = ours.poll(20) and ours.recv()
    child.join(20)
    return [heard, child.exitcode]
"""
    stoke.create(name, "python3.11", "app.handler", {"app.py": code}, Timeout=60, MemorySize=512)
    assert json.loads(stoke.invoke(name)[2]) == ["from a child", 0]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: maps all ids")
def test_a_host_without_user_namespaces_is_told(make_stoke):
    stoke = make_stoke(no_user_namespaces=True)
    until(lambda: "mode" in health(stoke)["host"], what="the host's report")
    host = health(stoke)["host"]
    assert host["user namespaces"] is False and any("sysctl user.max_user_namespaces" in line for line in host["missing"]), host
    doctor = subprocess.run([stoke.build / "stoke", "--endpoint", stoke.endpoint, "doctor"], capture_output=True, text=True, timeout=60)
    assert "sysctl user.max_user_namespaces" in doctor.stdout, doctor
    stoke.create("f", "python3.11", "app.handler", {"app.py": "def handler(event, context):\n    return event\n"})
    status, headers, body = stoke.invoke("f", {})
    assert status == 500 and headers["x-amzn-errortype"] == "ServiceException", (status, body)


def test_what_a_function_sends_is_counted(make_stoke):
    stoke = make_stoke()
    until(lambda: "mode" in health(stoke)["host"], what="the host's report")
    counted = health(stoke)["host"]["BPF as a second lock and meter"]
    sends = """import socket, threading
def handler(event, context):
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    threading.Thread(target=client.sendall, args=(bytes(event),)).start()
    other, left = server.accept()[0], event
    while left:
        left -= len(other.recv(65536))
"""
    for name, size in (("some", 100_000), ("none", 0)):
        stoke.create(name, "python3.11", "app.handler", {"app.py": sends})
        assert stoke.invoke(name, size)[0] == 200

    def meter():
        listed = json.loads(stoke.request("GET", "/_stoke/functions")[2])["Functions"]
        return {entry["FunctionName"]: (entry["NetworkBytes"], entry["NetworkPackets"]) for entry in listed}

    if counted:
        until(lambda: meter()["some"][0] > 100_000 and meter()["none"][1] > 0, what="the function's bytes")
        assert meter()["none"][0] < 10_000, meter()
        before = meter()["some"]
        stoke.invoke("some", 100_000)
        until(lambda: meter()["some"][0] > before[0] + 100_000, what="those of the second invocation, too")
    else:
        assert meter() == {"some": (0, 0), "none": (0, 0)}


# ---- what REPORT says

MEASURED = """
import os, time
time.sleep(0.3)
visits = []

def handler(event, context):
    visits.append(bytearray(b"x") * (event.get("mb", 0) << 20))
    kept = os.path.exists("/tmp/kept")
    open("/tmp/kept", "w").close()
    if event.get("child") and os.fork() == 0:
        time.sleep(600)
    time.sleep(event.get("s", 0))
    return [len(visits), kept, sum(pid.isdigit() for pid in os.listdir("/proc"))]
"""


def report(log):
    """What the REPORT line says, as numbers."""
    line = next(line for line in log.splitlines() if line.startswith("REPORT "))
    fields = dict(field.split(": ") for field in line.split("\t") if field)
    return {key: float(value.split()[0]) if value[0].isdigit() and key != "REPORT RequestId" else value for key, value in fields.items()}


def billed(line):
    """True where it is the whole milliseconds of Duration and Init Duration, which are rounded to a hundredth."""
    total = line["Duration"] + line.get("Init Duration", 0)
    return math.ceil(total - 0.01) <= line["Billed Duration"] <= math.ceil(total + 0.01)


def test_report_is_measured(stoke, name):
    client, _ = make(stoke, name, {"app.py": MEASURED}, MemorySize=256, Timeout=20)
    for visits in (1, 2, 3):
        started = time.monotonic()
        _, answer, log = visit(client, name, {"s": 0.5})
        elapsed, line = (time.monotonic() - started) * 1000, report(log)
        assert answer[0] == visits and ("Init Duration" in line) == (visits == 1), line
        assert 500 <= line["Duration"] < 500 + 500 * SLOW and line.get("Init Duration", 300) >= 300, line
        assert line["Duration"] + line.get("Init Duration", 0) <= elapsed and billed(line), (elapsed, line)
        assert line["Memory Size"] == 256 and 5 < line["Max Memory Used"] < 60, line
    for size in (100, 0):  # over the life of the sandbox
        assert 100 < report(visit(client, name, {"mb": size})[2])["Max Memory Used"] < 180


def test_report_as_json(stoke, name):
    client, _ = make(stoke, name, {"app.py": MEASURED}, LoggingConfig={"LogFormat": "JSON"})
    for cold in (True, False):
        records = [json.loads(line) for line in visit(client, name, {"s": 0.5})[2].splitlines()]
        metrics = next(r["record"]["metrics"] for r in records if r["type"] == "platform.report")
        total_us = round(metrics["durationMs"] * 1000) + round(metrics.get("initDurationMs", 0) * 1000)
        assert ("initDurationMs" in metrics) == cold and metrics["billedDurationMs"] == -(-total_us // 1000), metrics
        assert 500 <= metrics["durationMs"] < 500 + 500 * SLOW, metrics


def test_after_a_timeout(stoke, name):
    """All processes are gone and with them what they knew, /tmp stays, and init is a part of the next invocation."""
    client, _ = make(stoke, name, {"app.py": MEASURED}, Timeout=3)
    _, (visits, kept, alone), log = visit(client, name)
    assert (visits, kept) == (1, False) and report(log)["Init Duration"] >= 300
    _, answer, log = visit(client, name)
    assert answer == [2, True, alone] and report(log)["Duration"] < 300
    started = time.monotonic()
    error, answer, log = visit(client, name, {"s": 60, "child": True})
    assert 3 <= time.monotonic() - started < 3 + 2 * SLOW
    assert error == "Unhandled" and answer["errorType"] == "Sandbox.Timedout"
    assert answer["errorMessage"].endswith("Error: Task timed out after 3.00 seconds")
    line = report(log)
    assert (line["Duration"], line["Billed Duration"], line["Status"]) == (3000, 3000, "timeout")
    time.sleep(0.5 * SLOW)  # until it is cleared away, others get another sandbox
    _, answer, log = visit(client, name)
    assert answer == [1, True, alone]
    line = report(log)
    assert "Init Duration" not in line and line["Duration"] >= 300 and billed(line), line
    in_order(log, "START RequestId", "END RequestId", "REPORT RequestId")
    assert visit(client, name)[1] == [2, True, alone]
    assert [line.partition(" ")[0] for line in logged(stoke, name)].count("INIT_START") == 1
