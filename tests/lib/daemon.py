"""A stoked for tests: its own free port, data directory and configuration; stopped and checked for leftovers at the end. Standard
library only.

    with Daemon(build, config={"pool.blanks_min": 2}) as d:
        d.create("hello", "python3.11", "app.handler", {"app.py": "..."})
        status, headers, body = d.invoke("hello", {"a": 1})

STOKE_TEST_SLOW is the factor by which every wait of the tests is longer: for sanitizer builds and for slow machines.
"""
import base64
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

import sanitizer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROLE = "arn:aws:iam::000000000000:role/test"
SLOW = float(os.environ.get("STOKE_TEST_SLOW", "1"))


def default_build():
    return pathlib.Path(os.environ.get("STOKE_BUILD", ROOT / "build"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def archive(files):
    """A zip of {name: text or bytes or (bytes, mode)}."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in files.items():
            data, mode = data if isinstance(data, tuple) else (data, 0o644)
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.external_attr = (0o100000 | mode) << 16
            z.writestr(info, data)
    return out.getvalue()


def processes():
    """pid -> (parent pid, command name) of everything alive."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = pathlib.Path(f"/proc/{entry}/stat").read_text(errors="replace")
            except OSError:
                continue
            name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
            if rest[0] != "Z":
                table[int(entry)] = (int(rest[1]), name)
    return table


def descendants(pid):
    table, found, todo = processes(), [], [pid]
    while todo:
        parent = todo.pop()
        children = [p for p, (pp, _) in table.items() if pp == parent]
        found += children
        todo += children
    return [(p, table[p][1]) for p in found]


class Daemon:
    """hidden: a mount point of this host that the daemon is not to have. no_user_namespaces: it can make none."""

    def __init__(self, build=None, config=None, data=None, port=None, hidden=None, no_user_namespaces=False):
        self.build = pathlib.Path(build) if build else default_build()
        self.dir = tempfile.mkdtemp(prefix="stoke-test-")
        os.chmod(self.dir, 0o755)
        self.data = data or self.dir + "/data"
        self.port = port or free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.config = pathlib.Path(self.dir) / "stoke.conf"
        self.config.write_text("".join(f"{k} = {v}\n" for k, v in (config or {}).items()))
        os.chmod(self.config, 0o644)
        self.log_path = pathlib.Path(self.dir) / "log"
        self.reports = sanitizer.Reports(self.dir + "/reports")
        self.process = None
        self.prefix = ["unshare", "--mount", "sh", "-c", f'umount {hidden} && exec "$@"', "sh"] if hidden else []
        if no_user_namespaces:
            self.prefix = [sys.executable, pathlib.Path(__file__).parent / "no_user_namespaces.py"]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        try:
            self.stop()
        finally:
            if kind is not None:
                print("--- end of stoked's log\n" + self.log()[-4000:])
            shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, wait_s=30):
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen([*self.prefix, self.build / "stoked", "--listen", f"127.0.0.1:{self.port}", "--data",
                                             self.data, "--config", str(self.config)], stdout=log, stderr=log,
                                            env={**os.environ, **self.reports.environment()})
        end = time.monotonic() + wait_s * SLOW
        while time.monotonic() < end:
            if self.process.poll() is not None:
                status, self.process = self.process.returncode, None
                self.reports.check()
                raise RuntimeError(f"stoked did not start (status {status}):\n" + self.log()[-4000:])
            try:
                if self.request("GET", "/_stoke/health")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("stoked did not answer:\n" + self.log()[-4000:])

    def stop(self, wait_s=30):
        """Ends it, which it must do well: a status other than 0 (of its own making) or a sanitizer's report is an error."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(wait_s * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"stoked did not end within {wait_s} s:\n" + self.log()[-4000:])
        self.reports.check()
        if self.process and self.process.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"stoked ended with {self.process.returncode}:\n" + self.log()[-4000:])

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, bytes). A dict as body goes as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * SLOW)
        try:
            data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
            connection.request(method, path, data, headers or {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def create(self, name, runtime, handler, files, **more):
        zipped = files if isinstance(files, bytes) else archive(files)
        body = {"FunctionName": name, "Runtime": runtime, "Handler": handler, "Role": ROLE,
                "Code": {"ZipFile": base64.b64encode(zipped).decode()}, **more}
        status, _, answer = self.request("POST", "/2015-03-31/functions", body)
        assert status == 201, (status, answer)
        return self.wait_active(name)

    def wait_active(self, name, wait_s=30):
        end = time.monotonic() + wait_s * SLOW
        while time.monotonic() < end:
            status, _, answer = self.request("GET", f"/2015-03-31/functions/{name}/configuration")
            assert status == 200, (status, answer)
            configuration = json.loads(answer)
            if configuration["State"] != "Pending" and configuration.get("LastUpdateStatus") != "InProgress":
                return configuration
            time.sleep(0.02)
        raise AssertionError(f"{name} stays {configuration}")

    def invoke(self, name, payload=None, headers=None, timeout=120):
        body = payload if isinstance(payload, bytes) else json.dumps({} if payload is None else payload).encode()
        return self.request("POST", f"/2015-03-31/functions/{name}/invocations", body, headers or {"Content-Type": "application/json"},
                            timeout)


class Leftovers:
    """What a daemon can leave on the host, seen before and after. Told apart from other daemons' by its data directory and port."""

    def __init__(self, daemon):
        self.data, self.group = daemon.data, f"stoke-{daemon.port}"
        self.before = self.look()

    def look(self):
        mounts = {line.split()[4] for line in open("/proc/self/mountinfo") if self.data in line}
        loops = set()
        for loop in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
            try:
                name = loop.read_text().strip()
            except OSError:
                continue
            if self.data in name:
                loops.add(name)
        groups = {path for path, _, _ in os.walk("/sys/fs/cgroup")  # which passes over what goes while it looks
                  if f"/{self.group}/" in path + "/"}
        alive = set()
        for pid in processes():
            try:
                command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                membership = pathlib.Path(f"/proc/{pid}/cgroup").read_text()
            except OSError:
                continue
            if ("stoke" in command and self.data in command) or f"/{self.group}/" in membership + "/":
                alive.add(pid)
        return {"mounts": mounts, "loop devices": loops, "cgroups": groups, "processes": alive}

    def check(self, wait_s=10):
        """What is there now and was not before, as {kind: names}; waits for what is still ending."""
        end = time.monotonic() + wait_s * SLOW
        while True:
            now = self.look()
            new = {kind: sorted(map(str, now[kind] - self.before[kind])) for kind in now if now[kind] - self.before[kind]}
            if not new or time.monotonic() > end:
                return new
            time.sleep(0.2)
