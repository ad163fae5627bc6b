"""Requests that violate one constraint of AWS's model each, and what AWS says of it. Everything comes from botocore's copy of the model
and from the forms of recorded answers; nothing is shared with Stoke's own validation.

    for violation in violations(model, "CreateAlias"):
        method, path, body = violation.request    # violation.expected: texts that the message has to contain
"""
import copy
import dataclasses
import json
import urllib.parse

import botocore.loaders
import botocore.model

# Values that satisfy the patterns of the model, by the name of the shape or, where that says too little, of the member.
ROLE = "arn:aws:iam::000000000000:role/r"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:fn"
VALID = {
    "FunctionName": "fn", "NamespacedFunctionName": "fn", "UnqualifiedFunctionName": "fn", "FunctionArn": FUNCTION_ARN, "RoleArn": ROLE,
    "Alias": "live", "Version": "1", "Qualifier": "1", "NumericLatestPublishedOrAliasQualifier": "1", "StatementId": "s1",
    "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "LayerName": "layer", "Handler": "app.handler",
    "LayerVersionArn": "arn:aws:lambda:us-east-1:000000000000:layer:l:1", "LayerArn": "arn:aws:lambda:us-east-1:000000000000:layer:l",
    "TaggableResource": FUNCTION_ARN, "LayerPermissionAllowedAction": "lambda:GetLayerVersion", "LayerPermissionAllowedPrincipal": "*",
    "CodeSigningConfigArn": "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0",
    "VersionWithLatestPublished": "1", "PublishedFunctionQualifier": "1", "String": "x", "AdditionalVersion": "1",
    "FunctionUrlFunctionName": "fn", "NamespacedStatementId": "s1", "TagKey": "k", "TagValue": "v", "ResourcePolicy": "{}",
    "SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p"],
    "PolicyResourceArn": FUNCTION_ARN, "CapacityProviderName": "provider", "EnvironmentVariableName": "NAME", "NameSpacedFunctionArn": FUNCTION_ARN,
}


@dataclasses.dataclass
class Violation:
    title: str
    request: tuple
    expected: list


def load(service="lambda"):
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


def lower(name):
    return name[0].lower() + name[1:]


def valid(shape):
    """A value of that shape without constraints broken; None: none is known."""
    if shape.name in VALID:
        return VALID[shape.name]
    if shape.type_name == "string":
        if shape.enum:
            return shape.enum[0]
        if "pattern" in shape.metadata or "pattern" in shape._shape_model:
            return None
        return "x" * max(1, shape.metadata.get("min", 1))
    if shape.type_name in ("integer", "long", "float", "double"):
        return shape.metadata.get("min", 1)
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "structure":
        members = {}
        for name in shape.required_members:
            members[name] = valid(shape.members[name])
            if members[name] is None:
                return None
        return members
    if shape.type_name == "list":
        item = valid(shape.member)
        return None if item is None else [item] * max(1, shape.metadata.get("min", 1))
    if shape.type_name == "map":
        key, value = valid(shape.key), valid(shape.value)
        return None if key is None or value is None else {key: value}
    return None if shape.type_name == "blob" else 0


def constraint(shape):
    return shape._shape_model


def show(value):
    """As AWS prints it."""
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}={show(v)}" for k, v in value.items()) + "}"
    return str(value)


def broken(shape):
    """(value, words) for each constraint of a scalar shape."""
    model = constraint(shape)
    if shape.type_name == "string":
        if shape.enum:
            yield "no-such-value", "Member must satisfy enum value set: ["
            return
        if "max" in model and model["max"] <= 20000 and "pattern" not in model:
            yield "x" * (model["max"] + 1), f"Member must have length less than or equal to {model['max']}"
        if "pattern" in model and model["pattern"] not in (".*", "[\\s\\S]*", "[\\s\\S]+"):
            yield "\u00e9 ?*" + "?" * max(0, model.get("min", 0) - 4), f"Member must satisfy regular expression pattern: {model['pattern']}"
    elif shape.type_name in ("integer", "long", "float", "double"):
        if "min" in model:
            yield model["min"] - 1, f"Member must have value greater than or equal to {model['min']}"
        if "max" in model:
            yield model["max"] + 1, f"Member must have value less than or equal to {model['max']}"


