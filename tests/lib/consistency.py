"""What must hold of a control plane at every quiet moment, however many clients changed it and whatever died meanwhile: every list says
what the single answers say, nothing refers to what is not there, the account's numbers add up, and what runs is the code, the settings
and the layers that its version names.

    consistency.deploy(stoke, "f", "red")       # a function whose code says "red"
    consistency.check(stoke)
"""
import base64
import hashlib
import json
import urllib.parse

from daemon import ROLE, archive

FUNCTIONS = "/2015-03-31/functions"
LAYERS = "/2018-10-31/layers"
CODE = """import os
def handler(event, context):
    marks = sorted(os.listdir("/opt")) if os.path.isdir("/opt") else []
    return {"code": %r, "env": os.environ.get("MARK"), "version": context.function_version, "opt": marks}
"""


def ask(stoke, method, path, body=None):
    """(status, error code or None, answer)"""
    status, headers, text = stoke.request(method, path, body)
    return status, headers.get("x-amzn-errortype"), json.loads(text) if text else {}


def zip_of(mark):
    return archive({"app.py": CODE % mark})


def layer_zip(mark):
    return archive({mark: mark})


def encoded(data):
    return base64.b64encode(data).decode()


def sha256(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def creation(name, mark, **more):
    """The body of CreateFunction."""
    return {"FunctionName": name, "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler", "Timeout": 30,
            "Code": {"ZipFile": encoded(zip_of(mark))}, **more}


def deploy(stoke, name, mark, **more):
    status, _, answer = ask(stoke, "POST", FUNCTIONS, creation(name, mark, **more))
    assert status == 201, answer
    return answer


def provisioned_path(name, qualifier):
    return f"/2019-09-30/functions/{name}/provisioned-concurrency?Qualifier={qualifier}"


def one(stoke, path):
    status, code, answer = ask(stoke, "GET", path)
    assert status == 200, (path, status, code, answer)
    return answer


def pages(stoke, path, member):
    items, marker = [], ""
    while marker is not None:
        page = one(stoke, f"{path}{'&' if '?' in path else '?'}Marker={urllib.parse.quote(marker)}")
        items += page[member]
        marker = page.get("NextMarker")
    return items


def same(a, b, *members):
    assert {m: a.get(m) for m in members} == {m: b.get(m) for m in members}, (a, b)


def qualifier_of(item):
    return item["FunctionArn"].split(":function:")[1].partition(":")[2]


def check_versions(stoke, name, listed):
    """The version numbers of a function as texts."""
    versions = pages(stoke, f"{FUNCTIONS}/{name}/versions", "Versions")
    numbers = [int(v["Version"]) for v in versions[1:]]
    assert versions[0]["Version"] == "$LATEST" and numbers == sorted(set(numbers)), versions
    same(listed, versions[0], "CodeSha256", "RevisionId", "Timeout", "Layers")
    for version in versions:
        got = one(stoke, f"{FUNCTIONS}/{name}/configuration?Qualifier={urllib.parse.quote(version['Version'])}")
        same(version, got, "Version", "CodeSha256", "RevisionId", "Timeout", "Layers", "Environment", "CodeSize")
    return versions


def check_function(stoke, listed):
    """Returns (the bytes of its code, what it takes of the account's concurrency, whether all its versions may run)."""
    name = listed["FunctionName"]
    versions = check_versions(stoke, name, listed)
    there = {v["Version"] for v in versions}
    aliases = pages(stoke, f"{FUNCTIONS}/{name}/aliases", "Aliases")
    for alias in aliases:
        weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        assert {alias["FunctionVersion"], *weights} <= there, (alias, there)
        same(alias, one(stoke, f"{FUNCTIONS}/{name}/aliases/{alias['Name']}"), "FunctionVersion", "RevisionId", "Description")
    there |= {alias["Name"] for alias in aliases}
    claim = 0
    for config in pages(stoke, f"/2019-09-30/functions/{name}/provisioned-concurrency?List=ALL", "ProvisionedConcurrencyConfigs"):
        assert qualifier_of(config) in there - {"$LATEST"}, (config, there)
        same(config, one(stoke, provisioned_path(name, qualifier_of(config))), "RequestedProvisionedConcurrentExecutions")
        claim += config["RequestedProvisionedConcurrentExecutions"]
    for path, member in ((f"/2021-10-31/functions/{name}/urls", "FunctionUrlConfigs"),
                         (f"/2019-09-25/functions/{name}/event-invoke-config/list", "FunctionEventInvokeConfigs")):
        for config in pages(stoke, path, member):
            assert qualifier_of(config) in there | {""}, (config, there)
    reserved = one(stoke, f"/2019-09-30/functions/{name}/concurrency").get("ReservedConcurrentExecutions")
    assert reserved is None or claim <= reserved, (name, claim, reserved)
    size = sum(v["CodeSize"] for v in versions)
    return (size, claim, True) if reserved is None else (size, reserved, reserved > claim)


def check_layers(stoke):
    """The bytes of all layers."""
    total = 0
    for layer in pages(stoke, LAYERS, "Layers"):
        versions = pages(stoke, f"{LAYERS}/{layer['LayerName']}/versions", "LayerVersions")
        numbers = [v["Version"] for v in versions]
        assert numbers == sorted(set(numbers), reverse=True) and layer["LatestMatchingVersion"]["Version"] == numbers[0], numbers
        for number in numbers:
            total += one(stoke, f"{LAYERS}/{layer['LayerName']}/versions/{number}")["Content"]["CodeSize"]
    return total


def check_run(stoke, name, version):
    """What runs is what the version says. marks of layers are known by what they show under /opt."""
    status, headers, body = stoke.invoke(f"{name}:{version['Version']}")
    assert status == 200 and "x-amz-function-error" not in headers, (name, version["Version"], status, body)
    said = json.loads(body)
    assert headers["x-amz-executed-version"] == said["version"] == version["Version"]
    assert sha256(zip_of(said["code"])) == version["CodeSha256"], (said, version)
    assert said["env"] == version.get("Environment", {}).get("Variables", {}).get("MARK"), (said, version)
    assert len(said["opt"]) == len(version.get("Layers", [])), (said, version)


def check(stoke, limit=1000, run=""):
    """run: the versions of functions whose names begin so (a tuple: with one of these) are invoked, too; None: of none."""
    listed = pages(stoke, FUNCTIONS, "Functions")
    names = [f["FunctionName"] for f in listed]
    assert names == sorted(set(names)), names
    facts = {f["FunctionName"]: check_function(stoke, f) for f in listed}
    settings = one(stoke, "/2016-08-19/account-settings")
    size = check_layers(stoke) + sum(size for size, _, _ in facts.values())
    assert settings["AccountUsage"] == {"FunctionCount": len(listed), "TotalCodeSize": size}
    unreserved = settings["AccountLimit"]["UnreservedConcurrentExecutions"]
    assert unreserved == limit - sum(claim for _, claim, _ in facts.values()) and unreserved >= min(100, limit), (unreserved, facts)
    for name in names:
        if run is not None and name.startswith(run) and facts[name][2]:
            for version in pages(stoke, f"{FUNCTIONS}/{name}/versions", "Versions"):
                check_run(stoke, name, version)
    return names
