"""Finding and loading handlers: names, import path, environment, errors of init."""
import os
import subprocess

import harness
import peer


class Names(harness.WorkerTest):
    def test_module_attributes(self):
        with self.worker("def lambda_handler(e, c):\n"
                         "    import sys\n"
                         "    return [__name__, __file__, __spec__.name, __spec__.origin, __package__, __builtins__ is not None,"
                         " sys.modules[__name__].lambda_handler is lambda_handler]") as worker:
            self.assertEqual(self.result(worker), [
                "lambda_function", self.task + "/lambda_function.py", "lambda_function", self.task + "/lambda_function.py", "",
                True, True])

    def test_paths_with_slashes_and_dots(self):
        self.write("a/__init__.py", "")
        self.write("a/near.py", "value = 7")
        self.write("a/b.c.py", "")
        self.write("a/deep.py", "from .near import value\ndef handler(e, c): return [value, __name__, __package__]")
        self.write("plain/mod.py", "def handler(e, c): return __name__")
        for handler, expected in (("a/deep.handler", [7, "a.deep", "a"]), ("a.deep.handler", [7, "a.deep", "a"]),
                                  ("plain/mod.handler", "plain.mod")):
            with self.worker(handler=handler) as worker:
                self.assertEqual(self.result(worker), expected)

    def test_package_before_file_of_the_same_name(self):
        self.write("lambda_function/__init__.py", "def lambda_handler(e, c): return 'package'")
        with self.worker("def lambda_handler(e, c): return 'file'") as worker:
            self.assertEqual(self.result(worker), "package")

    def test_imports_itself(self):
        with self.worker("def lambda_handler(e, c):\n    import lambda_function as me\n    return me.__name__") as worker:
            self.assertEqual(self.result(worker), "lambda_function")

    def test_own_modules_win_over_what_the_zygote_loaded(self):
        self.write("datetime.py", "mine = True")
        with self.worker("import datetime\ndef lambda_handler(e, c): return datetime.mine") as worker:
            self.assertIs(self.result(worker), True)

    def test_modules_named_as_ours(self):
        for name in ("worker", "context", "loader", "marshal_", "logs", "sdk", "faults"):
            self.write(name + ".py", "def handler(e, c): return __file__")
            with self.worker(handler=name + ".handler") as worker:
                self.assertEqual(self.result(worker), "%s/%s.py" % (self.task, name))


class Errors(harness.WorkerTest):
    def check(self, error_type, message, code=None, **options):
        document, log = self.init_error(code, **options)
        self.assertEqual(document["errorType"], error_type)
        self.assertEqual(document["errorMessage"], message)
        self.assertEqual(document["requestId"], "")
        self.assertIn("[ERROR] %s: %s\nTraceback" % (error_type, message), log)
        self.assertIn("LAMBDA_WARNING: Unhandled exception.", log)
        return document

    def test_missing_module(self):
        document = self.check("Runtime.ImportModuleError", "Unable to import module 'nowhere': No module named 'nowhere'",
                              handler="nowhere.handler")
        self.assertEqual(document["stackTrace"], [])

    def test_missing_module_in_module(self):
        self.check("Runtime.ImportModuleError", "Unable to import module 'lambda_function': No module named 'absent'",
                   "import absent")

    def test_missing_function(self):
        self.check("Runtime.HandlerNotFound", "Handler 'other' missing on module 'lambda_function'", "x = 1",
                   handler="lambda_function.other")

    def test_malformed(self):
        self.check("Runtime.MalformedHandlerName", "Bad handler 'nodot': not enough values to unpack (expected 2, got 1)",
                   handler="nodot")

    def test_builtin(self):
        self.check("Runtime.BuiltInModuleConflict", "Cannot use built-in module time as a handler module", handler="time.time")

    def test_syntax(self):
        document = self.check("Runtime.UserCodeSyntaxError",
                              "Syntax error in module 'lambda_function': invalid syntax (lambda_function.py, line 2)",
                              "x = 1\ny = = 2\n")
        self.assertEqual(document["stackTrace"], ['  File "%s/lambda_function.py" Line 2\n    y = = 2\n' % self.task])

    def test_raising_import(self):
        self.write("helper.py", "def boom():\n    raise KeyError('gone')\n")
        document = self.check("KeyError", "'gone'", "import helper\nhelper.boom()\n")
        self.assertEqual(len(document["stackTrace"]), 2)
        self.assertIn('File "%s/lambda_function.py", line 2, in <module>' % self.task, document["stackTrace"][0])
        self.assertIn("raise KeyError('gone')", document["stackTrace"][1])

    def test_exit_while_loading(self):
        self.write("lambda_function.py", "import sys\nsys.exit(5)")
        with self.blank() as worker:
            self.assertIsNone(worker.start(self.environment()))
            worker.process.wait(10)
            self.assertEqual(worker.process.returncode, 5)

    def test_native_module_of_another_version(self):
        self.write("ext.cpython-399-x86_64-linux-gnu.so", "")
        self.check("Runtime.ImportModuleError",
                   "Unable to import module 'lambda_function': No module named 'ext' (%s/ext.cpython-399-x86_64-linux-gnu.so is a "
                   "native module for another interpreter: the function's runtime is python3.14, here it runs on Python %s on %s)"
                   % (self.task, self.python_version(), os.uname().machine), "import ext",
                   AWS_EXECUTION_ENV="AWS_Lambda_python3.14")

    def test_native_module_of_another_machine(self):
        head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + (243).to_bytes(2, "little") + bytes(64)
        with open(self.task + "/ext.so", "wb") as file:
            file.write(head)
        document, _ = self.init_error("import ext")
        self.assertIn("%s/ext.so is built for riscv64, this machine is %s" % (self.task, os.uname().machine),
                      document["errorMessage"])

    def test_sdk_is_missing(self):
        document, _ = self.init_error("import boto3")
        self.assertEqual(document["errorType"], "Runtime.ImportModuleError")
        self.assertIn("boto3 is not installed: ", document["errorMessage"])
        self.assertIn("fetch_sdk.sh", document["errorMessage"])
        with self.worker("try:\n    import boto3\nexcept ImportError as e:\n    boto3 = e.name\n"
                         "def lambda_handler(e, c): return boto3") as worker:
            self.assertEqual(self.result(worker), "boto3")

    def python_version(self):
        out = subprocess.run([harness.PYTHON, "-c", "import sys; print(sys.version.split()[0])"], stdout=subprocess.PIPE)
        return out.stdout.decode().strip()


