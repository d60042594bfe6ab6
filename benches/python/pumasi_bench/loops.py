"""Timing one statement: a loop long enough to measure, taken in turns with its rivals' loops.

A statement is text, compiled into a function whose parameters are the names it uses, so that they
are locals there as they would be in a fast user's function. The cost of the loop itself is measured
in the same round with ``pass`` as the statement, and subtracted. The cyclic garbage collector is
off while a loop is being timed.
"""

from __future__ import annotations

import gc
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter

from pumasi_bench.samples import Sample
from pumasi_bench.settings import Effort

Names = Mapping[str, object]
_Timed = Callable[[int], float]

_SOURCE = """\
def timed(_rounds, _clock, {names}):
    _start = _clock()
    for _ in _rounds:
{statement}
    return _clock() - _start
"""


@dataclass(frozen=True)
class Loop:
    """A contender's statement, and where it gets the objects it works on.

    ``names`` is called before every timing, untimed: a benchmark that appends starts from a new
    list each time, one that reads returns the same objects.
    """

    contender: str
    statement: str
    names: Callable[[], Names]


def always(names: Names) -> Callable[[], Names]:
    """Give the same objects before every timing, to a statement that leaves them as they were."""
    return lambda: names


def in_turns(loops: Sequence[Loop], effort: Effort) -> list[Sample]:
    """Measure the nanoseconds each statement takes, with the loops alternating: A B, A B, A B."""
    counts = [_calibrated(loop, effort.loop_seconds) for loop in loops]
    values: list[list[float]] = [[] for _ in loops]
    with garbage_collector_off():
        for _ in range(effort.rounds):
            for loop, count, taken in zip(loops, counts, values, strict=True):
                whole = _compiled(loop)(count)
                idle = _compiled(Loop("empty", "pass", dict))(count)
                taken.append(max(whole - idle, 0.0) / count * 1e9)
    return [
        Sample(loop.contender, "ns", tuple(taken))
        for loop, taken in zip(loops, values, strict=True)
    ]


@contextmanager
def garbage_collector_off() -> Iterator[None]:
    """Collect now, and then not again before the block ends."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _calibrated(loop: Loop, seconds: float) -> int:
    """How many executions take about ``seconds``."""
    count = 1
    while True:
        taken = _compiled(loop)(count)
        if taken >= seconds / 10:
            return max(1, round(count * seconds / taken))
        count *= 4


def _compiled(loop: Loop) -> _Timed:
    names = loop.names()
    source = _SOURCE.format(
        names=", ".join(names), statement=textwrap.indent(loop.statement, " " * 8)
    )
    scope: dict[str, Callable[..., float]] = {}
    exec(compile(source, f"<{loop.contender}>", "exec"), scope)
    return lambda count: scope["timed"](repeat(None, count), perf_counter, **names)
