"""What the numbers mean: what binds the work, which way to do it pays, and from how many items on.

Nothing here goes by the wall clock alone, which on a busy machine measures the others.  A thread's
life is time on a core, time ready without one, and time asleep; what it slept in was looked at from
outside.  So a verdict says what the work does, also where everything takes three times as long as
it would on an idle machine.  ``Pass.unhurried`` is the wall clock less the time without a core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from .hosts import Host
from .intervals import Estimate, estimate, ratio
from .scaling import Fit, break_even, fit
from .session import Measured
from .variants import PICKLED, PROCESSES, THREADS

WAITS_BELOW = 0.5
"""A work that is on a core for less than this share of its time waits for something."""
GIL_ABOVE = 0.7
GIL_BELOW = 0.4
LOCK_ABOVE = 0.25
COPYING_ABOVE = 0.3
INFLATED = 1.3
WORTH = 1.15
"""Gains below this are not worth a second way of doing things."""
MEASURABLE = 0.002
"""Seconds on a core below which what a pass takes is partly our own bookkeeping."""


@dataclass(frozen=True)
class Verdict:
    """One finding: its code, how much of the time it stands for, and the numbers it rests on."""

    code: str
    share: float
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Advice:
    """What to use.

    ``gain`` is the expected speed-up over the serial program for exactly these inputs, with the
    start-up paid; ``warm_gain`` without it, as in a pool that is kept.
    """

    use: str
    variant: str
    workers: int
    gain: float
    warm_gain: float
    worth_it: bool


@dataclass(frozen=True)
class BreakEven:
    """How many items must there be before a variant pays, or None where no number is enough.

    ``at_least`` marks a number that follows from the start-up alone, as if the work were divided
    without loss: these inputs were too few to measure the loss.
    """

    variant: str
    items: float | None
    at_least: bool


@dataclass(frozen=True)
class Interpretation:
    """All that was concluded from one measurement; the first verdict matters most."""

    verdicts: list[Verdict]
    advice: Advice
    break_even: list[BreakEven]
    fits: dict[str, list[Fit]]
    busy: float


@dataclass(frozen=True)
class Profile:
    """Where one variant's time went, as shares of its workers' time."""

    computing: float
    no_core: float
    gil: float
    lock: float
    sleep: float
    io: float
    serialising: float
    idle: float


def unhurried(host: Host) -> Estimate:
    """Estimate a variant's seconds per pass, less the time for which it had no core."""
    return estimate(run.unhurried for run in host.runs)


def speedup(serial: Host, host: Host) -> Estimate:
    """Estimate the speed-up by the clock, from the rounds in which both ran."""
    return ratio([run.seconds for run in serial.runs], [run.seconds for run in host.runs])


def unhurried_speedup(serial: Host, host: Host) -> Estimate:
    """Estimate the speed-up on a machine that is free."""
    return ratio([run.unhurried for run in serial.runs], [run.unhurried for run in host.runs])


def profile(host: Host) -> Profile:
    """Divide the time of a variant's workers by what they did in it."""
    runs = [*host.runs, host.probe.record] if host.probe else host.runs
    workers = host.variant.workers
    total = sum(run.seconds for run in runs) * workers

    def part(name: str) -> float:
        return math.fsum(getattr(worker, name) for run in runs for worker in run.workers)

    wall, cpu, waited = part("wall"), part("cpu"), part("waited")
    serialising = min(part("serialising"), cpu)
    asleep = max(wall - cpu - waited, 0.0)
    shares = host.probe.shares if host.probe else {}
    known = {state: shares.get(state, 0.0) for state in ("gil", "lock", "sleep", "io")}
    seen = sum(known.values())
    slept = {state: asleep * share / seen if seen else 0.0 for state, share in known.items()}
    if not seen:
        slept["io"] = asleep
    parts = {
        "computing": cpu - serialising,
        "no_core": min(waited, total),
        **slept,
        "serialising": serialising,
    }
    used = sum(parts.values())
    parts["idle"] = max(total - used, 0.0)
    whole = max(total, used) or 1.0
    return Profile(**{name: seconds / whole for name, seconds in parts.items()})


def interpret(measured: Measured) -> Interpretation:
    """Conclude what there is to conclude."""
    serial = measured.serial
    busy = _share_without_core(serial)
    verdicts = _verdicts(measured)
    advice = _advice(measured)
    if not advice.worth_it and not any(v.code in ("lock", "start-up") for v in verdicts):
        too_small = _too_small(measured)
        if too_small is not None:
            # What else was seen is the harness's doing as much as the work's.
            verdicts = [too_small, *(v for v in verdicts if v.code == "waiting")]
    waits = any(verdict.code == "waiting" for verdict in verdicts)
    small = verdicts[0].code == "too-small"
    return Interpretation(
        verdicts,
        advice,
        [_break_even(measured, host) for host in _parallel(measured, PROCESSES)],
        {} if small else _fits(measured, every_count=waits),
        busy,
    )


