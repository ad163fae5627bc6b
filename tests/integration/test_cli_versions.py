"""`stoke publish`, `versions`, `alias`, `concurrency` and the states in `list`, as people type them."""
import json
import subprocess
import time

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
                  ["publish"], ["versions", name, "x"], ["concurrency", name, "many"],
                  ["concurrency", name, "--provision", "live"], ["concurrency", name, "--provision", "live=x"],
                  ["concurrency", name, "--no-wait"], ["concurrency", name, "5", "--provision", "live=1"]):
        code, out, err = stoke_cli(stoke, *words)
        assert code == 2 and not out and err, words
    code, _, err = stoke_cli(stoke, "alias", name, "live", "--version", "7")
    assert code == 1 and "Function not found" in err


def test_concurrency(stoke, client, name):
    client.create_function(**stoke.function(name))
    assert "none reserved" in stoke_cli(stoke, "concurrency", name)[1]
    assert stoke_cli(stoke, "concurrency", name, "5")[:2] == (0, "5 reserved\n")
    assert json.loads(stoke_cli(stoke, "concurrency", name, "--output", "json")[1]) == {"ReservedConcurrentExecutions": 5,
                                                                                    "ProvisionedConcurrencyConfigs": []}
    assert "none reserved" in stoke_cli(stoke, "concurrency", name, "none")[1]
    assert stoke_cli(stoke, "concurrency", name, "901")[0] == 1


def test_provisioned_concurrency(stoke, client, name):
    client.create_function(**stoke.function(name))
    assert stoke_cli(stoke, "publish", name)[0] == 0 and stoke_cli(stoke, "alias", name, "live", "--version", "1")[0] == 0
    code, out, err = stoke_cli(stoke, "concurrency", name, "--provision", "live=2")
    assert (code, err) == (0, "") and out.split() == ["live", "2", "provisioned,", "ready", "(2", "free", "now)"]
    got = client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    assert (got["Status"], got["AllocatedProvisionedConcurrentExecutions"]) == ("READY", 2)
    reserved, provisioned = stoke_cli(stoke, "concurrency", name)[1].splitlines()
    assert "none reserved" in reserved and provisioned.split()[:3] == ["live", "2", "provisioned,"]
    shown = json.loads(stoke_cli(stoke, "concurrency", name, "--output", "json")[1])["ProvisionedConcurrencyConfigs"]
    assert [c["RequestedProvisionedConcurrentExecutions"] for c in shown] == [2]
    assert json.loads(stoke_cli(stoke, "concurrency", name, "--provision", "live=1", "--output", "json")[1])["Status"] == "READY"
    code, out, _ = stoke_cli(stoke, "concurrency", name, "--provision", "live=2", "--no-wait")
    assert code == 0 and out.split()[:3] == ["live", "2", "provisioned,"]
    assert stoke_cli(stoke, "concurrency", name, "--provision", "live=none")[1].split() == ["live", "none", "provisioned"]
    assert client.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"] == []


def test_what_cannot_be_provisioned(stoke, client, name):
    client.create_function(**stoke.function(name, {"app.py": "raise RuntimeError('never')\n"}))
    assert stoke_cli(stoke, "publish", name)[0] == 0
    code, out, err = stoke_cli(stoke, "concurrency", name, "--provision", "1=1")
    reason = client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")["StatusReason"]
    assert (code, out) == (1, "") and err == f"stoke: 1 failed: {reason}\n"
    assert stoke_cli(stoke, "concurrency", name, "--provision", "1=none")[0] == 0
    code, out, err = stoke_cli(stoke, "concurrency", name, "--provision", "$LATEST=1")
    assert (code, out) == (1, "") and "InvalidParameterValueException: " in err


def test_states_in_the_list(make_stoke, name):
    stoke = make_stoke(config={"functions.inactive_after": 1})
    client = stoke.client()
    client.create_function(**stoke.function(name))
    for _ in range(600):
        if client.get_function_configuration(FunctionName=name)["State"] == "Inactive":
            break
        time.sleep(0.05)
    line, note = stoke_cli(stoke, "list")[1].splitlines()[1:]
    assert line.split()[:3] == [name, "python3.11", "Inactive"] and note.strip() == "note: The function is currently idle."
    assert "\033" not in line  # colours are for terminals
    here = json.loads(stoke_cli(stoke, "list", "--output", "json")[1])["Functions"][0]
    assert (here["State"], here["LastUpdateStatus"]) == ("Inactive", "Successful")
    terminal = subprocess.run(["script", "-qec", f"{stoke.build}/stoke --endpoint {stoke.endpoint} list", "/dev/null"],
                              capture_output=True, text=True, timeout=60)
    assert "\033[2mInactive" in terminal.stdout
    assert stoke_cli(stoke, "invoke", name)[0] == 1  # and brings it back


def test_progress_on_a_terminal(stoke, client, name):
    client.create_function(**stoke.function(name))
    assert stoke_cli(stoke, "publish", name)[0] == 0
    terminal = subprocess.run(["script", "-qec", f"{stoke.build}/stoke --endpoint {stoke.endpoint} concurrency {name} --provision 1=2",
                               "/dev/null"], capture_output=True, text=True, timeout=60)
    assert "initialising 1 [" in terminal.stdout and "100%" in terminal.stdout
    assert terminal.stdout.splitlines()[-1].split()[:4] == ["1", "2", "provisioned,", "ready"]
    assert stoke_cli(stoke, "concurrency", name, "--provision", "1=none")[0] == 0
