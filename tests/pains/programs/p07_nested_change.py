"""A list inside a shared dict is changed in place."""

import importlib
import sys

mp = importlib.import_module(sys.argv[1])


def append(shared):
    shared["hits"]["page"].append("from the child")


if __name__ == "__main__":
    ctx = mp.get_context("fork")
    manager = None
    if hasattr(mp, "Dict"):
        shared = mp.Dict()
    else:
        manager = ctx.Manager()
        shared = manager.dict()
    shared["hits"] = {"page": []}
    process = ctx.Process(target=append, args=(shared,))
    process.start()
    process.join()
    print("seen:", list(shared["hits"]["page"]))
