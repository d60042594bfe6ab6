"""Dict.wait and Value.wait: until a key or a value is there, whoever brings it, whatever dies."""

import ctypes
import os
import signal
import threading
import time
from typing import Any

import pytest

import pumasi
from pumasi import Counter, DefaultDict, Dict


def test_it_looks_first() -> None:
    shared = Dict(a=1)
    assert shared.wait("a")
    assert shared.wait("a", timeout=-1)
    assert not shared.wait("b", timeout=0)
    assert shared.wait("a", lambda a: a == 1)
    assert not shared.wait("a", lambda a: a > 1, timeout=0)
    assert shared.wait("b", lambda b: b is None)
    assert shared.wait("b", lambda b: b == 7, default=7, timeout=0)
    assert shared.wait(key="a", predicate=None, default=None, timeout=None)
    with pytest.raises(ZeroDivisionError):
        shared.wait("a", lambda a: a / 0)
    with pytest.raises(ValueError, match="not a number"):
        shared.wait("b", timeout=float("nan"))
    with pytest.raises(TypeError):
        shared.wait([])  # type: ignore[arg-type]


def test_it_ends_with_its_time() -> None:
    shared = Dict(a=1)
    start = time.monotonic()
    assert not shared.wait("b", timeout=0.05)
    assert not shared.wait("a", lambda a: a > 1, timeout=0.05)
    assert time.monotonic() - start >= 0.1