class Environment(harness.WorkerTest):
    def test_is_the_functions_alone(self):
        with self.worker("import os, time\ndef lambda_handler(e, c): return [dict(os.environ), os.getcwd(), time.tzname[0],"
                         " os.popen('echo $MINE').read()]", MINE="ü=1", TZ="Asia/Tokyo") as worker:
            env, cwd, zone, shell = self.result(worker, trace="")
            wanted = self.environment(MINE="ü=1", TZ="Asia/Tokyo", _HANDLER="lambda_function.lambda_handler")
            self.assertEqual(env, wanted)
            self.assertEqual((cwd, zone, shell), (self.task, "JST", "ü=1\n"))

    def test_trace_id_follows_the_event(self):
        with self.worker("import os\ndef lambda_handler(e, c): return os.environ.get('_X_AMZN_TRACE_ID')") as worker:
            self.assertEqual(self.result(worker, trace="Root=1-5"), "Root=1-5")
            self.assertIsNone(self.result(worker, trace=""))

    def test_import_path(self):
        code = "import sys\ndef lambda_handler(e, c): return [sys.path, list(sys.version_info[:2]), sys.argv, hasattr(__builtins__, 'exit') or 'exit' in __builtins__]"
        with self.worker(code, PYTHONPATH="/var/runtime:/some/where") as worker:
            path, version, argv, has_exit = self.result(worker)
        opt = self.layers + "/python"
        self.assertEqual(path[:6], [self.task, "%s/lib/python%d.%d/site-packages" % tuple([opt] + version), opt, harness.RUNTIME,
                                    "/var/runtime", "/some/where"])
        self.assertEqual(path[-1], harness.RUNTIME + "/sdk")
        self.assertFalse([entry for entry in path if "packages" in entry and not entry.startswith(opt)])
        self.assertTrue(has_exit)

    def test_layers_come_after_the_task(self):
        for where, value in ((self.layers + "/python", "layer"), (self.task, "task")):
            self.write("both.py", "value = '%s'" % value, where)
        self.write("only.py", "value = 'layer'", self.layers + "/python")
        with self.worker("import both, only\ndef lambda_handler(e, c): return [both.value, only.value]") as worker:
            self.assertEqual(self.result(worker), ["task", "layer"])

    def test_pth_files_of_the_task(self):
        self.write("vendored/inner.py", "value = 3")
        self.write("more.pth", "vendored\n")
        with self.worker("import inner\ndef lambda_handler(e, c): return inner.value") as worker:
            self.assertEqual(self.result(worker), 3)

    def test_layers_for_the_runtime_that_was_asked_for(self):
        self.write("mine.py", "value = 'of the runtime'", self.layers + "/python/lib/python3.99/site-packages")
        self.write("inner.py", "value = 'of a path file'", self.layers + "/python/lib/python3.99/site-packages/deeper")
        self.write("more.pth", "deeper\n", self.layers + "/python/lib/python3.99/site-packages")
        code = "import mine, sys\ntry:\n    import inner\nexcept ImportError:\n    inner = None\n" \
               "def lambda_handler(e, c): return [mine.value, inner and inner.value, sys.path[1:3]]"
        version = "%s/python/lib/python%%d.%%d/site-packages" % self.layers
        for env, value in (({}, "of a path file"), ({"PYTHONPATH": "/some/where"}, None)):
            with self.worker(code, AWS_EXECUTION_ENV="AWS_Lambda_python3.99", **env) as worker:
                mine, inner, path = self.result(worker)
                self.assertEqual((mine, inner, path[0]), ("of the runtime", value, version % (3, 99)))
                self.assertNotEqual(path[1], path[0])


