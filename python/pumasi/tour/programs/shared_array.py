"""A shared Array: typed numbers in shared memory, fast, of a fixed size.

Each of four processes writes ten of the forty places.  The length of an Array is 40 whatever the
children do, so it proves nothing; the sum does: 4 times (0 + 1 + ... + 9) is 180, and it is 0 when
no write arrives.
"""

import json
import multiprocessing as mp
import time
from typing import Any


def write_ten(numbers: Any, first: int) -> None:
    """Write ten numbers, each child to ten places of its own."""
    for i in range(10):
        numbers[first + i] = i


def time_writes(numbers: Any, count: int = 2_000) -> float:
    """Return the seconds which one write takes, the mean of many."""
    started = time.perf_counter()
    for i in range(count):
        numbers[i % 40] = i
    return (time.perf_counter() - started) / count


def main() -> None:
    """Start four children, wait for them, and add up what they wrote."""
    started = time.perf_counter()
    numbers = mp.Array("i", 40)  # "i" is a C int
    workers = [mp.Process(target=write_ten, args=(numbers, first)) for first in (0, 10, 20, 30)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    length, total = len(numbers), sum(numbers[:])
    seconds = time.perf_counter() - started
    each = time_writes(numbers)

    print(f"length of the array: {length}, sum of its numbers: {total}")
    print(f"one write takes {each * 1e6:.2f} microseconds")
    result = {"length": length, "sum": total, "seconds": seconds, "operation_seconds": each}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
