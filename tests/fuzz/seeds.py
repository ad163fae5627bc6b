"""Seeds of the fuzz targets, from which a fuzzer departs: whole lives of runtimes, requests of every operation, archives as people
make them. And words that it could not guess: a dictionary of libFuzzer's.
"""
import io
import json
import pathlib
import re
import struct
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# ---- the Runtime API and the channel

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"
POST = b"POST /2018-06-01/runtime/invocation/r/%s HTTP/1.1\r\n%s\r\n%s"
REGISTER = b'POST /2020-01-01/extension/register HTTP/1.1\r\nLambda-Extension-Name: e\r\nContent-Length: 21\r\n\r\n{"events":["INVOKE"]}'
EVENT = b"GET /2020-01-01/extension/event/next HTTP/1.1\r\nLambda-Extension-Identifier: $E\r\n\r\n"
EXIT = (b"POST /2020-01-01/extension/exit/error HTTP/1.1\r\nLambda-Extension-Identifier: $E\r\n"
        b"Lambda-Extension-Function-Error-Type: a\r\nContent-Length: 0\r\n\r\n")


def say(peer, text):
    """One peer writes, in as many pieces as it takes."""
    return b"".join(bytes([peer, len(text[i:i + 200])]) + text[i:i + 200] for i in range(0, len(text), 200))


def act(action, peer=0):
    return bytes([4 * (48 + action) + peer, 0])


def length(kind, body, headers=b""):
    return POST % (kind, headers + b"Content-Length: %d\r\n" % len(body), body)


def chunked(kind, body, headers=b""):
    return POST % (kind, headers + b"Transfer-Encoding: chunked\r\n", body)


INVOKE = act(4)
HTTP = {
    "visit": say(0, NEXT) + INVOKE + say(0, length(b"response", b"{}")) + say(0, NEXT) + INVOKE + say(0, length(b"error", b"{}")),
    "ids": say(0, NEXT) + INVOKE + say(1, length(b"response", b"1", b"Lambda-Runtime-Invocation-Id: $D\r\n")),
    "chunks": say(0, NEXT) + INVOKE + say(0, chunked(b"response", b"2\r\nab\r\n1;x\r\nc\r\n0\r\nA: b\r\n\r\n")),
    "trailers": say(0, NEXT) + INVOKE + say(0, chunked(
        b"response", b"0\r\nLambda-Runtime-Function-Error-Type: Function.A\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n",
        b"Lambda-Runtime-Function-Response-Mode: streaming\r\n")),
    "cause": say(0, NEXT) + INVOKE + say(0, length(
        b"error", b'{"errorType":"T","errorCause":{}}', b"Content-Type: application/vnd.aws.lambda.error.cause+json\r\n")),
    "xray": say(0, NEXT) + INVOKE + say(0, length(b"error", b"{}", b'Lambda-Runtime-Function-XRay-Error-Cause: {"message":"m"}\r\n')),
    "init": say(0, b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}") + act(2) + say(1, NEXT),
    "pipeline": say(0, NEXT + length(b"response", b"1") + NEXT) + INVOKE + INVOKE,
    "extension": say(1, REGISTER) + say(1, EVENT) + say(0, NEXT) + INVOKE + say(0, length(b"response", b"1")) + say(1, EVENT)
    + say(0, NEXT) + INVOKE + act(0, 1) + say(1, EVENT) + act(3) + say(1, EXIT),
    "half": say(0, NEXT) + INVOKE + say(0, length(b"response", b"12345")[:-2]) + act(1, 0),
    "other": say(0, b"GET /2018-06-01/ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\nPUT /x HTTP/1.1\r\nExpect: 100-continue\r\n"
                    b"Content-Length: 3\r\n\r\nabc"),
}


def frame(kind, meta=b"", body=b""):
    return struct.pack("<BBHII", kind, 0, 0, len(meta), len(body)) + meta + body


def pieces(text):
    return b"".join(bytes([len(text[i:i + 64]) - 1]) + text[i:i + 64] for i in range(0, len(text), 64))


CHANNEL = {
    "visits": pieces(frame(16)) + pieces(frame(17)) + pieces(frame(18, b"r\0application/json\0", b"{}"))
    + pieces(frame(19, b"r\0Function.A\0", b'{"errorType":"A"}')),
    "together": pieces(frame(16) + frame(17)) + pieces(frame(18, b"r\0\0", b"1")),
    "init": pieces(frame(16)) + pieces(frame(20, b"Runtime.X\0", b"{}")),
    "exec": pieces(frame(21, b"2\0/var/task/bootstrap\0")),
}


# ---- archives

