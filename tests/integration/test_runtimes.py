"""Interpreters registered while the daemon runs."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

import pytest
from daemon import SLOW


@pytest.fixture
def slow_python(tmp_path):
    """An interpreter that answers once its file `go` exists."""
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:2]:
        os.chmod(parent, 0o755)
    path = tmp_path / "python3.11"
    path.write_text(f"#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9; do [ -e {tmp_path}/go ] && break; sleep 0.2; done\n"
                    "exec /usr/bin/python3.11 \"$@\"\n")
    path.chmod(0o755)
    return path


def add(stoke, name, path):
    status, _, body = stoke.request("POST", "/_stoke/runtimes", json.dumps({"name": name, "path": str(path)}).encode())
    return status, json.loads(body)


def test_adding_stalls_nobody(stoke, slow_python):
    answers = []
    first = threading.Thread(target=lambda: answers.append(add(stoke, "python3.11", slow_python)))
    first.start()
    time.sleep(0.1)
    assert stoke.request("GET", "/_stoke/health")[0] == 200
    assert not answers
    status, body = add(stoke, "python3.11", slow_python)
    assert status == 409 and "another runtime" in body["Message"]
    (slow_python.parent / "go").touch()
    first.join(20)
    assert answers and answers[0][0] == 200
    assert "/usr/bin/python3.11" in [r["Path"] for r in answers[0][1]["Runtimes"]]  # as it names itself


def test_adding_says_what_is_wrong(stoke):
    for name, path, word in [("python3.11", "/nowhere/python3.11", "/nowhere"), ("python3.11", "/bin/true", "/bin/true"),
                             ("cobol", "/usr/bin/python3.11", "cobol"), ("python3.11", "bin/python", "absolute")]:
        status, body = add(stoke, name, path)
        assert status == 400 and word in body["Message"], (name, path, body)


def test_adding_leaves_a_daemon_that_starts_again(make_stoke):
    """Neither a name of any length nor the same interpreter over and over makes a list that the next start cannot read."""
    stoke = make_stoke()
    listed = pathlib.Path(stoke.data, "runtimes.list")
    status, body = add(stoke, "python" + "3" * 70000, "/usr/bin/python3.11")
    assert status == 400 and "too long" in body["Message"]
    assert not listed.exists()
    for _ in range(3):
        assert add(stoke, "python3.11", "/usr/bin/python3.11")[0] == 200
    assert listed.read_text() == "python3.11 /usr/bin/python3.11\n"
    stoke.stop()
    listed.write_text("#" * 70000)  # as one that has grown without a bound
    stoke.start()
    assert stoke.request("GET", "/_stoke/health")[0] == 200
    assert str(listed) in stoke.log()


def test_what_a_sandbox_cannot_show_is_not_added(stoke, slow_python):
    """An interpreter below /tmp would answer here and be missing in every sandbox, which has a /tmp of its own."""
    library = slow_python.parent / "lib/python3.11"
    library.mkdir(parents=True)
    (slow_python.parent / "bin").mkdir()
    program = slow_python.parent / "bin/python3.11"
    program.write_text(f"#!/bin/sh\necho 3.11.9; echo {slow_python.parent}; echo {program}\n")
    program.chmod(0o755)
    status, body = add(stoke, "python3.11", program)
    assert status == 400 and "a sandbox has something of its own" in body["Message"], body


@pytest.fixture
def own_python():
    """An installation as version managers make it: its program finds its library by $ORIGIN. Where a sandbox can show it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    prefix = pathlib.Path(tempfile.mkdtemp(prefix="stoke-test-", dir="/opt"))
    prefix.chmod(0o755)
    shutil.copytree("/usr/lib/python3.11", prefix / "lib/python3.11", symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__", "test", "idlelib", "dist-packages", "config-*"))
    (prefix / "bin").mkdir()
    library = next(pathlib.Path("/usr/lib").glob("*/libpython3.11.so.1.0"))
    shutil.copy(library, prefix / "lib")
    source = prefix / "main.c"
    source.write_text("int Py_BytesMain(int, char **); int main(int c, char **v) { return Py_BytesMain(c, v); }\n")
    subprocess.run(["gcc", "-o", prefix / "bin/python3.11", source, library, "-Wl,-rpath,$ORIGIN/../lib"], check=True)
    yield prefix
    shutil.rmtree(prefix)


def test_an_installation_with_a_library_of_its_own(make_stoke, own_python):
    stoke = make_stoke(config={"runtimes.path": str(own_python)})
    listed = json.loads(stoke.request("GET", "/_stoke/runtimes")[2])["Runtimes"]
    assert str(own_python / "bin/python3.11") in [r["Path"] for r in listed]
    code = "import os\ndef handler(event, context):\n    return open('/proc/self/maps').read(), 'LD_ORIGIN_PATH' in os.environ\n"
    stoke.create("own", "python3.11", "app.handler", {"app.py": code})
    maps, leaked = json.loads(stoke.invoke("own")[2])
    assert not leaked and f"{own_python}/lib/libpython3.11.so" in maps


def test_an_added_one_serves_at_once(make_stoke, own_python):
    """Functions that are there use it from their next invocation on; what runs ends where it began, and what is provisioned moves."""
    stoke = make_stoke()
    code = ("import time\ndef handler(event, context):\n    time.sleep(event.get('s', 0))\n"
            f"    return '{own_python}/lib/libpython3.11.so' in open('/proc/self/maps').read()\n")
    stoke.create("there", "python3.11", "app.handler", {"app.py": code}, Timeout=60)
    client = stoke.client()
    client.publish_version(FunctionName="there")
    client.put_provisioned_concurrency_config(FunctionName="there", Qualifier="1", ProvisionedConcurrentExecutions=1)

    def await_ready():
        for _ in range(1200):
            if client.get_provisioned_concurrency_config(FunctionName="there", Qualifier="1")["Status"] == "READY":
                return
            time.sleep(0.025)
        raise AssertionError("it is not ready")

    await_ready()
    assert [json.loads(stoke.invoke("there")[2]), json.loads(stoke.invoke("there:1")[2])] == [False, False]
    answers = []
    running = threading.Thread(target=lambda: answers.append(json.loads(stoke.invoke("there", {"s": 5 * SLOW})[2])))
    running.start()
    while json.loads(stoke.request("GET", "/_stoke/health")[2])["running"] == 0:
        time.sleep(0.01)
    run = subprocess.run([stoke.build / "stoke", "--endpoint", stoke.endpoint, "runtimes", "add", "python3.11", own_python / "bin/python3.11"],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and "from their next invocation on" in run.stdout, run
    assert [json.loads(stoke.invoke("there")[2]), json.loads(stoke.invoke("there:1")[2])] == [True, True]
    running.join()
    assert answers == [False]
    await_ready()
    assert json.loads(stoke.invoke("there:1")[2])
    assert json.loads(stoke.invoke("there")[2])
