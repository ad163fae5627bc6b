"""`stoke layers`, `stoke deploy --layer` and the completion, as people type them."""
import json
import re
import subprocess

import pytest
from conftest import archive
from test_cli_versions import stoke_cli

MODULE = "def who():\n    return %r\n"
USES = "import shared\n\n\ndef handler(event, context):\n    return shared.who()\n"


@pytest.fixture
def layer(tmp_path):
    """layer(text) is a directory whose Python module says that text."""
    def make(text):
        (tmp_path / "layer" / "python").mkdir(parents=True, exist_ok=True)
        (tmp_path / "layer" / "python" / "shared.py").write_text(MODULE % text)
        return str(tmp_path / "layer")
    return make


@pytest.fixture
def code(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(USES)
    return str(tmp_path / "code")


def arn(name, version):
    return f"arn:aws:lambda:us-east-1:000000000000:layer:{name}:{version}"


def test_a_layers_life(stoke, client, name, layer, tmp_path):
    status, out, err = stoke_cli(stoke, "layers", "publish", name, layer("one"), "--runtime", "python3.11", "--runtime", "python3.12",
                                 "--architecture", "x86_64", "--description", "first", "--license", "MIT")
    assert (status, err) == (0, "") and out.startswith(f"published {arn(name, 1)}, ")
    seen = client.get_layer_version(LayerName=name, VersionNumber=1)
    assert seen["CompatibleRuntimes"] == ["python3.11", "python3.12"] and seen["CompatibleArchitectures"] == ["x86_64"]
    assert (seen["Description"], seen["LicenseInfo"]) == ("first", "MIT")
    (tmp_path / "two.zip").write_bytes(archive({"python/shared.py": MODULE % "two"}))
    published = json.loads(stoke_cli(stoke, "layers", "publish", name, str(tmp_path / "two.zip"), "--output", "json")[1])
    assert published["LayerVersionArn"] == arn(name, 2)
    row = [line.split() for line in stoke_cli(stoke, "layers")[1].splitlines() if line.startswith(name)][0]
    assert row[:2] == [name, "2"] and row[3:] == ["any", "runtime"]
    assert name in stoke_cli(stoke, "layers", "--names")[1].split()
    versions = stoke_cli(stoke, "layers", "show", name)[1].splitlines()
    assert [line.split()[0] for line in versions] == ["VERSION", "2", "1"] and versions[2].endswith("python3.11,python3.12  first")
    shown = stoke_cli(stoke, "layers", "show", f"{name}:1")[1]
    assert shown.startswith(arn(name, 1)) and "MIT" in shown and "python3.11,python3.12, x86_64" in shown
    assert json.loads(stoke_cli(stoke, "layers", "show", f"{name}:1", "--output", "json")[1])["Version"] == 1
    assert stoke_cli(stoke, "layers", "rm", f"{name}:1", f"{name}:2")[:2] == (0, f"deleted {name}:1\ndeleted {name}:2\n")
    assert name not in stoke_cli(stoke, "layers", "--names")[1].split()
    assert "LayerVersions" not in client.list_layer_versions(LayerName=name) or not client.list_layer_versions(LayerName=name)["LayerVersions"]


def test_deploying_with_layers(stoke, client, name, layer, code):
    for text in ("one", "two"):
        assert stoke_cli(stoke, "layers", "publish", name, layer(text))[0] == 0

    def deployed(*words):
        status, _, err = stoke_cli(stoke, "deploy", name, code, "--runtime", "python3.11", *words)
        assert status == 0, err
        configuration = client.get_function_configuration(FunctionName=name)
        return [one["Arn"] for one in configuration.get("Layers", [])]

    def answer():
        return json.load(client.invoke(FunctionName=name)["Payload"])

    assert deployed("--layer", name) == [arn(name, 2)] and answer() == "two"
    assert deployed("--layer", f"{name}:1") == [arn(name, 1)] and answer() == "one"
    assert deployed("--memory", "256") == [arn(name, 1)]  # who says nothing changes nothing
    assert deployed("--layer", arn(name, 2)) == [arn(name, 2)] and answer() == "two"
    assert deployed("--layer", "none") == [] and answer()["errorType"] == "Runtime.ImportModuleError"


def test_refusals(stoke, client, name, code):
    for words in (["publish"], ["show"], ["rm"], ["dance"], ["rm", name], ["publish", name, ".", "more"]):
        status, out, err = stoke_cli(stoke, "layers", *words)
        assert (status, out) == (2, "") and err, words
    for words, said in ((["publish", name, "/nowhere"], "/nowhere"), (["show", name], f"there is no layer {name}"),
                        (["show", f"{name}:1"], "ResourceNotFoundException"), (["rm", f"{name}:1"], "ResourceNotFoundException")):
        status, out, err = stoke_cli(stoke, "layers", *words)
        assert (status, out) == (1, "") and said in err, words
    for layers, said in ((name, f"there is no layer {name}"), (f"{name}:3", "ResourceNotFoundException"),
                         (arn(name, 3), f"Layer version {arn(name, 3)} does not exist.")):
        status, out, err = stoke_cli(stoke, "deploy", name, code, "--runtime", "python3.11", "--layer", layers)
        assert (status, out) == (1, "") and said in err
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=name)  # nothing half done


def complete(stoke, *words):
    """What bash offers for the last word."""
    script = (f'PATH="{stoke.build}:$PATH"; export STOKE_ENDPOINT={stoke.endpoint}; source <(stoke completion); '
              f'COMP_WORDS=(stoke {" ".join(map(repr, words))}); COMP_CWORD={len(words)}; _stoke; printf "%s\\n" "${{COMPREPLY[@]}}"')
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_completion(stoke, client, name, layer):
    commands = re.findall(r"^  (\w+) ", stoke_cli(stoke, "--help")[1], re.MULTILINE)
    assert complete(stoke, "") == commands and {"layers", "concurrency", "alias"} < set(commands)
    assert stoke_cli(stoke, "layers", "publish", name, layer("x"))[0] == 0
    assert complete(stoke, "layers", "") == ["publish", "show", "rm"]
    assert complete(stoke, "layers", "show", name[:9]) == [name] == complete(stoke, "deploy", "--layer", name[:9])
    assert "--provision" in complete(stoke, "concurrency", "--p") and "--layer" in complete(stoke, "deploy", "--l")
    client.create_function(**stoke.function(name))
    assert name in complete(stoke, "alias", "fn-")
