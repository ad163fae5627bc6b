"""Reports of sanitizer builds. A program under test writes them to a directory of its own, since its stderr may be anywhere; any
report fails the test. Does nothing to a build without a sanitizer.

    reports = sanitizer.Reports(directory)
    subprocess.Popen(..., env={**os.environ, **reports.environment()})
    reports.check()                                    # after its end; raises AssertionError with the reports' text
"""
import os
import pathlib

TESTS = pathlib.Path(__file__).resolve().parent.parent
SHOWN = 12000  # characters of one report; a race prints stacks of hundreds of lines


class Reports:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir()
        os.chmod(self.dir, 0o1777)  # stoked writes them as another user than the one it was started as

    def environment(self):
        """GCC's address and undefined behaviour sanitizers are two libraries: each has its options, and a file of its own. TZ: without
        it glibc reads the time zone anew for every mktime(), under a lock that the thread sanitizer does not know. The quarantine: what
        was freed last is kept to catch its use, and would count as memory not given back."""
        def options(variable, name, own):
            given = os.environ.get(variable)
            return f"{own}:log_path={self.dir}/{name}" + (f":{given}" if given else "")
        suppressions = f"suppressions={TESTS}"
        return {"TZ": os.environ.get("TZ", ":/etc/localtime"),
                "ASAN_OPTIONS": options("ASAN_OPTIONS", "asan", "detect_leaks=1:detect_stack_use_after_return=1:quarantine_size_mb=32"),
                "LSAN_OPTIONS": options("LSAN_OPTIONS", "lsan", f"{suppressions}/lsan.supp:print_suppressions=0"),
                "UBSAN_OPTIONS": options("UBSAN_OPTIONS", "ubsan", "print_stacktrace=1"),
                "TSAN_OPTIONS": options("TSAN_OPTIONS", "tsan", f"{suppressions}/tsan.supp:second_deadlock_stack=1")}

    def check(self):
        found = sorted(p for p in self.dir.iterdir() if p.stat().st_size)
        text = "\n".join(f"--- {p.name}\n{p.read_text(errors='replace')[:SHOWN]}" for p in found)
        assert not found, f"{len(found)} sanitizer reports\n{text}"
