"""The session's side of the host processes: starts them, commands them, looks on, ends them."""

from __future__ import annotations

import contextlib
import pickle
import time
from dataclasses import dataclass, field
from typing import Any

from .. import context
from . import host, system
from .variants import PROCESSES, Variant
from .ways import Pass
from .work import MeasureError, Work
from .worker import Failure

LOOK_EVERY = 0.002
"""Seconds between two glances at what the workers do."""


class TooSlow(Exception):
    """A host did not answer in time; it has been killed."""


@dataclass
class Probe:
    """What one watched run showed of a variant."""

    record: Pass
    gil_held: float | None
    shares: dict[str, float]
    memory: int | None
    lock_waits: int


@dataclass
class Host:
    """One variant's process, and everything that it has reported."""

    work: Work
    variant: Variant
    flags: Any
    start_ups: list[float] = field(default_factory=list)
    free_start_ups: list[float] = field(default_factory=list)
    placed_seconds: float = 0.0
    placed_bytes: int = 0
    runs: list[Pass] = field(default_factory=list)
    loops: int = 1
    probe: Probe | None = None

    def start(self) -> None:
        """Start the process."""
        chosen = context.default_context.get_context("fork")
        self._connection, there = chosen.Pipe()
        self._process = chosen.Process(  # type: ignore[attr-defined]
            target=host.main, args=(there, self.work, self.variant, self.flags), name="pumasi bench"
        )
        self._process.start()
        there.close()

    def open(self, timeout: float) -> None:
        """Start the variant's workers anew, and note how long that took."""
        took, free, self.placed_seconds, self.placed_bytes = self._command(timeout, "open")
        self.start_ups.append(took)
        self.free_start_ups.append(free)

    def check(self, timeout: float) -> tuple[Pass, bytes | str]:
        """Do one pass, and return its results in a pickle, or why they cannot be pickled."""
        record, packed = self._command(timeout, "check")
        return record, packed

    def run(self, timeout: float) -> Pass:
        """Do a timed run and keep its record."""
        record: Pass = self._command(timeout, "run", self.loops)
        self.runs.append(record)
        return record

    def watch(self, timeout: float, loops: int, gil: tuple[int, int] | None) -> Probe:
        """Do a run while looking at what its workers do."""
        from .. import _core

        counted, _core.heap.counting = _core.heap.counting, True
        before = _contended()
        self._connection.send(("probe", loops, self.variant.kind != PROCESSES))
        try:
            tasks = self._answer(timeout)
            shares = self._look_on([system.Glance(pid, tid, gil) for pid, tid in tasks], timeout)
            record, gil_held = self._answer(timeout)
        finally:
            _core.heap.counting = counted
        workers = [pid for pid, _ in tasks if pid != self.pid]
        self.probe = Probe(
            record,
            gil_held,
            shares,
            system.variant_memory(self.pid, workers),
            max(_contended() - before, 0),
        )
        return self.probe

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid or 0

    def end(self) -> None:
        """End the process in order, or by force."""
        if self._connection.closed:
            return
        with contextlib.suppress(OSError, EOFError, ValueError, TooSlow, MeasureError):
            self._command(5, "close")
        self._process.join(2)
        self.kill()

    def kill(self) -> None:
        """Make sure that the process has ended; its workers end with it."""
        if self._connection.closed:
            return
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()
        self._connection.close()

    def _look_on(self, glances: list[system.Glance], timeout: float) -> dict[str, float]:
        deadline = time.monotonic() + timeout
        while not self._connection.poll(LOOK_EVERY) and time.monotonic() < deadline:
            for index, glance in enumerate(glances):
                glance.look(bool(self.flags[index]))
        seen: dict[str, int] = {}
        for glance in glances:
            glance.close()
            for state, count in glance.seen.items():
                seen[state] = seen.get(state, 0) + count
        total = sum(seen.values())
        return {state: count / total for state, count in seen.items()}

    def _command(self, timeout: float, *order: Any) -> Any:
        try:
            self._connection.send(order)
        except OSError:
            raise self._died() from None
        return self._answer(timeout)

    def _answer(self, timeout: float) -> Any:
        try:
            if not self._connection.poll(max(timeout, 0.0)):
                raise TooSlow
            word, answer = self._connection.recv()
        except (EOFError, ConnectionResetError, pickle.UnpicklingError):
            raise self._died() from None
        if word == "failed":
            raise _call_failed(answer, self.variant)
        if word in ("died", "broken"):
            raise MeasureError("died", f"{self.variant.name}: {answer}")
        return answer

    def _died(self) -> MeasureError:
        self._process.join(5)
        return MeasureError(
            "died",
            f"the process which ran {self.variant.name} ended with exit code "
            f"{self._process.exitcode}; a function that exits or crashes cannot be measured",
        )


def _call_failed(failure: Failure, variant: Variant) -> MeasureError:
    where = f"\n{failure.trace}" if failure.trace else ""
    item = f" for the input {failure.item}" if failure.item else ""
    return MeasureError(
        "failed", f"{variant.name}: the function failed{item}: {failure.error}{where}"
    )


def _contended() -> int:
    from .. import _core

    return sum(int(counters.get("contended", 0)) for counters in _core.stats().values())
