"""`pumasi run`: unchanged programs with multiprocessing replaced, otherwise as python runs them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "run_programs"
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("PUMASI_HEAP", "PYTHONPATH")}
ENVIRONMENT["LC_ALL"] = "C"


def run(
    *words: str, by: tuple[str, ...] = ("-m", "pumasi", "run")
) -> "subprocess.CompletedProcess[str]":
    """Run a command line in the folder of the programs."""
    return subprocess.run(
        [sys.executable, *by, *words],
        capture_output=True,
        text=True,
        timeout=100,
        env=ENVIRONMENT,
        cwd=PROGRAMS,
    )


def test_every_form_of_import_in_every_child() -> None:
    done = run("forms.py", "--follow", "-m", "x")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "['--follow', '-m', 'x'] ['pumasi'] True",
        *(f"{m} (['pumasi'], 'pumasi') 0 1" for m in ("fork", "spawn", "forkserver")),
        "[0, 1, 4, 9]",
        "[1, 2] True",
        "[0, 1, 4, 9]",
    ]


def test_every_order_of_import() -> None:
    done = run("orders.py")
    assert (done.returncode, done.stderr) == (0, "")
    found = done.stdout.split()
    assert found == ["pumasi"] * 15


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_pool_of_a_server(method: str) -> None:
    done = run("pool_of_a_server.py", method)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[1, 2] 8\n" * 3


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_segments(method: str) -> None:
    done = run("segments.py", method)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "pumasi.shared_memory b'hi' b'a\\x00'\n"


@pytest.mark.parametrize(
    "words",
    [
        ("what_python_gives.py", "-W", "a"),
        ("./what_python_gives.py", "exit"),
        (str(PROGRAMS / "what_python_gives.py"),),
        ("-W", "error", "-X", "dev", "what_python_gives.py"),
        ("-m", "what_python_gives", "-m", "exit"),
        ("what_python_gives.py", "raise"),
        ("no_such_program.py",),
        ("-m", "no_such_module"),
        ("-m", "json.tool", "--help"),
    ],
    ids=" ".join,
)
def test_otherwise_as_python(words: tuple[str, ...]) -> None:
    expected, found = run(*words, by=()), run(*words)
    assert found.returncode == expected.returncode
    assert found.stdout == expected.stdout
    assert found.stderr.splitlines()[-1:] == expected.stderr.splitlines()[-1:]
    assert "_run.py" not in found.stderr


def test_follow_reaches_subprocesses() -> None:
    assert run("what_python_gives.py", "subprocess").stdout.split()[-1] == "multiprocessing"
    assert run("--follow", "what_python_gives.py", "subprocess").stdout.split()[-1] == "pumasi"


def test_a_signal_ends_it_as_it_ends_python(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(
        f"import os, multiprocessing; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    assert run(str(tmp_path / "killed.py")).returncode == -signal.SIGKILL


def test_a_program_is_needed() -> None:
    done = run("--nothing", "x.py")
    assert done.returncode == 2
    assert "'--nothing' is not a program" in done.stderr
