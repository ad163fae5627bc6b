"""What a function prints and logs: unbuffered standard streams, the root logger's handler with the request id, and errors, as
text or as JSON (AWS_LAMBDA_LOG_FORMAT)."""
import json
import logging
import os
import sys
import time
import traceback

TEXT_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
TEXT_TIME = "%Y-%m-%dT%H:%M:%S"
JSON_TIME = "%Y-%m-%dT%H:%M:%SZ"
INDENT = "\u00a0"  # log viewers drop leading spaces
INIT_WARNING = "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code."

# Attributes of every LogRecord: what is not among them came by extra=. taskName (3.12 and later) is written, as on Lambda.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) - {"taskName"} | {"message", "asctime", "aws_request_id", "tenant_id"}

current = {"request_id": "", "tenant_id": None}
is_json = False
_out = sys.stdout  # the stream of the log, whatever sys.stdout is later


class Unbuffered(object):
    """A stream that flushes after each write: what was printed is out, whatever happens next."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        pass

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def write(self, text):
        count = self.stream.write(text)
        self.stream.flush()
        return count

    def writelines(self, lines):
        self.stream.writelines(lines)
        self.stream.flush()


def _write(text):
    """Through the stream that print has at first, so that lines keep their order."""
    try:
        _out.write(text)
    except ValueError:  # the function has closed or detached it, or it cannot encode the text
        os.write(1, text.encode("utf-8", "backslashreplace"))


class Sink(object):
    def log(self, text):
        _write(text)


class _Handler(logging.Handler):
    def __init__(self, sink):
        super().__init__()
        self.log_sink = sink

    def emit(self, record):
        self.log_sink.log(self.format(record))


class _Filter(logging.Filter):
    def filter(self, record):
        record.aws_request_id = current["request_id"]
        record.tenant_id = current["tenant_id"]
        return True


class _JsonFormatter(logging.Formatter):
    def __init__(self):
        super().__init__(datefmt=JSON_TIME)
        self.encode = json.JSONEncoder(ensure_ascii=False, default=str).encode

    def format(self, record):
        level = min(50, max(0, record.levelno)) // 10 * 10
        error_type, error, tb = record.exc_info or (None, None, None)
        whole = isinstance(record.msg, dict) and not record.args
        entry = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": logging.getLevelName(level),
            "message": record.msg if whole else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(tb) if error_type else None,
            "errorType": error_type.__name__ if error_type else None,
            "errorMessage": str(error) if error_type else None,
            "requestId": record.aws_request_id,
            "location": "%s:%s:%s" % (record.pathname, record.funcName, record.lineno) if error_type else None,
            "tenantId": record.tenant_id,
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in entry:
                entry[name] = value
        return self.encode({name: value for name, value in entry.items() if value is not None}) + "\n"


def set_up():
    """Wraps the standard streams and gives the root logger its handler, as the environment says."""
    global is_json, _out
    is_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    sys.stdout = _out = Unbuffered(sys.stdout)
    sys.stderr = Unbuffered(sys.stderr)
    logging.Formatter.converter = time.gmtime
    handler = _Handler(Sink())
    handler.setFormatter(_JsonFormatter() if is_json else logging.Formatter(TEXT_FORMAT, TEXT_TIME))
    handler.addFilter(_Filter())
    root = logging.getLogger()
    level = "DEBUG" if level == "TRACE" else level
    if isinstance(logging.getLevelName(level), int):
        root.setLevel(level)
    root.addHandler(handler)


def tear_down():
    """After a rehearsal: as before set_up(). The streams are the caller's to put back."""
    logging.getLogger().handlers.clear()
    current.update(request_id="", tenant_id=None)


def _indented(line):
    bare = line.lstrip(" ")
    return INDENT * (len(line) - len(bare)) + bare


def error(document, encode):
    """One write for the whole of a failure."""
    if is_json:
        entry = {"timestamp": time.strftime(JSON_TIME, time.gmtime()), "level": "ERROR"}
        entry.update(document)
        _write(encode(entry) + "\n")
        return
    text = ": ".join(part for part in (document["errorType"], document["errorMessage"]) if part)
    lines = ["[ERROR] " + text if text else "[ERROR]", "Traceback (most recent call last):"]
    for entry in document["stackTrace"]:
        lines += [_indented(line) for line in entry.splitlines()] or [""]
    _write("\n".join(lines) + "\n")