class Exec(harness.WorkerTest):
    """Environments that an interpreter must start with."""

    def test_python_variables(self):
        code = "import sys\ndef lambda_handler(e, c): return [sys.flags.hash_randomization, sys.flags.dev_mode, sys.path[0], e]"
        with self.worker(code, PYTHONHASHSEED="0", PYTHONDEVMODE="1") as worker:
            self.assertEqual(self.result(worker, "x"), [0, True, self.task, "x"])
            self.assertEqual(self.result(worker, "y")[3], "y")

    def test_wrapper(self):
        wrapper = self.write("wrapper", '#!/bin/sh\nexport WRAPPED="$#"\nexec "$@"\n')
        os.chmod(wrapper, 0o755)
        with self.worker("import os\ndef lambda_handler(e, c): return os.environ['WRAPPED']",
                         AWS_LAMBDA_EXEC_WRAPPER=wrapper) as worker:
            self.assertEqual(self.result(worker), "5")

    def test_wrapper_is_missing(self):
        plain = self.write("plain", "")
        for wrapper, status, words in (("/no/where", 127, "does not exist"), (plain, 126, "is not an executable")):
            self.write("lambda_function.py", "def lambda_handler(e, c): pass")
            with self.blank() as worker:
                self.assertIsNone(worker.start(self.environment(_HANDLER="x.y", AWS_LAMBDA_EXEC_WRAPPER=wrapper)))
                self.assertIn("%s: %s" % (wrapper, words), worker.log_until_exit())
                self.assertEqual(worker.process.returncode, status)

    def test_wrapper_without_a_shell_line(self):
        wrapper = self.write("wrapper", 'export WRAPPED=yes\nexec "$@"\n')
        os.chmod(wrapper, 0o755)
        with self.worker("import os\ndef lambda_handler(e, c): return os.environ['WRAPPED']",
                         AWS_LAMBDA_EXEC_WRAPPER=wrapper) as worker:
            self.assertEqual(self.result(worker), "yes")

    def test_preload_reaches_the_interpreter(self):
        with self.worker("def lambda_handler(e, c):\n    return 'librt' in open('/proc/self/maps').read()",
                         LD_PRELOAD="librt.so.1") as worker:
            self.assertIs(self.result(worker), True)


class Versions(harness.WorkerTest):
    def test_every_python_here(self):
        found = harness.pythons(8)
        self.assertTrue(found)
        for path in found:
            with self.subTest(path), self.worker("def lambda_handler(e, c): return e", python=path) as worker:
                self.assertEqual(self.result(worker, {"a": [1, None]}), {"a": [1, None]})


class Zygote(harness.WorkerTest):
    def test_holds_nothing_random(self):
        code = ("import sys; sys.path.insert(0, sys.argv[1]); from _stoke_runtime import worker; worker.rehearse(); "
                "import _thread; print(' '.join(sys.modules), _thread._count())")
        out = subprocess.run([harness.PYTHON, "-I", "-S", "-B", "-c", code, harness.RUNTIME], stdout=subprocess.PIPE, check=True)
        modules = out.stdout.decode().split()
        self.assertEqual(modules.pop(), "0")  # threads
        self.assertFalse({"random", "_random", "uuid", "tempfile", "ssl", "_ssl", "hashlib", "_hashlib", "rehearsal"} & set(modules))


if __name__ == "__main__":
    harness.main()
