"""A client of the public API for the probes: standard library, plain HTTP, any endpoint."""
import base64
import http.client
import json
import time
import urllib.parse

from daemon import SLOW

FUNCTIONS = "/2015-03-31/functions"
ROLE = "arn:aws:iam::000000000000:role/probe"


class Refused(Exception):
    """The API said no: status and the error's type and message."""

    def __init__(self, status, headers, body):
        self.status, self.type = status, headers.get("x-amzn-errortype", "")
        super().__init__(f"{status} {self.type}: {body[:300].decode(errors='replace')}")


class Answer:
    """Of one invocation."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.error = headers.get("x-amz-function-error")
        self.log = base64.b64decode(headers.get("x-amz-log-result", "")).decode(errors="replace")

    def json(self):
        return json.loads(self.body)

    @property
    def values(self):
        if self.error or self.status != 200:
            raise AssertionError(f"the invocation failed: {self.status} {self.error} {self.body[:300]!r} {self.log[-500:]!r}")
        answer = self.json()
        if "values" not in answer:
            raise AssertionError(f"no answer of a probe: {answer}")
        return answer["values"]


class Client:
    def __init__(self, endpoint):
        parts = urllib.parse.urlsplit(endpoint)
        self.host, self.port = parts.hostname, parts.port or 80
        self.made = []

    def request(self, method, path, body=None, headers=None, timeout=120):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout * SLOW)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def call(self, method, path, body=None):
        status, headers, data = self.request(method, path, json.dumps(body).encode() if body is not None else None)
        if status >= 300:
            raise Refused(status, headers, data)
        return json.loads(data) if data else {}

    def create(self, name, runtime, handler, zipped, wait_s=60, **more):
        """The function's configuration once it is not pending any more. Raises Refused, also for State Failed."""
        self.delete(name)
        self.call("POST", FUNCTIONS, {"FunctionName": name, "Runtime": runtime, "Handler": handler, "Role": ROLE,
                                      "Code": {"ZipFile": base64.b64encode(zipped).decode()}, **more})
        self.made.append(name)
        end = time.monotonic() + wait_s * SLOW
        while True:
            configuration = self.call("GET", f"{FUNCTIONS}/{name}/configuration")
            if configuration["State"] == "Failed":
                raise Refused(0, {"x-amzn-errortype": configuration.get("StateReasonCode", "")},
                              configuration.get("StateReason", "").encode())
            if configuration["State"] == "Active":
                return configuration
            if time.monotonic() > end:
                raise AssertionError(f"{name} stays {configuration['State']}")
            time.sleep(0.05)

    def invoke(self, name, event=None, timeout=120):
        return Answer(*self.request("POST", f"{FUNCTIONS}/{name}/invocations", json.dumps(event or {}).encode(),
                                    {"X-Amz-Log-Type": "Tail"}, timeout))

    def probe(self, name, probe, arg="", timeout=120):
        return self.invoke(name, {"probe": probe, "arg": str(arg)}, timeout)

    def logs(self, name, limit=1000):
        """The stored records: [{"message", "platform", ...}]."""
        answer = self.call("GET", f"/_stoke/logs?function={urllib.parse.quote(name)}&limit={limit}")
        return answer.get("events", answer if isinstance(answer, list) else [])

    def health(self):
        return self.call("GET", "/_stoke/health")

    def delete(self, name):
        self.request("DELETE", f"{FUNCTIONS}/{name}")
        if name in self.made:
            self.made.remove(name)

    def delete_all(self):
        for name in list(self.made):
            self.delete(name)
