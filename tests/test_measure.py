"""`pumasi.bench` and `pumasi bench` on real work: what binds it, what to use, and what goes wrong.

No assertion is about a time.  The verdicts rest on what threads and processes do, which is the same
on a busy machine; a measurement in which others were in the way is made again before a verdict is
wrong.  What is gained is not the same: where others have the cores there may be nothing to gain.
So an advice is compared with the numbers beside it in the report.
"""

import importlib.util
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import measured_work
import pumasi
from programs import run_program
from pumasi.measure import MeasureError, Report

# Where others have the cores, measuring again may take minutes.
pytestmark = pytest.mark.timeout(400)

HERE = Path(__file__).resolve().parent


#: Gains below this are not worth a second way of doing things; as in `conclude.rs`.
WORTH = 1.15


def bench(function: Any, inputs: Any, **options: Any) -> Report:
    """Measure with two workers and little effort.

    It is done when the fewest rounds are.  The budget is only how long a slow machine may take for
    any part of it, and long enough that nothing is left out.
    """
    defaults: dict[str, Any] = {"workers": [2], "budget": 80, "precision": math.inf}
    return pumasi.bench(function, inputs, **(defaults | options))


def codes(report: Report) -> list[str]:
    return [verdict.code for verdict in report.verdicts]


def found(wanted: Callable[[Report], bool], function: Any, inputs: Any, **options: Any) -> Report:
    """Measure until the report says what is wanted, for a minute, with ever more effort."""
    deadline, budget = time.monotonic() + 60, 5
    while True:
        late = time.monotonic() > deadline
        try:
            report = bench(function, inputs, **options, budget=budget)
        except MeasureError as error:
            if late or error.code != "too-slow":
                raise
        else:
            if wanted(report):
                return report
            if late:
                raise AssertionError(f"{codes(report)}, {report.advice}\n{report}")
        budget = min(2 * budget, 80)


def variants(report: Report) -> dict[str, Any]:
    return {variant["name"]: variant for variant in report.to_dict()["variants"]}


def takes(report: Report, variant: Any) -> float:
    """The seconds which the report says that all of the work takes in this way, without its start.

    By the clock, where more workers than cores, or who waits for a lock, are in each other's way.
    """
    shares, workers = variant["breakdown"], variant["workers"]
    able = 1 - shares["no_core"] - shares["idle"]
    locked = "lock" in codes(report) or (able > 0.01 and shares["lock"] / able > 0.25)
    by_clock = (workers > 1 and locked) or workers > report.to_dict()["cores"]
    return float(variant["seconds" if by_clock else "free_seconds"]["median"])


def follows(report: Report, kinds: set[str]) -> bool:
    """Whether the advice follows from the report's numbers of variants of these kinds."""
    whole = {
        name: takes(report, variant) + (variant["free_start_up_seconds"] or 0)
        for name, variant in variants(report).items()
        if variant["kind"] in kinds
    }
    serial, advice = takes(report, variants(report)["serial"]), report.advice
    if not advice.worth_it:
        return advice.use == "serial" and all(each * WORTH >= serial for each in whole.values())
    advised = whole.get(advice.variant, math.inf)
    return advised * WORTH <= serial and all(advised <= each * WORTH for each in whole.values())


def test_pure_python_is_bound_by_the_interpreters_lock() -> None:
    report = found(
        lambda report: codes(report)[0] == "gil" and variants(report)["serial"]["gil_held"] > 0.8,
        measured_work.computes,
        [150_000] * 12,
    )
    # Never threads, whatever they seem to gain.
    assert follows(report, {"processes"})
    serial = variants(report)["serial"]
    assert serial["speedup"]["median"] == 1
    assert sum(serial["breakdown"].values()) == pytest.approx(1)


@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="needs NumPy")
def test_numpy_lets_go_of_the_lock() -> None:
    pytest.importorskip("numpy")  # Imported before the clock runs, and once for all.
    report = found(
        lambda report: codes(report)[0] == "releases-gil",
        measured_work.on_arrays,
        [300_000] * 8,
        arguments=["pickled"],
    )
    assert follows(report, {"threads", "processes"})


@pytest.mark.parametrize("function", [measured_work.sleeps, measured_work.listens])
def test_waiting_is_for_threads(function: Any) -> None:
    options: Any = {"workers": None, "kinds": ["threads"]}
    asleep, other = ("sleep", "io") if function is measured_work.sleeps else ("io", "sleep")

    def wanted(report: Report) -> bool:
        # More workers than there are cores, for nobody needs one.
        if codes(report) != ["waiting"] or not {"threads 4", "threads 8"} <= set(variants(report)):
            return False
        told = variants(report)["threads 8"]["breakdown"]
        return bool(told[asleep] > told[other])

    report = found(wanted, function, [0.008] * 16, **options)
    assert follows(report, {"threads"})


