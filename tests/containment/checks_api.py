"""Probes against the Runtime API from inside and the public API from outside."""
import socket
import threading
import time

CONNECTIONS = 64  # of one sandbox to its Runtime API
REFUSALS = (400, 413, 414, 431, 0)  # 0: the connection was closed


def request_ids(stage):
    name = stage.fresh()
    stage.client.probe(name, "devices")  # so that there is an old id
    values = stage.client.probe(name, "request_ids").values
    assert values == {"foreign": 400, "foreign_error": 400, "old": 400}, values
    status = stage.client.probe(name, "duplicate").values["status"]
    assert status == 403, f"the duplicate got {status}"
    stage.remove(name)


def heads(stage):
    name = stage.fresh()
    values = stage.client.probe(name, "heads").values
    assert values["small"] == values["mib"] == values["after"] == 200, values
    assert values["large"] in REFUSALS, values
    assert stage.client.health()
    stage.remove(name)
    return f"the large one got {values['large'] or 'a closed connection'}"


def injection(stage):
    name = stage.fresh()
    for probe in ("injection", "injection_nul"):
        answer = stage.client.probe(name, probe)
        assert answer.status in (200, 502), answer.status
        assert "x-injected" not in answer.headers, answer.headers
    stage.remove(name)


def endless(stage):
    name = stage.fresh(Timeout=2)
    start = time.monotonic()
    answer = stage.client.probe(name, "endless")
    took = time.monotonic() - start
    assert answer.error, (answer.status, answer.body[:300])
    assert took < 6 * stage.slow, f"took {took:.1f} s"
    stage.remove(name)


def connections(stage):
    name = stage.fresh(MemorySize=1024)
    values = stage.client.probe(name, "connections", 10000, 300).values
    assert values["made"] > CONNECTIONS and 0 < values["held"] <= CONNECTIONS, values
    assert stage.client.probe(name, "duplicate").status == 200
    assert stage.client.probe(stage.native(), "duplicate").status == 200
    stage.remove(name)
    return f"{values['made']} made, {values['held']} held"


def start_slow_client(stage):
    """58 takes as long as the deadline: it goes on beside the others."""
    stage.slow_client = {}

    def trickle():
        start = time.monotonic()
        with socket.create_connection((stage.client.host, stage.client.port)) as s:
            s.sendall(b"POST /2015-03-31/functions/x/invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n")
            s.settimeout(1)
            try:
                while time.monotonic() - start < stage.options.request_timeout * 2 + 60:
                    s.sendall(b"x")
                    try:
                        if s.recv(4096) == b"":
                            break
                    except TimeoutError:
                        pass
            except OSError:
                pass
        stage.slow_client["took"] = time.monotonic() - start
    stage.slow_client["thread"] = threading.Thread(target=trickle, daemon=True)
    stage.slow_client["thread"].start()


def slow_client(stage):
    stage.slow_client["thread"].join(stage.options.request_timeout * 2 + 70)
    took = stage.slow_client.get("took")
    assert took is not None and took < stage.options.request_timeout + 30 * stage.slow, f"still there after {took} s"
    assert stage.client.health()
    return f"cut after {took:.0f} s"


CHECKS = {56: request_ids, 57: heads, 58: slow_client, 70: injection, 71: endless, 72: connections}
