"""Each worker of a pool starts as many threads for linear algebra as there are CPUs."""

import importlib
import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.pop(name, None)
mp = importlib.import_module(sys.argv[1])


def told(_):
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")


if __name__ == "__main__":
    workers = 2
    share = str(max(1, mp.cpu_count() // workers))
    with mp.get_context("spawn").Pool(workers) as pool:
        print("told of their share:", pool.map(told, range(2), 1) == [(share, share)] * 2)
