"""From a handler's name to the function it names, with the errors of Lambda's Python runtime."""
import importlib
import importlib.machinery
import importlib.util
import os
import sys

from _stoke_runtime.environment import names_in
from _stoke_runtime.faults import Fault

_ELF_MACHINES = {62: "x86_64", 183: "aarch64", 3: "i686", 40: "arm", 243: "riscv64"}


def _load_file(name, directory):
    """What importlib does for a top-level module that is one source file, without its search."""
    path = "%s/%s.py" % (directory, name)
    loader = importlib.machinery.SourceFileLoader(name, path)
    code = loader.source_to_code(loader.get_data(path), path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return sys.modules[name]


def _is_single_file(name, names):
    """Whether NAME.py is all that an import of name could mean, and nothing is compiled already."""
    same = [entry for entry in names if entry.partition(".")[0] == name]
    return same == [name + ".py"] and "__pycache__" not in names


def _import(name, directory, names):
    if name.isidentifier() and name not in sys.modules and _is_single_file(name, names):
        return _load_file(name, directory)
    return importlib.import_module(name)


# ---- why a native module does not load

def _chain(error):
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen


def _foreign_file(error):
    """A file that would be the missing module for another interpreter."""
    name = error.name or ""
    parent, _, last = name.rpartition(".")
    places = getattr(sys.modules.get(parent), "__path__", None) if parent else sys.path
    for place in places or ():
        for entry in sorted(names_in(place)):
            own = entry == last + importlib.machinery.EXTENSION_SUFFIXES[0]
            if entry.startswith(last + ".cpython-") and entry.endswith(".so") and not own:
                return os.path.join(place, entry)
    return None


def _foreign_machine(path):
    try:
        with open(path, "rb") as file:
            head = file.read(20)
    except (OSError, TypeError):
        return None
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return None
    machine = int.from_bytes(head[18:20], "little")
    name = _ELF_MACHINES.get(machine, "machine %d" % machine)
    return None if name == os.uname().machine else name


def _native_hint(error):
    for link in _chain(error):
        if not isinstance(link, ImportError):
            continue
        machine = _foreign_machine(link.path) if link.path else None
        if machine:
            return " ({} is built for {}, this machine is {})".format(link.path, machine, os.uname().machine)
        path = _foreign_file(link)
        if path:
            wanted = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("_")[2] or "another version"
            return (" ({} is a native module for another interpreter: the function's runtime is {}, here it runs on Python {} "
                    "on {})").format(path, wanted, sys.version.split()[0], os.uname().machine)
    return ""


# ---- the handler

def _module_of(handler, directory, names):
    try:
        module_name, function_name = handler.rsplit(".", 1)
    except ValueError as e:
        raise Fault(Fault.MALFORMED_HANDLER_NAME, "Bad handler '{}': {}".format(handler, e))
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault(Fault.BUILT_IN_MODULE_CONFLICT,
                    "Cannot use built-in module {} as a handler module".format(module_name))
    try:
        return _import(module_name.replace("/", "."), directory, names), module_name, function_name
    except ImportError as e:
        raise Fault(Fault.IMPORT_MODULE, "Unable to import module '{}': {}{}".format(module_name, e, _native_hint(e)))
    except SyntaxError as e:
        trace = ['  File "%s" Line %s\n    %s' % (e.filename, e.lineno, e.text)]
        raise Fault(Fault.USER_CODE_SYNTAX, "Syntax error in module '{}': {}".format(module_name, e), trace)


def load(handler, directory, names):
    """The function that handler ("dir/file.function") names. names are those in directory, the first of sys.path."""
    module, module_name, function_name = _module_of(handler, directory, names)
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault(Fault.HANDLER_NOT_FOUND,
                    "Handler '{}' missing on module '{}'".format(function_name, module_name))
