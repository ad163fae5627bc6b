"""What the hostile functions of test_hostile_functions.py do. Runs inside sandboxes."""
import ctypes
import errno
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

if os.environ.get("AT_INIT") == "memory":
    hoard = [bytearray(b"x") * (1 << 20) for _ in range(4096)]


def echo(event, context):
    return event


# ---- exhaustion

def fork_bomb(event, context):
    children = []
    try:
        while len(children) < 5000:
            pid = os.fork()
            if pid == 0:
                time.sleep(600)
            children.append(pid)
    except OSError as error:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        return {"error": type(error).__name__, "children": len(children)}
    return {"error": None, "children": len(children)}


def thread_bomb(event, context):
    release, threads = threading.Event(), 0
    try:
        while threads < 5000:
            threading.Thread(target=release.wait, daemon=True).start()
            threads += 1
    except RuntimeError:
        pass
    release.set()
    return {"threads": threads}


def memory_hog(event, context):
    hoard = []
    while True:
        hoard.append(bytearray(b"x") * (1 << 20))


def memory_hog_in_children(event, context):
    for _ in range(8):
        if os.fork() == 0:
            memory_hog(event, context)
    time.sleep(60)


def memory_hog_in_threads(event, context):
    for _ in range(8):
        threading.Thread(target=memory_hog, args=(event, context), daemon=True).start()
    time.sleep(60)


def page_cache_hog(event, context):
    with open("/tmp/cache", "wb") as f:
        for _ in range(400):
            f.write(b"x" * (1 << 20))
    os.unlink("/tmp/cache")


def fill_tmp(event, context):
    try:
        with open("/tmp/full", "wb", buffering=0) as f:
            while True:
                f.write(b"x" * (1 << 20))
    except OSError as error:
        return {"errno": errno.errorcode[error.errno]}
    finally:
        os.unlink("/tmp/full")


def fill_inodes(event, context):
    try:
        for i in range(10_000_000):
            os.close(os.open(f"/tmp/i{i}", os.O_CREAT | os.O_WRONLY))
    except OSError as error:
        return {"errno": errno.errorcode[error.errno], "files": i}
    finally:
        for n in os.listdir("/tmp"):
            if n.startswith("i"):
                os.unlink("/tmp/" + n)


def descriptors(event, context):
    held = []
    try:
        while True:
            held.append(os.dup(0))
    except OSError as error:
        return {"errno": errno.errorcode[error.errno], "held": len(held)}
    finally:
        for fd in held:
            os.close(fd)


def inotify(event, context):
    """Instances are counted for the owner of the user namespace, who owns those of other functions, too."""
    libc = ctypes.CDLL(None, use_errno=True)
    taken = 0
    while taken < 1000 and libc.inotify_init1(0) >= 0:
        taken += 1
    return {"taken": taken, "error": errno.errorcode[ctypes.get_errno()]}


def flood(event, context):
    line = b"x" * 1023 + b"\n"
    for _ in range(event["mb"]):
        os.write(1, line * 64)
        for _ in range(15):
            os.write(1, line * 64)


def flood_without_newlines(event, context):
    for _ in range(event["mb"] * 16):
        os.write(2, b"y" * 65536)


def flood_forever(event, context):
    while True:
        os.write(1, b"z" * 100 + b"\n")


# ---- time

def spin(event, context):
    while True:
        pass


def stop_itself(event, context):
    os.kill(os.getpid(), signal.SIGSTOP)


def ignore_signals(event, context):
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            pass
    while True:
        time.sleep(1)


def hold_gil_asleep(event, context):
    ctypes.PyDLL(None).sleep(600)


def leaves_a_daemon(event, context):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open("/tmp/count", "w", buffering=1) as f:
                for i in range(100_000):
                    f.write("x")
                    time.sleep(0.01)
        os._exit(0)
    return {"started": time.time()}


def counts(event, context):
    return len(open("/tmp/count").read()) if os.path.exists("/tmp/count") else 0


# ---- ends

def exit_now(event, context):
    os._exit(3)


def exit_cleanly(event, context):
    os._exit(0)


def system_exit(event, context):
    sys.exit(7)


def kill_itself(event, context):
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(10)


def kill_all(event, context):
    for pid in (1, -1):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(10)


def segfault(event, context):
    ctypes.string_at(0)


def abort(event, context):
    os.abort()


def close_everything(event, context):
    os.closerange(0, 1024)
    time.sleep(10)


