"""What every test gets: a start method to be crossed with, and a look at what it left behind."""

import contextlib
import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pumasi

METHODS = ["fork", "spawn", "forkserver"]

# The fork server and the resource tracker live as long as the program; they are started before the
# first count, so that no test is blamed for them.
from multiprocessing import forkserver, resource_tracker  # noqa: E402

resource_tracker.ensure_running()
forkserver.ensure_running()


@pytest.fixture(params=METHODS)
def ctx(request: pytest.FixtureRequest) -> Any:
    """The context of each start method in turn."""
    return pumasi.get_context(request.param)


def descriptors() -> set[tuple[str, str]]:
    """What this process has open, by number and target."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        # The descriptor that lists the directory is gone by then.
        with contextlib.suppress(OSError):
            found.add((entry.name, os.readlink(entry)))
    return found


def children() -> set[int]:
    """The children of this process, the helpers of multiprocessing left out."""
    helpers = {forkserver._forkserver._forkserver_pid, resource_tracker._resource_tracker._pid}
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found - helpers


def objects() -> int:
    """How many shared objects are alive in the heap."""
    gc.collect()
    pumasi.heap.recover()
    return pumasi.heap.stats()["objects"]


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test which leaves a child, a descriptor or a shared object behind."""
    multiprocessing.active_children()
    before = (children(), descriptors(), objects())
    yield
    multiprocessing.active_children()  # reaps what has ended
    deadline = time.monotonic() + 5
    while True:
        after = (children(), descriptors(), objects())
        new_children = after[0] - before[0]
        # A descriptor may be reopened under another number; a count that grew is a leak. The
        # heap keeps a few pidfds of processes it has waited for.
        lasting = [t for _, t in after[1] if "pidfd" not in t]
        leaked = len(lasting) - len([t for _, t in before[1] if "pidfd" not in t])
        more = after[2] - before[2]
        if not new_children and leaked <= 0 and more <= 0:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    for pid in new_children:
        os.kill(pid, signal.SIGKILL)
    assert not new_children, f"children left: {new_children}"
    assert leaked <= 0, f"descriptors left: {sorted(after[1] - before[1])}"
    assert more <= 0, f"{more} shared objects left"


@pytest.fixture
def run() -> Callable[..., None]:
    """Run a function in a child and insist that it ends well."""

    def run_in_child(ctx: Any, target: Callable[..., Any], *args: Any) -> None:
        child = ctx.Process(target=target, args=args)
        child.start()
        child.join(60)
        try:
            assert child.exitcode == 0
        finally:
            child.kill()
            child.join()
            child.close()

    return run_in_child


@pytest.fixture
def seed() -> int:
    """The seed of random tests: PUMASI_SEED, or one of the day, printed when the test fails."""
    value = int(os.environ.get("PUMASI_SEED") or time.time_ns() % 2**32)
    print(f"PUMASI_SEED={value}")
    return value


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something that has no event to wait for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)
