"""A Semaphore: eight processes want in, at most three are let in at a time.

Each counts itself in, stays for a moment, and counts itself out; the largest number which was ever
inside is the result.  It is 3: never more, because the Semaphore keeps the fourth waiting, and not
less, because eight processes are there to fill the places.
"""

import json
import multiprocessing as mp
import sys
import time
from typing import Any

PROCESSES = 8
PLACES = 3


def visit(places: Any, inside: Any, most: Any, stay: float) -> None:
    """Go in when there is a place, be counted, stay, and leave."""
    with places:
        with inside.get_lock():
            inside.value += 1
            most.value = max(most.value, inside.value)
        time.sleep(stay)
        with inside.get_lock():
            inside.value -= 1


def main() -> None:
    """Start eight children, wait for them, and show how full it got."""
    stay = float(sys.argv[1]) if len(sys.argv) > 1 else 0.05
    started = time.perf_counter()
    places = mp.Semaphore(PLACES)
    inside, most = mp.Value("i", 0), mp.Value("i", 0)
    workers = [
        mp.Process(target=visit, args=(places, inside, most, stay)) for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started

    print(f"{PROCESSES} processes, {PLACES} places, most at the same time: {most.value}")
    result = {"processes": PROCESSES, "places": PLACES, "most": most.value, "left": inside.value}
    print(json.dumps({**result, "seconds": seconds}))


if __name__ == "__main__":
    main()
