"""The Rust benchmarks: run the program in ``benches/rust``, its rows go into the same table."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from pumasi_bench.samples import Sample
from pumasi_bench.session import Session
from pumasi_bench.settings import QUICK
from pumasi_bench.targets import at_most

_MANIFEST = Path(__file__).resolve().parents[2] / "rust" / "Cargo.toml"


def run(session: Session) -> None:
    """Build it if need be, and read the rows which it prints, each a JSON object in a line."""
    options = ["--json", "--quick"] if session.effort is QUICK else ["--json"]
    command = ["cargo", "run", "--release", "--manifest-path", str(_MANIFEST), "--", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        ours, *rivals = [
            Sample(one["contender"], "ns", tuple(one["values"])) for one in row["samples"]
        ]
        target = at_most(row["at_most"], "ns")
        opposite: list[Sample | None] = [*rivals] or [None]
        for rival in opposite:
            session.add(row["operation"], ours, rival, target)
