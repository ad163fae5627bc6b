"""What the model says against what stoked says: one answer, and all that can be listed."""
import collections
import json
import urllib.parse

from model import Model
from steps import CODES, FUNCTIONS, LAYERS, sha256
from steps_settings import CONTENTS, LAYER_PATH, SIGNING_PATH, quoted

Answer = collections.namedtuple("Answer", "status code body headers")
SIZES = {sha256(data): len(data) for data in (*CODES, *CONTENTS)}


class Differs(Exception):
    pass


class Comparison:
    # ---- one answer

    def member(self, body, name):
        """As the model has it."""
        if name == "Layers":
            return [layer["Arn"] for layer in body.get("Layers", [])]
        if name == "Policy":
            return [statement["Sid"] for statement in json.loads(body["Policy"])["Statement"]]
        if name == "Content.CodeSha256":
            return body["Content"]["CodeSha256"]
        if name == "CodeSigningConfigArn":
            return next((slot for slot, arn in self.arns.items() if arn == body.get(name)), body.get(name))
        if name == "code":
            return sha256(CODES[body["code"]])
        return body.get(name)

    def check(self, wanted, got):
        if isinstance(wanted, list):
            self.check_invocation(wanted, got)
            return
        status, code, members = wanted
        if (status, code) != (got.status, got.code):
            raise Differs(f"wanted {status} {code}, got {got.status} {got.code} {got.body}")
        for name, value in members.items():
            if self.member(got.body, name) != value:
                raise Differs(f"{name}: wanted {value!r}, got {self.member(got.body, name)!r}")
        if "Name" in members and ("RoutingConfig" in members) != ("RoutingConfig" in got.body):
            raise Differs(f"RoutingConfig: {got.body}")
        self.remember(got)

    def check_invocation(self, wanted, got):
        if "x-amz-function-error" in got.headers:
            raise Differs(f"the function failed: {got.body}")
        members = {name: self.member(got.body, name) for name in ("code", "version", "opt")} if got.status == 200 else {}
        if (got.status, got.code, members) not in wanted:
            raise Differs(f"wanted one of {wanted}, got {(got.status, got.code, members)}")
        if members and got.headers["x-amz-executed-version"] != members["version"]:
            raise Differs(f"executed version: {got.headers['x-amz-executed-version']}, it is {members['version']}")

    def remember(self, got):
        """What the service chose and has to stay."""
        if self.expects_arn and got.status == 201 and "CodeSigningConfig" in got.body:
            self.arns[self.expects_arn] = got.body["CodeSigningConfig"]["CodeSigningConfigArn"]
        if got.status == 201 and "FunctionUrl" in got.body:
            name, _, qualifier = got.body["FunctionArn"].split(":function:")[1].partition(":")
            self.model.functions[name].about["url", qualifier]["FunctionUrl"] = got.body["FunctionUrl"]
        self.expects_arn = None

    # ---- all that can be listed

    def compare(self, what, wanted, got):
        if wanted != got:
            raise Differs(f"{what}: wanted {wanted}, got {got}")

    def pages(self, path, member):
        """All items of a list."""
        items, marker = [], ""
        while marker is not None:
            page = self.ask("GET", f"{path}{'&' if '?' in path else '?'}Marker={urllib.parse.quote(marker)}").body
            items += page[member]
            marker = page.get("NextMarker")
        return items

    def compare_revision(self, key, thing, changes, revision):
        """A RevisionId changes when what it is of does, and else never."""
        before = self.revisions.get(key)
        self.revisions[key] = (thing, changes, revision)
        if before and before[0] is thing and (before[1] == changes) != (before[2] == revision):
            raise Differs(f"RevisionId of {key}: {before[2]} after {before[1]} changes, {revision} after {changes}")

    def compare_all(self):
        listed = self.pages(FUNCTIONS, "Functions")
        self.compare("functions", sorted(self.model.functions), [f["FunctionName"] for f in listed])
        settings = self.ask("GET", "/2016-08-19/account-settings").body
        self.compare("unreserved", self.model.unreserved(), settings["AccountLimit"]["UnreservedConcurrentExecutions"])
        self.compare("usage", {"FunctionCount": len(listed), "TotalCodeSize": self.code_bytes()}, settings["AccountUsage"])
        for name, function in self.model.functions.items():
            self.compare_function(name, function)
            self.compare_about(name, function)
        for name in LAYERS:
            self.compare_layer(name)
        self.compare_signing()

    def code_bytes(self):
        codes = [code for f in self.model.functions.values() for code in (f.code, *(code for code, _ in f.versions.values()))]
        layers = [version["sha256"] for layer in self.model.layers.values() for version in layer.versions.values()]
        return sum(SIZES[code] for code in codes + layers)

    def compare_function(self, name, function):
        members = ("Version", "CodeSha256", "Description", "Timeout", "Layers")
        listed = self.pages(f"{FUNCTIONS}/{name}/versions", "Versions")
        wanted = [function.facts(), *(function.facts(n) for n in sorted(function.versions))]
        self.compare(f"versions of {name}", [{m: f[m] for m in members} for f in wanted],
                     [{m: self.member(v, m) for m in members} for v in listed])
        self.compare_revision(name, function, function.changes, listed[0]["RevisionId"])
        aliases = self.pages(f"{FUNCTIONS}/{name}/aliases", "Aliases")
        self.compare(f"aliases of {name}", [Model.alias_facts(a, function.aliases[a]) for a in sorted(function.aliases)],
                     [{k: a[k] for k in ("Name", "FunctionVersion", "Description", "RoutingConfig") if k in a} for a in aliases])
        got = self.ask("GET", f"/2019-09-30/functions/{name}/concurrency").body.get("ReservedConcurrentExecutions")
        self.compare(f"reserved of {name}", function.reserved, got)

    def compare_about(self, name, function):
        """The lists of what is set about a function, its aliases and versions."""
        def qualifiers(path, member, of_function):
            arns = [item["FunctionArn"].split(":function:")[1].partition(":")[2] for item in self.pages(path, member)]
            return sorted("" if qualifier == of_function else qualifier for qualifier in arns)

        for kind, path, member, of_function in (
                ("provisioned", f"/2019-09-30/functions/{name}/provisioned-concurrency?List=ALL", "ProvisionedConcurrencyConfigs", ""),
                ("url", f"/2021-10-31/functions/{name}/urls", "FunctionUrlConfigs", ""),
                ("events", f"/2019-09-25/functions/{name}/event-invoke-config/list", "FunctionEventInvokeConfigs", "$LATEST")):
            self.compare(f"{kind} of {name}", sorted(function.all_about(kind)), qualifiers(path, member, of_function))
        self.check(self.model.list_tags(name), self.ask("GET", self.tags_path(name)))
        self.check(self.model.get_policy(name, ""), self.ask("GET", f"{FUNCTIONS}/{name}/policy"))

    def compare_layer(self, name):
        layer = self.model.layer(name)
        listed = self.pages(f"{LAYER_PATH}/{name}/versions", "LayerVersions")
        wanted = [self.model.layer_facts(name, number, layer.versions[number]) for number in sorted(layer.versions, reverse=True)]
        self.compare(f"versions of layer {name}", wanted, [{m: v[m] for m in ("Version", "LayerVersionArn", "Description")} for v in listed])

    def compare_signing(self):
        listed = {c["CodeSigningConfigArn"] for c in self.pages(SIGNING_PATH, "CodeSigningConfigs")}
        self.compare("code signing configurations", {self.arns[slot] for slot in self.model.signing}, listed)
        for slot in self.model.signing:
            users = self.pages(f"{SIGNING_PATH}/{quoted(self.arns[slot])}/functions", "FunctionArns")
            self.compare(f"functions with {slot}", sorted(n for n, f in self.model.functions.items() if f.signing == slot),
                         [arn.rsplit(":", 1)[1] for arn in users])
