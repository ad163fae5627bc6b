"""What is stored and not acted on is named: in health, in /_stoke/functions, by `stoke list`, in the docs."""
import json
import re
import subprocess

from daemon import ROOT


def documented():
    """The names in the table of docs/operations.md."""
    section = (ROOT / "docs/operations.md").read_text().split("## Stored and not acted on")[1].split("\n## ")[0]
    return {name.strip() for name in re.findall(r"^\| ([^|]+) \|", section, re.M)} - {"name"}


def test_health_says_what_the_docs_say(stoke):
    health = json.loads(stoke.request("GET", "/_stoke/health")[2])
    assert set(health["storedOnly"]) == documented()


def test_list_names_what_a_function_has(stoke, client, name):
    client.create_function(**stoke.function(name, TracingConfig={"Mode": "Active"}))
    client.create_function(**stoke.function(name + "-plain"))
    client.add_permission(FunctionName=name, StatementId="s", Action="lambda:*", Principal="*")
    listed = subprocess.run([stoke.build / "stoke", "--endpoint", stoke.endpoint, "list"], capture_output=True, text=True, check=True)
    lines = listed.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(name + " "))
    assert any("stored, not acted on: resource policies, TracingConfig" in line for line in lines[at + 1:at + 3])
    assert listed.stdout.count("stored, not acted on") == 1
