"""CPython's own tests of executors of processes, on our executor and on theirs with our context.

Each set runs in a program of its own, `futures_suites.py`. `make test` runs what does not sleep
long; all of it, for each start method, is run and printed by `make conformance`, which calls

    python tests/test_executor_judge.py
"""

import importlib.util
import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from programs import HangError, run_program

HERE = Path(__file__).parent
METHODS = ("fork", "spawn", "forkserver")
KINDS = ("ours", "context")
#: What `make test` runs, by the middle of the names of the classes.
CLASSES = {
    ("ours", "fork"): (
        "ExecutorDeadlock",
        "FailingInitializer",
        "Initializer",
        "ProcessPoolExecutor",
        "ProcessPoolShutdown",
    ),
    ("ours", "forkserver"): ("ProcessPoolShutdown",),
    ("context", "fork"): (
        "ExecutorDeadlock",
        "FailingInitializer",
        "Initializer",
        "ProcessPoolShutdown",
    ),
    ("context", "spawn"): ("FailingInitializer", "Initializer"),
    ("context", "forkserver"): ("FailingInitializer", "Initializer"),
}
MISSING = importlib.util.find_spec("test.test_concurrent_futures") is None


def judged(
    kind: str, method: str, without: list[str], names: list[str], within: float
) -> tuple[int, Any, str]:
    """Run test classes, or all: how many tests ran, which failed, and what they said.

    What has not ended within so many seconds says where it is.
    """
    expected: Any = runpy.run_path(str(HERE / "cpython" / "exceptions.py"), run_name="exceptions")
    if kind == "ours":
        without = [*without, *expected["IN_EXECUTORS"]]
    done = run_program(
        [
            sys.executable,
            str(HERE / "futures_suites.py"),
            kind,
            method,
            *(f"-{name}" for name in without),
            *names,
        ],
        timeout=within,
    )
    assert done.returncode == 0, done.stderr
    number, failed = json.loads(done.stdout.strip().splitlines()[-1])
    return number, failed, done.stderr


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("kind", "method"), CLASSES)
def test_executors(kind: str, method: str) -> None:
    if MISSING:
        pytest.skip("this Python was installed without its own tests")
    which = method.capitalize()
    names = [f"ProcessPool{which}{name}Test" for name in CLASSES[kind, method]]
    without = ["test_map_timeout"]  # It sleeps for seconds.
    if kind == "context":
        # In these the standard library's executor hangs now and then, on its own context, too
        # (CPython's issue 125451): its manager holds a lock while it waits for the end of the
        # queue's thread, which may want that lock to tell of what could not be pickled.
        without += ["test_processes_terminate", "test_shutdown_deadlock_pickle"]
    number, failed, said = judged(kind, method, without, names, 300)
    assert number >= (15 if method == "fork" else 2), said
    assert not failed, "\n".join(failed.values())


def judged_all(kind: str, method: str) -> tuple[int, Any]:
    """Run all test classes: how many tests ran, and which failed.

    Once more if the standard library's executor hung, as it does now and then.
    """
    try:
        return judged(kind, method, [], [], 600)[:2]
    except HangError as error:
        if kind == "ours":
            raise
        print(error)
    return judged(kind, method, [], [], 600)[:2]


def main() -> int:
    """Run everything, and print a line for each kind and start method."""
    version = "{}.{}".format(*sys.version_info[:2])
    if MISSING:
        print(f"CPython {version}: executors skipped, it was installed without their tests")
        return 0
    worst = 0
    for method in METHODS:
        for kind in KINDS:
            began = time.monotonic()
            number, failed = judged_all(kind, method)
            what = {"ours": "pumasi's", "context": "the standard library's on pumasi's context"}
            print(
                f"CPython {version} {method}, executor {what[kind]}: "
                f"{number - len(failed)} of {number} passed, {time.monotonic() - began:.0f} s"
            )
            for name, traceback in failed.items():
                worst = 1
                print(f"FAILED {name}\n{traceback}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
