"""Conditions and barriers: their promises beyond multiprocessing's, and what a death does to them.

What they share with multiprocessing's is compared in `conformance`, and with threading's in
`test_lock_tests`.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pumasi
from children import interrupt, running

HANGS = 60


def eventually(predicate: Callable[[], object]) -> None:
    end = time.monotonic() + HANGS
    while not predicate():
        assert time.monotonic() < end
        time.sleep(0.001)


def in_threads(*functions: Callable[[], Any]) -> list[Any]:
    """Run functions at once; return what each returned or raised."""
    outcomes: list[Any] = [None] * len(functions)

    def call(i: int) -> None:
        try:
            outcomes[i] = functions[i]()
        except Exception as error:
            outcomes[i] = error

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS)
        assert not thread.is_alive()
    return outcomes


# ---- conditions ----------------------------------------------------------------------------


def number_waiting(condition: Any) -> int:
    return int(repr(condition).rsplit(", ", 1)[1][:-2])


def wait_for_it(condition: Any, notified: Any) -> None:
    with condition:
        condition.wait()
    notified.release()


def wait_stopped(condition: Any) -> None:
    with condition:
        condition.wait()
    signal.pause()


@pytest.mark.parametrize("lock", ["Lock", "RLock"])
def test_a_killed_waiter_takes_no_notification_with_it(ctx: Any, lock: str) -> None:
    condition, notified = ctx.Condition(getattr(ctx, lock)()), ctx.Semaphore(0)
    with running(ctx, wait_stopped, condition) as first:
        eventually(lambda: number_waiting(condition) == 1)
        with running(ctx, wait_for_it, condition, notified) as second:
            eventually(lambda: number_waiting(condition) == 2)
            os.kill(first.pid, signal.SIGSTOP)
            with condition:
                condition.notify()  # for the first, which is stopped and cannot answer
            assert not notified.acquire(timeout=0.2)
            first.kill()
            first.join()
            assert notified.acquire(timeout=HANGS)
            second.join(HANGS)
            assert second.exitcode == 0


def test_a_killed_waiter_is_not_notified_instead_of_one_who_lives(ctx: Any) -> None:
    condition, notified = ctx.Condition(), ctx.Semaphore(0)
    with running(ctx, wait_stopped, condition) as first:
        eventually(lambda: number_waiting(condition) == 1)
        with running(ctx, wait_for_it, condition, notified):
            eventually(lambda: number_waiting(condition) == 2)
            first.kill()
            first.join()
            with condition:
                condition.notify()
            assert notified.acquire(timeout=HANGS)


def hold(condition: Any, held: Any) -> None:
    with condition:
        held.set()
        signal.pause()


@pytest.mark.parametrize("lock", ["Lock", "RLock"])
def test_a_waiter_is_told_that_the_holder_died(ctx: Any, lock: str) -> None:
    condition, held = ctx.Condition(getattr(ctx, lock)()), ctx.Event()
    with condition, running(ctx, hold, condition, held) as child:

        def kill() -> None:
            assert held.wait(HANGS)
            child.kill()

        killer = threading.Thread(target=kill)
        killer.start()

        def wait() -> None:
            while not held.is_set():
                condition.wait(0.01)

        with pytest.warns(pumasi.OwnerDiedWarning, match=f"process {child.pid}"):
            wait()
        assert condition._lock.owner_died.pid == child.pid
        assert condition._lock._is_mine()
        killer.join()
    assert condition.acquire(block=False)
    condition.release()


def test_an_rlock_is_given_up_at_any_depth() -> None:
    lock = pumasi.RLock()
    condition = pumasi.Condition(lock)

    def wait() -> bool:
        with lock, lock, condition:
            assert condition.wait(HANGS)
            return lock._count() == 3

    def notify() -> None:
        eventually(lambda: number_waiting(condition) == 1)
        with condition:
            condition.notify()

    assert in_threads(wait, notify) == [True, None]
    assert not lock.locked()


def test_more_wait_than_the_first_table_holds() -> None:
    condition, count = pumasi.Condition(), 40

    def wait() -> bool:
        with condition:
            return condition.wait(HANGS)

    def notify() -> int:
        eventually(lambda: number_waiting(condition) == count)
        for _ in range(10):
            with condition:
                condition.notify()
        with condition:
            left = number_waiting(condition)
            condition.notify_all()
        return left

    outcomes = in_threads(*[wait] * count, notify)
    assert outcomes == [True] * count + [30]


def test_in_the_order_in_which_they_came() -> None:
    condition, order = pumasi.Condition(pumasi.Lock()), []

    def wait(i: int) -> None:
        with condition:
            condition.wait()
            order.append(i)

    threads = []
    for i in range(5):
        threads.append(threading.Thread(target=wait, args=(i,)))
        threads[-1].start()
        eventually(lambda i=i: number_waiting(condition) == i + 1)
    for i in range(5):
        with condition:
            condition.notify()
        threads[i].join(HANGS)
    assert order == [0, 1, 2, 3, 4]


def produce(condition: Any, items: Any, n: int) -> None:
    for i in range(n):
        with condition:
            items.append(i)
            condition.notify()


def consume(condition: Any, items: Any, total: Any) -> None:
    while True:
        with condition:
            while not items:
                condition.wait()
            item = items.pop()
        if item is None:
            return
        total.add(item)


def test_no_wake_up_is_lost(ctx: Any) -> None:
    condition, total = ctx.Condition(ctx.Lock()), ctx.Value("l", 0)
    items: pumasi.List[Any] = pumasi.List()
    consumers = [ctx.Process(target=consume, args=(condition, items, total)) for _ in range(2)]
    producers = [ctx.Process(target=produce, args=(condition, items, 300)) for _ in range(2)]
    for child in consumers + producers:
        child.start()
    for child in producers:
        child.join(HANGS)
        assert child.exitcode == 0
    eventually(lambda: not items)
    with condition:
        items.extend([None, None])
        condition.notify_all()
    for child in consumers:
        child.join(HANGS)
        assert child.exitcode == 0
    assert total.value == 2 * sum(range(300))


def test_a_condition_on_a_lock_of_multiprocessing() -> None:
    theirs = pumasi.get_context("fork").Condition(multiprocessing.Lock())
    with theirs:
        assert not theirs.wait(0.01)
    with pytest.raises(TypeError, match="Lock or RLock of pumasi"):
        pumasi.synchronize.Condition(threading.Lock())  # type: ignore[arg-type]


# ---- barriers ------------------------------------------------------------------------------


def come(barrier: Any) -> None:
    barrier.wait()


def test_a_barrier_breaks_when_one_who_waits_is_killed(ctx: Any) -> None:
    barrier = ctx.Barrier(3)
    with running(ctx, come, barrier) as child:
        eventually(lambda: barrier.n_waiting == 1)

        def wait() -> int:
            return int(barrier.wait(HANGS))

        def kill() -> None:
            eventually(lambda: barrier.n_waiting == 2)
            child.kill()

        broken, _ = in_threads(wait, kill)
        assert isinstance(broken, threading.BrokenBarrierError)
        assert barrier.broken
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()
    barrier.reset()
    assert sorted(in_threads(*[barrier.wait] * 3)) == [0, 1, 2]


def test_a_barrier_does_not_break_when_another_is_killed(ctx: Any) -> None:
    barrier, held = ctx.Barrier(2), ctx.Event()
    with running(ctx, idle, barrier, held) as child:
        assert held.wait(HANGS)
        child.kill()
        child.join()
    assert sorted(in_threads(barrier.wait, barrier.wait)) == [0, 1]
    assert not barrier.broken


def idle(barrier: Any, held: Any) -> None:
    assert barrier.parties == 2
    held.set()
    signal.pause()


class Stall:
    """An action which goes on until its process is killed."""

    def __init__(self, acting: Any) -> None:
        self.acting = acting

    def __call__(self) -> None:
        self.acting.set()
        signal.pause()


def test_a_barrier_breaks_when_the_one_who_acts_is_killed(ctx: Any) -> None:
    acting = ctx.Event()
    barrier = ctx.Barrier(2, Stall(acting))
    with running(ctx, first_then_come, barrier) as child:

        def wait() -> int:
            return int(barrier.wait(HANGS))

        def kill() -> None:
            assert acting.wait(HANGS)
            child.kill()

        broken, _ = in_threads(wait, kill)
        assert isinstance(broken, threading.BrokenBarrierError)


def first_then_come(barrier: Any) -> None:
    eventually(lambda: barrier.n_waiting == 1)
    barrier.wait()


def test_the_next_round_waits_for_the_action() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        assert go_on.wait(HANGS)

    barrier = pumasi.Barrier(1, act)

    def late() -> int:
        assert begun.wait(HANGS)
        threading.Timer(0.1, go_on.set).start()
        return barrier.wait(HANGS)

    assert in_threads(barrier.wait, late) == [0, 0]


def test_a_late_leaver_is_told_of_its_own_round() -> None:
    barrier = pumasi.Barrier(2)
    with concurrent_rounds(barrier) as outcomes:
        for _ in range(200):
            barrier.wait(HANGS)
        barrier.abort()
    assert outcomes == ["passed"] * 200 + ["broken"]


@contextlib.contextmanager
def concurrent_rounds(barrier: Any) -> Iterator[list[str]]:
    outcomes: list[str] = []

    def run() -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            while True:
                barrier.wait(HANGS)
                outcomes.append("passed")
        outcomes.append("broken")

    thread = threading.Thread(target=run)
    thread.start()
    yield outcomes
    thread.join(HANGS)
    assert not thread.is_alive()


def test_bad_arguments() -> None:
    for parties in (0, -1, 2**31):
        with pytest.raises(ValueError, match="parties"):
            pumasi.Barrier(parties)
    with pytest.raises(TypeError):
        pumasi.Barrier("two")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a number"):
        pumasi.Barrier(2, timeout=float("nan"))


# ---- signals -------------------------------------------------------------------------------

WAITS = {
    "Condition": "x = mp.Condition()\nwith x: interrupted(x.wait)\nassert x.acquire(block=False)",
    "Condition on a Lock": "x = mp.Condition(mp.Lock())\nwith x: interrupted(x.wait, 100)",
    "wait_for": "x = mp.Condition()\nwith x: interrupted(x.wait_for, lambda: False)",
    "Barrier": "x = mp.Barrier(2)\ninterrupted(x.wait)\nassert x.n_waiting == 0",
}

PROGRAM = """
import pumasi as mp

def interrupted(f, *args):
    try:
        print("waiting", flush=True)
        f(*args)
    except KeyboardInterrupt:
        return
    raise SystemExit("the wait ended")

{statement}
print("interrupted", flush=True)
"""


@pytest.mark.parametrize("name", WAITS)
def test_ctrl_c_ends_every_wait(name: str) -> None:
    interrupt(PROGRAM.replace("{statement}", WAITS[name]))
