"""The same small programs on multiprocessing and on pumasi: they must print the same."""

import os
import sys
from pathlib import Path

import pytest

from helpers import METHODS
from programs import run_program

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


def output_of(program: Path, package: str, method: str) -> str:
    """Run a program on a package; return what it printed and how it ended."""
    environment = {k: v for k, v in os.environ.items() if k != "PUMASI_HEAP"}
    done = run_program(
        [sys.executable, "-W", "error", str(program), package, method], env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_same_output(program: Path, method: str) -> None:
    expected = output_of(program, "multiprocessing", method)
    assert expected, "a program which prints nothing compares nothing"
    assert output_of(program, "pumasi", method) == expected
