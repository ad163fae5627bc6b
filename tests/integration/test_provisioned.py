"""Provisioned concurrency through boto3: sandboxes that are there before anybody asks, and stay."""
import json
import os
import signal
import threading
import time

import pytest
from botocore.exceptions import ClientError
from daemon import SLOW, descendants, processes

HERE = """import os, time, uuid
BORN, ME = time.time(), uuid.uuid4().hex
VERSION = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
def handler(event, context):
    time.sleep(event.get("s", 0))
    if event.get("exit"):
        os._exit(3)
    return {"born": BORN, "me": ME, "asked": event.get("asked"), "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "version": VERSION}
"""
BROKEN = "raise RuntimeError('no')\ndef handler(event, context):\n    pass\n"


@pytest.fixture(autouse=True)
def gone(stoke, name):
    """Nothing stays provisioned for the next test."""
    yield
    try:
        stoke.client().delete_function(FunctionName=name)
    except ClientError:
        pass  # the test did, or has a daemon of its own
    await_pool(stoke, provisioned=0)


def error_of(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]


def status(client, name, qualifier):
    got = client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
    return got["Status"], got["AllocatedProvisionedConcurrentExecutions"], got["AvailableProvisionedConcurrentExecutions"]


def await_status(client, name, qualifier, wanted="READY", seconds=60):
    for _ in range(int(seconds * SLOW) * 40):
        if status(client, name, qualifier)[0] == wanted:
            return client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        time.sleep(0.025)
    raise AssertionError(status(client, name, qualifier))


def provision(client, name, qualifier, count, wait=True):
    out = client.put_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count)
    return await_status(client, name, qualifier) if wait else out


def pool(stoke):
    return json.loads(stoke.request("GET", "/_stoke/health")[2])["pool"]


def await_pool(stoke, **wanted):
    for _ in range(800):
        seen = pool(stoke)
        if all(seen[key] == value for key, value in wanted.items()):
            return
        time.sleep(0.025)
    raise AssertionError(seen)


def ask(client, name, qualifier, **event):
    out = client.invoke(FunctionName=name, Qualifier=qualifier, LogType="Tail", Payload=json.dumps({"asked": time.time(), **event}))
    answer = json.loads(out["Payload"].read())
    return answer if out.get("FunctionError") else {**answer, "executed": out["ExecutedVersion"]}


def is_warm(answer):
    return answer["type"] == "provisioned-concurrency" and answer["born"] < answer["asked"]


def together(client, name, qualifier, count, seconds):
    """count invocations that overlap."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(client, name, qualifier, s=seconds))) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(answers) == count
    return answers


def publish(client, stoke, name, files=None, **more):
    """A version more; the first time the function is made."""
    files = files or {"app.py": HERE}
    try:
        client.create_function(**stoke.function(name, files, **more))
    except ClientError:
        code = stoke.function(name, files)["Code"]["ZipFile"]
        client.update_function_code(FunctionName=name, ZipFile=code)
        client.get_waiter("function_updated_v2").wait(FunctionName=name)
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return client.publish_version(FunctionName=name)["Version"]


def test_lifecycle(client, stoke, name):
    publish(client, stoke, name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    out = provision(client, name, "live", 2, wait=False)
    assert out["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (out["Status"], out["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)
    assert out["AllocatedProvisionedConcurrentExecutions"] == out["AvailableProvisionedConcurrentExecutions"] == 0
    assert out["LastModified"].endswith("+0000")
    ready = await_status(client, name, "live")
    assert status(client, name, "live") == ("READY", 2, 2) and "StatusReason" not in ready
    listed = client.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]
    assert [(c["FunctionArn"].rsplit(":", 1)[1], c["Status"]) for c in listed] == [("live", "READY")]
    # they were there before the first request, both of them
    answers = together(client, name, "live", 2, 0.5)
    assert all(is_warm(a) for a in answers) and len({a["me"] for a in answers}) == 2
    assert status(client, name, "live") == ("READY", 2, 2)
    client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    assert "ProvisionedConcurrencyConfigNotFoundException" == error_of(
        client.get_provisioned_concurrency_config, FunctionName=name, Qualifier="live")["Code"]
    await_pool(stoke, provisioned=0)
    assert ask(client, name, "live")["type"] == "on-demand"


def test_more_and_less(client, stoke, name):
    publish(client, stoke, name)
    provision(client, name, "1", 1)
    me = ask(client, name, "1")["me"]
    provision(client, name, "1", 3)
    assert status(client, name, "1") == ("READY", 3, 3)
    assert me in {a["me"] for a in together(client, name, "1", 3, 0.5)}
    provision(client, name, "1", 1)
    await_pool(stoke, provisioned=1)
    assert status(client, name, "1") == ("READY", 1, 1)
    client.delete_function(FunctionName=name)
    await_pool(stoke, provisioned=0)


def test_spill_over(client, stoke, name):
    publish(client, stoke, name)
    provision(client, name, "1", 1)
    kinds = sorted(a["type"] for a in together(client, name, "1", 3, 1))
    assert kinds == ["on-demand", "on-demand", "provisioned-concurrency"]
    assert is_warm(ask(client, name, "1"))  # it goes first, though others are warm now


def test_the_platform_says_so(client, stoke, name):
    publish(client, stoke, name, LoggingConfig={"LogFormat": "JSON"})
    provision(client, name, "1", 1)
    ask(client, name, "1")
    lines = [json.loads(e["message"]) for e in json.loads(stoke.request("GET", f"/_stoke/logs?function={name}")[2])["events"]]
    starts = [m["record"] for m in lines if m.get("type") == "platform.initStart"]
    assert [s["initializationType"] for s in starts] == ["provisioned-concurrency"]


def test_dead_ones_are_replaced(client, stoke, name):
    """Whoever ends, by its own doing or another's, has a successor that initialises before it is asked."""
    publish(client, stoke, name, Timeout=2)
    provision(client, name, "1", 1)
    first = ask(client, name, "1")
    assert ask(client, name, "1", exit=True)["errorType"] == "Runtime.ExitError"
    await_status(client, name, "1")
    second = ask(client, name, "1")
    assert is_warm(second) and second["me"] != first["me"]
    assert "timed out" in ask(client, name, "1", s=5)["errorMessage"]
    await_status(client, name, "1")
    third = ask(client, name, "1")
    assert is_warm(third) and third["me"] not in (first["me"], second["me"])
    assert pool(stoke)["provisioned"] == 1


