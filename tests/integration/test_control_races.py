"""32 clients change the same things at once: one winner each, AWS's conflict for the others, no half state; the same when stoked dies
in the middle. That 32 publish one layer, change one policy and claim what is left of the account is in the files about these."""
import collections
import http.client
import itertools
import json
import os
import random
import socket
import threading

import pytest

import consistency
from consistency import FUNCTIONS, LAYERS, ask, creation, deploy, encoded, layer_zip, provisioned_path, sha256, zip_of
from daemon import SLOW, archive

CLIENTS = 32


def race(calls):
    """Runs all of them at once. Returns their results, in their order."""
    results, ready = [None] * len(calls), threading.Barrier(len(calls))

    def one(i):
        ready.wait(60)
        results[i] = calls[i]()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120 * SLOW)
        assert not thread.is_alive()
    return results


def together(stoke, requests):
    """(method, path, body) each, all at once: the answers."""
    return race([lambda request=request: ask(stoke, *request) for request in requests])


def outcomes(answers):
    return collections.Counter(status if status < 300 else code for status, code, _ in answers)


@pytest.fixture
def function(stoke, name):
    """Versions 1 and 2, and the alias live on version 1."""
    deploy(stoke, name, "one", Publish=True)
    stoke.wait_active(name)
    ask(stoke, "PUT", f"{FUNCTIONS}/{name}/code", {"ZipFile": encoded(zip_of("two")), "Publish": True})
    stoke.wait_active(name)
    assert ask(stoke, "POST", f"{FUNCTIONS}/{name}/aliases", {"Name": "live", "FunctionVersion": "1"})[0] == 201
    yield name
    ask(stoke, "DELETE", f"{FUNCTIONS}/{name}")


def configuration(stoke, name):
    return ask(stoke, "GET", f"{FUNCTIONS}/{name}/configuration")[2]


# ---- one winner


def test_delete(stoke, function):
    answers = together(stoke, [("DELETE", f"{FUNCTIONS}/{function}", None)] * CLIENTS)
    assert outcomes(answers) == {204: 1, "ResourceNotFoundException": CLIENTS - 1}
    assert function not in consistency.check(stoke, run=None)
    assert deploy(stoke, function, "again", Publish=True)["Version"] == "1"
    consistency.check(stoke)


