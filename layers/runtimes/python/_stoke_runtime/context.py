"""The context object that a handler gets, with the attributes of Lambda's."""
import json
import logging
import os
import sys
import time

from _stoke_runtime.faults import Fault

W3C_FIELDS = ("traceparent", "tracestate", "baggage")


def _describe(value, fields):
    return "%s([%s])" % (type(value).__name__, ",".join("%s=%s" % (f, getattr(value, f, None)) for f in fields))


class _Fields(object):
    """An object whose attributes come from the members of a JSON object; missing ones are None."""

    __slots__ = ()

    def _fill(self, members):
        for field in self.__slots__:
            setattr(self, field, members.get(field))
        return self

    def __repr__(self):
        return _describe(self, self.__slots__)


class CognitoIdentity(_Fields):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(_Fields):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(_Fields):
    __slots__ = ("custom", "env", "client")


def _parse(text, name):
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as e:
        raise Fault(Fault.CONTEXT_UNMARSHAL, "Unable to parse {} JSON: {}".format(name, e))


def _take_w3c(client_context):
    """The trace context inside the client context is not for the handler to see there."""
    fields = client_context.pop("w3c", None) if isinstance(client_context, dict) else None
    if not isinstance(fields, dict):
        return {}
    return {key: fields[key] for key in W3C_FIELDS if isinstance(fields.get(key), str)}


def _client_context(members):
    if members is None:
        return None
    context = ClientContext()._fill(members)
    if context.client is not None:
        context.client = Client()._fill(context.client)
    return context


class LambdaContext(object):
    def __init__(self, request_id, deadline_ms, arn, client_context, cognito, tenant_id):
        env = os.environ.get
        self.aws_request_id = request_id
        self.log_group_name = env("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = env("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = arn
        self.tenant_id = tenant_id
        self._epoch_deadline_time_in_ms = deadline_ms
        members = _parse(client_context, "Client Context")
        self._w3c = _take_w3c(members)
        self.client_context = _client_context(members)
        identity = _parse(cognito, "Cognito Identity") or {}
        self.identity = CognitoIdentity()
        self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def w3c(self):
        return dict(self._w3c)

    def log(self, msg):
        for handler in logging.getLogger().handlers:
            if hasattr(handler, "log_sink"):
                handler.log_sink.log(str(msg))
                return
        sys.stdout.write(str(msg))

    def __repr__(self):
        return _describe(self, ("aws_request_id", "log_group_name", "log_stream_name", "function_name",
                                "memory_limit_in_mb", "function_version", "invoked_function_arn", "client_context",
                                "identity", "tenant_id"))
