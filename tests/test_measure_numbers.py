"""The statistics of `pumasi bench`: known answers, and refusals where there are too few numbers."""

import math
import random
import statistics

import pytest

from pumasi.measure import intervals, scaling, verdicts
from pumasi.measure.hosts import Host, Probe
from pumasi.measure.session import Measured, Options
from pumasi.measure.variants import Variant, worker_counts
from pumasi.measure.ways import Pass
from pumasi.measure.work import Work, chunks, natively_stored
from pumasi.measure.worker import Spent


def test_the_interval_of_a_median_is_between_order_statistics() -> None:
    # The table of the sign test: of 6 values the extremes, of 15 the 4th from each end.
    found = intervals.estimate([3, 1, 2, 6, 5, 4])
    assert (found.median, found.low, found.high) == (3.5, 1, 6)
    found = intervals.estimate(range(1, 16))
    assert (found.median, found.low, found.high) == (8, 4, 12)


def test_no_interval_below_six_values() -> None:
    found = intervals.estimate([1, 2, 3, 4, 5])
    assert (found.low, found.high, found.precision) == (None, None, math.inf)
    with pytest.raises(ValueError):
        intervals.estimate([])


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    generator = random.Random(3)
    true_median, hits, trials = math.log(2), 0, 2000
    for _ in range(trials):
        found = intervals.estimate(generator.expovariate(1) for _ in range(12))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= true_median <= found.high
    assert hits / trials > intervals.CONFIDENCE - 0.01


def test_ratios_are_taken_round_by_round() -> None:
    # The machine is ten times slower in every second round; the ratio does not see it.
    ours = [1.0, 10.0] * 4
    theirs = [2.0, 20.0] * 4
    found = intervals.ratio(theirs, ours)
    assert (found.median, found.low, found.high) == (2, 2, 2)


def test_karp_and_flatt() -> None:
    # Speed-up 1.6 on two: 1 / (0.25 + 0.75 / 2).
    assert scaling.karp_flatt(1.6, 2) == pytest.approx(0.25)
    assert scaling.karp_flatt(4, 2) == 0
    with pytest.raises(ValueError):
        scaling.karp_flatt(1, 1)


def capacities(
    serial: float, contention: float, counts: list[int], noise: float
) -> dict[int, list[float]]:
    generator = random.Random(5)
    return {
        k: [
            scaling.capacity(serial, contention, k) * generator.uniform(1 - noise, 1 + noise)
            for _ in range(15)
        ]
        for k in counts
    }


def test_amdahl_is_found_again() -> None:
    by_model = {
        each.model: each for each in scaling.fit(capacities(0.1, 0, [1, 2, 4, 8], 0.03), base=0.9)
    }
    found = by_model["amdahl"].serial_fraction
    assert found is not None
    assert found.low <= 0.1 <= found.high
    assert found.high - found.low < 0.05
    expected = 0.9 / (0.1 + 0.9 / 64)
    at_64 = by_model["amdahl"].predictions[-1]
    assert at_64.workers == 64
    assert at_64.speedup.low <= expected <= at_64.speedup.high
    assert by_model["usl"].refused == "points"


def test_the_law_of_scalability_is_found_again() -> None:
    values = capacities(0.04, 0.002, [1, 2, 4, 8, 16, 32], 0.01)
    found = scaling.fit(values)[-1]
    assert found.model == "usl"
    assert found.serial_fraction is not None
    assert found.contention is not None
    assert found.serial_fraction.value == pytest.approx(0.04, abs=0.02)
    assert found.contention.value == pytest.approx(0.002, rel=0.3)
    assert found.best_workers == pytest.approx(math.sqrt(0.96 / 0.002), rel=0.3)


def test_coefficients_are_never_negative() -> None:
    faster_than_possible = {k: [k * 1.1] * 8 for k in (1, 2, 4, 8, 16, 32)}
    faster_than_possible[1] = [1.0] * 8
    for each in scaling.fit(faster_than_possible):
        assert each.serial_fraction is not None
        assert each.serial_fraction.low >= 0


@pytest.mark.parametrize(
    ("counts", "rounds", "models"),
    [
        ([1], 9, {"amdahl": "points", "usl": "points"}),
        ([2, 4, 8], 9, {"amdahl": "points", "usl": "points"}),
        ([1, 2], 9, {"karp-flatt": None, "amdahl": "points", "usl": "points"}),
        ([1, 2, 4], 5, {"amdahl": "rounds", "usl": "rounds"}),
        ([1, 2, 4], 6, {"amdahl": None, "usl": "points"}),
    ],
)
def test_too_few_points_are_refused(
    counts: list[int], rounds: int, models: dict[str, str | None]
) -> None:
    values = {k: [float(k)] * rounds for k in counts}
    assert {each.model: each.refused for each in scaling.fit(values)} == models


def test_break_even() -> None:
    assert scaling.break_even(1.0, 0.02, 0.01) == pytest.approx(100)
    assert scaling.break_even(1.0, 0.01, 0.02) is None


