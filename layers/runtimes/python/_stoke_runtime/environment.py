"""Makes the process the function's: its environment, working directory and import path, and the decision whether it has to
start the interpreter anew because something must be there when a process starts."""
import errno
import importlib.machinery
import importlib.util
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


def _has_libraries(names, prefix=""):
    return any(name.startswith(prefix) and (name.endswith(".so") or ".so." in name) for name in names)


def needs_exec(env, task_names):
    """Whether the interpreter must start with this environment. The dynamic loader searches LD_LIBRARY_PATH as it was when the
    process started, so shared libraries in the function's own directories count, too."""
    for name in env:
        if name in _START_NAMES or (name.startswith(_START_PREFIXES) and name not in _WITHOUT_EFFECT):
            return True
    for directory in env.get("LD_LIBRARY_PATH", "").split(":"):
        if directory == "/var/task" and _has_libraries(task_names, "lib"):  # beside them lie modules, which Python finds by itself
            return True
        if directory.startswith(("/opt", "/var/task/")) and _has_libraries(names_in(directory)):
            return True
    return False


def exec_again():
    """Replaces the process by [wrapper] python bootstrap.py, in the environment that is set."""
    # -I would ignore the PYTHON variables; -S keeps the host's packages out.
    argv = [sys.executable, "-s", "-S", "-B", RUNTIME + "/bootstrap.py"]
    wrapper = os.environ.get("AWS_LAMBDA_EXEC_WRAPPER")
    if wrapper:
        _check_wrapper(wrapper)
        argv.insert(0, wrapper)
    os.set_inheritable(_stoke.FD, True)
    try:
        os.execv(argv[0], argv)
    except OSError as e:
        if wrapper and e.errno == errno.ENOEXEC:  # a script that does not name its shell
            os.execv("/bin/sh", ["/bin/sh"] + argv)
        raise faults.Fault("Runtime.InvalidEntrypoint", "cannot execute {}: {}".format(argv[0], e.strerror))


def _check_wrapper(wrapper):
    """In the words, and with the status, of Lambda's bootstrap script."""
    if not os.path.exists(wrapper):
        print(wrapper + ": does not exist", flush=True)
        os._exit(127)
    if not os.access(wrapper, os.X_OK):
        print(wrapper + ": is not an executable", flush=True)
        os._exit(126)


def _layer_directories(env):
    """Those of a version are the runtime's that the function asks for, then the interpreter's, where it is another."""
    versions = dict.fromkeys((env.get("AWS_EXECUTION_ENV", "").rpartition("_")[2], "python%d.%d" % sys.version_info[:2]))
    return ["%s/lib/%s/site-packages" % (OPT_PYTHON, version) for version in versions if version.startswith("python")] + [OPT_PYTHON]


def _set_path(env, task, names):
    """names: of what lies in the function's and the layers' directories, by directory."""
    wanted = list(names) + [RUNTIME] + env.get("PYTHONPATH", _DEFAULT_PYTHONPATH).split(":") + _base_path + [SDK]
    sys.path[:] = dict.fromkeys(entry for entry in wanted if entry)
    sys.path_importer_cache.clear()
    own_path = env.get("PYTHONPATH", _DEFAULT_PYTHONPATH) != _DEFAULT_PYTHONPATH  # then Lambda leaves those of layers alone
    for directory, found in names.items():
        if any(name.endswith(".pth") for name in found) and (directory == task or not own_path):
            import site
            site.addsitedir(directory)


def _unload_shadowed(preloaded, names):
    """A file of the function or of a layer may have the name of a module that only our zygote loads early. It must win, as it
    would without a zygote."""
    found = {name.partition(".")[0] for directory in names.values() for name in directory}
    for name in preloaded:
        if name.partition(".")[0] in found:
            sys.modules.pop(name, None)


def customize():
    """Runs the sitecustomize of PYTHONPATH, as `site` would have at the interpreter's start: layers come in by it. The function's
    own module of that name is none, so it is not imported by its name."""
    path = os.environ.get("PYTHONPATH", _DEFAULT_PYTHONPATH)
    if path == _DEFAULT_PYTHONPATH:
        return
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", [entry for entry in path.split(":") if entry])
    if spec is None or spec.loader is None:
        return
    try:
        module = sys.modules["sitecustomize"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except Exception as e:
        sys.modules.pop("sitecustomize", None)
        sys.stderr.write("Error in sitecustomize; set PYTHONVERBOSE for traceback:\n%s: %s\n" % (type(e).__name__, e))


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
    names = {task: task_names}
    names.update((directory, names_in(directory)) for directory in _layer_directories(env))
    _set_path(env, task, names)
    _unload_shadowed(preloaded, names)
    sys.argv[:] = [RUNTIME + "/bootstrap.py"]
    sdk.announce_if_missing(SDK)
