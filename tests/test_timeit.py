"""`python -m pumasi.timeit`: timeit as it is known, and the same on threads and on processes."""

import re
import timeit as standard
from typing import Any

import pytest

from pumasi import timeit


def test_the_functions_are_those_of_the_standard_library() -> None:
    for name in ("Timer", "timeit", "repeat", "default_timer"):
        assert getattr(timeit, name) is getattr(standard, name)


# It warns of unreliable results on a busy machine, also of these.
@pytest.mark.filterwarnings("ignore:The test results are likely unreliable")
def test_without_new_options_it_is_timeit(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-n", "10", "-r", "2", "-s", "a = 1", "-u", "usec", "a + 1"]
    assert timeit.main(words) is None
    assert re.fullmatch(r"10 loops, best of 2: [\d.e+-]+ usec per loop\n", capsys.readouterr().out)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_threads_and_processes(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-n", "20", "-r", "6", "--threads", "1,2", "--processes=2", "--start-method", method]
    assert timeit.main([*words, "-v", "-s", "import math", "math.sqrt(2)"]) is None
    raw, lines = capsys.readouterr().out.split("\n\n")
    assert raw.count("raw times") == 4
    assert [line.split(":")[0] for line in lines.splitlines()] == [
        "20 loops, best of 6",
        "1 thread",
        "2 threads",
        "2 processes",
    ]
    pattern = r"2 processes: 20 loops each, best of 6: \S+ [nmu]?sec per loop together, "
    rate = r"[\d.]+ \([\d.]+ to [\d.]+\) times the rate of one"
    assert re.fullmatch(pattern + rate, lines.splitlines()[3])


def test_every_worker_works_as_often_as_said(tmp_path: Any) -> None:
    # Each loop appends a byte, and no append gets lost.
    file = tmp_path / "loops"
    statement = f"with open({str(file)!r}, 'ab') as f: f.write(b'x')"
    assert timeit.main(["-n7", "-r3", "--threads", "2", "--processes", "3", statement]) is None
    assert file.stat().st_size == 3 * 7 * (1 + 2 + 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--threads", "0", "pass"], "from 1 to 512"),
        (["--threads", "x", "pass"], "invalid literal"),
        (["--processes", "2", "-p", "pass"], "-p times what one process"),
        (["--processes", "2", "--start-method", "clone", "pass"], "is not fork"),
        (["--nonsense"], "not recognized"),
    ],
)
def test_nonsense(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert timeit.main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["--threads=2", "--processes=2"])
def test_a_statement_that_raises(workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert timeit.main(["-n", "1", workers, "nothing_here"]) == 1
    error = capsys.readouterr().err
    assert "NameError: name 'nothing_here' is not defined" in error


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert timeit.main(["--help"]) == 0
    assert "--processes" in capsys.readouterr().out
