"""Probes of what a function sees: calls, files, processes, networks, other functions."""
import os
import socket
import uuid

import expected
import zips
from client import Refused


def compare(wanted, values, where):
    wrong = {key: values.get(key) for key, want in wanted.items() if not expected.matches(want, values.get(key))}
    if wrong:
        raise AssertionError(f"in {where}: " + ", ".join(f"{key} is {got}, not {wanted[key]}" for key, got in wrong.items()))


def calls(stage, number):
    for name in stage.kinds():
        compare(expected.CALLS[number][1], stage.values(name, "calls"), name)


def view(stage, number):
    _, probe, wanted = expected.VIEW[number]
    for name in stage.kinds():
        compare(wanted, stage.values(name, probe), name)


def _outside(stage):
    """The network probe's answer, with a port and an abstract socket that are open on the host."""
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        name = f"stoke-probe-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        unix.bind("\0" + name)
        unix.listen()
        return stage.client.probe(stage.native(), "network", f"{tcp.getsockname()[1]} {name}").values


def host_port(stage):
    compare({"host_port": "ECONNREFUSED", "own_endpoint": "0"}, _outside(stage), "probe-native")


def far_hosts(stage):
    values = _outside(stage)
    far = [key for key in values if "." in key or ":" in key]
    compare({key: "ENETUNREACH" for key in far}, values, "probe-native")
    assert len(far) == 7, far


def abstract_socket(stage):
    compare({"abstract": "ECONNREFUSED"}, _outside(stage), "probe-native")


def other_api(stage):
    names = [stage.fresh(MemorySize=1769) for _ in range(2)]  # a whole processor: it tries every port
    mine, other = (stage.client.probe(name, "ports", timeout=300).values for name in names)
    assert mine["net"] != other["net"], f"two functions share {mine['net']}"
    for values in (mine, other):
        extra = set(values["open"].split()) - {"9001", "4566"}
        assert not extra, f"ports {extra} are open inside"
    for name in names:
        stage.remove(name)


def other_function(stage):
    secret = f"secret-{uuid.uuid4().hex}"
    victim = stage.fresh("python", Environment={"Variables": {"PROBE_SECRET": secret}})
    stage.client.probe(victim, "write_tmp", secret)
    spy = stage.python()
    seen = stage.client.invoke(spy, {"eval": {
        "env": "dict(os.environ)", "tmp": "os.listdir('/tmp')", "var": "os.listdir('/var')",
        "pids": "[p for p in os.listdir('/proc') if p.isdigit()]",
        "environ": "[open(f'/proc/{p}/environ', 'rb').read() for p in os.listdir('/proc') if p.isdigit() "
                   "and os.access(f'/proc/{p}/environ', os.R_OK)]",
        "argv": "[open(f'/proc/{p}/cmdline', 'rb').read() for p in os.listdir('/proc') if p.isdigit()]",
        "mounts": "open('/proc/self/mountinfo').read()"}}).values
    for key, value in seen.items():
        assert secret not in value, f"{key} holds the other function's secret"
    assert "secret" not in seen["tmp"], seen["tmp"]
    assert len(eval(seen["pids"])) < 10, f"sees processes {seen['pids']}"


def leftovers_in_tmp(stage):
    secret = f"secret-{uuid.uuid4().hex}"
    victim = stage.fresh()
    assert stage.client.probe(victim, "write_tmp", secret).values["write"] == "0"
    stage.remove(victim)
    for _ in range(3):
        spy = stage.fresh("python")
        listing = stage.client.invoke(spy, {"eval": {"tmp": "os.listdir('/tmp')"}}).values["tmp"]
        assert "secret" not in listing, listing
        stage.remove(spy)


def archive_modes(stage):
    """61: what an archive's odd entries have become."""
    strange = [("fifo", b"", 0o010644), ("device", b"", 0o020644), ("block", b"", 0o060644), ("socket", b"", 0o140644),
               ("setuid", b"#!/bin/sh\n", zips.REGULAR | 0o6755)]
    code = "def handler(e, c):\n import os\n return {'values': {n: oct(os.lstat('/var/task/' + n).st_mode) for n in os.listdir('/var/task')}}\n"
    notes = []
    for entry in strange:
        name = f"probe-mode-{entry[0]}"
        try:
            stage.client.create(name, stage.options.python, "app.handler", zips.archive(("app.py", code), entry))
        except Refused as refused:
            assert refused.status == 0 or 400 <= refused.status < 500, refused
            notes.append(f"{entry[0]} refused")
            continue
        values = stage.client.invoke(name).values
        stage.client.delete(name)
        mode = int(values[entry[0]], 8) if entry[0] in values else None
        assert mode is None or (mode & 0o170000 == zips.REGULAR and not mode & 0o7000), f"{entry[0]} came as {mode:o}"
        notes.append(f"{entry[0]} {'left out' if mode is None else 'stripped'}")
    return ", ".join(notes)



CHECKS = {45: host_port, 46: far_hosts, 47: abstract_socket, 54: other_api, 55: other_function, 61: archive_modes,
          73: leftovers_in_tmp}
