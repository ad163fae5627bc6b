"""functions.inactive_after: who is Inactive, what an invocation of it gets, and how it comes back; through boto3."""
import json
import signal
import threading
import time

import pytest
from botocore.exceptions import ClientError
from daemon import SLOW

COUNTER = """import time
COUNT = 0
def handler(event, context):
    global COUNT
    COUNT += 1
    time.sleep(event.get("s", 0))
    return COUNT
"""
IDLE = {"functions.inactive_after": 2}


def call(client, name, **more):
    event = json.dumps({"s": more.pop("s", 0)})
    return json.loads(client.invoke(FunctionName=name, Payload=event, **more)["Payload"].read())


def refused(client, name, **more):
    with pytest.raises(ClientError) as caught:
        call(client, name, **more)
    return caught.value.response


def call_back(client, name, **more):
    """The answer, as patient clients get it: who was Inactive comes back."""
    for _ in range(20):
        try:
            return call(client, name, **more)
        except client.exceptions.CodeArtifactUserPendingException:
            await_state(client, name, "Active", **more)
    raise AssertionError("it never came back")


def state(client, name, **more):
    return client.get_function_configuration(FunctionName=name, **more)["State"]


def await_state(client, name, wanted, **more):
    for _ in range(1200):
        if state(client, name, **more) == wanted:
            return client.get_function(FunctionName=name, **more)["Configuration"]
        time.sleep(0.025 * SLOW)
    raise AssertionError(client.get_function(FunctionName=name, **more)["Configuration"])


def create(stoke, name, **more):
    client = stoke.client()
    client.create_function(**stoke.function(name, {"app.py": COUNTER}, Timeout=60, **more))
    await_state(client, name, "Active")
    return client


def test_idle_then_back(make_stoke, name):
    stoke = make_stoke(config=IDLE)
    client = create(stoke, name)
    assert (call(client, name), call(client, name)) == (1, 2)
    idle = await_state(client, name, "Inactive")
    assert (idle["StateReason"], idle["StateReasonCode"]) == ("The function is currently idle.", "Idle")
    assert idle["LastUpdateStatus"] == "Successful"
    for _ in range(400):  # its workers are gone, long before pool.keep_alive
        pool = json.loads(stoke.request("GET", "/_stoke/health")[2])["pool"]
        if pool["idle"] + pool["frozen"] + pool["dying"] == 0:
            break
        time.sleep(0.025 * SLOW)
    assert pool["idle"] + pool["frozen"] + pool["dying"] == 0
    here = json.loads(stoke.request("GET", "/_stoke/functions")[2])["Functions"][0]
    assert here["State"] == "Inactive" and here["Note"] == "The function is currently idle."
    assert client.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert state(client, name) == "Inactive"  # only an invocation brings it back
    answer = refused(client, name)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert answer["Error"]["Code"] == "CodeArtifactUserPendingException"
    assert answer["Error"]["Message"] == "Lambda is initializing your function. It will be ready to invoke shortly."
    back = await_state(client, name, "Active")
    assert "StateReason" not in back and "StateReasonCode" not in back
    assert call_back(client, name) == 1  # in a new sandbox


def test_a_running_one_is_not_idle(make_stoke, name):
    stoke = make_stoke(config=IDLE)
    client = create(stoke, name)
    create(stoke, name + "-other")
    answers = []
    running = threading.Thread(target=lambda: answers.append(call(stoke.client(), name, s=10 * SLOW)))
    running.start()
    await_state(client, name + "-other", "Inactive")
    assert not answers and state(client, name) == "Active"
    running.join()
    assert answers == [1]
    await_state(client, name, "Inactive")


def test_versions_each_for_itself(make_stoke, name):
    stoke = make_stoke(config=IDLE)
    client = create(stoke, name)
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    running = threading.Thread(target=lambda: call(stoke.client(), name, s=10 * SLOW))
    running.start()
    await_state(client, name, "Inactive", Qualifier="1")
    assert state(client, name) == "Active" and state(client, name, Qualifier="live") == "Inactive"
    assert refused(client, name, Qualifier="live")["Error"]["Code"] == "CodeArtifactUserPendingException"
    await_state(client, name, "Active", Qualifier="1")
    assert call_back(client, name, Qualifier="live") == 1
    running.join()


def test_changing_it_is_activity(make_stoke, name):
    client = create(make_stoke(config=IDLE), name)
    await_state(client, name, "Inactive")
    client.update_function_configuration(FunctionName=name, MemorySize=256)
    await_state(client, name, "Active")
    assert call_back(client, name) == 1


def test_provisioned_is_not_idle(make_stoke, name):
    stoke = make_stoke(config=IDLE)
    client = create(stoke, name)
    for _ in range(2):
        client.publish_version(FunctionName=name)
        client.update_function_configuration(FunctionName=name, Description=name, MemorySize=256)
        await_state(client, name, "Active")
    client.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)
    await_state(client, name, "Inactive", Qualifier="2")
    await_state(client, name, "Inactive")
    assert state(client, name, Qualifier="1") == "Active"
    client.put_provisioned_concurrency_config(FunctionName=name, Qualifier="2", ProvisionedConcurrentExecutions=1)
    await_state(client, name, "Active", Qualifier="2")
    for _ in range(1200):
        if client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="2")["Status"] == "READY":
            break
        time.sleep(0.025 * SLOW)
    assert call(client, name, Qualifier="2") == 1  # at once: it is not idle any more
    assert state(client, name, Qualifier="1") == "Active"


def test_after_a_kill(make_stoke, name):
    stoke = make_stoke(config=IDLE)
    client = create(stoke, name)
    await_state(client, name, "Inactive")
    assert refused(client, name)["Error"]["Code"] == "CodeArtifactUserPendingException"
    await_state(client, name, "Active")
    await_state(client, name, "Inactive")
    create(stoke, name + "-young")

    def again(config):
        stoke.process.send_signal(signal.SIGKILL)
        stoke.process.wait()
        stoke.config.write_text(config)
        stoke.start()

    again("functions.inactive_after = 3600\n")
    assert (state(client, name), state(client, name + "-young")) == ("Inactive", "Active")
    assert call(client, name + "-young") == 1
    refused(client, name)
    await_state(client, name, "Active")
    assert call(client, name) == 1
    again("functions.inactive_after = 2\n")
    await_state(client, name, "Inactive")
    again("")  # never: nobody has to be woken
    assert state(client, name) == "Active" and call(client, name) == 1
