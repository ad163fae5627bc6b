"""The front door through boto3 and plain HTTP: lifecycles, shapes, and everything that is refused, in AWS's words."""
import base64
import hashlib
import io
import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import zipfile

import pytest
from botocore.exceptions import ClientError

from daemon import ROLE, SLOW, archive

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def refused(code, call, *args, **kwargs):
    """The error of a call that must fail with that code."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response


@pytest.fixture
def made(client, stoke, name):
    client.create_function(**stoke.function(name))
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return name


# ---- lifecycles and shapes

def test_create_answers_pending_then_active(client, stoke, name):
    parameters = stoke.function(name, Environment={"Variables": {"FIRST": "1"}}, Tags={"team": "x"})
    answer = client.create_function(**parameters)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    zipped = parameters["Code"]["ZipFile"]
    expected = {
        "FunctionName": name, "FunctionArn": ARN + name, "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler",
        "CodeSize": len(zipped), "CodeSha256": base64.b64encode(hashlib.sha256(zipped).digest()).decode(), "Description": "",
        "Timeout": 3, "MemorySize": 128, "Version": "$LATEST", "TracingConfig": {"Mode": "PassThrough"}, "State": "Pending",
        "StateReason": "The function is being created.", "StateReasonCode": "Creating", "PackageType": "Zip",
        "Architectures": ["x86_64"], "EphemeralStorage": {"Size": 512}, "Environment": {"Variables": {"FIRST": "1"}},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }
    assert {k: answer.get(k) for k in expected} == expected
    assert set(answer) - set(expected) == {"ResponseMetadata", "LastModified", "RevisionId", "RuntimeVersionConfig"}
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    now = client.get_function(FunctionName=name)
    assert now["Tags"] == {"team": "x"} == client.list_tags(Resource=ARN + name)["Tags"]
    assert now["Configuration"]["LastUpdateStatus"] == "Successful"
    assert now["Configuration"]["RevisionId"] != answer["RevisionId"]
    assert "StateReason" not in now["Configuration"]


def test_code_location_gives_the_archive(client, stoke, name):
    parameters = stoke.function(name)
    client.create_function(**parameters)
    location = client.get_function(FunctionName=name)["Code"]["Location"]
    assert urllib.request.urlopen(location).read() == parameters["Code"]["ZipFile"]
    for spoilt in (location[:-1] + ("0" if location[-1] != "0" else "1"), location.split("?")[0],
                   location.replace("expires=", "expires=9")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(spoilt)
        assert caught.value.code == 403


def test_update_configuration(client, made):
    before = client.get_function_configuration(FunctionName=made)
    answer = client.update_function_configuration(FunctionName=made, MemorySize=256, Timeout=9, Description="d",
                                                  Environment={"Variables": {"SECOND": "2"}})
    assert answer["LastUpdateStatus"] == "InProgress" and answer["LastUpdateStatusReasonCode"] == "Creating"
    client.get_waiter("function_updated_v2").wait(FunctionName=made)
    after = client.get_function_configuration(FunctionName=made)
    assert (after["MemorySize"], after["Timeout"], after["Description"]) == (256, 9, "d")
    assert after["Environment"] == {"Variables": {"SECOND": "2"}}
    assert after["Handler"] == before["Handler"] and after["CodeSha256"] == before["CodeSha256"]
    assert len({before["RevisionId"], answer["RevisionId"], after["RevisionId"]}) == 3
    stale = refused("PreconditionFailedException", client.update_function_configuration, FunctionName=made, Timeout=4,
                    RevisionId=before["RevisionId"])
    assert stale["ResponseMetadata"]["HTTPStatusCode"] == 412
    client.update_function_configuration(FunctionName=made, Timeout=4, RevisionId=after["RevisionId"])


def test_update_code_and_dry_run(client, made):
    before = client.get_function_configuration(FunctionName=made)
    other = archive({"app.py": "def handler(e, c): return 2\n"})
    dry = client.update_function_code(FunctionName=made, ZipFile=other, DryRun=True)
    assert dry["CodeSize"] == len(other)
    assert client.get_function_configuration(FunctionName=made)["CodeSha256"] == before["CodeSha256"]
    answer = client.update_function_code(FunctionName=made, ZipFile=other)
    assert answer["LastUpdateStatus"] == "InProgress"
    client.get_waiter("function_updated_v2").wait(FunctionName=made)
    assert client.get_function_configuration(FunctionName=made)["CodeSha256"] == answer["CodeSha256"] != before["CodeSha256"]


def test_delete(client, made):
    assert client.delete_function(FunctionName=made)["ResponseMetadata"]["HTTPStatusCode"] == 204
    gone = refused("ResourceNotFoundException", client.get_function, FunctionName=made)
    assert gone["Message"] == f"Function not found: {ARN}{made}" and gone["Type"] == "User"
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_list_is_paged_in_order(stoke):
    client = stoke.client(account="111122223333")
    names = [f"page-{i:02d}" for i in range(7)]
    for n in reversed(names):
        client.create_function(**stoke.function(n))
    pages = list(client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(p["Functions"]) for p in pages] == [3, 3, 1]
    assert [f["FunctionName"] for p in pages for f in p["Functions"]] == names
    listed = pages[0]["Functions"][0]
    assert not {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & set(listed)
    everything = client.list_functions(FunctionVersion="ALL")["Functions"]
    assert everything[0]["FunctionArn"].endswith(":$LATEST")
    versions = client.list_versions_by_function(FunctionName=names[0])["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST"]
    refused("InvalidParameterValueException", client.list_functions, Marker="bm9uZQ==")
    assert client.list_functions(FunctionVersion="ALL", MasterRegion="ALL")["Functions"] == everything
    assert client.list_functions(FunctionVersion="ALL", MasterRegion="us-east-1")["Functions"] == []  # replicas of Lambda@Edge's
    usage = client.get_account_settings()["AccountUsage"]
    assert usage["FunctionCount"] == 7 and usage["TotalCodeSize"] == 7 * listed["CodeSize"]


def test_accounts_and_regions_are_apart(stoke, name):
    stoke.client(account="111111111111").create_function(**stoke.function(name))
    refused("ResourceNotFoundException", stoke.client(account="222222222222").get_function, FunctionName=name)
    refused("ResourceNotFoundException", stoke.client(account="111111111111", region="eu-west-1").get_function, FunctionName=name)
    assert stoke.client("sts", account="111111111111").get_caller_identity()["Account"] == "111111111111"
    assert stoke.client("sts", account="anything").get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    other, arn = stoke.client(account="222222222222"), f"arn:aws:lambda:us-east-1:111111111111:function:{name}"
    for call, action, params, named in (
            (other.get_function, "GetFunction", {"FunctionName": arn}, arn),
            (other.get_function, "GetFunction", {"FunctionName": f"111111111111:function:{name}"}, arn),
            (other.invoke, "InvokeFunction", {"FunctionName": arn, "Qualifier": "live"}, arn + ":live"),
            (other.invoke, "InvokeFunction", {"FunctionName": arn + ":1"}, arn + ":1"),
            (other.create_function, "CreateFunction", stoke.function(arn), arn),
            (other.list_tags, "ListTags", {"Resource": arn}, arn)):
        assert refused("AccessDeniedException", call, **params)["Error"]["Message"] == (
            f"User: arn:aws:iam::222222222222:root is not authorized to perform: lambda:{action} on resource: {named} because no "
            f"resource-based policy allows the lambda:{action} action")


def test_names_in_every_form(client, made):
    for form in (made, "function:" + made, "000000000000:function:" + made, ARN + made, made + ":$LATEST"):
        assert client.get_function_configuration(FunctionName=form)["FunctionName"] == made
    qualified = client.get_function_configuration(FunctionName=made, Qualifier="$LATEST")
    assert qualified["FunctionArn"] == ARN + made + ":$LATEST"
    absent = refused("ResourceNotFoundException", client.get_function, FunctionName=made, Qualifier="7")
    assert absent["Message"] == f"Function not found: {ARN}{made}:7"
    refused("InvalidParameterValueException", client.get_function, FunctionName=made + ":1", Qualifier="2")
    wrong = refused("ResourceNotFoundException", client.get_function,
                    FunctionName=ARN.replace("us-east-1", "eu-central-1") + made)
    assert wrong["Message"] == "Functions from 'eu-central-1' are not reachable in this region ('us-east-1')"


def test_what_terraform_reads(client, made):
    assert "FunctionName" not in client.get_function_code_signing_config(FunctionName=made)
    refused("ResourceNotFoundException", client.get_policy, FunctionName=made)
    refused("ResourceNotFoundException", client.get_function_code_signing_config, FunctionName="nobody")
    refused("InvalidParameterValueException", client.list_tags, Resource=ARN + made + ":live")


def test_log_levels_are_for_json(client, stoke, made, name):
    update = client.update_function_configuration
    for logging in ({"ApplicationLogLevel": "INFO"}, {"LogFormat": "Text", "SystemLogLevel": "WARN"}):
        for call, params in ((update, {"FunctionName": made}), (client.create_function, stoke.function(name + "-other"))):
            assert refused("InvalidParameterValueException", call, LoggingConfig=logging, **params)["Error"]["Message"] == (
                'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to '
                '"Json" and try again.')


def test_logging_config(client, made):
    answer = client.update_function_configuration(FunctionName=made, LoggingConfig={"LogFormat": "JSON"})
    assert answer["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": f"/aws/lambda/{made}", "ApplicationLogLevel": "INFO",
                                       "SystemLogLevel": "INFO"}
    client.get_waiter("function_updated_v2").wait(FunctionName=made)
    answer = client.update_function_configuration(FunctionName=made, LoggingConfig={"LogFormat": "Text", "LogGroup": "mine"})
    assert answer["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "mine"}


# ---- what is refused

def test_create_twice(client, stoke, made):
    error = refused("ResourceConflictException", client.create_function, **stoke.function(made))
    assert error["Error"]["Message"] == f"Function already exist: {made}"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_concurrent_creates_make_one(stoke, name):
    outcomes = []

    def create():
        try:
            outcomes.append(stoke.client().create_function(**stoke.function(name))["FunctionName"])
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=create) for _ in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(outcomes) == sorted([name] + ["ResourceConflictException"] * 5)


BAD_ARCHIVES = {
    "no zip": (b"this is no zip", "Could not unzip uploaded file. Please check your file, then try to upload again."),
    "empty": (b"PK\x05\x06" + bytes(18), "Uploaded file must be a non-empty zip"),
    "cut": (archive({"app.py": "x" * 5000})[:-40], "Could not unzip uploaded file. Please check your file, then try to upload again."),
    "traversal": (archive({"../app.py": "x"}), "../app.py"),
    "absolute": (archive({"/etc/app.py": "x"}), "/etc/app.py"),
}


@pytest.mark.parametrize("kind", BAD_ARCHIVES)
def test_bad_archives(client, stoke, name, kind):
    data, words = BAD_ARCHIVES[kind]
    error = refused("InvalidParameterValueException", client.create_function,
                    **{**stoke.function(name), "Code": {"ZipFile": data}})
    message = error["Error"]["Message"]
    assert words in message if words.endswith("app.py") else words == message
    refused("ResourceNotFoundException", client.get_function, FunctionName=name)


def test_archive_that_unpacks_too_large(client, stoke, name):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("big", b"\0" * (251 << 20))
    error = refused("InvalidParameterValueException", client.create_function,
                    **{**stoke.function(name), "Code": {"ZipFile": packed.getvalue()}})
    assert error["Error"]["Message"] == "Unzipped size must be smaller than 262144000 bytes"


def test_request_that_is_too_large(client, stoke, name):
    """Beyond what the server takes at all: the client, which sends everything before it looks, gets its answer nevertheless."""
    error = refused("RequestEntityTooLargeException", client.create_function,
                    **{**stoke.function(name), "Code": {"ZipFile": bytes(60 << 20)}})
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_configuration_that_is_too_large(client, made):
    variables = {"AB": "x" * 5200}
    error = refused("RequestEntityTooLargeException", client.update_function_configuration, FunctionName=made,
                    Environment={"Variables": variables})
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert error["Error"]["Message"] == "Request must be smaller than 5120 bytes for the UpdateFunctionConfiguration operation"


def test_an_image_for_a_zip(client, made):
    assert refused("InvalidParameterValueException", client.update_function_code, FunctionName=made, ImageUri="i")["Error"]["Message"] == (
        "Please don't provide ImageUri when updating a function with packageType Zip.")


def test_create_refusals(client, stoke, name):
    base = stoke.function(name)
    without = lambda key: {k: v for k, v in base.items() if k != key}
    refused("InvalidParameterValueException", client.create_function, **without("Runtime"))
    refused("InvalidParameterValueException", client.create_function, **without("Handler"))
    refused("ValidationException", client.create_function, **without("Role"))
    refused("ValidationException", client.create_function, **{**base, "Role": "nobody"})
    refused("ValidationException", client.create_function, **{**base, "Timeout": 0})
    refused("ValidationException", client.create_function, **{**base, "FunctionName": "no/name"})
    refused("InvalidParameterValueException", client.create_function, **{**base, "Runtime": "cobol85"})
    retired = refused("InvalidParameterValueException", client.create_function, **{**base, "Runtime": "python2.7"})
    assert "is no longer supported for creating or updating AWS Lambda functions" in retired["Error"]["Message"]
    big = refused("InvalidParameterValueException", client.create_function,
                  **{**base, "Environment": {"Variables": {"LARGE_VAR": "x" * 4090}}})
    assert big["Error"]["Message"].startswith("Lambda was unable to configure your environment variables because the environment "
                                              'variables you have provided exceeded the 4KB limit. String measured: {"LARGE_VAR":"xx')
    reserved = refused("InvalidParameterValueException", client.create_function,
                       **{**base, "Environment": {"Variables": {"AWS_REGION": "x", "FINE": "y"}}})
    assert reserved["Error"]["Message"].endswith("Reserved keys used in this request: AWS_REGION")
    layer = "arn:aws:lambda:us-east-1:000000000000:layer:l:1"
    assert layer in refused("InvalidParameterValueException", client.create_function, **{**base, "Layers": [layer]})["Error"]["Message"]
    refused("ResourceNotFoundException", client.get_function, FunctionName=name)


@pytest.mark.parametrize("more", [
    {"Code": {"S3Bucket": "bucket", "S3Key": "key"}}, {"Code": {"ImageUri": "x"}}, {"PackageType": "Image"},
    {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, {"KMSKeyArn": "arn:aws:kms:us-east-1:1:key/x"},
    {"FileSystemConfigs": [{"Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-01234567890123456",
                            "LocalMountPath": "/mnt/x"}]},
], ids=lambda more: "-".join(more))
def test_unavailable_is_named(client, stoke, name, more):
    error = refused("NotImplemented", client.create_function, **{**stoke.function(name), **more})
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert " is not implemented in Stoke: " in error["Error"]["Message"]
    refused("ResourceNotFoundException", client.get_function, FunctionName=name)


def test_operations_not_implemented_are_named(client, made):
    error = refused("NotImplemented", client.list_capacity_providers)
    assert "ListCapacityProviders" in error["Error"]["Message"]


def test_invoke_refusals(client, made):
    refused("ResourceNotFoundException", client.invoke, FunctionName="nobody")
    bad = refused("InvalidRequestContentException", client.invoke, FunctionName=made, Payload=b'{"a": nope}')
    assert bad["Error"]["Message"].startswith("Could not parse request body into json: ")
    refused("InvalidRequestContentException", client.invoke, FunctionName=made, ClientContext="e30x", Payload=b"{}")
    refused("NotImplemented", client.invoke, FunctionName=made, InvocationType="Event")
    large = refused("RequestEntityTooLargeException", client.invoke, FunctionName=made, Payload=b'"' + b"x" * 6291456 + b'"')
    assert large["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert large["Error"]["Message"] == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    assert client.invoke(FunctionName=made, InvocationType="DryRun")["StatusCode"] == 204


def test_runtime_that_is_missing(client, stoke, name):
    client.create_function(**{**stoke.function(name), "Runtime": "java21", "Handler": "a.B::c"})
    now = client.get_function_configuration(FunctionName=name)
    assert (now["State"], now["StateReasonCode"]) == ("Failed", "InvalidRuntime")
    assert "java" in now["StateReason"].lower()
    changing = client.update_function_configuration(FunctionName=name, Timeout=4)  # which does not make it run meanwhile
    assert (changing["State"], changing["StateReasonCode"], changing["LastUpdateStatus"]) == ("Failed", "InvalidRuntime", "InProgress")
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    changing = client.update_function_configuration(FunctionName=name, Runtime="python3.11", Handler="app.handler")
    assert (changing["State"], changing["LastUpdateStatus"]) == ("Failed", "InProgress")
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    now = client.get_function_configuration(FunctionName=name)
    assert now["State"] == "Active" and not {"StateReason", "StateReasonCode"} & set(now)
    assert json.load(client.invoke(FunctionName=name, Payload=b"7")["Payload"]) == 7
    refused("InvalidParameterValueException", client.create_function, **{**stoke.function(name), "Runtime": "java"})


# ---- plain HTTP

def post(stoke, body, path="/2015-03-31/functions", **headers):
    return stoke.request("POST", path, body, {"Content-Type": "application/json", **headers})


def test_broken_requests(stoke):
    assert post(stoke, b"{nope")[0] == 400
    assert post(stoke, b"[]")[0] == 400
    assert post(stoke, b'{"FunctionName": 7, "Role": [], "Code": {}}')[0] == 400
    status, headers, body = post(stoke, b"{}")
    assert status == 400 and headers["x-amzn-errortype"].startswith("ValidationException")
    assert "validation errors detected" in json.loads(body)["message"]
    assert stoke.request("GET", "/2015-03-31/nothing")[0] in (403, 404)
    assert stoke.request("GET", "/_stoke/nothing")[0] == 404
    assert stoke.request("GET", "/_stoke/health")[0] == 200


def test_bad_base64(stoke, name):
    status, headers, _ = post(stoke, {"FunctionName": name, "Runtime": "python3.11", "Handler": "a.b", "Role": ROLE,
                                      "Code": {"ZipFile": "*not base64*"}})
    assert status == 400 and headers["x-amzn-errortype"] == "SerializationException"


def test_foreign_origins_and_names_are_turned_away(stoke):
    own = f"127.0.0.1:{stoke.port}"
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": f"http://127.0.0.1:{stoke.port + 1}"},
                    {"Host": "evil.example"}, {"Host": f"evil.example:{stoke.port}"}, {"Host": "localhost.evil.example"},
                    {"Origin": "http://evil.example", "Host": "evil.example"}):
        for method in ("GET", "POST", "OPTIONS"):
            status, answer, _ = stoke.request(method, "/_stoke/health", headers=headers)
            assert status == 403, (method, headers)
            assert "access-control-allow-origin" not in answer
    for headers in ({}, {"Host": own}, {"Host": "localhost"}, {"Host": "stoke.localhost:80"}, {"Origin": f"http://{own}"}):
        assert stoke.request("GET", "/_stoke/health", headers=headers)[0] == 200, headers


def test_allowed_origins_and_names(make_stoke):
    stoke = make_stoke(config={"http.origins": "http://localhost:3000, https://app.example", "http.hosts": "stoke.test, .below.test"})
    for host in ("stoke.test", "a.below.test:4566"):
        assert stoke.request("GET", "/_stoke/health", headers={"Host": host})[0] == 200
    assert stoke.request("GET", "/_stoke/health", headers={"Host": "below.test.evil"})[0] == 403
    status, headers, _ = stoke.request("GET", "/_stoke/health", headers={"Origin": "https://app.example"})
    assert (status, headers["access-control-allow-origin"]) == (200, "https://app.example")
    status, headers, _ = stoke.request("OPTIONS", "/2015-03-31/functions/x/invocations", headers={
        "Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"})
    assert status == 204 and "POST" in headers["access-control-allow-methods"]


def test_half_sent_request_and_clients_that_leave(stoke):
    zipped = base64.b64encode(archive({"app.py": os.urandom(200000).hex()})).decode()
    body = json.dumps({"FunctionName": "left", "Runtime": "python3.11", "Handler": "a.b", "Role": ROLE,
                       "Code": {"ZipFile": zipped}}).encode()
    head = (f"POST /2015-03-31/functions HTTP/1.1\r\nHost: 127.0.0.1:{stoke.port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    for cut in (10, len(head), len(head) + 1000, len(head) + len(body)):
        with socket.create_connection(("127.0.0.1", stoke.port)) as s:
            s.sendall((head + body)[:cut])
        assert stoke.request("GET", "/_stoke/health")[0] == 200
    end = time.monotonic() + 10 * SLOW  # the whole request arrived: its client left, its function was made
    while stoke.request("GET", "/2015-03-31/functions/left")[0] != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


# ---- the daemon

def test_archives_that_nobody_uses_leave_the_disk(make_stoke):
    stoke = make_stoke()
    client = stoke.client()
    blobs = lambda: set(os.listdir(stoke.data + "/blobs"))
    code = [archive({"app.py": f"# {i}\n"}) for i in range(3)]
    digest = [hashlib.sha256(c).hexdigest() for c in code]
    client.create_function(**{**stoke.function("one"), "Code": {"ZipFile": code[0]}})
    client.create_function(**{**stoke.function("two"), "Code": {"ZipFile": code[1]}})
    client.update_function_code(FunctionName="one", ZipFile=code[1])
    client.get_waiter("function_updated_v2").wait(FunctionName="one")
    client.update_function_code(FunctionName="one", ZipFile=code[2])
    client.delete_function(FunctionName="two")
    client.create_function(**{**stoke.function("three"), "Code": {"ZipFile": code[1]}})  # again, while it is about to go
    end = time.monotonic() + 30 * SLOW
    while blobs() != {digest[1], digest[2]}:
        assert time.monotonic() < end, (blobs(), digest)
        time.sleep(0.1)
    for name, i in (("one", 2), ("three", 1)):
        assert urllib.request.urlopen(client.get_function(FunctionName=name)["Code"]["Location"]).read() == code[i]


def test_restart_finds_everything(make_stoke):
    stoke = make_stoke()
    client = stoke.client()
    for i in range(5):
        client.create_function(**stoke.function(f"kept-{i}", {"app.py": f"# {i}\n"}, Tags={"n": str(i)}))
    before = [client.get_function(FunctionName=f"kept-{i}")["Configuration"] for i in range(5)]
    stoke.process.kill()
    stoke.process.wait()
    stoke.start()
    after = [client.get_function(FunctionName=f"kept-{i}") for i in range(5)]
    assert [a["Configuration"] for a in after] == before
    assert [a["Tags"] for a in after] == [{"n": str(i)} for i in range(5)]
    assert urllib.request.urlopen(after[0]["Code"]["Location"]).status == 200


def test_second_daemon_on_the_same_data_is_refused(make_stoke):
    stoke = make_stoke()
    with pytest.raises(RuntimeError, match=rf"another stoked \(pid {stoke.process.pid}\) is using the data directory"):
        make_stoke(data=stoke.data)
    taken = subprocess.run([stoke.build / "stoked", "--listen", f"127.0.0.1:{stoke.port}", "--data", stoke.dir + "/other"],
                           capture_output=True, text=True, timeout=30 * SLOW)
    assert taken.returncode == 1 and "another program is listening" in taken.stderr
    assert stoke.request("GET", "/_stoke/health")[0] == 200


@pytest.mark.parametrize("config, words", [
    ({"network": "public"}, "network = public is not available"),
    ({"colour": "red"}, "no setting 'colour'"), ({"user": "root"}, "does not run as root"),
])
def test_configuration_that_is_refused(make_stoke, config, words):
    if "user" in config and os.geteuid() != 0:
        pytest.skip("needs root: to become another user")
    with pytest.raises(RuntimeError, match=words):
        make_stoke(config=config)


def test_data_directory_of_somebody_else(make_stoke, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(RuntimeError, match="has files in it that are not Stoke's"):
        make_stoke(data=str(tmp_path))
    assert (tmp_path / "letter.txt").exists()


def test_data_directory_out_of_reach(make_stoke, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: stoked changes its user only then")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(RuntimeError, match="may not enter .* on the way to the data directory"):
        make_stoke(data=str(closed / "data"))


def test_daemon_holds_no_privilege(stoke):
    if os.geteuid() != 0:
        pytest.skip("needs root: stoked has no privileges to drop without")
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{stoke.process.pid}/status").read().splitlines() if ":\t" in line)
    assert status["Uid"].split() == [status["Uid"].split()[0]] * 4 and status["Uid"].split()[0] != "0"
    assert [int(status[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [0] * 5
    assert status["NoNewPrivs"] == "1" and status["Groups"].strip() == ""
    assert os.stat(stoke.data).st_mode & 0o777 == 0o700


def test_health(stoke):
    health = json.loads(stoke.request("GET", "/_stoke/health")[2])
    assert health["ready"] is True and health["network"] == "isolated" and health["functionsEndpoint"] == "invoke"
    assert health["host"]["cgroup version"] in (0, 1, 2) and isinstance(health["host"]["missing"], list)
    assert f"stoke ready on {stoke.endpoint}, data in {stoke.data}" in stoke.log()
