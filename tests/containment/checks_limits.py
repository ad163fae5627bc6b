"""Probes of what a function uses up and leaves behind."""
import os
import threading
import time
import uuid

from stage import host_processes, wait_until

TMP_MB = 512
PROCESSES = 742  # of a function, the one that forks among them


def available_mb():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) >> 10 for line in f if line.startswith("MemAvailable"))


def fork_bomb(stage):
    name = stage.fresh()
    values = stage.client.probe(name, "fork_bomb").values
    assert values["end"] == "EAGAIN" and 700 <= values["count"] < PROCESSES, values
    assert stage.client.probe(name, "ticks").status == 200
    stage.remove(name)
    return f"{values['count']} processes"


def memory_bomb(stage):
    name, other = stage.fresh(MemorySize=128), stage.native()
    before = available_mb()
    answer = stage.client.probe(name, "memory_bomb")
    assert answer.error == "Unhandled", (answer.status, answer.body[:300])
    assert "OutOfMemory" in answer.log, answer.log
    assert stage.client.probe(name, "devices").values, "the function does not come back"
    assert stage.client.probe(other, "devices").values, "another function suffers"
    assert wait_until(lambda: available_mb() > before - 256, 10), "the host did not get its memory back"
    stage.remove(name)


def fill_tmp(stage):
    in_memory = stage.client.health()["host"]["/tmp of functions"] == "tmpfs"
    memory = 2 * TMP_MB if in_memory else 128
    name = stage.fresh(MemorySize=memory)
    values = stage.client.probe(name, "fill_tmp", 4 * TMP_MB, 300).values
    assert values["end"] in ("ENOSPC", "EDQUOT"), values
    assert TMP_MB - 32 <= values["mb"] <= TMP_MB + 32, values
    stage.remove(name)
    if in_memory:
        _fill_memory_by_tmp(stage)
    return f"{values['end']} after {values['mb']} MB in a function of {memory} MB"


def _fill_memory_by_tmp(stage):
    """A /tmp in memory counts against the function's: it ends as one out of memory, and is not in the way of the next."""
    name = stage.fresh(MemorySize=128)
    answer = stage.client.probe(name, "fill_tmp", 4 * TMP_MB, 300)
    assert answer.error == "Unhandled" and "OutOfMemory" in answer.log, (answer.status, answer.body[:300], answer.log)
    assert stage.client.probe(name, "devices").values, "the function does not come back"
    stage.remove(name)


def fill_inodes(stage):
    name = stage.fresh(MemorySize=512)
    values = stage.client.probe(name, "fill_inodes", 1000000, 300).values
    assert values["end"] in ("ENOSPC", "EDQUOT"), values
    stage.remove(name)
    return f"{values['end']} after {values['count']} files"


def _marker():
    return "pr" + uuid.uuid4().hex[:12]  # a process name has 15 bytes


def _left_behind(stage, probe):
    """The process that a probe leaves stands still between invocations and is gone with the function."""
    name, marker = stage.fresh(), _marker()
    assert stage.client.probe(name, probe, marker).values["fork"] == "0"
    time.sleep(0.3 * stage.slow)
    first = stage.client.probe(name, "ticks").values["ticks"]
    time.sleep(1.5 * stage.slow)
    second = stage.client.probe(name, "ticks").values["ticks"]
    assert 0 <= second - first < 60 * stage.slow, f"{second - first} ticks of 5 ms while nothing ran"
    alive = len(host_processes(marker))
    stage.remove(name)
    assert wait_until(lambda: not host_processes(marker), 15 * stage.slow), "it outlives its function"
    return f"{alive} alive and frozen, then gone"


def background(stage):
    return _left_behind(stage, "background")


def orphan(stage):
    return _left_behind(stage, "orphan")


def _times_out(stage, probe, arg=""):
    name = stage.fresh(Timeout=2)
    start = time.monotonic()
    answer = stage.client.probe(name, probe, arg)
    took = time.monotonic() - start
    assert answer.error == "Unhandled" and "Task timed out after 2.00 seconds" in answer.body.decode(), answer.body[:300]
    assert took < 6 * stage.slow, f"took {took:.1f} s"
    return name


def stop_self(stage):
    name = _times_out(stage, "stop_self")
    assert stage.client.probe(name, "devices").values, "the function does not come back"
    stage.remove(name)


def stubborn(stage):
    marker = _marker()
    name = _times_out(stage, "stubborn", marker)
    assert wait_until(lambda: not host_processes(marker), 10 * stage.slow), "it is still there"
    stage.remove(name)


def flood(stage):
    name, other = stage.fresh(), stage.native()
    stage.client.probe(other, "devices")
    result = []
    thread = threading.Thread(target=lambda: result.append(stage.client.probe(name, "flood", 200, 300)))
    thread.start()
    worst = 0
    while thread.is_alive():
        start = time.monotonic()
        assert stage.client.probe(other, "duplicate").status == 200
        worst = max(worst, time.monotonic() - start)
    thread.join()
    assert worst < 2 * stage.slow, f"a neighbour waited {worst:.1f} s"
    assert result[0].status == 200, result[0].body[:300]
    stage.remove(name)
    return f"a neighbour waited {worst * 1000:.0f} ms at most"


def forge(stage):
    name = stage.fresh()
    answer = stage.client.probe(name, "forge")
    request = answer.values["id"]
    lines = [line for line in answer.log.split("\n") if line]
    assert lines[-1].startswith(f"REPORT RequestId: {request}") and "forged" not in lines[-1], lines
    events = stage.client.logs(name)
    assert events, "no stored log"
    forged = [e for e in events if "forged" in e["message"] or e["message"].startswith("END") and not e["platform"]]
    assert len(forged) >= 3 and not any(e["platform"] for e in forged), forged
    real = [e for e in events if e["platform"] and e["message"].startswith("REPORT")]
    assert len(real) == 1, real
    stage.remove(name)


def spinner(stage):
    """p99 of a warm function beside others that spin, against p99 alone."""
    name, spinners = stage.native(), [stage.fresh(MemorySize=256) for _ in range(os.cpu_count() or 1)]

    def p99(rounds=200):
        times = []
        for _ in range(rounds):
            start = time.monotonic()
            stage.client.probe(name, "duplicate")
            times.append(time.monotonic() - start)
        return sorted(times)[rounds * 99 // 100]
    for spinner_name in spinners:
        stage.client.probe(spinner_name, "duplicate")
    p99(20)
    alone = p99()
    threads = [threading.Thread(target=stage.client.probe, args=(s, "spin", 8)) for s in spinners]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    beside = p99()
    for thread in threads:
        thread.join()
    for spinner_name in spinners:
        stage.remove(spinner_name)
    # A floor of 2 ms: below it the clock and the client decide.
    assert beside <= 3 * max(alone, 0.002), f"p99 {alone * 1000:.2f} ms alone, {beside * 1000:.2f} ms beside spinners"
    return f"p99 {alone * 1000:.2f} ms alone, {beside * 1000:.2f} ms beside spinners"


CHECKS = {49: fork_bomb, 50: memory_bomb, 51: fill_tmp, 52: fill_inodes, 64: background, 65: orphan, 66: stop_self, 67: stubborn,
          68: flood, 69: forge, 77: spinner}
