"""How much effort a run makes: enough to trust the medians, or just to see that all works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Durations in seconds and numbers of rounds, for all groups."""

    name: str
    rounds: int
    loop_seconds: float
    contention_rounds: int
    contention_seconds: float
    fairness_rounds: int
    fairness_seconds: float
    import_rounds: int


FULL = Effort(
    name="full",
    rounds=9,
    loop_seconds=0.12,
    contention_rounds=7,
    contention_seconds=0.4,
    fairness_rounds=3,
    fairness_seconds=2.0,
    import_rounds=15,
)

QUICK = Effort(
    name="quick",
    rounds=3,
    loop_seconds=0.01,
    contention_rounds=1,
    contention_seconds=0.1,
    fairness_rounds=1,
    fairness_seconds=0.2,
    import_rounds=3,
)
