"""A race: read the list, change the copy, write it back, and lose what others did meanwhile.

Four processes do this ten times each, so 40 would be right, but nothing keeps two processes from
reading the same old list: whoever writes last wipes out the other's number.  How many get lost is
up to chance, so the program runs several times and counts how often each length came out.

With a Manager an operation is slow, the four processes overlap nearly always, and numbers are lost
nearly always.  With pumasi ten rounds take a few microseconds: the first process is done before the
second has started, and mostly 40 comes out.  The program is as wrong as before; the mistake only
hides.  ``race_at_once.py`` brings it to light.
"""

import json
import multiprocessing as mp
import sys
import time
from collections import Counter
from collections.abc import MutableSequence


def append_ten(numbers: MutableSequence[int]) -> None:
    """Read all, change the copy, write all back, ten times in each child."""
    for i in range(10):
        current = list(numbers)
        current.append(i)
        numbers[:] = current


def run_once() -> int:
    """Return the length which four children leave behind: 40 if nothing was lost."""
    with mp.Manager() as manager:
        numbers = manager.list()
        workers = [mp.Process(target=append_ten, args=(numbers,)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return len(numbers)


def main() -> None:
    """Run the race several times and count how often each length comes out."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    started = time.perf_counter()
    lengths = [run_once() for _ in range(runs)]
    seconds = time.perf_counter() - started

    for length, times in sorted(Counter(lengths).items()):
        print(f"length {length}: {times} of {runs} runs")
    print(json.dumps({"lengths": lengths, "expected": 40, "seconds": seconds}))


if __name__ == "__main__":
    main()
