"""Published versions and aliases through boto3: immutability, preconditions, weights, one winner among many."""
import collections
import json
import threading

import pytest
from botocore.exceptions import ClientError
from conftest import HANDLER, archive, error_of

WHO = "def handler(event, context):\n    return [%r, context.function_version, context.invoked_function_arn]\n"


def deploy(client, name, text="one"):
    client.update_function_code(FunctionName=name, ZipFile=archive({"app.py": WHO % text}))
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def ask(client, name, **params):
    answer = client.invoke(FunctionName=name, **params)
    body = json.load(answer["Payload"])
    assert "FunctionError" not in answer, body
    return answer["ExecutedVersion"], body


@pytest.fixture
def function(stoke, client, name):
    """A function with versions 1 and 2, whose $LATEST says three."""
    client.create_function(**stoke.function(name, {"app.py": WHO % "one"}), Publish=True)
    deploy(client, name, "two")
    assert client.publish_version(FunctionName=name)["Version"] == "2"
    deploy(client, name, "three")
    return name


def test_versions_are_immutable(client, function):
    for qualifier, version, text in [("1", "1", "one"), ("2", "2", "two"), ("$LATEST", "$LATEST", "three")]:
        executed, body = ask(client, function, Qualifier=qualifier)
        assert (executed, body[0], body[1]) == (version, text, version)
        assert body[2].endswith(f":function:{function}:{qualifier}")
    listed = client.list_versions_by_function(FunctionName=function)["Versions"]
    assert [v["Version"] for v in listed] == ["$LATEST", "1", "2"]
    assert [v["FunctionArn"].rpartition(":")[2] for v in listed] == ["$LATEST", "1", "2"]
    assert len({v["CodeSha256"] for v in listed}) == 3


@pytest.mark.parametrize("operation, key", [("list_versions_by_function", "Versions"), ("list_functions", "Functions")])
def test_a_list_goes_on_where_it_was(stoke, name, operation, key):
    """Versions that go between two pages take nothing out of the next one."""
    client = stoke.client(account="4" * 12 if key == "Versions" else "5" * 12)  # whose only function it is
    params = {"FunctionName": name} if key == "Versions" else {"FunctionVersion": "ALL"}
    client.create_function(**stoke.function(name), Publish=True)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    for text in "23456":
        deploy(client, name, text)
        assert client.publish_version(FunctionName=name)["Version"] == text

    def page(marker):
        answer = getattr(client, operation)(MaxItems=2, **params, **({"Marker": marker} if marker else {}))
        return [f["Version"] for f in answer[key]], answer.get("NextMarker")

    versions, marker = page(None)
    assert versions == ["$LATEST", "1"]
    client.delete_function(FunctionName=name, Qualifier="1")
    versions, marker = page(marker)
    assert versions == ["2", "3"]
    client.delete_function(FunctionName=name, Qualifier="4")  # where the next page was to begin
    assert page(marker) == (["5", "6"], None)


def test_publishing_the_same_gives_the_same(client, function):
    first = client.publish_version(FunctionName=function, Description="third")
    assert first["Version"] == "3" and first["Description"] == "third"
    assert client.publish_version(FunctionName=function, Description="another")["Version"] == "3"
    client.update_function_configuration(FunctionName=function, Timeout=4)
    assert client.publish_version(FunctionName=function)["Version"] == "4"
    assert client.get_function_configuration(FunctionName=function, Qualifier="3")["Timeout"] == 3
    client.update_function_configuration(FunctionName=function, Description="configured")
    assert client.publish_version(FunctionName=function, Description="of 5")["Version"] == "5"
    assert client.publish_version(FunctionName=function)["Description"] == "of 5"
    client.update_function_configuration(FunctionName=function, Description="configured")
    assert client.publish_version(FunctionName=function)["Version"] == "5"


def test_preconditions(client, function):
    latest = client.get_function_configuration(FunctionName=function)
    code, message = error_of(client.publish_version, FunctionName=function, CodeSha256="bm8=")
    assert code == "InvalidParameterValueException" and latest["CodeSha256"] in message
    assert error_of(client.publish_version, FunctionName=function, RevisionId="no")[0] == "PreconditionFailedException"
    done = client.publish_version(FunctionName=function, CodeSha256=latest["CodeSha256"], RevisionId=latest["RevisionId"])
    assert done["Version"] == "3" and done["FunctionArn"].endswith(":3")


def test_deleting_a_version(client, function):
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    code, message = error_of(client.delete_function, FunctionName=function, Qualifier="1")
    assert code == "ResourceConflictException" and "live" in message
    client.delete_function(FunctionName=function, Qualifier="2")
    client.delete_function(FunctionName=function, Qualifier="2")
    assert error_of(client.get_function, FunctionName=function, Qualifier="2")[0] == "ResourceNotFoundException"
    assert client.publish_version(FunctionName=function)["Version"] == "3"  # a number is never used twice
    assert error_of(client.delete_function, FunctionName=function, Qualifier="live")[0] == "InvalidParameterValueException"


