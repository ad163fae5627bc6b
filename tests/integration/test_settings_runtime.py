"""Runtime management and recursion configurations through boto3."""
from conftest import error_of

VERSION = "arn:aws:lambda:us-east-1::runtime:0123456789abcdef"


def without(answer):
    return {k: v for k, v in answer.items() if k != "ResponseMetadata"}


def test_runtime_management(client, function):
    arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    get, put = client.get_runtime_management_config, client.put_runtime_management_config
    assert without(get(FunctionName=function)) == {"UpdateRuntimeOn": "Auto", "FunctionArn": arn + ":$LATEST"}
    want = {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": VERSION, "FunctionArn": arn + ":1"}
    assert without(put(FunctionName=function, Qualifier="1", UpdateRuntimeOn="Manual", RuntimeVersionArn=VERSION)) == want
    assert without(get(FunctionName=arn + ":1")) == want
    put(FunctionName=function, UpdateRuntimeOn="FunctionUpdate")
    assert without(get(FunctionName=function, Qualifier="$LATEST")) == {"UpdateRuntimeOn": "FunctionUpdate",
                                                                        "FunctionArn": arn + ":$LATEST"}
    assert error_of(put, FunctionName=function, UpdateRuntimeOn="Manual")[0] == "InvalidParameterValueException"
    assert error_of(put, FunctionName=function, UpdateRuntimeOn="Auto", RuntimeVersionArn=VERSION)[0] == "InvalidParameterValueException"
    assert error_of(put, FunctionName=function, UpdateRuntimeOn="Never")[0] == "ValidationException"
    assert error_of(put, FunctionName=function, Qualifier="live", UpdateRuntimeOn="Auto")[0] == "InvalidParameterValueException"
    assert error_of(get, FunctionName=function, Qualifier="9") == ("ResourceNotFoundException", f"Function not found: {arn}:9")
    assert error_of(get, FunctionName=function + "-no") == ("ResourceNotFoundException", f"Function not found: {arn}-no")


def test_recursion(client, function):
    arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    get, put = client.get_function_recursion_config, client.put_function_recursion_config
    assert without(get(FunctionName=function)) == {"RecursiveLoop": "Terminate"}
    assert without(put(FunctionName=function, RecursiveLoop="Allow")) == {"RecursiveLoop": "Allow"}
    assert without(get(FunctionName=arn)) == {"RecursiveLoop": "Allow"}
    put(FunctionName=function, RecursiveLoop="Terminate")
    assert without(get(FunctionName=function)) == {"RecursiveLoop": "Terminate"}
    assert error_of(get, FunctionName=function + "-no") == ("ResourceNotFoundException", f"Function not found: {arn}-no")
    assert error_of(put, FunctionName=function, RecursiveLoop="Sometimes")[1].endswith("enum value set: [Terminate, Allow]")
