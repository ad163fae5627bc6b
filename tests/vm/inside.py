#!/usr/bin/env python3
"""The part of tests/vm/run that runs in the machine, in the unit or session that the mode asks for. Prints "ok" or "FAIL" for each
thing; exit status 1 after a failure."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "containment"), str(HERE.parent / "lib")]

import expected  # noqa: E402
import modes  # noqa: E402
import run_probes  # noqa: E402
from client import Client  # noqa: E402
from daemon import SLOW, Daemon, Leftovers, descendants  # noqa: E402

# One blank of a kind, for several interpreters that start at once are too much for an emulated processor.
CONFIG = {"http.request_timeout": 5, "pool.blanks_min": 1}
PYTHON = {"app.py": "def handler(event, context):\n    print('seen', event['n'])\n    return {'python': event['n']}\n"}
NODE = {"app.js": "exports.handler = async (event) => { console.log('seen', event.n); return { node: event.n }; };\n"}
TIMEOUT_S = 600


def differences(want, got):
    return ", ".join(f"{key} is {got.get(key)!r}, not {value!r}" for key, value in want.items() if got.get(key) != value)


def check_health(host, mode):
    wrong = differences({**mode.health, "cgroup version": mode.version}, host)
    assert not wrong, wrong
    missing = list(host["missing"])
    for part in mode.missing:
        named = [sentence for sentence in missing if part in sentence]
        assert len(named) == 1, f"{part!r} is said {len(named)} times in {host['missing']}"
        missing.remove(named[0])
    assert not missing, f"missing as well: {missing}"


def check_doctor(daemon, host):
    """What health says, in lines for people."""
    def doctor(endpoint):
        return subprocess.run([daemon.build / "stoke", "--endpoint", endpoint, "doctor"], capture_output=True, text=True, check=False)
    said = doctor(daemon.endpoint)
    lines = said.stdout.splitlines()
    for key, value in host.items():
        if isinstance(value, bool):
            assert f"{'ok' if value else 'no':8}{key}" in lines, (key, said.stdout)
    assert [line for line in lines if line.startswith("missing")] == [f"missing {sentence}" for sentence in host["missing"]], said.stdout
    assert said.returncode == 0 and lines[-1].startswith("Nothing is missing" if not host["missing"] else "Functions run"), said
    alone = doctor("http://127.0.0.1:1")
    assert alone.returncode == 0 and "nothing that stops stoked" in alone.stdout, alone


def invoke(daemon, name, event, answer):
    status, headers, body = daemon.invoke(name, event)
    assert status == 200 and "x-amz-function-error" not in headers, (status, headers, body)
    got = json.loads(body)
    assert all(got.get(key) == value for key, value in answer.items()), got


def check_functions(daemon, probe):
    """A function of every kind, twice: cold and warm."""
    for language, runtime, files in (("python", "python3.11", PYTHON), ("node", "nodejs18.x", NODE)):
        state = daemon.create(language, runtime, "app.handler", files, Timeout=TIMEOUT_S)["State"]
        assert state == "Active", state
        for n in (1, 2):
            invoke(daemon, language, {"n": n}, {language: n})
    daemon.create("native", "provided.al2023", "bootstrap", {"bootstrap": (probe.read_bytes(), 0o755)}, Timeout=TIMEOUT_S)
    for _ in range(2):
        status, headers, body = daemon.invoke("native", {"probe": "devices"})
        assert status == 200 and json.loads(body)["values"]["/dev/null"] == "0", (status, headers, body)


def unit_processes():
    """Of the unit or session that we are in, whatever leaf of it; without ourselves and our parents."""
    groups = [line.split(":", 2)[2] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
    unit = max(groups, key=len).removesuffix("/supervisor")
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            inside = any(line.split(":", 2)[2].startswith(unit) for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines())
            if inside and unit != "/":
                found[int(pid)] = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            pass
    return found


def loop_devices():
    return sorted(str(loop) for loop in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"))


def check_leftovers(leftovers, before):
    left = leftovers.check(wait_s=2)
    assert not left, left
    more = {pid: name for pid, name in unit_processes().items() if pid not in before}
    assert not more, f"processes {more}"
    assert not descendants(os.getpid()), descendants(os.getpid())
    assert not loop_devices(), loop_devices()


class Report:
    def __init__(self):
        self.failed = 0

    def check(self, what, function, *arguments):
        try:
            function(*arguments)
        except Exception as problem:  # each thing for itself
            self.failed += 1
            print(f"FAIL {what}: {type(problem).__name__}: {problem}", flush=True)
        else:
            print(f"ok   {what}", flush=True)


def probes(daemon, mode, options):
    chosen = set(expected.ALL) if mode.probes is None else set(mode.probes)
    if options.short:
        chosen &= modes.SHORT
    if options.only:
        chosen = set(expected.ALL) & options.only
    options.request_timeout, options.verbose, options.slow = CONFIG["http.request_timeout"], False, SLOW
    options.python, options.node = "python3.11", "nodejs18.x"
    return run_probes.work(Client(daemon.endpoint), ROOT / "probe", sorted(chosen - mode.without), options)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=sorted(modes.MODES))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", type=run_probes.numbers)
    parser.add_argument("--hybrid", action="store_true", help="control groups: version 1 has the controllers")
    options = parser.parse_args()
    mode, report = modes.MODES[options.mode], Report()
    mode = mode.on_hybrid() if options.hybrid else mode
    pathlib.Path.home().chmod(0o700)  # as Debian makes them: nobody else reaches a build and data in there
    if os.geteuid() != 0:
        tempfile.tempdir = str(pathlib.Path.home())
    daemon = Daemon(ROOT / "build", config=CONFIG)
    leftovers, before = Leftovers(daemon), unit_processes()
    try:
        with daemon:
            host = json.loads(daemon.request("GET", "/_stoke/health")[2])["host"]
            report.check("health", check_health, host, mode)
            report.check("doctor", check_doctor, daemon, host)
            report.check("functions", check_functions, daemon, ROOT / "probe")
            report.failed += probes(daemon, mode, options)
            if report.failed:
                print("--- end of stoked's log\n" + daemon.log()[-4000:])
    except RuntimeError as problem:
        report.failed += 1
        print(f"FAIL {problem}")
    report.check("nothing left", check_leftovers, leftovers, before)
    return 1 if report.failed else 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
