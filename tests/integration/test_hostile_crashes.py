"""kill -9 and SIGSTOP of every process of ours while functions are made, changed, deleted and invoked; a disk that fills; data that was
damaged. What was acknowledged is there afterwards, errors have names, nothing is left behind."""
import base64
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from attack import creation, family, health, honest_answers, make_honest, until
from daemon import SLOW, Leftovers, archive, descendants, processes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: kills privileged processes and mounts file systems")

FUNCTIONS = "/2015-03-31/functions"
CODE = "import time, os\ndef handler(event, context):\n    time.sleep(event.get('s', 0))\n    return event.get('n')\n"


def started_again(stoke, wait_s=30):
    stoke.process.wait(wait_s)
    stoke.start()


@pytest.fixture
def own(make_stoke):
    stoke = make_stoke()
    leftovers = Leftovers(stoke)
    leftovers.before = {kind: set() for kind in leftovers.before}
    make_honest(stoke)
    yield stoke
    stoke.stop()
    assert not leftovers.check()


def in_background(call, *args, **more):
    """A call under which connections may break."""
    def run():
        with contextlib.suppress(OSError, http.client.HTTPException):
            call(*args, **more)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


# ---- a stoked that somebody has taken over, who may rename what lies in the data directory

def test_the_privileged_follow_no_link(own, tmp_path):
    """Neither the monitor, which sweeps, nor the next spawner, which mounts and makes files, leaves the directory that is root's."""
    _, spawner = family(own)
    victim = tmp_path / "images"
    victim.mkdir()
    (victim / "kept.img").write_text("somebody's disk")
    data, uid = pathlib.Path(own.data), os.stat(own.data).st_uid
    (data / "sandbox").rename(data / "moved")
    for link in ("tmp", "run"):
        (data / "sandbox").mkdir(exist_ok=True)
        (data / "sandbox" / link).symlink_to(victim)
    os.chown(data / "sandbox", uid, uid)
    os.kill(spawner, signal.SIGKILL)
    assert own.process.wait(60 * SLOW) != 0
    assert os.listdir(victim) == ["kept.img"]
    assert "belongs to uid" in own.log()
    shutil.rmtree(data / "sandbox")
    (data / "moved").rename(data / "sandbox")
    own.start()
    honest_answers(own)


# ---- the lock on the data directory

def test_restart_at_once_after_kill(own):
    """The next start on the same data waits for what the killed one left, and finds everything."""
    for _ in range(5):
        threads = [in_background(own.invoke, "honest", {"n": i}) for i in range(8)]
        time.sleep(0.1)
        before = family(own)
        own.process.kill()
        own.process.wait()
        own.start()
        table = processes()
        assert not [p for p in before if p in table and table[p][1] == "stoke-spawner"], "two monitors on the same data"
        honest_answers(own)
        [t.join(30) for t in threads]


