"""The other side of a worker: what stoked and the spawner do, for the tests. Speaks the frames of runtime-api/channel.h."""
import json
import os
import socket
import struct
import subprocess
import time

START, INVOKE = 1, 2
BOOTED, READY, RESPONSE, ERROR, INIT_ERROR = 16, 17, 18, 19, 20
HEADER = struct.Struct("<BBHII")

ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "fn",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
    "PATH": "/usr/bin:/bin",
    "PYTHONPATH": "/var/runtime",
    "TZ": ":UTC",
    "LANG": "en_US.UTF-8",
    "LC_CTYPE": "C.UTF-8",
    "_HANDLER": "lambda_function.lambda_handler",
}
ARN = "arn:aws:lambda:us-east-1:000000000000:function:fn"


class Frame:
    def __init__(self, kind, meta, body):
        self.kind = kind
        self.meta = meta
        self.body = body

    def json(self):
        return json.loads(self.body)


class Peer:
    """Starts argv with a channel and a control socket; everything waits at most timeout seconds."""

    def __init__(self, argv, cwd="/", timeout=20):
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.control, their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for ours in (self.channel, self.control):
            ours.settimeout(timeout)
        self.log_fd, log_in = os.pipe()
        high = [os.dup2(fd, number) for fd, number in ((theirs.fileno(), 100), (their_control.fileno(), 101))]

        def arrange():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log_in, stderr=log_in, cwd=cwd, env={},
                                        preexec_fn=arrange, pass_fds=(3, 4))
        for fd in high + [log_in]:
            os.close(fd)
        theirs.close()
        their_control.close()
        self.pending = b""
        self.requests = 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.channel.close()
        self.control.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.log_fd)

    # ---- frames

    def send(self, kind, fields, body=b""):
        meta = b"".join((f if isinstance(f, bytes) else f.encode()) + b"\0" for f in fields)
        self.channel.sendall(HEADER.pack(kind, 0, 0, len(meta), len(body)) + meta + body)

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            piece = self.channel.recv(count - len(data))
            if not piece:
                return None
            data += piece
        return bytes(data)

    def receive(self):
        """The next frame, or None when the worker closed the channel."""
        header = self._exactly(HEADER.size)
        if header is None:
            return None
        kind, _, _, meta_len, body_len = HEADER.unpack(header)
        meta = self._exactly(meta_len)
        body = self._exactly(body_len)
        return Frame(kind, [f.decode() for f in meta.split(b"\0")[:-1]], body)

    # ---- a worker's life

    def go(self, sealed=True):
        """Waits for BOOTED (and SEALED, where the program says it itself), then says GO."""
        frame = self.receive()
        if frame is None or frame.kind != BOOTED:
            raise AssertionError("no BOOTED: " + self.log_until_exit())
        if sealed:
            assert self.control.recv(64) == b"SEALED"
        self.control.send(b"GO")

    def start(self, env):
        """Sends START and returns the worker's first frame: READY or INIT_ERROR."""
        self.send(START, ["%s=%s" % item for item in env.items()])
        return self.receive()

    def invoke(self, event, raw=None, timeout_ms=3000, trace="Root=1-0", client_context="", cognito="", tenant=""):
        self.requests += 1
        deadline = str(int(time.time() * 1000) + timeout_ms)
        fields = ["request-%d" % self.requests, deadline, ARN, trace, client_context, cognito, tenant]
        self.send(INVOKE, fields, raw if raw is not None else json.dumps(event).encode())
        return self.receive()

    # ---- what it printed

    def log(self):
        os.set_blocking(self.log_fd, False)
        text = b""
        try:
            while True:
                piece = os.read(self.log_fd, 65536)
                if not piece:
                    break
                text += piece
        except BlockingIOError:
            pass
        return text.decode("utf-8", "replace")

    def log_until_exit(self):
        self.process.wait(10)
        return self.log()