def _share_without_core(host: Host) -> float:
    waited = sum(worker.waited for run in host.runs for worker in run.workers)
    return waited / (sum(run.seconds for run in host.runs) or 1.0)


def _verdicts(measured: Measured) -> list[Verdict]:
    found = []
    on_core = _on_core(measured.serial)
    lock = _lock(measured)
    if lock is not None:
        found.append(lock)
    probe = measured.serial.probe
    gil = probe.gil_held if probe and probe.gil_held is not None else 0.0
    if on_core < WAITS_BELOW:
        shares = profile(measured.serial)
        numbers = {"sleep": shares.sleep, "io": shares.io, "on_core": on_core}
        found.append(Verdict("waiting", 1 - on_core, numbers))
    elif gil >= GIL_ABOVE:
        found.append(Verdict("gil", gil, {"threads_waiting": _threads_waiting(measured)}))
    elif gil >= GIL_BELOW:
        found.append(Verdict("gil-partly", gil, {"threads_waiting": _threads_waiting(measured)}))
    else:
        itself = _own_parallelism(measured.serial)
        if itself >= 1.3:
            found.append(Verdict("parallel-itself", itself, {"cores": itself}))
        else:
            found.append(Verdict("releases-gil", 1 - gil, {"gil": gil}))
    memory = _memory(measured) if on_core >= WAITS_BELOW else None
    if memory is not None:
        found.append(memory)
    copying = _copying(measured)
    if copying is not None:
        found.append(copying)
    start_up = _start_up(measured)
    if start_up is not None:
        found.append(start_up)
    return found


def _on_core(host: Host) -> float:
    """The share of the time with a core at hand in which the work used it."""
    runs = [*host.runs, host.probe.record] if host.probe else host.runs
    cpu = sum(worker.cpu for run in runs for worker in run.workers)
    ready = sum(max(w.wall - w.waited, w.cpu) for run in runs for w in run.workers)
    return cpu / ready if ready else 1.0


def _own_parallelism(host: Host) -> float:
    """How many cores a single call keeps busy by itself."""
    thread = sum(worker.cpu for run in host.runs for worker in run.workers)
    if thread < len(host.runs) * MEASURABLE:
        return 1.0
    return sum(run.process_cpu for run in host.runs) / thread if thread else 1.0


def _parallel(measured: Measured, kind: str | None = None) -> list[Host]:
    return [
        host
        for host in measured.hosts
        if host.variant.workers > 1 and kind in (None, host.variant.kind)
    ]


