"""A worker's life: rehearse, say BOOTED, wait for GO, take on the function's environment, load its handler, answer events one
after the other until the channel ends."""
import datetime  # noqa: F401  what nearly every handler imports: here, so that it is shared
import os
import sys
import time

import _stoke
from _stoke_runtime import environment, faults, loader, logs, marshal
from _stoke_runtime.context import LambdaContext

# What the interpreter of Lambda's own runtime has loaded when user code begins: these can be shadowed by nobody there either.
_LOADED_ON_LAMBDA = frozenset((
    "__future__ abc argparse atexit builtins codecs collections contextlib contextvars copyreg decimal encodings enum functools "
    "genericpath heapq importlib io itertools json keyword linecache logging math numbers operator os posixpath re reprlib "
    "site stat string sys textwrap threading time token tokenize traceback types warnings weakref zipimport").split())


_TERMINATE_TURNS = 200  # two seconds: we are killed before


def _loaded_by_us():
    return [name for name in sys.modules
            if name.partition(".")[0] not in _LOADED_ON_LAMBDA and not name.startswith(("_", "sre_"))
            and name not in sys.builtin_module_names]


_preloaded = _loaded_by_us()


class _Visits:
    """Events in, results out, through two descriptors (the channel is both)."""

    def __init__(self, handler, encode, fd_in, fd_out):
        self.handler = handler
        self.encode = encode
        self.fd_in = fd_in
        self.fd_out = fd_out

    def send(self, kind, meta, body):
        # A body over the limit is cut where stoked sees that it is over: it reports that, and the worker goes on.
        _stoke.send(self.fd_out, kind, meta, body[:_stoke.BODY_BYTES_MAX])

    def one(self):
        """Serves one event; False at the end of the channel."""
        frame = _stoke.receive(self.fd_in)
        if frame is None:
            return False
        kind, fields, body = frame
        if kind == _stoke.TERMINATE:  # SIGTERM comes; each turn looks for it, where one long read might miss it
            for _ in range(_TERMINATE_TURNS):
                time.sleep(0.01)
            return False
        if kind != _stoke.INVOKE:
            raise ValueError("a frame of type %d instead of an event" % kind)
        request_id, deadline_ms, arn, trace_id, client_context, cognito, tenant_id = fields
        logs.current["request_id"] = request_id
        logs.current["tenant_id"] = tenant_id or None
        if trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        try:
            context = LambdaContext(request_id, int(deadline_ms), arn, client_context, cognito, tenant_id or None)
            result = self.handler(marshal.read_event(body), context)
            result, content_type = marshal.write_result(self.encode, result)
        except Exception:
            self.fail(request_id)
            return True
        self.send(_stoke.RESPONSE, b"%b\0%b\0" % (request_id.encode(), content_type.encode()), result)
        return True

    def fail(self, request_id):
        document = faults.from_exception(request_id)
        logs.error(document, self.encode)
        meta = "%s\0%s\0" % (request_id, document["errorType"])
        self.send(_stoke.ERROR, meta.encode("utf-8", "replace"), self.encode(document).encode("utf-8", "replace"))


def _fail_init(encode):
    document = faults.from_exception()
    import logging
    logging.warning(logs.INIT_WARNING)
    logs.error(document, encode)
    _stoke.send(_stoke.FD, _stoke.INIT_ERROR, document["errorType"].encode("utf-8", "replace") + b"\0",
                encode(document).encode("utf-8", "replace"))
    sys.exit(1)


def _leave():
    """The channel has ended: the room is over, nobody is there to hear anything."""
    os._exit(0)


def _run(task, task_names, needs_exec=False):
    encode = marshal.make_encoder()
    if not needs_exec:
        environment.customize()
    logs.set_up()
    try:
        if needs_exec:
            environment.exec_again()
        handler = loader.load(os.environ.get("_HANDLER", ""), task, task_names)
    except Exception:
        _fail_init(encode)
    visits = _Visits(handler, encode, _stoke.FD, _stoke.FD)
    _stoke.send(_stoke.FD, _stoke.READY, b"", b"")
    while visits.one():
        pass
    _leave()


