"""The Rust benchmarks: run the programs in ``benches/rust``, their rows go into the same table."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pumasi_bench.samples import Sample
from pumasi_bench.session import Session
from pumasi_bench.settings import QUICK
from pumasi_bench.targets import at_most

_MANIFEST = Path(__file__).resolve().parents[2] / "rust" / "Cargo.toml"
_TIMEOUT = 900
"""Seconds for a program whose processes wait for each other because one went wrong."""


def run(session: Session) -> None:
    """Measure the core beside the system's own robust mutex."""
    _program(session, ["--bin", "pumasi-bench"])


def rivals(session: Session) -> None:
    """Measure beside what a Rust programmer would take instead; their crates are built first."""
    _program(session, ["--bin", "rivals", "--features", "rivals"])


def _program(session: Session, which: Sequence[str]) -> None:
    """Build it if need be, and read the rows which it prints, each a JSON object in a line."""
    cargo = ["--release", "--locked", "--manifest-path", str(_MANIFEST), *which]
    subprocess.run(["cargo", "build", *cargo], check=True)
    options = ["--json", "--quick"] if session.effort is QUICK else ["--json"]
    command = ["cargo", "run", "--quiet", *cargo, "--", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=_TIMEOUT)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        ours, *others = [
            Sample(one["contender"], "ns", tuple(one["values"])) for one in row["samples"]
        ]
        target = None if row["at_most"] is None else at_most(row["at_most"], "ns")
        opposite: list[Sample | None] = [*others] or [None]
        for rival in opposite:
            session.add(row["operation"], ours, rival, target)
