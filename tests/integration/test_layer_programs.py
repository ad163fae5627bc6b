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
