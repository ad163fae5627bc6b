"""Terraform's AWS provider on Stoke: its calls in its order (tests/lib/terraform.py), since the tool itself cannot be had here. Every
resource is created, plans empty, changes in place and plans empty again, is destroyed, and is known to be gone."""
import pathlib
import re
import threading

import pytest
from botocore.exceptions import ClientError
from conftest import HANDLER, ROLE, archive
from terraform import Function, Provider, ProviderError
from terraform_resources import (Alias, CodeSigningConfig, EventSourceMapping, FunctionEventInvokeConfig, FunctionRecursionConfig,
                                 FunctionUrl, LayerVersion, LayerVersionPermission, Permission, ProvisionedConcurrencyConfig,
                                 RuntimeManagementConfig)

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "terraform.md"
ABSENT = {"": (None, "create")}
QUEUE = "arn:aws:sqs:us-east-1:000000000000:failed"
TOPIC = "arn:aws:sns:us-east-1:000000000000:done"
PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/mine/abcdefghij"


@pytest.fixture
def provider(stoke):
    return Provider(stoke)


@pytest.fixture
def zips(tmp_path):
    """zips(text) is the path of an archive, another one for another text."""
    def make(text=HANDLER):
        path = tmp_path / f"{abs(hash(text))}.zip"
        path.write_bytes(archive({"app.py": text}))
        return str(path)
    return make


@pytest.fixture
def function(provider, zips, name):
    """The function as most configurations have it, with a version."""
    made = Function(provider, function_name=name, filename=zips(), handler="app.handler", runtime="python3.11", role=ROLE, publish=True)
    made.apply()
    yield made
    made.destroy()


@pytest.fixture
def layer(provider, tmp_path, name):
    path = tmp_path / "layer.zip"
    path.write_bytes(archive({"python/more.py": "X = 1\n"}))
    made = LayerVersion(provider, filename=str(path), layer_name=name, description="what", license_info="MIT",
                        compatible_runtimes=["python3.11", "python3.12"], compatible_architectures=["x86_64"])
    made.apply()
    yield made
    made.destroy()


def test_the_provider_knows_the_account(stoke):
    configured = Provider(stoke, account="123456789012", region="eu-central-1")
    assert (configured.partition, configured.account, configured.region) == ("aws", "123456789012", "eu-central-1")
    assert configured.calls == [("sts", "get_caller_identity")]


def test_the_documented_block_is_enough(function, provider):
    """The endpoints that docs/terraform.md sets are those of the services that are called, its skip_* flags none that hides one."""
    block = re.search(r"```hcl\n(provider .*?)```", DOCUMENT.read_text(), re.DOTALL)[1]
    endpoints = re.search(r"endpoints \{(.*?)\}", block, re.DOTALL)[1]
    assert function.plan() == {}
    assert set(re.findall(r"(\w+)\s*=", endpoints)) == {service for service, _ in provider.calls}
    assert "skip_requesting_account_id" not in block and "skip_credentials_validation" not in block


# ---- functions ----

def test_a_function_of_defaults(provider, zips, name):
    made = Function(provider, function_name=name, filename=zips(), handler="app.handler", runtime="python3.11", role=ROLE).apply()
    assert made.plan() == {}
    assert made.state["version"] == "$LATEST" and made.state["qualified_arn"] == made.state["arn"] + ":$LATEST"
    assert made.state["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert made.state["logging_config"] == {"application_log_level": "", "log_format": "Text", "log_group": f"/aws/lambda/{name}",
                                            "system_log_level": ""}
    made.destroy()
    assert made.plan() == ABSENT
    made.destroy()  # and once more: gone is no error