def test_a_lock_is_found_and_nothing_advised_against_it() -> None:
    report = found(
        lambda report: (
            codes(report)[0] == "lock"
            and any(variant["lock_waits"] > 0 for variant in variants(report).values())
        ),
        measured_work.holds_a_lock,
        [0.006] * 12,
    )
    # Those who wait for it gain nothing, however many they are.
    assert follows(report, {"threads", "processes"})


def test_what_is_too_small_is_not_worth_it() -> None:
    report = found(lambda report: codes(report)[0] == "too-small", measured_work.tiny, range(10))
    assert (report.advice.use, report.advice.worth_it) == ("serial", False)
    assert all(each["at_least"] for each in report.to_dict()["break_even"])


def test_copying_is_found_where_it_takes_the_time() -> None:
    # Three times, so that the start of workers is little beside the work: otherwise that is said.
    data = [bytes([n]) * (8 << 20) for n in range(8)] * 3
    options: Any = {"kinds": ["processes"], "arguments": ["pickled"]}
    # Where the cores are busy its start costs more than is gained, and that is said as well.
    report = found(
        lambda report: codes(report)[0] == "releases-gil" and "copying" in codes(report),
        measured_work.looks_at,
        data,
        **options,
    )
    verdict = report.verdicts[codes(report).index("copying")]
    assert verdict.numbers["variant"] == "processes 2 (fork, pickled)"
    assert verdict.numbers["bytes"] > 8 * (8 << 20)


def test_a_start_that_costs_more_than_is_gained() -> None:
    # A new interpreter takes longer than all of this, which two workers do in half the time.
    options: Any = {"kinds": ["processes"], "start_methods": ["spawn"], "arguments": ["native"]}
    report = found(
        lambda report: codes(report)[0] in ("gil", "too-small"),
        measured_work.computes,
        [100_000] * 10,
        **options,
    )
    assert follows(report, {"processes"})
    spawned = variants(report)["processes 2 (spawn, native)"]
    serial, done = (takes(report, each) for each in (variants(report)["serial"], spawned))
    start = spawned["free_start_up_seconds"]
    gains = done * WORTH < serial
    assert ("start-up" in codes(report)) == (gains and serial < (start + done) * WORTH)
    pays = report.to_dict()["break_even"][0]
    if gains:
        assert pays["items"] == pytest.approx(max(start / ((serial - done) / 10), 1))
        assert not pays["at_least"]
    else:
        # Others had the cores, so that this is what it would be with them.
        assert pays["at_least"] == (serial < 2 * start)


def test_every_start_method_and_every_way_of_arguments() -> None:
    report = bench(
        measured_work.computes,
        [2000] * 4,
        kinds=["processes"],
        start_methods=["fork", "spawn", "forkserver"],
    )
    found = variants(report)
    for method in ("fork", "spawn", "forkserver"):
        pickled = found[f"processes 2 ({method}, pickled)"]
        assert pickled["bytes_copied"] > 4 * 2
        assert pickled["start_up_seconds"]["median"] > 0
        assert pickled["memory_bytes"] > 1_000_000
        pool = found[f"processes 2 ({method}, pool)"]
        assert pool["bytes_copied"] > 4 * 2
        assert pool["start_up_seconds"]["median"] > 0
        assert pool["memory_bytes"] > 1_000_000
        assert pool["cpu_seconds"] > 0
        native = found[f"processes 2 ({method}, native)"]
        assert native["bytes_copied"] == 0
        assert native["placed_bytes"] > 0
        assert len(native["runs"]) >= 6
    assert report.to_dict()["left_out"] == []


def square(number: int) -> int:
    return number * number


def test_a_function_of_this_very_program() -> None:
    offset = 5
    report = bench(lambda n: square(n) + offset, [1, 2], start_methods=["spawn"])
    reasons = {each["code"] for each in report.to_dict()["left_out"]}
    assert "function-not-picklable" in reasons
    # Forked processes have it as it is.
    report = bench(lambda n: square(n) + offset, [1, 2], kinds=["processes"])
    assert "processes 2 (fork, pickled)" in variants(report)


@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="needs NumPy")
def test_arrays_in_shared_memory_are_not_copied() -> None:
    import numpy

    arrays = [numpy.arange(50_000) + i for i in range(4)]
    options: Any = {"kinds": ["processes"], "arguments": ["pickled", "shared"]}
    report = bench(numpy.sum, arrays, **options)
    found = variants(report)
    assert found["processes 2 (fork, pickled)"]["bytes_copied"] > 4 * 400_000
    assert found["processes 2 (fork, shared)"]["bytes_copied"] == 0
    assert report.to_dict()["warnings"] == []


def test_functions_of_nothing_and_of_several() -> None:
    assert bench(list, None, items=3).to_dict()["items"] == 3
    report = bench(divmod, [(7, 3), (9, 4)], star=True)
    assert report.to_dict()["warnings"] == []