def test_worker_counts_and_chunks() -> None:
    assert [worker_counts(n) for n in (1, 2, 6)] == [[1], [1, 2], [1, 2, 4, 6]]
    for items, workers in ((1, 4), (7, 2), (100, 3)):
        found = [place for chunk in chunks(items, workers) for place in chunk]
        assert found == list(range(items))
    assert natively_stored([1, "x", (2.0, None)])
    assert not natively_stored([{}])


def a_host(
    variant: Variant, seconds: float, spent: Spent, *, gil: float | None = None, **states: float
) -> Host:
    """A host as if it had run eight times; `spent` is what each of its workers spent."""
    host = Host(Work("work", len, [""] * 100), variant, None)
    workers = [spent] * variant.workers
    cpu = spent.cpu * variant.workers
    host.runs = [Pass(seconds=seconds, process_cpu=cpu, workers=workers) for _ in range(8)]
    host.probe = Probe(host.runs[0], gil, states or {"running": 1.0}, 10_000_000, 0)
    host.start_ups = host.free_start_ups = [0.002]
    return host


def measured(*hosts: Host, cores: int = 4, reference: dict[int, float] | None = None) -> Measured:
    work = Work("work", len, [""] * 100)
    return Measured(work, Options(), cores, list(hosts), [], [], 8, 1.0, reference or {})


SERIAL = Variant("serial")
THREADS = Variant("threads", 4)
PICKLED = Variant("processes", 4, "fork", "pickled")
NATIVE = Variant("processes", 4, "fork", "native")


def codes(found: verdicts.Interpretation) -> list[str]:
    return [verdict.code for verdict in found.verdicts]


def test_memory_binds_where_cores_lose_more_than_they_share() -> None:
    serial = a_host(SERIAL, 1.0, Spent(1.0, 1.0), gil=0.02)
    threads = a_host(THREADS, 0.5, Spent(0.5, 0.5))
    found = verdicts.interpret(measured(serial, threads, reference={1: 0.01, 4: 0.0102}))
    assert codes(found) == ["releases-gil", "memory"]
    assert found.verdicts[1].numbers["inflated"] == pytest.approx(2)
    # Hyper-threads would explain the same.
    found = verdicts.interpret(measured(serial, threads, reference={1: 0.01, 4: 0.019}))
    assert codes(found) == ["releases-gil"]


def test_copying_and_the_way_around_it() -> None:
    serial = a_host(SERIAL, 1.0, Spent(1.0, 1.0), gil=1.0)
    pickled = a_host(PICKLED, 0.9, Spent(0.9, 0.6, serialising=0.3))
    for run in pickled.runs:
        run.serialising, run.bytes_sent = 0.4, 100_000_000
    native = a_host(NATIVE, 0.3, Spent(0.27, 0.26))
    found = verdicts.interpret(measured(serial, pickled, native))
    assert codes(found) == ["gil", "copying"]
    assert found.advice.variant == NATIVE.name
    assert found.advice.worth_it


def test_start_up_which_eats_the_gain() -> None:
    serial = a_host(SERIAL, 0.1, Spent(0.1, 0.1), gil=1.0)
    native = a_host(NATIVE, 0.03, Spent(0.03, 0.03))
    native.start_ups = native.free_start_ups = [0.3]
    found = verdicts.interpret(measured(serial, native))
    assert "start-up" in codes(found)
    assert not found.advice.worth_it
    # 0.3 s of start against 0.7 ms gained by each item.
    assert found.break_even[0].items == pytest.approx(0.3 / 0.0007)


def test_others_on_the_machine_change_no_verdict() -> None:
    quiet = verdicts.interpret(
        measured(
            a_host(SERIAL, 1.0, Spent(1.0, 1.0), gil=0.99),
            a_host(PICKLED, 0.26, Spent(0.25, 0.25)),
        )
    )
    # Everybody gets a third of a core.
    busy = verdicts.interpret(
        measured(
            a_host(SERIAL, 3.0, Spent(3.0, 1.0, 2.0), gil=0.99),
            a_host(PICKLED, 0.76, Spent(0.75, 0.25, 0.5)),
        )
    )
    assert codes(quiet) == codes(busy) == ["gil"]
    assert quiet.advice.variant == busy.advice.variant == PICKLED.name
    assert busy.advice.warm_gain == pytest.approx(quiet.advice.warm_gain)
    assert busy.busy == pytest.approx(2 / 3)


def test_a_breakdown_adds_up() -> None:
    host = a_host(THREADS, 1.0, Spent(0.9, 0.3, 0.2), running=0.5, gil=0.1, lock=0.3, idle=0.1)
    host.probe = Probe(host.runs[0], None, {"gil": 0.1, "lock": 0.3, "running": 0.6}, None, 0)
    found = vars(verdicts.profile(host))
    assert sum(found.values()) == pytest.approx(1)
    assert found["lock"] == pytest.approx(3 * found["gil"])
    assert found["lock"] == pytest.approx(0.3)
    assert statistics.fsum([found["computing"], found["no_core"]]) == pytest.approx(0.5)
