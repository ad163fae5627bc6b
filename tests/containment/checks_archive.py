"""Probes 59, 60, 62, 63: archives that want out of their directory, or to fill the disk."""
import zips
from client import Refused

CODE = ("app.py", "def handler(event, context):\n    return 'ran'\n")
SYMLINK = 0o120777


def refused(stage, zipped, what):
    name = "probe-archive"
    try:
        stage.client.create(name, stage.options.python, "app.handler", zipped)
    except Refused as error:
        assert error.status == 0 or 400 <= error.status < 500, f"{what}: {error}"
        return
    stage.client.delete(name)
    raise AssertionError(f"{what} was taken")


def paths(stage):
    for name in ("../evil", "a/../../evil", "/evil", "//evil", "a/./../../evil", "..", "..\\evil", "C:\\evil"):
        refused(stage, zips.archive(CODE, (name, "x")), f"an entry {name!r}")


def symlinks(stage):
    for target in ("/etc/passwd", "../evil", "a/../../evil", "/"):
        refused(stage, zips.archive(CODE, ("link", target, SYMLINK)), f"a link to {target!r}")
    refused(stage, zips.archive(CODE, ("dir", "/tmp", SYMLINK), ("dir/evil", "x")), "writing through a link")
    stage.client.create("probe-archive", stage.options.python, "app.handler", zips.archive(CODE, ("link.py", "app.py", SYMLINK)))
    stage.client.delete("probe-archive")


def bombs(stage):
    refused(stage, zips.bomb(300), "300 MB of zeros")
    refused(stage, zips.many(200000), "200,000 entries")


def twice(stage):
    refused(stage, zips.archive(CODE, ("x", "1"), ("x", "2")), "a duplicate entry")
    refused(stage, zips.archive(CODE, ("x", "1"), ("x/y", "2")), "a file that is also a directory")
    refused(stage, zips.overlapping(["app.py", "other.py"]), "overlapping entries")


CHECKS = {59: paths, 60: symlinks, 62: bombs, 63: twice}