def test_a_function_with_everything(provider, zips, name, layer):
    signing = CodeSigningConfig(provider, allowed_publishers=[PROFILE]).apply()
    made = Function(
        provider, function_name=name, filename=zips(), handler="app.handler", runtime="python3.12", role=ROLE, publish=True,
        description="all", memory_size=256, timeout=10, architectures=["x86_64"], environment={"AA": "1", "BB": ""},
        layers=[layer.state["arn"]], tags={"team": "x", "cost": "y"}, reserved_concurrent_executions=5,
        dead_letter_config=QUEUE, tracing_config="Active", snap_start="PublishedVersions", code_signing_config_arn=signing.state["arn"],
        logging_config={"log_format": "JSON", "application_log_level": "WARN", "system_log_level": "DEBUG", "log_group": "/mine"}).apply()
    assert made.plan() == {}
    assert made.state["version"] == "1" and made.state["qualified_arn"] == made.state["arn"] + ":1"
    made.destroy()
    assert made.plan() == ABSENT
    signing.destroy()


@pytest.mark.parametrize("changes", [
    [{"environment": {"AA": "1"}}, {"environment": {"AA": "2", "BB": "3"}}, {"environment": None}],
    [{"description": "one"}, {"description": None}],
    [{"tags": {"a": "1", "b": "2"}}, {"tags": {"b": "3", "c": "4"}}, {"tags": None}],
    [{"reserved_concurrent_executions": 7}, {"reserved_concurrent_executions": 0}, {"reserved_concurrent_executions": -1}],
    [{"dead_letter_config": QUEUE}, {"dead_letter_config": TOPIC}, {"dead_letter_config": None}],
    [{"tracing_config": "Active"}, {"tracing_config": "PassThrough"}],
    [{"ephemeral_storage": 1024}, {"ephemeral_storage": 512}],
    [{"logging_config": {"log_format": "JSON"}}, {"logging_config": {"log_format": "JSON", "application_log_level": "ERROR"}},
     {"logging_config": {"log_format": "Text", "log_group": "/mine"}}],
    [{"runtime": "python3.12", "snap_start": "PublishedVersions"}, {"snap_start": None}],
    [{"memory_size": 300, "timeout": 60, "handler": "app.other", "role": ROLE + "s"}],
], ids=lambda changes: "+".join(changes[0]))
def test_changes_in_place(function, changes):
    """Each changes what it names and nothing else; a configuration makes a version, tags and concurrency do not."""
    version = 1
    for change in changes:
        function.apply(**change)
        assert function.plan() == {}
        version += not set(change) & {"tags", "reserved_concurrent_executions"}
        assert function.state["version"] == str(version)


def test_layers_come_and_go(function, layer):
    function.apply(layers=[layer.state["arn"]])
    assert function.plan() == {}
    function.apply(layers=None)
    assert function.plan() == {} and function.state["layers"] == []


def test_code_and_configuration_in_one_apply(function, zips):
    before = function.state
    function.apply(filename=zips("def handler(event, context):\n    return 2\n"), timeout=9, tags={"x": "y"})
    assert function.plan() == {}
    assert function.state["version"] == "2" and function.state["code_sha256"] != before["code_sha256"]
    assert function.state["last_modified"] != before["last_modified"]


def test_publish_is_switched_on_later(provider, zips, name):
    made = Function(provider, function_name=name, filename=zips(), handler="app.handler", runtime="python3.11", role=ROLE).apply()
    made.apply(publish=True)
    assert made.plan() == {} and made.state["version"] == "1"
    made.apply(publish=False, timeout=8)
    assert made.plan() == {} and made.state["version"] == "1"
    made.destroy()


def test_a_code_signing_configuration_comes_and_goes(function, provider):
    signing = CodeSigningConfig(provider, allowed_publishers=[PROFILE]).apply()
    function.apply(code_signing_config_arn=signing.state["arn"])
    assert function.plan() == {}
    function.apply(code_signing_config_arn=None)
    assert function.plan() == {}
    signing.destroy()


def test_the_latest_version_is_on_the_last_page(function, client, name):
    for i in range(2, 61):
        client.update_function_configuration(FunctionName=name, Timeout=i)
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.01})
        assert client.publish_version(FunctionName=name)["Version"] == str(i)
    function.provider.calls.clear()
    assert function.refresh()["version"] == "60"
    assert function.provider.calls.count(("lambda", "list_versions_by_function")) > 1


