"""Events, results, the context, errors and logs."""
import json
import time

import harness
import peer

# Expression, and what Lambda's own runtime client answers for it (recorded from awslambdaric 4.2.2).
RESULTS = [
    ("None", "null"),
    ("{'a': [1, 2.5, None, True], 'b': {}}", '{"a": [1, 2.5, null, true], "b": {}}'),
    ("(1, (2, 3))", "[1, [2, 3]]"),
    ("{'a': b'x'}", '{"a": "x"}'),
    ("P(1, [P(2, 3)])", '{"x": 1, "y": [{"x": 2, "y": 3}]}'),
    ("{1: 2, True: 3, None: 4, 2.5: 1, b'k': 1}", '{"1": 3, "null": 4, "2.5": 1, "k": 1}'),
    ("[Colour.RED, {Colour.RED: 1}, Name.A, {Name.A: 1}]", '[1, {"1": 1}, "a", {"a": 1}]'),
    ("[Decimal('1.10'), Decimal('NaN'), Decimal('-Infinity'), Decimal('1E+3')]", "[1.10, NaN, -Infinity, 1E+3]"),
    ("[float('nan'), float('inf'), -0.0, 10 ** 25]", "[NaN, Infinity, -0.0, 10000000000000000000000000]"),
    ("'\\u2028\\ud800é\"<'", '"\\u2028\\ud800\\u00e9\\"<"'),
    ("OrderedDict(b=1, a=2)", '{"b": 1, "a": 2}'),
    ("WithAsDict()", '{"q": 1}'),
]
FAILURES = [
    ("{1, 2}", "Object of type set is not JSON serializable"),
    ("datetime.datetime(2020, 1, 1)", "Object of type datetime is not JSON serializable"),
    ("[object]", "Object of type type is not JSON serializable"),
    ("{(1, 2): 3}", "keys must be str, int, float, bool or None, not tuple"),
    ("{Decimal(1): 3}", "keys must be str, int, float, bool or None, not Decimal"),
    ("CIRCLE", "Circular reference detected"),
    ("[b'\\xff']", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
]
EXPRESSIONS = """
import datetime, enum
from collections import OrderedDict, namedtuple
from decimal import Decimal
P = namedtuple('P', 'x y')
class Colour(enum.IntEnum): RED = 1
class Name(str, enum.Enum): A = 'a'
class WithAsDict:
    def _asdict(self): return {'q': 1}
CIRCLE = []
CIRCLE.append(CIRCLE)
def lambda_handler(event, context):
    return eval(event)
"""


class Results(harness.WorkerTest):
    def test_encoding(self):
        with self.worker(EXPRESSIONS) as worker:
            for expression, expected in RESULTS:
                with self.subTest(expression):
                    frame = worker.invoke(expression)
                    self.assertEqual((frame.kind, frame.body.decode()), (peer.RESPONSE, expected))
                    self.assertEqual(frame.meta[1], "application/json")

    def test_unencodable(self):
        with self.worker(EXPRESSIONS) as worker:
            for expression, message in FAILURES:
                with self.subTest(expression):
                    document = self.error(worker, expression)
                    self.assertEqual(document["errorType"], "Runtime.MarshalError")
                    self.assertEqual(document["errorMessage"], "Unable to marshal response: " + message)
                    self.assertEqual(document["stackTrace"], [])

    def test_deep_recursion_is_an_error(self):
        with self.worker("def lambda_handler(e, c):\n    x = []\n    for i in range(100000): x = [x]\n    return x") as worker:
            self.assertEqual(self.error(worker)["errorType"], "Runtime.MarshalError")
            self.assertEqual(self.error(worker)["errorType"], "Runtime.MarshalError")

    def test_non_ascii_from_3_12_on(self):
        with self.worker(EXPRESSIONS, AWS_EXECUTION_ENV="AWS_Lambda_python3.13") as worker:
            self.assertEqual(worker.invoke("{'é': '\\u2028€', 'd': Decimal('0.10')}").body.decode(),
                             '{"é": "\\u2028€", "d": 0.10}')
            self.assertEqual(self.error(worker, "'\\ud800'")["errorType"], "Runtime.MarshalError")

    def test_bytes(self):
        with self.worker("def lambda_handler(e, c): return bytes(range(256))") as worker:
            frame = worker.invoke(None)
            self.assertEqual((frame.kind, frame.meta[1], frame.body), (peer.RESPONSE, "application/unknown", bytes(range(256))))

    def test_large(self):
        with self.worker("def lambda_handler(e, c): return e") as worker:
            for size in (1, 65536 - 12, 65536, 200000, 6291556 - 2):
                text = "x" * size
                self.assertEqual(self.result(worker, text), text)

    def test_too_large_is_cut_and_the_worker_goes_on(self):
        with self.worker("def lambda_handler(e, c): return 'x' * e") as worker:
            frame = worker.invoke(7000000)
            self.assertEqual((frame.kind, len(frame.body)), (peer.RESPONSE, 6291556 + 1024))
            self.assertEqual(self.result(worker, 2), "xx")

    def test_events(self):
        with self.worker("def lambda_handler(e, c): return [type(e).__name__, e]") as worker:
            self.assertEqual(self.result(worker, raw=b'{"\xc3\xa9": 1e3}'), ["dict", {"é": 1000.0}])
            self.assertEqual(self.result(worker, raw=b"null"), ["NoneType", None])
            for raw in (b"{bad", b'"\xff"', b""):
                document = self.error(worker, raw=raw)
                self.assertEqual(document["errorType"], "Runtime.UnmarshalError")
                self.assertTrue(document["errorMessage"].startswith("Unable to unmarshal input: "))

    def test_frame_in_pieces(self):
        with self.worker("def lambda_handler(e, c): return e") as worker:
            worker.channel = Slow(worker.channel)
            self.assertEqual(self.result(worker, {"a": "b" * 300}), {"a": "b" * 300})

    def test_no_state_is_lost_between_visits(self):
        with self.worker("n = 0\ndef lambda_handler(e, c):\n    global n\n    n += 1\n    return n") as worker:
            self.assertEqual([self.result(worker) for _ in range(3)], [1, 2, 3])


class Slow:
    """Sends a few bytes at a time."""

    def __init__(self, channel):
        self.channel = channel

    def __getattr__(self, name):
        return getattr(self.channel, name)

    def sendall(self, data):
        for at in range(0, len(data), 7):
            self.channel.sendall(data[at:at + 7])
            if at < 70:
                time.sleep(0.002)


CONTEXT = """
def fields(o, names): return o and {n: getattr(o, n) for n in names.split()}
def lambda_handler(e, c):
    cc = c.client_context
    return {
        "context": fields(c, "aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb function_version "
                             "invoked_function_arn tenant_id"),
        "identity": fields(c.identity, "cognito_identity_id cognito_identity_pool_id"),
        "client_context": cc and {"custom": cc.custom, "env": cc.env,
            "client": fields(cc.client, "installation_id app_title app_version_name app_version_code app_package_name")},
        "left": c.get_remaining_time_in_millis(), "repr": repr(c), "w3c": c.w3c(),
    }
"""


class Context(harness.WorkerTest):
    def test_plain(self):
        with self.worker(CONTEXT) as worker:
            result = self.result(worker, timeout_ms=5000)
            self.assertEqual(result["context"], {
                "aws_request_id": "request-1", "log_group_name": "/aws/lambda/fn",
                "log_stream_name": "2026/01/01/[$LATEST]0123", "function_name": "fn", "memory_limit_in_mb": "128",
                "function_version": "$LATEST", "invoked_function_arn": peer.ARN, "tenant_id": None})
            self.assertEqual(result["identity"], {"cognito_identity_id": None, "cognito_identity_pool_id": None})
            self.assertIsNone(result["client_context"])
            self.assertTrue(4000 < result["left"] <= 5000)
            self.assertTrue(result["repr"].startswith("LambdaContext([aws_request_id=request-1,log_group_name=/aws/lambda/fn,"))
            self.assertEqual(self.result(worker, timeout_ms=-50)["left"], 0)

    def test_client_context_and_identity(self):
        with self.worker(CONTEXT) as worker:
            context = {"client": {"installation_id": "i", "app_title": "t"}, "custom": {"k": ["é"]}, "env": {"e": 1},
                       "w3c": {"traceparent": "00-1", "tracestate": 5, "other": "x"}}
            result = self.result(worker, client_context=json.dumps(context), tenant="blue",
                                 cognito='{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}')
            self.assertEqual(result["client_context"], {"custom": {"k": ["é"]}, "env": {"e": 1}, "client": {
                "installation_id": "i", "app_title": "t", "app_version_name": None, "app_version_code": None,
                "app_package_name": None}})
            self.assertEqual(result["identity"], {"cognito_identity_id": "id", "cognito_identity_pool_id": "pool"})
            self.assertEqual(result["context"]["tenant_id"], "blue")
            self.assertEqual(result["w3c"], {"traceparent": "00-1"})
            document = self.error(worker, client_context="{bad")
            self.assertEqual(document["errorType"], "Runtime.LambdaContextUnmarshalError")
            self.assertTrue(document["errorMessage"].startswith("Unable to parse Client Context JSON: "))
            self.assertTrue(self.result(worker)["left"])


class Failures(harness.WorkerTest):
    def test_exception(self):
        code = ("class Mine(Exception): pass\n"
                "def inner():\n"
                "    raise Mine('bad thing')\n"
                "def lambda_handler(e, c):\n"
                "    inner()\n")
        with self.worker(code) as worker:
            document = self.error(worker)
            self.assertEqual((document["errorType"], document["errorMessage"]), ("Mine", "bad thing"))
            self.assertEqual(len(document["stackTrace"]), 2)
            self.assertEqual(document["stackTrace"][0],  # no line of carets: Lambda's client leaves them out
                             '  File "%s/lambda_function.py", line 5, in lambda_handler\n    inner()\n' % self.task)
            log = worker.log()
            self.assertTrue(log.startswith("[ERROR] Mine: bad thing\nTraceback (most recent call last):\n"), log)
            self.assertIn('\n\u00a0\u00a0File "%s/lambda_function.py", line 5, in lambda_handler\n'
                          '\u00a0\u00a0\u00a0\u00a0inner()\n' % self.task, log)
            self.assertEqual(self.error(worker)["errorMessage"], "bad thing")

    def test_wrong_signature(self):
        with self.worker("def lambda_handler(): pass") as worker:
            document = self.error(worker)
            self.assertEqual(document["errorType"], "TypeError")
            self.assertIn("takes 0 positional arguments but 2 were given", document["errorMessage"])

    def test_exit(self):
        for statement, status in (("sys.exit(3)", 3), ("sys.exit()", 0), ("os._exit(4)", 4), ("raise KeyboardInterrupt", None),
                                  ("exit(6)", 6)):
            with self.subTest(statement), self.worker("import os, sys\ndef lambda_handler(e, c): " + statement) as worker:
                self.assertIsNone(worker.invoke(None))
                worker.process.wait(10)
                if status is not None:
                    self.assertEqual(worker.process.returncode, status)
                else:
                    self.assertNotEqual(worker.process.returncode, 0)

    def test_the_channel_ends(self):
        with self.worker("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
                         "def lambda_handler(e, c): pass") as worker:
            worker.channel.close()
            worker.process.wait(5)
            self.assertEqual(worker.process.returncode, 0)

    def test_the_room_ends_before_go(self):
        with peer.Peer([harness.PYTHON, "-I", "-S", "-B", harness.HERE + "/blank.py", harness.RUNTIME, "/"]) as worker:
            self.assertEqual(worker.receive().kind, peer.BOOTED)
            worker.control.close()
            worker.process.wait(5)
            self.assertIn(worker.process.returncode, (0, 1))

    def test_a_signal_handler_runs_while_waiting(self):
        code = "import signal\nsignal.signal(signal.SIGUSR1, lambda *a: print('signalled'))\ndef lambda_handler(e, c): return 1"
        with self.worker(code) as worker:
            time.sleep(0.1)
            worker.process.send_signal(10)
            time.sleep(0.1)
            self.assertEqual(worker.log(), "signalled\n")
            self.assertEqual(self.result(worker), 1)

    def test_children_do_not_inherit_the_channel(self):
        with self.worker("import os\ndef lambda_handler(e, c): return os.system('test ! -e /proc/self/fd/3')") as worker:
            self.assertEqual(self.result(worker), 0)


class Logs(harness.WorkerTest):
    def test_print_is_unbuffered(self):
        code = ("import os, sys\n"
                "def lambda_handler(e, c):\n"
                "    print('out é', end=''); sys.stderr.write('err\\n'); sys.stdout.writelines(['a', 'b']); os._exit(1)")
        with self.worker(code) as worker:
            worker.invoke(None)
            self.assertEqual(worker.log_until_exit(), "out éerr\nab")

    def test_logging(self):
        code = ("import logging\n"
                "logging.getLogger().warning('at init')\n"
                "def lambda_handler(e, c):\n"
                "    logging.info('hidden')\n"
                "    logging.getLogger('x').error('seen %s', 1)\n"
                "    c.log('through the context\\n')\n")
        with self.worker(code) as worker:
            self.result(worker)
            lines = worker.log().split("\n")
            self.assertRegex(lines[0], r"^\[WARNING\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t\tat init$")
            self.assertRegex(lines[1], r"^\[ERROR\]\t[-0-9T:.]+Z\trequest-1\tseen 1$")
            self.assertEqual(lines[2:], ["through the context", ""])

    def test_level(self):
        with self.worker("import logging\ndef lambda_handler(e, c): logging.debug('now')", AWS_LAMBDA_LOG_LEVEL="DEBUG") as worker:
            self.result(worker)
            self.assertIn("\tnow\n", worker.log())

    def test_json(self):
        code = ("import logging\n"
                "def lambda_handler(e, c):\n"
                "    log = logging.getLogger('mine')\n"
                "    log.warning('hello %s', 'é', extra={'k': {'v': 1}})\n"
                "    log.warning({'whole': 'dict'})\n"
                "    try:\n"
                "        1 / 0\n"
                "    except ZeroDivisionError:\n"
                "        log.exception('failed')\n"
                "    raise ValueError('end')\n")
        with self.worker(code, AWS_LAMBDA_LOG_FORMAT="JSON") as worker:
            self.error(worker, tenant="t1")
            first, second, third, last = [json.loads(line) for line in worker.log().splitlines()]
        self.assertRegex(first.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(first, {"level": "WARNING", "message": "hello é", "logger": "mine", "requestId": "request-1",
                                 "tenantId": "t1", "k": {"v": 1}})
        self.assertEqual(second["message"], {"whole": "dict"})
        self.assertEqual((third["level"], third["message"], third["errorType"], third["errorMessage"]),
                         ("ERROR", "failed", "ZeroDivisionError", "division by zero"))
        self.assertRegex(third["location"], r"/lambda_function.py:lambda_handler:9$")
        self.assertEqual(len(third["stackTrace"]), 1)
        self.assertEqual((last["level"], last["errorType"], last["errorMessage"], last["requestId"]),
                         ("ERROR", "ValueError", "end", "request-1"))

    def test_names_of_tasks(self):
        code = ("import asyncio, logging\n"
                "async def work(): logging.warning('in a task')\n"
                "async def both(): await asyncio.create_task(work(), name='mine')\n"
                "def lambda_handler(e, c):\n"
                "    logging.warning('in none')\n"
                "    asyncio.run(both())\n")
        pythons = harness.pythons(12)
        if not pythons:  # 3.11's records lack the name, and the formatter is the same
            code = code.replace("'in a task'", "'in a task', extra={'taskName': 'mine'}")
            pythons = harness.pythons(8)[-1:]
        for python in pythons:
            with self.subTest(python), self.worker(code, python=python, AWS_LAMBDA_LOG_FORMAT="JSON") as worker:
                self.result(worker)
                first, second = [json.loads(line) for line in worker.log().splitlines()]
                self.assertEqual(("taskName" in first, second["taskName"]), (False, "mine"))


if __name__ == "__main__":
    harness.main()
