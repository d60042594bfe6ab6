"""`pumasi run`: unchanged programs with multiprocessing replaced, otherwise as python runs them."""

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from programs import run_program

PROGRAMS = Path(__file__).parent / "run_programs"
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("PUMASI_HEAP", "PYTHONPATH")}
ENVIRONMENT["LC_ALL"] = "C"


def run(
    *words: str, by: tuple[str, ...] = ("-m", "pumasi", "run")
) -> "subprocess.CompletedProcess[str]":
    """Run a command line in the folder of the programs."""
    return run_program([sys.executable, *by, *words], env=ENVIRONMENT, cwd=PROGRAMS)


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


@pytest.mark.parametrize(
    "modules",
    [
        (),
        ("pumasi.managers",),
        ("multiprocessing.managers",),
        ("pumasi.pool", "multiprocessing.managers"),
        ("multiprocessing.pool", "multiprocessing.sharedctypes", "pumasi.managers"),
        ("concurrent.futures.process", "multiprocessing.shared_memory", "pumasi.sharedctypes"),
    ],
)
def test_a_module_is_replaced_when_it_is_imported(modules: tuple[str, ...]) -> None:
    done = run("late.py", *modules)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[] multiprocessing.pool [1]\n"


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


def test_the_options_of_the_interpreter_which_runs_pumasi_count() -> None:
    options = ("-W", "error::UserWarning", "-X", "dev")
    expected = run("what_python_gives.py", by=options)
    found = run("what_python_gives.py", by=(*options, "-m", "pumasi", "run"))
    assert (found.stdout, found.stderr) == (expected.stdout, expected.stderr)
    assert "['default', 'error::UserWarning'] True" in found.stdout


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_folder_and_an_archive_have_their_whole_path(tmp_path: Path, kind: str) -> None:
    program = "import os, sys; os.chdir('/'); print(sys.path[0], __file__); import beside"
    if kind == "folder":
        (tmp_path / "program").mkdir()
        (tmp_path / "program" / "__main__.py").write_text(program)
        (tmp_path / "program" / "beside.py").write_text("print('found')")
    else:
        with zipfile.ZipFile(tmp_path / "program", "w") as archive:
            archive.writestr("__main__.py", program)
            archive.writestr("beside.py", "print('found')")
    words = os.path.relpath(tmp_path / "program", PROGRAMS)
    expected, found = run(words, by=()), run(words)
    assert (found.stdout, found.stderr) == (expected.stdout, expected.stderr)
    assert found.stdout.endswith("found\n")


def test_an_interrupted_program_shows_its_own_frames_only(tmp_path: Path) -> None:
    program = tmp_path / "interrupted.py"
    program.write_text("import signal; signal.raise_signal(signal.SIGINT)")
    expected, found = run(str(program), by=()), run(str(program))
    assert (found.returncode, found.stderr) == (expected.returncode, expected.stderr)
    assert found.returncode == -signal.SIGINT


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
