"""Event invoke configurations through boto3."""
from conftest import error_of, without

NOTHING = ("InvalidParameterValueException", "You must specify at least one of error handling or destination setting.")
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"


def test_life(client, function):
    arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    put = client.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    assert without(put, "LastModified") == {"FunctionArn": arn + ":$LATEST", "MaximumRetryAttempts": 0,
                                            "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}}}
    assert put["LastModified"].year >= 2026
    changed = client.update_function_event_invoke_config(FunctionName=arn, MaximumEventAgeInSeconds=60,
                                                         DestinationConfig={"OnFailure": {"Destination": QUEUE}})
    assert without(changed, "LastModified") == {
        "FunctionArn": arn + ":$LATEST", "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": QUEUE}}}
    assert without(client.get_function_event_invoke_config(FunctionName=function)) == without(changed)
    put = client.put_function_event_invoke_config(FunctionName=function, MaximumEventAgeInSeconds=90)
    assert "MaximumRetryAttempts" not in put and put["DestinationConfig"]["OnFailure"] == {}
    client.delete_function_event_invoke_config(FunctionName=function)
    assert error_of(client.get_function_event_invoke_config, FunctionName=function) == (
        "ResourceNotFoundException", f"The function {arn}:$LATEST doesn't have an EventInvokeConfig")


def test_list_in_pages(client, function):
    for qualifier in ["$LATEST", "1", "live"]:
        client.put_function_event_invoke_config(FunctionName=function, Qualifier=qualifier, MaximumRetryAttempts=1)
    pages = list(client.get_paginator("list_function_event_invoke_configs").paginate(FunctionName=function,
                                                                                   PaginationConfig={"PageSize": 2}))
    assert [len(p["FunctionEventInvokeConfigs"]) for p in pages] == [2, 1]
    listed = [c["FunctionArn"].rpartition(":")[2] for p in pages for c in p["FunctionEventInvokeConfigs"]]
    assert sorted(listed) == ["$LATEST", "1", "live"]
    client.delete_alias(FunctionName=function, Name="live")
    client.delete_function(FunctionName=function, Qualifier="1")
    assert len(client.list_function_event_invoke_configs(FunctionName=function)["FunctionEventInvokeConfigs"]) == 1


def test_errors(stoke, client, function):
    arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    put, update = client.put_function_event_invoke_config, client.update_function_event_invoke_config
    assert error_of(put, FunctionName="absent") == NOTHING and error_of(update, FunctionName=function) == NOTHING
    for params in [{"FunctionName": "absent"}, {"FunctionName": function, "Qualifier": "7"}, {"FunctionName": f"{function}:no"}]:
        assert error_of(put, MaximumRetryAttempts=1, **params) == ("ResourceNotFoundException", "The function doesn't exist.")
        assert error_of(client.get_function_event_invoke_config, **params)[0] == "ResourceNotFoundException"
    assert error_of(update, FunctionName=function, Qualifier="live", MaximumRetryAttempts=1) == (
        "ResourceNotFoundException", f"The function {arn}:live doesn't have an EventInvokeConfig")
    assert error_of(client.delete_function_event_invoke_config, FunctionName=function)[0] == "ResourceNotFoundException"
    assert error_of(client.list_function_event_invoke_configs, FunctionName="absent") == (
        "ResourceNotFoundException", "The function doesn't exist.")

    def to(destination, on="OnFailure"):
        return put(FunctionName=function, DestinationConfig={on: {"Destination": destination}})

    assert error_of(to, destination=arn)[1] == "You can't specify the function as a destination for itself."
    gone = arn + "-gone"
    assert error_of(to, destination=gone) == ("InvalidParameterValueException", f"The destination ARN {gone} is invalid.")
    invalid = "The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid."
    table = "arn:aws:dynamodb:us-east-1:000000000000:table/t"
    assert error_of(to, destination=table) == ("InvalidParameterValueException", invalid % ("null", f"OnFailure(destination={table})"))
    assert error_of(to, destination="arn:aws:s3:::b", on="OnSuccess")[1] == invalid % ("OnSuccess(destination=arn:aws:s3:::b)", "null")
    client.create_function(**stoke.function(function + "-other"))
    for good in [QUEUE, "arn:aws:sns:us-east-1:000000000000:t", arn + "-other", "arn:aws:events:us-east-1:000000000000:event-bus/default",
                 "arn:aws:s3:::b"]:
        assert to(good)["DestinationConfig"]["OnFailure"] == {"Destination": good}
