"""A task returns a large array, which is left in place or read from a pipe into other memory."""

import importlib
import sys

import numpy as np

mp = importlib.import_module(sys.argv[1])


def shared(array):
    """Whether the memory of an array is a shared mapping."""
    address = array.ctypes.data
    with open("/proc/self/maps") as maps:
        for line in maps:
            area, rights, *_ = line.split()
            first, last = (int(end, 16) for end in area.split("-"))
            if first <= address < last:
                return rights.endswith("s")
    return False


if __name__ == "__main__":
    with mp.get_context("fork").Pool(1) as pool:
        array = pool.apply(np.full, ((4_000_000,), 7.0))
        right = bool((array == 7.0).all())
        array[0] = 1.0
        print("right:", right, "and in shared memory:", shared(array))
