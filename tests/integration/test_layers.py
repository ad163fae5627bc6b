"""Layers as boto3 sees them: published, listed, shared, used by functions, and gone."""
import base64
import concurrent.futures
import hashlib
import io
import json
import os
import signal
import urllib.request
import zipfile

import pytest
from botocore.exceptions import ClientError
from conftest import ROLE, archive

MB = 1 << 20
ACCOUNT, OTHER = "000000000000", "222222222222"


def refused(code, call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response
    assert error["Error"]["Code"] == code, error
    return error["Error"]["Message"]


def publish(client, name, files=None, **more):
    return client.publish_layer_version(LayerName=name, Content={"ZipFile": archive(files or {"a.txt": "a"})}, **more)


def arn(name, version=None, region="us-east-1", account=ACCOUNT):
    return f"arn:aws:lambda:{region}:{account}:layer:{name}" + (f":{version}" if version else "")


def invoke(client, name):
    answer = client.invoke(FunctionName=name)
    body = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return body


def big(megabytes):
    """An archive that unpacks to that much."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        with z.open("zeros", "w") as f:
            for _ in range(megabytes):
                f.write(bytes(MB))
    return out.getvalue()


READ = """
import os
def handler(event, context):
    found = {}
    for folder, _, files in os.walk("/opt"):
        for f in files:
            path = os.path.join(folder, f)
            found[path] = open(path).read()
    return found
"""


def test_publish_and_read(client, name):
    zipped = archive({"python/m.py": "x = 1"})
    first = client.publish_layer_version(LayerName=name, Content={"ZipFile": zipped}, Description="d", LicenseInfo="MIT",
                                         CompatibleRuntimes=["python3.11", "python3.12"], CompatibleArchitectures=["x86_64"])
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (first["Version"], first["LayerArn"], first["LayerVersionArn"]) == (1, arn(name), arn(name, 1))
    assert first["Content"]["CodeSize"] == len(zipped)
    assert first["Content"]["CodeSha256"] == base64.b64encode(hashlib.sha256(zipped).digest()).decode()
    assert urllib.request.urlopen(first["Content"]["Location"]).read() == zipped
    got = client.get_layer_version(LayerName=name, VersionNumber=1)
    by_arn = client.get_layer_version_by_arn(Arn=arn(name, 1))
    by_layer_arn = client.get_layer_version(LayerName=arn(name), VersionNumber=1)
    for answer in (first, got, by_arn, by_layer_arn):
        answer.pop("ResponseMetadata")
        answer["Content"].pop("Location")
    assert first == got == by_arn == by_layer_arn
    second = publish(client, name)
    assert (second["Version"], second["Description"]) == (2, "")
    assert not {"LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures"} & set(second)


def test_lists_filter_and_page(stoke):
    client = stoke.client(account="333333333333")
    for i in range(3):
        publish(client, f"layer-{i}", CompatibleRuntimes=["python3.11"], CompatibleArchitectures=["arm64"])
        publish(client, f"layer-{i}", CompatibleRuntimes=["nodejs20.x"])
    layers = client.list_layers()["Layers"]
    assert [(l["LayerName"], l["LatestMatchingVersion"]["Version"]) for l in layers] == [(f"layer-{i}", 2) for i in range(3)]
    assert "Content" not in layers[0]["LatestMatchingVersion"]
    matching = client.list_layers(CompatibleRuntime="python3.11")["Layers"]
    assert [l["LatestMatchingVersion"]["Version"] for l in matching] == [1, 1, 1]
    assert client.list_layers(CompatibleRuntime="python3.11", CompatibleArchitecture="x86_64")["Layers"] == []
    assert [v["Version"] for v in client.list_layer_versions(LayerName="layer-0")["LayerVersions"]] == [2, 1]
    assert [v["Version"] for v in client.list_layer_versions(LayerName="layer-0", CompatibleArchitecture="arm64")["LayerVersions"]] == [1]
    assert client.list_layer_versions(LayerName="nothing")["LayerVersions"] == []
    for paginator, params, key, count in (("list_layers", {}, "Layers", 3), ("list_layer_versions", {"LayerName": "layer-1"}, "LayerVersions", 2)):
        pages = list(client.get_paginator(paginator).paginate(PaginationConfig={"PageSize": 1}, **params))
        assert [len(p[key]) for p in pages] == [1] * count
        items = [json.dumps(i, sort_keys=True) for p in pages for i in p[key]]
        assert len(set(items)) == count
    assert stoke.client(account="333333333333", region="eu-west-1").list_layers()["Layers"] == []


def test_numbers_are_used_once(client, name):
    assert [publish(client, name)["Version"] for _ in range(2)] == [1, 2]
    for version in (2, 1, 1, 7):
        assert client.delete_layer_version(LayerName=name, VersionNumber=version)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert name not in [l["LayerName"] for p in client.get_paginator("list_layers").paginate() for l in p["Layers"]]
    assert publish(client, name)["Version"] == 3


def test_refusals(stoke, client, name):
    gone = "The resource you requested does not exist."
    publish(client, name)
    assert refused("ResourceNotFoundException", client.get_layer_version, LayerName="no-" + name, VersionNumber=1) == gone
    assert refused("ResourceNotFoundException", client.get_layer_version, LayerName=name, VersionNumber=2) == gone
    assert refused("ResourceNotFoundException", client.get_layer_version_by_arn, Arn=arn(name, 9)) == gone
    for call in (client.get_layer_version, client.delete_layer_version):
        assert refused("InvalidParameterValueException", call, LayerName=name, VersionNumber=0) == "Layer Version Cannot be less than 1"
    message = refused("ValidationException", client.get_layer_version_by_arn, Arn=arn(name))
    assert f"Value '{arn(name)}' at 'arn' failed to satisfy constraint: Member must satisfy regular expression pattern: " in message
    message = refused("ValidationException", client.publish_layer_version, LayerName=name, Content={"ZipFile": archive({"a": "a"})},
                      CompatibleRuntimes=["cobol"], CompatibleArchitectures=["vax"])
    assert message.startswith("2 validation errors detected: ") and "at 'compatibleRuntimes'" in message
    assert "Value '[vax]' at 'compatibleArchitectures'" in message
    assert "S3" in refused("NotImplemented", client.publish_layer_version, LayerName=name, Content={"S3Bucket": "bucket", "S3Key": "k"})
    refused("InvalidParameterValueException", client.publish_layer_version, LayerName=name, Content={"ZipFile": b"no zip"})
    refused("InvalidParameterValueException", client.publish_layer_version, LayerName=name, Content={})
    assert refused("InvalidParameterValueException", client.publish_layer_version, LayerName=name,
                   Content={"ZipFile": big(251)}) == "Unzipped size must be smaller than 262144000 bytes"
    other = stoke.client(account=OTHER)
    for call, params in ((other.publish_layer_version, {"Content": {"ZipFile": archive({"a": "a"})}}), (other.list_layer_versions, {}),
                         (other.delete_layer_version, {"VersionNumber": 1}), (other.get_layer_version_policy, {"VersionNumber": 1})):
        assert "is not authorized to perform: lambda:" in refused("AccessDeniedException", call, LayerName=arn(name), **params)
    assert client.get_layer_version(LayerName=name, VersionNumber=1)["Version"] == 1


def test_functions_see_layers_in_order(stoke, client, name):
    publish(client, name + "-a", {"both": "a", "dir/a": "a", "python/lib_a.py": "A = 'a'"})
    publish(client, name + "-b", {"both": "b", "dir/b": "b", "python/lib_a.py": "A = 'b'"})
    layers = [arn(name + "-a", 1), arn(name + "-b", 1)]
    made = client.create_function(**stoke.function(name, {"app.py": READ}, Layers=layers))
    assert [l["Arn"] for l in made["Layers"]] == layers
    assert all(set(l) == {"Arn", "CodeSize"} for l in made["Layers"])
    assert made["Layers"][0]["CodeSize"] == client.get_layer_version(LayerName=name + "-a", VersionNumber=1)["Content"]["CodeSize"]
    assert invoke(client, name) == {"/opt/both": "b", "/opt/dir/a": "a", "/opt/dir/b": "b", "/opt/python/lib_a.py": "A = 'b'"}
    changed = client.update_function_configuration(FunctionName=name, Layers=layers[::-1])
    assert [l["Arn"] for l in changed["Layers"]] == layers[::-1]
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert invoke(client, name)["/opt/both"] == "a"
    client.update_function_configuration(FunctionName=name, Description="layers stay")
    assert [l["Arn"] for l in client.get_function_configuration(FunctionName=name)["Layers"]] == layers[::-1]
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    version = client.publish_version(FunctionName=name)
    assert [l["Arn"] for l in version["Layers"]] == layers[::-1]
    assert "Layers" not in client.update_function_configuration(FunctionName=name, Layers=[])
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert invoke(client, name) == {}
    assert [l["Arn"] for f in client.list_versions_by_function(FunctionName=name)["Versions"] for l in f.get("Layers", [])] == layers[::-1]
    assert json.loads(client.invoke(FunctionName=name, Qualifier="1")["Payload"].read())["/opt/both"] == "a"


def test_python_and_node_find_modules(stoke, client, name):
    publish(client, name, {"python/from_layer.py": "WHO = 'python'", "nodejs/node_modules/from_layer/index.js": "exports.who = 'node'",
                           "bin/tool": ("#!/bin/sh\necho tool\n", 0o755)})
    python = "import from_layer, subprocess\ndef handler(e, c):\n    return [from_layer.WHO, subprocess.check_output(['tool'], text=True)]\n"
    client.create_function(**stoke.function(name + "-p", {"app.py": python}, Layers=[arn(name, 1)]))
    assert invoke(client, name + "-p") == ["python", "tool\n"]
    node = "const l = require('from_layer'); exports.handler = async () => l.who;"
    made = client.create_function(**{**stoke.function(name + "-n", {"index.js": node}, Layers=[arn(name, 1)]),
                                     "Runtime": "nodejs20.x", "Handler": "index.handler"})
    client.get_waiter("function_active_v2").wait(FunctionName=made["FunctionName"])
    assert invoke(client, name + "-n") == "node"


def test_node_finds_es_modules_when_they_are_asked_for(stoke, client, name):
    """import() of what a layer brings, from either kind of module, long after the handler was loaded."""
    publish(client, name, {"nodejs/node_modules/modern/package.json": '{"name": "modern", "type": "module", "exports": "./index.js"}',
                           "nodejs/node_modules/modern/index.js": "import {who} from 'deeper'; export {who};",
                           "nodejs/node_modules/deeper/package.json": '{"name": "deeper", "type": "module", "exports": "./index.js"}',
                           "nodejs/node_modules/deeper/index.js": "export const who = 'modern';"})
    for file, code in (("index.js", "exports.handler = async () => (await import('modern')).who;"),
                       ("index.mjs", "export const handler = async () => (await import('modern')).who;")):
        made = client.create_function(**{**stoke.function(name + file[6:], {file: code}, Layers=[arn(name, 1)]), "Runtime": "nodejs20.x",
                                         "Handler": "index.handler"})
        client.get_waiter("function_active_v2").wait(FunctionName=made["FunctionName"])
        assert invoke(client, name + file[6:]) == "modern"


def test_node_keeps_the_order_of_its_path(stoke, client, name):
    """A layer's directory for the version comes before its common one, and both before the runtime's, whoever asks."""
    package = '{"name": "twice", "exports": {"require": "./index.js", "import": "./index.mjs"}}'
    files = {}
    for directory, who in (("node20/node_modules", "version"), ("node_modules", "common")):
        files |= {f"nodejs/{directory}/twice/package.json": package, f"nodejs/{directory}/twice/index.js": f"exports.who = '{who}';",
                  f"nodejs/{directory}/twice/index.mjs": f"export const who = '{who}';"}
    publish(client, name, files)
    code = "exports.handler = async () => [require('twice').who, require.resolve('twice')];"
    made = client.create_function(**{**stoke.function(name, {"index.js": code}, Layers=[arn(name, 1)]), "Runtime": "nodejs20.x",
                                     "Handler": "index.handler"})
    client.get_waiter("function_active_v2").wait(FunctionName=made["FunctionName"])
    assert invoke(client, name) == ["version", "/opt/nodejs/node20/node_modules/twice/index.js"]


def test_layers_of_the_version_that_was_asked_for(stoke, client, name):
    """The runtime's, though another version of the language runs the function."""
    publish(client, name, {"python/lib/python3.14/site-packages/from_layer.py": "WHO = 'python3.14'",
                           "nodejs/node24/node_modules/from_layer/index.js": "exports.who = 'node24'"})
    for runtime, files in (("python3.14", {"app.py": "import from_layer\ndef handler(e, c):\n    return from_layer.WHO\n"}),
                           ("nodejs24.x", {"app.js": "exports.handler = async () => require('from_layer').who;"})):
        made = client.create_function(**{**stoke.function(f"{name}-{runtime[:4]}", files, Layers=[arn(name, 1)]), "Runtime": runtime})
        client.get_waiter("function_active_v2").wait(FunctionName=made["FunctionName"])
        assert invoke(client, made["FunctionName"]) in ("python3.14", "node24")


BOOTSTRAP = """#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while true; do
    headers=$(mktemp)
    curl -sS -D "$headers" "$api/next" > /dev/null
    id=$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^\\r]*\\).*/\\1/Ip' "$headers")
    curl -sS -X POST "$api/$id/response" -d "{\\"bootstrap\\": \\"$0\\", \\"task\\": \\"$(cat /var/task/data)\\"}" > /dev/null
done
"""


def test_bootstrap_in_a_layer(stoke, client, name):
    publish(client, name, {"bootstrap": (BOOTSTRAP, 0o755)})
    client.create_function(**{**stoke.function(name, {"data": "mine"}, Layers=[arn(name, 1)]), "Runtime": "provided.al2023",
                              "Handler": "any"})
    assert invoke(client, name) == {"bootstrap": "/opt/bootstrap", "task": "mine"}


def test_a_deleted_version_keeps_working(make_stoke):
    stoke = make_stoke()
    client = stoke.client()
    publish(client, "kept", {"kept": "yes"})
    client.create_function(**stoke.function("uses", {"app.py": READ}, Layers=[arn("kept", 1)]))
    digest = hashlib.sha256(archive({"kept": "yes"})).hexdigest()
    client.delete_layer_version(LayerName="kept", VersionNumber=1)
    assert [l["Arn"] for l in client.get_function_configuration(FunctionName="uses")["Layers"]] == [arn("kept", 1)]
    assert invoke(client, "uses") == {"/opt/kept": "yes"}
    stoke.process.send_signal(signal.SIGKILL)
    stoke.process.wait()
    stoke.start()
    assert invoke(client, "uses") == {"/opt/kept": "yes"}
    client.update_function_code(FunctionName="uses", ZipFile=archive({"app.py": READ + "# 2\n"}))
    client.get_waiter("function_updated_v2").wait(FunctionName="uses")
    assert invoke(client, "uses") == {"/opt/kept": "yes"}
    message = f"Layer version {arn('kept', 1)} does not exist."
    assert refused("InvalidParameterValueException", client.update_function_configuration, FunctionName="uses",
                   Layers=[arn("kept", 1)]) == message
    assert os.path.exists(f"{stoke.data}/blobs/{digest}")
    client.delete_function(FunctionName="uses")
    stoke.stop()
    stoke.start()
    assert not os.path.exists(f"{stoke.data}/blobs/{digest}")


def test_which_layers_a_function_may_have(stoke, client, name):
    for i in range(6):
        publish(client, f"{name}-{i}")
    publish(client, f"{name}-0", {"b": "b"})
    base = stoke.function(name)

    def message(code, layers):
        return refused(code, client.create_function, **base, Layers=layers)

    invalid = "InvalidParameterValueException"
    assert message(invalid, [arn(f"{name}-{i}", 1) for i in range(6)]) == "Cannot reference more than 5 layers."
    assert message(invalid, [arn(name + "-0", 9)]) == f"Layer version {arn(name + '-0', 9)} does not exist."
    assert message(invalid, [arn("no-" + name, 1)]) == f"Layer version {arn('no-' + name, 1)} does not exist."
    assert message(invalid, [arn(name + "-0", 1), arn(name + "-0", 2)]) == (
        "Two different versions of the same layer are not allowed to be referenced in the same function. "
        f"{arn(name + '-0', 1)} and {arn(name + '-0', 2)} are versions of the same layer.")
    assert message(invalid, [arn(name + "-0", 1, region="eu-west-1")]) == (
        "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.")
    denied = "is not authorized to perform: lambda:GetLayerVersion on resource: {0} because no resource-based policy allows the " \
             "lambda:GetLayerVersion action"
    foreign = arn("theirs", 1, account=OTHER)
    assert message("AccessDeniedException", [foreign]).endswith(denied.format(foreign))
    assert message("ValidationException", [arn(name)]).startswith(f"1 validation error detected: Value '[{arn(name)}]' at 'layers'")
    made = client.create_function(**base, Layers=[arn(f"{name}-{i}", 1) for i in range(5)])
    assert len(made["Layers"]) == 5
    assert len(invoke(client, name)) == 0


def test_sharing(stoke, client, name):
    """A policy lets other accounts get and use a version, and takes it back."""
    publish(client, name, {"shared": "yes"})
    other, third = stoke.client(account=OTHER), stoke.client(account="444444444444")
    allow = {"LayerName": name, "VersionNumber": 1, "Action": "lambda:GetLayerVersion"}
    added = client.add_layer_version_permission(StatementId="one", Principal=OTHER, **allow)
    assert json.loads(added["Statement"]) == {"Sid": "one", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
                                              "Action": "lambda:GetLayerVersion", "Resource": arn(name, 1)}
    assert other.get_layer_version_by_arn(Arn=arn(name, 1))["Version"] == 1
    assert other.get_layer_version(LayerName=arn(name), VersionNumber=1)["Version"] == 1
    refused("AccessDeniedException", third.get_layer_version_by_arn, Arn=arn(name, 1))
    other.create_function(**stoke.function(name, {"app.py": READ}, Layers=[arn(name, 1)]))
    assert invoke(other, name) == {"/opt/shared": "yes"}
    client.add_layer_version_permission(StatementId="org", Principal="*", OrganizationId="o-abcdefghij", **allow)
    condition = json.loads(client.get_layer_version_policy(LayerName=name, VersionNumber=1)["Policy"])["Statement"][1]["Condition"]
    assert condition == {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}
    refused("AccessDeniedException", third.get_layer_version_by_arn, Arn=arn(name, 1))
    client.add_layer_version_permission(StatementId="all", Principal="*", **allow)
    assert third.get_layer_version_by_arn(Arn=arn(name, 1))["Version"] == 1
    for sid in ("one", "org", "all"):
        client.remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId=sid)
    nothing = "No policy is associated with the given resource."
    assert refused("ResourceNotFoundException", client.get_layer_version_policy, LayerName=name, VersionNumber=1) == nothing
    refused("AccessDeniedException", other.get_layer_version_by_arn, Arn=arn(name, 1))
    assert invoke(other, name) == {"/opt/shared": "yes"}


