"""Two processes add one to the same entry at the same time."""

import importlib
import sys

mp = importlib.import_module(sys.argv[1])


def count(shared, read, other_read):
    if hasattr(shared, "add"):
        read.set()
        other_read.wait(60)
        shared.add("n", 1)
    else:
        n = shared["n"]
        read.set()
        other_read.wait(60)
        shared["n"] = n + 1


if __name__ == "__main__":
    ctx = mp.get_context("fork")
    manager = None
    if hasattr(mp, "Dict"):
        shared = mp.Dict(n=0)
    else:
        manager = ctx.Manager()
        shared = manager.dict(n=0)
    events = [ctx.Event(), ctx.Event()]
    processes = [
        ctx.Process(target=count, args=(shared, mine, other))
        for mine, other in (events, events[::-1])
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print("counted:", shared["n"])
