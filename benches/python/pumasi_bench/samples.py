"""What was measured: a contender's samples, and the row which sets two contenders side by side."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Literal

from pumasi.measure.intervals import estimate
from pumasi_bench.targets import Target

Unit = Literal["ns", "us", "ms", "M/s", "GB/s", "%", "times"]

Verdict = Literal["reached", "level", "missed"]

_MORE_IS_BETTER: frozenset[Unit] = frozenset(("M/s", "GB/s", "%", "times"))


@dataclass(frozen=True)
class Sample:
    """One contender's measurements of one operation, a value for each round."""

    contender: str
    unit: Unit
    values: tuple[float, ...]
    worst_counts: bool = False

    @property
    def more_is_better(self) -> bool:
        """Whether a larger value is the better one (a rate is, a time is not)."""
        return self.unit in _MORE_IS_BETTER

    @property
    def result(self) -> float:
        """The value that is judged: the median, or the worst if the promise is about every case."""
        if not self.worst_counts:
            return statistics.median(self.values)
        return min(self.values) if self.more_is_better else max(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The 95 % interval of the median, as `pumasi.bench` computes it.

        Of fewer than six values, and where the worst counts, the smallest and the largest.
        """
        found = estimate(self.values)
        if self.worst_counts or found.low is None or found.high is None:
            return min(self.values), max(self.values)
        return found.low, found.high

    def __str__(self) -> str:
        shown, unit = self.result, str(self.unit)
        low, high = self.spread
        if unit == "ns" and shown >= 1000:
            shown, low, high, unit = shown / 1000, low / 1000, high / 1000, "us"
        unit = "µs" if unit == "us" else unit
        return f"{digits(shown)} {unit} ({digits(low)} to {digits(high)})"


@dataclass(frozen=True)
class Row:
    """One line of the table: our sample, at most one rival's, and the target."""

    group: str
    operation: str
    ours: Sample
    rival: Sample | None = None
    target: Target | None = None

    @property
    def times_better(self) -> float | None:
        """How many times better ours is than the rival's; below 1 the rival wins.

        None without a rival, or if the loser's result is zero (a process that never got the lock).
        """
        if self.rival is None:
            return None
        return _times_better(self.ours.result, self.rival.result, self.ours.more_is_better)

    @property
    def times_better_by_round(self) -> tuple[float, ...]:
        """The same for each round by itself, whose measurements are neighbours in time."""
        if self.rival is None:
            return ()
        pairs = zip(self.ours.values, self.rival.values, strict=False)
        ratios = (_times_better(ours, rival, self.ours.more_is_better) for ours, rival in pairs)
        return tuple(ratio for ratio in ratios if ratio is not None)

    @property
    def verdict(self) -> Verdict | None:
        """What became of the target; None where the row is for comparison only.

        Level is a row in which noise would decide: we are to be as good as the rival, and the 95 %
        interval of the median ratio by rounds has 1 in it. Nowhere else does noise make a result
        count as anything but what it is.
        """
        if self.target is None:
            return None
        if self.target.at_the_rival:
            ratios = estimate(self.times_better_by_round)
            if (
                ratios.low is not None
                and ratios.high is not None
                and ratios.low <= 1 <= ratios.high
            ):
                return "level"
        rival = math.nan if self.rival is None else self.rival.result
        return "reached" if self.target.test(self.ours.result, rival) else "missed"


def _times_better(ours: float, rival: float, more_is_better: bool) -> float | None:
    better, worse = (rival, ours) if more_is_better else (ours, rival)
    return worse / better if better > 0 else None


def digits(value: float) -> str:
    """Write a number with three significant digits and without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
