"""The tour: every program on both libraries and every start method, and the command itself."""

import json
import subprocess
import sys
import threading
from typing import Any

import pytest

import pumasi
from programs import run_program
from pumasi.tour import run as tour
from pumasi.tour.programs import race_at_once

PROGRAMS = [
    name for name in tour.program_names() if name not in tour.STANDARD_COUNTERPARTS.values()
]


def run(*command: str, timeout: float = 100) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments."""
    return run_program([sys.executable, *command], timeout=timeout)


def result_of(name: str, library: str, start_method: str) -> dict[str, Any]:
    """Run a program quickly and return its result."""
    arguments = ["--library", library, "--start-method", start_method, "--quick", "--json"]
    done = run("-m", "pumasi.tour.run", name, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["library"] == library
    assert last["process_seconds"] >= last["result"]["seconds"] > 0
    result: dict[str, Any] = last["result"]
    return result


def check_separate_memory(result: dict[str, Any], library: str) -> None:
    assert result["length"] == 0


def check_manager_list(result: dict[str, Any], library: str) -> None:
    assert result["length"] == 40


def check_shared_array(result: dict[str, Any], library: str) -> None:
    assert (result["length"], result["sum"]) == (40, 180)


def check_race(result: dict[str, Any], library: str) -> None:
    assert all(1 <= length <= result["expected"] for length in result["lengths"])


# How many runs lose numbers is up to who runs when; that it can be is shown below.
check_race_at_once = check_race


def check_lock(result: dict[str, Any], library: str) -> None:
    assert set(result["lengths"]) == {result["expected"]}


check_one_call = check_lock


def check_semaphore(result: dict[str, Any], library: str) -> None:
    assert 1 <= result["most"] <= result["places"]
    assert result["left"] == 0


def check_threads_and_processes(result: dict[str, Any], library: str) -> None:
    assert len(set(result["primes"])) == 1


def check_killed_holder(result: dict[str, Any], library: str) -> None:
    assert result["exitcode"] == -9
    assert result["acquired"] == (library == "pumasi")
    if library == "pumasi":
        assert result["told_by"] == ["OwnerDiedWarning"]
        assert (result["dead_pid"], result["dead_signal"]) == (result["worker_pid"], 9)


def check_count_identifiers(result: dict[str, Any], library: str) -> None:
    assert len(set(result["digests"].values())) == 1
    assert result["identifiers"] > 10_000
    assert ("shared_dict" in result["digests"]) == (library == "pumasi")


@pytest.mark.parametrize(
    ("library", "start_method"),
    [("multiprocessing", "fork"), *(("pumasi", method) for method in tour.START_METHODS)],
)
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, library: str, start_method: str) -> None:
    globals()[f"check_{name}"](result_of(name, library, start_method), library)


def test_the_race_loses_a_number_whenever_two_read_at_a_time() -> None:
    numbers: pumasi.List[int] = pumasi.List()
    together = threading.Barrier(2)

    class ReadTogether:
        def __getitem__(self, part: slice) -> list[int]:
            found = numbers[part]
            together.wait(60)
            return found

        def __setitem__(self, part: slice, items: list[int]) -> None:
            numbers[part] = items

    threads = [
        threading.Thread(target=race_at_once.append_many, args=(ReadTogether(), together, 1))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == [0]


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_the_import_is_changed(name: str) -> None:
    if name in tour.STANDARD_COUNTERPARTS:
        return
    ours = tour.source_for(name, "pumasi").splitlines()
    theirs = tour.source_for(name, "multiprocessing").splitlines()
    changed = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    assert changed == [("import pumasi as mp", "import multiprocessing as mp")]


def test_a_failing_program_gives_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for ending, code in (("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)):
        monkeypatch.setattr(tour, "source_for", lambda *_, ending=ending: f"print(1)\n{ending}\n")
        assert tour.run("lock", "multiprocessing") == code
        assert capfd.readouterr().out == "1\n"


# These are all the programs of both sides on both libraries, one after the other.
@pytest.mark.timeout(500)
def test_the_command_runs_it_all() -> None:
    done = run("-m", "pumasi", "tour", "--quick", "--json", "--quiet", timeout=450)
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["ok"]) == (0, "", True)
    sides = [row["side"] for row in report["programs"]]
    assert sides == ["python"] * len(PROGRAMS) + ["rust"] * len(PROGRAMS)
    assert report["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    digests = {
        digest
        for row in report["programs"]
        for outcome in (row["pumasi"], row["standard"])
        if row["program"] == "count_identifiers"
        for digest in outcome["result"]["digests"].values()
    }
    assert len(digests) == 1


@pytest.mark.parametrize(("language", "title"), [("en", "A shared list"), ("ko", "공유 리스트")])
def test_the_command_speaks_both_languages(language: str, title: str) -> None:
    done = run("-m", "pumasi", "tour", "manager_list", "--quick", "--lang", language, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert title in done.stdout


def test_the_command_shows_the_source() -> None:
    done = run("-m", "pumasi", "tour", "lock", "--source")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == tour.source_for("lock", "pumasi").strip()
