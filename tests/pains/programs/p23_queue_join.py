"""A process that has put something large is joined before anybody has taken it."""

import importlib
import sys

mp = importlib.import_module(sys.argv[1])


def fill(queue):
    queue.put(bytes(1_000_000))


if __name__ == "__main__":
    context = mp.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=fill, args=(queue,))
    process.start()
    process.join(60 if hasattr(mp, "List") else 0.5)
    print("ended:", process.exitcode == 0, end=" ")
    print("and waiting:", 0 if process.is_alive() else queue.qsize(), end=" ")
    print("of size:", len(queue.get(timeout=60)))
    process.join()
