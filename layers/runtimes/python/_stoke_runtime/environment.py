"""Makes the process the function's: its environment, working directory and import path, and the decision whether it has to
start the interpreter anew because something must be there when a process starts."""
import os
import sys
import time

import _stoke
from _stoke_runtime import faults, sdk

OPT_PYTHON = "/opt/python"
RUNTIME = faults.OWN_DIR.rstrip("/")
SDK = RUNTIME + "/sdk"

# The loader and libc read these once. Python's own ones have the prefix; PYTHONPATH is done here.
_START_NAMES = ("LD_PRELOAD", "LD_AUDIT", "GLIBC_TUNABLES", "AWS_LAMBDA_EXEC_WRAPPER")
_START_PREFIXES = ("PYTHON", "MALLOC_")
_WITHOUT_EFFECT = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP", "PYTHONNOUSERSITE",
                   "PYTHONSAFEPATH")
_DEFAULT_PYTHONPATH = "/var/runtime"

_base_path = [entry for entry in sys.path if entry != RUNTIME]  # the standard library


def task_directory(env):
    """Where the function's code is. The variable is reserved: stoked sets it."""
    return env.get("LAMBDA_TASK_ROOT", "/var/task")


def names_in(directory):
    """The names in a directory; none if it cannot be read."""
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _has_libraries(names):
    return any(name.startswith("lib") and ".so" in name for name in names)


def needs_exec(env, task_names):
    """Whether the interpreter must start with this environment. The dynamic loader searches LD_LIBRARY_PATH as it was when the
    process started, so shared libraries in the function's own directories count, too."""
    for name in env:
        if name in _START_NAMES or (name.startswith(_START_PREFIXES) and name not in _WITHOUT_EFFECT):
            return True
    for directory in env.get("LD_LIBRARY_PATH", "").split(":"):
        own = task_names if directory == "/var/task" else ()
        if directory.startswith(("/opt", "/var/task/")):
            own = names_in(directory)
        if _has_libraries(own):
            return True
    return False


def exec_again():
    """Replaces the process by [wrapper] python bootstrap.py, in the environment that is set."""
    # -I would ignore the PYTHON variables; -S keeps the host's packages out.
    argv = [sys.executable, "-s", "-S", "-B", RUNTIME + "/bootstrap.py"]
    wrapper = os.environ.get("AWS_LAMBDA_EXEC_WRAPPER")
    if wrapper:
        argv.insert(0, wrapper)
    os.set_inheritable(_stoke.FD, True)
    try:
        os.execv(argv[0], argv)
    except OSError as e:
        raise faults.Fault("Runtime.InvalidEntrypoint", "cannot execute {}: {}".format(argv[0], e.strerror))


def _set_path(env, task, task_names):
    own = [task, "%s/lib/python%d.%d/site-packages" % ((OPT_PYTHON,) + sys.version_info[:2]), OPT_PYTHON, RUNTIME]
    wanted = own + env.get("PYTHONPATH", _DEFAULT_PYTHONPATH).split(":") + _base_path + [SDK]
    sys.path[:] = dict.fromkeys(entry for entry in wanted if entry)
    sys.path_importer_cache.clear()
    if any(name.endswith(".pth") for name in task_names):
        import site
        site.addsitedir(task)


def _unload_shadowed(preloaded, task_names):
    """A file of the function or of a layer may have the name of a module that only our zygote loads early. It must win, as it
    would without a zygote."""
    found = set(task_names)
    for entry in sys.path[1:3]:
        found.update(names_in(entry))
    found = {name.partition(".")[0] for name in found}
    for name in preloaded:
        if name.partition(".")[0] in found:
            sys.modules.pop(name, None)


def set_environ(env):
    # One call instead of one per variable; os.environ keeps bytes and its own encoders.
    data = {os.fsencode(name): os.fsencode(value) for name, value in env.items()}
    os.environ._data.clear()
    os.environ._data.update(data)
    _stoke.set_environ(b"".join([b"%b=%b\0" % item for item in data.items()]), len(data))
    time.tzset()


def parse(fields):
    return dict(field.partition("=")[::2] for field in fields)


def apply(env, task, task_names, preloaded):
    """Makes env the environment and task the working directory and the first place of imports."""
    set_environ(env)
    try:
        os.chdir(task)
    except OSError:
        pass  # the import that follows says what is missing
    _set_path(env, task, task_names)
    _unload_shadowed(preloaded, task_names)
    sys.argv[:] = [RUNTIME + "/bootstrap.py"]
    sdk.announce_if_missing(SDK)