def test_changes_of_other_keys_do_not_lengthen_it() -> None:
    shared = Dict(n=0)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            shared.add("n")
            time.sleep(0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert shared.wait("n", lambda n: n > 0, timeout=60)
        assert not shared.wait("never", timeout=0.1)
    finally:
        stop.set()
        writer.join()


def test_every_kind_of_change_ends_it() -> None:
    changes: list[Any] = [
        (Dict(), lambda d: d.update(a=1), bool),
        (Dict(), lambda d: d.setdefault("a", 1), bool),
        (Dict(), lambda d: d.add("a"), bool),
        (Dict(), lambda d: d.__setitem__("a", [1]), bool),
        (Dict(a=1), lambda d: d.update_with("a", lambda a: a + 1), lambda a: a == 2),
        (Dict(a=1), lambda d: d.pop("a"), lambda a: a is None),
        (Dict(a=1), lambda d: d.popitem(), lambda a: a is None),
        (Dict(a=1), lambda d: d.clear(), lambda a: a is None),
        (DefaultDict(list), lambda d: d["a"].append(1), lambda a: a == [] or a == [1]),
        (Counter(), lambda d: d.update("a"), bool),
    ]
    for shared, change, predicate in changes:
        waiting = threading.Event()

        def look(
            value: Any, waiting: threading.Event = waiting, predicate: Any = predicate
        ) -> bool:
            waiting.set()
            return bool(predicate(value))

        found: list[bool] = []
        thread = threading.Thread(
            target=lambda shared=shared, look=look, found=found: found.append(
                shared.wait("a", look)
            )
        )
        thread.start()
        waiting.wait()
        change(shared)
        thread.join()
        assert found == [True]


def answer(shared: Any, mine: str, theirs: str, rounds: int) -> None:
    for n in range(1, rounds + 1):
        assert shared.wait(theirs, lambda got, n=n: got == n)
        shared[mine] = n


def test_processes_answer_each_other(ctx: Any) -> None:
    shared: Dict[str, int] = Dict()
    child = ctx.Process(target=answer, args=(shared, "a", "b", 200))
    child.start()
    for n in range(1, 201):
        shared["b"] = n
        assert shared.wait("a", lambda got, n=n: got == n)  # type: ignore[misc]
    child.join()
    assert child.exitcode == 0


def hang(shared: Any, ready: Any) -> None:
    ready.set()
    shared.wait("never")


def write(shared: Any, ready: Any) -> None:
    n = 0
    while True:
        n += 1
        shared["text"] = f"a text that does not fit a cell {n}"
        shared["n"] = n
        ready.set()


@pytest.mark.parametrize("target", [hang, write])
def test_a_kill_of_either_side_leaves_waits_whole(target: Any) -> None:
    ctx = pumasi.get_context("fork")
    shared: Dict[str, Any] = Dict(n=0)
    for n in range(6):
        ready = ctx.Event()
        child = ctx.Process(target=target, args=(shared, ready))
        child.start()
        ready.wait()
        if target is write:
            # While it is killed, too.
            before = shared["n"]
            assert shared.wait("n", lambda now, before=before: now != before)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        child.close()
        thread = threading.Timer(0.001, shared.update, [{"key": n}])
        thread.start()
        assert shared.wait("key", lambda key, n=n: key == n)
        thread.join()
    del shared["n"]
    assert not shared.wait("n", timeout=0.01)


class Stopped(Exception):
    pass


def test_a_signal_ends_it() -> None:
    def handler(*_: object) -> None:
        raise Stopped

    def wait() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        shared.wait("never")

    shared: Dict[str, int] = Dict()
    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(Stopped):
            wait()
    finally:
        signal.signal(signal.SIGALRM, before)
    shared["fine"] = 1
    assert shared.wait("fine")


# ---- Value.wait ---------------------------------------------------------------------------------


def test_a_value_is_looked_at_first() -> None:
    value = pumasi.Value("i", 3)
    assert value.wait(lambda n: n == 3)
    assert not value.wait(lambda n: n > 3, timeout=0)
    assert not value.wait(timeout=-1)
    assert not value.wait(None, 0.02)
    with pytest.raises(ZeroDivisionError):
        value.wait(lambda n: n / 0)
    with pytest.raises(ValueError, match="not a number"):
        value.wait(timeout=float("nan"))
    private = pumasi.sharedctypes.synchronized(ctypes.c_int(1))
    with pytest.raises(TypeError, match=r"not in shared memory.*Value\(\)"):
        private.wait(timeout=0)


def test_every_access_that_writes_ends_the_wait_for_a_value() -> None:
    letter = pumasi.Value("c", b"a")
    for value, new, write in (
        (pumasi.Value("i"), 1, lambda v: setattr(v, "value", 1)),
        (pumasi.Value("d"), 2.5, lambda v: v.add(2.5)),
        (pumasi.Value("q"), 7, lambda v: v.max(7)),
        (pumasi.Value("i"), 4, lambda v: v.compare_exchange(0, 4)),
        (pumasi.Value("i", lock=pumasi.Lock()), 5, lambda v: setattr(v, "value", 5)),
        (pumasi.Value("i", lock=threading.Lock()), 6, lambda v: setattr(v, "value", 6)),
        # Past the lock: found by looking again.
        (pumasi.Value("i"), 8, lambda v: setattr(v.get_obj(), "value", 8)),
        (letter, b"b", lambda v: setattr(v, "value", b"b")),
    ):
        looked = threading.Event()

        def write_once_looked_at(
            value: Any = value, write: Any = write, looked: threading.Event = looked
        ) -> None:
            looked.wait(60)
            write(value)

        def is_new(now: Any, new: Any = new, looked: threading.Event = looked) -> bool:
            looked.set()
            return bool(now == new)

        writer = threading.Thread(target=write_once_looked_at)
        writer.start()
        assert value.wait(is_new, 60)
        writer.join()


def test_without_a_condition_any_change_ends_the_wait_for_a_value() -> None:
    value, stop = pumasi.Value("q"), threading.Event()

    def write() -> None:
        while not stop.wait(0.001):
            value.add(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            before = value.value
            assert value.wait(timeout=60)
            assert value.value > before
    finally:
        stop.set()
        writer.join()


def answer_value(question: Any, answer: Any, n: int) -> None:
    for i in range(n):
        assert question.wait(lambda q, i=i: q > i, 60)
        answer.add(1)


def test_processes_answer_each_other_by_values(ctx: Any) -> None:
    question, answer = ctx.Value("i"), ctx.Value("q")
    child = ctx.Process(target=answer_value, args=(question, answer, 200))
    child.start()
    for i in range(200):
        question.value = i + 1
        assert answer.wait(lambda a, i=i: a > i, 60)
    child.join(60)
    assert child.exitcode == 0


def wait_for_ever(value: Any) -> None:
    value.wait(lambda n: n < 0)


def count_for_ever(value: Any) -> None:
    while True:
        value.add(1)


@pytest.mark.parametrize("target", [wait_for_ever, count_for_ever])
def test_a_kill_leaves_a_value_whole(target: Any) -> None:
    value = pumasi.Value("q", 0)
    context = pumasi.get_context("fork")
    for _ in range(5):
        child = context.Process(target=target, args=(value,))
        child.start()
        if target is count_for_ever:
            assert value.wait(timeout=60)
        else:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        before = value.value
        writer = threading.Timer(0.01, value.add, [1])
        writer.start()
        assert value.wait(lambda n, before=before: n > before, 60)
        writer.join()
