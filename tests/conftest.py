"""What every test gets: a start method to be crossed with, and a look at what it left behind."""

import contextlib
import gc
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import helpers
import pumasi


def pytest_sessionstart() -> None:
    # A shell's background job has Ctrl-C ignored, and so would every program that a test starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Before the first count, so that no test is blamed for what lasts.
    helpers.start_what_lasts()


@pytest.fixture(scope="module", autouse=True)
def what_lasts_is_no_garbage() -> None:
    """Leave what is alive between two files out of the collections around every test.

    Modules, the tests and what pytest knows of those which have run would be by far the most that
    these look at, and what lasts until the next file is no garbage of any test.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(params=helpers.METHODS)
def ctx(request: pytest.FixtureRequest) -> Any:
    """The context of each start method in turn."""
    return pumasi.get_context(request.param)


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test which leaves a child, a descriptor or a shared object behind."""
    multiprocessing.active_children()
    children, opened, objects = helpers.children(), _lasting(), helpers.objects()
    yield
    # What other fixtures gave the test is kept for the report; they have been torn down by now.
    request.node.funcargs.clear()
    # On a busy machine what was killed takes its time to go.
    deadline = time.monotonic() + 30
    while True:
        multiprocessing.active_children()  # reaps what has ended
        strays = helpers.children() - children
        more_opened = _lasting() - opened
        more_objects = helpers.objects() - objects
        if not strays and not more_opened and more_objects <= 0:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    for pid in strays:
        with contextlib.suppress(ProcessLookupError):  # It has ended just now.
            os.kill(pid, signal.SIGKILL)
    assert not strays, f"children left: {strays}"
    assert not more_opened, f"descriptors left: {more_opened}"
    assert more_objects <= 0, f"{more_objects} shared objects left"


def _lasting() -> Counter[str]:
    # The heap keeps a few pidfds of processes which it has waited for, and the standard library
    # the files in which its own values lie.
    return Counter(
        target.split(":")[0]
        for _, target in helpers.descriptors()
        if "pidfd" not in target and "/pym-" not in target
    )


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
    """The seed of random tests: PUMASI_SEED, or a new one, which a failing test shows."""
    value = int(os.environ.get("PUMASI_SEED") or time.time_ns() % 2**32)
    print(f"PUMASI_SEED={value}")
    return value