def test_what_changed_elsewhere_is_seen(function, client, name):
    client.update_function_configuration(FunctionName=name, Timeout=77)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
    client.tag_resource(Resource=function.state["arn"], Tags={"by": "hand"})
    assert function.plan() == {"timeout": (77, 3), "reserved_concurrent_executions": (3, -1), "tags": ({"by": "hand"}, None)}


def test_a_version_is_published_while_an_update_runs(function, client, name):
    """What the provider tries again after says that an update is in progress."""
    files = {f"m{i}.py": f"X = {i}\n" * 50 for i in range(2000)}
    seen = set()

    def publish():
        while update.is_alive():
            try:
                client.publish_version(FunctionName=name)
            except ClientError as e:
                seen.add((e.response["Error"]["Code"], "in progress" in e.response["Error"]["Message"]))

    for i in range(20):
        code = archive({**files, "app.py": f"X = {i}\n" + HANDLER})
        update = threading.Thread(target=client.update_function_code, kwargs={"FunctionName": name, "ZipFile": code})
        update.start()
        publish()
        update.join()
        if seen:
            break
    assert seen == {("ResourceConflictException", True)}


# ---- what hangs on functions ----

def test_an_alias(function, provider):
    function.apply(timeout=4)
    function.apply(timeout=5)
    name = function.state["function_name"]
    alias = Alias(provider, function_name=name, name="live", function_version="1", description="now").apply()
    assert alias.plan() == {} and alias.state["arn"].endswith(f":{name}:live")
    for change in ({"routing_config": {"2": 0.1}}, {"routing_config": {"3": 0.25}, "function_version": "2"}, {"routing_config": None},
                   {"function_version": "3", "description": None}):
        alias.apply(**change)
        assert alias.plan() == {}
    by_arn = Alias(provider, function_name=function.state["arn"], name="arn", function_version="3", routing_config={"1": 0.5}).apply()
    assert by_arn.plan() == {}
    for one in (alias, by_arn):
        one.destroy()
        assert one.plan() == ABSENT
        one.destroy()


def test_a_layer_version(layer, provider, tmp_path):
    assert layer.plan() == {} and layer.state["version"] == "1" and layer.state["layer_arn"] + ":1" == layer.state["arn"]
    plain = LayerVersion(provider, filename=layer["filename"], layer_name=layer["layer_name"]).apply()
    assert plain.plan() == {} and plain.state["version"] == "2"
    plain.destroy()
    assert plain.plan() == ABSENT
    plain.destroy()


@pytest.mark.parametrize("principal,organization", [("*", None), ("111122223333", None), ("*", "o-abcdefghij")])
def test_a_permission_of_a_layer_version(layer, provider, principal, organization):
    made = LayerVersionPermission(provider, layer_name=layer["layer_name"], version_number=1, action="lambda:GetLayerVersion",
                                  principal=principal, organization_id=organization, statement_id="them").apply()
    assert made.plan() == {}
    made.destroy()
    assert made.plan() == ABSENT
    made.destroy()


@pytest.mark.parametrize("more", [
    {"principal": "events.amazonaws.com", "source_arn": "arn:aws:events:us-east-1:000000000000:rule/r"},
    {"principal": "s3.amazonaws.com", "source_arn": "arn:aws:s3:::bucket", "source_account": "000000000000"},
    {"principal": "arn:aws:iam::111122223333:root"},
    {"principal": "arn:aws:iam::111122223333:role/other"},
    {"principal": "*", "principal_org_id": "o-abcdefghij"},
    {"principal": "*", "function_url_auth_type": "NONE", "action": "lambda:InvokeFunctionUrl"},
    {"principal": "*", "invoked_via_function_url": True},
    {"principal": "alexa-appkit.amazon.com", "event_source_token": "amzn1.ask.skill.1"},
    {"principal": "events.amazonaws.com", "qualifier": "live"},
    {"principal": "events.amazonaws.com", "qualifier": "1"},
], ids=lambda more: "+".join(more))
def test_a_permission(function, provider, more):
    name = function.state["function_name"]
    alias = Alias(provider, function_name=name, name="live", function_version="1").apply()
    other = Permission(provider, function_name=name, statement_id="other", action="lambda:InvokeFunction",
                       principal="sns.amazonaws.com").apply()
    made = Permission(provider, **{"function_name": name, "statement_id": "mine", "action": "lambda:InvokeFunction", **more}).apply()
    assert made.plan() == {} and other.plan() == {}
    made.destroy()
    assert made.plan() == ABSENT and other.plan() == {}
    made.destroy()
    other.destroy()
    alias.destroy()


