"""`pumasi.stats`: what was done to an object, by all processes, each operation once."""

import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pumasi as mp


class Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_double))


@pytest.fixture(autouse=True)
def counting() -> Iterator[None]:
    mp.heap.counting = True
    yield
    mp.heap.counting = False


def told(shared: Any) -> dict[str, int]:
    """The counters, without what had to wait: in one process after the other nothing has to."""
    counters = dict(mp.stats(shared))
    assert counters.pop("contended", 0) == 0
    return counters


def use_typed(value: Any, array: Any, point: Any, text: Any) -> None:
    value.value = value.value + 1
    assert value.add(2) == 4
    assert value.max(10) == 10
    assert value.min(9) == 9
    assert value.compare_exchange(9, 4)
    array[1] = array[0]
    array.add(0, 1)
    array[:2] = array[1:]
    point.x = int(point.y)
    text.value = text.raw[:2]
    with value.get_lock():
        value.value = 0
    value.acquire()
    value.release()


def test_values_and_arrays_of_several_processes(ctx: Any) -> None:
    value, array = ctx.Value("i", 1), ctx.Array("d", 3)
    point, text = ctx.Value(Point, 1, 2.0), ctx.Array("c", 8)
    assert all(told(each) == {} for each in (value, array, point, text))
    child = ctx.Process(target=use_typed, args=(value, array, point, text))
    child.start()
    child.join()
    assert child.exitcode == 0
    held = {"acquire": 2, "release": 2}
    assert told(value) == {"get": 1, "set": 2, "add": 1, "update": 3, **held}
    # What goes through ctypes takes the lock as a program does.
    slices = {"snapshot": 1, "splice": 1}
    assert told(array) == {"get": 1, "set": 1, "add": 1, **slices, **held}
    assert told(point) == {"get": 1, "set": 1, **held}
    assert told(text) == {"get": 1, "set": 1, **held}
    array[0] = 5.0
    assert told(array)["set"] == 2


def test_a_lock_of_any_kind_guards_a_value() -> None:
    guarded = mp.Value("i", 0, lock=mp.Lock())
    guarded.value += 1
    assert told(guarded) == {"get": 1, "set": 1, "acquire": 2, "release": 2}
    foreign = mp.Value("i", 0, lock=threading.Lock())
    foreign.value += 1
    assert told(foreign) == {"get": 1, "set": 1}


def use_queue(queue: Any) -> None:
    assert [queue.get(timeout=60) for _ in range(3)] == [0, 1, 2]


def test_queues(ctx: Any) -> None:
    queue = ctx.Queue()
    child = ctx.Process(target=use_queue, args=(queue,))
    child.start()
    for i in range(3):
        queue.put(i)
    child.join()
    assert child.exitcode == 0
    counters = mp.stats(queue)
    assert (counters["append"], counters["pop"]) == (3, 3)
    assert set(counters) == {"append", "pop", "contended"}
    # Each counts as one which had to wait once at most, whatever it waited for.
    assert counters["contended"] <= 6
    with pytest.raises(mp.queues.Empty):
        queue.get_nowait()
    with pytest.raises(mp.queues.Empty):
        queue.get(timeout=0.01)
    assert mp.stats(queue)["pop"] == 5
    for kind in (mp.JoinableQueue, mp.SimpleQueue, mp.LifoQueue):
        other = kind()
        other.put(1)
        assert other.get() == 1
        assert told(other) == {"append": 1, "pop": 1}


@pytest.mark.parametrize("kind", [mp.Lock, mp.RLock, mp.Semaphore, mp.BoundedSemaphore])
def test_one_that_waits_is_counted_once(kind: Callable[[], Any]) -> None:
    lock = kind()
    lock.acquire()
    got = []

    def wait() -> None:
        # First it is tried, and then waited for.
        got.append(lock.acquire(timeout=0.05))
        got.append(lock.acquire(block=False))

    waiter = threading.Thread(target=wait)
    waiter.start()
    waiter.join(60)
    assert got == [False, False]
    lock.release()
    assert lock.acquire()
    lock.release()
    assert dict(mp.stats(lock)) == {"acquire": 4, "release": 2, "contended": 2}


def test_what_is_not_shared_is_refused() -> None:
    with pytest.raises(TypeError, match="list is not a shared object"):
        mp.stats([])
    with pytest.raises(TypeError, match=r"plain memory.*make it with a lock"):
        mp.stats(mp.RawValue("i"))
    with pytest.raises(TypeError, match="plain memory"):
        mp.stats(mp.Array("d", 3, lock=False))


def test_nothing_is_counted_while_it_is_off() -> None:
    mp.heap.counting = False
    value = mp.Value("i", 0)
    value.value += 1
    assert told(value) == {}
    mp.heap.counting = True
    value.value += 1
    assert told(value) == {"get": 1, "set": 1}
