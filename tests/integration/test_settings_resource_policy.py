"""PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy: a policy as a whole, and the same one statement by statement. By plain
HTTP, as releases of botocore differ in which ARNs they let through."""
import concurrent.futures
import json
import urllib.parse

import pytest
from conftest import archive

GRANT = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
STALE = ("PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetResourcePolicy API "
         "to retrieve the latest Revision Id")
NONE = ("ResourceNotFoundException", "The resource you requested does not exist.")


def ask(stoke, method, arn, body=None, **query):
    """(status, answer); of an error (code, message)."""
    path = f"/2026-07-09/resource-policy/{urllib.parse.quote(arn, safe='')}"
    path += "?" + urllib.parse.urlencode(query) if query else ""
    status, headers, text = stoke.request(method, path, body)
    answer = json.loads(text) if text else None
    if status >= 400:
        return headers["x-amzn-errortype"].split(":")[0], answer.get("message", answer.get("Message"))
    return status, answer


def put(stoke, arn, document, **members):
    return ask(stoke, "PUT", arn, {"Policy": document if isinstance(document, str) else json.dumps(document), **members})


def get(stoke, arn):
    status, answer = ask(stoke, "GET", arn)
    assert status == 200
    return json.loads(answer["Policy"]), answer["RevisionId"]


def statement(arn, sid="s", **more):
    return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "lambda:InvokeFunction", "Resource": arn, **more}


def policy(arn, *sids):
    return {"Version": "2012-10-17", "Id": "mine", "Statement": [statement(arn, sid) for sid in sids or ("s",)]}


def stored_only(stoke, name):
    functions = json.loads(stoke.request("GET", "/_stoke/functions")[2])["Functions"]
    return next(function.get("StoredOnly", []) for function in functions if function["FunctionName"] == name)


@pytest.fixture
def arn(stoke, client, name):
    made = client.create_function(**stoke.function(name), Publish=True)["FunctionArn"]
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return made


def test_put_get_delete(stoke, client, arn):
    assert ask(stoke, "GET", arn) == NONE
    document = policy(arn, "a", "b")
    document["Statement"][1] |= {"Effect": "Deny", "Principal": "*", "Action": ["lambda:GetFunction", "lambda:Invoke*"],
                                 "Resource": [arn, arn + ":*"], "Condition": {"Bool": {"aws:SecureTransport": [False]}}}
    status, answer = put(stoke, arn, document)
    assert status == 200 and sorted(answer) == ["Policy", "RevisionId"] and json.loads(answer["Policy"]) == document
    assert get(stoke, arn) == (document, answer["RevisionId"])
    assert ask(stoke, "GET", arn)[1] == answer
    status, replaced = put(stoke, arn, policy(arn, "c"))
    assert status == 200 and get(stoke, arn) == (policy(arn, "c"), replaced["RevisionId"])
    assert replaced["RevisionId"] != answer["RevisionId"]
    assert ask(stoke, "DELETE", arn) == (204, None)
    assert ask(stoke, "GET", arn) == NONE
    assert ask(stoke, "DELETE", arn) == ("ResourceNotFoundException", "No policy is associated with the given resource.")
    single = {"Statement": {**statement(arn), "Principal": "*"}}
    assert put(stoke, arn, single)[0] == 200
    assert get(stoke, arn)[0] == {"Statement": [single["Statement"]]}


