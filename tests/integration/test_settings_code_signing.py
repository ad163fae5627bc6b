"""Code signing configurations through boto3."""
import os
import threading
import time

import pytest
from botocore.exceptions import ClientError
from conftest import error_of

PUBLISHERS = {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/test"]}
ABSENT = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdefg"


@pytest.fixture
def signing(client):
    return client.create_code_signing_config(AllowedPublishers=PUBLISHERS, Description="d", Tags={"a": "1"})["CodeSigningConfig"]


def test_life(client, signing):
    arn = signing["CodeSigningConfigArn"]
    assert arn == f"arn:aws:lambda:us-east-1:000000000000:code-signing-config:{signing['CodeSigningConfigId']}"
    assert signing["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"} and signing["AllowedPublishers"] == PUBLISHERS
    changed = client.update_code_signing_config(CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"})
    assert changed["CodeSigningConfig"]["Description"] == "d"
    assert client.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"] == changed["CodeSigningConfig"]
    assert changed["CodeSigningConfig"] in client.list_code_signing_configs()["CodeSigningConfigs"]
    assert client.list_tags(Resource=arn)["Tags"] == {"a": "1"}
    client.tag_resource(Resource=arn, Tags={"b": "2"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert client.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    client.delete_code_signing_config(CodeSigningConfigArn=arn)
    for call in (client.get_code_signing_config, client.delete_code_signing_config, client.update_code_signing_config,
                 client.list_functions_by_code_signing_config):
        assert error_of(call, CodeSigningConfigArn=arn) == (
            "ResourceNotFoundException", f"The Lambda code signing configuration {arn} can not be found.")


def test_functions(stoke, client, name, signing):
    arn = signing["CodeSigningConfigArn"]
    created = client.create_function(**stoke.function(name, CodeSigningConfigArn=arn))
    assert client.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == arn
    assert client.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"] == [created["FunctionArn"]]
    assert error_of(client.delete_code_signing_config, CodeSigningConfigArn=arn)[0] == "ResourceConflictException"
    client.delete_function_code_signing_config(FunctionName=name)
    assert set(client.get_function_code_signing_config(FunctionName=name)) == {"ResponseMetadata"}
    put = client.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
    assert (put["FunctionName"], put["CodeSigningConfigArn"]) == (name, arn)
    missing = ("CodeSigningConfigNotFoundException",
               f"The code signing configuration cannot be found. Check that the provided configuration is not deleted: {ABSENT}.")
    assert error_of(client.put_function_code_signing_config, FunctionName=name, CodeSigningConfigArn=ABSENT) == missing
    assert error_of(client.create_function, **stoke.function(name + "-2", CodeSigningConfigArn=ABSENT)) == missing
    assert error_of(client.put_function_code_signing_config, FunctionName=name + "-no", CodeSigningConfigArn=arn)[0] == (
        "ResourceNotFoundException")
    client.delete_function(FunctionName=name)
    client.delete_code_signing_config(CodeSigningConfigArn=arn)


def test_no_function_keeps_a_deleted_one(stoke, client, name):
    """Creations, puts and deletions at once: whatever wins, a configuration that a function has is there."""
    for i in range(8):
        arn = client.create_code_signing_config(AllowedPublishers=PUBLISHERS)["CodeSigningConfig"]["CodeSigningConfigArn"]
        names = [f"{name}-{i}-{n}" for n in range(3)]
        client.create_function(**stoke.function(names[0]))
        calls = [lambda a=arn, n=n: stoke.client().create_function(**stoke.function(n, CodeSigningConfigArn=a)) for n in names[1:]]
        calls.append(lambda a=arn, n=names[0]: stoke.client().put_function_code_signing_config(FunctionName=n, CodeSigningConfigArn=a))
        calls.append(lambda a=arn: stoke.client().delete_code_signing_config(CodeSigningConfigArn=a))

        def run(call):
            try:
                call()
            except ClientError as error:
                assert error.response["Error"]["Code"] in ("CodeSigningConfigNotFoundException", "ResourceConflictException"), error

        threads = [threading.Thread(target=run, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for function in names:
            try:
                used = client.get_function_code_signing_config(FunctionName=function).get("CodeSigningConfigArn")
            except ClientError:
                continue
            assert used is None or client.get_code_signing_config(CodeSigningConfigArn=used)


def test_survives_a_kill(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    arn = client.create_code_signing_config(AllowedPublishers=PUBLISHERS)["CodeSigningConfig"]["CodeSigningConfigArn"]
    elsewhere = stoke.client(account="111122223333").create_code_signing_config(AllowedPublishers=PUBLISHERS)["CodeSigningConfig"]
    client.create_function(**stoke.function(name, CodeSigningConfigArn=arn))
    stoke.process.kill()
    stoke.process.wait()
    stoke.start()
    assert [c["CodeSigningConfigArn"] for c in client.list_code_signing_configs()["CodeSigningConfigs"]] == [arn]
    assert client.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == arn
    assert error_of(client.get_code_signing_config, CodeSigningConfigArn=elsewhere["CodeSigningConfigArn"])[0] == "ResourceNotFoundException"


def test_a_configuration_goes_while_a_function_is_made(client, stoke, name):
    """Either it is in use and stays, or it is gone and the function is not made, also while an archive is being stored."""
    big = {"app.py": "def handler(e, c):\n    return 1\n", "noise": os.urandom(20 << 20)}
    for i in range(4):
        arn = client.create_code_signing_config(AllowedPublishers=PUBLISHERS)["CodeSigningConfig"]["CodeSigningConfigArn"]
        made = []

        def make():
            try:
                made.append(stoke.client().create_function(**stoke.function(f"{name}-{i}", big, CodeSigningConfigArn=arn))["State"])
            except ClientError as e:
                made.append(e.response["Error"]["Code"])

        thread = threading.Thread(target=make)
        thread.start()
        time.sleep(0.1 * i)
        other = client.create_code_signing_config(AllowedPublishers=PUBLISHERS)["CodeSigningConfig"]["CodeSigningConfigArn"]
        client.delete_code_signing_config(CodeSigningConfigArn=other)
        try:
            client.delete_code_signing_config(CodeSigningConfigArn=arn)
            deleted = True
        except ClientError as e:
            assert e.response["Error"]["Code"] == "ResourceConflictException"
            deleted = False
        thread.join(60)
        assert made == (["CodeSigningConfigNotFoundException"] if deleted else ["Pending"])
        named = client.list_functions()["Functions"]
        assert any(f["FunctionName"] == f"{name}-{i}" for f in named) != deleted
        if not deleted:
            client.delete_function(FunctionName=f"{name}-{i}")
