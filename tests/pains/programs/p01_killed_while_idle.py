"""All workers of a pool are killed while they wait for tasks, one of them at the queue's lock."""

import importlib
import os
import signal
import sys

mp = importlib.import_module(sys.argv[1])

if __name__ == "__main__":
    with mp.get_context("fork").Pool(2) as pool:
        pool.map(abs, range(10))
        for worker in list(pool._pool):
            os.kill(worker.pid, signal.SIGKILL)
        print("then:", pool.map_async(abs, [-1, -2]).get(timeout=60))
