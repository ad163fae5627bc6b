"""What handlers do that Lambda's runtimes have an answer for, on Python and Node: promises that never settle, timers that are left,
a heap as large as the function's memory, a start of one's own, a log that nobody swallows."""
import json

import pytest
from conftest import SLOW
from test_promises import in_order, make, visit


def node(stoke, name, code, runtime="nodejs20.x", **more):
    """A Node function's client; skipped where there is no Node."""
    if not any(r["Language"] == "nodejs" for r in json.loads(stoke.request("GET", "/_stoke/runtimes")[2])["Runtimes"]):
        pytest.skip("needs node")
    return make(stoke, name, {"index.js": code}, "index.handler", Runtime=runtime, Timeout=int(5 * SLOW), **more)[0]


# ---- promises and timers

NEVER = "new Promise(() => {})"


@pytest.mark.parametrize("runtime, handler", [("nodejs20.x", f"async () => {NEVER}"), ("nodejs24.x", f"async () => {NEVER}"),
                                              ("nodejs24.x", f"() => {NEVER}")])
def test_a_promise_that_never_settles(stoke, name, runtime, handler):
    client = node(stoke, name, f"exports.handler = {handler};", runtime)
    for _ in range(2):
        error, answer, log = visit(client, name)
        assert (error, answer["errorType"]) == ("Unhandled", "Runtime.NodeJsExit")
        assert answer["errorMessage"] == (
            "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never "
            "settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes")
        assert '\tERROR\tInvoke Error \t{"errorType":"Runtime.NodeJsExit"' in log


def test_neither_async_nor_answering(stoke, name):
    client = node(stoke, name, f"exports.handler = () => {NEVER};")
    assert visit(client, name)[:2] == (None, None)


def test_a_second_answer_is_none(stoke, name):
    """A handler that ends twice, now or during the next event, leaves one answer for each."""
    client = node(stoke, name, """
        let settle;
        exports.handler = async (event, context) => {
            settle?.();
            if (event === 'late') return new Promise((resolve, reject) => { settle = () => reject(new Error('of the last')); });
            if (event === 'fail') context.fail('failed');
            if (event === 'succeed') { context.succeed('succeeded'); throw new Error('and then not'); }
            return event;
        };
    """)
    for event, answer in [("fail", "failed"), ("one", "one"), ("succeed", "succeeded"), ("two", "two"), ("late", "Runtime.NodeJsExit"),
                          ("three", "three"), ("four", "four")]:
        got = visit(client, name, event)[1]
        assert answer in (got, *(got.values() if isinstance(got, dict) else ())), (event, got)


@pytest.mark.parametrize("runtime", ["nodejs20.x", "nodejs24.x"])
def test_a_stream_that_leaves_a_timer(stoke, name, runtime):
    client = node(stoke, name, """
        let count = 0, last;
        exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
            setInterval(() => last?.write('too late'), 10);
            stream.end(JSON.stringify([++count, 'callbackWaitsForEmptyEventLoop' in context]));
            last = stream;
            await new Promise((resolve) => setTimeout(resolve, 50));
        });
    """, runtime)
    assert [visit(client, name)[:2] for _ in range(3)] == [(None, [n, runtime == "nodejs20.x"]) for n in (1, 2, 3)]


def test_a_stream_of_the_last_event(stoke, name):
    client = node(stoke, name, """
        let settle;
        exports.handler = awslambda.streamifyResponse(async (event, stream) => {
            settle?.();
            if (event === 'never') await new Promise((resolve) => { settle = resolve; });
            await null;
            await new Promise((resolve) => setTimeout(resolve, 10));
            stream.end(JSON.stringify(event));
        });
    """)
    for _ in range(2):
        assert visit(client, name, "never")[1]["errorMessage"] == "Response stream is not finished."
        assert [visit(client, name, event)[:2] for event in ("a", "b")] == [(None, "a"), (None, "b")]


# ---- how Node starts

LIMITS = """
const v8 = require('v8'), http = require('http');
exports.handler = async () => {
    const limit = v8.getHeapStatistics().heap_size_limit / 1048576;
    globalThis.gc();
    return {limit, header: http.maxHeaderSize, flags: process.execArgv.filter((flag) => flag.includes('space'))};
};
"""