def archive(packing, comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as z:
        z.comment = comment
        for name, mode, data in (("app.py", 0o100644, "def handler(event, context): pass\n" * 9), ("bin/run", 0o100755, "#!/bin/sh\n"),
                                 ("lib/", 0o040755, ""), ("lib/link", 0o120777, "../bin/run"), ("grüße", 0o100644, "")):
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.external_attr, info.compress_type = mode << 16, packing
            z.writestr(info, data)
    return out.getvalue()


def streamed():
    """Written to what cannot seek: sizes follow the data."""
    class Pipe(io.RawIOBase):
        text = b""

        def writable(self):
            return True

        def write(self, data):
            self.text += bytes(data)
            return len(data)
    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("app.py", "x = 1\n" * 20)
    return out.text


def items(*entries):
    return b":" + b"".join(bytes([kind]) + name.encode() + b"\n" + data.encode() + b"\n" for kind, name, data in entries)


ARCHIVE = {
    "stored": archive(zipfile.ZIP_STORED), "deflated": archive(zipfile.ZIP_DEFLATED, b"comment"), "streamed": streamed(),
    "empty": archive(zipfile.ZIP_STORED)[-22:],
    "plain": items((0x41, "a.py", "x"), (0x49, "b/c.py", "yyyyyyyyyyyyyyyy"), (0x42, "bootstrap", "#!"), (0x45, "d/", "")),
    "links": items((0x41, "a", "x"), (0x43, "l", "a"), (0x43, "d/l", "../a"), (0x43, "out", "../../etc/passwd"), (0x43, "m", "l")),
    "climbing": items((0x41, "../a", "x"), (0x41, "/a", "x"), (0x41, "a/../../b", "x"), (0x41, "a//b", ""), (0x41, "a\\b", "")),
    "twice": items((0x41, "a", "x"), (0x51, "a", "y"), (0x41, "A", "z"), (0x43, "d", "e"), (0x41, "d/f", "x")),
    "devices": items((0x46, "s", "x"), (0x47, "fifo", "")),
}


# ---- requests

def model(service):
    return (ROOT / f"lib/aws/model_{service}.c").read_text()


def requests():
    seeds = {}
    for name, method, uri in re.findall(r'{\.name = "(\w+)", \.method = "(\w+)", \.uri = "([^"]+)"', model("lambda")):
        path = re.sub(r"{\w+\+?}", "hello", uri)
        seeds[name] = f"{method} {path}\nContent-Type: application/json\n\n{{}}".encode()
    assert len(seeds) > 50
    body = {"FunctionName": "hello", "Runtime": "python3.13", "Handler": "a.b", "Role": "arn:aws:iam::000000000000:role/any",
            "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}, "Environment": {"Variables": {"A": "b"}}, "MemorySize": 128,
            "Timeout": 3, "Tags": {"k": "v"}, "EphemeralStorage": {"Size": 512}, "Architectures": ["x86_64"], "Publish": False}
    seeds["CreateFunction.full"] = b"POST /2015-03-31/functions\n\n" + json.dumps(body).encode()
    seeds["Invoke.arn"] = (b"POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Ahello/invocations"
                           b"?Qualifier=%24LATEST\nX-Amz-Invocation-Type: Event\nX-Amz-Client-Context: e30=\n\n{}")
    seeds["query"] = b"GET /2015-03-31/functions?Marker=a%20b&MaxItems=10&FunctionVersion=ALL\n\n"
    for action in re.findall(r'\.name = "([A-Z]\w+)", \.method', model("sts")):
        seeds[action] = (f"POST /\nContent-Type: application/x-www-form-urlencoded\nAuthorization: AWS4-HMAC-SHA256 Credential="
                         f"test/20260101/us-east-1/sts/aws4_request\n\nAction={action}&Version=2011-06-15&RoleArn=a&Tags.member.1.Key=k"
                         ).encode()
    seeds["rpc"] = b"POST /\nX-Amz-Target: DynamoDB_20120810.ListTables\nContent-Type: application/x-amz-json-1.0\n\n{}"
    return seeds


def words():
    """Every name in the models."""
    return {name for service in ("lambda", "sts") for name in re.findall(r'"([A-Za-z][\w.-]{2,40})"', model(service))}


SEEDS = {"fuzz_runtime_http": lambda: HTTP, "fuzz_channel": lambda: CHANNEL, "fuzz_archive": lambda: ARCHIVE, "fuzz_aws_codec": requests}
WORDS = {"fuzz_aws_codec": words}


def write(target, folder):
    """The seeds of a target into a folder."""
    if target not in SEEDS:
        raise SystemExit(f"{target} has no seeds in tests/fuzz/seeds.py")
    for name, data in SEEDS[target]().items():
        (folder / name).write_bytes(data)


def write_dictionary(target, file):
    """False if the target has none."""
    if target not in WORDS:
        return False
    file.write_text("".join(f'"{word}"\n' for word in sorted(WORDS[target]())))
    return True
