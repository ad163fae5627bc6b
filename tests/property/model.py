"""A small reference model of Lambda's control plane: what a client may know, in plain Python. Each operation changes the model and
returns (HTTP status, error code or None, members that the answer must have). `right` is whether the RevisionId that the request
carries is the latest one; None: it carries none. Layers are in model_layers.py, what is set beside functions in model_settings.py."""
import copy

from answers import CONFLICT, GONE, INVALID, NO_PROVISIONED, NOT_FOUND, STALE, THROTTLED
from model_layers import Layers
from model_settings import Settings

LIMIT, UNRESERVED_MIN = 110, 100


class Function:
    def __init__(self, name, code, config):
        self.name, self.code, self.config = name, code, config
        self.versions, self.last, self.aliases, self.reserved = {}, 0, {}, None
        self.published = {}  # version -> what $LATEST was then
        self.about = {}  # (kind, qualifier) -> what is set; kinds: provisioned, policy, url, events
        self.tags, self.signing = {}, None
        self.changes = 0  # of $LATEST: each makes a new RevisionId

    def facts(self, number=None):
        code, config = (self.code, self.config) if number is None else self.versions[number]
        return {"FunctionName": self.name, "Version": "$LATEST" if number is None else str(number), "CodeSha256": code, **config}

    def publish(self, description=None):
        """The number of the version that is as $LATEST is, new or not."""
        if self.versions and self.published[max(self.versions)] == (self.code, self.config):
            return max(self.versions)
        self.last += 1
        self.published[self.last] = (self.code, dict(self.config))
        self.versions[self.last] = (self.code, {**self.config, **({} if description is None else {"Description": description})})
        return self.last

    def has(self, version):
        return version == "$LATEST" or (version.isdigit() and int(version) in self.versions)

    def has_target(self, qualifier):
        return qualifier == "" or qualifier in self.aliases or self.has(qualifier)

    def drop(self, qualifier):
        self.about = {key: value for key, value in self.about.items() if key[1] != qualifier}

    def all_about(self, kind):
        return {key[1]: value for key, value in self.about.items() if key[0] == kind}

    def shares(self, qualifier):
        """Where the provisioned concurrency of an alias or a version is: version -> how many."""
        count = self.about["provisioned", qualifier]
        if qualifier not in self.aliases:
            return {qualifier: count}
        alias = self.aliases[qualifier]
        parts = {version: int(count * weight + 0.5) for version, weight in alias["weights"].items()}
        parts[alias["FunctionVersion"]] = count - sum(parts.values())
        return {version: share for version, share in parts.items() if share}

    def provisioned(self):
        return sum(self.all_about("provisioned").values())

    def claim(self):
        return self.provisioned() if self.reserved is None else self.reserved


