"""Hostile archives through CreateFunction and UpdateFunctionCode: an error in AWS's shape that names the entry, and nothing of them in the
data directory."""
import base64
import io
import json
import os
import pathlib
import struct
import threading
import zipfile
import zlib

import pytest

from attack import creation, health, resident_mb, unharmed, until
from daemon import archive

FUNCTIONS = "/2015-03-31/functions"
FILE, LINK = 0o100000, 0o120000


@pytest.fixture(autouse=True)
def nothing_is_harmed(stoke):
    with unharmed(stoke):
        before = stored(stoke)
        yield
        until(lambda: stored(stoke) == before, what="the data directory as it was")


def stored(stoke):
    """Names of everything that an upload can leave."""
    return {d: sorted(os.listdir(f"{stoke.data}/{d}")) for d in ("blobs", "trees", "incoming", "tmp")}


def entry(name, mode=FILE | 0o644, method=zipfile.ZIP_DEFLATED):
    info = zipfile.ZipInfo("placeholder", (2026, 1, 1, 0, 0, 0))
    info.filename, info.create_system, info.external_attr, info.compress_type = name, 3, mode << 16, method
    return info


def zipped(*entries):
    """(name, data[, mode[, method]]) as they are: no name is cleaned."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data, *more in entries:
            z.writestr(entry(name, *more), data)
    return out.getvalue()


GOOD = zipped(("app.py", "x = 1\n"), ("data/file", "y" * 5000))


def patched(offset, form, value, data=GOOD, what=b"PK\x01\x02"):
    """GOOD with one field of its first directory entry (or what) changed."""
    at = data.index(what) + offset
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form):]


def zeros(megabytes):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compresslevel=1) as z:
        with z.open(entry("zeros"), "w", force_zip64=True) as f:
            for _ in range(megabytes):
                f.write(bytes(1 << 20))
    return out.getvalue()


def many(count, depth=0):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for i in range(count):
            z.writestr("d/" * depth + f"f{i}", b"")
    return out.getvalue()


def end64(entries, size, offset):
    record = struct.pack("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45, 0, 0, entries, entries, size, offset)
    return record


def lying_zip64(entries=1 << 40, size=1 << 50, offset=1 << 60):
    local = GOOD[:GOOD.index(b"PK\x01\x02")]
    record = end64(entries, size, offset)
    locator = struct.pack("<IIQI", 0x07064b50, 0, len(local), 1)
    return local + record + locator + struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0)


def shared_bytes(count):
    """The better bomb: many entries whose data overlaps."""
    data = zlib.compress(bytes(10 << 20))[2:-4]
    name, crc = b"k", zlib.crc32(bytes(10 << 20))
    local = struct.pack("<IHHHHHIIIHH", 0x04034b50, 20, 0, 8, 0, 33, crc, len(data), 10 << 20, 1, 0) + name + data
    directory = b"".join(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 0x314, 20, 0, 8, 0, 33, crc, len(data), 10 << 20, 1, 0, 0, 0, 0,
                                     (FILE | 0o644) << 16, 0) + bytes([65 + i % 26]) for i in range(count))
    return local + directory + struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, count, count, len(directory), len(local), 0)


HOSTILE = {
    "nothing": b"", "text": b"hello", "only zeros": bytes(10000), "end record alone": b"PK\x05\x06" + bytes(18),
    "end record cut": GOOD[:-1], "cut in the directory": GOOD[:-30], "cut in the data": GOOD[:20], "start missing": GOOD[10:],
    "bytes behind": GOOD + b"x", "bytes in front": b"#!/bin/sh\n" + GOOD, "a comment that is not there": GOOD[:-2] + b"\xff\xff",
    "two archives": GOOD + GOOD,
    "climbs": zipped(("../evil", "x")), "climbs inside": zipped(("a/../../evil", "x")), "climbs at the end": zipped(("a/..", "x")),
    "absolute": zipped(("/etc/evil", "x")), "two slashes": zipped(("//evil", "x")), "dot": zipped(("./app.py", "x"), (".", "x")),
    "backslashes": zipped(("..\\evil", "x")), "drive": zipped(("C:\\evil", "x")), "NUL in a name": zipped(("a\0b", "x")),
    "name of 5000": zipped(("x" * 5000, "x")),
    "part of 300": zipped(("x" * 300 + "/a", "x")), "depth of 2000": zipped(("d/" * 2000 + "a", "x")),
    "name twice": zipped(("a", "x"), ("a", "y")), "file and directory": zipped(("a", "x"), ("a/b", "y")),
    "directory and file": zipped(("a/", ""), ("a", "y")),
    "link out": zipped(("l", "/etc/passwd", LINK | 0o777)), "link up": zipped(("l", "../../x", LINK | 0o777)),
    "through a link": zipped(("l", "/tmp", LINK | 0o777), ("l/evil", "x")), "link without target": zipped(("l", "", LINK | 0o777)),
    "link with NUL": zipped(("l", "a\0b", LINK | 0o777)), "link of 1 MB": zipped(("l", "a" * (1 << 20), LINK | 0o777)),
    "device": zipped(("d", "", 0o060000 | 0o666)), "character device": zipped(("d", "", 0o020000 | 0o666)),
    "FIFO": zipped(("f", "", 0o010000 | 0o666)), "socket": zipped(("s", "", 0o140000 | 0o666)),
    "encrypted": patched(8, "<H", 1), "strongly encrypted": patched(8, "<H", 0x41), "another method": patched(10, "<H", 14),
    "wrong checksum": patched(16, "<I", 0xdeadbeef), "packed size too large": patched(20, "<I", 0x7fffffff),
    "unpacked size too small": patched(24, "<I", 1), "unpacked size too large": patched(24, "<I", 60000),
    "name beyond the end": patched(28, "<H", 0xffff), "offset beyond the end": patched(42, "<I", 0x7fffffff),
    "zip64 missing": patched(24, "<I", 0xffffffff), "another disk": patched(34, "<H", 7),
    "zip64 that lies": lying_zip64(), "zip64 past 2^64": lying_zip64(2 ** 64 - 1, 2 ** 64 - 1, 2 ** 64 - 1),
    "broken deflate": GOOD.replace(zlib.compress(b"y" * 5000)[2:6], b"\xff\xff\xff\xff", 1),
    "local header differs": GOOD.replace(b"app.py", b"evil.p", 1), "overlapping": shared_bytes(40), "overlapping 5000": shared_bytes(5000),
    "bomb of 251 MB": None, "bomb of 1 GB": None, "300000 entries": None,
}
# Odd, and harmless: what unzip(1) makes of them stays in the tree.
ODD = {
    "control characters": zipped(("a\nb\x1b[2J", "x")), "link to itself": zipped(("l", "l", LINK | 0o777)),
    "links in a circle": zipped(("a", "b", LINK | 0o777), ("b", "a", LINK | 0o777)), "20000 files, 40 deep": many(20_000, depth=40),
}


def made(kind):
    return {"bomb of 251 MB": lambda: zeros(251), "bomb of 1 GB": lambda: zeros(1000), "300000 entries": lambda: many(300_000)}[kind]() if HOSTILE[kind] is None else HOSTILE[kind]


def refusal(answer):
    status, headers, body = answer
    shape = json.loads(body)
    assert status in (400, 413), (status, body)
    assert headers["x-amzn-errortype"].split(":")[0] in ("InvalidParameterValueException", "RequestEntityTooLargeException",
                                                          "ValidationException"), headers
    return shape.get("message") or shape["Message"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused(stoke, name, kind):
    before = resident_mb(stoke.process.pid)
    data = made(kind)
    if len(data) > 50 << 20:
        pytest.fail(f"{kind} is not small: {len(data)}")
    body = creation(name, base64.b64encode(data).decode())
    message = refusal(stoke.request("POST", FUNCTIONS, body, timeout=60))
    assert message and all(ord(c) >= 32 for c in message.rstrip("\n")), message
    assert stoke.request("GET", f"{FUNCTIONS}/{name}")[0] == 404
    message = refusal(stoke.request("PUT", f"{FUNCTIONS}/honest/code", {"ZipFile": base64.b64encode(data).decode()}))
    assert message
    assert resident_mb(stoke.process.pid) < before + 300


@pytest.mark.parametrize("kind", ODD)
def test_odd_archives_are_kept_and_go_again(stoke, name, kind):
    assert stoke.create(name, "python3.11", "app.handler", ODD[kind])["State"] == "Active"
    status, headers, body = stoke.invoke(name)
    assert status == 200 and json.loads(body)["errorType"] == "Runtime.ImportModuleError"
    assert stoke.request("DELETE", f"{FUNCTIONS}/{name}")[0] == 204


def test_archive_over_fifty_megabytes(stoke, name):
    data = zipped(("big", os.urandom(51 << 20), FILE | 0o644, zipfile.ZIP_STORED))
    status, headers, body = stoke.request("POST", FUNCTIONS, creation(name, base64.b64encode(data).decode()))
    assert status == 413 and headers["x-amzn-errortype"] == "RequestEntityTooLargeException", (status, body)
    assert b"70167211 bytes for the CreateFunction operation" in body
    status, headers, body = stoke.request("PUT", f"{FUNCTIONS}/honest/code", {"ZipFile": base64.b64encode(data).decode()})
    assert status == 413 and b"UpdateFunctionCode operation" in body


def test_set_ids_and_odd_modes_are_stripped(stoke, name):
    code = "import os\ndef handler(e, c):\n    return {n: oct(os.stat(n).st_mode & 0o7777) for n in sorted(os.listdir('.'))}\n"
    data = zipped(("app.py", code), ("suid", "x", FILE | 0o6755), ("sticky", "x", FILE | 0o1777), ("closed", "x", FILE | 0o000))
    stoke.create(name, "python3.11", "app.handler", data)
    assert json.loads(stoke.invoke(name)[2]) == {"app.py": "0o644", "closed": "0o644", "sticky": "0o755", "suid": "0o755"}
    stoke.request("DELETE", f"{FUNCTIONS}/{name}")


def test_thousands_of_tiny_entries_within_the_limit(stoke, name):
    data = archive({"app.py": "import os\ndef handler(e, c):\n    return len(os.listdir('d'))\n", **{f"d/{i}": "" for i in range(5000)}})
    stoke.create(name, "python3.11", "app.handler", data)
    assert stoke.invoke(name)[2] == b"5000"
    stoke.request("DELETE", f"{FUNCTIONS}/{name}")


def test_base64_that_is_none(stoke, name):
    for text in ("*", "QQ=", "QQ==QQ==", "Q\nQ", "=" * 1000, "A" * 1_000_001, "\u0000", "QUJD" * 10 + "!"):
        status, _, body = stoke.request("POST", FUNCTIONS, creation(name, text))
        assert status == 400, (text[:20], body)


def test_many_hostile_archives_at_once(stoke):
    outcomes, bomb = [], base64.b64encode(zeros(251)).decode()

    def post(i):
        outcomes.append(stoke.request("POST", FUNCTIONS, creation(f"bomb-{i}", bomb))[0])

    threads = [threading.Thread(target=post, args=(i,)) for i in range(16)]
    [t.start() for t in threads]
    assert health(stoke)["ready"] is True
    [t.join() for t in threads]
    assert outcomes == [400] * 16
    assert not list(pathlib.Path(stoke.data, "incoming").iterdir())
