"""The same race, made visible: all four processes start together and take enough rounds.

The body is the one of ``race.py``.  Two things are added.  A Barrier lets nobody begin before all
four are there, and each takes many rounds instead of ten, so that even with operations of less than
a microsecond the processes are at work at the same time.  Now most runs lose numbers.

A program which has this mistake may pass its tests for years on fast machines: that the result is
right does not show that the program is.
"""

import json
import multiprocessing as mp
import sys
import time
from collections.abc import MutableSequence
from typing import Any

PROCESSES = 4


def append_many(numbers: MutableSequence[int], together: Any, rounds: int) -> None:
    """Read, change and write back, from the moment when all children are there."""
    together.wait()
    for i in range(rounds):
        current = numbers[:]
        current.append(i)
        numbers[:] = current


def run_once(rounds: int) -> int:
    """Return the length which four children leave behind."""
    with mp.Manager() as manager:
        numbers = manager.list()
        together = mp.Barrier(PROCESSES)
        workers = [
            mp.Process(target=append_many, args=(numbers, together, rounds))
            for _ in range(PROCESSES)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return len(numbers)


def main() -> None:
    """Run the race several times and show how much was lost."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    started = time.perf_counter()
    lengths = [run_once(rounds) for _ in range(runs)]
    seconds = time.perf_counter() - started

    expected = PROCESSES * rounds
    lossy = sum(length < expected for length in lengths)
    print(f"{lossy} of {runs} runs lost numbers")
    print(f"lengths from {min(lengths)} to {max(lengths)}, {expected} would be right")
    print(json.dumps({"lengths": lengths, "expected": expected, "seconds": seconds}))


if __name__ == "__main__":
    main()