def workers(stoke):
    """Processes that have a function's code before them."""
    found = []
    for pid, _ in descendants(stoke.process.pid):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == "/var/task":
                found.append(pid)
        except OSError:
            continue
    return found


def test_a_killed_one_is_replaced(make_stoke, name):
    """Idle as it is, frozen too, and before anybody asks; the same after the death of all."""
    stoke = make_stoke()
    client = stoke.client()
    publish(client, stoke, name)
    provision(client, name, "1", 2)
    first = {a["me"] for a in together(client, name, "1", 2, 0.5)}
    await_pool(stoke, frozen=2)
    made = pool(stoke)["made"]
    os.kill(workers(stoke)[0], signal.SIGKILL)
    await_pool(stoke, made=made + 1, frozen=2, provisioned=2)
    assert status(client, name, "1") == ("READY", 2, 2)
    answers = together(client, name, "1", 2, 0.5)
    second = {a["me"] for a in answers}
    assert all(is_warm(a) for a in answers) and len(second) == 2 and len(second & first) == 1
    table = processes()
    monitor = next(p for p, (parent, command) in table.items() if parent == stoke.process.pid and command == "stoke-spawner")
    spawner = next(p for p, (parent, _) in table.items() if parent == monitor)
    os.kill(spawner, signal.SIGKILL)
    for _ in range(800):
        if json.loads(stoke.request("GET", "/_stoke/health")[2])["spawnerLosses"] == 1:
            break
        time.sleep(0.025)
    await_status(client, name, "1")
    answers = together(client, name, "1", 2, 0.5)
    assert all(is_warm(a) and a["me"] not in second for a in answers)


def test_an_alias_moves_without_a_cold_start(client, stoke, name):
    publish(client, stoke, name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    provision(client, name, "live", 1)
    publish(client, stoke, name, {"app.py": "import time\ntime.sleep(1.5)\n" + HERE})
    revision = client.update_alias(FunctionName=name, Name="live", FunctionVersion="2")["RevisionId"]
    assert client.get_alias(FunctionName=name, Name="live")["RoutingConfig"] == {"AdditionalVersionWeights": {"1": 1.0}}
    assert status(client, name, "live")[0] == "IN_PROGRESS"
    seen = []
    while not seen or seen[-1]["executed"] == "1":
        seen.append(ask(client, name, "live"))
        time.sleep(0.02)
        assert len(seen) < 2000
    assert [a for a in seen if not is_warm(a) or a["executed"] != a["version"]] == [] and len(seen) > 1
    await_status(client, name, "live")
    alias = client.get_alias(FunctionName=name, Name="live")
    assert "RoutingConfig" not in alias and alias["FunctionVersion"] == "2" and alias["RevisionId"] == revision
    await_pool(stoke, provisioned=1)  # the old version's are gone


def test_a_move_changes_its_mind(client, stoke, name):
    publish(client, stoke, name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    provision(client, name, "live", 1)
    me = ask(client, name, "live")["me"]
    publish(client, stoke, name, {"app.py": BROKEN})
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    failed = await_status(client, name, "live", "FAILED")
    assert failed["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert ask(client, name, "live")["me"] == me  # nothing has stopped working
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert "RoutingConfig" not in client.get_alias(FunctionName=name, Name="live")
    await_status(client, name, "live")
    assert ask(client, name, "live")["me"] == me
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    client.update_alias(FunctionName=name, Name="live", RoutingConfig={})  # at once, then
    assert ask(client, name, "live")["errorType"] == "RuntimeError"
    client.delete_alias(FunctionName=name, Name="live")
    await_pool(stoke, provisioned=0)


def test_weights_share(client, stoke, name):
    for _ in range(2):
        publish(client, stoke, name, {"app.py": HERE + "# %s\n" % os.urandom(4).hex()})
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    provision(client, name, "live", 4)
    client.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}})
    await_status(client, name, "live")
    assert status(client, name, "live") == ("READY", 4, 4)
    for version, count in (("1", 3), ("2", 1)):
        assert sum(is_warm(a) for a in together(client, name, version, 4, 0.7)) == count


