"""The official runtime clients, unmodified, against the Runtime API of build/tests/rapi_server: what each must get through here is
what it gets through on Lambda. A client whose toolchain is missing is skipped by name.

    STOKE_BUILD=build .venv/bin/pytest -v tests/integration/test_rics.py
"""
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from daemon import SLOW

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("STOKE_BUILD", ROOT / "build")).resolve()
LIMIT = 6291556
PATIENCE_S = 20 * SLOW


class Server:
    """rapi_server: commands in, lines out."""

    def __init__(self, where):
        self.dir = pathlib.Path(where)
        self.process = subprocess.Popen([BUILD / "tests/rapi_server", where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.expect("listening"))
        self.number = 0

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self):
        try:
            return self.lines.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError("the server said nothing") from None

    def expect(self, word):
        line = self.line() or ""
        if line.split(" ")[0] != word:
            raise AssertionError(f"expected {word}, got: {line}")
        return line[len(word) + 1:]

    def invoke(self, event, context=None):
        """Sends an event; its request id."""
        self.number += 1
        request_id = f"00000000-0000-4000-8000-{self.number:012d}"
        (self.dir / "payload").write_text(json.dumps(event, ensure_ascii=False))
        (self.dir / "context").write_text(json.dumps(context, ensure_ascii=False))
        self.process.stdin.write(f"invoke {request_id} {self.dir}/payload {f'{self.dir}/context' if context else '-'}\n")
        self.process.stdin.flush()
        return request_id

    def body(self):
        return (self.dir / "body").read_bytes()

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        assert code == 0, code


