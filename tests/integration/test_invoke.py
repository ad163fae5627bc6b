"""Invoke through the front door, and what functions may do at their own."""
import base64
import json
import threading
import time

import pytest
from botocore.exceptions import ClientError

from daemon import SLOW, Leftovers

CODE = '''
import json, os, sys, time, urllib.request

def echo(event, context):
    print("seen", json.dumps(event))
    return event

def describe(event, context):
    c = context.client_context
    return {"arn": context.invoked_function_arn, "id": context.aws_request_id, "custom": c and c.custom, "env": os.environ.get("GREETING"),
            "trace": os.environ.get("_X_AMZN_TRACE_ID")}

def fail(event, context):
    raise ValueError("as asked")

def sleep(event, context):
    time.sleep(event["s"])
    return "slept"

def front_door(event, context):
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + event["path"], method=event.get("method", "GET"),
                                     data=event["body"].encode() if "body" in event else None,
                                     headers={"Authorization": "AWS4-HMAC-SHA256 Credential=" + event.get("key", "999999999999") +
                                              "/20260101/us-east-1/" + event.get("service", "lambda") + "/aws4_request", **event.get("headers", {})})
    try:
        with urllib.request.urlopen(request) as answer:
            return {"status": answer.status, "body": answer.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read().decode()}
'''


def make(stoke, name, handler, client=None, **more):
    client = client or stoke.client()
    client.create_function(**{**stoke.function(name, {"app.py": CODE}), "Handler": "app." + handler, **more})
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return client


def body(answer):
    return json.loads(answer["Payload"].read())


@pytest.mark.parametrize("event", [{}, {"a": [1, 2.5, None, "\u00e9\U0001f600"]}, [], "text", 7, None, True], ids=repr)
def test_event_comes_back(stoke, event):
    client, name = stoke.client(), "echo"
    try:
        client.get_function(FunctionName=name)
    except ClientError:
        make(stoke, name, "echo", client)
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert body(answer) == event
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "START RequestId: " in log and "seen " in log and "REPORT RequestId: " in log
    assert "FunctionError" not in answer


def test_no_payload_is_an_empty_object(stoke, name):
    assert body(make(stoke, name, "echo").invoke(FunctionName=name)) == {}


def test_what_a_function_is_told(stoke, name):
    client = make(stoke, name, "describe", Environment={"Variables": {"GREETING": "hi"}})
    context = base64.b64encode(json.dumps({"custom": {"k": "\u00e9\n", "id": 175928847299117063, "ratio": 1.0}}, indent=1).encode()).decode()
    answer = client.invoke(FunctionName=name, Payload=b"{}", ClientContext=context)
    told = body(answer)
    assert told["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert told["id"] == answer["ResponseMetadata"]["RequestId"]
    assert told["custom"] == {"k": "\u00e9\n", "id": 175928847299117063, "ratio": 1.0} and told["env"] == "hi" and told["trace"].startswith("Root=1-")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"] == told["trace"]
    path = f"/2015-03-31/functions/{name}/invocations"
    _, headers, own = stoke.request("POST", path, b"{}", {"X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678;Sampled=1"})
    assert headers["x-amzn-trace-id"] == json.loads(own)["trace"] == "Root=1-67891233-abcdef012345678912345678;Sampled=1"
    assert body(client.invoke(FunctionName=name, Qualifier="$LATEST"))["arn"].endswith(f":{name}:$LATEST")


def test_function_error(stoke, name):
    answer = make(stoke, name, "fail").invoke(FunctionName=name)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    error = body(answer)
    assert (error["errorMessage"], error["errorType"]) == ("as asked", "ValueError")


def test_an_update_is_what_runs_next(stoke, name):
    client = make(stoke, name, "describe", Environment={"Variables": {"GREETING": "old"}})
    assert body(client.invoke(FunctionName=name))["env"] == "old"
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {"GREETING": "new"}})
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert body(client.invoke(FunctionName=name))["env"] == "new"


