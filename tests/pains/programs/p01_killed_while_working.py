"""The worker of a pool is killed in the middle of a task."""

import importlib
import os
import signal
import sys

mp = importlib.import_module(sys.argv[1])


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def outcome(result, seconds):
    try:
        return result.get(timeout=seconds)
    except Exception as error:
        return type(error).__name__


if __name__ == "__main__":
    seconds = 60 if hasattr(mp, "List") else 0.5
    with mp.get_context("fork").Pool(1) as pool:
        died = outcome(pool.apply_async(die), seconds)
        print("the task:", died, "and the next one:", outcome(pool.apply_async(abs, (-3,)), 60))