def test_a_heap_beyond_the_hosts(stoke, name):
    """V8's own limit is the host's; a function with more memory than that gets a heap of its size."""
    client = node(stoke, name, LIMITS, MemorySize=128)
    small = visit(client, name)[1]
    assert (small["header"], small["flags"]) == (81920, [])
    memory = int((small["limit"] + 128) / 0.9) + 64
    client.update_function_configuration(FunctionName=name, MemorySize=memory)
    stoke.wait_active(name)
    large = visit(client, name)[1]
    old, semi = memory - memory // 10, memory // 10 // 2
    assert large["header"] == 81920
    assert old <= large["limit"] <= old + 3 * (1 << (semi - 1).bit_length()) + 16  # V8 has three of a power of two
    assert large["flags"] == [f"--max-old-space-size={old}", f"--max-semi-space-size={semi}"]


@pytest.mark.parametrize("options, flags", [("--no-deprecation", 2), ("--max-old-space-size=100", 0), ("--max_semi_space_size=4", 0)])
def test_node_options_come_first(stoke, name, options, flags):
    client = node(stoke, name, LIMITS, Environment={"Variables": {"NODE_OPTIONS": options}})
    answer = visit(client, name)[1]
    assert (answer["header"], len(answer["flags"])) == (81920, flags)


# ---- how Python starts

CUSTOM = "import os\nos.environ['CUSTOM'] = os.environ.get('CUSTOM', '') + 'layer'\n"
APP = "import os, sys\ndef handler(event, context):\n    return [os.environ.get('CUSTOM'), 'sitecustomize' in sys.modules]\n"
WRAPPER = '#!/bin/sh\nexport PYTHONPATH="/var/task/auto:$PYTHONPATH"\nexec "$@"\n'


@pytest.mark.parametrize("variables", [{"PYTHONPATH": "/var/runtime:/var/task/auto"}, {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"},
                                       {"PYTHONPATH": "/var/task/auto", "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}], ids=str)
def test_sitecustomize_of_pythonpath(stoke, name, variables):
    files = {"app.py": APP, "auto/sitecustomize.py": CUSTOM, "sitecustomize.py": CUSTOM.replace("layer", "task"), "wrapper": (WRAPPER, 0o755)}
    client, _ = make(stoke, name, files, Environment={"Variables": variables})
    assert visit(client, name)[:2] == (None, ["layer", True])


def test_sitecustomize_elsewhere_is_none(stoke, name):
    client, _ = make(stoke, name, {"app.py": APP, "sitecustomize.py": CUSTOM}, Environment={"Variables": {"PYTHONPATH": "/var/task/none"}})
    assert visit(client, name)[:2] == (None, [None, False])


def test_sitecustomize_that_fails(stoke, name):
    client, _ = make(stoke, name, {"app.py": APP, "auto/sitecustomize.py": "raise KeyError('gone')\n"},
                     Environment={"Variables": {"PYTHONPATH": "/var/task/auto"}})
    error, answer, log = visit(client, name)
    assert (error, answer) == (None, [None, False])
    in_order(log, "Error in sitecustomize; set PYTHONVERBOSE for traceback:", "KeyError: 'gone'")


# ---- Python's log

REDIRECTS = """
import contextlib, io, logging, sys
def handler(event, context):
    print("printed before")
    logging.warning("logged before")
    if event == "detach":
        sys.stdout = io.TextIOWrapper(sys.stdout.detach(), line_buffering=True)
    with contextlib.redirect_stdout(io.StringIO()) as swallowed:
        print("swallowed")
        logging.warning("logged inside")
        if event == "fail":
            sys.stdout = io.StringIO()
            raise ValueError("as asked")
    print("printed after")
    logging.warning("logged after")
    return swallowed.getvalue()
"""


@pytest.mark.parametrize("more", [{}, {"LoggingConfig": {"LogFormat": "JSON"}}], ids=["text", "json"])
def test_the_log_is_not_standard_output(stoke, name, more):
    client, _ = make(stoke, name, {"app.py": REDIRECTS}, **more)
    for event in ("stay", "detach"):
        error, answer, log = visit(client, name, event)
        assert (error, answer) == (None, "swallowed\n")
        in_order(log, "printed before", "logged before", "logged inside", "printed after", "logged after")
    client, _ = make(stoke, name + "-fail", {"app.py": REDIRECTS}, **more)
    error, answer, log = visit(client, name + "-fail", "fail")
    assert (error, answer["errorType"]) == ("Unhandled", "ValueError") and "swallowed" not in log
    in_order(log, "logged inside", "ValueError", "as asked")
