"""Functions to measure: each is bound by one thing, and says so in its name."""

import itertools
import os
import select
import time
import zlib

import pumasi
from pumasi.pool import worker_id


def computes(number):
    """Pure Python, on a core all the time."""
    total = 0
    for i in range(number):
        total += i * i
    return total


def sleeps(seconds):
    """Waits, as for a disk or a network."""
    time.sleep(seconds)
    return seconds


_silent, _ = os.pipe()


def listens(seconds):
    """Waits for input, which does not come before the time is over."""
    select.select([_silent], [], [], seconds)
    return seconds


def on_arrays(size):
    """NumPy on arrays that fit a cache: computes, and lets go of the interpreter's lock."""
    import numpy

    values = numpy.linspace(1.0, 2.0, size)
    for _ in range(20):
        values = numpy.sqrt(values * 1.5)
    return float(values[0])


def looks_at(data):
    """Goes through what it is given, twice: giving it to another process takes as long."""
    return zlib.crc32(data) + zlib.crc32(data)


_lock = pumasi.Lock()


def holds_a_lock(seconds):
    """All calls wait for each other, in threads and in processes."""
    with _lock:
        time.sleep(seconds)
    return seconds


def tiny(number):
    """Done at once."""
    return number + 1


def fails(number):
    """Raises for one input."""
    if number == 3:
        raise ValueError("three is one too many")
    return number


_count = itertools.count()


def counts_its_calls(number):
    """Never the same."""
    return next(_count)


def ends_the_process(number):
    """Takes its process with it."""
    os._exit(7)


def ends_the_worker(number):
    """Takes a pool's worker with it, and no other process."""
    try:
        worker_id()
    except RuntimeError:
        return number
    os._exit(7)


def fails_in_a_pool(number):
    """Raises where it runs in a pool."""
    try:
        worker_id()
    except RuntimeError:
        return number
    raise ValueError("not here")


def never_ends(number):
    """Waits for ever."""
    time.sleep(1000)


def makes_a_function(number):
    """Returns what cannot be pickled."""
    return lambda: number


not_a_function = 3
