"""./run as people use it: the demonstration, beside another stoked, Ctrl-C, a stoked that dies. It builds in build/, as for them.

    .venv/bin/python -m pytest tests/demo
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/lib"))

from attack import until  # noqa: E402
from daemon import Daemon, Leftovers  # noqa: E402

SLEEPER = {"app.py": "import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'slept'\n"}


class Run(Daemon):
    """What ./run starts; killing it is ours, starting it is its own."""

    def __init__(self, *options, **more):
        super().__init__(ROOT / "build", **more)
        self.options = options

    def start(self, wait_s=600):
        self.out = tempfile.TemporaryFile("w+")
        # Where the tests run in the background of a shell without jobs, SIGINT is ignored, and a script cannot trap it then.
        self.script = subprocess.Popen(["./run", "--listen", f"127.0.0.1:{self.port}", "--data", self.data, *self.options], cwd=ROOT,
                                       stdout=self.out, stderr=subprocess.STDOUT, process_group=0,
                                       preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def stop(self, wait_s=60):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.script.pid, signal.SIGTERM)
        self.script.wait(wait_s)

    def said(self):
        self.out.seek(0)
        return self.out.read()

    def serves(self):
        until(lambda: "Ctrl-C ends it." in self.said() or self.script.poll() is not None, wait_s=600, what="./run's last line")
        assert self.script.poll() is None, self.said()
        return json.loads(self.request("GET", "/_stoke/health")[2])["pid"]

    def ends(self, wait_s=60):
        status = self.script.wait(wait_s)
        return status, self.said()


def make_sleeper(serving):
    if serving.request("GET", "/2015-03-31/functions/sleeper")[0] == 404:
        serving.create("sleeper", "python3.11", "app.handler", SLEEPER, Timeout=20)


@pytest.fixture(scope="module")
def data():
    """One for all, as the SDKs are fetched into it."""
    with tempfile.TemporaryDirectory(prefix="stoke-run-") as directory:
        os.chmod(directory, 0o755)
        yield directory + "/data"


@pytest.fixture
def run(data):
    with contextlib.ExitStack() as stack:
        def make(*options, **more):
            made = Run(*options, data=data, **more)
            left = Leftovers(made)
            stack.callback(lambda: left.check() and pytest.fail(f"left behind: {left.check()}"))
            return stack.enter_context(made)

        yield make


def test_demonstration(run):
    status, said = run("--demo").ends(900)
    assert status == 0, said
    for words in ("Hello, cold!", "Hello, warm!", "cold: ", "warm: ", "REPORT RequestId: ", "lambda invoke --function-name stoke-hello"):
        assert words in said, (words, said)


def test_beside_one_that_serves_there(run):
    with Daemon(ROOT / "build") as other:
        status, said = run("--demo", port=other.port).ends(900)
        assert status == 1 and "stoked did not start" in said and str(other.port) in said, (status, said)
        assert other.request("GET", "/2015-03-31/functions/stoke-hello")[0] == 404


def test_one_interrupt_lets_what_runs_end(run):
    serving = run()
    serving.serves()
    make_sleeper(serving)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(serving.invoke("sleeper", 3)))
    thread.start()
    time.sleep(1)
    os.killpg(serving.script.pid, signal.SIGINT)  # as the terminal does
    status, said = serving.ends()
    thread.join()
    assert status == 130 and answers[0][0] == 200 and answers[0][2] == b'"slept"', (status, answers, said)


def test_two_interrupts_do_not_wait(run):
    serving = run()
    serving.serves()
    make_sleeper(serving)

    def sleep():
        with contextlib.suppress(OSError, Exception):
            serving.invoke("sleeper", 15)

    threading.Thread(target=sleep, daemon=True).start()
    time.sleep(1)
    began = time.monotonic()
    os.killpg(serving.script.pid, signal.SIGINT)
    time.sleep(0.5)
    os.killpg(serving.script.pid, signal.SIGINT)
    assert serving.ends()[0] == 130 and time.monotonic() - began < 13


def test_the_end_of_stoked_is_told(run):
    serving = run()
    os.kill(serving.serves(), signal.SIGKILL)
    status, said = serving.ends()
    assert status == 137 and "run: ended with status 137; stoked's log is " in said, (status, said)
    pathlib.Path(said.rstrip().rpartition(" ")[2]).unlink()


def test_a_file_that_names_the_address_is_refused(tmp_path):
    (tmp_path / "stoke.conf").write_text("listen.public = no\n listen = 0.0.0.0:4566\n")
    run = subprocess.run(["./run", "--demo", "--config", tmp_path / "stoke.conf"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and "give --listen here" in run.stderr, run