def test_one_policy_for_both_ways(stoke, client, arn, name):
    client.add_permission(FunctionName=name, StatementId="added", **GRANT)
    document, revision = get(stoke, arn)
    answer = client.get_policy(FunctionName=name)
    assert json.loads(answer["Policy"]) == document and answer["RevisionId"] == revision
    assert client.get_function_configuration(FunctionName=name)["RevisionId"] == revision
    document["Statement"].append({key: value for key, value in statement(arn).items() if key != "Sid"})
    status, answer = put(stoke, arn, document, RevisionId=revision)
    assert status == 200
    shown = client.get_policy(FunctionName=name)
    assert json.loads(shown["Policy"]) == document and shown["RevisionId"] == answer["RevisionId"]
    client.add_permission(FunctionName=name, StatementId="later", RevisionId=answer["RevisionId"], **GRANT)
    assert [s.get("Sid") for s in get(stoke, arn)[0]["Statement"]] == ["added", None, "later"]
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.add_permission(FunctionName=name, StatementId="added", **GRANT)
    client.remove_permission(FunctionName=name, StatementId="added")
    client.remove_permission(FunctionName=name, StatementId="later")
    assert [s.get("Sid") for s in get(stoke, arn)[0]["Statement"]] == [None]
    assert put(stoke, arn, {"Statement": statement(arn, "one")})[0] == 200
    assert stored_only(stoke, name) == ["resource policies"]
    client.add_permission(FunctionName=name, StatementId="two", **GRANT)
    assert [s["Sid"] for s in get(stoke, arn)[0]["Statement"]] == ["one", "two"]
    for sid in ("one", "two"):
        client.remove_permission(FunctionName=name, StatementId=sid)
    assert ask(stoke, "GET", arn) == NONE and stored_only(stoke, name) == []


def test_each_qualifier_has_its_own(stoke, client, arn, name):
    for qualified in (arn, arn + ":1", arn + ":live"):
        assert put(stoke, qualified, policy(qualified, "of-" + qualified.rpartition(":")[2]))[0] == 200
    assert len({get(stoke, q)[0]["Statement"][0]["Sid"] for q in (arn, arn + ":1", arn + ":live")}) == 3
    assert json.loads(client.get_policy(FunctionName=name, Qualifier="live")["Policy"]) == get(stoke, arn + ":live")[0]
    assert client.get_alias(FunctionName=name, Name="live")["RevisionId"] == get(stoke, arn + ":live")[1]
    assert get(stoke, arn + ":$LATEST") == get(stoke, arn)
    assert put(stoke, arn + ":$LATEST", policy(arn)) == (
        "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.")
    assert ask(stoke, "DELETE", arn + ":live") == (204, None)
    assert ask(stoke, "GET", arn + ":live") == NONE
    assert get(stoke, arn) and get(stoke, arn + ":1")
    client.delete_alias(FunctionName=name, Name="live")
    client.delete_function(FunctionName=name, Qualifier="1")
    assert ask(stoke, "GET", arn + ":1") == NONE


def test_revisions(stoke, client, arn):
    for qualified in (arn, arn + ":1", arn + ":live"):
        _, first = put(stoke, qualified, policy(qualified))
        _, second = put(stoke, qualified, policy(qualified, "t"), RevisionId=first["RevisionId"])
        assert put(stoke, qualified, policy(qualified, "u"), RevisionId=first["RevisionId"]) == STALE
        assert ask(stoke, "DELETE", qualified, RevisionId=first["RevisionId"]) == STALE
        assert get(stoke, qualified) == (policy(qualified, "t"), second["RevisionId"])
        assert ask(stoke, "DELETE", qualified, RevisionId=second["RevisionId"]) == (204, None)
    code, message = put(stoke, arn, policy(arn), RevisionId="no")
    assert code == "ValidationException" and "revisionId" in message


def test_what_is_there(stoke, client, arn):
    for qualifier, words in ((":no", "Cannot find alias arn: "), (":7", "Function not found: "), ("-no", "Function not found: ")):
        missing = arn + qualifier
        assert put(stoke, missing, policy(missing)) == ("ResourceNotFoundException", words + missing)
        assert ask(stoke, "GET", missing) == NONE
        assert ask(stoke, "DELETE", missing) == ("ResourceNotFoundException", words + missing)
    runtime = "arn:aws:lambda:us-east-1:000000000000:runtime/python3.11"
    assert put(stoke, runtime, policy(arn)) == ask(stoke, "GET", runtime) == ask(stoke, "DELETE", runtime) == NONE
    other = arn.replace("000000000000", "111122223333")
    assert {put(stoke, other, policy(other))[0], ask(stoke, "GET", other)[0], ask(stoke, "DELETE", other)[0]} == {"AccessDeniedException"}
    for text in (arn.rpartition(":")[2], "arn:aws:s3:::b", arn + "*"):
        code, message = ask(stoke, "GET", text)
        assert code == "ValidationException" and "'resourceArn'" in message


