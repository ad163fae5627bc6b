"""A host that has version 1 of control groups alone: the same promises, with its freezer, in which a killed process ends only when it is
thawed. Shown where both versions are mounted, by a daemon from which the second is hidden."""
import json
import os
import pathlib
import signal
import time

import pytest

from attack import family, health, honest_answers, make_honest, until
from daemon import SLOW, Leftovers

MOUNTS = {mount: (kind, options) for mount, kind, options in
          ((fields[1], fields[2], fields[3]) for fields in map(str.split, open("/proc/self/mounts")))}
UNIFIED = next((mount for mount, (kind, _) in MOUNTS.items() if kind == "cgroup2"), None)
FREEZER = any(kind == "cgroup" and "freezer" in options.split(",") for kind, options in MOUNTS.values())

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root: hides a mount from the daemon"),
              pytest.mark.skipif(not FREEZER or not UNIFIED, reason="needs a hybrid host: this one has no freezer of version 1")]

TICKS = """import threading, time
count = 0
def tick():
    global count
    while True:
        count += 1
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    return count
"""


@pytest.fixture
def old(make_stoke):
    stoke = make_stoke(hidden=UNIFIED)
    leftovers = Leftovers(stoke)
    leftovers.before = {kind: set() for kind in leftovers.before}
    make_honest(stoke)
    yield stoke
    stoke.stop()
    assert not leftovers.check()


def frozen(stoke):
    """Invokes one that goes on by itself, and waits until it does not."""
    if stoke.request("GET", "/2015-03-31/functions/ticks")[0] == 404:
        stoke.create("ticks", "python3.11", "app.handler", {"app.py": TICKS})
    count = json.loads(stoke.invoke("ticks", {})[2])
    until(lambda: health(stoke)["pool"]["frozen"] >= 1 and health(stoke)["pool"]["idle"] == 0, what="a frozen sandbox")
    return count


def test_it_says_what_it_has(old):
    until(lambda: "cgroup version" in health(old)["host"], what="what the spawner tells")
    assert health(old)["host"]["cgroup version"] == 1
    assert pathlib.Path(f"/sys/fs/cgroup/freezer/stoke-{old.port}").is_dir()
    assert not pathlib.Path(UNIFIED, f"stoke-{old.port}").exists()


def test_what_is_frozen_stands_still(old):
    before = frozen(old)
    time.sleep(1)
    assert json.loads(old.invoke("ticks", {})[2]) - before < 50  # a second has a hundred


def test_a_stopped_spawner_with_frozen_sandboxes_is_replaced(make_stoke):
    stoke = make_stoke(hidden=UNIFIED, config={"spawner.silence": int(2 * SLOW)})
    make_honest(stoke)
    frozen(stoke)
    monitor, spawner = family(stoke)
    os.kill(spawner, signal.SIGSTOP)
    until(lambda: health(stoke)["spawnerLosses"] == 1 and health(stoke)["ready"], 30, "another spawner")
    assert family(stoke)[0] == monitor and family(stoke)[1] != spawner
    honest_answers(stoke)


@pytest.mark.parametrize("who", ["spawner", "monitor", "stoked"])
def test_killed_with_frozen_sandboxes(old, who):
    frozen(old)
    monitor, spawner = family(old)
    os.kill({"spawner": spawner, "monitor": monitor, "stoked": old.process.pid}[who], signal.SIGKILL)
    if who == "spawner":  # long before its silence would be noticed
        until(lambda: health(old)["spawnerLosses"] == 1 and health(old)["ready"], 10, "another spawner")
        assert "spawner.silent" not in old.log()
    else:
        old.process.wait(30 * SLOW)
        old.start()
    honest_answers(old)
    frozen(old)
