"""Promises of the command line, and of the lines that the README and ./run tell people to try: run as they stand."""
import json
import os
import re
import subprocess

import pytest

from daemon import ROOT, SLOW

FAILS = {"lambda_function.py": "def lambda_handler(event, context):\n    raise ValueError('no')\n"}
ECHO = {"lambda_function.py": "def lambda_handler(event, context):\n    print('seen')\n    return event\n"}


@pytest.fixture
def cli(stoke):
    def run(*words, stdin=None, endpoint=None):
        return subprocess.run([stoke.build / "stoke", "--endpoint", endpoint or stoke.endpoint, *map(str, words)], input=stdin,
                              capture_output=True, text=True, timeout=60 * SLOW)
    return run


@pytest.fixture
def folder(tmp_path):
    def make(files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return tmp_path
    return make


def test_a_life(cli, folder, name):
    run = cli("deploy", name, folder(ECHO))
    assert (run.returncode, run.stderr) == (0, "") and run.stdout.startswith(f"created {name}: python3.13, ")
    assert "note: python3.13 runs on Python 3.11." in run.stdout
    assert cli("deploy", name, folder(ECHO)).stdout.startswith(f"updated {name}: ")
    assert json.loads(cli("invoke", name, '{"a": 1}').stdout) == {"a": 1}
    assert json.loads(cli("invoke", name, "-", stdin='{"a": 2}').stdout) == {"a": 2}
    (folder({}) / "event.json").write_text('{"a": 3}')
    assert json.loads(cli("invoke", name, f"@{folder({})}/event.json").stdout) == {"a": 3}
    run = cli("invoke", name, "--log")
    assert run.stdout == "{}\n" and "seen" in run.stderr and "REPORT RequestId" in run.stderr
    assert cli("invoke", name, "--dry-run").returncode == 0
    assert name in cli("list").stdout and "seen" in cli("logs", name).stdout
    assert cli("rm", name).stdout == f"deleted {name}\n"


def test_what_fails_has_a_status_and_words(cli, folder, name):
    cli("deploy", name, folder(FAILS))
    run = cli("invoke", name)
    assert run.returncode == 1 and json.loads(run.stdout)["errorType"] == "ValueError" and "the function failed" in run.stderr
    for words, status, said in [(["invoke", "nobody"], 1, "Function not found"), (["invoke", name, "{bad"], 1, "Could not parse"),
                                (["deploy", name, "/nowhere"], 1, "/nowhere"), (["logs", "nobody"], 1, "Function not found"),
                                (["rm", "nobody"], 1, "Function not found"), (["dance"], 2, "dance"), (["invoke"], 2, "usage:"),
                                (["list", "--output", "xml"], 2, "xml"), ([], 2, "usage:"),
                                (["runtimes", "add", "python3.11", "/nowhere"], 1, "/nowhere")]:
        run = cli(*words)
        assert run.returncode == status and said in run.stderr and run.stdout == "", (words, run)
    assert cli("list", endpoint="http://127.0.0.1:1").returncode == 3


def test_a_function_that_cannot_run_here_is_listed_as_failed(cli, folder, name):
    run = cli("deploy", name, folder(ECHO), "--runtime", "java21", "--handler", "x.y")
    assert run.returncode == 1 and "java21" in run.stderr
    line = next(line for line in cli("list").stdout.splitlines() if line.startswith(name))
    assert line.split()[1:3] == ["java21", "Failed"]


def test_what_could_not_be_written_is_no_success(cli, stoke, folder, name):
    cli("deploy", name, folder(ECHO))
    for words in (["invoke", name], ["list"], ["logs", name], ["--version"], ["--help"]):
        with open("/dev/full", "w") as full:
            run = subprocess.run([stoke.build / "stoke", "--endpoint", stoke.endpoint, *words], stdout=full, stderr=subprocess.PIPE, text=True)
        assert run.returncode == 1 and "writing the output: No space left on device" in run.stderr, (words, run)


def test_numbers_of_a_result_stay_as_they_are(cli, folder, name):
    cli("deploy", name, folder(ECHO))
    shown = cli("--output", "json", "invoke", name, '{"a": 9007199254740993, "b": 1.0}').stdout
    assert "9007199254740993" in shown and "1.0" in shown and json.loads(shown)["StatusCode"] == 200, shown


def test_a_result_that_is_no_json_is_printed_as_it_is(cli, stoke, folder, name):
    cli("deploy", name, folder({"lambda_function.py": "def lambda_handler(event, context):\n    return b'\\x1f\\x8b\\0\\n'\n"}))
    run = subprocess.run([stoke.build / "stoke", "--endpoint", stoke.endpoint, "invoke", name], capture_output=True)
    assert (run.returncode, run.stdout) == (0, b"\x1f\x8b\0\n")


def test_a_link_to_a_directory_is_the_directory(cli, folder, name, tmp_path_factory):
    link = tmp_path_factory.mktemp("links") / "current"
    link.symlink_to(folder(ECHO))
    for path in (link, f"{link}/"):
        run = cli("deploy", name, path)
        assert run.returncode == 0 and json.loads(cli("invoke", name, '{"a": 1}').stdout) == {"a": 1}, run


def test_an_interpreter_is_registered_under_its_own_name(cli):
    run = cli("runtimes", "add", "python3.99", os.path.realpath("/usr/bin/python3"))
    assert run.returncode == 1 and "not python3.99" in run.stderr, run


def test_json_from_every_command(cli, folder, name):
    for words in (["deploy", name, folder(ECHO)], ["invoke", name, '{"a": 1}'], ["list"], ["runtimes"], ["doctor"], ["rm", name]):
        for order in (["--output", "json", *words], [*words, "--output", "json"], [*words, "--output=json"]):
            run = cli(*order)
            if words[0] == "rm" and order[0] == "rm":
                assert json.loads(run.stdout) == {"Deleted": []}  # the first one took it
            else:
                assert run.returncode == 0 and json.loads(run.stdout), (order, run)
    cli("deploy", name, folder(ECHO))
    cli("invoke", name)
    assert all(json.loads(line)["message"] for line in cli("logs", name, "--output", "json").stdout.splitlines())
    run = cli("doctor", "--output", "json", endpoint="http://127.0.0.1:1")
    assert json.loads(run.stdout)["status"] == "unreachable"


def test_help_is_no_error(cli):
    for command in ("deploy", "invoke", "list", "logs", "rm", "runtimes", "doctor"):
        run = cli(command, "--help")
        assert (run.returncode, run.stderr) == (0, "") and run.stdout.startswith(f"usage: stoke {command}")


def test_completion(cli, stoke, folder, name):
    cli("deploy", name, folder(ECHO))
    script = cli("completion").stdout + '''
complete_as() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _stoke; echo "${COMPREPLY[*]}"; }
complete_as stoke inv; complete_as stoke invoke fn-; complete_as stoke deploy x --mem
'''
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60,
                         env={**os.environ, "PATH": f"{stoke.build}:{os.environ['PATH']}", "STOKE_ENDPOINT": stoke.endpoint})
    first, second, third = run.stdout.splitlines()
    assert first == "invoke" and name in second.split() and third == "--memory", run


