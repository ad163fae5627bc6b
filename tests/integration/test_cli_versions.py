"""`stoke publish`, `versions`, `alias` and `concurrency`, as people type them."""
import json
import subprocess

from conftest import archive


def stoke_cli(stoke, *args):
    run = subprocess.run([stoke.build / "stoke", "--endpoint", stoke.endpoint, *args], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout, run.stderr


def test_versions_and_aliases(stoke, client, name):
    client.create_function(**stoke.function(name))
    code, out, _ = stoke_cli(stoke, "publish", name, "--description", "first")
    assert code == 0 and out.startswith(f"{name} version 1, code ")
    client.update_function_code(FunctionName=name, ZipFile=archive({"app.py": "def handler(e, c):\n    return 2\n"}))
    assert json.loads(stoke_cli(stoke, "publish", name, "--output", "json")[1])["Version"] == "2"
    lines = stoke_cli(stoke, "versions", name)[1].splitlines()
    assert [line.split()[0] for line in lines] == ["VERSION", "$LATEST", "1", "2"] and lines[2].endswith("first")
    code, out, _ = stoke_cli(stoke, "alias", name, "live", "--version", "1")
    assert code == 0 and out.split() == ["live", "->", "1"]
    out = stoke_cli(stoke, "alias", name, "live", "--version", "1", "--shift", "2=10%")[1]
    assert out.split() == ["live", "->", "1", "(10%", "to", "2)"]
    assert client.get_alias(FunctionName=name, Name="live")["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.1}}
    assert "10%" in stoke_cli(stoke, "alias", name)[1]
    assert "(" not in stoke_cli(stoke, "alias", name, "live", "--shift", "none")[1]
    assert stoke_cli(stoke, "alias", name, "live", "--delete")[:2] == (0, "deleted live\n")
    assert stoke_cli(stoke, "alias", name)[:2] == (0, "")


def test_refusals(stoke, client, name):
    client.create_function(**stoke.function(name))
    for words in (["alias", name, "live", "--version", "1", "--shift", "ten"], ["alias", name, "live"], ["alias"],
                  ["publish"], ["versions", name, "x"], ["concurrency", name, "many"]):
        code, out, err = stoke_cli(stoke, *words)
        assert code == 2 and not out and err, words
    code, _, err = stoke_cli(stoke, "alias", name, "live", "--version", "7")
    assert code == 1 and "Function not found" in err


def test_concurrency(stoke, client, name):
    client.create_function(**stoke.function(name))
    assert "none reserved" in stoke_cli(stoke, "concurrency", name)[1]
    assert stoke_cli(stoke, "concurrency", name, "5")[:2] == (0, "5 reserved\n")
    assert json.loads(stoke_cli(stoke, "concurrency", name, "--output", "json")[1]) == {"ReservedConcurrentExecutions": 5}
    assert "none reserved" in stoke_cli(stoke, "concurrency", name, "none")[1]
    assert stoke_cli(stoke, "concurrency", name, "901")[0] == 1
