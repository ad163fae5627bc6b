"""Extensions and wrappers that layers bring: started beside the runtime, told of every invocation and of the end."""
import json
import time

import pytest
from conftest import SLOW
from test_layers import BOOTSTRAP, arn, invoke, publish

# Registers, says what it sees, and asks for events until SHUTDOWN. Standard output is the function's log.
EXTENSION = """#!/usr/bin/python3 -IS
import http.client, json, os, sys
name = os.path.basename(sys.argv[0])
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, headers, body=None):
    api.request(method, "/2020-01-01/extension/" + path, body, headers)
    answer = api.getresponse()
    return answer, json.loads(answer.read())
open("/tmp/" + name, "w").close()
answer, about = ask("POST", "register", {"Lambda-Extension-Name": name}, json.dumps({"events": ["INVOKE", "SHUTDOWN"]}))
print(name, "registered for", about["functionName"], "env", sorted(k for k in os.environ if k.startswith(("_", "LAMBDA_"))), flush=True)
me = {"Lambda-Extension-Identifier": answer.getheader("Lambda-Extension-Identifier")}
while True:
    _, event = ask("GET", "event/next", me)
    print(name, "got", event["eventType"], event.get("requestId", event.get("shutdownReason")), flush=True)
    if event["eventType"] == "SHUTDOWN":
        print(name, "has cleaned up", flush=True)
        break
"""
PYTHON = """
import os
here = sorted(os.listdir("/tmp"))
def handler(event, context):
    return {"here": here, "id": context.aws_request_id}
"""
NODE = "const here = require('fs').readdirSync('/tmp').sort(); exports.handler = async (e, c) => ({here, id: c.awsRequestId});"


def logs(stoke, name):
    return [e["message"] for e in json.loads(stoke.request("GET", f"/_stoke/logs?function={name}&limit=1000")[2])["events"]]


def wait_for_log(stoke, name, text):
    end = time.monotonic() + 15 * SLOW
    while time.monotonic() < end:
        lines = logs(stoke, name)
        if any(text in l for l in lines):
            return lines
        time.sleep(0.1)
    raise AssertionError(f"{text!r} is not in the log: {lines}")


@pytest.mark.parametrize("runtime", ["python3.11", "nodejs20.x", "provided.al2023"])
def test_external_extensions(make_stoke, runtime):
    """They register before the runtime starts, get every event, and SHUTDOWN before the room ends."""
    stoke = make_stoke(config={"pool.keep_alive": 1})
    client = stoke.client()
    publish(client, "ext", {"extensions/one": (EXTENSION, 0o755), "extensions/two": (EXTENSION, 0o755), "extensions/folder/x": "no extension"})
    files = {"python3.11": {"app.py": PYTHON}, "nodejs20.x": {"app.js": NODE}, "provided.al2023": {"bootstrap": (BOOTSTRAP, 0o755), "data": "d"}}
    client.create_function(**{**stoke.function("f", files[runtime], Layers=[arn("ext", 1)]), "Runtime": runtime})
    client.get_waiter("function_active_v2").wait(FunctionName="f")
    answers = [invoke(client, "f") for _ in range(2)]
    if runtime != "provided.al2023":
        assert all(a["here"] == ["one", "two"] for a in answers)
    wait_for_log(stoke, "f", "one has cleaned up")  # in whichever order they come to it
    lines = wait_for_log(stoke, "f", "two has cleaned up")
    text = "\n".join(lines)
    for name in ("one", "two"):
        assert f"{name} registered for f env []" in text
        assert sum(f"{name} got INVOKE" in l for l in lines) == 2
        assert f"{name} got SHUTDOWN spindown" in text
    for a in answers:
        assert "id" not in a or f"one got INVOKE {a['id']}" in text


INTERNAL = """
import http.client, json, os, threading
def register():
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request("POST", "/2020-01-01/extension/register", '{"events": []}', {"Lambda-Extension-Name": "internal"})
    answer = api.getresponse()
    answer.read()
    me = {"Lambda-Extension-Identifier": answer.getheader("Lambda-Extension-Identifier")}
    threading.Thread(target=lambda: (api.request("GET", "/2020-01-01/extension/event/next", headers=me), api.getresponse()), daemon=True).start()
"""
ENDS = {
    "python3.11": {"app.py": INTERNAL + """
import signal
if os.environ.get("INTERNAL"):
    register()
def end(number, frame):
    print("runtime heard of its end", flush=True)
    if not os.environ.get("STAYS"):
        os._exit(0)
signal.signal(signal.SIGTERM, end)
def handler(event, context):
    return 1
"""},
    "nodejs20.x": {"app.js": """
const http = require('http');
const ask = (method, path, headers, body, done) => http.request(`http://${process.env.AWS_LAMBDA_RUNTIME_API}/2020-01-01/extension/${path}`,
    {method, headers}, (answer) => { answer.resume(); answer.on('end', () => done?.(answer.headers)); }).end(body);
exports.handler = async () => 1;
process.on('SIGTERM', () => setTimeout(() => { // something that takes a moment, as closing a connection does
    console.log('runtime heard of its end');
    if (!process.env.STAYS)
        process.exit(0);
}, 20));
if (process.env.INTERNAL)
    module.exports.ready = new Promise((resolve) => ask('POST', 'register', {'Lambda-Extension-Name': 'internal'}, '{"events": []}', (headers) => {
        ask('GET', 'event/next', {'Lambda-Extension-Identifier': headers['lambda-extension-identifier']});
        setTimeout(resolve, 50);
    }));
""", "start.mjs": "import app from './app.js'; await app.ready; export const handler = app.handler;"},
}


