"""A pool of two workers: many small tasks, large arrays in and out, a real work, and the start.

The workers are forked, except in the row that says otherwise.

Each contender has one pool for all rounds of a row, which has done its first work before the clock
runs; only the start is measured with new pools. A round of small tasks is one `map` with
chunksize 1, so that each is a task of its own.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter, process_time
from typing import Any

from pumasi_bench import peers
from pumasi_bench.rivals import MULTIPROCESSING
from pumasi_bench.samples import Sample, Unit
from pumasi_bench.session import Session
from pumasi_bench.targets import Target, at_least, at_most, no_slower

_WORKERS = 2
_SMALL = 10_000
_LARGE = 200
_BYTES = 1 << 20
_PRIMES = 300_000
_CHUNKS = 64
#: Starts in a round: one is short, and another each time.
_STARTS = 4


def run(session: Session) -> None:
    """In turns: ours, then the standard library's, then other libraries'."""
    numpy = importlib.import_module("numpy")
    arrays = [numpy.full(_BYTES, i % 251, dtype="u1") for i in range(_LARGE)]
    fork = session.library.get_context("fork"), multiprocessing.get_context("fork")
    with fork[0].Pool(_WORKERS) as ours, fork[1].Pool(_WORKERS) as theirs:
        with peers.pools(_WORKERS) as others:
            maps: list[tuple[str, peers.Map]] = [
                (session.name, lambda f, items: ours.map(f, items, 1)),
                (MULTIPROCESSING, lambda f, items: theirs.map(f, items, 1)),
                *others,
            ]
            operation = f"one of {_SMALL} tasks, chunksize 1"
            scale = 1e6 / _SMALL
            _rounds(session, operation, maps, _increment, range(_SMALL), "us", scale, 2)
            operation = f"{_LARGE} arguments of 1 MB"
            _rounds(session, operation, maps, _first, arrays, "ms", 1e3, 60)
            operation = f"{_LARGE} results of 1 MB"
            _rounds(session, operation, maps, _array, range(_LARGE), "ms", 1e3, 60)
    primes = f"primes below {_PRIMES} in {_CHUNKS} chunks"
    speed_ups, cores = _primes(session)
    for what, (own, *rivals) in (("speed-up", speed_ups), ("cores at work", cores)):
        for sample, target in zip(rivals, (at_least(1.95, "times"), None), strict=True):
            session.add(f"{primes}, {what}", own, sample, target)
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
    for i in range(_STARTS * session.effort.rounds + 1):
        for library, taken in zip((session.library, multiprocessing), found, strict=True):
            begin = perf_counter()
            with library.get_context(method).Pool(_WORKERS) as pool:
                pool.apply(_increment, (1,))
                if i:
                    taken.append((perf_counter() - begin) * 1e3)
    return found


def _primes(session: Session) -> tuple[list[Sample], list[Sample]]:
    """Two figures of ours, of multiprocessing, and of what the machine gives.

    How much faster than one process they are: one does the work before and after each of them, for
    on a shared machine its time is another a second later. And how many cores did the work at a
    time, its processor time by the time of the whole: what a pool makes of two cores that may both
    be slower when they work together.
    """
    size = -(-_PRIMES // _CHUNKS)
    chunks = [(n, min(n + size, _PRIMES)) for n in range(2, _PRIMES, size)]
    with ExitStack() as stack:
        ours = stack.enter_context(session.library.get_context("fork").Pool(_WORKERS))
        theirs = stack.enter_context(multiprocessing.get_context("fork").Pool(_WORKERS))
        contenders: list[tuple[str, Callable[[], Iterable[float]]]] = [
            (session.name, lambda: ours.map(_count, chunks, 1)),
            (MULTIPROCESSING, lambda: theirs.map(_count, chunks, 1)),
            ("processes alone", stack.enter_context(_processes_alone(chunks))),
        ]
        speed_ups: list[list[float]] = [[] for _ in contenders]
        cores: list[list[float]] = [[] for _ in contenders]
        before, _ = _time(lambda: map(_count, chunks))
        for _ in range(session.effort.rounds):
            for (_, work), ratios, at_work in zip(contenders, speed_ups, cores, strict=True):
                taken, spent = _time(work)
                after, _ = _time(lambda: map(_count, chunks))
                ratios.append((before + after) / 2 / taken)
                at_work.append(spent / taken)
                before = after
    names = [name for name, _ in contenders]
    return _times(names, speed_ups), _times(names, cores)


def _times(names: list[str], values: list[list[float]]) -> list[Sample]:
    return [Sample(name, "times", tuple(v)) for name, v in zip(names, values, strict=True)]


def _time(work: Callable[[], Iterable[float]]) -> tuple[float, float]:
    """How long the work takes, and what it says that its parts took of a processor."""
    begin = perf_counter()
    spent = sum(work())
    return perf_counter() - begin, spent


@contextmanager
def _processes_alone(
    chunks: list[tuple[int, int]],
) -> Iterator[Callable[[], Iterable[float]]]:
    """Processes which know their shares, dealt as evenly as can be: they only begin and end."""
    context = multiprocessing.get_context("fork")
    ends = context.SimpleQueue()
    # Like cards, there and back, for chunks become more work towards the end.
    turn = [*range(_WORKERS), *reversed(range(_WORKERS))]
    shares: list[list[tuple[int, int]]] = [[] for _ in range(_WORKERS)]
    for i, chunk in enumerate(chunks):
        shares[turn[i % len(turn)]].append(chunk)
    gates = [context.Semaphore(0) for _ in shares]

    def be(gate: Any, share: list[tuple[int, int]]) -> None:
        while gate.acquire():
            ends.put(sum(map(_count, share)))

    processes = [
        context.Process(target=be, args=pair, daemon=True)
        for pair in zip(gates, shares, strict=True)
    ]

    def work() -> Iterable[float]:
        for gate in gates:
            gate.release()
        return [ends.get() for _ in processes]

    for process in processes:
        process.start()
    try:
        yield work
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _rounds(
    session: Session,
    operation: str,
    maps: list[tuple[str, peers.Map]],
    function: Callable[[Any], Any],
    items: Iterable[Any],
    unit: Unit,
    scale: float,
    ceiling: float,
) -> None:
    """Add a row for each rival: the time of mapping a function, chunksize 1, times a scale."""
    for _, map_of in maps:
        map_of(function, items)
    taken: list[list[float]] = [[] for _ in maps]
    for _ in range(session.effort.rounds):
        for (_, map_of), values in zip(maps, taken, strict=True):
            begin = perf_counter()
            result = map_of(function, items)
            values.append((perf_counter() - begin) * scale)
            del result
    ours, *theirs = (
        Sample(name, unit, tuple(values)) for (name, _), values in zip(maps, taken, strict=True)
    )
    target: Target | None = at_most(ceiling, unit)
    for sample in theirs:
        session.add(operation, ours, sample, target)
        target = None


def _add(
    session: Session,
    operation: str,
    unit: Unit,
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


def _count(chunk: tuple[int, int]) -> float:
    """Count the primes from one number to another; what that took of a processor, in seconds."""
    begin = process_time()
    sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(*chunk))
    return process_time() - begin


def _first(array: Any) -> int:
    return int(array[0])


def _array(number: int) -> Any:
    numpy = importlib.import_module("numpy")
    return numpy.full(_BYTES, number % 251, dtype="u1")
