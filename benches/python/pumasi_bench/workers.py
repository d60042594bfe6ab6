"""Several processes doing the same thing at the same time, for a fixed while.

A fixed while and not a fixed number of operations: otherwise the first to finish leaves the others
uncontended, and part of the run measures something else. All clocks are the system's monotonic one,
which every process reads alike.
"""

from __future__ import annotations

import gc
import multiprocessing
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from time import monotonic, sleep
from types import ModuleType
from typing import Any

_HEADSTART = 0.02
_PATIENCE = 10.0


class BenchmarkError(Exception):
    """A benchmark did not run to its end, so that there is no number to print."""


@dataclass(frozen=True)
class Window:
    """When to begin and when to stop, in seconds of the monotonic clock."""

    start: float
    end: float


def at_the_same_time(
    library: ModuleType,
    processes: int,
    seconds: float,
    work: Callable[[Window, Any], Any],
    shared: Any,
) -> list[Any]:
    """Return what ``work(window, shared)`` gave in each of so many forked processes of ``library``.

    Raises BenchmarkError when one raised or did not answer within ten seconds after the end.
    """
    context = library.get_context("fork")
    started = []
    try:
        for _ in range(processes):
            # Of the standard library for every contender: it only carries start and result.
            here, there = multiprocessing.Pipe()
            process = context.Process(target=_worker, args=(there, work, shared), daemon=True)
            process.start()
            there.close()
            started.append((process, here))
        return _answers([here for _, here in started], seconds)
    finally:
        for process, here in started:
            here.close()
            process.join(1.0)
            if process.is_alive():
                process.kill()
                process.join()


def _answers(connections: list[Connection[Any, Any]], seconds: float) -> list[Any]:
    for connection in connections:
        _receive(connection, _PATIENCE)
    start = monotonic() + _HEADSTART
    for connection in connections:
        connection.send(Window(start, start + seconds))
    return [_receive(connection, seconds + _PATIENCE) for connection in connections]


def _receive(connection: Connection[Any, Any], timeout: float) -> Any:
    if not connection.poll(timeout):
        raise BenchmarkError(f"a worker process did not answer within {timeout:g} s")
    try:
        worked, answer = connection.recv()
    except EOFError:
        raise BenchmarkError("a worker process died") from None
    if not worked:
        raise BenchmarkError(f"a worker process raised:\n{answer}")
    return answer


def _worker(
    connection: Connection[Any, Any], work: Callable[[Window, Any], Any], shared: Any
) -> None:
    gc.disable()
    connection.send((True, "ready"))
    window = connection.recv()
    try:
        sleep(max(0.0, window.start - monotonic() - 0.002))
        while monotonic() < window.start:
            pass
        connection.send((True, work(window, shared)))
    except BaseException:
        connection.send((False, traceback.format_exc()))
