"""What the numbers mean: concluded by the Rust library, from a record of what was measured.

The same rules are `pumasi::bench`'s: what binds the work, which way to do it pays, from how many
items on, and how it scales.  Here the record is written down, and two parts of the report get a
type.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import _core
from .hosts import Host
from .session import Measured


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


def conclude(measured: Measured) -> dict[str, Any]:
    """Return the report of a measurement: all numbers, and what follows from them."""
    record = {
        "function": measured.work.name,
        "items": len(measured.work.inputs),
        "cores": measured.cores,
        "machine": {
            "cpu": _cpu_model(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "budget": measured.options.budget,
        "seconds": measured.seconds,
        "rounds": measured.rounds,
        "hosts": [_series(host) for host in measured.hosts],
        "left_out": [
            {"name": variant.name, "code": code, "detail": detail}
            for variant, code, detail in measured.left_out
        ],
        "warnings": [{"code": code, "detail": detail} for code, detail in measured.warnings],
        "reference": measured.reference,
    }
    report: dict[str, Any] = json.loads(_core.bench_conclude(json.dumps(record, allow_nan=False)))
    return report


def _series(host: Host) -> dict[str, Any]:
    return {
        "variant": dataclasses.asdict(host.variant),
        "start_ups": host.start_ups,
        "free_start_ups": host.free_start_ups,
        "placed_seconds": host.placed_seconds,
        "placed_bytes": host.placed_bytes,
        "runs": [dataclasses.asdict(run) for run in host.runs],
        "loops": host.loops,
        "probe": None if host.probe is None else dataclasses.asdict(host.probe),
    }


def _cpu_model() -> str:
    try:
        information = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    named = re.search(r"^model name\s*:\s*(.+)$", information, re.MULTILINE)
    return named[1] if named else platform.machine()
