"""Every script in examples/python runs and prints what its last comment says."""

import sys
from pathlib import Path

import pytest

from programs import run_program

EXAMPLES = Path(__file__).parents[1] / "examples" / "python"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


def announced(script: Path) -> str:
    """What a script says that it prints: the comment at its end."""
    _, _, comment = script.read_text(encoding="utf-8").partition("\n# prints:\n")
    return "".join(line.removeprefix("# ") for line in comment.splitlines(keepends=True))


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_example(script: Path) -> None:
    if "import numpy" in script.read_text(encoding="utf-8"):
        pytest.importorskip("numpy")
    done = run_program([sys.executable, "-W", "error::ResourceWarning", str(script)], timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == announced(script) != ""


def test_there_are_examples() -> None:
    assert len(SCRIPTS) >= 5
