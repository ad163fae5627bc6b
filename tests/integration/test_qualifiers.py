"""Names and qualifiers through boto3: whatever AWS takes an alias for is given one here, whatever is about whole functions refuses a
version, and names of any length are answered as AWS answers them."""
import pytest
from conftest import error_of
from daemon import archive

VERSIONS = ("InvalidParameterValueException",
            "Current operation does not support versions other than $LATEST. Please set the version to $LATEST or do not set a version "
            "in your request.")
WHOLE = ("InvalidParameterValueException",
         "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either "
         "a function name or an unqualified function ARN.")


@pytest.fixture
def function(stoke, client, name):
    """Versions 1 and 2, the alias live on 1 with a weight on 2; $LATEST is newer."""
    client.create_function(**stoke.function(name, Description="first"), Publish=True)
    for timeout, description in ((4, "second"), (5, "third")):
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        client.update_function_configuration(FunctionName=name, Description=description, Timeout=timeout)
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        if description == "second":
            assert client.publish_version(FunctionName=name)["Version"] == "2"
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    return name


def test_get_by_alias(client, function):
    """An alias is described as the version it points to, whatever its weights, under the alias' ARN."""
    for ask in ({"FunctionName": function, "Qualifier": "live"}, {"FunctionName": f"{function}:live"},
                {"FunctionName": client.get_alias(FunctionName=function, Name="live")["AliasArn"]}):
        for got in (client.get_function(**ask)["Configuration"], client.get_function_configuration(**ask)):
            assert (got["Version"], got["Description"], got["State"]) == ("1", "first", "Active")
            assert got["FunctionArn"].endswith(f":function:{function}:live")
    client.update_alias(FunctionName=function, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}})
    assert client.get_function_configuration(FunctionName=function, Qualifier="live")["Description"] == "second"
    latest = client.create_alias(FunctionName=function, Name="dev", FunctionVersion="$LATEST")["AliasArn"]
    got = client.get_function_configuration(FunctionName=latest)
    assert (got["Version"], got["Description"], got["FunctionArn"]) == ("$LATEST", "third", latest)
    code, message = error_of(client.get_function, FunctionName=function, Qualifier="none")
    assert code == "ResourceNotFoundException" and message.startswith("Function not found: ") and message.endswith(f":{function}:none")
    client.delete_alias(FunctionName=function, Name="live")
    assert error_of(client.get_function_configuration, FunctionName=function, Qualifier="live")[0] == "ResourceNotFoundException"


def test_only_latest_is_changed(client, stoke, function):
    """What changes $LATEST takes no other version: it would be another function that changes than the one named."""
    code = archive({"app.py": "def handler(e, c):\n    return 'new'\n"})
    before = client.get_function_configuration(FunctionName=function)
    arn = before["FunctionArn"]
    for named in (f"{function}:1", f"{function}:live", f"{arn}:1", f"{arn}:none"):
        assert error_of(client.update_function_code, FunctionName=named, ZipFile=code) == VERSIONS
        assert error_of(client.update_function_configuration, FunctionName=named, Timeout=9) == VERSIONS
        assert error_of(client.publish_version, FunctionName=named) == VERSIONS
    assert client.get_function_configuration(FunctionName=function) | {"ResponseMetadata": 0} == before | {"ResponseMetadata": 0}
    assert client.update_function_configuration(FunctionName=f"{function}:$LATEST", Timeout=9)["Timeout"] == 9
    client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
    assert client.update_function_code(FunctionName=f"{arn}:$LATEST", ZipFile=code)["CodeSha256"] != before["CodeSha256"]
    client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
    assert client.publish_version(FunctionName=f"{function}:$LATEST")["Version"] == "3"


def test_settings_of_whole_functions(client, function):
    signing = client.create_code_signing_config(AllowedPublishers={
        "SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/test"]})["CodeSigningConfig"]
    for qualifier in ("1", "live", "$LATEST"):
        named = f"{function}:{qualifier}"
        assert error_of(client.put_function_concurrency, FunctionName=named, ReservedConcurrentExecutions=1) == WHOLE
        assert error_of(client.delete_function_concurrency, FunctionName=named) == WHOLE
        assert error_of(client.put_function_code_signing_config, FunctionName=named,
                        CodeSigningConfigArn=signing["CodeSigningConfigArn"]) == WHOLE
        assert error_of(client.delete_function_code_signing_config, FunctionName=named) == WHOLE
        assert error_of(client.create_alias, FunctionName=named, Name="other", FunctionVersion="1") == WHOLE
        assert error_of(client.update_alias, FunctionName=named, Name="live", FunctionVersion="2") == WHOLE
        assert error_of(client.delete_alias, FunctionName=named, Name="live") == WHOLE
        assert error_of(client.put_function_recursion_config, FunctionName=named, RecursiveLoop="Allow")[0] == "ValidationException"
    assert [a["Name"] for a in client.list_aliases(FunctionName=function)["Aliases"]] == ["live"]
    assert client.get_function_recursion_config(FunctionName=function)["RecursiveLoop"] == "Terminate"
    assert "CodeSigningConfigArn" not in client.get_function_code_signing_config(FunctionName=function)


def test_publish_to_is_refused(client, function):
    code, message = error_of(client.publish_version, FunctionName=function, PublishTo="LATEST_PUBLISHED")
    assert code == "NotImplemented" and message.startswith("PublishTo ")
    assert len(client.list_versions_by_function(FunctionName=function)["Versions"]) == 3


def test_names_of_new_functions(client, stoke):
    """64 characters, however the name is written, and no version that is not there yet."""
    arn = "arn:aws:lambda:us-east-1:000000000000:function:"
    for named in ("n" * 65, arn + "n" * 65, "000000000000:function:" + "n" * 65, "function:" + "n" * 131):
        assert error_of(client.create_function, **stoke.function(named)) == (
            "InvalidParameterValueException", f"1 validation error detected: Value '{named}' at 'functionName' failed to satisfy "
            "constraint: Member must have length less than or equal to 64")
    for named in ("unborn:1", f"{arn}unborn:live"):
        assert error_of(client.create_function, **stoke.function(named)) == VERSIONS
    assert error_of(client.get_function, FunctionName="unborn")[0] == "ResourceNotFoundException"
    for named in (arn + "n" * 64, "born:$LATEST"):
        made = client.create_function(**stoke.function(named))
        assert made["FunctionArn"] == arn + made["FunctionName"]
        client.delete_function(FunctionName=made["FunctionName"])


@pytest.mark.parametrize("length", [64, 65, 140, 141, 256])
def test_names_that_are_nobodys(client, length):
    named = "n" * length
    missing = ("ResourceNotFoundException", f"Function not found: arn:aws:lambda:us-east-1:000000000000:function:{named}")
    for call in (client.get_function, client.get_function_configuration, client.delete_function, client.get_policy, client.invoke):
        code, message = error_of(call, FunctionName=named)
        assert code == missing[0] and (message == missing[1] or call == client.get_policy), message
    code, message = error_of(client.get_function, FunctionName="n" * 257)
    assert code == "ValidationException" and message.endswith("Member must have length less than or equal to 256")


def test_sizes_of_disks(client, stoke, name):
    code, message = error_of(client.create_function, **stoke.function(name, EphemeralStorage={"Size": 10241}))
    assert (code, message) == ("ValidationException", "1 validation error detected: Value '10241' at 'ephemeralStorage.size' failed to "
                               "satisfy constraint: Member must have value less than or equal to 10240")
    client.create_function(**stoke.function(name, EphemeralStorage={"Size": 10240}))
    client.delete_function(FunctionName=name)
