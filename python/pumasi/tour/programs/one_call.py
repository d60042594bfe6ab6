"""Without a lock: one atomic call does what read, change and write did in three steps.

``counts.add("hits")`` adds one to the value of a key, ``numbers.append(i)`` puts a number at the
end.  Each is a single operation on shared memory which no other process can get between, so there
is nothing to forget, and every run ends with all of them.

This program uses what pumasi adds to ``multiprocessing``.  What the standard library needs for the
same is in ``one_call_with_lock.py``.
"""

import json
import sys
import time
from collections import Counter
from typing import Any

import pumasi as mp

PROCESSES = 4


def count_many(
    counts: "mp.Dict[str, int]", numbers: "mp.List[int]", together: Any, rounds: int
) -> None:
    """Count and append in each child, with operations which cannot be torn apart."""
    together.wait()
    for i in range(rounds):
        counts.add("hits")
        numbers.append(i)


def run_once(rounds: int) -> tuple[int, int]:
    """Return the hits and the length which four children leave behind."""
    counts: mp.Dict[str, int] = mp.Dict(hits=0)
    numbers: mp.List[int] = mp.List()
    together = mp.Barrier(PROCESSES)
    workers = [
        mp.Process(target=count_many, args=(counts, numbers, together, rounds))
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
