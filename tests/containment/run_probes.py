#!/usr/bin/env python3
"""Runs the containment probes against a running stoked: deploys hostile functions through its public API, invokes them and compares
what happened with expected.py. Standard library only.

    run_probes.py --endpoint http://127.0.0.1:4566 [--only 1-36,45] [--probe PROBE_BINARY]
    run_probes.py --build build [--only ...]          starts a stoked of its own (as this user) and stops it

A line for each probe: "ok", "FAIL" or "SKIP" with its number; at the end "N passed, M failed, K skipped". Exit status 1 after a
failure. Without --probe the C functions are compiled with cc."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import checks_api  # noqa: E402
import checks_archive  # noqa: E402
import checks_limits  # noqa: E402
import checks_view  # noqa: E402
import expected  # noqa: E402
from client import Client  # noqa: E402
from daemon import SLOW, Daemon  # noqa: E402
from stage import Skip, Stage  # noqa: E402

CHECKS = {**checks_view.CHECKS, **checks_limits.CHECKS, **checks_api.CHECKS, **checks_archive.CHECKS}


def compile_probe(directory):
    out = pathlib.Path(directory) / "probe"
    calls = ROOT / "tests/unit/sandbox_parts"
    subprocess.run(["cc", "-O2", "-static", "-D_GNU_SOURCE", f"-I{HERE / 'probes'}", f"-I{calls}", f"-I{ROOT}", "-o", str(out),
                    *map(str, sorted((HERE / "probes").glob("*.c"))), str(calls / "policy_calls.c")], check=True)
    return out


def numbers(text):
    """"1-3,45" as a set."""
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def run(stage, chosen):
    counts = {"ok": 0, "FAIL": 0, "SKIP": 0}
    if 58 in chosen:
        checks_api.start_slow_client(stage)
    for number in chosen:
        title = next(table[number] if isinstance(table[number], str) else table[number][0]
                     for table in (expected.CALLS, expected.VIEW, expected.NAMES) if number in table)
        outcome, why = "ok", ""
        try:
            if number in expected.CALLS:
                checks_view.calls(stage, number)
            elif number in expected.VIEW:
                checks_view.view(stage, number)
            else:
                why = CHECKS[number](stage) or ""
        except Skip as skip:
            outcome, why = "SKIP", str(skip)
        except Exception as problem:  # each probe for itself
            outcome, why = "FAIL", f"{type(problem).__name__}: {problem}"
            if stage.verbose:
                traceback.print_exc()
        counts[outcome] += 1
        line = f"probe {number:2} {title}" + (f": {why}" if why else "")
        print(f"SKIP {line}" if outcome == "SKIP" else f"{outcome:4} {line}", flush=True)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped", flush=True)
    return counts["FAIL"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--endpoint", help="of a running stoked")
    parser.add_argument("--build", help="build directory; starts a stoked")
    parser.add_argument("--probe", help="the compiled C functions")
    parser.add_argument("--only", type=numbers, help="numbers, such as 1-36,45")
    parser.add_argument("--request-timeout", type=float, default=120, help="http.request_timeout of that stoked, in seconds")
    parser.add_argument("--python", default="python3.11", help="runtime of the Python functions")
    parser.add_argument("--node", default="nodejs20.x", help="runtime of the Node functions")
    parser.add_argument("--slow", type=float, default=SLOW, help="factor for deadlines on slow machines")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    if bool(options.endpoint) == bool(options.build):
        parser.error("either --endpoint or --build")
    chosen = set(expected.ALL) & (options.only or set(expected.ALL))
    with tempfile.TemporaryDirectory(prefix="stoke-probe-") as directory:
        binary = pathlib.Path(options.probe) if options.probe else compile_probe(directory)
        if options.endpoint:
            return 1 if work(Client(options.endpoint), binary, sorted(chosen), options) else 0
        options.request_timeout = 5
        with Daemon(options.build, config={"http.request_timeout": 5}) as daemon:
            return 1 if work(Client(daemon.endpoint), binary, sorted(chosen), options) else 0


def work(client, binary, chosen, options):
    stage = Stage(client, binary.read_bytes(), options)
    try:
        return run(stage, chosen)
    finally:
        client.delete_all()


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
