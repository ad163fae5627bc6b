"""Failures as Lambda's Python runtime reports them: error types, the error document, the lines in the log."""
import os
import sys
import traceback

OWN_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/"


class Fault(Exception):
    """A failure that the runtime itself finds; its type is one of Lambda's names."""

    MARSHAL = "Runtime.MarshalError"
    UNMARSHAL = "Runtime.UnmarshalError"
    USER_CODE_SYNTAX = "Runtime.UserCodeSyntaxError"
    HANDLER_NOT_FOUND = "Runtime.HandlerNotFound"
    IMPORT_MODULE = "Runtime.ImportModuleError"
    BUILT_IN_MODULE_CONFLICT = "Runtime.BuiltInModuleConflict"
    MALFORMED_HANDLER_NAME = "Runtime.MalformedHandlerName"
    CONTEXT_UNMARSHAL = "Runtime.LambdaContextUnmarshalError"

    def __init__(self, error_type, message, trace=None):
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = trace


def document(message, error_type, trace, request_id):
    return {
        "errorMessage": message or "",
        "errorType": error_type or "",
        "requestId": request_id or "",
        "stackTrace": trace or [],
    }


def _is_own(frame):
    name = frame.filename
    return name.startswith(OWN_DIR + "_stoke_runtime/") or name.startswith("<frozen importlib") or "/importlib/" in name


def from_exception(request_id=None):
    """The document of the exception that is being handled. Leading frames that are not the user's are left out."""
    error_type, value, tb = sys.exc_info()
    if isinstance(value, Fault):
        return document(value.message, value.error_type, value.trace, request_id)
    frames = traceback.extract_tb(tb)
    first = next((i for i, frame in enumerate(frames) if not _is_own(frame)), 0)
    shown = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in frames[first:]]  # Lambda's have no carets
    return document(str(value), error_type.__name__, traceback.format_list(shown), request_id)
