"""A blank worker without a sandbox, for the tests: what zygote.py does, but for the forking. argv: the runtime's directory, the
task's directory, the directory of layers. Descriptors 3 and 4 are the channel and the control socket."""
import os
import sys

runtime, task, layers = sys.argv[1:4]
sys.path.insert(0, runtime)

from _stoke_runtime import environment, worker

environment.TASK = task
environment.OPT_PYTHON = os.path.join(layers, "python")
worker.rehearse()
worker.start_blank()
