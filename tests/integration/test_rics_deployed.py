"""The official runtime clients, unmodified, deployed as provided.al2023 archives into sandboxes and invoked through the API. What
they get through at the Runtime API itself is in test_rics.py. A client whose toolchain is missing is skipped by name."""
import base64
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from daemon import ROOT, SLOW

LIMIT = 6291556
LANGUAGES = ["python", "nodejs", "go", "rust", "java"]


@pytest.fixture(scope="module", params=LANGUAGES)
def client(request, stoke, tmp_path_factory):
    """boto3's client, with a function named after the language."""
    language = request.param
    out = tmp_path_factory.mktemp(language)
    # what is built for an interpreter is built for the one that sandboxes show
    built = subprocess.run([ROOT / "tests/clients" / language / "build.sh", out], capture_output=True, text=True,
                           env={**os.environ, "PATH": "/usr/bin:" + os.environ["PATH"]})
    if built.returncode == 77:
        pytest.skip(f"{language} client: {built.stdout.strip()}")
    assert built.returncode == 0, built.stdout + built.stderr
    archive = pathlib.Path(shutil.make_archive(str(out / ".." / f"{language}-archive"), "zip", out))
    shutil.rmtree(out)
    lambda_client = stoke.client()
    for name, variables in ((language, {}), (f"{language}-init-error", {"STOKE_TEST_INIT_ERROR": "1"})):
        lambda_client.create_function(FunctionName=name, Runtime="provided.al2023", Handler="handler", Role=stoke.function("x")["Role"],
                                      Code={"ZipFile": archive.read_bytes()}, MemorySize=512, Timeout=int(30 * SLOW),
                                      Environment={"Variables": variables})
        assert stoke.wait_active(name)["State"] == "Active"
    archive.unlink()
    lambda_client.language = language
    return lambda_client


def visit(client, event, name=None, **more):
    answer = client.invoke(FunctionName=name or client.language, Payload=json.dumps(event), LogType="Tail", **more)
    return answer.get("FunctionError"), json.loads(answer["Payload"].read()), answer


def test_events(client):
    for n in range(4):
        error, said, answer = visit(client, {"do": "echo", "value": {"n": n, "text": "grüße 🙂"}})
        assert error is None and said["value"] == {"n": n, "text": "grüße 🙂"}
        assert said["requestId"] == answer["ResponseMetadata"]["RequestId"]
        log = base64.b64decode(answer["LogResult"]).decode()
        assert ("Init Duration" in log) == (n == 0), log


def test_client_context(client):
    custom = {"greeting": "grüße 🙂 \"quoted\"", "plain": "x"}
    context = base64.b64encode(json.dumps({"custom": custom, "client": {"installation_id": "i", "app_title": "t", "app_version_name": "n",
                                           "app_version_code": "c", "app_package_name": "p"}, "env": {"locale": "de"}}).encode()).decode()
    assert visit(client, {"do": "echo", "value": 1}, ClientContext=context)[1]["custom"] == custom


def test_failures(client):
    for _ in range(2):
        error, said, _ = visit(client, {"do": "fail"})
        assert error == "Unhandled" and said["errorMessage"] == "on purpose" and said["errorType"]
    assert visit(client, {"do": "echo", "value": 1})[1]["value"] == 1


def test_sizes(client):
    error, said, _ = visit(client, {"do": "big", "bytes": LIMIT})
    assert error is None and len(said) == LIMIT - 2
    error, said, _ = visit(client, {"do": "big", "bytes": LIMIT + 1})
    assert (error, said["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    assert visit(client, {"do": "echo", "value": 1})[1]["value"] == 1


def test_init_error(client):
    error, said, answer = visit(client, {}, f"{client.language}-init-error")
    log = base64.b64decode(answer["LogResult"]).decode()
    assert error == "Unhandled" and ("no init on purpose" in said["errorMessage"] or said["errorType"] == "Runtime.ExitError"), said
    assert "Phase: init\tStatus: error" in log and "Phase: invoke\tStatus: error" in log
