"""Archives, good and hostile."""
import io
import struct
import warnings
import zipfile
import zlib

REGULAR = 0o100000
warnings.filterwarnings("ignore", "Duplicate name")


def entry(name, mode=REGULAR | 0o644):
    info = zipfile.ZipInfo("placeholder", (2026, 1, 1, 0, 0, 0))
    info.filename = name  # ZipInfo's own constructor would clean it
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def archive(*entries):
    """A zip of (name, data) or (name, data, mode)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data, *mode in entries:
            z.writestr(entry(name, mode[0] if mode else REGULAR | 0o644), data)
    return out.getvalue()


def bomb(megabytes):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        info = entry("zeros")
        info.file_size = megabytes << 20
        with z.open(info, "w") as f:
            for _ in range(megabytes):
                f.write(bytes(1 << 20))
    return out.getvalue()


def many(count):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for i in range(count):
            z.writestr(f"f{i}", b"")
    return out.getvalue()


def overlapping(files):
    """Several names in the directory for the same stored bytes."""
    data = b"print('x')\n"
    crc = zlib.crc32(data)
    first = b"app.py"
    local = struct.pack("<IHHHHHIIIHH", 0x04034b50, 20, 0, 0, 0, 33, crc, len(data), len(data), len(first), 0) + first + data
    directory = b""
    for name in files:
        name = name.encode()
        directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 0x314, 20, 0, 0, 0, 33, crc, len(data), len(data), len(name), 0,
                                 0, 0, 0, (REGULAR | 0o644) << 16, 0) + name
    end = struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, len(files), len(files), len(directory), len(local), 0)
    return local + directory + end