def violations_of(shape, path):
    """(path in AWS's words, value of the whole member at the top, expected texts), below one member."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            base = valid(shape)
            if base is None:
                continue
            if name in shape.required_members:
                yield f"{path}.{lower(name)}", {k: v for k, v in base.items() if k != name}, \
                    [f"Value null at '{path}.{lower(name)}' failed to satisfy constraint: Member must not be null"]
            for where, value, texts in violations_of(member, f"{path}.{lower(name)}"):
                yield where, {**base, name: value}, texts
    elif shape.type_name == "list":
        item = valid(shape.member)
        model = constraint(shape)
        if item is not None and model.get("max", 1000) < 100:
            value = [item] * (model["max"] + 1)
            yield path, value, [f"at '{path}' failed to satisfy constraint: Member must have length less than or equal to {model['max']}"]
        if shape.member.type_name == "structure":
            for where, value, texts in violations_of(shape.member, f"{path}.1.member"):
                yield where, [value], texts
        else:
            for value, words in broken(shape.member):
                yield path, [value], [f"Value '[{value}]' at '{path}' failed to satisfy constraint: Member must satisfy ", words]
    elif shape.type_name == "map":
        key, value = valid(shape.key), valid(shape.value)
        if value is not None:
            for bad, words in broken(shape.key):
                yield path, {bad: value}, [f"at '{path}' failed to satisfy constraint: Map keys must satisfy constraint: [", words]
        if key is not None:
            for bad, words in broken(shape.value):
                yield path, {key: bad}, [f"at '{path}' failed to satisfy constraint: Map value must satisfy constraint: [", words]
    else:
        for value, words in broken(shape):
            yield path, value, [f"Value '{show(value)}' at '{path}' failed to satisfy constraint: {words}"]


def request(operation, members):
    """(method, path with query, body) of a rest-json operation."""
    path, query, body = operation.http["requestUri"], [], {}
    for name, value in members.items():
        traits = operation.input_shape.members[name].serialization
        if traits.get("location") == "uri":
            path = path.replace("{%s}" % traits["name"], urllib.parse.quote(str(value), safe=""))
        elif traits.get("location") == "querystring":
            query += [(traits["name"], v) for v in (value if isinstance(value, list) else [value])]
        elif traits.get("location") == "header":
            return None
        else:
            body[traits.get("name", name)] = value
    if "{" in path:
        return None
    path += ("&" if "?" in path else "?") + urllib.parse.urlencode(query) if query else ""
    return operation.http["method"], path, json.dumps(body) if body or operation.http["method"] in ("POST", "PUT") else None


def base_input(operation):
    """The required members, with valid values; None: some have none that is known."""
    members = {}
    for name in operation.input_shape.required_members if operation.input_shape else ():
        members[name] = valid(operation.input_shape.members[name])
        if members[name] is None:
            return None
    return members


def violations(model, name):
    operation = model.operation_model(name)
    base = base_input(operation)
    if base is None:
        return
    for member, shape in operation.input_shape.members.items() if operation.input_shape else ():
        path = lower(member)
        if member in operation.input_shape.required_members and not shape.serialization.get("location"):
            sent = request(operation, {k: v for k, v in base.items() if k != member})
            if sent:
                yield Violation(f"{path} missing", sent,
                                [f"Value null at '{path}' failed to satisfy constraint: Member must not be null"])
        if shape.serialization.get("location") == "querystring" and shape.type_name in ("list", "map", "structure"):
            continue
        for where, value, texts in violations_of(shape, path):
            members = copy.deepcopy(base)
            members[member] = value
            sent = request(operation, members)
            if sent:
                yield Violation(f"{where} = {show(value)[:60]}", sent, texts)
