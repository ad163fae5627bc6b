"""A disk that is full, and one that is read-only: errors that say so, and nothing lost."""
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from daemon import archive

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a small file system for the data")


@pytest.fixture
def small_disk(tmp_path):
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            os.chmod(parent, 0o755)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def outcome(call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]
    return None


def test_full_disk(make_stoke, small_disk):
    stoke = make_stoke(data=str(small_disk / "data"))
    client = stoke.client()
    client.create_function(**stoke.function("first"))
    made, error = ["first"], None
    for i in range(20):
        parameters = {**stoke.function(f"big-{i}"), "Code": {"ZipFile": archive({"app.py": os.urandom(600_000)})}}
        error = outcome(client.create_function, **parameters)
        if error:
            break
        made.append(f"big-{i}")
    assert error and error["Code"] == "ServiceException" and "No space left on device" in error["Message"], error
    assert sorted(f["FunctionName"] for f in client.list_functions()["Functions"]) == sorted(made)
    for name in made[1:]:
        assert outcome(client.delete_function, FunctionName=name) is None
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    client.create_function(**parameters)
    assert client.get_function(FunctionName=parameters["FunctionName"])["Configuration"]["State"] == "Active"


def test_data_that_became_read_only_is_refused_by_name(make_stoke, small_disk):
    stoke = make_stoke(data=str(small_disk / "data"))
    stoke.client().create_function(**stoke.function("first"))
    stoke.stop()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(RuntimeError, match="Read-only file system"):
        stoke.start()
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    stoke.start()
    assert stoke.client().get_function(FunctionName="first")["Configuration"]["State"] == "Active"


def test_read_only_data_directory_is_refused_by_name(make_stoke, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(RuntimeError, match="making the data directory .*: Read-only file system"):
        make_stoke(data=str(small_disk / "data"))
