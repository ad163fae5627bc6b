"""LoggingConfig.LogGroup: where a function's lines go, and what they are told apart by."""
import json
import time

from daemon import SLOW

SAY = "def handler(event, context):\n    print('says %s')\n    return [context.log_group_name, context.log_stream_name]\n"


def lines(stoke, query, wanted):
    """The log's events as soon as one of them has the wanted text."""
    end = time.monotonic() + 10 * SLOW
    while True:
        status, _, body = stoke.request("GET", f"/_stoke/logs?{query}")
        events = json.loads(body).get("events", [])
        if any(wanted in event["message"] for event in events) or time.monotonic() > end:
            assert status == 200
            return events
        time.sleep(0.05)


def make(stoke, client, name, group=None):
    more = {"LoggingConfig": {"LogGroup": group}} if group else {}
    client.create_function(**stoke.function(name, {"app.py": SAY % name}, **more))
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return json.load(client.invoke(FunctionName=name)["Payload"])


def test_a_group_of_two(stoke, client, name):
    group = f"{name}/shared.log#1"
    for function in [name + "-a", name + "-b"]:
        seen_group, stream = make(stoke, client, function, group)
        assert seen_group == group and stream[11:].startswith(f"{function}[$LATEST]")
    both = lines(stoke, "group=" + group.replace("/", "%2F").replace("#", "%23"), f"says {name}-b")
    said = [e["message"].strip() for e in both if e["message"].startswith("says")]
    assert said == [f"says {name}-a", f"says {name}-b"]
    own = lines(stoke, f"function={name}-a", f"says {name}-a")
    assert own and all(e["stream"][11:].startswith(f"{name}-a[") for e in own)
    assert len(json.loads(stoke.request("GET", f"/_stoke/logs?function={name}-a&limit=2")[2])["events"]) == 2


def test_the_standard_group(stoke, client, name):
    group, stream = make(stoke, client, name)
    assert group == f"/aws/lambda/{name}" and stream[11:].startswith("[$LATEST]")
    make(stoke, client, name + "-guest", group)  # writes to the other's group
    assert [e for e in lines(stoke, f"group=/aws/lambda/{name}", f"says {name}-guest") if f"says {name}-guest" in e["message"]]
    own = lines(stoke, f"function={name}", f"says {name}")
    assert not any("guest" in e["message"] for e in own)
    client.update_function_configuration(FunctionName=name, LoggingConfig={"LogGroup": name + "-new"})
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    assert json.load(client.invoke(FunctionName=name)["Payload"])[0] == name + "-new"
    moved = lines(stoke, f"function={name}", f"says {name}")
    assert len([e for e in moved if e["message"].startswith("says")]) == 1


def test_no_such_group(stoke):
    status, _, body = stoke.request("GET", "/_stoke/logs?group=nobody-writes-here")
    assert status == 200 and json.loads(body)["events"] == []
