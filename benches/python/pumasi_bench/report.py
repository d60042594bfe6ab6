"""A finished run: as Markdown, which is readable in a terminal too, and as JSON to compute with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pumasi_bench.samples import Row, Sample, digits
from pumasi_bench.settings import Effort

_HEADINGS = ("operation", "ours", "rival", "", "times better", "to reach", "reached")
_READING = (
    "Medians over the rounds ({rounds} for single operations), in brackets their 95 % intervals "
    "(order statistics; below six rounds the smallest and the largest); contenders are taken in "
    "turns within a round. "
    "Single operations: the cost of the empty loop is subtracted, the garbage collector is off. "
    "Fairness rows: the worst over the rounds. "
    '"Times better" is the ratio of the results, in brackets its spread over the single rounds. '
    'A row that is to be "no slower" is level when the 95 % interval of the median of these ratios '
    "has 1 in it: a longer run could fall on either side."
)


@dataclass(frozen=True)
class Report:
    """Everything that a run leaves behind."""

    facts: dict[str, str]
    effort: Effort
    rows: Sequence[Row]
    broken: dict[str, str]

    def markdown(self) -> str:
        """Write the whole report for people."""
        parts = [
            "# Benchmark results",
            "\n".join(f"- {name}: {fact}" for name, fact in self.facts.items()),
            _READING.format(rounds=self.effort.rounds),
            *(f"## {group}\n\n{_table(rows)}" for group, rows in self._by_group()),
            self._verdict(),
        ]
        return "\n\n".join(parts) + "\n"

    def json(self) -> str:
        """Write the whole report for programs, every single value included."""
        content = {
            "facts": self.facts,
            "effort": vars(self.effort),
            "rows": [_row_as_json(row) for row in self.rows],
            "broken": self.broken,
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def _by_group(self) -> Iterable[tuple[str, list[Row]]]:
        for group in dict.fromkeys(row.group for row in self.rows):
            yield group, [row for row in self.rows if row.group == group]

    def _verdict(self) -> str:
        judged = [(row.verdict, row, row.target) for row in self.rows if row.target]
        reached, level = (sum(v == each for v, *_ in judged) for each in ("reached", "level"))
        lines = [f"Targets reached: {reached} of {len(judged)}; level with the rival: {level}."]
        lines += [
            f"- {verdict}: {row.operation} ({target.text})"
            for verdict, row, target in judged
            if verdict != "reached"
        ]
        lines += [
            f"- broken, not measured: {group} ({reason})" for group, reason in self.broken.items()
        ]
        return "\n".join(lines)


def _table(rows: Sequence[Row]) -> str:
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    padded = (
        [text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in cells
    )
    lines = ["| " + " | ".join(line) + " |" for line in padded]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.operation,
        str(row.ours),
        "-" if row.rival is None else str(row.rival),
        "" if row.rival is None else row.rival.contender,
        _times_better(row),
        "-" if row.target is None else row.target.text,
        {None: "-", "reached": "yes", "level": "level", "missed": "no"}[row.verdict],
    )


def _times_better(row: Row) -> str:
    if row.times_better is None:
        return "-"
    spread = row.times_better_by_round
    return f"{digits(row.times_better)} ({digits(min(spread))} to {digits(max(spread))})"


def _row_as_json(row: Row) -> dict[str, Any]:
    return {
        "group": row.group,
        "operation": row.operation,
        "ours": _sample_as_json(row.ours),
        "rival": None if row.rival is None else _sample_as_json(row.rival),
        "times_better": row.times_better,
        "target": None if row.target is None else row.target.text,
        "verdict": row.verdict,
    }


def _sample_as_json(sample: Sample) -> dict[str, Any]:
    return {
        "contender": sample.contender,
        "unit": sample.unit,
        "result": sample.result,
        "statistic": "worst" if sample.worst_counts else "median",
        "values": sample.values,
    }
