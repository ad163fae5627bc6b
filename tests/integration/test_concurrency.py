"""Reserved concurrency: guaranteed and capped, through boto3."""
import json
import threading
import time

import pytest
from botocore.exceptions import ClientError

from attack import until
from daemon import SLOW

GATE = """import os, time
def handler(event, context):
    time.sleep(event.get("s", 0))
    return os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
"""


def error_of(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response


class Running:
    """Invocations that are on their way, each on a thread of its own."""

    def __init__(self, client, name, count, seconds):
        self.answers = []
        self.threads = [threading.Thread(target=self.one, args=(client, name, seconds)) for _ in range(count)]
        for t in self.threads:
            t.start()

    def one(self, client, name, seconds):
        try:
            client.invoke(FunctionName=name, Payload=json.dumps({"s": seconds}))
            self.answers.append("ok")
        except ClientError as e:
            self.answers.append(e.response["Reason"])

    def finish(self):
        for t in self.threads:
            t.join(60)
        return sorted(self.answers)


def running(stoke):
    return json.loads(stoke.request("GET", "/_stoke/health")[2])["running"]


def await_running(stoke, count):
    for _ in range(400):
        if running(stoke) >= count:
            return
        time.sleep(0.025)
    raise AssertionError(f"{running(stoke)} of {count} run")


@pytest.fixture
def small(make_stoke):
    """A daemon whose account may run 110 at once, so that 10 can be reserved."""
    return make_stoke(config={"concurrency.account": 110})


def test_lifecycle(client, stoke, name):
    client.create_function(**stoke.function(name, {"app.py": GATE}))
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=name)
    before = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    assert client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)["ReservedConcurrentExecutions"] == 7
    assert client.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 7
    assert client.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 7}
    assert "Concurrency" not in client.get_function(FunctionName=name, Qualifier="$LATEST")  # it is the whole function's
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == before - 7
    client.delete_function_concurrency(FunctionName=name)
    client.delete_function_concurrency(FunctionName=name)
    assert "Concurrency" not in client.get_function(FunctionName=name)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=9)
    client.delete_function(FunctionName=name)
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == before


def test_zero_stops(client, stoke, name):
    client.create_function(**stoke.function(name))
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    refused = error_of(client.invoke, FunctionName=name)
    assert refused["Error"]["Code"] == "TooManyRequestsException" and refused["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert refused["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert "retry-after" not in refused["ResponseMetadata"]["HTTPHeaders"]
    client.delete_function_concurrency(FunctionName=name)
    client.invoke(FunctionName=name)


def test_refusals(small, name):
    client = small.client()
    client.create_function(**small.function(name), Publish=True)
    refused = error_of(client.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=11)
    assert "Type" not in refused
    assert refused["Error"] == {"Code": "InvalidParameterValueException",
                                "Message": "Specified ReservedConcurrentExecutions for function decreases account's "
                                           "UnreservedConcurrentExecution below its minimum value of [100]."}
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=10)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=10)  # its own counts once
    other = name + "-2"
    client.create_function(**small.function(other))
    assert "[100]" in error_of(client.put_function_concurrency, FunctionName=other, ReservedConcurrentExecutions=1)["Error"]["Message"]
    client.put_function_concurrency(FunctionName=other, ReservedConcurrentExecutions=0)
    qualified = error_of(client.put_function_concurrency, FunctionName=name + ":1", ReservedConcurrentExecutions=1)["Error"]
    assert "permitted on Lambda functions only" in qualified["Message"]


