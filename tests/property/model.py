"""A small reference model of Lambda's control plane: what a client may know, in plain Python. Each operation changes the model and
returns (HTTP status, error code or None, members that the answer must have)."""
import copy

LIMIT, UNRESERVED_MIN = 1000, 100
NOT_FOUND = (404, "ResourceNotFoundException", {})
CONFLICT = (409, "ResourceConflictException", {})
INVALID = (400, "InvalidParameterValueException", {})


class Function:
    def __init__(self, name, code, config):
        self.name, self.code, self.config = name, code, config
        self.versions, self.last, self.aliases, self.reserved, self.tags = {}, 0, {}, None, {}

    def facts(self, number=None):
        code, config = (self.code, self.config) if number is None else self.versions[number]
        return {"FunctionName": self.name, "Version": "$LATEST" if number is None else str(number), "CodeSha256": code, **config}

    def publish(self, description=None):
        """The number of the version that is as $LATEST is, new or not."""
        if self.versions:
            newest = max(self.versions)
            code, config = self.versions[newest]
            if code == self.code and {**config, "Description": ""} == {**self.config, "Description": ""}:
                return newest
        self.last += 1
        config = dict(self.config)
        if description is not None:
            config["Description"] = description
        self.versions[self.last] = (self.code, config)
        return self.last

    def has(self, version):
        return version == "$LATEST" or (version.isdigit() and int(version) in self.versions)


class Model:
    def __init__(self):
        self.functions = {}

    def create(self, name, code, config, publish):
        if name in self.functions:
            return CONFLICT
        function = self.functions[name] = Function(name, code, config)
        return 201, None, function.facts(function.publish() if publish else None)

    def update_code(self, name, code, publish):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        function.code = code
        return 200, None, function.facts(function.publish() if publish else None)

    def update_config(self, name, changes):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        function.config = {**function.config, **changes}
        return 200, None, function.facts()

    def publish(self, name, code, description):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
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
        return 204, None, {}

    def get(self, name, qualifier):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        if qualifier in function.aliases:
            qualifier = function.aliases[qualifier]["FunctionVersion"]
        if qualifier is not None and not function.has(qualifier):
            return NOT_FOUND
        return 200, None, function.facts(int(qualifier) if qualifier and qualifier.isdigit() else None)

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
        alias = {"FunctionVersion": version, "weights": weights, "Description": description}
        wrong = self.check_route(function, alias)
        if wrong:
            return wrong
        if alias_name in function.aliases:
            return CONFLICT
        function.aliases[alias_name] = alias
        return 201, None, self.alias_facts(alias_name, alias)

    def update_alias(self, name, alias_name, version, weights, description):
        function = self.functions.get(name)
        if not function or alias_name not in function.aliases:
            return NOT_FOUND
        alias = copy.deepcopy(function.aliases[alias_name])
        for member, value in (("FunctionVersion", version), ("weights", weights), ("Description", description)):
            if value is not None:
                alias[member] = value
        wrong = self.check_route(function, alias)
        if wrong:
            return wrong
        function.aliases[alias_name] = alias
        return 200, None, self.alias_facts(alias_name, alias)

    def delete_alias(self, name, alias_name):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        function.aliases.pop(alias_name, None)
        return 204, None, {}

    def get_alias(self, name, alias_name):
        function = self.functions.get(name)
        if not function or alias_name not in function.aliases:
            return NOT_FOUND
        return 200, None, self.alias_facts(alias_name, function.aliases[alias_name])

    # ---- concurrency

    def unreserved(self):
        return LIMIT - sum(f.reserved or 0 for f in self.functions.values())

    def reserve(self, name, count):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        if count and self.unreserved() + (function.reserved or 0) - count < UNRESERVED_MIN:
            return INVALID
        function.reserved = count
        return 200, None, {"ReservedConcurrentExecutions": count}

    def unreserve(self, name):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        function.reserved = None
        return 204, None, {}
