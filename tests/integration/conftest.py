"""Fixtures of the integration tests: a running stoked with fresh data, and the official clients on it.

STOKE_BUILD names the build directory. `stoke` is shared by the tests of a module, so tests use names of their own (`name`);
what needs a daemon of its own, with other settings, takes `make_stoke`.
"""
import contextlib
import pathlib
import sys
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from daemon import ROLE, SLOW, Daemon, Leftovers, archive  # noqa: E402

HANDLER = "def handler(event, context):\n    return event\n"


def error_of(call, **params):
    """(code, message) of the error that a client's call has to raise."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def without(answer, *keys):
    """A client's answer but for these members."""
    return {k: v for k, v in answer.items() if k not in ("ResponseMetadata", *keys)}


class Stoke(Daemon):
    """A daemon, and boto3 clients for any account and region."""

    def client(self, service="lambda", account="000000000000", region="us-east-1", validate=False, **config):
        settings = Config(parameter_validation=validate, retries={"total_max_attempts": 1}, read_timeout=60 * SLOW,
                          connect_timeout=5 * SLOW, **config)
        return boto3.session.Session().client(service, endpoint_url=self.endpoint, region_name=region,
                                              aws_access_key_id=account, aws_secret_access_key="test", config=settings)

    @staticmethod
    def function(name, files=None, **more):
        """Parameters for create_function."""
        return {"FunctionName": name, "Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE,
                "Code": {"ZipFile": archive(files or {"app.py": HANDLER})}, **more}


@pytest.fixture(scope="module")
def stoke():
    daemon = Stoke()
    leftovers = Leftovers(daemon)
    with daemon:
        yield daemon
    assert not leftovers.check(wait_s=3)


@pytest.fixture
def make_stoke():
    """make_stoke(config={...}) starts a daemon that ends with the test."""
    with contextlib.ExitStack() as running:
        def make(**options):
            daemon = Stoke(**options)
            running.callback(daemon.__exit__, Exception, None, None)  # its log is shown where the test fails
            return daemon.__enter__()

        yield make


@pytest.fixture
def client(stoke):
    return stoke.client()


@pytest.fixture
def name():
    return "fn-" + uuid.uuid4().hex[:12]


@pytest.fixture
def function(stoke, client, name):
    """The name of a function with version 1 and the alias live of it."""
    client.create_function(**stoke.function(name), Publish=True)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name
