"""The AWS SDKs that functions import without bringing them: fetched beside the data, used from inside a sandbox on Stoke itself; and
what the import says where they could not be had. Fetching needs a package registry."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from conftest import SLOW
from daemon import ROOT

FETCH = ROOT / "layers" / "runtimes" / "fetch_sdk.sh"
OUT_OF_REACH = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_EXTRA_INDEX_URL": "", "npm_config_registry": "http://127.0.0.1:9/"}
PYTHON = """
import json, boto3
client = boto3.client("lambda")
def handler(event, context):
    answer = client.invoke(FunctionName="callee", Payload=json.dumps({"n": event["n"] + 1}))
    return {"n": json.load(answer["Payload"])["n"], "account": boto3.client("sts").get_caller_identity()["Account"],
            "region": client.meta.region_name}
"""
NODE = """
import { LambdaClient, InvokeCommand } from '@aws-sdk/client-lambda';
import { STSClient, GetCallerIdentityCommand } from '@aws-sdk/client-sts';
const client = new LambdaClient({});
export const handler = async (event) => {
    const answer = await client.send(new InvokeCommand({ FunctionName: 'callee', Payload: JSON.stringify({ n: event.n + 1 }) }));
    const { Account } = await new STSClient({}).send(new GetCallerIdentityCommand({}));
    return { n: JSON.parse(Buffer.from(answer.Payload)).n, account: Account, region: await client.config.region() };
};
"""
NODE_REQUIRE = "const { LambdaClient } = require('@aws-sdk/client-lambda'); exports.handler = async () => new LambdaClient({}).constructor.name;\n"


def fetch(data, **env):
    return subprocess.run([FETCH, data], env={**os.environ, **env}, capture_output=True, text=True, timeout=400 * SLOW)


@pytest.fixture
def data():
    """A data directory to be, under one that everybody may enter."""
    with tempfile.TemporaryDirectory(prefix="stoke-test-sdk-") as directory:
        os.chmod(directory, 0o755)
        yield directory + "/data"


def invoke(client, name, event=None):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event or {}))
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def test_functions_call_functions(data, make_stoke):
    fetched = fetch(data)
    if fetched.returncode != 0 and "out of reach" in "".join(p.read_text() for p in pathlib.Path(data).rglob("missing.txt")):
        pytest.skip("needs a package registry")
    assert fetched.returncode == 0, fetched.stderr
    stoke = make_stoke(data=data)
    client = stoke.client(account="123456789012", region="eu-west-1")
    client.create_function(**stoke.function("callee", {"app.py": "def handler(e, c):\n    return {'n': e['n'] * 2}\n"}))
    client.create_function(**stoke.function("python", {"app.py": PYTHON}, Timeout=30, MemorySize=512))
    assert invoke(client, "python", {"n": 20}) == (None, {"n": 42, "account": "123456789012", "region": "eu-west-1"})
    if shutil.which("node"):
        for name, files in (("module", {"app.mjs": NODE}), ("require", {"app.js": NODE_REQUIRE})):
            client.create_function(**{**stoke.function(name, files, Timeout=30, MemorySize=512), "Runtime": "nodejs22.x"})
        assert invoke(client, "module", {"n": 20}) == (None, {"n": 42, "account": "123456789012", "region": "eu-west-1"})
        assert invoke(client, "require") == (None, "LambdaClient")
    again = fetch(data, **OUT_OF_REACH)  # it is there: nobody is asked
    assert again.returncode == 0, again.stderr


def missing(make_stoke, data):
    """What importing each SDK says on a host where it is not."""
    stoke = make_stoke(data=data)
    client = stoke.client()
    client.create_function(**stoke.function("python", {"app.py": "import boto3\ndef handler(e, c):\n    return 1\n"}))
    kind, said = invoke(client, "python")
    assert kind == "Unhandled" and said["errorType"] == "Runtime.ImportModuleError", said
    messages = [said["errorMessage"]]
    for name, files in (("module", {"app.mjs": NODE}), ("require", {"app.js": NODE_REQUIRE})) if shutil.which("node") else ():
        client.create_function(**{**stoke.function(name, files), "Runtime": "nodejs22.x"})
        kind, said = invoke(client, name)
        assert kind == "Unhandled", said
        messages.append(said["errorMessage"])
    return messages


def test_registry_out_of_reach(make_stoke, data):
    fetched = fetch(data, **OUT_OF_REACH)
    assert fetched.returncode == 1 and "could not be fetched" in fetched.stderr
    for said in missing(make_stoke, data):
        assert "is not installed: the package registry was out of reach when Stoke was set up" in said, said
        assert "fetch_sdk.sh" in said and data in said


def test_never_fetched(make_stoke):
    for said in missing(make_stoke, None):
        assert "is not installed: it was never fetched; run layers/runtimes/fetch_sdk.sh" in said, said


def test_no_tool_to_fetch_with(make_stoke, data, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in "bash cat chmod cut date dirname find flock grep head ln ls mkdir mktemp mv readlink rm sed sha256sum sort tail".split():
        os.symlink(shutil.which(tool), tools / tool)
    fetched = fetch(data, PATH=str(tools))
    assert fetched.returncode == 1, fetched.stderr
    said = missing(make_stoke, data)
    assert "boto3 is not installed: python3 is not installed when Stoke was set up" in said[0], said
    assert all("npm is not installed when Stoke was set up" in text for text in said[1:]), said