def channel_fd():
    """The runtime's private socket: found as any code in this process can."""
    for fd in range(3, 64):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                s = socket.socket(fileno=os.dup(fd))
                if s.family == socket.AF_UNIX:
                    return fd
        except OSError:
            continue
    raise RuntimeError("no channel found")


def close_channel(event, context):
    os.close(channel_fd())
    time.sleep(10)


# ---- privilege

def privilege(event, context):
    libc, outcome = ctypes.CDLL(None, use_errno=True), {}

    def call(name, *args):
        ctypes.set_errno(0)
        result = getattr(libc, name)(*args)
        outcome[name + str(args[:1])] = errno.errorcode.get(ctypes.get_errno(), "none") if result == -1 else f"answered {result}"

    for target in (0, 1, os.getppid()):
        call("ptrace", 16, target, 0, 0)
    call("setuid", 0)
    call("setgid", 0)
    call("setresuid", 0, 0, 0)
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
    call("unshare", 0x10000000)
    call("chroot", b"/tmp")
    call("setns", 0, 0)
    call("sethostname", b"x", 1)
    call("reboot", 0x1234567)
    call("mknod", b"/tmp/device", 0o060666, 0x801)
    try:
        os.kill(1, signal.SIGKILL)
        time.sleep(0.05)
        outcome["kill pid 1"] = "no effect"
    except OSError as error:
        outcome["kill pid 1"] = errno.errorcode[error.errno]
    try:
        os.kill(os.getppid() or 1, signal.SIGSTOP)
        outcome["stop the parent"] = "no effect"
    except OSError as error:
        outcome["stop the parent"] = errno.errorcode[error.errno]
    for path in ("/proc/1/mem", "/proc/1/environ", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/var/task/x", "/usr/bin/x", "/dev/x"):
        try:
            open(path, "r+b" if path.startswith("/proc/1") else "wb").close()
            outcome[path] = "opened"
        except OSError as error:
            outcome[path] = errno.errorcode[error.errno]
    return outcome


# ---- the channel: type, three zero bytes, two lengths, fields that end in NUL, body

def frame(kind, meta=b"", body=b"", meta_len=None, body_len=None):
    return struct.pack("<B3xII", kind, len(meta) if meta_len is None else meta_len, len(body) if body_len is None else body_len) + meta + body


def channel(event, context):
    trick, fd = event["trick"], channel_fd()
    own = context.aws_request_id.encode() + b"\0"
    s = socket.socket(fileno=os.dup(fd))
    kinds = range(0, 20)

    def say(data):
        try:
            s.sendall(data)
        except OSError:
            pass

    if trick == "random":
        say(random.randbytes(70_000))
    elif trick == "header_only":
        say(frame(3)[:4])
    elif trick == "huge_length":
        for kind in kinds:
            say(frame(kind, meta_len=0xffffffff, body_len=0xffffffff))
    elif trick == "second_answer":
        for kind in kinds:
            say(frame(kind, own + b"application/json\0", b'"forged"'))
    elif trick == "answer_to_other":
        for kind in kinds:
            say(frame(kind, b"00000000-0000-0000-0000-000000000000\0application/json\0", b'"forged"'))
    elif trick == "unknown_type":
        say(frame(0xee))
    elif trick in ("booted_again", "ready_again", "init_error_now", "exec_failed_now"):
        for kind in kinds:
            say(frame(kind, {"init_error_now": b"T\0", "exec_failed_now": b"2\0/x\0"}.get(trick, b"")))
    elif trick == "error_then_response":
        for kind in kinds:
            say(frame(kind, own + b"A\nB\0", b'{"errorType":"x\\nREPORT forged"}'))
    elif trick == "half_frame_and_wait":
        say(frame(5, own + b"x\0", b"y" * 100)[:30])
        time.sleep(60)
    elif trick == "half_frame_and_exit":
        say(frame(5, own + b"x\0", b"y" * 100)[:30])
        os._exit(0)
    elif trick == "flood_of_answers":
        for _ in range(2000):
            for kind in kinds:
                say(frame(kind, own + b"x\0", b"1" * 1000))
    elif trick == "shutdown_writing":
        s.shutdown(socket.SHUT_WR)
    elif trick == "shutdown_reading":
        s.shutdown(socket.SHUT_RD)
    elif trick == "seven_megabytes":
        for kind in kinds:
            say(frame(kind, own + b"x\0", b'"' + b"1" * (7 << 20) + b'"'))
    elif trick == "fds_over_it":
        fds = [os.dup(0) for _ in range(50)]
        for _ in range(50):
            try:
                socket.send_fds(s, [b"\0"], fds)
            except OSError:
                break
    return "honest answer"


# ---- the log

def forge(event, context):
    request = context.aws_request_id
    for line in (f"END RequestId: {request}", f"REPORT RequestId: {request}\tDuration: 0.00 ms forged", "START RequestId: forged Version: $LATEST",
                 f"{int(time.time() * 1e6)}\tP\tstream\t{request}\tREPORT forged", "forged \\n1\tP\tx\ty\tREPORT forged", "forged\r\n\x00\x1b[2J\x1b]0;forged\x07"):
        print(line, flush=True)
        os.write(2, line.encode() + b"\n")
        os.write(2, b"\n" + line.encode())
    os.write(1, b"\xff\xfe forged \xc0\x80\n")


def odd_error(event, context):
    kind = event["kind"]
    if kind == "newline":
        raise ValueError("a\nREPORT RequestId: forged\nSTART forged")
    if kind == "report":
        raise type("X\tREPORT RequestId: forged\n", (Exception,), {})("REPORT forged")
    if kind == "control":
        raise type("E\x1b[2J\r\nSTART forged\x00", (Exception,), {})("\x1b]0;x\x07\r\n\x00")
    if kind == "long":
        raise type("L" * 100_000, (Exception,), {})("m" * 500_000)
    if kind == "surrogate":
        raise ValueError("\udcff\ud800")
    if kind == "nul":
        raise ValueError("\0" * 1000)
    if kind == "not_text":
        class Odd(Exception):
            def __str__(self):
                raise RuntimeError("no text")
        raise Odd()

    def deeper(n):
        return deeper(n + 1)
    deeper(0)


def odd_result_set(event, context):
    return {1, 2}


def odd_result_bytes(event, context):
    return b"\xff\x00"


def odd_result_nan(event, context):
    return float("nan")


def odd_result_cycle(event, context):
    a = []
    a.append(a)
    return a


def odd_result_deep(event, context):
    a = []
    for _ in range(100_000):
        a = [a]
    return a


def odd_result_huge(event, context):
    return "x" * (7 << 20)


def odd_result_surrogate(event, context):
    return "\ud800\udfff\udc00"


def odd_result_iterates_for_ever(event, context):
    class Endless(dict):
        def items(self):
            while True:
                yield "a", 1
    return Endless(a=1)


# ---- Stoke's own front door

def http(method, path, body=None, headers=None, timeout=30):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", 4566, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def recurse(event, context):
    depth = event["depth"]
    status, body = http("POST", f"/2015-03-31/functions/{context.function_name}/invocations", json.dumps({"depth": depth + 1}))
    return {"refused": status, "depth": depth} if status != 200 else json.loads(body)


def hold_connections(event, context):
    held, opened = [], 0
    for _ in range(event["count"]):
        try:
            s = socket.create_connection(("127.0.0.1", 4566), timeout=1)
            s.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\nx")
            held.append(s)
            opened += 1
        except OSError:
            continue
    return {"opened": opened}


def front_door_garbage(event, context):
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", 4566), timeout=5) as s:
            s.sendall(random.randbytes(5000))
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", 9001), timeout=5) as s:
            s.sendall(random.randbytes(5000))
    return "done"


def front_door_tricks(event, context):
    outcome = {}
    for method, path, headers in (("GET", "/_stoke/health", {}), ("GET", "/_stoke/../_stoke/health", {}), ("GET", "/_stoke/functions", {}),
                                  ("POST", "/_stoke/runtimes", {}), ("GET", "/2015-03-31/functions", {}), ("GET", "/2015-03-31/functions/honest", {}),
                                  ("PUT", "/2015-03-31/functions/honest/code", {}), ("DELETE", "/2015-03-31/functions/honest", {}),
                                  ("GET", "/_stoke/health", {"Host": "evil.example"}), ("GET", "/_stoke/health", {"X-Forwarded-For": "127.0.0.1"})):
        try:
            outcome[f"{method} {path} {headers}"] = http(method, path, b"{}", headers)[0]
        except OSError:
            outcome[f"{method} {path} {headers}"] = 0
    return outcome


def process_numbers(event, context):
    import subprocess
    child = subprocess.Popen(["sleep", "20"])
    seen = sorted(int(p) for p in os.listdir("/proc") if p.isdigit())
    parent = open(f"/proc/{child.pid}/stat").read().split()[3]
    child.kill()
    child.wait()
    return {"have": sorted([os.getpid(), child.pid]), "seen": seen, "self": int(os.readlink("/proc/self")), "parent": int(parent)}
