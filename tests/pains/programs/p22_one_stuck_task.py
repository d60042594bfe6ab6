"""One task of a pool never ends; another one waits behind it."""

import importlib
import sys
import time

mp = importlib.import_module(sys.argv[1])


def outcome(result, seconds):
    try:
        return result.get(timeout=seconds)
    except Exception as error:
        return type(error).__name__


if __name__ == "__main__":
    ours = hasattr(mp, "List")
    with mp.get_context("fork").Pool(1) as pool:
        stuck = pool.apply_async(time.sleep, (1000,), **({"timeout": 1} if ours else {}))
        behind = pool.apply_async(abs, (-3,))
        seconds = 60 if ours else 0.5
        print("stuck:", outcome(stuck, seconds), "and behind it:", outcome(behind, seconds))
