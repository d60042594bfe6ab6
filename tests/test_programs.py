"""The watchdog of the programs that tests start."""

import os
import sys
from pathlib import Path

import pytest

from programs import HangError, run_program

HANGS = """
import os, time

def here():
    time.sleep(1000)

os.fork()  # which has the pipes, too
os.write(1, b"%d\\n" % os.getpid())
here()
"""


def test_what_a_program_prints_and_how_it_ends() -> None:
    done = run_program([sys.executable, "-c", "import sys; print(1); sys.exit('two')"])
    assert (done.returncode, done.stdout, done.stderr) == (1, "1\n", "two\n")


def test_one_that_hangs_ends_with_its_children_and_says_where_they_were(tmp_path: Path) -> None:
    program = tmp_path / "hangs.py"
    program.write_text(HANGS)
    with pytest.raises(HangError, match=r"had not ended after 3 s(?s:.*)in here") as raised:
        run_program([sys.executable, program], timeout=3)
    pids = [int(line) for line in str(raised.value).splitlines() if line.isdigit()]
    assert len(pids) == 2
    assert not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids)
