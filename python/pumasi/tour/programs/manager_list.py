"""A shared list: four processes append ten numbers each, and all forty arrive.

``multiprocessing`` keeps such a list in a server process, and every append is a message to it and
back.  pumasi keeps the list in memory which all processes share; no server is started.  The start
of processes takes most of the time of forty appends, so the program also times single appends.
"""

import json
import multiprocessing as mp
import time
from collections.abc import MutableSequence


def append_ten(numbers: MutableSequence[int]) -> None:
    """Append ten numbers, in each child to the list which all share."""
    for i in range(10):
        numbers.append(i)


def time_appends(numbers: MutableSequence[int], count: int = 2_000) -> float:
    """Return the seconds which one append takes, the mean of many."""
    started = time.perf_counter()
    for i in range(count):
        numbers.append(i)
    return (time.perf_counter() - started) / count


def main() -> None:
    """Start four children, wait for them, and look at the shared list."""
    started = time.perf_counter()
    with mp.Manager() as manager:
        numbers = manager.list()
        workers = [mp.Process(target=append_ten, args=(numbers,)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        length = len(numbers)
        seconds = time.perf_counter() - started
        each = time_appends(manager.list())

    print(f"length of the list: {length}")
    print(f"one append takes {each * 1e6:.2f} microseconds")
    print(json.dumps({"length": length, "seconds": seconds, "operation_seconds": each}))


if __name__ == "__main__":
    main()
