"""The watchdog of the programs that tests start."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from programs import HangError, run_program

HANGS = """
import os, sys, time

def here():
    open(os.path.join(sys.argv[1], f"{os.getpid()}.here"), "w").close()
    time.sleep(1000)

os.fork()  # which has the pipes, too
os.write(1, b"%d\\n" % os.getpid())
here()
"""


def test_what_a_program_prints_and_how_it_ends() -> None:
    done = run_program([sys.executable, "-c", "import sys; print(1); sys.exit('two')"])
    assert (done.returncode, done.stdout, done.stderr) == (1, "1\n", "two\n")


def test_one_that_hangs_ends_with_its_children_and_says_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "hangs.py"
    program.write_text(HANGS)
    communicate = subprocess.Popen.communicate

    def once_both_hang(process: Any, *args: Any, **kwargs: Any) -> Any:
        # The time begins when both are where they hang, however long they took to come there.
        end = time.monotonic() + 60
        while len([*tmp_path.glob("*.here")]) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        return communicate(process, *args, **kwargs)

    monkeypatch.setattr(subprocess.Popen, "communicate", once_both_hang)
    with pytest.raises(HangError, match=r"had not ended after 0.1 s(?s:.*)in here") as raised:
        run_program([sys.executable, program, tmp_path], timeout=0.1)
    pids = [int(line) for line in str(raised.value).splitlines() if line.isdigit()]
    assert len(pids) == 2
    assert not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids)
