"""Queues: ints from one process to another, large arrays, and a message there and back."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from types import ModuleType
from typing import Any

from pumasi_bench.rivals import MULTIPROCESSING
from pumasi_bench.samples import Sample, Unit
from pumasi_bench.session import Session
from pumasi_bench.targets import Target, times_the_rate

_INTS = 50_000
_TRIPS = 5_000
_ARRAYS = 400
_BYTES = 1 << 20


def run(session: Session) -> None:
    """One sender, one receiver, both with nothing else to do."""
    rows: list[tuple[str, Unit, Callable[[ModuleType], float], Target | None]] = [
        ("Queue of ints, one to one", "M/s", _ints, times_the_rate(10)),
        ("Queue, an int there and back, one way", "ns", _trips, None),
    ]
    with suppress(ImportError):
        import numpy as np

        array = np.ones(_BYTES, dtype="u1")
        rows.append(
            (
                "Queue of 1 MB NumPy arrays",
                "GB/s",
                lambda library: _arrays(library, array),
                times_the_rate(18),
            )
        )
    for title, unit, measure, target in rows:
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(session.effort.contention_rounds):
            for library, taken in ((session.library, ours), (multiprocessing, theirs)):
                taken.append(measure(library))
        session.add(
            title,
            Sample(session.name, unit, tuple(ours)),
            Sample(MULTIPROCESSING, unit, tuple(theirs)),
            target,
        )


def _ints(library: ModuleType) -> float:
    def send(queue: Any) -> None:
        for i in range(_INTS):
            queue.put(i)

    return _INTS / _seconds(library, _take, _INTS, send) / 1e6


def _arrays(library: ModuleType, array: Any) -> float:
    def send(queue: Any) -> None:
        for _ in range(_ARRAYS):
            queue.put(array)

    return _ARRAYS * array.nbytes / _seconds(library, _take, _ARRAYS, send, 8) / 1e9


def _take(queue: Any, answers: Any, count: int) -> None:
    answers.put(None)
    for _ in range(count):
        queue.get()
    answers.put(None)


def _seconds(
    library: ModuleType,
    receive: Callable[..., None],
    count: int,
    send: Callable[[Any], None],
    bound: int = 0,
) -> float:
    """From the first put until the last item has been taken; the receiver waits already."""
    context = library.get_context("fork")
    queue, answers = context.Queue(bound), context.Queue()
    receiver = context.Process(target=receive, args=(queue, answers, count), daemon=True)
    receiver.start()
    answers.get()
    began = perf_counter()
    send(queue)
    answers.get()
    taken = perf_counter() - began
    receiver.join()
    return taken


def _trips(library: ModuleType) -> float:
    context = library.get_context("fork")
    there, back = context.Queue(), context.Queue()
    echo = context.Process(target=_echo, args=(there, back), daemon=True)
    echo.start()
    there.put(0)
    back.get()
    began = perf_counter()
    for i in range(_TRIPS):
        there.put(i)
        back.get()
    taken = perf_counter() - began
    there.put(None)
    echo.join()
    return taken / _TRIPS / 2 * 1e9


def _echo(there: Any, back: Any) -> None:
    for item in iter(there.get, None):
        back.put(item)
