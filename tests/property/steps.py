"""The random steps: each is an operation with arguments by chance, and returns what the model says and the request. `weight` is how
often it comes. Those of layers and of settings are in steps_settings.py."""
import base64
import hashlib
import urllib.parse
import uuid

from daemon import ROLE, archive

NAMES = [f"fn-{i}" for i in range(6)]
ALIASES = ["live", "beta"]
LAYERS = ["first", "second"]
FUNCTIONS = "/2015-03-31/functions"
CODE = """import os
def handler(event, context):
    marks = sorted(os.listdir("/opt")) if os.path.isdir("/opt") else []
    return {"code": %d, "version": context.function_version, "opt": marks}
"""
CODES = [archive({"app.py": CODE % i}) for i in range(4)]


def sha256(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def zipped(data):
    return base64.b64encode(data).decode()


def query(**members):
    given = {key: value for key, value in members.items() if value}
    return "?" + urllib.parse.urlencode(given) if given else ""


def weight(times):
    def mark(step):
        step.weight = times
        return step
    return mark


class Steps:
    """Functions, versions, aliases and concurrency."""

    def maybe(self, value, chance=0.5):
        return value if self.random.random() < chance else None

    def name(self):
        return self.random.choice(NAMES)

    def alias(self):
        return self.random.choice(ALIASES)

    def number(self):
        return str(self.random.randrange(1, 6))

    def version(self):
        return self.random.choice(["$LATEST", *map(str, range(1, 6))])

    def weights(self):
        return {self.number(): self.random.choice([0.0, 0.25, 1.0])} if self.random.random() < 0.3 else {}

    def revision(self, path):
        """(a RevisionId to send with the request or None, whether it is the latest): of what can be read at the path."""
        if self.random.random() >= 0.12:
            return None, None
        current = self.ask("GET", path).body.get("RevisionId")
        if current and self.random.random() < 0.5:
            return current, True
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4)), False

    def layer_choice(self):
        return [self.layer_arn_by_chance() for _ in range(self.random.choice([0, 1, 1, 2]))]

    @weight(30)
    def create(self):
        name, code, publish = self.name(), self.random.choice(CODES), self.random.random() < 0.3
        config = {"Timeout": self.random.randrange(3, 8), "MemorySize": self.random.choice([128, 256]), "Description": "",
                  "Layers": self.maybe(self.layer_choice(), 0.3) or []}
        body = {"FunctionName": name, "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler", "Publish": publish,
                "Code": {"ZipFile": zipped(code)}, **config}
        return self.model.create(name, sha256(code), config, publish), ("POST", FUNCTIONS, body)

    @weight(30)
    def update_code(self):
        name, code, publish = self.name(), self.random.choice(CODES), self.random.random() < 0.3
        revision, right = self.revision(f"{FUNCTIONS}/{name}/configuration")
        body = {"ZipFile": zipped(code), "Publish": publish, **({"RevisionId": revision} if revision else {})}
        return self.model.update_code(name, sha256(code), publish, right), ("PUT", f"{FUNCTIONS}/{name}/code", body)

    @weight(30)
    def update_config(self):
        name, changes = self.name(), {"Timeout": self.random.randrange(3, 8)}
        if self.random.random() < 0.3:
            changes["Description"] = self.random.choice(["a", "b"])
        if self.random.random() < 0.3:
            changes["Layers"] = self.layer_choice()
        revision, right = self.revision(f"{FUNCTIONS}/{name}/configuration")
        body = {**changes, **({"RevisionId": revision} if revision else {})}
        return self.model.update_config(name, changes, right), ("PUT", f"{FUNCTIONS}/{name}/configuration", body)

    @weight(40)
    def publish(self):
        name = self.name()
        code, description = self.maybe(sha256(self.random.choice(CODES)), 0.3), self.maybe("published", 0.3)
        revision, right = self.revision(f"{FUNCTIONS}/{name}/configuration")
        given = {"CodeSha256": code, "Description": description, "RevisionId": revision}
        return (self.model.publish(name, code, description, right),
                ("POST", f"{FUNCTIONS}/{name}/versions", {key: value for key, value in given.items() if value}))

    @weight(20)
    def delete(self):
        name, qualifier = self.name(), self.maybe(self.number(), 0.9)
        return self.model.delete(name, qualifier), ("DELETE", f"{FUNCTIONS}/{name}{query(Qualifier=qualifier)}")

    @weight(30)
    def get(self):
        name, qualifier = self.name(), self.maybe(self.version(), 0.7)
        return self.model.get(name, qualifier), ("GET", f"{FUNCTIONS}/{name}/configuration{query(Qualifier=qualifier)}")

    @weight(10)
    def invoke(self):
        name, qualifier = self.name(), self.random.choice(["", self.version(), self.alias()])
        return self.model.invoke(name, qualifier), ("POST", f"{FUNCTIONS}/{name}/invocations{query(Qualifier=qualifier)}", {})

    # ---- aliases

    @weight(30)
    def create_alias(self):
        name, alias, version, weights = self.name(), self.alias(), self.version(), self.weights()
        body = {"Name": alias, "FunctionVersion": version, "Description": "new",
                **({"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights else {})}
        return self.model.create_alias(name, alias, version, weights, "new"), ("POST", f"{FUNCTIONS}/{name}/aliases", body)

    @weight(30)
    def update_alias(self):
        name, alias, version, description = self.name(), self.alias(), self.maybe(self.version()), self.maybe("changed")
        weights, path = self.maybe(self.weights()), f"{FUNCTIONS}/{name}/aliases/{alias}"
        revision, right = self.revision(path)
        body = {key: value for key, value in (("FunctionVersion", version), ("Description", description), ("RevisionId", revision)) if value}
        if weights is not None:
            body["RoutingConfig"] = {"AdditionalVersionWeights": weights}
        wanted = self.model.update_alias(name, alias, version, weights, description, right)
        self.unsettle(name, alias)
        return wanted, ("PUT", path, body)

    @weight(5)
    def delete_alias(self):
        name, alias = self.name(), self.alias()
        return self.model.delete_alias(name, alias), ("DELETE", f"{FUNCTIONS}/{name}/aliases/{alias}")

    @weight(20)
    def get_alias(self):
        name, alias = self.name(), self.alias()
        return self.model.get_alias(name, alias), ("GET", f"{FUNCTIONS}/{name}/aliases/{alias}")

    # ---- concurrency

    @weight(20)
    def reserve(self):
        name, count = self.name(), self.random.choice([0, 1, 3, 6, 10, 11])
        return (self.model.reserve(name, count),
                ("PUT", f"/2017-10-31/functions/{name}/concurrency", {"ReservedConcurrentExecutions": count}))

    @weight(10)
    def unreserve(self):
        name = self.name()
        return self.model.unreserve(name), ("DELETE", f"/2017-10-31/functions/{name}/concurrency")

    def provisioned_path(self, name, qualifier):
        return f"/2019-09-30/functions/{name}/provisioned-concurrency{query(Qualifier=qualifier)}"

    @weight(14)
    def put_provisioned(self):
        name, qualifier, count = self.name(), self.random.choice([self.alias(), self.version()]), self.random.choice([1, 1, 2, 3, 12])
        wanted = self.model.put_provisioned(name, qualifier, count)
        self.unsettle(name, qualifier)
        return wanted, ("PUT", self.provisioned_path(name, qualifier), {"ProvisionedConcurrentExecutions": count})

    @weight(6)
    def get_provisioned(self):
        name, qualifier = self.name(), self.random.choice([self.alias(), self.version()])
        return self.model.get_provisioned(name, qualifier), ("GET", self.provisioned_path(name, qualifier))

    @weight(4)
    def delete_provisioned(self):
        name, qualifier = self.name(), self.random.choice([self.alias(), self.version()])
        return self.model.delete_provisioned(name, qualifier), ("DELETE", self.provisioned_path(name, qualifier))


def steps_of(kind):
    """(every step of a class, how often each comes)"""
    found = [step for step in vars(kind).values() if hasattr(step, "weight")]
    return found, [step.weight for step in found]


