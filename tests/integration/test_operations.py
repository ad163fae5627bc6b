"""docs/operations.md against AWS's model and against what stoked answers: every operation, and every member that is refused."""
import base64
import json
import re
import urllib.parse

import pytest
from daemon import ROLE, ROOT, archive

DOCS = (ROOT / "docs/operations.md").read_text()
# The generated table holds all operations of the pinned model: lib/aws/check_drift.sh compares the two.
MODEL = {name: (method, path.replace("\\?", "?")) for name, method, path in
         re.findall(r'\{\.name = "(\w+)", \.method = "(\w+)", \.uri = "([^"]*)"', (ROOT / "lib/aws/model_lambda.c").read_text())}
LABELS = {"LayerName": "nothing", "VersionNumber": "1", "StatementId": "s", "Name": "nothing", "UUID": "0" * 32}
ARN = "arn:aws:lambda:us-east-1:000000000000:function:nothing"


def table(title):
    """The rows of the first table after a heading, as tuples of their cells."""
    rows = re.search(r"\n\|(?:[-| ]+)\|\n((?:\|.*\n)+)", DOCS[DOCS.index(title):]).group(1)
    return [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows.splitlines()]


OPERATIONS = {name: (state, remarks) for name, state, remarks in table("# Operations")}
STORED = {name for name, _ in table("## Stored and not acted on")}
REFUSED = {(operation, member): missing for operation, members, missing in table("## Refused members")
           for member in members.replace("`", "").split(", ")}


def ask(stoke, operation, body=None, name="nothing", headers=None):
    """(status, error code, message) of a request; one with nothing but its labels does no harm."""
    method, path = MODEL[operation]
    path = re.sub(r"\{(\w+)\+?\}", lambda label: urllib.parse.quote(
        name if label[1] == "FunctionName" else LABELS.get(label[1], ARN), safe=""), path)
    data = None if method in ("GET", "DELETE") else json.dumps(body or {}).encode()
    status, answered, text = stoke.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
    answer = json.loads(text or b"{}")
    return status, answered.get("x-amzn-errortype", "").split(":")[0], answer.get("Message", answer.get("message", ""))


def test_the_table_has_every_operation_once():
    assert len(MODEL) == 91 and list(OPERATIONS) == sorted(MODEL) and len(table("# Operations")) == 91
    assert {state for state, _ in OPERATIONS.values()} == {"implemented", "stored", "refused"}


def test_what_is_stored_is_explained():
    assert {remarks for state, remarks in OPERATIONS.values() if state == "stored"} <= STORED
    assert all(remarks for state, remarks in OPERATIONS.values() if state == "refused")


@pytest.mark.parametrize("operation", sorted(MODEL))
def test_the_daemon_agrees(stoke, operation):
    state, remarks = OPERATIONS[operation]
    status, code, message = ask(stoke, operation)
    if state == "refused":
        assert (status, code) == (501, "NotImplemented")
        assert message == f"{operation} is not implemented in Stoke: {remarks}."
    else:
        assert status != 501 and code not in ("NotImplemented", "UnknownOperationException", "ServiceException"), message


# A request with each refused member; the rest of it is good.
KEY, FUNCTION = "arn:aws:kms:us-east-1:000000000000:key/k", {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE}
ZIP = base64.b64encode(archive({"app.py": "def handler(event, context):\n    return 1\n"})).decode()
EFS = [{"Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-01234567890123456", "LocalMountPath": "/mnt/x"}]
PROVIDER = {"LambdaManagedInstancesCapacityProviderConfig":
            {"CapacityProviderArn": "arn:aws:lambda:us-east-1:000000000000:capacity-provider:p"}}
VALUES = {
    "Code.S3Bucket": {"Code": {"S3Bucket": "bucket"}}, "Code.S3Key": {"Code": {"S3Key": "key"}},
    "Code.ImageUri": {"Code": {"ImageUri": "i"}}, "PackageType Image": {"PackageType": "Image"},
    "ImageConfig": {"ImageConfig": {"Command": ["c"]}}, "Code.SourceKMSKeyArn": {"Code": {"ZipFile": ZIP, "SourceKMSKeyArn": KEY}},
    "KMSKeyArn": {"KMSKeyArn": KEY}, "VpcConfig": {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
    "FileSystemConfigs": {"FileSystemConfigs": EFS}, "CapacityProviderConfig": {"CapacityProviderConfig": PROVIDER},
    "PublishTo": {"PublishTo": "LATEST_PUBLISHED"}, "DurableConfig": {"DurableConfig": {"ExecutionTimeout": 60}},
    "TenancyConfig": {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}},
    "S3Bucket": {"S3Bucket": "bucket"}, "S3Key": {"S3Key": "key"},
    "SourceKMSKeyArn": {"ZipFile": ZIP, "SourceKMSKeyArn": KEY},
    "Content.S3Bucket": {"Content": {"S3Bucket": "bucket", "S3Key": "key"}}, "Content.S3Key": {"Content": {"S3Key": "key"}},
}
HEADERS = {"InvocationType Event": {"X-Amz-Invocation-Type": "Event"}, "DurableExecutionName": {"X-Amz-Durable-Execution-Name": "d"},
           "TenantId": {"X-Amz-Tenant-Id": "t"}}


@pytest.mark.parametrize("operation,member", sorted(REFUSED))
def test_refused_members_are_named(stoke, client, name, operation, member):
    body = dict(VALUES.get(member, {}))
    if operation == "CreateFunction":
        body = {"FunctionName": name, **FUNCTION, "Code": {"ZipFile": ZIP}, **body}
    elif operation != "PublishLayerVersion":
        client.create_function(FunctionName=name, Code={"ZipFile": base64.b64decode(ZIP)}, **FUNCTION)
    before = client.list_functions()["Functions"]
    status, code, message = ask(stoke, operation, body, name, HEADERS.get(member))
    assert (status, code) == (501, "NotImplemented"), message
    what, missing = message.split(" is not implemented in Stoke: ")
    assert member.split(".")[-1].split()[0] in what and missing == REFUSED[operation, member] + "."
    assert client.list_functions()["Functions"] == before


def test_empty_ones_are_let_through(stoke, client, name):
    empty = {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}, "FileSystemConfigs": [], "KMSKeyArn": ""}
    client.create_function(**stoke.function(name, **empty))
    assert client.get_function_configuration(FunctionName=name)["FunctionName"] == name
