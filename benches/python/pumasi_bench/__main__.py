"""The command line of the benchmarks: the table goes to stdout, progress and trouble to stderr.

Exit status: 0 when everything was measured, whatever the numbers are; 1 when a benchmark broke; 2
when the suite could not start.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from pumasi_bench import groups, machine, rust
from pumasi_bench.report import Report
from pumasi_bench.session import Session
from pumasi_bench.settings import FULL, QUICK

_RESULTS = Path(__file__).resolve().parents[2] / "results"
_GROUPS = {**groups.ALL, "rust": rust.run, "rivals": rust.rivals}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        library = importlib.import_module(options.library)
    except ImportError as error:
        print(f"the library to measure cannot be imported: {error}", file=sys.stderr)
        return 2
    session = Session(
        library,
        QUICK if options.quick else FULL,
        lambda line: print(line, file=sys.stderr, flush=True),
    )
    facts = machine.facts(library)
    for name in options.only or _GROUPS:
        session.run(name, _GROUPS[name])
    report = Report(facts, session.effort, session.rows, session.broken)
    print(report.markdown(), end="")
    if options.json is not None:
        options.json.write_text(report.json(), encoding="utf-8")
    if options.save:
        _save(report)
    return 1 if report.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benches/run.sh", description="Measure pumasi beside its rivals."
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a few seconds: shows that everything works, not how fast",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=_GROUPS,
        help="run this group; may be given several times",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all values to FILE")
    parser.add_argument(
        "--save",
        action="store_true",
        help="also write benches/results/<date>-<commit>.md and .json",
    )
    parser.add_argument(
        "--library",
        default="pumasi",
        metavar="MODULE",
        help="the module to measure (default: pumasi)",
    )
    return parser


def _save(report: Report) -> None:
    _RESULTS.mkdir(exist_ok=True)
    stem = f"{datetime.now(timezone.utc):%Y-%m-%d}-{machine.commit()}"
    (_RESULTS / f"{stem}.md").write_text(report.markdown(), encoding="utf-8")
    (_RESULTS / f"{stem}.json").write_text(report.json(), encoding="utf-8")
    print(f"saved as benches/results/{stem}.md and .json", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
