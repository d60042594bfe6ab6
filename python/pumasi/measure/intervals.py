"""The statistics: a median, and the interval in which the true one lies.

Times on a computer are not normally distributed: they have a floor and a long tail.  So nothing
here assumes a distribution.  The interval of a median is the one between two order statistics,
whose coverage is the binomial distribution's (W. J. Conover, "Practical Nonparametric Statistics",
chapter 3; J.-Y. Le Boudec, "Performance Evaluation of Computer and Communication Systems",
theorem 2.1).  Below six values no such interval reaches 95 %, and none is given.

Two variants are compared by the ratios of their neighbours in time, round by round, so that what
slows the machine down for a while slows both down.  As in pyperf, the first runs warm up and are
not counted, and a work too short for the clock is repeated within one value until it is not.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
"""How sure an interval is to contain the true median."""

FEWEST = 6
"""Values below which no interval reaches that."""


@dataclass(frozen=True)
class Estimate:
    """A median, and its interval where there were values enough for one."""

    median: float
    low: float | None
    high: float | None
    values: int

    @property
    def precision(self) -> float:
        """Half the width of the interval as a share of the median; infinite without an interval."""
        if self.low is None or self.high is None or self.median == 0:
            return math.inf
        return (self.high - self.low) / 2 / abs(self.median)


def estimate(values: Iterable[float]) -> Estimate:
    """Return the median of some values with its interval."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values to take a median of")
    rank = _rank(len(ordered))
    low, high = (None, None) if rank is None else (ordered[rank - 1], ordered[-rank])
    return Estimate(statistics.median(ordered), low, high, len(ordered))


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
    """Estimate the ratio of two measurements which were taken in turns, from its single rounds."""
    pairs = zip(numerators, denominators, strict=False)
    return estimate(above / below for above, below in pairs if below > 0)


def _rank(count: int) -> int | None:
    """Find which value from each end bounds the interval of the median."""
    tail, best = 0.0, None
    for rank in range(1, count // 2 + 1):
        tail += math.comb(count, rank - 1) / 2**count
        if 1 - 2 * tail < CONFIDENCE:
            break
        best = rank
    return best
