"""`stoke publish`, `versions`, `alias`, `concurrency` and the states in `list`, as people type them."""
import http.server
import json
import subprocess
import threading
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


def test_an_alias_twice_said(stoke, client, name):
    """The last word counts, and what was deleted is said in JSON, too."""
    client.create_function(**stoke.function(name))
    for description in ("first", "second"):
        client.update_function_configuration(FunctionName=name, Timeout=len(description))
        client.get_waiter("function_updated_v2").wait(FunctionName=name)
        stoke_cli(stoke, "publish", name)
    code, out, err = stoke_cli(stoke, "alias", name, "live", "--version", "2", "--version", "1", "--shift", "1=20%", "--shift", "2=10%",
                               "--description", "a", "--description", "b")
    assert (code, err) == (0, "") and out.split() == ["live", "->", "1", "(10%", "to", "2)", "b"]
    code, out, _ = stoke_cli(stoke, "alias", name, "live", "--delete", "--output", "json")
    assert code == 0 and json.loads(out) == {"Deleted": ["live"]}


def test_no_alias_is_made_on_an_error(stoke):
    """Only who says that there is none is asked to make one."""
    asked, statuses = [], [403, 500, 404]

    class Refusing(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.command)
            body = b'{"Message": "no"}'
            self.send_response(statuses[0] if self.command == "GET" else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever).start()
        command = [stoke.build / "stoke", "--endpoint", f"http://127.0.0.1:{server.server_port}", "alias", "f", "live", "--version", "1"]
        try:
            for wanted in (["GET"], ["GET"], ["GET", "POST"]):
                run = subprocess.run(command, capture_output=True, text=True, timeout=60)
                assert run.returncode == 1 and asked == wanted, (statuses[0], asked, run.stderr)
                asked.clear()
                statuses.pop(0)
        finally:
            server.shutdown()


def test_long_lists_come_in_pages(make_stoke, name):
    """More functions than fit a page: all are listed, once and in order, by the page itself and by `stoke list`."""
    stoke = make_stoke()
    client = stoke.client()
    names = [f"{name}-{i:03}" for i in range(205)]
    for each in names:
        client.create_function(**stoke.function(each))

    def page(query):
        return json.loads(stoke.request("GET", "/_stoke/functions" + query)[2])

    first = page("")
    assert [f["FunctionName"] for f in first["Functions"]] == names[:200] and first["NextMarker"] == names[200]
    rest = page(f"?Marker={names[200]}")
    assert [f["FunctionName"] for f in rest["Functions"]] == names[200:] and "NextMarker" not in rest
    assert [f["FunctionName"] for f in page(f"?Marker={names[7]}&MaxItems=2")["Functions"]] == names[7:9]
    assert page(f"?Marker={name}-zzz")["Functions"] == []
    assert stoke.request("GET", "/_stoke/functions?MaxItems=201")[0] == stoke.request("GET", "/_stoke/functions?MaxItems=0")[0] == 400
    lines = stoke_cli(stoke, "list")[1].splitlines()
    assert [line.split()[:3:2] for line in lines[1:] if line.startswith(name)] == [[each, "Active"] for each in names]
    assert stoke_cli(stoke, "list", "--names")[1].split() == names
    assert [f["FunctionName"] for f in json.loads(stoke_cli(stoke, "list", "--output", "json")[1])["Functions"]] == names


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
