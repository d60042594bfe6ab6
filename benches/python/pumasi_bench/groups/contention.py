"""What several processes do all the time at once: the total rate.

A Lock that 2 and 4 want, acquired and released, and a Dict of 1,000 that 2 read.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from itertools import repeat
from time import monotonic
from types import ModuleType
from typing import Any

from pumasi_bench.rivals import MANAGER, MULTIPROCESSING, manager
from pumasi_bench.samples import Sample
from pumasi_bench.session import Session
from pumasi_bench.targets import Target, times_the_rate
from pumasi_bench.workers import Window, at_the_same_time

_BATCH = 50


def run(session: Session) -> None:
    """Both forms, with 2 and with 4 processes: more than the cores of a small machine."""
    forms: list[tuple[str, Callable[[Window, Any], int], Target | None]] = [
        ("acquire(); release()", _pairs_by_call, times_the_rate(2)),
        ("with lock", _pairs_by_with, None),
    ]
    for form, work, target in forms:
        for processes in (2, 4):
            ours: list[float] = []
            theirs: list[float] = []
            for _ in range(session.effort.contention_rounds):
                for library, taken in ((session.library, ours), (multiprocessing, theirs)):
                    taken.append(
                        _total_rate(library, processes, session.effort.contention_seconds, work)
                    )
            session.add(
                f"{form}, {processes} processes",
                Sample(session.name, "M/s", tuple(ours)),
                Sample(MULTIPROCESSING, "M/s", tuple(theirs)),
                target,
            )
    _reads(session)


def _reads(session: Session) -> None:
    """Readers of one Dict, beside readers of a Manager's, and two beside one."""
    plain = {f"k{number}": number for number in range(1000)}
    seconds = session.effort.contention_seconds
    ours: list[float] = []
    alone: list[float] = []
    served: list[float] = []
    with manager() as server:
        shared = session.library.Dict(plain)
        theirs = server.dict(plain)
        for _ in range(session.effort.contention_rounds):
            for processes, table, taken in (
                (2, shared, ours),
                (1, shared, alone),
                (2, theirs, served),
            ):
                reads = at_the_same_time(session.library, processes, seconds, _gets, table)
                taken.append(sum(reads) / seconds / 1e6)
    two = Sample(session.name, "M/s", tuple(ours))
    session.add("Dict get, 2 processes", two, Sample(MANAGER, "M/s", tuple(served)))
    session.add("Dict get, 2 processes", two, Sample("one process", "M/s", tuple(alone)))


def _gets(window: Window, table: Any) -> int:
    keys = [f"k{number}" for number in range(0, 1000, 1000 // _BATCH)]
    reads = 0
    while monotonic() < window.end:
        for key in keys:
            table[key]
        reads += len(keys)
    return reads


def _total_rate(
    library: ModuleType, processes: int, seconds: float, work: Callable[[Window, Any], int]
) -> float:
    lock = library.get_context("fork").Lock()
    pairs: list[int] = at_the_same_time(library, processes, seconds, work, lock)
    return sum(pairs) / seconds / 1e6


def _pairs_by_call(window: Window, lock: Any) -> int:
    pairs = 0
    while monotonic() < window.end:
        for _ in repeat(None, _BATCH):
            lock.acquire()
            lock.release()
        pairs += _BATCH
    return pairs


def _pairs_by_with(window: Window, lock: Any) -> int:
    pairs = 0
    while monotonic() < window.end:
        for _ in repeat(None, _BATCH):
            with lock:
                pass
        pairs += _BATCH
    return pairs