def test_account_concurrency(make_stoke):
    stoke = make_stoke(config={"concurrency.account": 2})
    client, outcomes, took = make(stoke, "sleeper", "sleep", Timeout=20), [], []
    client.invoke(FunctionName="sleeper", Payload=b'{"s": 0}')

    def call():
        started = time.monotonic()
        try:
            outcomes.append(body(client.invoke(FunctionName="sleeper", Payload=b'{"s": 3}')))
        except ClientError as error:
            took.append(time.monotonic() - started)
            outcomes.append((error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"],
                             error.response.get("Reason")))

    threads = [threading.Thread(target=call) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(outcomes, key=str) == [(429, "TooManyRequestsException", "ConcurrentInvocationLimitExceeded")] * 2 + ["slept"] * 2
    assert max(took) < 0.5 * SLOW, took  # at once


def asked(client, **event):
    return body(client.invoke(FunctionName="asker", Payload=json.dumps(event)))


INVOKE = "/2015-03-31/functions/{}/invocations"
CALLER = {"path": "/", "method": "POST", "service": "sts", "body": "Action=GetCallerIdentity&Version=2011-06-15",
          "headers": {"Content-Type": "application/x-www-form-urlencoded"}}


def test_functions_may_invoke(stoke):
    client = stoke.client(account="123456789012")
    make(stoke, "asker", "front_door", client)
    make(stoke, "other", "echo", client)
    make(stoke, "foreign", "echo", stoke.client(account="999999999999"))
    answer = asked(client, path=INVOKE.format("other"), method="POST", body='{"from": "asker"}')
    assert (answer["status"], json.loads(answer["body"])) == (200, {"from": "asker"})
    # whatever key it sends, it is itself
    assert asked(client, path=INVOKE.format("foreign"), method="POST", body="{}")["status"] == 404
    who = asked(client, **CALLER)["body"]
    assert "arn:aws:sts::123456789012:assumed-role/test/asker" in who
    # and may do no more than that
    for path in ("/2015-03-31/functions", "/2015-03-31/functions/other", "/_stoke/health", "/_stoke/logs?function=other"):
        assert asked(client, path=path)["status"] == 403, path
    assert asked(client, path="/2015-03-31/functions/other", method="DELETE")["status"] == 403


@pytest.mark.parametrize("mode, invoke, listing", [("none", 403, 403), ("account", 200, 200)])
def test_functions_endpoint(make_stoke, mode, invoke, listing):
    stoke = make_stoke(config={"functions.endpoint": mode})
    client = make(stoke, "asker", "front_door")
    make(stoke, "other", "echo", client)
    assert asked(client, path=INVOKE.format("other"), method="POST", body="{}")["status"] == invoke
    assert asked(client, path="/2015-03-31/functions")["status"] == listing


def test_logs_route(stoke, name):
    client = make(stoke, name, "echo")
    client.invoke(FunctionName=name, Payload=b'{"n": 1}')
    page = json.loads(stoke.request("GET", f"/_stoke/logs?function={name}")[2])
    assert any("seen" in e["message"] and not e["platform"] for e in page["events"])
    assert any(e["message"].startswith("START") and e["platform"] for e in page["events"])
    nothing = json.loads(stoke.request("GET", f"/_stoke/logs?function={name}&after={page['next']}")[2])
    assert nothing["events"] == [] and nothing["next"] == page["next"]
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(
        json.loads(stoke.request("GET", f"/_stoke/logs?function={name}&after={page['next']}&wait=20")[2])))
    waiter.start()
    time.sleep(0.3)
    client.invoke(FunctionName=name, Payload=b'{"n": 2}')
    waiter.join(20 * SLOW)
    assert answers and answers[0]["events"]
    assert stoke.request("GET", "/_stoke/logs?function=nobody")[0] == 404
    assert stoke.request("GET", "/_stoke/logs")[0] == 400


def test_a_signal_lets_running_invocations_finish(make_stoke):
    stoke = make_stoke()
    client, answers = make(stoke, "sleeper", "sleep", Timeout=20), []
    client.invoke(FunctionName="sleeper", Payload=b'{"s": 0}')
    running = threading.Thread(target=lambda: answers.append(body(client.invoke(FunctionName="sleeper", Payload=b'{"s": 2}'))))
    running.start()
    time.sleep(0.7)
    started = time.monotonic()
    stoke.stop()
    running.join(20 * SLOW)
    assert answers == ["slept"] and time.monotonic() - started < 8 * SLOW
    assert stoke.process.returncode == 0


def test_what_runs_longer_than_the_grace_is_told(make_stoke):
    """It has its second, then a service error, and stoked ends without waiting for it."""
    stoke = make_stoke(config={"shutdown.grace": 1})
    leftovers, answers = Leftovers(stoke), []
    leftovers.before = {kind: set() for kind in leftovers.before}
    client = make(stoke, "sleeper", "sleep", Timeout=100)
    client.invoke(FunctionName="sleeper", Payload=b'{"s": 0}')
    running = threading.Thread(target=lambda: answers.append(stoke.invoke("sleeper", {"s": 60})))
    running.start()
    time.sleep(0.7)
    started = time.monotonic()
    stoke.stop()
    took = time.monotonic() - started
    running.join(20 * SLOW)
    assert 1 <= took < 10 * SLOW and stoke.process.returncode == 0
    assert [(status, headers["x-amzn-errortype"]) for status, headers, _ in answers] == [(500, "ServiceException")], answers
    assert b"stopping" in answers[0][2]
    assert not leftovers.check(wait_s=3)