@pytest.mark.parametrize("document, words", [
    ("no JSON", ""),
    ("[]", "the policy is not an object"),
    ({"Version": "2012-10-17"}, "Statement is not a statement or a list of some"),
    ({"Version": "2026-01-01", "Statement": []}, "Version is neither 2012-10-17 nor 2008-10-17"),
    ({"Statement": [{"Effect": "Allow"}]}, "a statement has neither Principal and NotPrincipal"),
])
def test_documents_that_are_none(stoke, arn, document, words):
    assert put(stoke, arn, policy(arn))[0] == 200
    code, message = put(stoke, arn, document)
    assert code == "InvalidParameterValueException" and message.startswith("The provided policy is not valid: " + words)
    assert get(stoke, arn)[0] == policy(arn)


def test_a_policy_is_about_its_own_function(stoke, arn):
    assert put(stoke, arn, policy(arn + "2")) == (
        "InvalidParameterValueException",
        f"The provided policy is not valid: Resource is not {arn}, one of its versions or aliases, or a list of some")
    assert put(stoke, arn + ":live", policy(arn + ":*"))[0] == 200


def test_size(stoke, client, arn, name):
    def of(letter, size):
        document = policy(arn)
        document["Id"] = ""
        return json.dumps({**document, "Id": letter * (size - len(json.dumps(document, separators=(",", ":"))))},
                          separators=(",", ":"), ensure_ascii=False)

    code, message = put(stoke, arn, of("x", 20481))
    assert code == "ValidationException" and "less than or equal to 20480" in message
    code, message = put(stoke, arn, of("\u00e9", 20000))
    assert code == "PolicyLengthExceededException" and message.endswith("is bigger than the limit (20480).")
    assert put(stoke, arn, of("x", 20480))[0] == 200
    with pytest.raises(client.exceptions.PolicyLengthExceededException):
        client.add_permission(FunctionName=name, StatementId="t", **GRANT)


def test_one_revision_has_one_winner(stoke, client, arn, name):
    client.add_permission(FunctionName=name, StatementId="first", **GRANT)
    for round_ in range(3):
        revision = get(stoke, arn)[1]

        def write(i):
            if i % 8 == 7:
                return ask(stoke, "DELETE", arn, RevisionId=revision)
            return put(stoke, arn, policy(arn, f"s{round_}-{i}"), RevisionId=revision)

        with concurrent.futures.ThreadPoolExecutor(32) as threads:
            answers = list(threads.map(write, range(32)))
        won = [i for i, answer in enumerate(answers) if answer[0] in (200, 204)]
        assert len(won) == 1 and {answer[0] for i, answer in enumerate(answers) if i != won[0]} <= {
            "PreconditionFailedException", "ResourceNotFoundException"}
        if answers[won[0]][0] == 204:
            assert ask(stoke, "GET", arn) == NONE
            put(stoke, arn, policy(arn))
        else:
            assert get(stoke, arn) == (policy(arn, f"s{round_}-{won[0]}"), answers[won[0]][1]["RevisionId"])


def test_survives_updates_and_a_kill(make_stoke, name):
    stoke = make_stoke()
    client = stoke.client()
    arn = client.create_function(**stoke.function(name), Publish=True)["FunctionArn"]
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    put(stoke, arn, policy(arn))
    put(stoke, arn + ":1", policy(arn, "gone"))
    put(stoke, arn + ":live", policy(arn, "of-alias"))
    client.update_function_code(FunctionName=name, ZipFile=archive({"app.py": "handler = print"}))
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    assert ask(stoke, "DELETE", arn + ":1") == (204, None)
    _, last = put(stoke, arn + ":live", policy(arn, "last"))
    before = get(stoke, arn)
    stoke.process.kill()
    stoke.process.wait()
    stoke.start()
    assert get(stoke, arn) == before and before[0] == policy(arn)
    assert ask(stoke, "GET", arn + ":1") == NONE
    assert get(stoke, arn + ":live") == (policy(arn, "last"), last["RevisionId"])
    client.delete_function(FunctionName=name)
    client.create_function(**stoke.function(name))
    assert ask(stoke, "GET", arn) == NONE
