"""What the standard library needs where pumasi has one atomic call: a Manager and a Lock.

``counts["hits"] += 1`` on a Manager dict is two messages, one which reads and one which writes, so
a Lock has to keep others out between them.  ``numbers.append(i)`` is one message and needs none.
This is the other half of ``one_call.py``, with the same number of processes and rounds.
"""

import json
import multiprocessing as mp
import sys
import time
from collections import Counter
from typing import Any

PROCESSES = 4


def count_many(counts: Any, numbers: Any, lock: Any, together: Any, rounds: int) -> None:
    """Count and append in each child; += is two messages, so it needs the lock."""
    together.wait()
    for i in range(rounds):
        with lock:
            counts["hits"] += 1
        numbers.append(i)


def run_once(rounds: int) -> tuple[int, int]:
    """Return the hits and the length which four children leave behind."""
    with mp.Manager() as manager:
        counts = manager.dict(hits=0)
        numbers = manager.list()
        lock = mp.Lock()
        together = mp.Barrier(PROCESSES)
        workers = [
            mp.Process(target=count_many, args=(counts, numbers, lock, together, rounds))
            for _ in range(PROCESSES)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return counts["hits"], len(numbers)


def main() -> None:
    """Run it several times and show that nothing was lost."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    started = time.perf_counter()
    results = [run_once(rounds) for _ in range(runs)]
    seconds = time.perf_counter() - started

    expected = PROCESSES * rounds
    for (hits, length), times in sorted(Counter(results).items()):
        print(f"hits {hits}, length {length} of {expected}: {times} of {runs} runs")
    lengths = [min(result) for result in results]
    print(json.dumps({"lengths": lengths, "expected": expected, "seconds": seconds}))


if __name__ == "__main__":
    main()