def test_create_and_delete(stoke, name):
    """Whoever comes last: it is whole, or it is not there."""
    for _ in range(3):
        requests = [("POST", FUNCTIONS, creation(name, f"mark{i}", Publish=True)) for i in range(CLIENTS // 2)]
        requests += [("DELETE", f"{FUNCTIONS}/{name}", None)] * (CLIENTS // 2)
        random.shuffle(requests)
        seen = outcomes(together(stoke, requests))
        assert set(seen) <= {201, 204, "ResourceConflictException", "ResourceNotFoundException"} and 0 <= seen[201] - seen[204] <= 1, seen
        assert (name in consistency.check(stoke)) == (seen[201] > seen[204])
        ask(stoke, "DELETE", f"{FUNCTIONS}/{name}")


def test_update_and_publish(stoke, function):
    """Each that succeeds has a version of its own, of its own code."""
    answers = together(stoke, [("PUT", f"{FUNCTIONS}/{function}/code", {"ZipFile": encoded(zip_of(f"mark{i}")), "Publish": True})
                               for i in range(CLIENTS)])
    seen = outcomes(answers)
    assert set(seen) <= {200, "ResourceConflictException"} and seen[200] >= 1, seen
    won = {answer["Version"]: (i, answer["CodeSha256"]) for i, (status, _, answer) in enumerate(answers) if status == 200}
    assert len(won) == seen[200] and sorted(map(int, won)) == list(range(3, 3 + seen[200]))
    for version, (i, digest) in won.items():
        assert digest == sha256(zip_of(f"mark{i}"))
        assert ask(stoke, "GET", f"{FUNCTIONS}/{function}/configuration?Qualifier={version}")[2]["CodeSha256"] == digest
    consistency.check(stoke)


def test_publish(stoke, function):
    ask(stoke, "PUT", f"{FUNCTIONS}/{function}/code", {"ZipFile": encoded(zip_of("three"))})
    stoke.wait_active(function)
    answers = together(stoke, [("POST", f"{FUNCTIONS}/{function}/versions", {})] * CLIENTS)
    assert set(outcomes(answers)) <= {201, "ResourceConflictException"}
    assert {answer["Version"] for status, _, answer in answers if status == 201} == {"3"}
    consistency.check(stoke)


def test_code_and_configuration_are_never_mixed(stoke, function):
    """What runs of versions that are published while both change has the code and the settings that the version names."""
    requests = [("PUT", f"{FUNCTIONS}/{function}/code", {"ZipFile": encoded(zip_of(f"mark{i}")), "Publish": True}) for i in range(10)]
    requests += [("PUT", f"{FUNCTIONS}/{function}/configuration", {"Environment": {"Variables": {"MARK": f"env{i}"}}}) for i in range(12)]
    requests += [("POST", f"{FUNCTIONS}/{function}/versions", {})] * 10
    for _ in range(3):
        random.shuffle(requests)
        assert set(outcomes(together(stoke, requests))) <= {200, 201, "ResourceConflictException"}
    consistency.check(stoke)


def test_one_revision_has_one_winner(stoke, function):
    """Of all that says which RevisionId it has seen, whatever it changes."""
    for round_ in range(4):
        stoke.wait_active(function)
        seen = {"RevisionId": configuration(stoke, function)["RevisionId"]}
        grant = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", **seen}
        requests = [("PUT", f"{FUNCTIONS}/{function}/code", {"ZipFile": encoded(zip_of(f"mark{i}")), **seen}) for i in range(10)]
        requests += [("PUT", f"{FUNCTIONS}/{function}/configuration", {"Timeout": 10 + i, **seen}) for i in range(11)]
        requests += [("POST", f"{FUNCTIONS}/{function}/policy", {"StatementId": f"s{round_}-{i}", **grant}) for i in range(11)]
        random.shuffle(requests)
        count = outcomes(together(stoke, requests))
        assert count.pop(200, 0) + count.pop(201, 0) == 1, count
        assert set(count) <= {"ResourceConflictException", "PreconditionFailedException"}, count
    consistency.check(stoke)


def test_alias_moves(stoke, function):
    path = f"{FUNCTIONS}/{function}/aliases/live"
    seen = {"RevisionId": ask(stoke, "GET", path)[2]["RevisionId"]}
    moves = [("PUT", path, {"FunctionVersion": str(1 + i % 2), "Description": str(i), **seen}) for i in range(CLIENTS)]
    answers = together(stoke, moves)
    assert outcomes(answers) == {200: 1, "PreconditionFailedException": CLIENTS - 1}
    winner = next(answer for status, _, answer in answers if status == 200)
    got = ask(stoke, "GET", path)[2]
    assert {m: got[m] for m in ("FunctionVersion", "Description", "RevisionId")} == \
           {m: winner[m] for m in ("FunctionVersion", "Description", "RevisionId")}
    consistency.check(stoke)


def test_aliases_of_versions_that_go(stoke, function):
    """No alias is ever left with a version that is not there."""
    for round_ in range(6):
        mark = encoded(zip_of(f"mark{round_}"))
        version = ask(stoke, "PUT", f"{FUNCTIONS}/{function}/code", {"ZipFile": mark, "Publish": True})[2]["Version"]
        stoke.wait_active(function)
        requests = [("DELETE", f"{FUNCTIONS}/{function}?Qualifier={version}", None)] * 4
        requests += [("POST", f"{FUNCTIONS}/{function}/aliases", {"Name": f"a{round_}-{i}", "FunctionVersion": version}) for i in range(14)]
        weights = {"AdditionalVersionWeights": {version: 0.5}}
        requests += [("PUT", f"{FUNCTIONS}/{function}/aliases/live", {"RoutingConfig": weights})] * 14
        random.shuffle(requests)
        answers = together(stoke, requests)
        assert set(outcomes(answers)) <= {200, 201, 204, "ResourceConflictException", "ResourceNotFoundException"}, outcomes(answers)
        consistency.check(stoke, run=None)
        ask(stoke, "PUT", f"{FUNCTIONS}/{function}/aliases/live", {"RoutingConfig": {}})


# ---- concurrency


def test_provisioned_puts(stoke, function):
    """One version or the alias that points at it, never both; one number in the end, which the list says, too."""
    requests = [("PUT", provisioned_path(function, ("live", "1")[i % 2]), {"ProvisionedConcurrentExecutions": 1 + i % 3})
                for i in range(CLIENTS)]
    answers = together(stoke, requests)
    won = {path.rsplit("=", 1)[1] for (_, path, _), (status, _, _) in zip(requests, answers) if status == 202}
    assert len(won) == 1 and outcomes(answers) == {202: CLIENTS // 2, "ResourceConflictException": CLIENTS // 2}
    consistency.check(stoke)
    answers = together(stoke, [("DELETE", provisioned_path(function, won.pop()), None)] * CLIENTS)
    assert outcomes(answers) == {204: CLIENTS}


def test_provisioned_alias_that_goes(stoke, function):
    for _ in range(4):
        requests = [("PUT", provisioned_path(function, "live"), {"ProvisionedConcurrentExecutions": 1})] * 14
        requests += [("PUT", f"{FUNCTIONS}/{function}/aliases/live", {"FunctionVersion": str(1 + i % 2)}) for i in range(14)]
        requests += [("DELETE", f"{FUNCTIONS}/{function}/aliases/live", None)] * 4
        random.shuffle(requests)
        assert set(outcomes(together(stoke, requests))) <= {200, 202, 204, "ResourceNotFoundException"}
        consistency.check(stoke, run=None)
        ask(stoke, "DELETE", f"{FUNCTIONS}/{function}/aliases/live")
        assert ask(stoke, "POST", f"{FUNCTIONS}/{function}/aliases", {"Name": "live", "FunctionVersion": "1"})[0] == 201


# ---- layers


def test_layers_that_go_while_they_are_taken(stoke, function):
    """A function that got one has it, for good."""
    for round_ in range(4):
        content = {"Content": {"ZipFile": encoded(layer_zip(f"mark{round_}"))}}
        made = ask(stoke, "POST", f"{LAYERS}/{function}/versions", content)[2]
        wanted = {"Layers": [made["LayerVersionArn"]], "Timeout": 20 + round_}
        requests = [("PUT", f"{FUNCTIONS}/{function}/configuration", wanted)] * 24
        requests += [("DELETE", f"{LAYERS}/{function}/versions/{made['Version']}", None)] * 8
        random.shuffle(requests)
        seen = outcomes(together(stoke, requests))
        assert set(seen) <= {200, 204, "ResourceConflictException", "InvalidParameterValueException"} and seen[204] == 8, seen
        has = [layer["Arn"] for layer in configuration(stoke, function).get("Layers", [])]
        assert (made["LayerVersionArn"] in has) == (seen[200] > 0)
        stoke.wait_active(function)
        consistency.check(stoke)


# ---- kill -9 in the middle


class Storm:
    """32 clients that change everything; what was acknowledged and that nobody takes back is noted as a fact: (path, member, value)."""

    def __init__(self, stoke, numbers):
        self.stoke, self.numbers, self.facts, self.over, self.mistakes = stoke, numbers, [], threading.Event(), []
        self.threads = [threading.Thread(target=self.client, args=(random.Random(random.random()),), daemon=True) for _ in range(CLIENTS)]

    def client(self, chance):
        while not self.over.is_set():
            name, n = f"shared{chance.randrange(3)}", next(self.numbers)
            try:
                chance.choice(self.operations)(self, name, n)
            except (OSError, http.client.HTTPException):
                self.over.wait(0.05)
            except Exception as error:  # what no client may ever see
                self.mistakes.append(repr(error))
                return

    def change(self, method, path, body=None):
        status, code, answer = ask(self.stoke, method, path, body)
        assert status < 500, (method, path, status, code, answer)
        return answer if status < 300 else None

    def create(self, name, n):
        if n % 4:
            return  # not so many: all are invoked in the end
        own = f"own{n}"
        if self.change("POST", FUNCTIONS, creation(own, f"mark{n % 50}")):
            self.facts.append((f"{FUNCTIONS}/{own}/configuration", "CodeSha256", sha256(zip_of(f"mark{n % 50}"))))

    def create_and_delete(self, name, n):
        own = f"gone{n}"
        if self.change("POST", FUNCTIONS, creation(own, "mark", Publish=True)) and self.change("DELETE", f"{FUNCTIONS}/{own}") is not None:
            self.facts.append((f"{FUNCTIONS}/{own}/configuration", None, None))

    def publish(self, name, n):
        mark = f"mark{n % 50}"
        made = self.change("PUT", f"{FUNCTIONS}/{name}/code", {"ZipFile": encoded(zip_of(mark)), "Publish": True})
        if made:
            self.facts.append((f"{FUNCTIONS}/{name}/configuration?Qualifier={made['Version']}", "CodeSha256", sha256(zip_of(mark))))

    def configure(self, name, n):
        self.change("PUT", f"{FUNCTIONS}/{name}/configuration", {"Environment": {"Variables": {"MARK": f"env{n}"}}})

    def alias(self, name, n):
        path = f"{FUNCTIONS}/{name}/aliases"
        if self.change("POST", path, {"Name": f"a{n}", "FunctionVersion": "1"}):
            self.facts.append((f"{path}/a{n}", "FunctionVersion", "1"))

    def move_alias(self, name, n):
        self.change("PUT", f"{FUNCTIONS}/{name}/aliases/live", {"FunctionVersion": str(1 + n % 2)})

    def permission(self, name, n):
        grant = {"StatementId": f"s{n}", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
        self.change("POST", f"{FUNCTIONS}/{name}/policy", grant)

    def layer(self, name, n):
        mark = f"mark{n % 50}"
        made = self.change("POST", f"{LAYERS}/{name}/versions", {"Content": {"ZipFile": encoded(layer_zip(mark))}})
        if made and n % 2:
            self.facts.append((f"{LAYERS}/{name}/versions/{made['Version']}", "Version", made["Version"]))
        elif made and self.change("DELETE", f"{LAYERS}/{name}/versions/{made['Version']}") is not None:
            self.facts.append((f"{LAYERS}/{name}/versions/{made['Version']}", None, None))

    def provision(self, name, n):
        path = provisioned_path(name, "live")
        if n % 3:
            self.change("PUT", path, {"ProvisionedConcurrentExecutions": 1 + n % 2})
        else:
            self.change("DELETE", path)

    def reserve(self, name, n):
        path = f"/2017-10-31/functions/{name}/concurrency"
        if n % 3:
            self.change("PUT", path, {"ReservedConcurrentExecutions": 2 + n % 9})
        else:
            self.change("DELETE", path)

    operations = (create, create_and_delete, publish, publish, configure, alias, move_alias, move_alias, permission, layer, provision, reserve)

    def rage(self, seconds):
        for thread in self.threads:
            thread.start()
        self.over.wait(seconds)
        self.stoke.process.kill()
        self.over.set()
        self.stoke.process.wait()
        for thread in self.threads:
            thread.join(60 * SLOW)
            assert not thread.is_alive()
        assert not self.mistakes, self.mistakes


def test_kill_in_the_middle(make_stoke):
    """Everything that was acknowledged is there after the restart; what was not is whole or absent."""
    stoke = make_stoke(config={"concurrency.account": 120})
    for name in ("shared0", "shared1", "shared2"):
        for mark in ("one", "two"):
            body = creation(name, mark, Publish=True)
            status = ask(stoke, "POST", FUNCTIONS, body)[0]
            if status == 409:
                status = ask(stoke, "PUT", f"{FUNCTIONS}/{name}/code", {"ZipFile": body["Code"]["ZipFile"], "Publish": True})[0]
            assert status in (200, 201)
            stoke.wait_active(name)
        assert ask(stoke, "POST", f"{FUNCTIONS}/{name}/aliases", {"Name": "live", "FunctionVersion": "1"})[0] == 201
    numbers, facts = itertools.count(), []
    for seconds in (0.5, 1.3, 2.1):
        storm = Storm(stoke, numbers)
        storm.rage(seconds * SLOW)
        facts += storm.facts
        stoke.start()
        for path, member, value in facts:
            status, _, answer = ask(stoke, "GET", path)
            assert status == (404 if member is None else 200), (path, status, answer)
            assert member is None or answer[member] == value, (path, answer)
        consistency.check(stoke, 120, run=None)
    assert len(facts) > 20
    consistency.check(stoke, 120)


def sent(stoke, method, path, body):
    """A request that nobody waits for yet."""
    text = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", stoke.port), timeout=30 * SLOW)
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
    return connection


def test_a_client_that_leaves_while_its_code_waits_in_line(stoke, function):
    """Its turn comes when its archive is gone: nothing is read, nothing changes, and those behind it go on."""
    before = configuration(stoke, function)
    alias = f"{FUNCTIONS}/{function}/aliases/live"
    ahead = [sent(stoke, "PUT", alias, {"Description": str(i)}) for i in range(300)]
    code = archive({"app.py": "def handler(e, c):\n    return 'left'\n", "weight": os.urandom(6 << 20)})
    body = {"ZipFile": encoded(code), "RevisionId": before["RevisionId"]}
    left = [sent(stoke, "PUT", f"{FUNCTIONS}/{function}/code", body) for _ in range(4)]
    behind = [sent(stoke, "PUT", alias, {"Description": "last"}) for _ in range(20)]
    for connection in left:
        connection.close()
    for connection in ahead + behind:
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.close()
    stoke.wait_active(function)
    after = configuration(stoke, function)
    assert after["CodeSha256"] in (before["CodeSha256"], sha256(code))
    assert ask(stoke, "PUT", alias, {"Description": "alive"})[0] == 200
