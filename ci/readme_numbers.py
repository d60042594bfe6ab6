"""Writes the numbers of the READMEs' tables from the newest file in benches/results.

    python ci/readme_numbers.py            # change README.md and README.ko.md
    python ci/readme_numbers.py --check    # exit 1 where they would change

A row is found by its first cell; the cells behind it are written anew, so that no number in the
READMEs is one that somebody typed.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results"


@dataclass(frozen=True)
class Row:
    """A row of the READMEs: operations of the benchmarks, and the rivals as they are called."""

    labels: tuple[str, ...]
    operations: tuple[str, ...]
    rivals: tuple[tuple[str, str, str], ...]


_ADDING = "`with v.get_lock(): v.value += 1`"

ROWS = (
    Row(
        ("append to a List / get / set of an int", "List에 정수 추가 / 읽기 / 쓰기"),
        ("List append of an int", "List get of an int", "List set of an int"),
        (("Manager", "Manager list", "Manager list"),),
    ),
    Row(
        ("Dict get / set, short key", "Dict 읽기 / 쓰기, 짧은 키"),
        ("Dict get, short str key", "Dict set, short str key"),
        (("lmdb", "lmdb", "lmdb"),),
    ),
    Row(
        ("`d.add(k, 1)`",),
        ("Dict add(k, 1), atomic",),
        (
            ("lmdb", "lmdb transaction", "lmdb 트랜잭션"),
            ("Manager, its Lock", "Manager with its Lock", "Lock을 건 Manager"),
        ),
    ),
    Row(
        ("Array get / set", "Array 읽기 / 쓰기"),
        ("Array get", "Array set"),
        (("multiprocessing", "Array", "Array"),),
    ),
    Row(
        ("RawArray get / set", "RawArray 읽기 / 쓰기"),
        ("RawArray get", "RawArray set"),
        (("multiprocessing", "RawArray", "RawArray"),),
    ),
    Row(
        ("`v.add(1)`",),
        ("Value add(1), atomic",),
        (("multiprocessing", _ADDING, _ADDING),),
    ),
    Row(("`with lock:`",), ("with lock",), (("multiprocessing", "Lock", "Lock"),)),
    Row(
        (
            "a Lock held 1 ms at a time by 2 / 4 processes: longest wait",
            "프로세스 2 / 4개가 1 ms씩 쥐는 Lock, 가장 긴 대기",
        ),
        (
            "held 1 ms, 2 processes: longest wait",
            "held 1 ms, 4 processes: longest wait",
        ),
        (("multiprocessing", "Lock", "Lock"),),
    ),
    Row(
        (
            "ints through a Queue, one process to another",
            "Queue로 보내는 정수, 프로세스에서 프로세스로",
        ),
        ("Queue of ints, one to one",),
        (
            ("multiprocessing", "Queue", "Queue"),
            ("faster-fifo", "faster-fifo", "faster-fifo"),
            ("quick-queue", "quick-queue", "quick-queue"),
        ),
    ),
    Row(
        ("arrays of 1 MB through a Queue", "Queue로 보내는 1 MB 배열"),
        ("Queue of 1 MB NumPy arrays",),
        (("multiprocessing", "Queue", "Queue"), ("dejaq", "dejaq", "dejaq")),
    ),
    Row(
        ("a small task of a Pool, chunksize 1", "Pool의 작은 작업 하나, chunksize 1"),
        ("one of 10000 tasks, chunksize 1",),
        (
            ("multiprocessing", "Pool", "Pool"),
            ("mpire", "mpire", "mpire"),
            ("loky", "loky", "loky"),
        ),
    ),
    Row(
        (
            "200 arrays of 1 MB into / out of a Pool",
            "Pool로 넣는 / Pool에서 나오는 1 MB 배열 200개",
        ),
        ("200 arguments of 1 MB", "200 results of 1 MB"),
        (("multiprocessing", "Pool", "Pool"), ("loky", "loky", "loky")),
    ),
    Row(
        ("`import`",),
        ("python -c 'import ...'",),
        (("multiprocessing", "`import multiprocessing`", "`import multiprocessing`"),),
    ),
)


def main() -> int:
    """Obey the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if it would")
    check = parser.parse_args().check
    newest = max(RESULTS.glob("*.json"), default=None, key=begun)
    if newest is None:
        print(f"no results in {RESULTS.relative_to(ROOT)}; run: make bench ARGS=--save")
        return 1
    measured = json.loads(newest.read_text(encoding="utf-8"))["rows"]
    stale = False
    for name, korean in (("README.md", False), ("README.ko.md", True)):
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        written = rewritten(text, measured, korean)
        if written != text:
            stale = True
            print(f"{name}: {'differs from' if check else 'written from'} {newest.name}")
            if not check:
                path.write_text(written, encoding="utf-8")
    return 1 if stale and check else 0


def begun(result: Path) -> str:
    """Return when a run began, in a form that sorts by time."""
    return str(json.loads(result.read_text(encoding="utf-8"))["facts"]["date"])


def rewritten(text: str, measured: list[dict[str, Any]], korean: bool) -> str:
    """Return a document whose table rows have the measured numbers."""
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4:
            row = next((row for row in ROWS if cells[0] in row.labels), None)
            if row is not None:
                lines[index] = f"| {' | '.join([cells[0], *cells_of(row, measured, korean)])} |\n"
    return "".join(lines)


def cells_of(row: Row, measured: list[dict[str, Any]], korean: bool) -> list[str]:
    """Return what stands behind a label: ours, the rivals', and how many times better we are."""
    found = [
        [
            next(r for r in measured if r["operation"] == o and r["rival"]["contender"] == rival)
            for o in row.operations
        ]
        for rival, _, _ in row.rivals
    ]
    unit = found[0][0]["ours"]["unit"]
    ours = times([each["ours"]["result"] for each in found[0]], unit)
    rivals = [
        f"{names[korean]} {times([each['rival']['result'] for each in rows], unit)}"
        for (_, *names), rows in zip(row.rivals, found, strict=True)
    ]
    ratios = [" / ".join(ratio(each["times_better"]) for each in rows) for rows in found]
    apart = ", " if korean else "; "
    return [ours, apart.join(rivals), apart.join(ratios)]


def times(values: list[float], unit: str) -> str:
    """Write several times with one unit: of nanoseconds those which are long in microseconds."""
    if unit == "ns" and max(values) >= 1000:
        values, unit = [value / 1000 for value in values], "us"
    unit = "µs" if unit == "us" else unit
    return " / ".join(two_digits(value, unit) for value in values) + f" {unit}"


def two_digits(value: float, unit: str) -> str:
    """Write a number with two digits; of milliseconds the whole ones will do."""
    if unit == "ms":
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def ratio(value: float) -> str:
    """Write how many times better: two digits, thousands apart."""
    if value < 10:
        return f"{value:.1f}"
    digits = len(str(int(value)))
    return f"{round(value, 2 - digits):,.0f}"


if __name__ == "__main__":
    sys.exit(main())
