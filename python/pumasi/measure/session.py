"""One measurement from the first look to the last round.

The order of things: one pass in series, to see that the function works, how long it takes and
whether a second pass gives the same; a watched run, to see what it waits for; the other variants,
each checked against the serial results and watched once; and then rounds in which every variant
runs once, in an order that is shuffled anew, so that whatever happens to the machine happens to
all.  The rounds end when every interval is narrow, or when the budget is spent.
"""

from __future__ import annotations

import math
import pickle
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.reduction import ForkingPickler
from typing import Any

from .. import context
from . import system, work
from .hosts import Host, TooSlow
from .intervals import FEWEST, estimate
from .variants import (
    NATIVE,
    PICKLED,
    POOL,
    PROCESSES,
    SERIAL,
    SHARED,
    THREADS,
    Variant,
    worker_counts,
)
from .work import MeasureError, Work

LEAST_PATIENCE = 5.0
"""Seconds for which one pass is waited for at least, however small the budget is."""

Tell = Callable[[str, float], None]
"""Is told what is done now, and which share of the budget is spent."""


@dataclass(frozen=True)
class Options:
    """How a measurement is made.

    ``budget`` seconds are spent at most (one pass that takes longer is an error), ``precision`` is
    half the width of an interval, as a share of the median, at which it is narrow enough.
    """

    workers: Sequence[int] | None = None
    kinds: Sequence[str] = (THREADS, PROCESSES)
    methods: Sequence[str] | None = None
    arguments: Sequence[str] | None = None
    budget: float = 20.0
    precision: float = 0.02
    shortest_run: float = 0.02
    most_rounds: int = 60


@dataclass
class Measured:
    """What a session has found, before anybody thinks about it."""

    work: Work
    options: Options
    cores: int
    hosts: list[Host]
    left_out: list[tuple[Variant, str, str]]
    warnings: list[tuple[str, str]]
    rounds: int
    seconds: float
    reference: dict[int, float] = field(default_factory=dict)

    @property
    def serial(self) -> Host:
        """The variant that all others are compared with."""
        return self.hosts[0]


