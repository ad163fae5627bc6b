"""Extensions as a hostile or broken author makes them: what cannot run says so in every runtime alike, and what runs finds nothing of
the platform."""
import json
import os
import struct

import pytest

from attack import unharmed
from test_layer_programs import EXTENSION, logs
from test_layers import BOOTSTRAP, arn, publish

RUNTIMES = {"python3.11": {"app.py": "def handler(event, context):\n    return 1\n"},
            "nodejs20.x": {"app.js": "exports.handler = async () => 1;"},
            "provided.al2023": {"bootstrap": (BOOTSTRAP, 0o755), "data": "d"}}
AARCH64, X86_64 = 183, 62
LINK = 0o120777


def elf(machine):
    """The head of a program, and lines that a shell would run."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + b"\nsleep 100\n" + bytes(64)


def deploy(stoke, client, name, runtime, layer, **more):
    publish(client, name, layer)
    client.create_function(**{**stoke.function(name, RUNTIMES[runtime], Layers=[arn(name, 1)], **more), "Runtime": runtime})
    client.get_waiter("function_active_v2").wait(FunctionName=name)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("program,why", [
    (("sleep 100\n", 0o755), "exec format error"),  # no "#!": nothing gives it to a shell
    ((elf(AARCH64 if os.uname().machine == "x86_64" else X86_64), 0o755), "exec format error"),
    (("b", LINK), "too many levels of symbolic links"),
    (("#!/opt/extensions/a\n", 0o755), "too many levels of symbolic links"),
    (("#!/nowhere\n", 0o755), "no such file or directory"),
    (("nothing", LINK), "no such file or directory"),
], ids=["no script", "another machine", "link loop", "its own interpreter", "no interpreter", "dangling"])
def test_what_cannot_run(stoke, client, name, runtime, program, why):
    layer = {"extensions/a": program, **({"extensions/b": ("a", LINK)} if program[0] == "b" else {})}
    deploy(stoke, client, name, runtime, layer, Timeout=5)
    error = json.loads(client.invoke(FunctionName=name)["Payload"].read())
    assert error["errorType"] == "Extension.LaunchError", error
    assert f"fork/exec /opt/extensions/a: {why}" in error["errorMessage"]


LOOK = EXTENSION[:EXTENSION.index("while True")] + """
def told(path):
    front = http.client.HTTPConnection("127.0.0.1:4566")
    front.request("GET", path)
    return front.getresponse().status
def parent(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1]
    except (FileNotFoundError, ProcessLookupError):  # what the runtime started has ended meanwhile
        return str(os.getppid())
api.close()
print("fds", sorted(os.listdir("/proc/self/fd")), "ids", len(set(os.getresuid() + os.getresgid())), os.getgroups(), os.getsid(0) == os.getpid())
print("groups", {line.split(":")[2] for line in open("/proc/self/cgroup").read().splitlines()})
print("others", [p for p in os.listdir("/proc") if p.isdigit() and str(os.getppid()) not in (p, parent(p))])
print("told", [told(p) for p in ("/2015-03-31/functions", "/_stoke/health", "/_stoke/functions", "/_stoke/runtimes", "/_stoke/logs?function=honest")])
sys.stdout.flush()
while True:
    ask("GET", "event/next", me)
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_an_extension_sees(stoke, client, name, runtime):
    """Three descriptors of its own (a fourth lists them), the room's group and ids, the runtime as its parent, nobody but the runtime's
    children beside it, and no more of Stoke than the function may ask."""
    deploy(stoke, client, name, runtime, {"extensions/look": (LOOK, 0o755)})
    assert "FunctionError" not in client.invoke(FunctionName=name)
    text = "\n".join(logs(stoke, name))
    assert "fds ['0', '1', '2', '3'] ids 1 [] True" in text, text
    assert "groups {'/'}" in text and "others []" in text, text
    assert "told [403, 403, 403, 403, 403]" in text, text


STEAL = EXTENSION[:EXTENSION.index("while True")] + """
import threading, time
def steal():
    while True:
        front = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        front.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = front.getresponse()
        print("stolen", answer.status, answer.read(), flush=True)
        time.sleep(0.01)
def flood():
    while True:
        try:
            ask("GET", "event/next", me)
        except Exception:
            api.close()
threading.Thread(target=steal).start()
for _ in range(4):
    threading.Thread(target=flood).start()
"""


@pytest.mark.parametrize("runtime", ["python3.11", "nodejs20.x"])
def test_an_extension_in_the_place_of_the_runtime(stoke, client, name, runtime):
    """Behind our runtimes nobody gets an event but the runtime, however often he asks."""
    deploy(stoke, client, name, runtime, {"extensions/thief": (STEAL, 0o755)}, Timeout=20)
    with unharmed(stoke):
        for _ in range(20):
            answer = client.invoke(FunctionName=name)
            assert "FunctionError" not in answer and json.loads(answer["Payload"].read()) == 1
    text = "\n".join(logs(stoke, name))
    assert "stolen 403" in text and "stolen 200" not in text
