"""The entry of a worker that was exec'd again, because its function's environment or native libraries must be there when the
interpreter starts (see environment.py): the channel is descriptor 3, the environment is the function's already."""
import sys

sys.path.insert(0, __file__.rpartition("/")[0])

from _stoke_runtime import worker

if __name__ == "__main__":  # and not what multiprocessing has started anew
    worker.start_exec()
