"""Every constraint of AWS's model, violated once for each member of each operation that Stoke implements; and two at once."""
import http.client
import itertools
import json

import constraints
import pytest

MODEL = constraints.load()

# Where Lambda itself says something else than its model: operation or "*", path -> why it is left out here. Each is tested by hand.
ELSEWHERE = {
    ("*", "functionName"): "longer and qualified names have messages of their own",
    ("*", "runtime"): "the list ends with 'or be a valid ARN'",
    ("*", "timeout"): "5400 s are for functions that Stoke has not; 900 is the limit of all others",
    ("*", "ephemeralStorage.size"): "32768 MB are for functions that Stoke has not; 10240 is the limit of all others",
    ("*", "layerName"): "releases of botocore differ in its pattern",
    ("*", "resource"): "releases of botocore differ in its pattern",
    ("*", "resourceArn"): "releases of botocore differ in its pattern",
}


def send(stoke, request):
    connection = http.client.HTTPConnection("127.0.0.1", stoke.port, timeout=30)
    connection.request(request[0], request[1], request[2], {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, answer.getheader("x-amzn-errortype"), json.loads(text) if text else {}


def message(body):
    return body.get("message") or body.get("Message") or ""


def implemented(stoke, operation):
    base = constraints.base_input(MODEL.operation_model(operation))
    sent = constraints.request(MODEL.operation_model(operation), base) if base is not None else None
    return sent is not None and send(stoke, sent)[1] != "NotImplemented"


@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_each_constraint(stoke, operation):
    if not implemented(stoke, operation):
        return
    wrong = []
    for violation in constraints.violations(MODEL, operation):
        if ("*", violation.title.split(" ")[0]) in ELSEWHERE:
            continue
        status, code, body = send(stoke, violation.request)
        good = status == 400 and code == "ValidationException" and message(body).startswith("1 validation error detected: ")
        if not good or not all(text in message(body) for text in violation.expected):
            wrong.append(f"{violation.title}\n   wanted {violation.expected}\n   got    {status} {code} {body}")
    assert not wrong, "\n".join(wrong)


def test_there_is_something_to_test(stoke):
    counted = {name: len(list(constraints.violations(MODEL, name))) for name in MODEL.operation_names if implemented(stoke, name)}
    assert len(counted) > 20 and sum(counted.values()) > 60, counted


@pytest.mark.parametrize("operation", ["CreateFunction", "UpdateFunctionConfiguration", "CreateAlias", "UpdateAlias"])
def test_two_at_once(stoke, operation):
    model = MODEL.operation_model(operation)
    base = constraints.base_input(model)
    broken = [(name, value, texts) for name, shape in model.input_shape.members.items()
              if not shape.serialization.get("location") and ("*", constraints.lower(name)) not in ELSEWHERE
              for _, value, texts in itertools.islice(constraints.violations_of(shape, constraints.lower(name)), 1)]
    for (a, a_value, a_texts), (b, b_value, b_texts) in itertools.pairwise(broken):
        status, code, body = send(stoke, constraints.request(model, {**base, a: a_value, b: b_value}))
        assert (status, code) == (400, "ValidationException"), (a, b, body)
        assert message(body).startswith("2 validation errors detected: "), (a, b, body)
        assert all(text in message(body) for text in a_texts + b_texts), (a, b, body)