class Model(Layers, Settings):
    def __init__(self):
        self.functions, self.layers, self.signing = {}, {}, set()

    # ---- functions and versions

    def create(self, name, code, config, publish):
        if not self.layers_exist(config["Layers"]):
            return INVALID
        if name in self.functions:
            return CONFLICT
        function = self.functions[name] = Function(name, code, config)
        return 201, None, function.facts(function.publish() if publish else None)

    def update_code(self, name, code, publish, right):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        if right is False:
            return STALE
        function.code = code
        function.changes += 1
        return 200, None, function.facts(function.publish() if publish else None)

    def update_config(self, name, changes, right):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        if right is False:
            return STALE
        if not self.layers_exist(changes.get("Layers", [])):
            return INVALID
        function.config = {**function.config, **changes}
        function.changes += 1
        return 200, None, function.facts()

    def publish(self, name, code, description, right):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        if right is False:
            return STALE
        if code is not None and code != function.code:
            return INVALID
        return 201, None, function.facts(function.publish(description))

    def delete(self, name, qualifier):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        if qualifier is None:
            del self.functions[name]
        elif any(qualifier in (a["FunctionVersion"], *a["weights"]) for a in function.aliases.values()):
            return CONFLICT
        else:
            function.versions.pop(int(qualifier), None)
            function.drop(qualifier)
        return GONE

    def get(self, name, qualifier):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        if qualifier in function.aliases:
            qualifier = function.aliases[qualifier]["FunctionVersion"]
        if qualifier is not None and not function.has(qualifier):
            return NOT_FOUND
        return 200, None, function.facts(int(qualifier) if qualifier and qualifier.isdigit() else None)

    def invoke(self, name, qualifier):
        """A list: where weights are, one of several."""
        function = self.functions.get(name)
        if not function or not function.has_target(qualifier):
            return [NOT_FOUND]
        weights = {qualifier or "$LATEST": 1}
        if qualifier in function.aliases:
            alias = function.aliases[qualifier]
            weights = {alias["FunctionVersion"]: 1 - sum(alias["weights"].values()), **alias["weights"]}
        return [self.invoke_version(function, version) for version, weight in weights.items() if weight]

    def invoke_version(self, function, version):
        own = any(version in function.shares(qualifier) for qualifier in function.all_about("provisioned"))
        left = None if function.reserved is None else function.reserved - function.provisioned()
        if function.reserved == 0 or (left == 0 and not own):
            return THROTTLED
        facts = function.facts(None if version == "$LATEST" else int(version))
        return 200, None, {"code": facts["CodeSha256"], "version": version, "opt": self.layers_merged(facts["Layers"])}

    # ---- aliases

    @staticmethod
    def alias_facts(name, alias):
        facts = {"Name": name, "FunctionVersion": alias["FunctionVersion"], "Description": alias["Description"]}
        if alias["weights"]:
            facts["RoutingConfig"] = {"AdditionalVersionWeights": alias["weights"]}
        return facts

    @staticmethod
    def check_route(function, alias):
        if not function.has(alias["FunctionVersion"]):
            return NOT_FOUND
        for version in alias["weights"]:
            if version == alias["FunctionVersion"] or alias["FunctionVersion"] == "$LATEST":
                return INVALID
            if not function.has(version):
                return NOT_FOUND
        return None

    def create_alias(self, name, alias_name, version, weights, description):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        alias = {"FunctionVersion": version, "weights": weights, "Description": description, "changes": 0}
        wrong = self.check_route(function, alias)
        if wrong:
            return wrong
        if alias_name in function.aliases:
            return CONFLICT
        function.aliases[alias_name] = alias
        return 201, None, self.alias_facts(alias_name, alias)

    def update_alias(self, name, alias_name, version, weights, description, right):
        function = self.functions.get(name)
        if not function or alias_name not in function.aliases:
            return NOT_FOUND
        if right is False:
            return STALE
        alias = copy.deepcopy(function.aliases[alias_name])
        before = alias["FunctionVersion"]
        for member, value in (("FunctionVersion", version), ("weights", weights), ("Description", description)):
            if value is not None:
                alias[member] = value
        wrong = self.check_route(function, alias)
        if wrong:
            return wrong
        provisioned = ("provisioned", alias_name) in function.about
        if provisioned and alias["FunctionVersion"] == "$LATEST":
            return INVALID
        alias["changes"] += 1
        function.aliases[alias_name] = alias
        if provisioned and before != alias["FunctionVersion"] and not alias["weights"]:  # held until the new version has its sandboxes
            return 200, None, {**self.alias_facts(alias_name, alias), "RoutingConfig": {"AdditionalVersionWeights": {before: 1.0}}}
        return 200, None, self.alias_facts(alias_name, alias)

    def delete_alias(self, name, alias_name):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        if function.aliases.pop(alias_name, None):
            function.drop(alias_name)
        return GONE

    def get_alias(self, name, alias_name):
        function = self.functions.get(name)
        if not function or alias_name not in function.aliases:
            return NOT_FOUND
        return 200, None, self.alias_facts(alias_name, function.aliases[alias_name])

    # ---- concurrency

    def unreserved(self, but=None):
        return LIMIT - sum(f.claim() for f in self.functions.values() if f is not but)

    def reserve(self, name, count):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        if count and self.unreserved(function) - count < UNRESERVED_MIN:
            return INVALID
        if count < function.provisioned():
            return INVALID
        function.reserved = count
        return 200, None, {"ReservedConcurrentExecutions": count}

    def unreserve(self, name):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        function.reserved = None
        return GONE

    def put_provisioned(self, name, qualifier, count):
        if qualifier == "$LATEST":
            return INVALID
        function = self.functions.get(name)
        if not function or not function.has_target(qualifier):
            return NOT_FOUND
        if qualifier in function.aliases:
            alias = function.aliases[qualifier]
            if alias["FunctionVersion"] == "$LATEST" or alias["weights"]:
                return INVALID
            if ("provisioned", alias["FunctionVersion"]) in function.about:
                return CONFLICT
        elif any(qualifier in function.shares(other) for other in function.all_about("provisioned") if other != qualifier):
            return CONFLICT
        total = function.provisioned() - function.about.get(("provisioned", qualifier), 0) + count
        limit = self.unreserved(function) - UNRESERVED_MIN if function.reserved is None else function.reserved
        if total > limit:
            return INVALID
        function.about["provisioned", qualifier] = count
        return 202, None, {"RequestedProvisionedConcurrentExecutions": count, "Status": "IN_PROGRESS"}

    @staticmethod
    def provisioned_facts(count):
        """Once all is settled."""
        return {"Status": "READY", **{f"{kind}ProvisionedConcurrentExecutions": count for kind in ("Requested", "Allocated", "Available")}}

    def get_provisioned(self, name, qualifier):
        if qualifier == "$LATEST":
            return INVALID
        function = self.functions.get(name)
        if not function or not function.has_target(qualifier):
            return NOT_FOUND
        if ("provisioned", qualifier) not in function.about:
            return NO_PROVISIONED
        return 200, None, self.provisioned_facts(function.about["provisioned", qualifier])

    def delete_provisioned(self, name, qualifier):
        if qualifier == "$LATEST":
            return INVALID
        function = self.functions.get(name)
        if not function or not function.has_target(qualifier):
            return NOT_FOUND
        function.about.pop(("provisioned", qualifier), None)
        return GONE
