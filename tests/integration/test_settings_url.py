"""Function URL configurations through boto3: the records; nothing answers there yet."""
import re
import threading

from botocore.exceptions import ClientError
from conftest import error_of, without

CORS = {"AllowOrigins": ["https://example.com"], "AllowMethods": ["GET"], "AllowCredentials": True, "MaxAge": 60}


def test_life(client, function):
    arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    made = client.create_function_url_config(FunctionName=function, AuthType="NONE", Cors=CORS)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert without(made, "FunctionUrl", "CreationTime") == {"FunctionArn": arn, "AuthType": "NONE", "Cors": CORS, "InvokeMode": "BUFFERED"}
    assert re.fullmatch(r"http://[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:\d+/", made["FunctionUrl"]), made["FunctionUrl"]
    got = client.get_function_url_config(FunctionName=arn)
    assert without(got, "LastModifiedTime") == without(made) and got["LastModifiedTime"] == made["CreationTime"]
    changed = client.update_function_url_config(FunctionName=function, AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM", Cors={})
    assert changed["FunctionUrl"] == made["FunctionUrl"] and changed["CreationTime"] == made["CreationTime"]
    assert (changed["AuthType"], changed["InvokeMode"], "Cors" in changed) == ("AWS_IAM", "RESPONSE_STREAM", False)
    other = client.create_function_url_config(FunctionName=function, Qualifier="live", AuthType="NONE")
    assert other["FunctionArn"] == arn + ":live" and other["FunctionUrl"] != made["FunctionUrl"]
    listed = client.list_function_url_configs(FunctionName=function)["FunctionUrlConfigs"]
    assert sorted(u["FunctionUrl"] for u in listed) == sorted([made["FunctionUrl"], other["FunctionUrl"]])
    client.delete_function_url_config(FunctionName=function)
    assert error_of(client.get_function_url_config, FunctionName=function) == (
        "ResourceNotFoundException", "The resource you requested does not exist.")
    client.delete_alias(FunctionName=function, Name="live")
    assert client.list_function_url_configs(FunctionName=function)["FunctionUrlConfigs"] == []


def test_the_host_is_the_one_that_was_called(make_stoke, name):
    stoke = make_stoke(config={"http.hosts": "stoke.example"})
    stoke.client().create_function(**stoke.function(name))
    headers = {"Content-Type": "application/json", "Host": f"stoke.example:{stoke.port}"}
    status, _, body = stoke.request("POST", f"/2021-10-31/functions/{name}/url", {"AuthType": "NONE"}, headers)
    assert status == 201 and f".lambda-url.us-east-1.stoke.example:{stoke.port}/" in body.decode()


def test_errors(client, function):
    arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    client.create_function_url_config(FunctionName=function, AuthType="NONE")
    assert error_of(client.create_function_url_config, FunctionName=function, AuthType="NONE") == (
        "ResourceConflictException", f"Failed to create function url config for [functionArn = {arn}]. Error message:  "
        "FunctionUrlConfig exists for this Lambda function")
    for params in [{"FunctionName": "absent"}, {"FunctionName": function, "Qualifier": "no"}]:
        for call in (client.create_function_url_config, client.update_function_url_config):
            assert error_of(call, AuthType="NONE", **params) == ("ResourceNotFoundException", "Function does not exist")
        assert error_of(client.delete_function_url_config, **params)[1] == "The resource you requested does not exist."
    for qualifier in ["1", "$LATEST"]:
        code, message = error_of(client.get_function_url_config, FunctionName=function, Qualifier=qualifier)
        assert code == "ValidationException" and f"Value '{qualifier}' at 'qualifier'" in message
    assert error_of(client.create_function_url_config, FunctionName=function, AuthType="SOME")[0] == "ValidationException"
    assert error_of(client.list_function_url_configs, FunctionName="absent")[1] == "Function does not exist"


def test_one_winner(stoke, client, function):
    results = []

    def create():
        try:
            results.append(stoke.client().create_function_url_config(FunctionName=function, AuthType="NONE")["FunctionUrl"])
        except ClientError as error:
            results.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=create) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("ResourceConflictException") == 15
    assert client.get_function_url_config(FunctionName=function)["FunctionUrl"] in results


def test_the_id_stays(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    client.create_function(**stoke.function(name))
    url = client.create_function_url_config(FunctionName=name, AuthType="NONE", Cors=CORS)["FunctionUrl"]
    stoke.process.kill()
    stoke.process.wait()
    stoke.start()
    got = client.get_function_url_config(FunctionName=name)
    assert got["FunctionUrl"] == url and got["Cors"] == CORS
