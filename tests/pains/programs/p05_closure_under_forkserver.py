"""A closure goes to a pool of the start method that is Python 3.14's default."""

import importlib
import pickle
import sys

mp = importlib.import_module(sys.argv[1])


def scaled(pool, by):
    return pool.map(lambda x: by * x, [1, 2])


if __name__ == "__main__":
    with mp.get_context("forkserver").Pool(1) as pool:
        try:
            print("done:", scaled(pool, 3))
        except Exception as error:
            print("refused:", isinstance(error, (AttributeError, pickle.PicklingError)))
