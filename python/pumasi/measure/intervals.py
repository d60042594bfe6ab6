"""The statistics: a median, and the interval in which the true one lies.

They are computed by the Rust library, whose `pumasi::bench` uses them, too: the interval between
two order statistics, which assumes no distribution.  Below six values no such interval reaches
95 %, and none is given.  As in pyperf, the first runs warm up and are not counted, and a work too
short for the clock is repeated within one value until it is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .. import _core

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

    @property
    def precision(self) -> float:
        """Half the width of the interval as a share of the median; infinite without an interval."""
        if self.low is None or self.high is None or self.median == 0:
            return math.inf
        return (self.high - self.low) / 2 / abs(self.median)


def estimate(values: Iterable[float]) -> Estimate:
    """Return the median of some values with its interval; ValueError when there are none."""
    return Estimate(*_core.bench_estimate(list(values)))
