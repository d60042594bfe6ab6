"""Shared arrays where /dev/shm is small: where they lie, and what if they do not fit."""

import importlib
import os
import sys

os.environ["PUMASI_HEAP_LIMIT"] = "16M"
mp = importlib.import_module(sys.argv[1])

if __name__ == "__main__":
    array = mp.Array("d", 1000)
    with open("/proc/self/maps") as maps:
        print("files:", any("/pym-" in line for line in maps), end=" ")
    if hasattr(mp, "List"):
        try:
            mp.Array("d", 100_000_000)
        except MemoryError:
            print("too large:", MemoryError.__name__, end=" ")
        array[0] = 1.5
        print("then:", array[0], mp.Array("d", [2.5])[:], end="")
    print()
