"""A pool of two workers, forked: many small tasks, large arrays in and out, and the start.

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
from pumasi_bench.targets import Target, at_most, no_slower

_WORKERS = 2
_SMALL = 10_000
_LARGE = 200
_BYTES = 1 << 20


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
    started: tuple[list[float], list[float]] = ([], [])
    for _ in range(session.effort.rounds):
        for library, seconds in zip((session.library, multiprocessing), started, strict=True):
            begin = perf_counter()
            with library.get_context("fork").Pool(_WORKERS) as pool:
                pool.apply(_increment, (1,))
                seconds.append((perf_counter() - begin) * 1e3)
    _add(session, "start to first result, fork", "ms", started, no_slower())


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


def _first(array: Any) -> int:
    return int(array[0])


def _array(number: int) -> Any:
    numpy = importlib.import_module("numpy")
    return numpy.full(_BYTES, number % 251, dtype="u1")
