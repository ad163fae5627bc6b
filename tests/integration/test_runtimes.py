"""Interpreters registered while the daemon runs."""
import json
import os
import threading
import time

import pytest


@pytest.fixture
def slow_python(tmp_path):
    """An interpreter that answers once its file `go` exists."""
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:2]:
        os.chmod(parent, 0o755)
    path = tmp_path / "python3.11"
    path.write_text(f"#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9; do [ -e {tmp_path}/go ] && break; sleep 0.2; done\n"
                    "exec /usr/bin/python3.11 \"$@\"\n")
    path.chmod(0o755)
    return path


def add(stoke, name, path):
    status, _, body = stoke.request("POST", "/_stoke/runtimes", json.dumps({"name": name, "path": str(path)}).encode())
    return status, json.loads(body)


def test_adding_stalls_nobody(stoke, slow_python):
    answers = []
    first = threading.Thread(target=lambda: answers.append(add(stoke, "python3.11", slow_python)))
    first.start()
    time.sleep(0.1)
    assert stoke.request("GET", "/_stoke/health")[0] == 200
    assert not answers
    status, body = add(stoke, "python3.11", slow_python)
    assert status == 409 and "another runtime" in body["Message"]
    (slow_python.parent / "go").touch()
    first.join(20)
    assert answers and answers[0][0] == 200
    assert "/usr/bin/python3.11" in [r["Path"] for r in answers[0][1]["Runtimes"]]  # as it names itself


def test_adding_says_what_is_wrong(stoke):
    for name, path, word in [("python3.11", "/nowhere/python3.11", "/nowhere"), ("python3.11", "/bin/true", "/bin/true"),
                             ("cobol", "/usr/bin/python3.11", "cobol"), ("python3.11", "bin/python", "absolute")]:
        status, body = add(stoke, name, path)
        assert status == 400 and word in body["Message"], (name, path, body)
