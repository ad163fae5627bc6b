"""What the tests of the Python runtime share: a function in a temporary directory, and its worker."""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

import peer

HERE = os.path.dirname(os.path.abspath(__file__))
RUNTIME = os.environ["STOKE_RUNTIMES"] + "/python"
PYTHON = os.environ.get("STOKE_PYTHON", "/usr/bin/python3")


def pythons(minor):
    """Every Python 3 here, from 3.minor on."""
    found = [shutil.which("python3.%d" % number) for number in range(minor, 20)]
    return [path for path in found if path and subprocess.run([path, "-c", ""], stderr=subprocess.DEVNULL).returncode == 0]


class WorkerTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.task = os.path.join(self.dir, "task")
        self.layers = os.path.join(self.dir, "opt")
        os.mkdir(self.task)

    def write(self, name, text, where=None):
        path = os.path.join(where or self.task, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(textwrap.dedent(text))
        return path

    @contextlib.contextmanager
    def blank(self, python=PYTHON):
        with peer.Peer([python, "-I", "-S", "-B", HERE + "/blank.py", RUNTIME, self.layers]) as worker:
            worker.go()
            yield worker

    def environment(self, **env):
        return dict(peer.ENVIRONMENT, LAMBDA_TASK_ROOT=self.task, **env)

    @contextlib.contextmanager
    def worker(self, code=None, handler="lambda_function.lambda_handler", python=PYTHON, **env):
        """A worker that has loaded code as lambda_function.py."""
        if code is not None:
            self.write("lambda_function.py", code)
        with self.blank(python) as worker:
            frame = worker.start(self.environment(_HANDLER=handler, **env))
            if frame is None or frame.kind != peer.READY:
                raise AssertionError("init failed: %s %s" % (frame and frame.body, worker.log_until_exit()))
            yield worker

    def init_error(self, code=None, handler="lambda_function.lambda_handler", **env):
        """The document of an init that must fail, and the log."""
        if code is not None:
            self.write("lambda_function.py", code)
        with self.blank() as worker:
            frame = worker.start(self.environment(_HANDLER=handler, **env))
            self.assertEqual(frame.kind, peer.INIT_ERROR)
            document = frame.json()
            self.assertEqual(frame.meta, [document["errorType"]])
            log = worker.log_until_exit()
            self.assertEqual(worker.process.returncode, 1)
            return document, log

    def result(self, worker, event=None, **invoke):
        frame = worker.invoke(event, **invoke)
        if frame is None:
            self.fail("the worker ended: " + worker.log_until_exit())
        self.assertEqual(frame.kind, peer.RESPONSE, frame.body)
        self.assertEqual(frame.meta[0], "request-%d" % worker.requests)
        return frame.json()

    def error(self, worker, event=None, **invoke):
        frame = worker.invoke(event, **invoke)
        if frame is None:
            self.fail("the worker ended: " + worker.log_until_exit())
        self.assertEqual(frame.kind, peer.ERROR, frame.body)
        document = frame.json()
        self.assertEqual(frame.meta, ["request-%d" % worker.requests, document["errorType"]])
        self.assertEqual(document["requestId"], frame.meta[0])
        return document


def main():
    unittest.main(argv=sys.argv[:1] + ["-q"] + sys.argv[1:])