def test_a_permission_by_arn(function, provider):
    made = Permission(provider, function_name=function.state["arn"], statement_id="mine", action="lambda:InvokeFunction",
                      principal="events.amazonaws.com").apply()
    assert made.plan() == {}
    made.destroy()
    assert made.plan() == ABSENT


def test_a_permission_waits_for_its_function(stoke, provider, zips, name):
    """The provider tries again while the function is not found."""
    made = Function(provider, function_name=name, filename=zips(), handler="app.handler", runtime="python3.11", role=ROLE)
    permission = Permission(Provider(stoke), function_name=name, statement_id="s", action="lambda:InvokeFunction",
                            principal="events.amazonaws.com")
    later = threading.Timer(0.3, made.apply)
    later.start()
    permission.apply()
    later.join()
    assert permission.plan() == {}
    assert permission.provider.calls.count(("lambda", "add_permission")) > 1
    made.destroy()
    assert permission.plan() == ABSENT


@pytest.mark.parametrize("qualifier", ["1", "live"])
def test_provisioned_concurrency(function, provider, qualifier):
    name = function.state["function_name"]
    alias = Alias(provider, function_name=name, name="live", function_version="1").apply()
    made = ProvisionedConcurrencyConfig(provider, function_name=name, qualifier=qualifier, provisioned_concurrent_executions=1).apply()
    assert made.plan() == {}
    made.apply(provisioned_concurrent_executions=2)
    assert made.plan() == {}
    made.apply(provisioned_concurrent_executions=1)
    assert made.plan() == {}
    made.destroy()
    assert made.plan() == ABSENT
    made.destroy()
    alias.destroy()


def test_provisioned_concurrency_that_fails(provider, zips, name):
    """The waiter ends at once, with FAILED."""
    made = Function(provider, function_name=name, filename=zips("raise RuntimeError('no')\n"), handler="app.handler",
                    runtime="python3.11", role=ROLE, publish=True).apply()
    config = ProvisionedConcurrencyConfig(provider, function_name=name, qualifier="1", provisioned_concurrent_executions=1)
    with pytest.raises(ProviderError, match="unexpected state 'FAILED'"):
        config.apply()
    config.destroy()
    made.destroy()


def test_a_function_url(function, provider):
    name = function.state["function_name"]
    made = FunctionUrl(provider, function_name=name, authorization_type="NONE").apply()
    assert made.plan() == {}
    assert f"://{made.state['url_id']}.lambda-url.us-east-1." in made.state["function_url"]
    cors = {"allow_origins": ["https://a.example", "https://b.example"], "allow_methods": ["GET", "POST"], "max_age": 60}
    for change in ({"cors": {**cors, "allow_credentials": True}}, {"cors": cors, "invoke_mode": "RESPONSE_STREAM"}, {"cors": None},
                   {"authorization_type": "AWS_IAM", "invoke_mode": "BUFFERED"}):
        made.apply(**change)
        assert made.plan() == {}
    made.destroy()
    assert made.plan() == ABSENT
    made.destroy()
    again = FunctionUrl(provider, function_name=name, authorization_type="NONE").apply()  # whose statement is there already
    again.destroy()


