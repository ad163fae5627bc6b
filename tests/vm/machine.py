"""Where the test machine is: the program that boots a throw-away Debian and runs a command in it."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SKIPPED = 77
NO_MACHINE = 125  # the program's own failure, not the command's


def find():
    """The program that $STOKE_VM names, or the one beside the checkout. Without one, or where it cannot start a machine, says so and
    ends with the status of a skip."""
    named = os.environ.get("STOKE_VM")
    path = pathlib.Path(named) if named else ROOT.parent / "shared/vm/vm"
    if not os.access(path, os.X_OK):
        print("SKIP vm: needs the test machine")
    elif subprocess.run([path, "run", "--", "true"], stdin=subprocess.DEVNULL, check=False).returncode == NO_MACHINE:
        print("SKIP vm: the test machine does not start here")
    else:
        return path
    sys.exit(SKIPPED)