def _rehearse_visit(handler):
    from_us, to_us = os.pipe(), os.pipe()
    try:
        meta = "\0".join(("rehearsal", "0", "arn", "Root=1", "{}", "", "", ""))
        _stoke.send(to_us[1], _stoke.INVOKE, meta.encode(), b'{"rehearsal": [1, 2.5, null, "\xc3\xa9"]}')
        if not _Visits(handler, marshal.make_encoder(), to_us[0], from_us[1]).one():
            raise RuntimeError("the rehearsal had no event")
        kind, _, body = _stoke.receive(from_us[0])
        if kind != _stoke.RESPONSE:
            raise RuntimeError("the rehearsal failed: %s" % body)
    finally:
        for fd in from_us + to_us:
            os.close(fd)


def rehearse():
    """A worker's life from end to end, with a handler of ours and pipes for a channel. In the zygote it loads and warms what
    workers share; in a new worker it takes the page faults before there is a request to wait for them. Leaves no trace."""
    saved = dict(os.environ), sys.path[:], sys.argv[:], sys.meta_path[:], sys.stdout, sys.stderr
    here = os.path.dirname(os.path.abspath(__file__))
    names = environment.names_in(here)
    env = environment.parse(["_HANDLER=rehearsal.handler", "LD_LIBRARY_PATH=/var/task/lib", "TZ=:UTC"])
    if environment.needs_exec(env, names):
        raise RuntimeError("the rehearsal wants an exec")
    environment.apply(env, here, names, ())
    logs.set_up()
    try:
        _rehearse_visit(loader.load(os.environ["_HANDLER"], here, names))
    finally:
        env, sys.path[:], sys.argv[:], sys.meta_path[:], sys.stdout, sys.stderr = saved
        environment.set_environ(env)
        os.chdir("/")
        logs.tear_down()
        sys.path_importer_cache.clear()
        sys.modules.pop("rehearsal", None)


def _reseed():
    """Nothing random may be the same in two workers. Modules that are not loaded yet seed themselves."""
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "ssl" in sys.modules:
        sys.modules["ssl"].RAND_add(os.urandom(32), 32.0)
    for name in ("tempfile", "uuid"):  # they keep state that has no public way to be reset
        if name in sys.modules:
            raise RuntimeError("%s must not be loaded in a zygote" % name)


def _add_builtins():
    """exit(), quit(), help() and their like, without the search for the host's packages that comes with them."""
    import site
    site.setquit()
    site.setcopyright()
    site.sethelper()


def _start_extension(path, env):
    """A program beside us, in a session of its own."""
    try:
        os.posix_spawn(path, [path], env, setsid=True, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)])
    except OSError as e:
        _stoke.send(_stoke.FD, _stoke.EXEC_FAILED, os.fsencode("%d\0%s\0\0" % (e.errno, path)), b"")
        os._exit(127)


def start_blank(awaited):
    """From a new, sealed worker to the end of its life. A visit that waits already pays the page faults anyway: once is enough."""
    _reseed()
    if not awaited:
        rehearse()
    _stoke.send(_stoke.FD, _stoke.BOOTED, b"", b"")
    _stoke.await_go()
    frame = _stoke.receive(_stoke.FD)
    while frame is not None and frame[0] == _stoke.EXTENSION:
        _start_extension(frame[1][0], environment.parse(frame[1][1:]))
        frame = _stoke.receive(_stoke.FD)
    if frame is None:
        _leave()
    if frame[0] != _stoke.START:
        raise ValueError("a frame of type %d instead of START" % frame[0])
    env = environment.parse(frame[1])
    task = environment.task_directory(env)
    task_names = environment.names_in(task)
    environment.apply(env, task, task_names, _preloaded)
    _run(task, task_names, environment.needs_exec(env, task_names))


def start_exec():
    """The same after an exec: the environment is there, START and GO are past."""
    os.set_inheritable(_stoke.FD, False)
    env = dict(os.environ)
    task = environment.task_directory(env)
    task_names = environment.names_in(task)
    environment.apply(env, task, task_names, _preloaded)
    _run(task, task_names)


_add_builtins()