def test_following_a_log(cli, stoke, folder, name):
    cli("deploy", name, folder(ECHO))
    cli("invoke", name)
    follower = subprocess.Popen([stoke.build / "stoke", "--endpoint", stoke.endpoint, "logs", name, "-f"], stdout=subprocess.PIPE, text=True)
    try:
        reports = 0
        for line in follower.stdout:
            reports += "REPORT" in line
            if reports == 1 and "REPORT" in line:
                cli("invoke", name)
            if reports == 2:
                break
        assert reports == 2
    finally:
        follower.kill()
        follower.wait()


def test_following_leaves_nothing_out(stoke, name):
    """More records at once than a page holds."""
    source = "def handler(event, context):\n    print('\\n'.join(f'<{i}>' for i in range(event)))\n"
    stoke.create(name, "python3.11", "app.handler", {"app.py": source}, Timeout=30)
    stoke.invoke(name, 1)

    def page(**more):
        query = "&".join(f"{key}={value}" for key, value in {"function": name, **more}.items())
        answer = json.loads(stoke.request("GET", f"/_stoke/logs?{query}")[2])
        return [event["message"] for event in answer["events"]], answer["next"]

    _, cursor = page()
    stoke.invoke(name, 25000)
    seen = []
    while True:
        messages, cursor = page(after=cursor)
        if not messages:
            break
        seen += messages
    assert [m for m in seen if m.startswith("<")] == [f"<{i}>" for i in range(25000)]
    assert "REPORT" in seen[-1]


def test_following_one_of_two_in_a_group(stoke, name):
    """What the other writes, more than a page of it, is passed over without a pause."""
    source = "def handler(event, context):\n    print('\\n'.join(f'<{i}>' for i in range(event)))\n"
    for function in (name, name + "-other"):
        stoke.create(function, "python3.11", "app.handler", {"app.py": source}, Timeout=30, LoggingConfig={"LogGroup": f"/shared/{name}"})
    stoke.invoke(name, 1)
    cursor = json.loads(stoke.request("GET", f"/_stoke/logs?function={name}")[2])["next"]
    stoke.invoke(name + "-other", 25000)
    stoke.invoke(name, 1)
    seen = []
    while "<0>" not in seen:
        page = json.loads(stoke.request("GET", f"/_stoke/logs?function={name}&after={cursor}")[2])
        assert page["events"], seen
        seen += [event["message"] for event in page["events"]]
        cursor = page["next"]


# ---- what people are told to type


def aws(stoke, script):
    tools = f"{ROOT}/.venv/bin:{stoke.build}:{os.environ['PATH']}"
    return subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=120 * SLOW, cwd=ROOT,
                          env={"PATH": tools, "HOME": stoke.dir})


def test_the_lines_of_the_readme(stoke):
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    lines = next(block for block in blocks if "create-function" in block)
    assert "127.0.0.1:4566" in lines
    run = aws(stoke, lines.replace("127.0.0.1:4566", f"127.0.0.1:{stoke.port}").replace("/tmp/", stoke.dir + "/"))
    assert run.returncode == 0 and "you" in run.stdout, run


def test_the_lines_of_the_readme_for_our_own_command(stoke):
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    lines = next(block for block in blocks if "stoke deploy" in block)
    assert "# layers: stoke" in lines and "DIRECTORY" in lines
    script = lines.replace("# layers: ", "").replace("DIRECTORY", "examples/hello")
    script = script.replace("$PWD/build", str(stoke.build))
    run = aws(stoke, f"export STOKE_ENDPOINT={stoke.endpoint}\n" + script)
    assert run.returncode == 0 and "you" in run.stdout and "REPORT" in run.stdout, run


def test_the_lines_of_run(stoke, cli):
    cli("deploy", "hello", ROOT / "examples/hello")
    text = (ROOT / "scripts/run.sh").read_text()
    lines = [line.strip() for line in text.splitlines() if re.match(r"  (export|aws|echo|\$PWD/build/stoke) ", line)]
    assert len(lines) == 6
    script = "\n".join(lines).replace("/tmp/", stoke.dir + "/").replace("$PWD/build", str(stoke.build))
    script = script.replace("$STOKE_ENDPOINT", stoke.endpoint).replace("$function", "hello")
    run = aws(stoke, script)
    assert run.returncode == 0 and "hello" in run.stdout and "you" in run.stdout, run
