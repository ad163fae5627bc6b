"""The hostile functions as they stand on the host under test, made when a check first asks for one."""
import os
import time

import zips
from client import Refused

PYTHON = '''import json, os, subprocess
HERE = os.path.dirname(os.path.abspath(__file__))
def handler(event, context):
    if "probe" in event:
        out = subprocess.run([HERE + "/probe", "--one", event["probe"], event.get("arg", "")], capture_output=True)
        return json.loads(out.stdout)
    return {"values": {key: str(eval(code)) for key, code in event.get("eval", {}).items()}}
'''
NODE = '''const { execFileSync } = require("child_process");
exports.handler = async (event) =>
  JSON.parse(execFileSync(__dirname + "/probe", ["--one", event.probe, event.arg || ""]).toString());
'''
EXECUTABLE = zips.REGULAR | 0o755
TIMEOUT_MAX = 900  # Lambda's


class Skip(Exception):
    pass


class Stage:
    def __init__(self, client, probe, options):
        self.client, self.probe, self.options = client, probe, options
        self.verbose, self.slow = options.verbose, options.slow
        self.ready, self.answers, self.serial = {}, {}, 0

    def native(self, name="probe-native", **more):
        return self._make(name, "provided.al2023", "bootstrap", [("bootstrap", self.probe, EXECUTABLE)], more)

    def python(self, name="probe-python", **more):
        return self._make(name, self.options.python, "app.handler",
                          [("app.py", PYTHON), ("probe", self.probe, EXECUTABLE)], more)

    def node(self, name="probe-node", **more):
        return self._make(name, self.options.node, "app.handler", [("app.js", NODE), ("probe", self.probe, EXECUTABLE)], more)

    def kinds(self):
        """The three ways in which workers come to be: executed, forked from an interpreter, executed by one."""
        return [self.native(), self.python(), self.node()]

    def fresh(self, kind="native", **more):
        """A function of its own for a check that ruins it."""
        self.serial += 1
        return getattr(self, kind)(f"probe-{kind}-{self.serial}", **more)

    def _make(self, name, runtime, handler, entries, more):
        if name not in self.ready:
            try:
                self.client.create(name, runtime, handler, zips.archive(*entries), MemorySize=more.pop("MemorySize", 512),
                                   Timeout=more.pop("Timeout", min(TIMEOUT_MAX, int(60 * self.slow))), **more)
            except Refused as refused:
                if "NotImplemented" in refused.type:
                    raise Skip(str(refused)) from None
                raise
            self.ready[name] = name
        return name

    def remove(self, name):
        self.client.delete(name)
        self.ready.pop(name, None)

    def values(self, name, probe, arg=""):
        """Of a probe that needs to run only once in a function."""
        key = (name, probe, arg)
        if key not in self.answers:
            self.answers[key] = self.client.probe(name, probe, arg).values
        return self.answers[key]


def host_processes(name):
    """Pids of processes of that name, as this host sees them."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
                if f.read().strip() == name:
                    found.append(int(pid))
        except OSError:
            pass
    return found


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
