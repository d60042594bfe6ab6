"""A process is killed while it holds a lock; another one wants it next."""

import importlib
import os
import signal
import sys
import warnings

mp = importlib.import_module(sys.argv[1])


def die_holding(lock):
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    lock = mp.get_context("spawn").Lock()
    process = mp.get_context("spawn").Process(target=die_holding, args=(lock,))
    process.start()
    process.join()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        print(
            "acquired:", lock.acquire(timeout=2), "and told:", [w.category.__name__ for w in told]
        )
