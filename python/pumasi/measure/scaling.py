"""What the times at several numbers of workers say of other numbers of workers.

Three models, all of the capacity C(k) = t(1) / t(k), so that C(1) is 1:

- **Karp and Flatt** ("Measuring parallel processor performance", 1990): the serial fraction which
  one single measurement at k workers amounts to.  It fits nothing, so it can check nothing.
- **Amdahl** (1967): k/C = 1 + s (k - 1), with the serial fraction s.
- **Universal Scalability Law** (N. J. Gunther, "Guerrilla Capacity Planning", 2007):
  k/C = 1 + s (k - 1) + c k (k - 1), where c is what the workers cost each other pairwise.

Both are linear in what is fitted, so least squares with coefficients that cannot be negative have a
closed form, and no library of numerical methods is needed.  The intervals are percentiles of a
bootstrap over the rounds (B. Efron and R. Tibshirani, 1993) with a fixed seed, so that the same
measurement always gives the same report.

A fit through as many points as it has coefficients always looks perfect.  Amdahl is therefore
refused below three numbers of workers, and the law of scalability below six, which is what Gunther
advises.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

AMDAHL_POINTS = 3
USL_POINTS = 6
PREDICTED = (4, 8, 16, 64)
_RESAMPLES = 400
_ROUNDS = 6

Values = Mapping[int, Sequence[float]]
"""For each number of workers the capacities of the single rounds."""


@dataclass(frozen=True)
class Bounded:
    """A fitted number between the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """The speed-up over the serial program which is expected of so many cores: not measured."""

    workers: int
    speedup: Bounded


@dataclass(frozen=True)
class Fit:
    """A model of one family of variants, or why there is none."""

    model: str
    points: int
    needed: int
    refused: str | None = None
    serial_fraction: Bounded | None = None
    contention: Bounded | None = None
    best_workers: float | None = None
    predictions: list[Prediction] = field(default_factory=list)


def karp_flatt(speedup: float, workers: int) -> float:
    """Return the serial fraction which a speed-up amounts to, from 0 to 1."""
    if workers < 2:
        raise ValueError("the serial fraction needs two workers or more")
    found = (1 / speedup - 1 / workers) / (1 - 1 / workers)
    return min(max(found, 0.0), 1.0)


def fit(values: Values, base: float = 1.0) -> list[Fit]:
    """Fit all models to one family; ``base`` is the speed-up of its single worker over serial."""
    rounds = min((len(each) for each in values.values()), default=0)
    counts = sorted(values)
    fits = []
    if counts[:1] != [1] or rounds < _ROUNDS or len(counts) < 2:
        reason = "rounds" if rounds < _ROUNDS else "points"
        for model, needed in (("amdahl", AMDAHL_POINTS), ("usl", USL_POINTS)):
            fits.append(Fit(model, len(counts), needed, refused=reason))
        return fits
    if len(counts) < AMDAHL_POINTS:
        fits.append(_fit("karp-flatt", values, base, _one_point))
        fits.append(Fit("amdahl", len(counts), AMDAHL_POINTS, refused="points"))
    else:
        fits.append(_fit("amdahl", values, base, _amdahl))
    if len(counts) < USL_POINTS:
        fits.append(Fit("usl", len(counts), USL_POINTS, refused="points"))
    else:
        fits.append(_fit("usl", values, base, _usl))
    return fits


def capacity(serial: float, contention: float, workers: int) -> float:
    """Return C(k) of the law of scalability, and with no contention Amdahl's."""
    return workers / (1 + serial * (workers - 1) + contention * workers * (workers - 1))


def break_even(start_up: float, per_item_before: float, per_item_after: float) -> float | None:
    """Return how many items pay for a start-up (seconds), or None when no number does."""
    gain = per_item_before - per_item_after
    return None if gain <= 0 else start_up / gain


def _fit(
    model: str,
    values: Values,
    base: float,
    solve: Callable[[Mapping[int, float]], tuple[float, float]],
) -> Fit:
    generator = random.Random(1)
    rounds = min(len(each) for each in values.values())
    solutions = []
    for _ in range(_RESAMPLES):
        chosen = [generator.randrange(rounds) for _ in range(rounds)]
        medians = {k: statistics.median(each[i] for i in chosen) for k, each in values.items()}
        solutions.append(solve(medians))
    serial, contention = solve({k: statistics.median(each) for k, each in values.items()})
    needed = {"karp-flatt": 2, "amdahl": AMDAHL_POINTS, "usl": USL_POINTS}[model]
    best = None
    if contention > 0 and serial < 1:
        best = math.sqrt((1 - serial) / contention)
    return Fit(
        model,
        len(values),
        needed,
        serial_fraction=_bounded(serial, [solution[0] for solution in solutions]),
        contention=_bounded(contention, [s[1] for s in solutions]) if model == "usl" else None,
        best_workers=best,
        predictions=[
            Prediction(
                workers,
                _bounded(
                    base * capacity(serial, contention, workers),
                    [base * capacity(*solution, workers) for solution in solutions],
                ),
            )
            for workers in PREDICTED
        ],
    )


def _bounded(value: float, resampled: Sequence[float]) -> Bounded:
    ordered = sorted(resampled)
    edge = round(len(ordered) * 0.025)
    return Bounded(value, min(ordered[edge], value), max(ordered[-edge - 1], value))


def _one_point(medians: Mapping[int, float]) -> tuple[float, float]:
    workers = max(medians)
    return karp_flatt(max(medians[workers], 1e-9), workers), 0.0


def _amdahl(medians: Mapping[int, float]) -> tuple[float, float]:
    above = below = 0.0
    for workers, measured in medians.items():
        above += (workers / measured - 1) * (workers - 1)
        below += (workers - 1) ** 2
    return min(max(above / below, 0.0), 1.0), 0.0


def _usl(medians: Mapping[int, float]) -> tuple[float, float]:
    """Solve the normal equations; where a coefficient is negative, fit the other one alone."""
    aa = ab = bb = ay = by = 0.0
    for workers, measured in medians.items():
        a, b, y = workers - 1.0, workers * (workers - 1.0), workers / measured - 1
        aa, ab, bb = aa + a * a, ab + a * b, bb + b * b
        ay, by = ay + a * y, by + b * y
    determinant = aa * bb - ab * ab
    serial, contention = (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant
    if contention < 0:
        serial, contention = ay / aa, 0.0
    elif serial < 0:
        serial, contention = 0.0, by / bb
    return min(max(serial, 0.0), 1.0), max(contention, 0.0)
