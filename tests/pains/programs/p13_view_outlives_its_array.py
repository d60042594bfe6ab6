"""A NumPy view is used after the array it came from is gone."""

import gc
import importlib
import sys

mp = importlib.import_module(sys.argv[1])

if __name__ == "__main__":
    import numpy

    array = mp.Array("d", [1, 2, 3])
    view = numpy.asarray(array)
    del array
    gc.collect()
    other = mp.Array("d", [9, 9, 9])
    view += 1
    print("still there:", view.tolist(), "and nobody else's:", other[:])