class Client:
    """Tests of one client; subclasses name it and say where it differs from the others."""
    language = None
    after_413 = "goes on"       # or "exits"
    message_of_failure = "on purpose"
    error_type = None           # of a failing handler, in its document
    type_of_failure = "Runtime.Unknown"
    init_error = "posts"        # or "exits": without a word to the Runtime API

    @classmethod
    def setUpClass(cls):
        if not (BUILD / "tests/rapi_server").exists():
            raise AssertionError(f"{BUILD}/tests/rapi_server is not built")
        cls.out = tempfile.mkdtemp(prefix=f"stoke-ric-{cls.language}-")
        built = subprocess.run([ROOT / "tests/clients" / cls.language / "build.sh", cls.out], capture_output=True, text=True)
        if built.returncode == 77:
            shutil.rmtree(cls.out)
            raise unittest.SkipTest(f"{cls.language} client: {built.stdout.strip()}")
        if built.returncode:
            shutil.rmtree(cls.out)
            raise AssertionError(f"{cls.language}: {built.stdout}{built.stderr}")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.out, ignore_errors=True)

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="stoke-ric-")
        self.server = Server(self.dir.name)
        self.client = None

    def tearDown(self):
        if self.client and self.client.poll() is None:
            os.killpg(self.client.pid, signal.SIGKILL)
        if self.client:
            self.client.wait()
        self.server.close()
        self.output.close()
        self.dir.cleanup()

    def start(self, **more):
        env = {"PATH": os.environ["PATH"], "HOME": self.dir.name, "LANG": "C.UTF-8", "TZ": ":UTC",
               "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.port}", "LAMBDA_TASK_ROOT": self.out,
               "AWS_LAMBDA_FUNCTION_NAME": "ric", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
               "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/ric", "AWS_LAMBDA_LOG_STREAM_NAME": "stream", "AWS_REGION": "us-east-1",
               "LAMBDA_RUNTIME_DIR": self.out, "_HANDLER": "handler", **more}
        self.output = open(pathlib.Path(self.dir.name) / "output", "w+")
        self.client = subprocess.Popen([f"{self.out}/bootstrap"], env=env, cwd=self.out, start_new_session=True,
                                       stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT)

    def visit(self, event, context=None):
        """An event that succeeds: the answer's body, once the client asks for more."""
        request_id = self.server.invoke(event, context)
        length = int(self.server.expect("response").split(" ")[0])
        body = self.server.body()
        self.assertEqual(len(body), length)
        self.server.expect("idle")
        return request_id, body

    def test_events(self):
        self.start()
        self.server.expect("ready")
        for i in range(5):
            request_id, body = self.visit({"do": "echo", "value": {"n": i, "text": "grüße 🙂"}})
            answer = json.loads(body)
            self.assertEqual(answer["value"], {"n": i, "text": "grüße 🙂"})
            self.assertEqual(answer["requestId"], request_id)

    def test_client_context(self):
        self.start()
        self.server.expect("ready")
        custom = {"greeting": "grüße 🙂 \"quoted\"", "plain": "x"}
        context = {"custom": custom, "client": {"installation_id": "i", "app_title": "t", "app_version_name": "n",
                                                "app_version_code": "c", "app_package_name": "p"}, "env": {"locale": "de"}}
        _, body = self.visit({"do": "echo", "value": 1}, context)
        self.assertEqual(json.loads(body)["custom"], custom)
        _, body = self.visit({"do": "echo", "value": 2})
        self.assertIsNone(json.loads(body).get("custom"))  # Java's serializer leaves nulls out

    def test_handler_error(self):
        self.start()
        self.server.expect("ready")
        for _ in range(2):
            self.server.invoke({"do": "fail"})
            self.assertEqual(self.server.expect("error").split(" ")[1], self.type_of_failure)
            document = json.loads(self.server.body())
            self.assertEqual(document["errorMessage"], self.message_of_failure)
            self.assertRegex(document["errorType"], self.error_type)
            self.server.expect("idle")
        self.visit({"do": "echo", "value": 1})

    def test_largest_response(self):
        self.start()
        self.server.expect("ready")
        _, body = self.visit({"do": "big", "bytes": LIMIT})
        self.assertEqual(body, b'"' + b"b" * (LIMIT - 2) + b'"')
        _, body = self.visit({"do": "echo", "value": "x" * 5000000})
        self.assertEqual(len(json.loads(body)["value"]), 5000000)

    def test_oversized_response(self):
        self.start()
        self.server.expect("ready")
        self.server.invoke({"do": "big", "bytes": LIMIT + 1})
        self.assertEqual(int(self.server.expect("too_large")), LIMIT + 1)
        if self.after_413 == "goes on":
            self.server.expect("idle")
            self.visit({"do": "echo", "value": 1})
        else:
            self.assertEqual(self.client.wait(PATIENCE_S), 1)

    def test_init_error(self):
        self.start(STOKE_TEST_INIT_ERROR="1")
        if self.init_error == "posts":
            self.server.expect("init_error")
            self.assertIn("no init on purpose", json.loads(self.server.body())["errorMessage"])
        self.assertNotEqual(self.client.wait(PATIENCE_S), 0)
        self.assertTrue(self.server.lines.empty())


class Python(Client, unittest.TestCase):
    language, after_413, error_type = "python", "exits", "ValueError"


class Node(Client, unittest.TestCase):
    language, error_type = "nodejs", "RangeError"

    def test_streaming(self):
        self.start(RIC_HANDLER="index.streaming")
        self.server.expect("ready")
        for _ in range(2):
            self.server.invoke({"do": "stream"})
            self.server.expect("response")
            self.assertEqual(self.server.body(), b"first,second")
            self.server.expect("idle")
        self.server.invoke({"do": "fail"})
        self.server.expect("error")
        self.assertEqual(json.loads(self.server.body())["errorMessage"], "on purpose")
        self.server.expect("idle")


class Go(Client, unittest.TestCase):
    language, after_413, error_type, init_error = "go", "exits", "errorString", "exits"

    def test_sigterm_helper(self):
        """It registers an extension without events, which waits for ever: invocations must end all the same."""
        self.start(STOKE_TEST_SIGTERM="1")
        self.server.expect("ready")
        for _ in range(3):
            self.visit({"do": "echo", "value": 1})


class Rust(Client, unittest.TestCase):
    language, error_type, init_error = "rust", "Box<dyn core::error::Error", "exits"


class Java(Client, unittest.TestCase):
    language, after_413, error_type = "java", "exits", "^java.lang.IllegalArgumentException$"
    type_of_failure = "Runtime.UserException"
