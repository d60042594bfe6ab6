"""CPython's own tests of executors of processes, on our executor and on theirs with our context.

Each set runs in a program of its own, `futures_suites.py`. What sleeps long is left to a run of
that program by hand.
"""

import importlib.util
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CLASSES = ("ExecutorDeadlock", "FailingInitializer", "Initializer", "ProcessPoolShutdown")


@pytest.mark.parametrize("kind", ["ours", "context"])
def test_executors(kind: str) -> None:
    if importlib.util.find_spec("test.test_concurrent_futures") is None:
        pytest.skip("this Python was installed without its own tests")
    names = [f"ProcessPoolFork{name}Test" for name in CLASSES]
    if kind == "ours":
        names.append("ProcessPoolForkProcessPoolExecutorTest")
    expected: Any = runpy.run_path(str(HERE / "cpython" / "exceptions.py"), run_name="exceptions")
    # What fails there waits for seconds before it does.
    without = [*(expected["IN_EXECUTORS"] if kind == "ours" else ()), "test_map_timeout"]
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "futures_suites.py"),
            kind,
            "fork",
            *(f"-{name}" for name in without),
            *names,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    number, failed = json.loads(done.stdout.strip().splitlines()[-1])
    assert number >= 15, done.stderr
    assert not failed, "\n".join(failed.values())