class Session:
    """Measures one work."""

    def __init__(self, measured_work: Work, options: Options, tell: Tell | None) -> None:
        self._work, self._options = measured_work, options
        self._tell = tell or (lambda what, share: None)
        self._began = time.monotonic()
        self._cores = system.usable_cores()
        self._gil = system.interpreter_lock()
        self._hosts: list[Host] = []
        self._left_out: list[tuple[Variant, str, str]] = []
        self._warnings: list[tuple[str, str]] = []
        # Which workers are at work, for those who look on; in shared memory of every start method.
        self._flags = context.default_context.RawArray("B", 1024)
        self._expected: list[Any] | None = None

    def measure(self) -> Measured:
        """Do it all, and leave no process behind."""
        try:
            self._look_at_serial()
            self._open_variants()
            reference = self._reference()
            rounds = self._rounds()
        except TooSlow:
            raise MeasureError(
                "too-slow",
                "the function came to a stop in a later pass than the first: does it wait for "
                "something that is there only once?",
            ) from None
        finally:
            for host in self._hosts:
                if host in self._alive:
                    host.end()
        return Measured(
            self._work,
            self._options,
            self._cores,
            self._hosts,
            self._left_out,
            self._warnings,
            rounds,
            time.monotonic() - self._began,
            reference,
        )

    @property
    def _alive(self) -> list[Host]:
        return [host for host in self._hosts if hasattr(host, "_process")]

    def _spent(self) -> float:
        return time.monotonic() - self._began

    def _left(self) -> float:
        return self._options.budget - self._spent()

    def _say(self, what: str) -> None:
        self._tell(what, min(self._spent() / self._options.budget, 1.0))

    def _start(self, variant: Variant, measured_work: Work | None = None) -> Host:
        host = Host(measured_work or self._work, variant, self._flags)
        host.start()
        return host

    def _look_at_serial(self) -> None:
        self._say(SERIAL)
        host = self._start(Variant(SERIAL))
        self._hosts.append(host)
        budget = self._options.budget
        patience = max(budget, LEAST_PATIENCE)
        try:
            host.open(patience)
            first, packed = host.check(patience)
        except TooSlow:
            host.kill()
            raise MeasureError(
                "too-slow",
                f"one pass over {len(self._work.inputs)} inputs had not ended after "
                f"{patience:g} s: give fewer or smaller inputs, or a larger budget",
            ) from None
        seconds = first.seconds
        if isinstance(packed, str):
            self._warnings.append(("unpicklable", packed))
        else:
            self._expected = pickle.loads(packed)
        if seconds < budget / 8:
            second, again = host.check(patience)
            seconds = min(seconds, second.seconds)
            if isinstance(again, bytes):
                self._compare(pickle.loads(again), "not-deterministic", SERIAL)
        else:
            self._warnings.append(("long-pass", f"{seconds:.3g}"))
        self._calibrate(host, seconds)
        host.watch(patience, self._watched_loops(seconds), self._gil)

    def _calibrate(self, host: Host, seconds: float) -> None:
        host.loops = max(1, min(10_000, math.ceil(self._options.shortest_run / max(seconds, 1e-7))))

    def _watched_loops(self, seconds: float) -> int:
        """How many passes give enough glances, within a fortieth of the budget."""
        wanted = min(0.2, self._options.budget / 40)
        return max(1, min(20_000, math.ceil(wanted / max(seconds, 1e-7))))

    def _compare(self, results: list[Any], code: str, variant: str) -> None:
        if self._expected is None or any(found == code for found, _ in self._warnings):
            return
        for index, (one, other) in enumerate(zip(self._expected, results, strict=True)):
            if not work.same(one, other):
                item = work.brief(self._work.inputs[index], 30)
                self._warnings.append(
                    (code, f"{variant}: {item} -> {work.brief(one, 30)}, {work.brief(other, 30)}")
                )
                return

    def _plan(self) -> list[Variant]:
        options, items = self._options, len(self._work.inputs)
        counts = list(options.workers or worker_counts(self._cores))
        variants = []
        if THREADS in options.kinds:
            threads = counts
            if options.workers is None and self._waits():
                # Who waits needs no core: more threads than cores may pay.
                threads = sorted({*counts, 4, 8})
            variants += [Variant(THREADS, k) for k in threads if k <= max(items, 1)]
        if PROCESSES in options.kinds:
            for method in options.methods or [context.default_context.get_start_method()]:
                for arguments in self._arguments():
                    variants += [
                        Variant(PROCESSES, k, method, arguments) for k in counts if k <= items
                    ]
        # The most telling first, in case the budget does not suffice for all: as many workers as
        # there are cores, of each kind; then one worker; then the numbers between and beyond.
        order = {min(self._cores, max(counts)): 0, 1: 1}
        if self._waits():
            order = {max(variant.workers for variant in variants): 0, **order}
        return sorted(variants, key=lambda variant: order.get(variant.workers, 2))

    def _waits(self) -> bool:
        serial = self._hosts[0].probe
        if serial is None:
            return False
        spent = serial.record.workers[0]
        return spent.cpu < 0.5 * max(spent.wall - spent.waited, spent.cpu)

    def _arguments(self) -> list[str]:
        inputs, asked = self._work.inputs, self._options.arguments
        offered = [PICKLED, POOL]
        if work.viewable(inputs):
            offered.append(SHARED)
        if not self._work.star and work.natively_stored(inputs):
            offered.append(NATIVE)
        if asked is None:
            return offered
        for wanted in asked:
            if wanted not in offered:
                reason = {
                    SHARED: "the inputs are no NumPy arrays",
                    NATIVE: "a List stores these inputs as pickles",
                }[wanted]
                self._left_out.append((Variant(PROCESSES, 1, None, wanted), "arguments", reason))
        return [each for each in offered if each in asked]

    def _open_variants(self) -> None:
        serial = self._hosts[0]
        assert serial.probe is not None
        pass_seconds = serial.probe.record.seconds
        for number, variant in enumerate(self._plan()):
            if variant.kind == PROCESSES and (refusal := self._cannot(variant)):
                self._left_out.append((variant, *refusal))
                continue
            if number >= 2 and self._left() < self._options.budget / 4:
                self._left_out.append((variant, "budget", f"{self._options.budget:g}"))
                continue
            self._say(variant.name)
            # Another way may cost more, but not without end.
            patience = max(self._left() / 2, LEAST_PATIENCE, 2 * pass_seconds)
            host = self._start(variant)
            try:
                self._open(host, patience)
            except TooSlow:
                host.kill()
                self._left_out.append((variant, "too-slow", f"{patience:.3g}"))
            except MeasureError as error:
                host.kill()
                if error.code == "failed":
                    # What works in series and fails here is a finding about this variant.
                    self._left_out.append((variant, "failed", str(error)))
                    continue
                raise
            except BaseException:
                host.kill()
                raise
            else:
                self._hosts.append(host)
        self._hosts[1:] = sorted(
            self._hosts[1:],
            key=lambda host: (
                host.variant.kind != THREADS,
                host.variant.method or "",
                host.variant.arguments or "",
                host.variant.workers,
            ),
        )

    def _cannot(self, variant: Variant) -> tuple[str, str] | None:
        copied = variant.arguments in (PICKLED, POOL)
        if self._expected is None and copied:
            reason = next(text for code, text in self._warnings if code == "unpicklable")
            return "result-not-picklable", reason
        if variant.method != "fork" and (unsendable := self._work.unpicklable()):
            return "function-not-picklable", unsendable
        if copied:
            try:
                ForkingPickler.dumps(self._work.inputs)
            except Exception as error:
                return "input-not-picklable", f"{type(error).__name__}: {error}"
        return None

    def _open(self, host: Host, patience: float) -> None:
        host.open(patience)
        first, packed = host.check(patience)
        if isinstance(packed, bytes):
            self._compare(pickle.loads(packed), "different", host.variant.name)
        if host.variant.kind == PROCESSES and host.start_ups[0] * 2 < self._left() / 20:
            # Started anew, twice, to know what a start costs; forked workers are cheap.
            host.open(patience)
            host.open(patience)
            first, _ = host.check(patience)
        self._calibrate(host, first.seconds)
        host.watch(patience, self._watched_loops(first.seconds), self._gil)

    def _reference(self) -> dict[int, float]:
        """Measure how much more time on a core the same arithmetic takes on several cores at once.

        That is what the cores share with each other (hyper-threads, a clock that slows down); a
        work which loses more than this loses it in memory.
        """
        most = max(
            (h.variant.workers for h in self._hosts if h.variant.kind == PROCESSES), default=1
        )
        most = min(most, self._cores)
        if most < 2 or self._left() < 1:
            return {}
        self._say("reference")
        taken: dict[int, list[float]] = {1: [], most: []}
        hosts = []
        try:
            for count in taken:
                spin = Work("reference", _spin, [60_000] * count)
                host = self._start(Variant(PROCESSES, count, "fork", PICKLED), spin)
                hosts.append(host)
                host.open(30)
                host.check(30)
            for _ in range(5):
                for host in hosts:
                    record = host.run(30)
                    taken[host.variant.workers].append(max(w.cpu for w in record.workers))
        except TooSlow:
            return {}
        finally:
            for host in hosts:
                host.end()
        return {count: estimate(values).median for count, values in taken.items()}

    def _rounds(self) -> int:
        generator = random.Random(1)
        order = list(self._hosts)
        rounds = 0
        while rounds < self._options.most_rounds:
            generator.shuffle(order)
            began = time.monotonic()
            for host in order:
                self._say(host.variant.name)
                try:
                    host.run(max(self._left(), LEAST_PATIENCE) + self._options.budget)
                except TooSlow:
                    host.kill()
                    raise MeasureError(
                        "too-slow",
                        f"{host.variant.name} came to a stop: a run like others before had not "
                        f"ended after {self._options.budget:g} s",
                    ) from None
            rounds += 1
            if rounds >= FEWEST and self._precise():
                break
            # One more round must fit in; the first is made whatever it takes.
            if self._left() < time.monotonic() - began:
                break
        return rounds

    def _precise(self) -> bool:
        return all(
            estimate(run.seconds for run in host.runs).precision <= self._options.precision
            for host in self._hosts
        )


def _spin(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total ^= number
    return total


def measure(measured_work: Work, options: Options, tell: Tell | None = None) -> Measured:
    """Measure a work."""
    return Session(measured_work, options, tell).measure()
