"""Four processes append to one list of a manager."""

import importlib
import sys

mp = importlib.import_module(sys.argv[1])


def append_data(shared, lock):
    for i in range(10):
        shared.append(i)
    for i in range(10):
        with lock:
            current = list(shared)
            current.append(i)
            shared[:] = current


if __name__ == "__main__":
    ctx = mp.get_context(sys.argv[2])
    with ctx.Manager() as manager:
        shared = manager.list()
        lock = ctx.Lock()
        barred = manager.Lock()
        processes = [ctx.Process(target=append_data, args=(shared, lock)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        # The plain appends of one process may be lost to the rewriting of another.
        print(len(shared) >= 40, len(shared) <= 80, str(shared) == str(list(shared)))
        del shared[:]
        processes = [ctx.Process(target=append_data, args=(shared, lock)) for _ in range(1)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        print(sorted(shared))
