"""Members of a function's configuration that are stored: SnapStart, dead letters; and operations refused with a reason."""
from conftest import error_of


def settled(client, name):
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def test_snap_start(stoke, client, name):
    snap = {"ApplyOn": "PublishedVersions"}
    made = client.create_function(**{**stoke.function(name, SnapStart=snap), "Runtime": "python3.12"})
    assert made["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    settled(client, name)
    assert client.publish_version(FunctionName=name)["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    assert client.get_function_configuration(FunctionName=name)["SnapStart"]["OptimizationStatus"] == "Off"
    update = client.update_function_configuration
    assert error_of(update, FunctionName=name, Runtime="python3.11") == (
        "InvalidParameterValueException", "python3.11 is not supported for SnapStart enabled functions.")
    assert update(FunctionName=name, SnapStart={"ApplyOn": "None"}, Runtime="python3.11")["SnapStart"]["ApplyOn"] == "None"
    settled(client, name)
    for runtime in ["nodejs20.x", "python3.9", "provided.al2023", "ruby3.3"]:
        assert error_of(client.create_function, **{**stoke.function(name + "-no", SnapStart=snap), "Runtime": runtime}) == (
            "InvalidParameterValueException", f"{runtime} is not supported for SnapStart enabled functions.")
    assert error_of(update, FunctionName=name, SnapStart={"ApplyOn": "Always"})[0] == "ValidationException"


def test_what_snap_start_does_not_go_with(stoke, client, name):
    snap, large = {"ApplyOn": "PublishedVersions"}, {"Size": 513}
    no_storage = ("InvalidParameterValueException", "Ephemeral storage greater than 512 MB is not supported for SnapStart enabled functions.")
    made = {**stoke.function(name, SnapStart=snap), "Runtime": "python3.12"}
    assert error_of(client.create_function, **made, EphemeralStorage=large) == no_storage
    client.create_function(**made, EphemeralStorage={"Size": 512}, Publish=True)
    settled(client, name)
    update = client.update_function_configuration
    assert error_of(update, FunctionName=name, EphemeralStorage=large) == no_storage
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for qualifier in ("1", "live"):
        assert error_of(client.put_provisioned_concurrency_config, FunctionName=name, Qualifier=qualifier,
                        ProvisionedConcurrentExecutions=1) == (
            "InvalidParameterValueException", "Provisioned Concurrency is not supported for SnapStart enabled functions.")
    assert update(FunctionName=name, SnapStart={"ApplyOn": "None"}, EphemeralStorage=large)["EphemeralStorage"] == large
    settled(client, name)
    assert error_of(update, FunctionName=name, SnapStart=snap) == no_storage


def test_dead_letters(stoke, client, name):
    queue, topic = "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sns:us-east-1:000000000000:t"
    made = client.create_function(**stoke.function(name, DeadLetterConfig={"TargetArn": queue}))
    assert made["DeadLetterConfig"] == {"TargetArn": queue}
    settled(client, name)
    update = client.update_function_configuration
    assert error_of(update, FunctionName=name, DeadLetterConfig={"TargetArn": "arn:aws:s3:::b"})[0] == "InvalidParameterValueException"
    assert update(FunctionName=name, DeadLetterConfig={"TargetArn": topic})["DeadLetterConfig"] == {"TargetArn": topic}
    settled(client, name)
    assert "DeadLetterConfig" in client.get_function_configuration(FunctionName=name)
    assert "DeadLetterConfig" not in update(FunctionName=name, DeadLetterConfig={"TargetArn": ""})


def test_refused_operations_say_why(stoke, client, name):
    for call, params, why in [(client.list_capacity_providers, {}, "capacity providers"),
                              (client.get_function_scaling_config, {"FunctionName": name, "Qualifier": "1"}, "capacity providers"),
                              (client.list_durable_executions_by_function, {"FunctionName": name}, "durable executions"),
                              (client.invoke_async, {"FunctionName": name, "InvokeArgs": b"{}"}, "asynchronous invocations")]:
        code, message = error_of(call, **params)
        assert code == "NotImplemented" and why in message and " is not implemented in Stoke: " in message, message