def test_sizes_unpacked(stoke, client, name):
    for layer, size in (("a", 120), ("b", 120), ("c", 20)):
        client.publish_layer_version(LayerName=f"{name}-{layer}", Content={"ZipFile": big(size)})
    a, b, c = (arn(f"{name}-{l}", 1) for l in "abc")
    params = {"FunctionName": name, "Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE}
    small, large = archive({"app.py": READ}), big(11)
    too_many = "Layers consume more than the available size of 262144000 bytes"
    too_large = "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is %d bytes."
    invalid = "InvalidParameterValueException"
    assert refused(invalid, client.create_function, **params, Code={"ZipFile": small}, Layers=[a, b, c]) == too_many
    assert refused(invalid, client.create_function, **params, Code={"ZipFile": large}, Layers=[a, b]) == too_large % (251 * MB)
    client.create_function(**params, Code={"ZipFile": small}, Layers=[a, b])
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    assert refused(invalid, client.update_function_code, FunctionName=name, ZipFile=large) == too_large % (251 * MB)
    assert client.update_function_configuration(FunctionName=name, Layers=[a])["LastUpdateStatus"] == "InProgress"
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    client.update_function_code(FunctionName=name, ZipFile=large)
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert refused(invalid, client.update_function_configuration, FunctionName=name, Layers=[a, b]) == too_large % (251 * MB)


def test_32_clients_publish_one_layer(make_stoke):
    """32 numbers, and after kill -9 the next is the 33rd."""
    stoke = make_stoke()

    def one(i):
        return publish(stoke.client(), "many", {"a": str(i % 4)})["Version"]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        numbers = list(pool.map(one, range(32)))
    assert sorted(numbers) == list(range(1, 33))
    client = stoke.client()
    before = client.list_layer_versions(LayerName="many")["LayerVersions"]
    client.delete_layer_version(LayerName="many", VersionNumber=32)
    stoke.process.send_signal(signal.SIGKILL)
    stoke.process.wait()
    stoke.start()
    assert client.list_layer_versions(LayerName="many")["LayerVersions"] == before[1:]
    assert publish(client, "many")["Version"] == 33


def test_32_clients_change_one_policy(stoke, client, name):
    publish(client, name)

    def add(i):
        stoke.client().add_layer_version_permission(LayerName=name, VersionNumber=1, StatementId=f"s{i // 2}", Principal="*",
                                                    Action="lambda:GetLayerVersion")

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        failed = [f.exception() for f in [pool.submit(add, i) for i in range(32)]]
    assert sum(e is not None for e in failed) == 16
    assert {e.response["Error"]["Code"] for e in failed if e} == {"ResourceConflictException"}
    policy = json.loads(client.get_layer_version_policy(LayerName=name, VersionNumber=1)["Policy"])
    assert sorted(s["Sid"] for s in policy["Statement"]) == sorted(f"s{i}" for i in range(16))
    total = client.get_account_settings()["AccountUsage"]["TotalCodeSize"]
    size = client.get_layer_version(LayerName=name, VersionNumber=1)["Content"]["CodeSize"]
    client.delete_layer_version(LayerName=name, VersionNumber=1)
    assert client.get_account_settings()["AccountUsage"]["TotalCodeSize"] == total - size
