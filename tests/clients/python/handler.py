"""The handler that tests/clients/README.md describes."""
import os

if "STOKE_TEST_INIT_ERROR" in os.environ:
    raise ValueError("no init on purpose")


def handler(event, context):
    if event["do"] == "fail":
        raise ValueError("on purpose")
    if event["do"] == "big":
        return "b" * (event["bytes"] - 2)
    custom = context.client_context.custom if context.client_context else None
    return {"value": event["value"], "requestId": context.aws_request_id, "custom": custom}