def _lock(measured: Measured) -> Verdict | None:
    """A lock binds when workers wait for it in most of the ways to do the work side by side."""
    shares = sorted(
        ((_on_locks(host), host) for host in _parallel(measured)), key=lambda pair: pair[0]
    )
    if not shares:
        return None
    share, host = shares[(len(shares) - 1) // 2]
    if share < LOCK_ABOVE:
        return None
    waits = host.probe.lock_waits if host.probe else 0
    return Verdict("lock", share, {"variant": host.variant.name, "contended": waits})


def _on_locks(host: Host) -> float:
    """The share of the time with work and with a core at hand that workers wait for locks."""
    shares = profile(host)
    able = 1 - shares.no_core - shares.idle
    return shares.lock / able if able > 0.01 else 0.0


def _threads_waiting(measured: Measured) -> float | None:
    """The share of their time for which two or more threads waited for the interpreter's lock."""
    threads = _parallel(measured, THREADS)
    return profile(threads[0]).gil if threads else None


def _memory(measured: Measured) -> Verdict | None:
    """Memory binds when the same work takes more time on a core where several do it at once."""
    reference = measured.reference
    if len(reference) < 2 or _cpu(measured.serial) < MEASURABLE:
        return None
    most = max(reference)
    shared = reference[most] / reference[1]
    worst: tuple[float, Host] | None = None
    for host in _parallel(measured):
        if host.variant.workers > measured.cores or host.variant.arguments == PICKLED:
            continue
        one = _cpu(measured.serial)
        inflated = _cpu(host) / one if one else 1.0
        if worst is None or inflated < worst[0]:
            worst = inflated, host
    if worst is None or worst[0] < INFLATED or worst[0] - 1 < 2 * (shared - 1):
        return None
    numbers = {"variant": worst[1].variant.name, "inflated": worst[0], "reference": shared}
    return Verdict("memory", 1 - 1 / worst[0], numbers)


def _cpu(host: Host) -> float:
    """Seconds on a core that one pass takes, all workers together."""
    return estimate(sum(worker.cpu for worker in run.workers) for run in host.runs).median


def copying(host: Host) -> float:
    """The share of a pass in which somebody pickled, unpickled, or moved bytes."""
    workers = host.variant.workers
    spent = estimate(
        run.serialising
        + run.moving
        + sum(worker.serialising + worker.moving for worker in run.workers) / workers
        for run in host.runs
    ).median
    return min(spent / (estimate(run.seconds for run in host.runs).median or 1.0), 1.0)


def _copying(measured: Measured) -> Verdict | None:
    hosts = [h for h in measured.hosts if h.variant.arguments == PICKLED]
    if not hosts:
        return None
    host = max(hosts, key=lambda each: each.variant.workers)
    share = copying(host)
    moved = max(run.bytes_sent + run.bytes_received for run in host.runs)
    if share < COPYING_ABOVE or moved < 64 * 1024:
        return None
    return Verdict("copying", share, {"variant": host.variant.name, "bytes": moved})


def start_cost(host: Host) -> float:
    """Seconds before a variant can begin on a free machine; of several starts the quickest."""
    return min(host.free_start_ups, default=0.0) + host.placed_seconds


def pass_seconds(measured: Measured, host: Host) -> float:
    """Seconds of a pass on a free machine.

    By the clock where there are more workers than cores, and where workers wait for a lock: then
    whoever has no core keeps the others waiting, and the times without a core do not lie side by
    side.
    """
    workers = host.variant.workers
    if workers > measured.cores or (workers > 1 and _on_locks(host) > LOCK_ABOVE):
        return estimate(run.seconds for run in host.runs).median
    return unhurried(host).median


def _start_up(measured: Measured) -> Verdict | None:
    """Start-up binds when a variant wins with its workers ready, and loses with their start."""
    serial = pass_seconds(measured, measured.serial)
    for host in _parallel(measured, PROCESSES):
        done, start = pass_seconds(measured, host), start_cost(host)
        if serial > 0.001 and done * WORTH < serial < (start + done) * WORTH:
            share = start / (start + done)
            return Verdict("start-up", share, {"variant": host.variant.name, "seconds": start})
    return None


def _advice(measured: Measured) -> Advice:
    serial_host = measured.serial
    serial = pass_seconds(measured, serial_host)
    best, best_cost = serial_host, serial
    held = _held_by_gil(measured)
    for host in sorted(measured.hosts, key=_complexity):
        if held and host.variant.kind == THREADS:
            continue  # A gain that cannot be is noise.
        cost = start_cost(host) + pass_seconds(measured, host)
        if host is not serial_host and cost * WORTH < best_cost:
            best, best_cost = host, cost
    worth_it = best is not serial_host and best_cost * WORTH <= serial
    if not worth_it:
        best, best_cost = serial_host, serial
    done = pass_seconds(measured, best) or 1e-9
    variant = best.variant
    return Advice(
        variant.kind,
        variant.name,
        variant.workers,
        serial / (best_cost or 1e-9),
        serial / done,
        worth_it,
    )


def _held_by_gil(measured: Measured) -> bool:
    probe = measured.serial.probe
    gil = probe.gil_held if probe and probe.gil_held is not None else 0.0
    return gil >= GIL_ABOVE and _on_core(measured.serial) >= WAITS_BELOW


def _complexity(host: Host) -> tuple[int, int]:
    order = {"serial": 0, THREADS: 1, PROCESSES: 2}
    return order[host.variant.kind], host.variant.workers


def _too_small(measured: Measured) -> Verdict | None:
    """The work is too small when the cheapest start of others takes longer than half of it."""
    serial = pass_seconds(measured, measured.serial)
    costs = [
        start_cost(host) + max(pass_seconds(measured, host) - serial / host.variant.workers, 0)
        for host in _parallel(measured)
        if not (host.variant.kind == THREADS and _held_by_gil(measured))
    ]
    if not costs or min(costs) < serial * 0.4:
        return None
    return Verdict("too-small", 1.0, {"serial_seconds": serial, "cheapest_start": min(costs)})


def _break_even(measured: Measured, host: Host) -> BreakEven:
    items = len(measured.work.inputs)
    serial = pass_seconds(measured, measured.serial) / items
    done = pass_seconds(measured, host) / items
    start = start_cost(host)
    name, workers = host.variant.name, host.variant.workers
    if done * WORTH < serial and serial * items > 0.001:
        return BreakEven(name, max(break_even(start, serial, done) or 0.0, 1.0), False)
    if serial * items < 2 * start:
        ideal = break_even(start, serial, serial / workers)
        return BreakEven(name, ideal, True)
    return BreakEven(name, None, False)


def _fits(measured: Measured, every_count: bool) -> dict[str, list[Fit]]:
    families: dict[str, dict[int, Host]] = {}
    for host in measured.hosts[1:]:
        if host.variant.kind == THREADS and _held_by_gil(measured):
            continue  # They take turns, which is all there is to say.
        if every_count or host.variant.workers <= measured.cores:
            families.setdefault(host.variant.family, {})[host.variant.workers] = host
    fits = {}
    for family, hosts in families.items():
        values: dict[int, list[float]] = {}
        base = 1.0
        if 1 in hosts:
            one = [run.unhurried for run in hosts[1].runs]
            base = unhurried_speedup(measured.serial, hosts[1]).median
            for workers, host in sorted(hosts.items()):
                values[workers] = [
                    first / run.unhurried for first, run in zip(one, host.runs, strict=False)
                ]
        fits[family] = fit(values, base)
    return fits