def test_lock_is_held_while_the_monitor_ends(own):
    """A monitor that cannot go on keeps the lock of a stoked that is dead: nobody starts beside its sandboxes."""
    monitor, _ = family(own)
    os.kill(monitor, signal.SIGSTOP)
    try:
        own.process.kill()
        own.process.wait()
        second = subprocess.Popen([own.build / "stoked", "--listen", f"127.0.0.1:{own.port}", "--data", own.data], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(1.5)
    finally:
        os.kill(monitor, signal.SIGCONT)
    try:
        while "stoke ready" not in (line := second.stdout.readline()):
            assert line, "the second did not start"
        honest_answers(own)
    finally:
        second.terminate()
        assert second.wait(30) == 0
    own.start()


def test_other_data_on_the_port_of_a_killed_one(own, make_stoke):
    """Its control groups have the same name: the second waits until the first's monitor has ended them."""
    own.create("sleeper", "python3.11", "app.handler", {"app.py": CODE}, Timeout=30)
    for _ in range(4):
        threads = [in_background(own.invoke, "sleeper", {"s": 5}) for _ in range(24)]
        time.sleep(0.7)
        own.process.kill()
        own.process.wait()
        other = make_stoke(port=own.port)
        make_honest(other)
        for _ in range(3):
            honest_answers(other)
        other.process.kill()
        other.process.wait()
        own.start()
        honest_answers(own)
        [t.join(30) for t in threads]


def test_zygote_that_hangs(make_stoke):
    """It is replaced: the visit that found out waits for the next one, nobody else notices."""
    stoke = make_stoke(config={"pool.blanks_min": 0})
    stoke.create("first", "python3.11", "app.handler", {"app.py": CODE})
    until(lambda: health(stoke)["pool"]["zygotes"] == 1, what="the zygote")
    zygotes = [p for p, name in descendants(stoke.process.pid) if name.startswith("python")]
    assert len(zygotes) == 1
    os.kill(zygotes[0], signal.SIGSTOP)
    answers = [stoke.invoke("first", {"n": 1}) for _ in range(4)]
    assert answers[-1][2] == b"1", answers
    assert len([a for a in answers if a[2] != b"1"]) <= 2, answers
    assert zygotes[0] not in processes() and "unresponsive" in stoke.log()


def test_blanks_outlive_their_zygote(make_stoke):
    """Cold starts between the end of a zygote and the next one's begin get the blanks that it left."""
    stoke = make_stoke(config={"pool.blanks_min": 4, "pool.blanks_max": 4})
    for i in range(6):
        stoke.create(f"f{i}", "python3.11", "app.handler", {"app.py": CODE})
    until(lambda: health(stoke)["pool"]["blanks"] == 4, what="blanks")
    pythons = [pid for pid, name in descendants(stoke.process.pid) if name.startswith("python")]
    zygote = min(pythons, key=lambda pid: int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]))
    os.kill(zygote, signal.SIGKILL)
    answers = [stoke.invoke(f"f{i}", {"n": i}) for i in range(6)]
    assert [a[2] for a in answers] == [str(i).encode() for i in range(6)], answers
    assert "zygote.down" in stoke.log()


def test_init_that_fails_where_no_second_is_possible(make_stoke):
    """A room whose zygote is gone cannot begin anew; the visit hears what its function is to blame for."""
    stoke = make_stoke(config={"pool.blanks_min": 2, "pool.blanks_max": 2})
    stoke.create("f", "python3.11", "app.handler", {"app.py": "import nothing\n"})
    until(lambda: health(stoke)["pool"]["blanks"] == 2, what="blanks")
    pythons = [pid for pid, name in descendants(stoke.process.pid) if name.startswith("python")]
    zygote = min(pythons, key=lambda pid: int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]))
    os.kill(zygote, signal.SIGKILL)
    until(lambda: "zygote.down" in stoke.log(), what="the end of the zygote")
    for _ in range(2):
        status, headers, body = stoke.invoke("f")
        assert status == 200 and json.loads(body)["errorType"] == "Runtime.ImportModuleError", (status, body)


def test_zygote_that_dies_while_many_wait(make_stoke):
    """Its end is one failure, whoever waits: no visit pays for the rooms that it takes along."""
    stoke = make_stoke(config={"pool.blanks_min": 0})
    for i in range(12):
        stoke.create(f"f{i}", "python3.11", "app.handler", {"app.py": CODE})
    until(lambda: "zygote.up" in stoke.log(), what="the zygote")
    zygote = [p for p, name in descendants(stoke.process.pid) if name.startswith("python")]
    os.kill(zygote[0], signal.SIGSTOP)
    answers = {}
    threads = [in_background(lambda i=i: answers.update({i: stoke.invoke(f"f{i}", {"n": i})[2]})) for i in range(12)]
    until(lambda: health(stoke)["pool"]["making"] == 12, what="twelve orders")
    os.kill(zygote[0], signal.SIGKILL)
    [t.join(30) for t in threads]
    assert answers == {i: str(i).encode() for i in range(12)}


# ---- kill -9

