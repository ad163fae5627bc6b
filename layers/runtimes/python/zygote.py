"""The Python zygote: an initialised interpreter that forks sealed workers as the spawner orders. It is started as
`python3.N -I -S -B /var/runtime/zygote.py` with the spawner's socket as descriptor 3, holds no user code and no secret, and
starts no thread. Code below serve() runs in each new worker only."""
import gc
import sys

if __name__ == "__main__":  # and not what multiprocessing has started anew
    gc.disable()  # a collection would touch the pages that workers are to share
    sys.path.insert(0, __file__.rpartition("/")[0])  # -I leaves it out

    import _stoke
    from _stoke_runtime import worker

    _stoke.open_zygote()
    worker.rehearse()
    gc.collect()
    gc.freeze()
    awaited = _stoke.serve()

    gc.enable()
    worker.start_blank(awaited)