def test_failed(client, stoke, name):
    publish(client, stoke, name, {"app.py": BROKEN})
    provision(client, name, "1", 2, wait=False)
    failed = await_status(client, name, "1", "FAILED")
    assert failed["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert failed["AvailableProvisionedConcurrentExecutions"] == 0
    messages = [e["message"] for e in json.loads(stoke.request("GET", f"/_stoke/logs?function={name}")[2])["events"]]
    assert any("INIT_REPORT" in m and "Phase: init\tStatus: error" in m for m in messages), messages


def test_asking_again_tries_again(client, stoke, name):
    """What has failed waits longer and longer between its tries; somebody who asks for the same number is not kept waiting for that."""
    publish(client, stoke, name, {"app.py": BROKEN})
    provision(client, name, "1", 1, wait=False)
    await_status(client, name, "1", "FAILED")
    first = f"function={name} version=1 failures=1 "
    assert stoke.log().count(first) == 1
    provision(client, name, "1", 1, wait=False)
    for _ in range(800):
        if stoke.log().count(first) == 2:
            break
        time.sleep(0.025)
    assert stoke.log().count(first) == 2
    await_status(client, name, "1", "FAILED")


def test_refusals(client, stoke, name):
    publish(client, stoke, name)
    publish(client, stoke, name, {"app.py": HERE + "#\n"})
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client.create_alias(FunctionName=name, Name="mixed", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    client.create_alias(FunctionName=name, Name="edge", FunctionVersion="$LATEST")

    def put(qualifier, count=1, c=client):
        return error_of(c.put_provisioned_concurrency_config, FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count)

    unpublished = {"Code": "InvalidParameterValueException",
                   "Message": "Provisioned Concurrency Configs cannot be applied to unpublished function versions."}
    assert put("$LATEST") == put("edge") == unpublished
    assert put("mixed")["Message"] == "Alias with weights can not be used with Provisioned Concurrency"
    assert put("1", 1000)["Message"] == ("Specified ConcurrentExecutions for function decreases account's "
                                         "UnreservedConcurrentExecution below its minimum value of [100].")
    assert put("1", 1001)["Message"] == "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000]."
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    assert put("1", 3)["Message"] == ("Requested Provisioned Concurrency should not be greater than the "
                                      "reservedConcurrentExecution for function")
    provision(client, name, "live", 2, wait=False)
    assert put("1")["Code"] == "ResourceConflictException"
    assert put("1")["Message"] == "Version is pointed by a Provisioned Concurrency alias"
    assert error_of(client.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=1)["Message"] == (
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].")
    assert error_of(client.update_alias, FunctionName=name, Name="live", FunctionVersion="$LATEST") == unpublished
    client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    provision(client, name, "1", 1, wait=False)
    assert put("live")["Message"] == "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"


def test_the_account_pays(client, stoke, name):
    def unreserved():
        return client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]

    before = unreserved()
    publish(client, stoke, name)
    provision(client, name, "1", 2, wait=False)
    assert unreserved() == before - 2
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
    assert unreserved() == before - 5
    client.delete_function_concurrency(FunctionName=name)
    assert unreserved() == before - 2
    client.delete_function(FunctionName=name)
    assert unreserved() == before


def test_all_reserved_is_provisioned(client, stoke, name):
    """$LATEST has nothing left, then."""
    publish(client, stoke, name)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    provision(client, name, "1", 1)
    with pytest.raises(ClientError) as caught:
        client.invoke(FunctionName=name)
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert is_warm(ask(client, name, "1"))


def test_after_a_kill(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    publish(client, stoke, name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    provision(client, name, "live", 2)
    publish(client, stoke, name, {"app.py": "import time\ntime.sleep(1)\n" + HERE})
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    stoke.process.send_signal(signal.SIGKILL)
    stoke.process.wait()
    stoke.start()
    assert client.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "2"
    await_status(client, name, "live")
    assert status(client, name, "live") == ("READY", 2, 2)
    answers = together(client, name, "live", 2, 0.5)
    assert all(is_warm(a) and a["version"] == "2" for a in answers)
    assert "RoutingConfig" not in client.get_alias(FunctionName=name, Name="live")
    await_pool(stoke, provisioned=2)
