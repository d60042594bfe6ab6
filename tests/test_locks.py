"""Locks, semaphores, events: between threads, between processes, and when a holder is killed."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import pumasi
from children import interrupt

PRIMITIVES = ["Lock", "RLock", "Semaphore", "BoundedSemaphore"]


def make(ctx: Any, name: str) -> Any:
    return getattr(ctx, name)()


# ---- between threads -----------------------------------------------------------------------


@pytest.mark.parametrize("name", PRIMITIVES)
def test_threads_exclude_one_another(name: str) -> None:
    lock = make(pumasi, name)
    total = 0

    def add() -> None:
        nonlocal total
        for _ in range(2000):
            with lock:
                before = total
                total = before + 1

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == 8000


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_timeout_ends_the_wait(name: str) -> None:
    lock = make(pumasi, name)
    assert lock.acquire()
    elsewhere: list[bool] = []

    def wait() -> None:
        begin = time.monotonic()
        elsewhere.append(lock.acquire(timeout=0.1))
        elsewhere.append(time.monotonic() - begin >= 0.1)
        elsewhere.append(lock.acquire(block=False))
        elsewhere.append(lock.acquire(True, -1))

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert elsewhere == [False, True, False, False]
    lock.release()


def test_a_waiting_thread_lets_others_run() -> None:
    lock = pumasi.Lock()
    lock.acquire()
    acquired = threading.Event()

    def wait() -> None:
        with lock:
            acquired.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not acquired.wait(0.1)
    lock.release()  # this thread could not get here if the other kept the interpreter
    assert acquired.wait(30)
    thread.join()


def test_a_lock_may_be_released_by_another_thread() -> None:
    lock = pumasi.Lock()
    lock.acquire()
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert not lock.locked()


def test_bad_arguments() -> None:
    with pytest.raises(ValueError):
        pumasi.Lock().acquire(True, float("nan"))
    with pytest.raises(TypeError):
        pumasi.Lock().acquire(True, "soon")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="permits"):
        pumasi.Semaphore(-1)
    with pytest.raises(ValueError, match="permits"):
        pumasi.BoundedSemaphore(2**31)
    with pytest.raises(ValueError, match="on_death"):
        pumasi.Lock(on_death="explode")


# ---- between processes ---------------------------------------------------------------------


def increment(lock: Any, numbers: Any, n: int) -> None:
    for _ in range(n):
        with lock:
            numbers[0] += 1


@pytest.mark.parametrize("name", PRIMITIVES)
def test_processes_exclude_one_another(ctx: Any, name: str) -> None:
    lock, numbers = make(ctx, name), ctx.RawArray("i", 1)
    children = [ctx.Process(target=increment, args=(lock, numbers, 500)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert numbers[0] == 1500


def hand_over(event: Any, answer: Any) -> None:
    assert event.wait(60)
    answer.set()


def test_an_event_wakes_every_waiter(ctx: Any) -> None:
    event = ctx.Event()
    answers = [ctx.Event() for _ in range(3)]
    children = [ctx.Process(target=hand_over, args=(event, answer)) for answer in answers]
    for child in children:
        child.start()
    assert not any(answer.is_set() for answer in answers)
    event.set()
    for child, answer in zip(children, answers, strict=True):
        assert answer.wait(60)
        child.join()
    event.clear()
    assert not event.wait(0)


def test_condition_on_our_lock(ctx: Any) -> None:
    condition = ctx.Condition(ctx.Lock())
    ready = ctx.Value("i", 0)
    child = ctx.Process(target=notify, args=(condition, ready))
    with condition:
        child.start()
        assert condition.wait_for(lambda: ready.value == 1, timeout=60)
    child.join()


def notify(condition: Any, ready: Any) -> None:
    with condition:
        ready.value = 1
        condition.notify_all()


# ---- death ---------------------------------------------------------------------------------


def hold_for_ever(lock: Any, held: Any) -> None:
    lock.acquire()
    held.set()
    while True:
        signal.pause()


def kill_holder(ctx: Any, lock: Any, signum: int = signal.SIGKILL) -> int:
    """Have a child acquire the lock and die of a signal; return its process id."""
    held = ctx.Event()
    child = ctx.Process(target=hold_for_ever, args=(lock, held))
    child.start()
    assert held.wait(60)
    os.kill(child.pid, signum)
    child.join()
    assert child.exitcode == -signum
    return int(child.pid)


@pytest.mark.parametrize("name", ["Lock", "RLock"])
def test_the_lock_of_a_killed_process_comes_free(ctx: Any, name: str) -> None:
    lock = make(ctx, name)
    pid = kill_holder(ctx, lock)
    with pytest.warns(pumasi.OwnerDiedWarning, match=f"process {pid}") as told:
        assert lock.acquire(timeout=30)
    assert told[0].filename == __file__
    assert lock.owner_died.pid == pid
    assert lock.owner_died.signal in (None, signal.SIGKILL)
    lock.release()
    with lock:  # the news is told once
        assert lock.owner_died is None


def test_a_waiter_is_told_within_moments(ctx: Any) -> None:
    lock, held = ctx.Lock(), ctx.Event()
    child = ctx.Process(target=hold_for_ever, args=(lock, held))
    child.start()
    assert held.wait(60)
    threading.Timer(0.2, child.kill).start()
    with pytest.warns(pumasi.OwnerDiedWarning):
        assert lock.acquire(timeout=30)
    lock.release()
    child.join()


@pytest.mark.parametrize("name", ["Lock", "RLock"])
def test_where_warnings_are_errors_the_lock_is_free(ctx: Any, name: str) -> None:
    lock = make(ctx, name)
    kill_holder(ctx, lock)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(pumasi.OwnerDiedWarning):
            lock.acquire(timeout=30)
        assert lock.acquire(block=False)
        lock.release()


def test_the_permits_of_a_killed_process_come_back(ctx: Any) -> None:
    bounded = ctx.BoundedSemaphore(2)
    kill_holder(ctx, bounded)
    assert bounded.acquire(timeout=30)
    assert bounded.acquire(timeout=30)
    assert not bounded.acquire(block=False)
    bounded.release()
    bounded.release()


def test_a_semaphore_is_a_count_and_keeps_it(ctx: Any) -> None:
    semaphore = ctx.Semaphore(2)
    kill_holder(ctx, semaphore)
    assert semaphore.acquire(timeout=30)
    assert not semaphore.acquire(timeout=0.2)


def test_on_death_keep() -> None:
    ctx = pumasi.get_context("fork")
    lock = pumasi.Lock(on_death="keep")
    kill_holder(ctx, lock)
    assert not lock.acquire(timeout=0.3)
    lock.release()
    assert lock.acquire(block=False)
    lock.release()


def test_on_death_of_every_primitive_that_takes_it(ctx: Any) -> None:
    lock, semaphore = ctx.RLock(on_death="keep"), ctx.BoundedSemaphore(1, on_death="keep")
    for kept in (lock, semaphore):
        kill_holder(ctx, kept)
        assert not kept.acquire(timeout=0.3)
    freed = ctx.Lock(on_death="release")
    freed.acquire()
    child = ctx.Process(target=freed.release)
    child.start()
    child.join()
    kill_holder(ctx, freed)
    # Use as a signal changes nothing that was asked for.
    with pytest.warns(pumasi.OwnerDiedWarning):
        assert freed.acquire(timeout=30)
    freed.release()
    for make in (ctx.Lock, ctx.RLock, pumasi.Lock):
        with pytest.raises(TypeError):
            make("keep")  # by keyword only: a position is multiprocessing's to give out


def test_a_lock_that_others_release_is_a_signal_and_keeps_its_state(ctx: Any) -> None:
    lock = ctx.Lock()
    lock.acquire()
    child = ctx.Process(target=lock.release)
    child.start()
    child.join()
    kill_holder(ctx, lock)
    assert not lock.acquire(timeout=0.3)
    lock.release()


def kill_in_the_middle(ctx: Any, target: Callable[..., None], *args: Any) -> None:
    """Start a child which works without pause, and kill it somewhere in there."""
    started = ctx.Event()
    child = ctx.Process(target=target, args=(started, *args))
    child.start()
    assert started.wait(60)
    time.sleep(0.02)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def hammer_list(started: Any, shared: Any) -> None:
    started.set()
    while True:
        shared.append("x" * 50)
        shared.insert(0, 2**80)
        shared[0] = ("a", 1.5)
        shared.pop()
        shared.extend(range(20))
        del shared[:20]
        shared.reverse()


def hammer_dict(started: Any, shared: Any) -> None:
    started.set()
    n = 0
    while True:
        n += 1
        shared[n % 50] = "x" * 50
        shared[str(n % 50)] = (n, "n")
        shared.add("n")
        shared.pop(n % 7, None)
        shared.setdefault(n % 7, None)
        shared.update(a=1, b=2)


@pytest.mark.parametrize("number", range(5))
def test_a_killed_process_leaves_containers_whole(ctx: Any, number: int) -> None:
    items: pumasi.List[Any] = pumasi.List(range(10))
    entries: pumasi.Dict[Any, Any] = pumasi.Dict()
    kill_in_the_middle(ctx, hammer_list, items)
    kill_in_the_middle(ctx, hammer_dict, entries)
    assert len(items) == len(items.to_plain())
    items.append("after")
    assert items[-1] == "after"
    plain = entries.to_plain()
    assert len(plain) == len(entries)
    assert all(key in entries for key in plain)
    entries.add("after")
    assert entries["after"] == 1


def hammer_nested(started: Any, shared: Any) -> None:
    started.set()
    n = 0
    while True:
        n += 1
        shared["list"] = [n]
        shared["dict"] = {"n": [n]}
        shared["list"].append({})
        shared.pop("dict")


def test_a_killed_process_leaves_nested_containers_whole(ctx: Any) -> None:
    entries: pumasi.Dict[str, Any] = pumasi.Dict()
    kill_in_the_middle(ctx, hammer_nested, entries)
    plain = entries.to_plain()
    assert len(plain) == len(entries)
    assert set(plain) <= {"list", "dict"}
    entries["list"] = [1]
    entries["list"].append(2)
    assert entries["list"] == [1, 2]


def hold_container(shared: Any, held: Any) -> None:
    with shared.locked():
        shared["step"] = 1
        held.set()
        signal.pause()


def test_a_death_inside_locked_tells_the_next(ctx: Any) -> None:
    shared, held = pumasi.Dict(step=0), ctx.Event()
    child = ctx.Process(target=hold_container, args=(shared, held))
    child.start()
    assert held.wait(60)
    child.kill()
    child.join()
    assert shared["step"] == 1  # a single operation waits for the death to be noticed, no more
    with pytest.warns(pumasi.OwnerDiedWarning, match=str(child.pid)), shared.locked():
        shared["step"] = 2
    assert shared["step"] == 2


def test_locked_keeps_others_out(ctx: Any) -> None:
    shared = pumasi.List([0])
    child = ctx.Process(target=shared.append, args=("child",))
    with shared.locked() as inside:
        assert inside is shared
        child.start()
        time.sleep(0.3)
        assert shared == [0]
        with shared.locked():  # again, by the same thread
            shared.append("parent")
    child.join()
    assert shared == [0, "parent", "child"]
    locked = shared.locked()
    assert locked.acquire(timeout=60)
    locked.release()
    with pytest.raises(RuntimeError):
        locked.release()


# ---- signals -------------------------------------------------------------------------------

WAITS = {
    "Lock": "x = mp.Lock(); x.acquire(); wait(x.acquire)",
    "RLock": "x = mp.RLock(); hold(x); wait(x.acquire)",
    "Semaphore": "x = mp.Semaphore(0); wait(x.acquire)",
    "BoundedSemaphore": "x = mp.BoundedSemaphore(1); x.acquire(); wait(x.acquire)",
    "Event": "x = mp.Event(); wait(x.wait)",
    "with a timeout": "x = mp.Event(); wait(x.wait, 100)",
    "with": "x = mp.Lock(); x.acquire(); wait(x.__enter__)",
    "Value": "x = mp.Value('i'); hold(x); wait(lambda: x.value)",
    "Array": "x = mp.Array('i', 2); hold(x); wait(lambda: x[0])",
    "List": "x = mp.List([1]); hold(x.locked()); wait(lambda: x[0])",
    "Dict": "x = mp.Dict(a=1); hold(x.locked()); wait(x.add, 'a')",
    "locked": "x = mp.Dict(); hold(x.locked()); wait(x.locked().acquire)",
}

PROGRAM = """
import os, signal, sys, threading
import pumasi as mp

def hold(x):
    held = threading.Event()
    def run():
        with x:
            held.set()
            threading.Event().wait()
    threading.Thread(target=run, daemon=True).start()
    held.wait()

def wait(f, *args):
    try:
        print("waiting", flush=True)
        f(*args)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        os._exit(0)

{statement}
"""


@pytest.mark.parametrize("name", WAITS)
def test_ctrl_c_ends_every_wait(name: str) -> None:
    interrupt(PROGRAM.replace("{statement}", WAITS[name]))


def test_a_signal_handler_runs_and_the_wait_goes_on() -> None:
    lock = pumasi.Lock()
    lock.acquire()
    handled = threading.Event()

    def signal_and_release() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        # The handler runs in the thread which waits, and that thread then waits on.
        if handled.wait(30):
            lock.release()

    before = signal.signal(signal.SIGUSR1, lambda *_: handled.set())
    try:
        timer = threading.Timer(0.1, signal_and_release)
        timer.start()
        assert lock.acquire(timeout=60)
        assert handled.is_set()
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    lock.release()
