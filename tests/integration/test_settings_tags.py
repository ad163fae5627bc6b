"""Tags through boto3: limits, what can carry them, RevisionIds, kill -9."""
import threading

import pytest
from conftest import error_of

CANNOT = "An error occurred and the request cannot be processed."
QUALIFIED = "Tags on function aliases and versions are not supported. Please specify a function ARN."


@pytest.fixture
def arn(stoke, client, name):
    created = client.create_function(**stoke.function(name), Tags={"a": "1"})
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return created["FunctionArn"]


def tags(client, arn):
    return client.list_tags(Resource=arn)["Tags"]


def test_life(client, name, arn):
    revision = client.get_function_configuration(FunctionName=name)["RevisionId"]
    assert client.tag_resource(Resource=arn, Tags={"b": "2", "ключ ü": ""})["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags(client, arn) == {"a": "1", "b": "2", "ключ ü": ""}
    client.tag_resource(Resource=arn, Tags={"a": "3"})
    assert client.get_function(FunctionName=name)["Tags"] == {"a": "3", "b": "2", "ключ ü": ""}
    changed = client.get_function_configuration(FunctionName=name)["RevisionId"]
    assert changed != revision
    client.untag_resource(Resource=arn, TagKeys=["b", "absent", "ключ ü"])
    assert tags(client, arn) == {"a": "3"}
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert tags(client, arn) == {}
    assert "Tags" not in client.get_function(FunctionName=name)


def test_limits(stoke, client, arn):
    client.tag_resource(Resource=arn, Tags={f"k{i}": "" for i in range(49)})
    assert error_of(client.tag_resource, Resource=arn, Tags={"one more": ""}) == (
        "InvalidParameterValueException", "Number of tags exceeds resource tag limit.")
    client.tag_resource(Resource=arn, Tags={"k0": "another"})
    assert len(tags(client, arn)) == 50
    code, message = error_of(client.tag_resource, Resource=arn, Tags={"aws:k": "v"})
    assert code == "InvalidParameterValueException" and "aws:k" in message
    assert error_of(client.create_function, **stoke.function("never", Tags={f"k{i}": "" for i in range(51)})) == (
        "InvalidParameterValueException", "Number of tags exceeds resource tag limit.")
    assert error_of(client.get_function, FunctionName="never")[0] == "ResourceNotFoundException"
    assert error_of(client.tag_resource, Resource=arn, Tags={}) == ("InvalidParameterValueException", CANNOT)


def test_other_resources(client, name, arn):
    client.publish_version(FunctionName=name)
    for qualifier in ["1", "$LATEST", "no"]:
        assert error_of(client.list_tags, Resource=f"{arn}:{qualifier}") == ("InvalidParameterValueException", QUALIFIED)
    gone = arn + "-gone"
    for call, more in [(client.list_tags, {}), (client.tag_resource, {"Tags": {"a": "b"}}), (client.untag_resource, {"TagKeys": ["a"]})]:
        assert error_of(call, Resource=gone, **more) == ("ResourceNotFoundException", f"Function not found: {gone}")
        assert error_of(call, Resource=arn + ":1", **more)[1] == QUALIFIED
    assert error_of(client.list_tags, Resource="arn:aws:lambda:us-east-1:000000000000:foo:bar")[0] == "ValidationException"


def test_many_at_once_lose_nothing(stoke, client, arn):
    def put(i):
        stoke.client().tag_resource(Resource=arn, Tags={f"t{i}": str(i)})

    threads = [threading.Thread(target=put, args=(i,)) for i in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tags(client, arn) == {"a": "1", **{f"t{i}": str(i) for i in range(32)}}


def test_survives_a_kill(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    arn = client.create_function(**stoke.function(name))["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"kept": "yes"})
    revision = client.get_function_configuration(FunctionName=name)["RevisionId"]
    stoke.process.kill()
    stoke.process.wait()
    stoke.start()
    assert tags(client, arn) == {"kept": "yes"}
    assert client.get_function_configuration(FunctionName=name)["RevisionId"] == revision
