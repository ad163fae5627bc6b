"""Events and results as JSON. Lambda's runtime encodes with simplejson and its options: named tuples become objects, bytes
become text, Decimal keeps its digits. For plain data that is what the standard library's fast encoder writes, too; the rest
goes through the slower one below."""
import decimal
import json
import os
from json.encoder import encode_basestring, encode_basestring_ascii

from _stoke import is_plain
from _stoke_runtime.faults import Fault

# From 3.12 on Lambda's runtimes write non-ASCII characters as they are.
NON_ASCII_SINCE = (3, 12)
CONTENT_JSON = "application/json"
CONTENT_UNKNOWN = "application/unknown"


def _escapes_non_ascii():
    name = os.environ.get("AWS_EXECUTION_ENV", "")
    try:
        version = tuple(int(part) for part in name.rpartition("python")[2].split("."))
    except ValueError:
        return True
    return version < NON_ASCII_SINCE


def _float(value):
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


class _SlowEncoder:
    def __init__(self, string):
        self.string = string
        self.open = set()

    def scalar(self, value):
        """The text of a value that holds no others, or None."""
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, bytes):
            return self.string(str(value, "utf-8"))
        if value is None:
            return "null"
        if value is True:
            return "true"
        if value is False:
            return "false"
        if isinstance(value, int):
            return int.__repr__(value)
        if isinstance(value, float):
            return _float(value)
        if isinstance(value, decimal.Decimal):
            return "NaN" if value.is_nan() else str(value)
        return None

    def key(self, key):
        if isinstance(key, (str, bytes)):
            return self.scalar(key)
        if key is None or isinstance(key, (bool, int, float)):
            return '"%s"' % self.scalar(key)
        raise TypeError("keys must be str, int, float, bool or None, not " + type(key).__name__)

    def value(self, value):
        text = self.scalar(value)
        if text is not None:
            return text
        if id(value) in self.open:
            raise ValueError("Circular reference detected")
        self.open.add(id(value))
        text = self.container(value)
        self.open.discard(id(value))
        return text

    def container(self, value):
        as_dict = None if isinstance(value, list) else getattr(value, "_asdict", None)
        if callable(as_dict):
            value = as_dict()
        if isinstance(value, dict):
            return "{%s}" % ", ".join([self.key(k) + ": " + self.value(v) for k, v in value.items()])
        if isinstance(value, (list, tuple)):
            return "[%s]" % ", ".join([self.value(item) for item in value])
        raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def make_encoder():
    """A function from a value to JSON text, as the runtime that the environment names writes it."""
    ascii_only = _escapes_non_ascii()
    fast = json.JSONEncoder(ensure_ascii=ascii_only).encode
    string = encode_basestring_ascii if ascii_only else encode_basestring

    def encode(value):
        text = fast(value) if is_plain(value) else _SlowEncoder(string).value(value)
        if not ascii_only and ("\u2028" in text or "\u2029" in text):
            text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        return text

    return encode


def read_event(body):
    try:
        return json.loads(str(body, "utf-8"))
    except Exception as e:
        raise Fault(Fault.UNMARSHAL, "Unable to unmarshal input: {}".format(e))


def write_result(encode, result):
    """The result's bytes and their content type."""
    if isinstance(result, bytes):
        return bytes(result), CONTENT_UNKNOWN
    try:
        return encode(result).encode(), CONTENT_JSON
    except Exception as e:
        raise Fault(Fault.MARSHAL, "Unable to marshal response: {}".format(e))