@pytest.mark.parametrize("victim", ["spawner", "monitor", "stoked"])
@pytest.mark.parametrize("moment", ["create", "update", "delete", "invoke"])
def test_kill_while(own, victim, moment):
    zipped = base64.b64encode(archive({"app.py": CODE, "weight": os.urandom(3 << 20)})).decode()
    for i in range(3):
        own.request("POST", FUNCTIONS, creation(f"f{i}", zipped))
    acknowledged = {}

    answers = []

    def busy(i):
        for n in range(20):
            if moment == "create":
                status = own.request("POST", FUNCTIONS, creation(f"new-{i}-{n}", zipped))[0]
                acknowledged[f"new-{i}-{n}"] = status == 201
            elif moment == "update":
                own.request("PUT", f"{FUNCTIONS}/f{i}/configuration", {"Timeout": 3 + n})
                own.request("PUT", f"{FUNCTIONS}/f{i}/code", {"ZipFile": base64.b64encode(archive({"app.py": CODE + f"# {n}\n"})).decode()})
            elif moment == "delete":
                own.request("DELETE", f"{FUNCTIONS}/f{i}")
                own.request("POST", FUNCTIONS, creation(f"f{i}", zipped))
            else:
                answers.append((n, own.invoke(f"f{i}", {"n": n, "s": 0.05})))

    threads = [in_background(busy, i) for i in range(3)]
    time.sleep(0.25)
    monitor, spawner = family(own)
    os.kill({"spawner": spawner, "monitor": monitor, "stoked": own.process.pid}[victim], signal.SIGKILL)
    if victim == "spawner":
        until(lambda: health(own)["spawnerLosses"] == 1 and health(own)["ready"], 5, "a new spawner")
        assert own.process.poll() is None
    else:
        started_again(own)
    [t.join(60) for t in threads]
    for n, (status, headers, body) in answers:
        assert (status, body) == (200, str(n).encode()) or (status, headers["x-amzn-errortype"]) == (500, "ServiceException"), (n, status, body)
    assert (victim, moment) != ("spawner", "invoke") or len(answers) == 60
    pages = own.client().get_paginator("list_functions").paginate()
    listed = {f["FunctionName"] for page in pages for f in page["Functions"]}
    assert {n for n, there in acknowledged.items() if there} <= listed
    for function in sorted(listed):
        status, headers, body = own.invoke(function, {"n": 7})
        assert status == 200 and "x-amz-function-error" not in headers, (function, status, body)
    honest_answers(own)
    assert os.listdir(own.data + "/incoming") == []


def test_spawner_that_dies_under_a_visit(own):
    """The visit hears of it at once, and a second later all is as before: on a busy machine, the best of some times."""
    own.create("sleeper", "python3.11", "app.handler", {"app.py": CODE}, Timeout=60)
    assert own.invoke("sleeper", {"n": 1})[2] == b"1"
    took = []
    for losses in range(1, 4):
        lost = []
        flying = in_background(lambda: lost.append((own.invoke("sleeper", {"s": 30}), time.monotonic())))
        until(lambda: health(own)["pool"]["busy"] == 1, what="a visit in flight")
        monitor, spawner = family(own)
        killed = time.monotonic()
        os.kill(spawner, signal.SIGKILL)
        while (answer := own.invoke("sleeper", {"n": losses}))[0] != 200:
            assert (answer[0], answer[1]["x-amzn-errortype"]) == (500, "ServiceException"), answer
        took.append(time.monotonic() - killed)
        flying.join(60 * SLOW)
        (status, headers, body), at = lost[0]
        assert (status, headers["x-amzn-errortype"]) == (500, "ServiceException"), body
        assert answer[2] == str(losses).encode() and "x-amz-function-error" not in answer[1]
        assert at - killed < SLOW and took[-1] < 5 * SLOW, (at - killed, took)
        until(lambda: health(own)["ready"], what="readiness")
        assert health(own)["spawnerLosses"] == losses and family(own)[0] == monitor and family(own)[1] != spawner
    assert min(took) < SLOW, took


def test_kill_of_a_worker(own):
    own.create("sleeper", "python3.11", "app.handler", {"app.py": CODE}, Timeout=20)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(own.invoke("sleeper", {"s": 15})))
    thread.start()
    time.sleep(0.7)
    _, spawner = family(own)
    busy = max((p for p, _ in descendants(spawner)), key=lambda p: os.path.getmtime(f"/proc/{p}"))
    # the worker that sleeps: the one whose room holds /var/task
    for pid, _ in descendants(spawner):
        try:
            if "/var/task" in pathlib.Path(f"/proc/{pid}/mountinfo").read_text() and os.readlink(f"/proc/{pid}/cwd") == "/var/task":
                busy = pid
        except OSError:
            continue
    os.kill(busy, signal.SIGKILL)
    thread.join(20)
    status, headers, body = answers[0]
    assert (status, headers["x-amz-function-error"]) == (200, "Unhandled")
    assert json.loads(body)["errorType"] == "Runtime.ExitError" and "signal: killed" in json.loads(body)["errorMessage"]
    assert own.invoke("sleeper", {"n": 1})[2] == b"1"