def test_what_is_not_deterministic_is_said() -> None:
    report = bench(measured_work.counts_its_calls, [1, 2])
    warning = report.to_dict()["warnings"][0]
    assert warning["code"] == "not-deterministic"
    assert "0, 2" in warning["detail"]


def test_results_that_cannot_be_pickled_rule_processes_out() -> None:
    report = bench(measured_work.makes_a_function, [1, 2])
    reasons = {each["name"]: each["code"] for each in report.to_dict()["left_out"]}
    assert reasons["processes 2 (fork, pickled)"] == "result-not-picklable"
    assert reasons["processes 2 (fork, pool)"] == "result-not-picklable"
    assert "threads 2" in variants(report)


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        (measured_work.fails, "failed", "input 3: ValueError: three is one too many"),
        (measured_work.ends_the_process, "died", "exit code 7"),
        (measured_work.never_ends, "too-slow", "had not ended after 5 s"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(function: Any, code: str, words: str) -> None:
    # The least patience is for what never ends; for the others a busy machine may take long.
    budget = 0.5 if code == "too-slow" else 80
    with pytest.raises(MeasureError, match=words) as caught:
        bench(function, [1, 2, 3], budget=budget)
    assert caught.value.code == code


def test_what_goes_wrong_in_a_pool_alone() -> None:
    options: Any = {"kinds": ["processes"], "arguments": ["pool"]}
    with pytest.raises(MeasureError, match="exited with status 7") as caught:
        bench(measured_work.ends_the_worker, [1, 2], **options)
    assert caught.value.code == "died"
    # What works in series and fails there is a finding about that way.
    report = bench(measured_work.fails_in_a_pool, [1, 2], **options)
    (left,) = report.to_dict()["left_out"]
    assert (left["name"], left["code"]) == ("processes 2 (fork, pool)", "failed")
    assert "for the input 1: ValueError: not here" in left["detail"]


def test_nonsense_is_refused() -> None:
    for options in ({"kinds": ["fibres"]}, {"workers": [0]}, {"budget": 0}):
        with pytest.raises(MeasureError):
            pumasi.bench(len, ["x"], **options)  # type: ignore[arg-type]
    with pytest.raises(MeasureError, match="no inputs"):
        pumasi.bench(len, [])
    with pytest.raises(MeasureError, match="cannot be called"):
        pumasi.bench(3, [1])  # type: ignore[arg-type]


#: The fewest rounds, for which a slow machine may take its time.
QUICK = ["--budget", "60", "--precision", "1000000"]


def command(*words: str) -> "subprocess.CompletedProcess[str]":
    return run_program([sys.executable, "-m", "pumasi", "bench", *words], cwd=HERE)


def test_the_command_measures_a_script(tmp_path: Path) -> None:
    script = tmp_path / "my_work.py"
    script.write_text("def work(n):\n    print('noise')\n    return sum(range(n))\n")
    page = tmp_path / "report.html"
    words = ["--func", "work", "--args", "10", "-20", "30", "--workers", "1,2", *QUICK]
    done = command(str(script), *words, "--json", "--html", str(page), "--start-methods", "spawn")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    report = json.loads(done.stdout)
    assert report["items"] == 3
    assert "processes 2 (spawn, pickled)" in {each["name"] for each in report["variants"]}
    assert report["sentences"][0].startswith("Not worth it")
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 3
    # Nothing is loaded from elsewhere.
    assert "http" not in text.replace("http://www.w3.org", "")
    assert "src=" not in text


@pytest.mark.parametrize(("language", "words"), [("en", "Not worth it"), ("ko", "가치가 없습니다")])
def test_the_command_speaks_both_languages(language: str, words: str) -> None:
    target = ["measured_work:tiny", "--inputs", "range(5)", *QUICK]
    done = command(*target, "--lang", language, "--workers", "2")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert words in done.stdout
    assert "#" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no_such_module:f"], 3, "no module named 'no_such_module'"),
        (["measured_work:nothing"], 3, "it has: computes"),
        (["measured_work:not_a_function"], 3, "is not a function"),
        (["measured_work"], 2, "names no function"),
        (["no_such_script.py", "--func", "f"], 3, "there is no file"),
        (["measured_work:tiny", "--inputs", "1 / 0"], 2, "ZeroDivisionError"),
        (["measured_work:fails", "--args", "3"], 1, "three is one too many"),
    ],
)
def test_the_command_says_what_is_wrong(words: list[str], code: int, said: str) -> None:
    done = command(*words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_the_page_in_korean() -> None:
    report = bench(measured_work.tiny, [1, 2])
    assert "작업자" in report.to_html("ko")
    assert "Not worth it" in str(report)
    with pytest.raises(ValueError, match="not a language"):
        report.to_text("xx")