def test_caps_and_guarantees(make_stoke, name):
    stoke = make_stoke(config={"concurrency.account": 103})
    client = stoke.client(max_pool_connections=40)
    guarded, shared = name + "-guarded", name + "-shared"
    for function in (guarded, shared):
        client.create_function(**stoke.function(function, {"app.py": GATE}, Timeout=30))
    client.put_function_concurrency(FunctionName=guarded, ReservedConcurrentExecutions=3)
    first = Running(client, guarded, 3, 3)
    await_running(stoke, 3)
    refused = error_of(client.invoke, FunctionName=guarded)
    assert refused["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    client.invoke(FunctionName=shared)  # others have theirs
    # what runs counts with the reservation from the moment it is made, and with the shared part when it is gone
    client.delete_function_concurrency(FunctionName=guarded)
    client.invoke(FunctionName=guarded)
    assert first.finish() == ["ok"] * 3


def test_a_reservation_survives_a_kill(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    client.create_function(**stoke.function(name))
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    stoke.process.kill()
    stoke.process.wait()
    stoke.start()
    assert error_of(client.invoke, FunctionName=name)["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_at_once_no_more_is_claimed_than_there_is(make_stoke, name):
    """32 clients ask for all that can be claimed at the same moment, some as a reservation, some provisioned: one gets it."""
    stoke = make_stoke(config={"concurrency.account": 102})
    functions = [f"{name}-{i}" for i in range(32)]
    clients = [stoke.client() for _ in functions]
    for function in functions:
        clients[0].create_function(**stoke.function(function), Publish=True)
    for _ in range(3):
        gate, winners = threading.Barrier(len(functions)), []

        def claim(i):
            gate.wait(60)
            try:
                if i % 4 == 0:
                    clients[i].put_provisioned_concurrency_config(FunctionName=functions[i], Qualifier="1",
                                                                  ProvisionedConcurrentExecutions=2)
                else:
                    clients[i].put_function_concurrency(FunctionName=functions[i], ReservedConcurrentExecutions=2)
                winners.append(i)
            except ClientError as e:
                assert "below its minimum value of [100]" in e.response["Error"]["Message"]

        threads = [threading.Thread(target=claim, args=(i,)) for i in range(len(functions))]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        assert len(winners) == 1
        assert clients[0].get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
        clients[0].delete_function_concurrency(FunctionName=functions[winners[0]])
        clients[0].delete_provisioned_concurrency_config(FunctionName=functions[winners[0]], Qualifier="1")


ON_S = 6 + 2 * SLOW  # longer than four calls take, of which two wait a second

# Answers, and asks for the next event only when it has run on for as long as it was told.
RUNS_ON = """#!/usr/bin/python3
import http.client, json, os, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    answer = api.getresponse()
    return answer.headers, answer.read()
while True:
    headers, event = ask("GET", "next")
    ask("POST", headers["Lambda-Runtime-Aws-Request-Id"] + "/response", json.dumps(os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]))
    end = time.monotonic() + json.loads(event).get("on", 0)
    while time.monotonic() < end:
        pass
"""


def make_running_on(stoke, client, name, **more):
    client.create_function(**{**stoke.function(name, {"bootstrap": (RUNS_ON, 0o755)}, Timeout=60 * SLOW), "Runtime": "provided.al2023", **more})
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def ask(client, name, seconds=0):
    """(the sandbox that answered, None) or (None, the reason of a 429)."""
    try:
        return json.loads(client.invoke(FunctionName=name, Payload=json.dumps({"on": seconds}))["Payload"].read()), None
    except ClientError as e:
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        return None, e.response["Reason"]


def pool(stoke):
    return json.loads(stoke.request("GET", "/_stoke/health")[2])["pool"]


def test_what_runs_on_counts(make_stoke, name):
    """A sandbox that has answered and does not ask for the next event counts: a client that calls on and on gets no second one."""
    stoke = make_stoke()
    client = stoke.client()
    make_running_on(stoke, client, name)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    first, _ = ask(client, name, ON_S)
    began = time.monotonic()
    for _ in range(3):
        assert ask(client, name) == (None, "ReservedFunctionConcurrentInvocationLimitExceeded")
        assert pool(stoke)["busy"] == 1
    assert 2.5 < time.monotonic() - began < 7 * SLOW  # each waited a second for it
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    second, _ = ask(client, name, 0)
    assert second not in (None, first)  # there is room for another
    time.sleep(max(0, ON_S - (time.monotonic() - began)))
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    answers = [ask(client, name, 0.3) for _ in range(5)]  # runs on for less than a second: nobody is refused
    assert {reason for _, reason in answers} == {None} and len({sandbox for sandbox, _ in answers}) <= 2
    assert pool(stoke)["busy"] <= 1


def test_what_runs_on_counts_with_its_account(make_stoke, name):
    stoke = make_stoke(config={"concurrency.account": 2})
    client = stoke.client()
    make_running_on(stoke, client, name)
    client.create_function(**stoke.function(name + "-2", {"app.py": GATE}))
    assert ask(client, name, ON_S)[0] and ask(client, name, ON_S)[0]
    assert ask(client, name) == (None, "ConcurrentInvocationLimitExceeded")
    assert ask(client, name + "-2") == (None, "ConcurrentInvocationLimitExceeded")
    assert pool(stoke)["busy"] == 2
    until(lambda: pool(stoke)["busy"] < 2, what="an end of what runs on")
    assert ask(client, name + "-2")[0]  # has waited for room at most a second


def test_one_after_the_other_is_never_refused(stoke, client, name):
    """A client that calls again the moment it has its answer gets the same sandbox again, though one is all that it may have."""
    client.create_function(**stoke.function(name, {"app.py": GATE}))
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    assert len({json.loads(client.invoke(FunctionName=name)["Payload"].read()) for _ in range(300)}) == 1
    client.create_function(**stoke.function(name + "-2", {"app.py": GATE}), Publish=True)
    client.put_function_concurrency(FunctionName=name + "-2", ReservedConcurrentExecutions=1)
    tails = [client.invoke(FunctionName=name + "-2", Qualifier=("$LATEST", "1")[i % 2], LogType=("None", "Tail")[i % 3 == 0]) for i in range(60)]
    assert len({json.loads(answer["Payload"].read()) for answer in tails}) == 2