def test_an_event_invoke_configuration(function, provider):
    name = function.state["function_name"]
    alias = Alias(provider, function_name=name, name="live", function_version="1").apply()
    for qualifier in (None, "live", "$LATEST"):
        made = FunctionEventInvokeConfig(provider, function_name=name, qualifier=qualifier).apply()
        assert made.plan() == {}
        for change in ({"maximum_event_age_in_seconds": 60, "maximum_retry_attempts": 0}, {"destination_config": {"on_failure": QUEUE}},
                       {"destination_config": {"on_failure": QUEUE, "on_success": TOPIC}, "maximum_event_age_in_seconds": None},
                       {"destination_config": None, "maximum_retry_attempts": 1}):
            made.apply(**change)
            assert made.plan() == {}
        made.destroy()
        assert made.plan() == ABSENT
        made.destroy()
    alias.destroy()


def test_a_code_signing_configuration(provider):
    made = CodeSigningConfig(provider, allowed_publishers=[PROFILE], tags={"a": "1"}).apply()
    assert made.plan() == {} and made.state["policies"] == "Warn"
    for change in ({"description": "what"}, {"policies": "Enforce"}, {"allowed_publishers": [PROFILE + "2"], "description": None},
                   {"tags": {"b": "2"}}):
        made.apply(**change)
        assert made.plan() == {}
    made.destroy()
    assert made.plan() == ABSENT
    made.destroy()


def test_runtime_management_and_recursion(function, provider):
    name = function.state["function_name"]
    version = "arn:aws:lambda:us-east-1::runtime:" + "0123456789abcdef" * 4
    management = RuntimeManagementConfig(provider, function_name=name, update_runtime_on="FunctionUpdate").apply()
    recursion = FunctionRecursionConfig(provider, function_name=name, recursive_loop="Allow").apply()
    assert management.plan() == {} and recursion.plan() == {}
    management.apply(update_runtime_on="Manual", runtime_version_arn=version)
    assert management.plan() == {}
    management.apply(update_runtime_on="Auto", runtime_version_arn=None)
    recursion.apply(recursive_loop="Terminate")
    assert management.plan() == {} and recursion.plan() == {}
    management.destroy()
    recursion.destroy()


def test_an_event_source_mapping(function, provider):
    name = function.state["function_name"]
    made = EventSourceMapping(provider, function_name=name, event_source_arn=QUEUE, tags={"a": "1"}).apply()
    assert made.plan() == {} and made.state["batch_size"] == 10
    for change in ({"batch_size": 5}, {"enabled": False}, {"enabled": True, "filter_criteria": ['{"a": [1]}'], "scaling_config": 3},
                   {"filter_criteria": None, "scaling_config": None}, {"function_response_types": ["ReportBatchItemFailures"]},
                   {"function_name": function.state["arn"] + ":1"}, {"tags": None}):
        made.apply(**change)
        assert made.plan() == {}
    made.destroy()
    assert made.plan() == ABSENT
    made.destroy()


@pytest.mark.parametrize("make", [
    lambda p, name: Alias(p, function_name=name, name="live", function_version="1"),
    lambda p, name: Permission(p, function_name=name, statement_id="s", action="lambda:InvokeFunction", principal="sns.amazonaws.com"),
    lambda p, name: ProvisionedConcurrencyConfig(p, function_name=name, qualifier="1", provisioned_concurrent_executions=1),
    lambda p, name: FunctionUrl(p, function_name=name, authorization_type="AWS_IAM"),
    lambda p, name: FunctionEventInvokeConfig(p, function_name=name),
    lambda p, name: RuntimeManagementConfig(p, function_name=name, update_runtime_on="FunctionUpdate"),
    lambda p, name: FunctionRecursionConfig(p, function_name=name, recursive_loop="Allow"),
], ids=["alias", "permission", "provisioned", "url", "event_invoke", "runtime_management", "recursion"])
def test_what_went_with_its_function_is_gone(function, provider, client, make):
    """Somebody deleted the function: what hung on it leaves the state without an error, and destroying it is no error either."""
    made = make(provider, function.state["function_name"]).apply()
    client.delete_function(FunctionName=function.state["function_name"])
    assert function.plan() == ABSENT
    assert made.plan() == ABSENT
    made.destroy()
