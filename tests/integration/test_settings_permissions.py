"""Resource policies of functions, versions and aliases through boto3."""
import json
import threading

from botocore.exceptions import ClientError
from conftest import archive, error_of

GRANT = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}


def policy(client, **params):
    answer = client.get_policy(**params)
    return json.loads(answer["Policy"]), answer["RevisionId"]


def test_statements(client, function):
    arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    answer = client.add_permission(FunctionName=function, StatementId="s1", SourceArn="arn:aws:s3:::b", SourceAccount="111122223333",
                                   **GRANT)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    first = json.loads(answer["Statement"])
    assert first == {"Sid": "s1", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction",
                     "Resource": arn, "Condition": {"StringEquals": {"AWS:SourceAccount": "111122223333"},
                                                    "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}}
    client.add_permission(FunctionName=arn, StatementId="s2", Action="lambda:GetFunction", Principal="111122223333")
    document, _ = policy(client, FunctionName=function)
    assert document["Version"] == "2012-10-17" and document["Id"] == "default" and document["Statement"][0] == first
    assert document["Statement"][1]["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert policy(client, FunctionName=function, Qualifier="$LATEST")[0] == document
    url = json.loads(client.add_permission(FunctionName=function, StatementId="s3", Action="lambda:InvokeFunctionUrl", Principal="*",
                                           FunctionUrlAuthType="NONE")["Statement"])
    assert url["Principal"] == "*" and url["Condition"] == {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}
    code, message = error_of(client.add_permission, FunctionName=function, StatementId="s4", FunctionUrlAuthType="NONE", **GRANT)
    assert code == "InvalidParameterValueException" and message.startswith("FunctionUrlAuthType is only supported")


def test_each_qualifier_has_its_own(client, function):
    base = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    client.add_permission(FunctionName=function, StatementId="of-all", **GRANT)
    for qualifier in ["1", "live"]:
        statement = json.loads(client.add_permission(FunctionName=f"{function}:{qualifier}", StatementId="s", **GRANT)["Statement"])
        assert statement["Resource"] == f"{base}:{qualifier}"
        assert [s["Sid"] for s in policy(client, FunctionName=function, Qualifier=qualifier)[0]["Statement"]] == ["s"]
    assert [s["Sid"] for s in policy(client, FunctionName=function)[0]["Statement"]] == ["of-all"]
    client.delete_alias(FunctionName=function, Name="live")
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    assert error_of(client.get_policy, FunctionName=function, Qualifier="live")[0] == "ResourceNotFoundException"  # went with the alias
    client.delete_alias(FunctionName=function, Name="live")
    client.delete_function(FunctionName=function, Qualifier="1")
    assert error_of(client.get_policy, FunctionName=function, Qualifier="1")[0] == "ResourceNotFoundException"
    assert policy(client, FunctionName=function)


def test_revisions(client, function):
    latest = lambda: client.get_function_configuration(FunctionName=function)["RevisionId"]  # noqa: E731
    before = latest()
    assert error_of(client.add_permission, FunctionName=function, StatementId="s", RevisionId="no", **GRANT) == (
        "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetPolicy API to retrieve the latest Revision Id")
    client.add_permission(FunctionName=function, StatementId="s", RevisionId=before, **GRANT)
    _, revision = policy(client, FunctionName=function)
    assert revision == latest() != before
    assert error_of(client.remove_permission, FunctionName=function, StatementId="s", RevisionId=before)[0] == "PreconditionFailedException"
    client.remove_permission(FunctionName=function, StatementId="s", RevisionId=revision)
    assert latest() != revision
    alias = client.get_alias(FunctionName=function, Name="live")
    client.add_permission(FunctionName=function, Qualifier="live", StatementId="s", RevisionId=alias["RevisionId"], **GRANT)
    changed = client.get_alias(FunctionName=function, Name="live")
    assert changed["RevisionId"] == policy(client, FunctionName=function, Qualifier="live")[1] != alias["RevisionId"]
    assert changed["FunctionVersion"] == "1"


def test_errors(client, function):
    arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    assert error_of(client.add_permission, FunctionName=function, StatementId="s", Qualifier="$LATEST", **GRANT) == (
        "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.")
    assert error_of(client.add_permission, FunctionName=function, StatementId="s", Action="lambda:*", Principal="who") == (
        "InvalidParameterValueException", "The provided principal was invalid. Please check the principal and try again.")
    for qualifier, words in [("no", "Cannot find alias arn: "), ("7", "Function not found: "), ("n$", "Function not found: ")]:
        assert error_of(client.add_permission, FunctionName=function, StatementId="s", Qualifier=qualifier, **GRANT) == (
            "ResourceNotFoundException", f"{words}{arn}:{qualifier}")
    assert error_of(client.remove_permission, FunctionName=function, StatementId="s") == (
        "ResourceNotFoundException", "No policy is associated with the given resource.")
    client.add_permission(FunctionName=function, StatementId="s", **GRANT)
    assert error_of(client.add_permission, FunctionName=function, StatementId="s", **GRANT)[0] == "ResourceConflictException"
    assert error_of(client.remove_permission, FunctionName=function, StatementId="t") == (
        "ResourceNotFoundException", "Statement t is not found in resource policy.")
    code, message = error_of(client.remove_permission, FunctionName=function + "-no", StatementId="s")
    assert code == "ResourceNotFoundException" and message.startswith("No policy found for: arn:")
    assert error_of(client.get_policy, FunctionName=function + "-no") == (
        "ResourceNotFoundException", "The resource you requested does not exist.")


def test_size_limit(client, function):
    for i in range(200):
        try:
            client.add_permission(FunctionName=function, StatementId=f"s{i}", SourceArn="arn:aws:s3:::" + "b" * 200, **GRANT)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            break
    assert code == "PolicyLengthExceededException" and message.endswith("is bigger than the limit (20480).")
    assert len(client.get_policy(FunctionName=function)["Policy"]) <= 20480


def test_one_sid_has_one_winner(stoke, client, function):
    results = []

    def add(i):
        try:
            stoke.client().add_permission(FunctionName=function, StatementId="s", SourceArn=f"arn:aws:s3:::b{i}", **GRANT)
            results.append("won")
        except ClientError as error:
            results.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=add, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["ResourceConflictException"] * 15 + ["won"]
    assert len(policy(client, FunctionName=function)[0]["Statement"]) == 1


def test_survives_updates_and_a_kill(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    client.create_function(**stoke.function(name))
    client.add_permission(FunctionName=name, StatementId="kept", **GRANT)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    client.update_function_code(FunctionName=name, ZipFile=archive({"app.py": "handler = print"}))
    before = client.get_policy(FunctionName=name)
    stoke.process.kill()
    stoke.process.wait()
    stoke.start()
    after = client.get_policy(FunctionName=name)
    assert after["Policy"] == before["Policy"] and "kept" in after["Policy"]
    client.delete_function(FunctionName=name)
    client.create_function(**stoke.function(name))
    assert error_of(client.get_policy, FunctionName=name)[0] == "ResourceNotFoundException"
