"""Separate memory: what a child process changes, its parent does not see.

Four processes append ten numbers each to a list of this module.  Every process has memory of its
own, so each child fills its own copy and the list of the parent stays empty: the length is 0 with
every library.  Sharing has to be asked for; the programs after this one do that.
"""

import json
import multiprocessing as mp
import time

numbers: list[int] = []


def append_ten() -> None:
    """Append ten numbers, in each child to the list of its own."""
    for i in range(10):
        numbers.append(i)


def main() -> None:
    """Start four children, wait for them, and look at the parent's list."""
    started = time.perf_counter()
    workers = [mp.Process(target=append_ten) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started

    print(f"length of the list: {len(numbers)}")
    print(json.dumps({"length": len(numbers), "seconds": seconds}))


if __name__ == "__main__":
    main()