def test_alias_lifecycle(client, function):
    made = client.create_alias(FunctionName=function, Name="live", FunctionVersion="1", Description="now")
    assert made["AliasArn"].endswith(f"{function}:live") and made["FunctionVersion"] == "1"
    assert error_of(client.create_alias, FunctionName=function, Name="live", FunctionVersion="1")[0] == "ResourceConflictException"
    assert error_of(client.create_alias, FunctionName=function, Name="x", FunctionVersion="9")[0] == "ResourceNotFoundException"
    executed, body = ask(client, function, Qualifier="live")
    assert (executed, body[0]) == ("1", "one") and body[2].endswith(":live")
    assert ask(client, made["AliasArn"])[0] == "1"
    moved = client.update_alias(FunctionName=function, Name="live", FunctionVersion="2")
    assert moved["Description"] == "now" and moved["RevisionId"] != made["RevisionId"]
    assert ask(client, f"{function}:live")[0] == "2"
    stale = error_of(client.update_alias, FunctionName=function, Name="live", FunctionVersion="1", RevisionId=made["RevisionId"])
    assert stale[0] == "PreconditionFailedException"
    client.create_alias(FunctionName=function, Name="beta", FunctionVersion="$LATEST")
    assert ask(client, function, Qualifier="beta")[1][0] == "three"
    names = [a["Name"] for page in client.get_paginator("list_aliases").paginate(FunctionName=function, PaginationConfig={"PageSize": 1})
             for a in page["Aliases"]]
    assert names == ["beta", "live"]
    assert [a["Name"] for a in client.list_aliases(FunctionName=function, FunctionVersion="2")["Aliases"]] == ["live"]
    client.delete_alias(FunctionName=function, Name="live")
    client.delete_alias(FunctionName=function, Name="live")
    code, message = error_of(client.get_alias, FunctionName=function, Name="live")
    assert code == "ResourceNotFoundException" and message == f"Cannot find alias arn: {made['AliasArn']}"


def test_weights(client, function):
    def create(name, version, weights):
        return dict(FunctionName=function, Name=name, FunctionVersion=version, RoutingConfig={"AdditionalVersionWeights": weights})
    assert "greater than 1" in error_of(client.create_alias, **create("a", "1", {"2": 0.1, "3": 0.1}))[1]
    assert "already included" in error_of(client.create_alias, **create("a", "1", {"1": 0.1}))[1]
    assert "more than 1 version" in error_of(client.create_alias, **create("a", "$LATEST", {"1": 0.1}))[1]
    client.create_alias(**create("half", "1", {"2": 0.5}))
    seen = collections.Counter(ask(client, function, Qualifier="half")[0] for _ in range(60))
    assert set(seen) == {"1", "2"}
    client.update_alias(FunctionName=function, Name="half", RoutingConfig={})
    assert {ask(client, function, Qualifier="half")[0] for _ in range(20)} == {"1"}
    client.update_alias(FunctionName=function, Name="half", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
    assert {ask(client, function, Qualifier="half")[0] for _ in range(20)} == {"2"}


def race(count, call):
    outcomes = []

    def one(i):
        try:
            outcomes.append(call(i))
        except ClientError as e:
            outcomes.append(e.response["Error"]["Code"])
    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return outcomes


def test_one_winner(stoke, client, name):
    def create(i):
        made = client.create_function(**stoke.function(name, {"app.py": WHO % i}), Publish=True)
        return "made " + made["Version"]
    assert collections.Counter(race(32, create)) == {"made 1": 1, "ResourceConflictException": 31}
    aliases = race(32, lambda i: "made " + client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")["Name"])
    assert collections.Counter(aliases) == {"made live": 1, "ResourceConflictException": 31}
    assert set(race(32, lambda i: client.publish_version(FunctionName=name)["Version"])) <= {"1", "ResourceConflictException"}
    race(16, lambda i: client.update_alias(FunctionName=name, Name="live", Description=str(i)))
    assert client.get_alias(FunctionName=name, Name="live")["Description"] in map(str, range(16))


def test_all_of_it_is_there_after_a_kill(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    client.create_function(**stoke.function(name, {"app.py": HANDLER}), Publish=True)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="kept")
    before = client.get_alias(FunctionName=name, Name="live")
    stoke.process.kill()
    stoke.process.wait()
    stoke.start()
    after = client.get_alias(FunctionName=name, Name="live")
    assert {k: after[k] for k in after if k != "ResponseMetadata"} == {k: before[k] for k in before if k != "ResponseMetadata"}
    assert client.list_versions_by_function(FunctionName=name)["Versions"][1]["Version"] == "1"
    assert ask(client, name, Qualifier="live")[0] == "1"


def test_a_version_has_one_name(client, function):
    """Zeros before a version's number make it the name of no version, for whoever compares numbers and for whoever compares text."""
    missing = "ResourceNotFoundException"
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    client.delete_function(FunctionName=function, Qualifier="01")  # as of any version that is not there
    assert ask(client, function, Qualifier="live")[0] == "1"
    for call, params in [(client.get_function, {"Qualifier": "01"}), (client.get_function_configuration, {"Qualifier": "002"}),
                         (client.invoke, {"Qualifier": "01"}), (client.get_policy, {"Qualifier": "01"}),
                         (client.put_function_event_invoke_config, {"Qualifier": "01", "MaximumRetryAttempts": 1}),
                         (client.put_provisioned_concurrency_config, {"Qualifier": "01", "ProvisionedConcurrentExecutions": 1}),
                         (client.update_alias, {"Name": "live", "FunctionVersion": "02"}),
                         (client.create_alias, {"Name": "next", "FunctionVersion": "01"}),
                         (client.create_alias, {"Name": "half", "FunctionVersion": "1",
                                                "RoutingConfig": {"AdditionalVersionWeights": {"01": 0.5}}})]:
        assert error_of(call, FunctionName=function, **params)[0] == missing, params
    assert [a["Name"] for a in client.list_aliases(FunctionName=function)["Aliases"]] == ["live"]
    client.delete_alias(FunctionName=function, Name="live")
    client.delete_function(FunctionName=function, Qualifier="1")
    assert error_of(client.get_function, FunctionName=function, Qualifier="1")[0] == missing
