"""Archives that nobody uses any more leave the disk, whatever else is deployed."""
import hashlib
import os
import struct
import threading
import time
import urllib.request

from daemon import SLOW, archive

PEOPLE = 8


def variant(code, comment):
    """The same archive under another digest: with a comment at its end."""
    return code[:-2] + struct.pack("<H", len(comment)) + comment.encode()


def test_archives_leave_the_disk_while_others_are_deployed(make_stoke):
    """Deployments that overlap all the time keep nothing on the disk, and take nothing from each other."""
    stoke = make_stoke()
    old = archive({"app.py": "# old\n"})
    code = archive({"app.py": "def handler(e, c):\n    return 7\n", **{f"lib/{i}.py": "" for i in range(300)}})
    blob = f"{stoke.data}/blobs/{hashlib.sha256(old).hexdigest()}"
    gone, failures, last = threading.Event(), [], {}

    def deploy(name, shared):
        client, n = stoke.client(), 0
        try:
            client.create_function(**{**stoke.function(name), "Code": {"ZipFile": old}})
            while not gone.is_set():
                n += 1
                mine = variant(code, f"{shared} {n}")  # often what somebody else leaves at this moment
                client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.01})
                client.update_function_code(FunctionName=name, ZipFile=mine)
            client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
            last[name] = mine
        except Exception as e:  # told below: what a thread raises is lost
            failures.append(e)

    def wait_for(there):
        while os.path.exists(blob) != there and time.monotonic() < end:
            time.sleep(0.01)
        return os.path.exists(blob) == there

    threads = [threading.Thread(target=deploy, args=(f"busy-{i}", i // 2)) for i in range(PEOPLE)]
    end = time.monotonic() + 20 * SLOW
    for thread in threads:
        thread.start()
    removed = wait_for(True) and wait_for(False)
    gone.set()
    for thread in threads:
        thread.join()
    assert not failures and removed
    for name, mine in last.items():
        address = stoke.client().get_function(FunctionName=name)["Code"]["Location"]
        assert urllib.request.urlopen(address).read() == mine
        status, _, body = stoke.invoke(name)
        assert (status, body) == (200, b"7")
