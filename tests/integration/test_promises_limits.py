"""Promises about resources, seen from outside: CPU in proportion to memory, what is measured, and how the pool gives and takes."""
import base64
import json
import os
import threading
import time

import pytest
from botocore.exceptions import ClientError

from daemon import SLOW

SPIN = '''
import time

def handler(event, context):
    started, before = time.monotonic(), time.process_time()
    while time.monotonic() - started < event["s"]:
        pass
    return (time.process_time() - before) / (time.monotonic() - started)
'''

SLEEP = '''
import time

held = []

def handler(event, context):
    if "mb" in event:
        held.append(bytearray(b"x" * (event["mb"] << 20)))
    time.sleep(event.get("s", 0))
    return "slept"
'''


def make(stoke, name, code, **more):
    stoke.client().create_function(**stoke.function(name, {"app.py": code}), **more)
    stoke.wait_active(name)


def visit(stoke, name, event=None, **more):
    answer = stoke.client().invoke(FunctionName=name, Payload=json.dumps(event or {}), LogType="Tail", **more)
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload, base64.b64decode(answer["LogResult"]).decode()


def at_once(*calls):
    results = [None] * len(calls)

    def run(i):
        try:
            results[i] = calls[i]()
        except ClientError as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    [t.start() for t in threads]
    [t.join(120 * SLOW) for t in threads]
    return results


# ---- CPU


@pytest.mark.parametrize("how", ["alone", "side by side"])
def test_cpu_is_in_proportion_to_memory(stoke, how):
    """The quota is a ceiling, under which a busy machine may keep a function: the best of some rounds is what it is given."""
    small, large = "cpu-256-" + how.split()[0], "cpu-1024-" + how.split()[0]
    make(stoke, small, SPIN, MemorySize=256, Timeout=60)
    make(stoke, large, SPIN, MemorySize=1024, Timeout=60)
    [visit(stoke, name, {"s": 0}) for name in (small, large)]
    best = {small: 0.0, large: 0.0}
    end = time.monotonic() + 60 * SLOW
    while time.monotonic() < end:
        calls = [lambda name=name: visit(stoke, name, {"s": 0.6})[0] for name in best]
        shares = [call() for call in calls] if how == "alone" else at_once(*calls)
        best = {name: max(share, best[name]) for name, share in zip(best, shares)}
        if 3.4 < best[large] / best[small] < 4.6:
            break
    assert 3.2 < best[large] / best[small] < 4.8, best
    assert best[small] < 1.2 * 256 / 1769 and best[large] < 1.2 * 1024 / 1769, best


def test_a_crowd_keeps_the_proportion(stoke):
    """Functions that together want more than the machine has get less than their quota, still in proportion."""
    crowd = 4 * os.cpu_count()
    make(stoke, "crowd-256", SPIN, MemorySize=256, Timeout=60)
    make(stoke, "crowd-1024", SPIN, MemorySize=1024, Timeout=60)
    ratios = []
    for _ in range(6):
        small, *large = at_once(lambda: visit(stoke, "crowd-256", {"s": 3})[0],
                                *[lambda: visit(stoke, "crowd-1024", {"s": 3})[0] for _ in range(crowd)])
        ratios.append(sum(large) / crowd / small)
        if 3 < ratios[-1] < 5.3:
            return
    raise AssertionError(ratios)


def test_init_has_a_whole_cpu(stoke, name):
    code = SPIN + '''
share = max(handler({"s": 0.5}, None) for _ in range(6))

def handler(event, context):
    return share
'''
    make(stoke, name, code, MemorySize=128)
    assert visit(stoke, name)[0] > 0.2  # on a busy machine, too; afterwards 128 MB get 0.07


# ---- memory


def test_measured_memory(stoke, name):
    make(stoke, name, SLEEP, MemorySize=256, Timeout=20)

    def peak(event):
        return int(visit(stoke, name, event)[1].partition("Max Memory Used: ")[2].partition(" MB")[0])

    idle, used = peak({}), peak({"mb": 60})
    assert idle < 40 and used >= idle + 55 and used < 256


def test_no_memory_for_a_worker_is_a_429_within_the_bound(make_stoke):
    stoke = make_stoke(config={"memory.budget": 48, "pool.blanks_min": 0, "pool.wait_max": 300})
    make(stoke, "hog", SLEEP, MemorySize=512, Timeout=30)
    visit(stoke, "hog", {"mb": 30})
    answers = at_once(*[lambda: visit(stoke, "hog", {"s": 3}) for _ in range(6)])
    refused = [a for a in answers if isinstance(a, ClientError)]
    assert refused and len(refused) < 6
    for error in refused:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert error.response["Error"]["Code"] == "TooManyRequestsException" and "memory" in error.response["Error"]["Message"]
    visit(stoke, "hog")  # and serves on


# ---- keeping


def test_an_idle_worker_is_kept_for_a_while(make_stoke):
    stoke = make_stoke(config={"pool.keep_alive": 5})
    make(stoke, "kept", SLEEP)
    assert "Init Duration" in visit(stoke, "kept")[1]
    assert "Init Duration" not in visit(stoke, "kept")[1]
    end = time.monotonic() + 40 * SLOW
    while json.loads(stoke.request("GET", "/_stoke/health")[2])["pool"]["expired"] == 0 and time.monotonic() < end:
        time.sleep(0.2)
    assert "Init Duration" in visit(stoke, "kept")[1]


@pytest.mark.parametrize("change", ["code", "configuration"])
def test_a_change_retires_workers(stoke, name, change):
    client = stoke.client()
    make(stoke, name, SLEEP)
    visit(stoke, name)
    assert "Init Duration" not in visit(stoke, name)[1]
    if change == "code":
        client.update_function_code(FunctionName=name, ZipFile=stoke.function(name, {"app.py": SLEEP + "\n"})["Code"]["ZipFile"])
    else:
        client.update_function_configuration(FunctionName=name, Timeout=7)
    stoke.wait_active(name)
    assert "Init Duration" in visit(stoke, name)[1]
