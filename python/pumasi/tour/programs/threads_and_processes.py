"""Ten threads and ten processes do the same computing, and the clock tells which helps.

The task counts prime numbers, which is nothing but computing.  In Python only one thread computes
at a time, so ten threads take as long as doing the ten tasks one after the other.  Ten processes
use all processors.  The counts go into one shared Value, from threads and processes alike.

Time is read after every thread and process has been joined.  A clock which is read right after the
starts, as one finds it in tutorials, shows how long *starting* takes: the program measures that as
well, and the number has nothing to do with the work, which is still going on.
"""

import json
import multiprocessing as mp
import sys
import time
from collections.abc import Callable
from threading import Thread
from typing import Any

WORKERS = 10


def count_primes(limit: int) -> int:
    """Return how many primes there are below the limit, found by plain division."""
    found: list[int] = []
    for number in range(2, limit):
        for prime in found:
            if prime * prime > number:
                found.append(number)
                break
            if number % prime == 0:
                break
        else:
            found.append(number)
    return len(found)


def task(total: Any, limit: int) -> None:
    """Do the work of one thread or process."""
    primes = count_primes(limit)
    with total.get_lock():
        total.value += primes


def one_after_the_other(total: Any, limit: int) -> None:
    """Do all ten tasks in this thread alone."""
    for _ in range(WORKERS):
        task(total, limit)


def ten_threads(total: Any, limit: int) -> float:
    """Return the seconds until all were started: what a clock shows when nobody joins."""
    started = time.perf_counter()
    threads = [Thread(target=task, args=(total, limit)) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    only_started = time.perf_counter() - started
    for thread in threads:
        thread.join()
    return only_started


def ten_processes(total: Any, limit: int) -> None:
    """Do each task in a process of its own."""
    processes = [mp.Process(target=task, args=(total, limit)) for _ in range(WORKERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def measure(way: Callable[[Any, int], Any], limit: int) -> tuple[float, int, Any]:
    """Return the seconds, the primes which were counted, and what the way itself returned."""
    total = mp.Value("q", 0)
    started = time.perf_counter()
    returned = way(total, limit)
    return time.perf_counter() - started, total.value, returned


def main() -> None:
    """Measure the three ways and show their times side by side."""
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else 150_000
    serial, serial_primes, _ = measure(one_after_the_other, limit)
    threads, thread_primes, only_started = measure(ten_threads, limit)
    processes, process_primes, _ = measure(ten_processes, limit)

    print(f"one after the other: {serial:.3f} s, {serial_primes} primes")
    print(f"ten threads:         {threads:.3f} s, {thread_primes} primes")
    print(f"  (a clock read without joining them shows {only_started:.3f} s)")
    print(f"ten processes:       {processes:.3f} s, {process_primes} primes")
    result = {
        "primes": [serial_primes, thread_primes, process_primes],
        "serial_seconds": serial,
        "threads_seconds": threads,
        "threads_only_started_seconds": only_started,
        "processes_seconds": processes,
        "seconds": processes,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
