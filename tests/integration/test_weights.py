"""Weighted aliases under load: how they split, and that changing them loses nothing and takes effect at once. Raw connections, as
thousands of invocations take too long through boto3."""
import collections
import http.client
import json
import threading

import pytest

from daemon import SLOW, archive

CLIENTS = 8
INVOKES, WEIGHT = 10000, 0.1
SIGMA = (INVOKES * WEIGHT * (1 - WEIGHT)) ** 0.5
WHO = "def handler(event, context):\n    return %r\n"


class Visitor(threading.Thread):
    """Invokes an alias over one connection and notes (version, what its code says) of each answer; everything else is a mistake."""

    def __init__(self, stoke, name, times=None):
        super().__init__(daemon=True)
        self.stoke, self.name_of_function, self.times = stoke, name, times
        self.seen, self.mistakes, self.enough = [], [], threading.Event()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.stoke.port, timeout=60 * SLOW)
        path = f"/2015-03-31/functions/{self.name_of_function}/invocations?Qualifier=live"
        while not self.enough.is_set() and (self.times is None or len(self.seen) < self.times):
            try:
                connection.request("POST", path, "{}")
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.mistakes.append(repr(error))
                return
            if answer.status != 200 or answer.getheader("x-amz-function-error"):
                self.mistakes.append((answer.status, body))
                return
            self.seen.append((answer.getheader("x-amz-executed-version"), json.loads(body)))

    def finish(self):
        self.enough.set()
        self.join(60 * SLOW)
        assert not self.is_alive() and not self.mistakes, self.mistakes


@pytest.fixture
def function(stoke, client, name):
    """Versions 1 to 3, whose code says which they are, and the alias live on version 1."""
    client.create_function(**stoke.function(name, {"app.py": WHO % "1"}), Publish=True)
    for number in ("2", "3"):
        stoke.wait_active(name)
        client.update_function_code(FunctionName=name, ZipFile=archive({"app.py": WHO % number}), Publish=True)
    stoke.wait_active(name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name


def count(stoke, name):
    """How often version 2 came in 10,000 invocations."""
    visitors = [Visitor(stoke, name, INVOKES // CLIENTS) for _ in range(CLIENTS)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(120 * SLOW)
        visitor.finish()
    seen = collections.Counter(s for visitor in visitors for s in visitor.seen)
    assert set(seen) == {("1", "1"), ("2", "2")} and sum(seen.values()) == INVOKES
    return seen["2", "2"]


def test_a_tenth_is_a_tenth(stoke, client, function):
    client.update_alias(FunctionName=function, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": WEIGHT}})
    first = count(stoke, function)
    if abs(first - INVOKES * WEIGHT) <= 3 * SIGMA:
        return
    # chance goes that far once in 370 times; twice in a row it is no chance
    second = count(stoke, function)
    assert abs(second - INVOKES * WEIGHT) <= 3 * SIGMA, (first, second)


def test_changes_under_load(stoke, client, function):
    """8 clients invoke all the time. Nothing fails, and whoever asks after a change was acknowledged is served by it."""
    visitors = [Visitor(stoke, function) for _ in range(CLIENTS)]
    for visitor in visitors:
        visitor.start()
    changes = [({"FunctionVersion": "2"}, {"2"}), ({"RoutingConfig": {"AdditionalVersionWeights": {"3": 1.0}}}, {"3"}),
               ({"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}}, {"1", "2"}),
               ({"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.0}}}, {"1"}), ({"FunctionVersion": "3", "RoutingConfig": {}}, {"3"})]
    try:
        for change, wanted in changes * 4:
            client.update_alias(FunctionName=function, Name="live", **change)
            asked = Visitor(stoke, function, 20)
            asked.start()
            asked.join(60 * SLOW)
            asked.finish()
            assert {version for version, _ in asked.seen} <= wanted and all(v == said for v, said in asked.seen)
    finally:
        for visitor in visitors:
            visitor.finish()
    assert all(version == said for visitor in visitors for version, said in visitor.seen)
    assert min(len(visitor.seen) for visitor in visitors) > 20