def test_spawner_that_does_not_answer(own):
    """SIGSTOP of the spawner: warm functions go on, others fail by name within a bound, and all is well after SIGCONT."""
    own.create("other", "python3.11", "app.handler", {"app.py": CODE}, Timeout=3)
    _, spawner = family(own)
    os.kill(spawner, signal.SIGSTOP)
    try:
        started = time.monotonic()
        outcomes = []
        threads = [threading.Thread(target=lambda: outcomes.append(own.invoke("other", {"n": 1}))) for _ in range(8)]
        [t.start() for t in threads]
        [t.join(60) for t in threads]
        assert len(outcomes) == 8 and time.monotonic() - started < 50
        for status, headers, body in outcomes:
            assert status in (200, 429, 500, 503), (status, body)
        assert own.request("GET", "/_stoke/health")[0] == 200
    finally:
        os.kill(spawner, signal.SIGCONT)
    until(lambda: own.invoke("other", {"n": 5})[2] == b"5", 30, "an answer")
    honest_answers(own)


def test_spawner_that_hangs_is_replaced(make_stoke):
    """It says nothing for spawner.silence: the monitor ends it and starts another, as after its death."""
    stoke = make_stoke(config={"spawner.silence": 3})
    make_honest(stoke)
    client = stoke.client()
    client.publish_version(FunctionName="honest")
    client.put_provisioned_concurrency_config(FunctionName="honest", Qualifier="1", ProvisionedConcurrentExecutions=1)
    until(lambda: ready(client), what="provisioned concurrency")
    monitor, spawner = family(stoke)
    os.kill(spawner, signal.SIGSTOP)
    until(lambda: health(stoke)["spawnerLosses"] == 1 and health(stoke)["ready"], 30, "another spawner")
    assert spawner not in processes() and family(stoke)[0] == monitor
    assert "spawner.silent" in stoke.log() and "monitor.spawner_silent" in stoke.log()
    honest_answers(stoke)
    until(lambda: ready(client), what="provisioned concurrency")
    assert health(stoke)["spawnerLosses"] == 1


def ready(client):
    return client.get_provisioned_concurrency_config(FunctionName="honest", Qualifier="1")["Status"] == "READY"


def test_spawner_that_goes_on_in_time_stays(own):
    monitor, spawner = family(own)
    for _ in range(3):
        os.kill(spawner, signal.SIGSTOP)
        time.sleep(1)
        os.kill(spawner, signal.SIGCONT)
        honest_answers(own)
    assert family(own) == (monitor, spawner) and health(own)["spawnerLosses"] == 0


def test_stopped_with_its_monitor(make_stoke):
    """Nobody can bring another spawner: stoked ends, as without a monitor, and does not promise what nobody keeps."""
    stoke = make_stoke(config={"spawner.silence": 2})
    make_honest(stoke)
    pids = family(stoke)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert stoke.process.wait(60 * SLOW) == 1
        assert "brings no spawner" in stoke.log()
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    stoke.start()
    honest_answers(stoke)


# ---- a disk that is full

