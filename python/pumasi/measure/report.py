"""The report: everything that was measured and concluded, as one value that becomes JSON."""

from __future__ import annotations

import dataclasses
import json
import platform
import re
from pathlib import Path
from typing import Any

from . import verdicts
from .hosts import Host
from .intervals import Estimate, estimate
from .session import Measured
from .variants import SERIAL
from .verdicts import Advice, Interpretation, Verdict


class Report:
    """What :func:`pumasi.bench` found.

    ``print(report)`` shows it as a table; ``to_dict()`` and ``to_json()`` have all numbers, and
    ``to_html()`` is a page with plots that needs nothing else.
    """

    def __init__(self, measured: Measured) -> None:
        self._interpretation = verdicts.interpret(measured)
        self._content = _content(measured, self._interpretation)

    @property
    def verdicts(self) -> list[Verdict]:
        """What binds the work, the most important first."""
        return self._interpretation.verdicts

    @property
    def advice(self) -> Advice:
        """What to use."""
        return self._interpretation.advice

    def to_dict(self) -> dict[str, Any]:
        """Return all that was measured; times are seconds, sizes bytes, shares from 0 to 1."""
        copied: dict[str, Any] = json.loads(self.to_json())
        return copied

    def to_json(self) -> str:
        """Return the same as JSON."""
        return json.dumps(self._content, allow_nan=False)

    def to_html(self, language: str = "en") -> str:
        """Return a page for browsers, in English ("en") or Korean ("ko")."""
        return self._rendered("html", language)

    def to_text(self, language: str = "en") -> str:
        """Return the table and the sentences that the command line prints."""
        return self._rendered("text", language)

    def _rendered(self, form: str, language: str) -> str:
        from .. import _core

        return _core.render_bench(self.to_json(), form, language)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        advice = self.advice
        return f"<pumasi bench of {self._content['function']}: use {advice.variant}>"


def _content(measured: Measured, found: Interpretation) -> dict[str, Any]:
    serial = measured.serial
    return {
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
        "busy": found.busy,
        "variants": [_variant(serial, host) for host in measured.hosts],
        "left_out": [
            {"name": variant.name, "code": code, "detail": detail}
            for variant, code, detail in measured.left_out
        ],
        "warnings": [{"code": code, "detail": detail} for code, detail in measured.warnings],
        "verdicts": [dataclasses.asdict(verdict) for verdict in found.verdicts],
        "advice": dataclasses.asdict(found.advice),
        "break_even": [dataclasses.asdict(each) for each in found.break_even],
        "fits": [
            {"family": family, **dataclasses.asdict(each)}
            for family, fits in found.fits.items()
            for each in fits
        ],
    }


def _variant(serial: Host, host: Host) -> dict[str, Any]:
    variant, probe = host.variant, host.probe
    shares = verdicts.profile(host)
    faster = verdicts.speedup(serial, host)
    last = host.runs[-1]
    return {
        "name": variant.name,
        "kind": variant.kind,
        "workers": variant.workers,
        "method": variant.method,
        "arguments": variant.arguments,
        "family": variant.family,
        "seconds": _estimate(estimate(run.seconds for run in host.runs)),
        "free_seconds": _estimate(verdicts.unhurried(host)),
        "speedup": _estimate(faster),
        "free_speedup": _estimate(verdicts.unhurried_speedup(serial, host)),
        "efficiency": faster.median / variant.workers,
        "start_up_seconds": None if variant.kind == SERIAL else _estimate(estimate(host.start_ups)),
        "free_start_up_seconds": None if variant.kind == SERIAL else verdicts.start_cost(host),
        "placed_seconds": host.placed_seconds,
        "placed_bytes": host.placed_bytes,
        "bytes_copied": last.bytes_sent + last.bytes_received,
        "copying_share": verdicts.copying(host),
        "serialising_seconds": estimate(
            run.serialising + sum(worker.serialising for worker in run.workers) for run in host.runs
        ).median,
        "cpu_seconds": estimate(sum(w.cpu for w in run.workers) for run in host.runs).median,
        "gil_held": probe.gil_held if probe else None,
        "lock_share": shares.lock,
        "lock_waits": probe.lock_waits if probe else 0,
        "memory_bytes": probe.memory if probe else None,
        "breakdown": dataclasses.asdict(shares),
        "loops": host.loops,
        "runs": [run.seconds for run in host.runs],
    }


def _estimate(found: Estimate) -> dict[str, Any]:
    return dataclasses.asdict(found)


def _cpu_model() -> str:
    try:
        information = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    named = re.search(r"^model name\s*:\s*(.+)$", information, re.MULTILINE)
    return named[1] if named else platform.machine()
