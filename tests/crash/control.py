"""Clients of the crash test that change the control plane all the time: each has a function and a layer of its own, so that it knows what
must be there. All is as it was acknowledged, at whatever moment it is read; a change whose answer was cut off is there or not, whole."""
import copy
import http.client
import itertools
import random
import threading
import time

from consistency import FUNCTIONS, LAYERS, ask, creation, encoded, layer_zip, pages, provisioned_path, sha256, zip_of
from daemon import SLOW

CUT = (OSError, http.client.HTTPException)
ANSWERS_S = 60


class Control(threading.Thread):
    def __init__(self, daemon, i, stop, seed):
        super().__init__(daemon=True)
        self.stoke, self.own, self.stop_event, self.random = daemon, f"ctl{i}", stop, random.Random(seed)
        self.numbers, self.problems, self.changed, self.unsure = itertools.count(), [], 0, 0
        self.state = {"code": sha256(zip_of("first")), "versions": {1: sha256(zip_of("first"))}, "alias": 1, "provisioned": None, "layers": []}
        self.last_layer = 0

    def prepare(self):
        assert ask(self.stoke, "POST", FUNCTIONS, creation(self.own, "first", Publish=True))[0] == 201
        self.stoke.wait_active(self.own)
        assert ask(self.stoke, "POST", f"{FUNCTIONS}/{self.own}/aliases", {"Name": "live", "FunctionVersion": "1"})[0] == 201

    # ---- what is there

    def read(self):
        latest, *versions = pages(self.stoke, f"{FUNCTIONS}/{self.own}/versions", "Versions")
        alias = ask(self.stoke, "GET", f"{FUNCTIONS}/{self.own}/aliases/live")[2]
        provisioned = ask(self.stoke, "GET", provisioned_path(self.own, "live"))[2]
        layers = [v["Version"] for v in pages(self.stoke, f"{LAYERS}/{self.own}/versions", "LayerVersions")]
        return {"code": latest["CodeSha256"], "versions": {int(v["Version"]): v["CodeSha256"] for v in versions},
                "alias": int(alias["FunctionVersion"]), "provisioned": provisioned.get("RequestedProvisionedConcurrentExecutions"),
                "layers": sorted(layers)}

    def read_when_there(self):
        end = time.monotonic() + ANSWERS_S * SLOW
        while True:
            try:
                return self.read()
            except CUT:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def verify(self, *allowed):
        """Takes what is there, if it is one of these, as what is known."""
        seen = self.read_when_there()
        if seen not in allowed:
            self.problems.append(f"{self.own}: {seen} instead of {' or '.join(map(str, allowed))}")
        self.state = seen
        self.last_layer = max([self.last_layer, *seen["layers"]])

    # ---- changes

    def change(self, method, path, body, **after):
        wanted = {**copy.deepcopy(self.state), **after}
        try:
            status, code, answer = ask(self.stoke, method, path, body)
        except CUT:
            self.unsure += 1
            self.verify(self.state, wanted)
            return
        if status < 300:
            self.state = wanted
            self.last_layer = max([self.last_layer, *wanted["layers"]])
            self.changed += 1
        elif code != "ResourceConflictException":
            self.problems.append(f"{self.own}: {method} {path}: {status} {code} {answer}")

    def deploy(self):
        zipped, number = zip_of(f"mark{next(self.numbers)}"), max(self.state["versions"]) + 1
        self.change("PUT", f"{FUNCTIONS}/{self.own}/code", {"ZipFile": encoded(zipped), "Publish": True},
                    code=sha256(zipped), versions={**self.state["versions"], number: sha256(zipped)})

    def delete_version(self):
        """Of the old ones; the newest stays, so that the number of the next is known."""
        old = [n for n in self.state["versions"] if n not in (self.state["alias"], max(self.state["versions"]))]
        if len(old) > 3:
            self.change("DELETE", f"{FUNCTIONS}/{self.own}?Qualifier={old[0]}", None,
                        versions={n: code for n, code in self.state["versions"].items() if n != old[0]})

    def move(self):
        version = self.random.choice(list(self.state["versions"]))
        self.change("PUT", f"{FUNCTIONS}/{self.own}/aliases/live", {"FunctionVersion": str(version)}, alias=version)

    def provision(self):
        count = self.random.choice([1, 2])
        self.change("PUT", provisioned_path(self.own, "live"), {"ProvisionedConcurrentExecutions": count}, provisioned=count)

    def unprovision(self):
        self.change("DELETE", provisioned_path(self.own, "live"), None, provisioned=None)

    def publish_layer(self):
        self.change("POST", f"{LAYERS}/{self.own}/versions", {"Content": {"ZipFile": encoded(layer_zip(f"mark{next(self.numbers)}"))}},
                    layers=[*self.state["layers"], self.last_layer + 1])

    def delete_layer(self):
        if len(self.state["layers"]) > 2:
            self.change("DELETE", f"{LAYERS}/{self.own}/versions/{self.state['layers'][0]}", None, layers=self.state["layers"][1:])

    def run(self):
        often = [self.deploy, self.move, self.move, self.delete_version, self.provision, self.provision, self.unprovision, self.publish_layer,
                 self.delete_layer]
        try:
            while not self.stop_event.is_set():
                if self.random.random() < 0.2:  # the blows are to fall on changes, not on reading
                    self.verify(self.state)
                self.random.choice(often)()
            self.verify(self.state)
        except Exception as error:  # whatever it is, the run must say so
            self.problems.append(f"{self.own}: {error!r}")

    def is_ready(self):
        """All that is provisioned at the moment is there."""
        listed = pages(self.stoke, f"/2019-09-30/functions/{self.own}/provisioned-concurrency?List=ALL", "ProvisionedConcurrencyConfigs")
        return all(c["Status"] == "READY" and c["AllocatedProvisionedConcurrentExecutions"] == c["RequestedProvisionedConcurrentExecutions"]
                   for c in listed)


def wait_until_ready(controls):
    """What is not ready in time, as problems."""
    end, left = time.monotonic() + ANSWERS_S * SLOW, list(controls)
    while left and time.monotonic() < end:
        left = [control for control in left if not control.is_ready()]
        time.sleep(0.05 if left else 0)
    return [f"{control.own}: its provisioned concurrency is not READY after {ANSWERS_S} s" for control in left]
