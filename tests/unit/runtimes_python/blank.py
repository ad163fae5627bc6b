"""A blank worker without a sandbox, for the tests: what zygote.py does, but for the forking. argv: the runtime's directory and
the directory of layers. Descriptors 3 and 4 are the channel and the control socket."""
import sys

runtime, layers = sys.argv[1:3]
sys.path.insert(0, runtime)

from _stoke_runtime import environment, worker

environment.OPT_PYTHON = layers + "/python"
worker.rehearse()
worker.start_blank(awaited=False)
