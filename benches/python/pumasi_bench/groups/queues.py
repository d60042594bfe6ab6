"""Queues: ints from one process to another, large arrays, a message there and back, a wake-up."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from time import perf_counter, perf_counter_ns, sleep
from types import ModuleType
from typing import Any

from pumasi_bench import peers
from pumasi_bench.rivals import MULTIPROCESSING
from pumasi_bench.samples import Sample, Unit
from pumasi_bench.session import Session
from pumasi_bench.targets import Target, at_most, no_slower, times_the_rate

_INTS = 50_000
_TRIPS = 5_000
_ARRAYS = 400
_BYTES = 1 << 20
_UNDER_WAY = 8
_WAKES = 60
#: A wake-up takes 12, 25 or 50 us as it falls, for a block of them at a time: more blocks.
_WAKE_BLOCKS = 5
#: Seconds after which whoever waits is surely asleep.
_ASLEEP = 0.002


@dataclass(frozen=True)
class _Contender:
    """Whose queue it is, and how one is made: for so many items of so many bytes at a time."""

    name: str
    make: Callable[[int, int], Any]
    finish: Callable[[Any], object] = lambda _queue: None
    target: Target | None = None


def _of(library: ModuleType, name: str, target: Target | None = None) -> _Contender:
    context = library.get_context("fork")
    return _Contender(name, lambda items, _bytes: context.Queue(items), target=target)


def _of_peers(*, prompt: bool) -> list[_Contender]:
    return [
        _Contender(
            peer.name,
            # A byte more for each item's head, and a little for pickle's words around it.
            lambda items, size, make=peer.make: make(max(1_000_000, items * (size + 4096))),
            peer.finish,
        )
        for peer in peers.queues()
        if peer.prompt or not prompt
    ]


def run(session: Session) -> None:
    """One sender, one receiver, both with nothing else to do."""
    _row(session, "Queue of ints, one to one", "M/s", _ints, times_the_rate(10), prompt=False)
    trips = "Queue, an int there and back, one way"
    pipe = _Contender(peers.PIPE, lambda _items, _bytes: peers.Pipe())
    _row(session, trips, "ns", _trips, at_most(3000, "ns"), pipe)
    semaphore = _Contender("Semaphore", lambda _items, _bytes: _Stamps(), target=no_slower())
    waking = "Queue, waking who sleeps in get()"
    _row(session, waking, "ns", _wake, None, semaphore, times=_WAKE_BLOCKS)
    with suppress(ImportError):
        import numpy as np

        array = np.ones(_BYTES, dtype="u1")
        title = "Queue of 1 MB NumPy arrays"
        _row(session, title, "GB/s", lambda one: _arrays(one, array), times_the_rate(18))


def _row(
    session: Session,
    title: str,
    unit: Unit,
    measure: Callable[[_Contender], float],
    target: Target | None,
    *others: _Contender,
    prompt: bool = True,
    times: int = 1,
) -> None:
    contenders = [
        _of(session.library, session.name),
        _of(multiprocessing, MULTIPROCESSING, target),
        *others,
        *_of_peers(prompt=prompt),
    ]
    taken: list[list[float]] = [[] for _ in contenders]
    turns = [*zip(contenders, taken, strict=True)]
    for i in range(times * session.effort.contention_rounds):
        # In another order each time: what one leaves behind (threads, memory, the share of a core
        # that it has used) is not always the same one's to bear.
        for contender, values in random.Random(i).sample(turns, len(turns)):
            values.append(measure(contender))
    ours, *theirs = (
        Sample(contender.name, unit, tuple(values))
        for contender, values in zip(contenders, taken, strict=True)
    )
    for contender, sample in zip(contenders[1:], theirs, strict=True):
        session.add(title, ours, sample, contender.target)


def _ints(contender: _Contender) -> float:
    def send(queue: Any) -> None:
        for i in range(_INTS):
            queue.put(i)

    return _INTS / _seconds(contender, _INTS, send) / 1e6


def _arrays(contender: _Contender, array: Any) -> float:
    def send(queue: Any) -> None:
        for _ in range(_ARRAYS):
            queue.put(array)

    seconds = _seconds(contender, _ARRAYS, send, _UNDER_WAY, array.nbytes)
    return _ARRAYS * array.nbytes / seconds / 1e9


def _take(queue: Any, answers: Any, count: int) -> None:
    answers.put(None)
    for _ in range(count):
        queue.get()
    answers.put(None)


def _seconds(
    contender: _Contender,
    count: int,
    send: Callable[[Any], None],
    bound: int = 0,
    size: int = 0,
) -> float:
    """From the first put until the last item has been taken; the receiver waits already."""
    context = multiprocessing.get_context("fork")
    queue, answers = contender.make(bound, size), context.SimpleQueue()
    receiver = context.Process(target=_take, args=(queue, answers, count), daemon=True)
    receiver.start()
    answers.get()
    began = perf_counter()
    send(queue)
    contender.finish(queue)
    answers.get()
    taken = perf_counter() - began
    receiver.join()
    return taken


def _trips(contender: _Contender) -> float:
    context = multiprocessing.get_context("fork")
    there, back = contender.make(0, 0), contender.make(0, 0)
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


class _Stamps:
    """A number in shared memory, and a semaphore of multiprocessing's that tells of it."""

    def __init__(self) -> None:
        self._number = multiprocessing.RawValue("q")
        self._there = multiprocessing.Semaphore(0)

    def put(self, number: int) -> None:
        self._number.value = number
        self._there.release()

    def get(self) -> int:
        self._there.acquire()
        return self._number.value


def _wake(contender: _Contender) -> float:
    """The median time from before a put of an int until a sleeper has it."""
    context = multiprocessing.get_context("fork")
    queue, answers = contender.make(0, 0), context.SimpleQueue()
    sleeper = context.Process(target=_note, args=(queue, answers), daemon=True)
    sleeper.start()
    for _ in range(_WAKES):
        sleep(_ASLEEP)
        queue.put(perf_counter_ns())
    taken = answers.get()
    sleeper.join()
    return float(median(taken))


def _note(queue: Any, answers: Any) -> None:
    # The clock is the same in all processes.
    answers.put([-queue.get() + perf_counter_ns() for _ in range(_WAKES)])