@pytest.fixture
def small(make_stoke, tmp_path):
    """A stoked whose data lies on a file system of 24 MB."""
    for parent in (tmp_path, *tmp_path.parents):
        if str(parent).startswith("/tmp/"):
            os.chmod(parent, 0o755)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", disk], check=True)
    stoke = make_stoke(data=str(disk / "data"))
    make_honest(stoke)
    yield stoke, disk
    stoke.stop()
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk):
    with contextlib.suppress(OSError), open(disk / "ballast", "wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


def test_full_disk_while_invoking(small):
    stoke, disk = small
    stoke.create("noisy", "python3.11", "app.handler", {"app.py": "def handler(e, c):\n    print('x' * 200000)\n    return 'ok'\n"})
    honest_answers(stoke)
    fill(disk)
    for _ in range(5):
        honest_answers(stoke)
        status, headers, body = stoke.invoke("noisy", {})
        assert status == 200 and body == b'"ok"'
    status, headers, body = stoke.request("POST", FUNCTIONS, creation("late", base64.b64encode(archive({"app.py": os.urandom(500_000)})).decode()))
    assert (status, headers["x-amzn-errortype"]) == (500, "ServiceException") and b"No space left on device" in body
    status, headers, body = stoke.request("PUT", f"{FUNCTIONS}/honest/configuration", {"Timeout": 9, "Description": "d" * 200})
    assert status in (200, 500), body
    status, headers, body = stoke.request("GET", "/_stoke/logs?function=noisy")
    assert status == 200
    os.unlink(disk / "ballast")
    honest_answers(stoke)
    assert stoke.request("POST", FUNCTIONS, creation("late", base64.b64encode(archive({"app.py": CODE})).decode()))[0] == 201
    stoke.wait_active("late")
    assert stoke.invoke("late", {"n": 3})[2] == b"3"
    before = json.loads(stoke.request("GET", "/_stoke/logs?function=noisy")[2])["next"]
    assert stoke.invoke("noisy", {})[0] == 200
    assert b"xxx" in stoke.request("GET", f"/_stoke/logs?function=noisy&after={before}")[2], "the log goes on where there is room again"


def test_full_disk_keeps_what_was_acknowledged(small):
    """A change is there or refused, whatever the disk says: the same before and after kill -9."""
    stoke, disk = small
    fill(disk)
    os.truncate(disk / "ballast", os.path.getsize(disk / "ballast") - (256 << 10))
    there, refused, n = None, 0, 0
    while refused < 5:
        n += 1
        assert n < 1000, "the disk does not fill"
        wish = f"{n:04}" + "d" * 200
        status, headers, body = stoke.request("PUT", f"{FUNCTIONS}/honest/configuration", {"Description": wish})
        if status == 200:
            there = wish
        elif headers["x-amzn-errortype"] != "ResourceConflictException":  # an update is in progress
            assert (status, headers["x-amzn-errortype"]) == (500, "ServiceException"), body
            refused += 1
        assert described(stoke) == there, (n, status)
    assert there
    stoke.process.kill()
    stoke.process.wait()
    os.unlink(disk / "ballast")
    stoke.start()
    assert described(stoke) == there
    stoke.wait_active("honest")
    honest_answers(stoke)


def described(stoke):
    return json.loads(stoke.request("GET", f"{FUNCTIONS}/honest/configuration")[2])["Description"]


def test_restart_on_a_full_disk(small):
    stoke, disk = small
    fill(disk)
    stoke.process.kill()
    stoke.process.wait()
    try:
        stoke.start()
        honest_answers(stoke)
    except RuntimeError as error:
        assert "No space left on device" in str(error)
    os.unlink(disk / "ballast")
    if stoke.process is None:
        stoke.start()
    honest_answers(stoke)


# ---- damaged data

def stopped(stoke):
    stoke.create("kept", "python3.11", "app.handler", {"app.py": CODE, "data/more": "x"})
    sha = json.loads(stoke.request("GET", f"{FUNCTIONS}/kept")[2])["Configuration"]["CodeSha256"]
    stoke.stop()
    return base64.b64decode(sha).hex()


DAMAGE = {
    "overwritten": lambda data: data.write_bytes(os.urandom(20000)),
    "cut short": lambda data: data.write_bytes(data.read_bytes()[:5000]),
    "a page of garbage": lambda data: data.write_bytes(data.read_bytes()[:4096] + os.urandom(4096) + data.read_bytes()[8192:]),
    "a directory": lambda data: (data.unlink(), data.mkdir()),
    "a newer version": lambda data: execute(data, "PRAGMA user_version = 9999"),
    "missing tables": lambda data: execute(data, *[f"DROP TABLE {t}" for t in tables(data)]),
}


def tables(data):
    db = sqlite3.connect(data)
    names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    db.close()
    return names


def execute(data, *statements):
    with contextlib.closing(sqlite3.connect(data)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def test_stopped_while_it_starts(make_stoke):
    """Whatever it was doing: it ends well and has no error to tell of."""
    stoke = make_stoke()
    stoke.stop()
    for step in range(20):
        stoke.start()  # it answers before it has a spawner
        time.sleep(step * 0.005 * SLOW)
        stoke.stop()
    assert [line for line in stoke.log().splitlines() if " error " in line or " warn " in line] == []


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_database(make_stoke, kind):
    """It refuses to start and says which file it is; it does not begin with an empty one."""
    stoke = make_stoke()
    stopped(stoke)
    whole = stoke.dir + "/whole"
    shutil.copytree(stoke.data, whole)
    for extra in ("stoke.db-wal", "stoke.db-shm"):
        pathlib.Path(stoke.data, extra).unlink(missing_ok=True)
    DAMAGE[kind](pathlib.Path(stoke.data, "stoke.db"))
    before = stoke.log()
    with pytest.raises(RuntimeError, match=r"(?s)\(status 1\).*stoke.db"):
        stoke.start()
    assert "stoke ready" not in stoke.log().removeprefix(before)
    trees = os.listdir(stoke.data + "/trees")
    assert trees, "the code of functions that cannot be read now was swept"


def test_empty_rows_and_odd_values_in_the_database(make_stoke):
    stoke = make_stoke()
    stopped(stoke)
    data = pathlib.Path(stoke.data, "stoke.db")
    db = sqlite3.connect(data)
    table = next(t for t in tables(data) if "function" in t)
    columns = [c[1] for c in db.execute(f"PRAGMA table_info({table})")]
    db.close()
    text = [c for c in columns if c not in ("account", "region", "name", "id", "key")]
    saved = data.read_bytes()
    for column in text:
        data.write_bytes(saved)
        for extra in ("stoke.db-wal", "stoke.db-shm"):
            pathlib.Path(stoke.data, extra).unlink(missing_ok=True)
        try:
            execute(data, f"UPDATE {table} SET {column} = '\x01{{nonsense'")
        except sqlite3.IntegrityError:
            continue
        os.chown(data, os.stat(stoke.data).st_uid, os.stat(stoke.data).st_gid)
        try:
            stoke.start()
            assert stoke.request("GET", f"{FUNCTIONS}/")[0] in (200, 500), column
            stoke.invoke("kept", {"n": 1})
            assert stoke.process.poll() is None, column
            stoke.stop()
        except RuntimeError as error:
            assert "(status 1)" in str(error), (column, error)


def test_truncated_blob_and_missing_files(make_stoke):
    stoke = make_stoke()
    sha = stopped(stoke)
    blob, tree = pathlib.Path(stoke.data, "blobs", sha), pathlib.Path(stoke.data, "trees", sha)
    os.truncate(blob, 10)
    os.chmod(tree, 0o755)
    (tree / "app.py").unlink()
    stoke.start()
    status, headers, body = stoke.invoke("kept", {"n": 1})
    assert status == 200 and json.loads(body)["errorType"] == "Runtime.ImportModuleError", body
    location = json.loads(stoke.request("GET", f"{FUNCTIONS}/kept")[2])["Code"]["Location"]
    status, _, _ = stoke.request("GET", location.split(str(stoke.port), 1)[1])
    assert status in (200, 404, 500)
    # the same archive again makes it whole
    zipped = archive({"app.py": CODE, "data/more": "x"})
    status, _, body = stoke.request("PUT", f"{FUNCTIONS}/kept/code", {"ZipFile": base64.b64encode(zipped).decode()})
    assert status == 200, body
    stoke.stop()
    shutil.rmtree(tree)
    stoke.start()
    status, headers, body = stoke.invoke("kept", {"n": 1})
    assert (status, headers.get("x-amzn-errortype", "").split(":")[0]) != (200, ""), body
    make_honest(stoke)
    honest_answers(stoke)
    stoke.stop()
    blob.unlink(missing_ok=True)
    stoke.start()
    assert stoke.request("GET", f"{FUNCTIONS}/kept")[0] == 200
    assert stoke.invoke("kept", {"n": 1})[0] in (200, 500, 502)
    honest_answers(stoke)
