"""The Node runtime without a sandbox, driven over a channel: loading, visits, contexts, errors, logs, streaming. STOKE_NODE names
the interpreter; the test is skipped where there is none."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "runtimes_python"))
import peer

RUNTIME = os.environ["STOKE_RUNTIMES"] + "/nodejs"
NODE = os.environ.get("STOKE_NODE") or shutil.which("node")
SKIPPED = 77


class WorkerTest(unittest.TestCase):
    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.dir)
        self.task = os.path.join(self.dir, "task")
        os.mkdir(self.task)

    def write(self, name, text, where=None):
        path = os.path.join(where or self.task, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(textwrap.dedent(text))
        return path

    @contextlib.contextmanager
    def blank(self):
        with peer.Peer([NODE, RUNTIME + "/bootstrap.mjs"]) as worker:
            worker.go(sealed=False)
            yield worker

    def environment(self, **env):
        base = {name: value for name, value in peer.ENVIRONMENT.items() if name != "PYTHONPATH"}
        return {**base, "LAMBDA_TASK_ROOT": self.task, "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs20.x", **env}

    @contextlib.contextmanager
    def worker(self, code=None, handler="index.handler", name="index.js", **env):
        if code is not None:
            self.write(name, code)
        with self.blank() as worker:
            frame = worker.start(self.environment(_HANDLER=handler, **env))
            if frame is None or frame.kind != peer.READY:
                raise AssertionError("init failed: %s %s" % (frame and frame.body, worker.log_until_exit()))
            yield worker

    def init_error(self, code=None, handler="index.handler", name="index.js", **env):
        if code is not None:
            self.write(name, code)
        with self.blank() as worker:
            frame = worker.start(self.environment(_HANDLER=handler, **env))
            self.assertEqual(frame.kind, peer.INIT_ERROR)
            document = frame.json()
            self.assertEqual(frame.meta, [document["errorType"]])
            log = worker.log_until_exit()
            self.assertNotEqual(worker.process.returncode, 0)
            return document, log

    def frame(self, worker, kind, event, **invoke):
        frame = worker.invoke(event, **invoke)
        if frame is None:
            self.fail("the worker ended: " + worker.log_until_exit())
        self.assertEqual(frame.kind, kind, frame.body)
        self.assertEqual(frame.meta[0], "request-%d" % worker.requests)
        return frame

    def result(self, worker, event=None, **invoke):
        return self.frame(worker, peer.RESPONSE, event, **invoke).json()

    def error(self, worker, event=None, **invoke):
        frame = self.frame(worker, peer.ERROR, event, **invoke)
        document = frame.json()
        self.assertEqual(frame.meta[1], document["errorType"])
        return document


class Loading(WorkerTest):
    def test_kinds_of_files(self):
        common = "exports.handler = async () => __filename;"
        module = "export const handler = async () => import.meta.url;"
        self.write("js.js", common)
        self.write("cjs.cjs", common)
        self.write("mjs.mjs", module)
        self.write("esm/package.json", '{"type": "module"}')
        self.write("esm/index.js", "await Promise.resolve();\n" + module)
        self.write("esm/deep/down.js", module)
        self.write("folder/index.js", common)
        for handler, file in (("js.handler", "js.js"), ("cjs.handler", "cjs.cjs"), ("mjs.handler", "mjs.mjs"),
                              ("esm/index.handler", "esm/index.js"), ("esm/deep/down.handler", "esm/deep/down.js"),
                              ("folder.handler", "folder/index.js"), ("./js.handler", "js.js")):
            with self.subTest(handler), self.worker(handler=handler) as worker:
                self.assertTrue(self.result(worker).endswith(self.task + "/" + file))

    def test_nested_exports(self):
        with self.worker("exports.a = {b: {c: async () => 'deep'}};", handler="index.a.b.c") as worker:
            self.assertEqual(self.result(worker), "deep")

    def check(self, error_type, message, code=None, **options):
        document, log = self.init_error(code, **options)
        self.assertEqual(document["errorType"], error_type)
        self.assertIn(message, document["errorMessage"])
        self.assertIsInstance(document["trace"], list)
        self.assertIn("\tundefined\tERROR\tUncaught Exception \t{\"errorType\":\"%s\"" % error_type, log)
        return document

    def test_errors(self):
        self.check("Runtime.ImportModuleError", "Error: Cannot find module 'index'\nRequire stack:\n- ")
        self.check("Runtime.ImportModuleError", "Error: Cannot find module 'absent'\nRequire stack:\n- ", "require('absent');")
        self.check("Runtime.HandlerNotFound", "index.handler is undefined or not exported", "exports.other = 1;")
        self.check("Runtime.HandlerNotFound", "index.handler is not a function", "exports.handler = 1;")
        self.check("Runtime.MalformedHandlerName", "Bad handler", handler="nodot")
        self.check("Runtime.MalformedHandlerName", "'../up.handler' is not a valid handler name", handler="../up.handler")
        self.check("Runtime.UserCodeSyntaxError", "SyntaxError: ", "exports.handler = (;")
        self.check("Runtime.UserCodeSyntaxError", "SyntaxError: ", "export const = 1;", name="index.mjs")
        self.check("TypeError", "boom", "throw new TypeError('boom');")

    def test_rejection_while_loading(self):
        document, log = self.init_error("Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 1000));",
                                        name="index.mjs")
        self.assertEqual((document["errorType"], document["errorMessage"]),
                         ("Runtime.UnhandledPromiseRejection", "Error: lost"))
        self.assertIn("Unhandled Promise Rejection", log)

    def test_exit_while_loading(self):
        self.write("index.js", "process.exit(5);")
        with self.blank() as worker:
            self.assertIsNone(worker.start(self.environment(_HANDLER="index.handler")))
            worker.process.wait(10)
            self.assertEqual(worker.process.returncode, 5)

    def test_sdk_is_missing(self):
        document, _ = self.init_error("require('@aws-sdk/client-lambda');")
        self.assertEqual(document["errorType"], "Runtime.ImportModuleError")
        self.assertIn("@aws-sdk/client-lambda is not installed: ", document["errorMessage"])
        document, _ = self.init_error("import '@aws-sdk/client-lambda';", name="m.mjs", handler="m.handler")
        self.assertIn("@aws-sdk/client-lambda is not installed: ", document["errorMessage"])

    def test_node_path(self):
        modules = self.dir + "/opt/nodejs/node_modules"
        self.write("dep/package.json", '{"name": "dep", "exports": {"import": "./m.mjs", "require": "./c.js"}}', modules)
        self.write("dep/m.mjs", "export default 'esm';", modules)
        self.write("dep/c.js", "module.exports = 'cjs';", modules)
        with self.worker("exports.handler = async () => require('dep');", NODE_PATH=modules) as worker:
            self.assertEqual(self.result(worker), "cjs")
        if NODE_VERSION >= (18, 19):
            with self.worker("import dep from 'dep'; export const handler = async () => dep;", name="m.mjs", handler="m.handler",
                             NODE_PATH=modules) as worker:
                self.assertEqual(self.result(worker), "esm")


class Visits(WorkerTest):
    def test_ways_to_answer(self):
        code = """
            const later = (f, ...args) => setTimeout(() => f(...args), 5);
            exports.handler = (event, context, callback) => {
                switch (event) {
                case 'callback': return void later(callback, null, 'c');
                case 'callback at once': return void callback(null, 'c1');
                case 'done': return void later(context.done, null, 'd');
                case 'succeed': return void context.succeed('s');
                case 'thenable': return {then: (f) => f('t')};
                case 'promise': return new Promise((resolve) => later(resolve, 'p'));
                case 'nothing': return void later(() => {});
                case 'value': return 'ignored';
                case 'undefined': return Promise.resolve(undefined);
                case 'function': return Promise.resolve(() => {});
                case 'twice': callback(null, 1); callback(null, 2); return;
                case 'args': return Promise.resolve([typeof event, typeof context, typeof callback]);
                }
            };
        """
        with self.worker(code) as worker:
            for event, expected in (("callback", "c"), ("callback at once", "c1"), ("done", "d"), ("succeed", "s"),
                                    ("thenable", "t"), ("promise", "p"), ("nothing", None), ("value", None), ("undefined", None),
                                    ("function", None), ("twice", 1), ("args", ["string", "object", "function"])):
                with self.subTest(event):
                    self.assertEqual(self.result(worker, event), expected)

    def test_no_callbacks_from_24_on(self):
        new = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"}
        document, _ = self.init_error("exports.handler = (event, context, callback) => callback(null, 1);", **new)
        self.assertEqual(document["errorType"], "Runtime.CallbackHandlerDeprecated")
        self.assertIn("removed support for callback-based function handlers starting with Node.js 24", document["errorMessage"])
        for code, answer in (("(event) => 'plain'", "plain"), ("async () => 'later'", "later"), ("() => {}", None)):
            with self.worker(f"exports.handler = {code};", **new) as worker:
                self.assertEqual(self.result(worker), answer)
        with self.worker("exports.handler = () => 'plain';") as worker:  # before, only a promise or a callback answers
            self.assertIsNone(self.result(worker))

    def test_waiting_for_an_empty_loop(self):
        code = """
            exports.handler = (event, context, callback) => {
                context.callbackWaitsForEmptyEventLoop = event;
                setTimeout(() => console.log('late'), 200);
                callback(null, context.callbackWaitsForEmptyEventLoop);
            };
        """
        with self.worker(code) as worker:
            started = time.monotonic()
            self.assertIs(self.result(worker, True), True)
            self.assertGreater(time.monotonic() - started, 0.19)
            self.assertIn("late", worker.log())
            started = time.monotonic()
            self.assertIs(self.result(worker, False), False)
            self.assertLess(time.monotonic() - started, 0.15)

    def test_failures(self):
        code = """
            class Mine extends Error { constructor(m) { super(m); this.name = 'Mine'; } }
            exports.handler = (event, context, callback) => {
                switch (event) {
                case 'reject': return Promise.reject(new Mine('bad'));
                case 'throw': throw new Mine('bad');
                case 'callback': return void callback(new Mine('bad'));
                case 'fail': return void context.fail(new Mine('bad'));
                case 'string': return Promise.reject('text');
                case 'number': return Promise.reject(7);
                case 'fail nothing': return void context.fail();
                case 'circle': { const o = {}; o.o = o; return Promise.resolve(o); }
                case 'bigint': return Promise.resolve(1n);
                }
                return Promise.resolve(event);
            };
        """
        with self.worker(code) as worker:
            for event in ("reject", "throw", "callback", "fail"):
                document = self.error(worker, event)
                self.assertEqual((document["errorType"], document["errorMessage"]), ("Mine", "bad"))
                self.assertEqual(document["trace"][0], "Mine: bad")
                self.assertIn("\trequest-%d\tERROR\tInvoke Error \t{\"errorType\":\"Mine\",\"errorMessage\":\"bad\","
                              % worker.requests, worker.log())
            for event, error_type, message in (("string", "string", "text"), ("number", "number", "7"),
                                               ("fail nothing", "string", "handled"),
                                               ("circle", "Error", "Unable to stringify response body"),
                                               ("bigint", "Error", "Unable to stringify response body")):
                document = self.error(worker, event)
                self.assertEqual((document["errorType"], document["errorMessage"]), (error_type, message))
            self.assertEqual(self.result(worker, "fine"), "fine")
            self.assertEqual(self.error(worker, raw=b"{bad")["errorType"], "SyntaxError")

    def test_failures_that_end_the_worker(self):
        code = """
            exports.handler = (event) => new Promise(() => {
                if (event === 'rejection') Promise.reject(new Error('lost'));
                if (event === 'exception') setTimeout(() => { throw new RangeError('late'); }, 1);
                if (event === 'exit') process.exit(6);
            });
        """
        for event, error_type, message, status in (
                ("rejection", "Runtime.UnhandledPromiseRejection", "Error: lost", 128),
                ("exception", "RangeError", "late", 129), ("exit", None, None, 6)):
            with self.subTest(event), self.worker(code) as worker:
                if error_type:
                    document = self.error(worker, event)
                    self.assertEqual((document["errorType"], document["errorMessage"]), (error_type, message))
                    self.assertIsNone(worker.receive())
                else:
                    self.assertIsNone(worker.invoke(event))
                worker.process.wait(10)
                self.assertEqual(worker.process.returncode, status)

    def test_large(self):
        with self.worker("exports.handler = async (e) => typeof e === 'number' ? 'é'.repeat(e) : e;") as worker:
            for size in (1, 65536 - 12, 65536, 200000, 6291556 - 2):
                text = "x" * size
                self.assertEqual(self.result(worker, text), text)
            frame = self.frame(worker, peer.RESPONSE, 4000000)
            self.assertEqual(len(frame.body), 6291556 + 1024)
            self.assertEqual(self.result(worker, 2), "éé")

    def test_context(self):
        code = """
            exports.handler = async (event, context) => {
                const {getRemainingTimeInMillis, ...rest} = context;
                return {rest, left: context.getRemainingTimeInMillis(), trace: process.env._X_AMZN_TRACE_ID ?? null};
            };
        """
        with self.worker(code) as worker:
            result = self.result(worker, timeout_ms=5000, trace="")
            self.assertEqual(result["rest"], {
                "callbackWaitsForEmptyEventLoop": True, "functionVersion": "$LATEST", "functionName": "fn",
                "memoryLimitInMB": "128", "logGroupName": "/aws/lambda/fn", "logStreamName": "2026/01/01/[$LATEST]0123",
                "invokedFunctionArn": peer.ARN, "awsRequestId": "request-1"})
            self.assertTrue(4000 < result["left"] <= 5000)
            self.assertIsNone(result["trace"])
            result = self.result(worker, trace="Root=1-9", client_context='{"custom": {"é": 1}}', tenant="blue",
                                 cognito='{"cognitoIdentityId": "id"}')
            self.assertEqual(result["rest"]["clientContext"], {"custom": {"é": 1}})
            self.assertEqual(result["rest"]["identity"], {"cognitoIdentityId": "id"})
            self.assertEqual((result["rest"]["tenantId"], result["trace"]), ("blue", "Root=1-9"))
            self.assertIn("Cannot parse ClientContext as json: ", self.error(worker, client_context="{bad")["errorMessage"])

    def test_timers_and_input_run_during_a_visit(self):
        code = """
            const http = require('http');
            exports.handler = async () => {
                const server = http.createServer((request, response) => response.end('served')).listen(0, '127.0.0.1');
                await new Promise((resolve) => server.once('listening', resolve));
                const text = await new Promise((resolve) => http.get({port: server.address().port, host: '127.0.0.1'},
                    (response) => response.setEncoding('utf8').on('data', resolve)));
                server.close();
                return text;
            };
        """
        with self.worker(code) as worker:
            self.assertEqual(self.result(worker), "served")
            self.assertEqual(self.result(worker), "served")

    def test_the_channel_ends(self):
        with self.worker("setInterval(() => {}, 1000); exports.handler = async () => 1;") as worker:
            worker.channel.close()
            worker.process.wait(5)
            self.assertEqual(worker.process.returncode, 0)

    def test_children_do_not_inherit_the_channel(self):
        code = "exports.handler = async () => require('child_process').execSync('ls /proc/self/fd').toString().split('\\n');"
        with self.worker(code) as worker:
            self.assertEqual(self.result(worker), ["0", "1", "2", "3", ""])  # 3 is ls's own


class Streaming(WorkerTest):
    def test_streams(self):
        code = """
            exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
                if (event === 'http') {
                    stream = awslambda.HttpResponseStream.from(stream, {statusCode: 201});
                    stream.write('a');
                    await new Promise((resolve) => setTimeout(resolve, 5));
                    stream.end('b');
                } else if (event === 'pipeline') {
                    await require('stream/promises').pipeline(require('stream').Readable.from(['x', 'y']), stream);
                } else if (event === 'object') {
                    stream.setContentType('text/plain');
                    stream.write({a: 1});
                    stream.end();
                } else if (event === 'empty') {
                    stream.end();
                } else if (event === 'fail') {
                    stream.write('half');
                    throw new Error('midway');
                } else if (event === 'unfinished') {
                    stream.write('half');
                } else if (event === 'late') {
                    stream.write('1');
                    setTimeout(() => stream.end('2'), 20);
                }
            });
        """
        with self.worker(code) as worker:
            for event, kind, body in (
                    ("http", "application/vnd.awslambda.http-integration-response", b'{"statusCode":201}' + bytes(8) + b"ab"),
                    ("pipeline", "application/octet-stream", b"xy"), ("object", "text/plain", b'{"a":1}'),
                    ("empty", "application/octet-stream", b""), ("late", "application/octet-stream", b"12")):
                with self.subTest(event):
                    frame = self.frame(worker, peer.RESPONSE, event)
                    self.assertEqual((frame.meta[1], frame.body), (kind, body))
            self.assertEqual(self.error(worker, "fail")["errorMessage"], "midway")
            self.assertEqual(self.error(worker, "unfinished")["errorMessage"], "Response stream is not finished.")
            self.assertEqual(self.frame(worker, peer.RESPONSE, "pipeline").body, b"xy")


class Logs(WorkerTest):
    def test_text(self):
        code = """
            console.log('at init');
            exports.handler = async () => {
                console.log('a %s', 1, {b: 2});
                console.debug('d'); console.info('i'); console.warn('w'); console.error('two\\nlines'); console.trace('t');
                process.stdout.write('raw\\n'); process.stderr.write('err\\n');
            };
        """
        with self.worker(code) as worker:
            self.result(worker)
            lines = worker.log().split("\n")
        self.assertRegex(lines[0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\tundefined\tINFO\tat init$")
        self.assertEqual([line.split("\t", 1)[1] for line in lines[1:6]],
                         ["request-1\tINFO\ta 1 { b: 2 }", "request-1\tDEBUG\td", "request-1\tINFO\ti", "request-1\tWARN\tw",
                          "request-1\tERROR\ttwo"])
        self.assertEqual((lines[6], lines[8:]), ("lines", ["raw", "err", ""]))
        self.assertTrue(lines[7].endswith("\trequest-1\tTRACE\tt"))

    def test_level(self):
        with self.worker("exports.handler = async () => { console.info('no'); console.warn('yes'); console.fatal('end'); };",
                         AWS_LAMBDA_LOG_LEVEL="WARN") as worker:
            self.result(worker)
            self.assertRegex(worker.log(), r"^[^\n]*\tWARN\tyes\n[^\n]*\tFATAL\tend\n$")

    def test_json(self):
        code = """
            exports.handler = async () => {
                console.log({a: 1});
                console.warn('x', 2);
                console.error('failed', new TypeError('t'));
                const o = {}; o.o = o; console.log(o);
                throw new Error('end');
            };
        """
        with self.worker(code, AWS_LAMBDA_LOG_FORMAT="JSON") as worker:
            self.error(worker, tenant="t1")
            lines = [json.loads(line) for line in worker.log().splitlines()]
        self.assertRegex(lines[0].pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(lines[0], {"level": "INFO", "requestId": "request-1", "tenantId": "t1", "message": {"a": 1}})
        self.assertEqual((lines[1]["level"], lines[1]["message"]), ("WARN", "x 2"))
        self.assertEqual((lines[2]["errorType"], lines[2]["errorMessage"]), ("TypeError", "t"))
        self.assertIn("[Circular *1]", lines[3]["message"])
        self.assertEqual((lines[4]["level"], lines[4]["message"]["errorMessage"]), ("ERROR", "end"))

    def test_a_flood_is_whole(self):
        self.check_flood("for (let i = 0; i < 2000; i++) console.log('x'.repeat(100));")
        self.check_flood("for (let i = 0; i < 2000; i++) process.stdout.write('x'.repeat(100) + '\\n');")

    def check_flood(self, code):
        with self.worker("exports.handler = async () => { %s };" % code) as worker:
            worker.send(peer.INVOKE, ["r", str(int(time.time() * 1000) + 9000), peer.ARN, "", "", "", ""], b"1")
            text, deadline = "", time.monotonic() + 10
            while text.count("\n") < 2000 and time.monotonic() < deadline:
                text += worker.log()
                time.sleep(0.005)
            self.assertEqual(worker.receive().kind, peer.RESPONSE)
            self.assertEqual(text.count("\n"), 2000)


class Environment(WorkerTest):
    def test_is_the_functions_alone(self):
        with self.worker("exports.handler = async () => [process.env, process.cwd(), new Date(0).getHours()];", MINE="ü=1",
                         TZ="Asia/Tokyo") as worker:
            env, cwd, hours = self.result(worker, trace="")
            self.assertEqual(env, self.environment(MINE="ü=1", TZ="Asia/Tokyo", _HANDLER="index.handler"))
            self.assertEqual((cwd, hours), (self.task, 9))

    def test_node_options_take_an_exec(self):
        with self.worker("exports.handler = async (e) => [process.noDeprecation ?? false, e];",
                         NODE_OPTIONS="--no-deprecation") as worker:
            self.assertEqual([self.result(worker, 1), self.result(worker, 2)], [[True, 1], [True, 2]])

    def test_wrapper(self):
        wrapper = self.write("wrapper", '#!/bin/sh\nexport WRAPPED="$#"\nexec "$@"\n')
        os.chmod(wrapper, 0o755)
        with self.worker("exports.handler = async () => process.env.WRAPPED;", AWS_LAMBDA_EXEC_WRAPPER=wrapper) as worker:
            self.assertEqual(self.result(worker), "5")
        bare = self.write("bare", 'export WRAPPED=yes\nexec "$@"\n')
        os.chmod(bare, 0o755)
        with self.worker("exports.handler = async () => process.env.WRAPPED;", AWS_LAMBDA_EXEC_WRAPPER=bare) as worker:
            self.assertEqual(self.result(worker), "yes")
        plain = self.write("plain", "")
        for wrapper, status, words in (("/no/where", 127, "does not exist"), (plain, 126, "is not an executable")):
            with self.blank() as worker:
                self.assertIsNone(worker.start(self.environment(_HANDLER="index.handler", AWS_LAMBDA_EXEC_WRAPPER=wrapper)))
                self.assertIn(f"{wrapper}: {words}", worker.log_until_exit())
                self.assertEqual(worker.process.returncode, status)

    def test_what_runtime_24_changed(self):
        code = """
            const handler = async function (event, context) {
                return [arguments.length, typeof context.succeed, 'callbackWaitsForEmptyEventLoop' in context, context.xRayTraceId ?? null];
            };
            export default { handler };
        """
        with self.worker(code, name="index.mjs", AWS_EXECUTION_ENV="AWS_Lambda_nodejs24.x") as worker:
            self.assertEqual(self.result(worker, trace="Root=1-9"), [2, "undefined", False, "Root=1-9"])
        with self.worker(code.replace("export default", "export const handler2 = handler, other ="), name="index.mjs", handler="index.handler2") as worker:
            self.assertEqual(self.result(worker), [3, "function", True, None])
        document, _ = self.init_error("module.exports = null;", AWS_EXECUTION_ENV="AWS_Lambda_nodejs24.x")
        self.assertEqual(document["errorType"], "Runtime.HandlerNotFound")
        document, _ = self.init_error(code, name="index.mjs")
        self.assertEqual(document["errorType"], "Runtime.HandlerNotFound")

    def test_a_small_heap_stays_small(self):
        code = """
            exports.handler = async () => {
                const keep = [];
                for (let i = 0; i < 300; i++) {
                    keep.push(JSON.parse(JSON.stringify({a: Array.from({length: 2000}, (_, k) => ({k, v: 'x' + k + i}))})));
                    if (keep.length > 10) keep.shift();
                }
                return process.resourceUsage().maxRSS >> 10;
            };
        """
        with self.worker(code) as worker:
            self.assertLess(self.result(worker, timeout_ms=20000), 128)


def main():
    global NODE_VERSION
    if NODE is None:
        print("SKIP: needs node")
        sys.exit(SKIPPED)
    text = subprocess.run([NODE, "-p", "process.versions.node"], stdout=subprocess.PIPE, check=True).stdout.decode()
    NODE_VERSION = tuple(int(part) for part in text.strip().split("."))
    unittest.main(argv=sys.argv[:1] + ["-q"] + sys.argv[1:])


if __name__ == "__main__":
    main()
