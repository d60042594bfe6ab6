"""The race mended with a Lock: one process at a time reads, changes and writes.

Start and number of rounds are those of ``race_at_once.py``, where most runs lose numbers.  The only
change is ``with lock:`` around the three lines which belong together, and every run ends with all
of them.
"""

import json
import multiprocessing as mp
import sys
import time
from collections import Counter
from collections.abc import MutableSequence
from typing import Any

PROCESSES = 4


def append_many(numbers: MutableSequence[int], lock: Any, together: Any, rounds: int) -> None:
    """Read, change and write back; the lock makes one step of the three."""
    together.wait()
    for i in range(rounds):
        with lock:
            current = numbers[:]
            current.append(i)
            numbers[:] = current


def run_once(rounds: int) -> int:
    """Return the length which four children leave behind."""
    with mp.Manager() as manager:
        numbers = manager.list()
        lock = mp.Lock()
        together = mp.Barrier(PROCESSES)
        workers = [
            mp.Process(target=append_many, args=(numbers, lock, together, rounds))
            for _ in range(PROCESSES)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return len(numbers)


def main() -> None:
    """Run it several times and show that nothing was lost."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    started = time.perf_counter()
    lengths = [run_once(rounds) for _ in range(runs)]
    seconds = time.perf_counter() - started

    expected = PROCESSES * rounds
    for length, times in sorted(Counter(lengths).items()):
        print(f"length {length} of {expected}: {times} of {runs} runs")
    print(json.dumps({"lengths": lengths, "expected": expected, "seconds": seconds}))


if __name__ == "__main__":
    main()