@pytest.mark.parametrize("runtime", ["python3.11", "nodejs20.x"])
@pytest.mark.parametrize("extension", ["external", "internal", "none", "stays"])
def test_the_runtime_hears_of_its_end(make_stoke, runtime, extension):
    """SIGTERM, where extensions are; those in a layer hear of it afterwards, whether the runtime has heeded it or not."""
    stoke = make_stoke(config={"pool.keep_alive": 1})
    client = stoke.client()
    publish(client, "ext", {"extensions/one": (EXTENSION, 0o755)})
    layers = [arn("ext", 1)] if extension in ("external", "stays") else []
    variables = {"internal": {"INTERNAL": "1"}, "stays": {"STAYS": "1"}}.get(extension, {})
    client.create_function(**{**stoke.function("f", ENDS[runtime], Layers=layers, Environment={"Variables": variables}), "Runtime": runtime,
                              "Handler": "start.handler" if runtime.startswith("node") else "app.handler"})
    client.get_waiter("function_active_v2").wait(FunctionName="f")
    assert invoke(client, "f") == 1
    if extension == "none":
        client.delete_function(FunctionName="f")
        time.sleep(1)
        assert "runtime heard of its end" not in "\n".join(logs(stoke, "f"))
        return
    lines = wait_for_log(stoke, "f", "runtime heard of its end")
    if layers:
        lines = wait_for_log(stoke, "f", "one has cleaned up")
        text = "\n".join(lines)
        assert text.index("runtime heard of its end") < text.index("one got SHUTDOWN spindown")
        assert sum("runtime heard" in line for line in lines) == 1


def test_an_extension_that_cannot_start(stoke, client, name):
    publish(client, name, {"extensions/broken": "no program"})
    client.create_function(**stoke.function(name, Layers=[arn(name, 1)]))
    answer = client.invoke(FunctionName=name)
    error = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled" and error["errorType"] == "Extension.LaunchError", error
    assert "fork/exec /opt/extensions/broken: permission denied" in error["errorMessage"]


def test_an_extension_that_reports_an_error(stoke, client, name):
    broken = EXTENSION[:EXTENSION.index("while True")] + """
me["Lambda-Extension-Function-Error-Type"] = "Extension.NoLicense"
ask("POST", "init/error", me, "{}")
"""
    publish(client, name, {"extensions/broken": (broken, 0o755)})
    client.create_function(**stoke.function(name, Layers=[arn(name, 1)]))
    error = json.loads(client.invoke(FunctionName=name)["Payload"].read())
    assert error["errorType"] == "Extension.InitError" and "Extension.NoLicense" in error["errorMessage"], error


@pytest.mark.parametrize("runtime", ["python3.11", "nodejs20.x"])
def test_wrapper_in_a_layer(stoke, client, name, runtime):
    publish(client, name, {"wrap": ("#!/bin/bash\nexport WRAPPED=\"$(basename \"$1\")\"\nexec \"$@\"\n", 0o755)})
    files = {"python3.11": {"app.py": "import os\ndef handler(e, c):\n    return os.environ['WRAPPED']\n"},
             "nodejs20.x": {"app.js": "exports.handler = async () => process.env.WRAPPED;"}}
    client.create_function(**{**stoke.function(name, files[runtime], Layers=[arn(name, 1)],
                                               Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}}), "Runtime": runtime})
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    assert invoke(client, name).startswith(runtime[:4])


@pytest.mark.parametrize("names,code", [
    ([f"e{i:02}" for i in range(11)], "Extension.TooManyExtensions"),
    ([f"e{i:04}" for i in range(3000)], "Extension.TooManyExtensions"),
    (["named-\N{SNOWMAN}"], "Extension.InvalidExtensionName"),
    (["n" * 200], "Extension.InvalidExtensionName"),
])
def test_extensions_that_cannot_be_started(stoke, client, name, names, code):
    """An error of the function's init, twice the same, not of the service; and nobody else waits for the reading."""
    publish(client, name, {f"extensions/{each}": (EXTENSION, 0o755) for each in names})
    client.create_function(**stoke.function(name, Layers=[arn(name, 1)]))
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    for _ in range(2):
        answer = client.invoke(FunctionName=name)
        error = json.loads(answer["Payload"].read())
        assert answer["FunctionError"] == "Unhandled" and error["errorType"] == code, error
    assert any(code in line for line in logs(stoke, name))


def test_a_name_that_needs_an_escape(stoke, client, name):
    publish(client, name, {'extensions/say "hi"': "no program"})
    client.create_function(**stoke.function(name, Layers=[arn(name, 1)]))
    error = json.loads(client.invoke(FunctionName=name)["Payload"].read())
    assert error["errorType"] == "Extension.LaunchError", error
    assert 'fork/exec /opt/extensions/say "hi": permission denied' in error["errorMessage"]
