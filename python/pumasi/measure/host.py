"""The process in which one variant runs, from its first pass to its last.

Every variant has a process of its own: what one leaves in memory does not weigh on another, its
peak memory is its own, and a function that hangs or crashes takes nothing else with it.  The
session commands over a pipe; an answer is a pair of a word and what it stands for.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from . import system
from .pooled import Processes, WorkerDied
from .pools import Pools
from .variants import POOL, PROCESSES, SERIAL, THREADS, Variant
from .ways import Serial, Threads, Variety
from .work import Work
from .worker import CallFailed


class GilProbe:
    """A thread which asks for the interpreter's lock about every millisecond.

    After a sleep it needs the lock to go on.  What it waited beyond the sleep, less the time for
    which it was ready and had no core, it waited for the lock.  Each question counts for as long as
    it took with its sleep, because a held lock is asked for less often.
    """

    SLEEP = 0.001
    HELD = 0.0004

    def __init__(self) -> None:
        self._stop = False
        self._held = self._all = 0.0
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> float | None:
        """Return the share of the time in which the lock was held, or None without an answer."""
        self._stop = True
        self._thread.join()
        return self._held / self._all if self._all else None

    def _ask(self) -> None:
        queued = system.Clock()
        while not self._stop:
            before, began = queued.waited(), time.perf_counter()
            time.sleep(self.SLEEP)
            took = time.perf_counter() - began
            waited = took - self.SLEEP - (queued.waited() - before)
            self._all += took
            if waited > self.HELD:
                self._held += took
        queued.close()


_VARIETIES: dict[str, type[Variety]] = {SERIAL: Serial, PROCESSES: Processes, THREADS: Threads}


def main(connection: Connection[Any, Any], work: Work, variant: Variant, flags: Any) -> None:
    """Obey the session until it closes the connection: the main function of a host."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    system.die_with_parent()
    # Collections of what the program had before would fall at random upon one run or another; what
    # was there is set aside, and the collector stays on for what the work itself makes.
    gc.collect()
    gc.freeze()
    obey = _obey(work, variant, flags)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            order, *arguments = connection.recv()
            try:
                answer = obey(connection, order, *arguments)
            except CallFailed as error:
                answer = ("failed", error.failure)
            except WorkerDied as error:
                answer = ("died", str(error))
            except Exception as error:
                answer = ("broken", f"{type(error).__name__}: {error}")
            connection.send(answer)
            if order == "close":
                return


def _obey(work: Work, variant: Variant, flags: Any) -> Callable[..., tuple[str, Any]]:
    variety: Variety | None = None

    def obey(connection: Connection[Any, Any], order: str, *arguments: Any) -> tuple[str, Any]:
        nonlocal variety
        if order == "open":
            if variety is None:
                way = Pools if variant.arguments == POOL else _VARIETIES[variant.kind]
                variety = way(work, variant, flags)
            else:
                variety.close()
            clock = system.Clock()
            before, began = clock.waited(), time.perf_counter()
            variety.open()
            took = time.perf_counter() - began
            queued = clock.waited() - before + variety.queued
            clock.close()
            free = max(took - queued, took / 10)
            return "open", (took, free, variety.placed_seconds, variety.placed_bytes)
        assert variety is not None
        if order == "check":
            record = variety.run(1)
            return "checked", (record, _packed(variety.results))
        if order == "run":
            return "ran", variety.run(*arguments)
        if order == "probe":
            loops, with_gil = arguments
            connection.send(("tasks", variety.tasks()))
            if not with_gil:
                return "ran", (variety.run(loops), None)
            probe = GilProbe()
            probe.start()
            try:
                record = variety.run(loops)
            finally:
                held = probe.stop()
            return "ran", (record, held)
        variety.close()
        return "closed", None

    return obey


def _packed(results: list[Any]) -> bytes | str:
    try:
        return bytes(ForkingPickler.dumps(results))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
