"""What `pumasi bench` concludes, from records that are made up.

The statistics and the rules have tests of their own, in Rust: `crates/pumasi/src/bench`. Here is
what Python adds: the record as it is written down, and the report as it comes back.
"""

import math

import pytest

from pumasi.measure import Report, intervals, verdicts
from pumasi.measure.hosts import Host, Probe
from pumasi.measure.session import Measured, Options
from pumasi.measure.variants import Variant, worker_counts
from pumasi.measure.ways import Pass
from pumasi.measure.work import Work, chunks, natively_stored
from pumasi.measure.worker import Spent


def test_medians_and_intervals() -> None:
    found = intervals.estimate([3, 1, 2, 6, 5, 4])
    assert (found.median, found.low, found.high) == (3.5, 1, 6)
    assert found.precision == pytest.approx(2.5 / 3.5)
    found = intervals.estimate(range(5))
    assert (found.median, found.low, found.high, found.precision) == (2, None, None, math.inf)
    with pytest.raises(ValueError, match="no values"):
        intervals.estimate([])


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


def codes(report: Report) -> list[str]:
    return [verdict.code for verdict in report.verdicts]


def test_memory_binds_where_cores_lose_more_than_they_share() -> None:
    serial = a_host(SERIAL, 1.0, Spent(1.0, 1.0), gil=0.02)
    threads = a_host(THREADS, 0.5, Spent(0.5, 0.5))
    report = Report(measured(serial, threads, reference={1: 0.01, 4: 0.0102}))
    assert codes(report) == ["releases-gil", "memory"]
    assert report.verdicts[1].numbers["inflated"] == pytest.approx(2)
    assert report.verdicts[1].numbers["variant"] == THREADS.name
    # Hyper-threads would explain the same.
    report = Report(measured(serial, threads, reference={1: 0.01, 4: 0.019}))
    assert codes(report) == ["releases-gil"]


def test_copying_and_the_way_around_it() -> None:
    serial = a_host(SERIAL, 1.0, Spent(1.0, 1.0), gil=1.0)
    pickled = a_host(PICKLED, 0.9, Spent(0.9, 0.6, serialising=0.3))
    for run in pickled.runs:
        run.serialising, run.bytes_sent = 0.4, 100_000_000
    native = a_host(NATIVE, 0.3, Spent(0.27, 0.26))
    report = Report(measured(serial, pickled, native))
    assert codes(report) == ["gil", "copying"]
    assert report.advice.variant == NATIVE.name
    assert report.advice.worth_it


def test_start_up_which_eats_the_gain() -> None:
    serial = a_host(SERIAL, 0.1, Spent(0.1, 0.1), gil=1.0)
    native = a_host(NATIVE, 0.03, Spent(0.03, 0.03))
    native.start_ups = native.free_start_ups = [0.3]
    report = Report(measured(serial, native))
    assert codes(report) == ["gil", "start-up"]
    assert not report.advice.worth_it
    # 0.3 s of start against 0.7 ms gained by each item.
    assert report.to_dict()["break_even"][0]["items"] == pytest.approx(0.3 / 0.0007)


def test_a_variant_without_its_watched_run() -> None:
    serial = a_host(SERIAL, 1.0, Spent(1.0, 1.0), gil=1.0)
    serial.probe = None
    (row,) = Report(measured(serial)).to_dict()["variants"]
    assert row["gil_held"] is None
    assert row["breakdown"]["computing"] == pytest.approx(1)


def test_what_is_no_measurement_is_refused() -> None:
    with pytest.raises(ValueError, match="not the serial one"):
        verdicts.conclude(measured(a_host(THREADS, 1.0, Spent(1.0, 1.0))))
