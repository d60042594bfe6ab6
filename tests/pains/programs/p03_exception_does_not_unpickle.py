"""A task raises an exception which pickles, and does not unpickle."""

import importlib
import os
import sys

mp = importlib.import_module(sys.argv[1])


class NeedsTwo(Exception):
    def __init__(self, one, two):
        super().__init__(one)


def fail():
    raise NeedsTwo("rice", "salt")


if __name__ == "__main__":
    seconds = 60 if hasattr(mp, "List") else 0.5
    pool = mp.get_context("fork").Pool(1)
    try:
        pool.apply_async(fail).get(timeout=seconds)
    except Exception as error:
        print("raised:", type(error).__name__, "which tells of it:", "NeedsTwo: rice" in str(error))
    # In multiprocessing the pool cannot even be terminated.
    for worker in pool._pool:
        worker.kill()
    sys.stdout.flush()
    os._exit(0)
