"""A pool of two workers: many small tasks, large arrays in and out, a real work, and the start.

The workers are forked, except in the row that says otherwise.

Each contender has one pool for all rounds of a row, which has done its first work before the clock
runs; only the start is measured with new pools. A round of small tasks is one `map` with
chunksize 1, so that each is a task of its own.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable
from time import perf_counter
from typing import Any

from pumasi_bench.rivals import MULTIPROCESSING
from pumasi_bench.samples import Sample
from pumasi_bench.session import Session
from pumasi_bench.targets import Target, at_least, at_most, no_slower

_WORKERS = 2
_SMALL = 10_000
_LARGE = 200
_BYTES = 1 << 20
_PRIMES = 300_000
_CHUNKS = 64


def run(session: Session) -> None:
    """In turns: ours, then the standard library's."""
    numpy = importlib.import_module("numpy")
    arrays = [numpy.full(_BYTES, i % 251, dtype="u1") for i in range(_LARGE)]
    session.tell("  small tasks")
    small = _rounds(session, lambda pool: pool.map(_increment, range(_SMALL), 1), 1e6 / _SMALL)
    _add(session, f"one of {_SMALL} tasks, chunksize 1", "us", small, at_most(2, "us"))
    given = _rounds(session, lambda pool: pool.map(_first, arrays, 1), 1e3)
    _add(session, f"{_LARGE} arguments of 1 MB", "ms", given, at_most(60, "ms"))
    taken = _rounds(session, lambda pool: pool.map(_array, range(_LARGE), 1), 1e3)
    _add(session, f"{_LARGE} results of 1 MB", "ms", taken, at_most(60, "ms"))
    operation = f"primes below {_PRIMES} in {_CHUNKS} chunks, speed-up"
    _add(session, operation, "times", _speed_ups(session), at_least(1.95, "times"))
    _add(session, "start to first result, fork", "ms", _starts(session, "fork"), no_slower())
    for library in (session.library, multiprocessing):
        # One server for both: it has both libraries, and this module, before it is asked.
        server = library.get_context("forkserver")
        server.set_forkserver_preload(["__main__", session.library.__name__, __name__])
    operation = "start to first result, forkserver, imports preloaded"
    _add(session, operation, "ms", _starts(session, "forkserver"), at_most(40, "ms"))


def _starts(session: Session, method: str) -> tuple[list[float], list[float]]:
    found: tuple[list[float], list[float]] = ([], [])
    # The first start of each is not counted: it starts the server, too.
    for i in range(session.effort.rounds + 1):
        for library, taken in zip((session.library, multiprocessing), found, strict=True):
            begin = perf_counter()
            with library.get_context(method).Pool(_WORKERS) as pool:
                pool.apply(_increment, (1,))
                if i:
                    taken.append((perf_counter() - begin) * 1e3)
    return found


def _speed_ups(session: Session) -> tuple[list[float], list[float]]:
    size = -(-_PRIMES // _CHUNKS)
    chunks = [(n, min(n + size, _PRIMES)) for n in range(2, _PRIMES, size)]
    found: tuple[list[float], list[float]] = ([], [])
    with session.library.get_context("fork").Pool(_WORKERS) as ours:
        with multiprocessing.get_context("fork").Pool(_WORKERS) as theirs:
            for _ in range(session.effort.rounds):
                begin = perf_counter()
                for chunk in chunks:
                    _count(chunk)
                alone = perf_counter() - begin
                for pool, ratios in zip((ours, theirs), found, strict=True):
                    begin = perf_counter()
                    pool.map(_count, chunks, 1)
                    ratios.append(alone / (perf_counter() - begin))
    return found


def _rounds(
    session: Session, work: Callable[[Any], object], scale: float
) -> tuple[list[float], list[float]]:
    found: tuple[list[float], list[float]] = ([], [])
    with session.library.get_context("fork").Pool(_WORKERS) as ours:
        with multiprocessing.get_context("fork").Pool(_WORKERS) as theirs:
            for pool in (ours, theirs):
                work(pool)
            for _ in range(session.effort.rounds):
                for pool, seconds in zip((ours, theirs), found, strict=True):
                    begin = perf_counter()
                    result = work(pool)
                    seconds.append((perf_counter() - begin) * scale)
                    del result
    return found


def _add(
    session: Session,
    operation: str,
    unit: str,
    found: tuple[list[float], list[float]],
    target: Target,
) -> None:
    ours, theirs = found
    session.add(
        operation,
        Sample(session.name, unit, tuple(ours)),
        Sample(MULTIPROCESSING, unit, tuple(theirs)),
        target,
    )


def _increment(number: int) -> int:
    return number + 1


def _count(chunk: tuple[int, int]) -> int:
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(*chunk))


def _first(array: Any) -> int:
    return int(array[0])


def _array(number: int) -> Any:
    numpy = importlib.import_module("numpy")
    return numpy.full(_BYTES, number % 251, dtype="u1")
