"""Managers: multiprocessing's types without a server, and its server where one is needed."""

import array
import copy
import ctypes
import multiprocessing
import multiprocessing.managers
import os
import pickle
import queue
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import helpers
import pumasi
from pumasi import managers


@pytest.fixture
def manager() -> Iterator[Any]:
    with pumasi.Manager() as started:
        yield started


def test_the_common_types_need_no_server(manager: Any) -> None:
    before = helpers.children()
    manager.list([1])
    manager.dict(a=1)
    manager.Value("i", 1)
    manager.Array("i", [1])
    manager.Namespace(a=1)
    for name in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition"):
        getattr(manager, name)()
    manager.Barrier(2)
    manager.Queue()
    manager.JoinableQueue(3)
    manager.set([1])
    assert helpers.children() == before


def test_other_types_start_one(manager: Any) -> None:
    items, shared = manager.list(), manager.Queue()
    barrier = manager.Barrier(1, pass_by)
    assert helpers.children()
    assert barrier.wait() == 0
    # What was made before stays where it is.
    shared.put(items)
    shared.get().append("through the queue")
    assert items == items
    assert items[:] == ["through the queue"]


def take_all(shared: Any, taken: Any) -> None:
    while (item := shared.get()) is not None:
        taken.append(item)
        shared.task_done()
    shared.task_done()


@pytest.mark.parametrize("make", ["Queue", "JoinableQueue"])
def test_queues_without_a_server(ctx: Any, make: str) -> None:
    before = helpers.children()
    with ctx.Manager() as manager:
        shared, taken = getattr(manager, make)(2), manager.list()
        assert helpers.children() == before
        child = ctx.Process(target=take_all, args=(shared, taken))
        child.start()
        for i in range(20):
            shared.put(i, timeout=60)
        shared.join()
        assert taken[:] == list(range(20))
        shared.put(None)
        child.join(60)
        assert child.exitcode == 0
        shared.join()
        assert (shared.qsize(), shared.empty(), shared.full()) == (0, True, False)
        with pytest.raises(ValueError, match="task_done"):
            shared.task_done()
        with pytest.raises(queue.Empty):
            shared.get_nowait()
        with pytest.raises(queue.Empty):
            shared.get(timeout=0.01)
        shared.put(1)
        shared.put_nowait(2)
        with pytest.raises(queue.Full):
            shared.put_nowait(3)
        with pytest.raises(queue.Full):
            shared.put(3, True, 0.01)
        assert shared.full()
        for call in (shared.get, shared.put):
            with pytest.raises(ValueError, match="non-negative"):
                call(*([1] if call == shared.put else []), timeout=-1)
        assert repr(shared).startswith(f"<AutoProxy[{make}] object, typeid '{make}' at ")
        assert shared._callmethod("get") == 1
        with pytest.raises(AttributeError, match="not in exposed"):
            shared._callmethod("mutex")
    with pytest.raises(Exception, match="manager"):
        shared.get()
    assert helpers.children() == before


@pytest.mark.skipif(not hasattr(queue.Queue, "shutdown"), reason="new in Python 3.13")
def test_a_queue_that_is_shut_down(manager: Any) -> None:
    shut_down: Any = queue.ShutDown  # type: ignore[attr-defined,unused-ignore]
    shared, other = manager.Queue(), manager.Queue()
    ended: list[str] = []

    def wait() -> None:
        with pytest.raises(shut_down):
            other.get()
        ended.append("told")

    waiting = threading.Thread(target=wait)
    waiting.start()
    for made, immediate, left in ((shared, False, [1, 2]), (other, True, [])):
        if made is shared:
            made.put(1)
            made.put(2)
        made.shutdown(immediate)
        with pytest.raises(shut_down):
            made.put(3)
        assert [made.get() for _ in left] == left
        with pytest.raises(shut_down):
            made.get()
    waiting.join(60)
    assert ended == ["told"]
    third = manager.Queue()
    third.put(1)
    third.shutdown(True)
    third.join()
    with pytest.raises(shut_down):
        third.get(timeout=60)


def put_into(shared: Any) -> None:
    shared |= {4, (5, 6)}
    shared.add("child")


@pytest.mark.parametrize("served", [False, True])
def test_sets(ctx: Any, served: bool) -> None:
    manager = managers.SyncManager(ctx=ctx)
    manager.start(*((pass_by,) if served else ()))
    with manager:
        shared, other = manager.set([1, 2, 3]), manager.set({3, 9})
        assert isinstance(shared, managers.SetProxy)
        child = ctx.Process(target=put_into, args=(shared,))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert shared.copy() == {1, 2, 3, 4, (5, 6), "child"} == set(shared)
        assert len(shared) == 6
        assert 4 in shared
        shared.discard("child")
        shared.remove((5, 6))
        assert shared | {7} == {1, 2, 3, 4, 7} == {7} | shared
        assert shared & {1, 9} == {1}
        assert shared - {1} == {2, 3, 4}
        assert {1, 8} - shared == {8}
        assert shared ^ {1, 8} == {2, 3, 4, 8}
        assert shared.union([5], [6]) == {1, 2, 3, 4, 5, 6}
        assert shared.issuperset({1, 2})
        assert shared >= {1}
        assert not shared < {1}
        before = shared
        shared &= {1, 2, 3}
        shared -= {1}
        shared ^= {2, 8}
        assert shared is before
        assert shared.copy() == {3, 8}
        shared.update([5])
        assert shared.isdisjoint({1})
        with pytest.raises(KeyError):
            shared.remove(77)
        assert shared.pop() in (3, 5, 8)
        shared.clear()
        assert not len(shared)
        assert str(other) in ("{9, 3}", "{3, 9}")
        assert repr(shared).startswith("<SetProxy object, typeid 'set' at ")
        assert shared != other
    with pytest.raises(Exception):  # noqa: B017
        len(shared)


def test_sets_of_one_manager_combine(manager: Any) -> None:
    one, two = manager.set([1, 2]), manager.set([2, 3])
    assert one | two == {1, 2, 3}
    one |= two
    assert one.copy() == {1, 2, 3}
    with pytest.raises(TypeError):
        one |= 3


def test_dicts_combine(manager: Any) -> None:
    one, two = manager.dict(a=1), manager.dict(b=2)
    assert one | {"b": 3} == {"a": 1, "b": 3}
    assert {"b": 3} | one == {"a": 1, "b": 3}
    assert one | two == {"a": 1, "b": 2}
    before = one
    one |= two
    one |= [("c", 3)]
    assert one is before
    assert one.copy() == {"a": 1, "b": 2, "c": 3}
    assert one.fromkeys(["x"], 1) == {"x": 1}
    with pytest.raises(TypeError):
        one | 3


def pass_by() -> None:
    pass


def meet(condition: Any, barrier: Any, seen: Any) -> None:
    assert barrier.wait(60) in (0, 1)
    with condition:
        seen.append(1)
        condition.notify_all()


def test_whether_a_lock_is_held(manager: Any) -> None:
    for make in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition"):
        lock = getattr(manager, make)()
        assert not lock.locked()
        with lock:
            assert lock.locked()
            assert make == "Condition" or lock._callmethod("locked")
        assert not lock.locked()


def test_conditions_and_barriers_without_a_server(ctx: Any) -> None:
    with ctx.Manager() as manager:
        before = helpers.children()
        lock = manager.Lock()
        condition, barrier, seen = manager.Condition(lock), manager.Barrier(2), manager.list()
        child = ctx.Process(target=meet, args=(condition, barrier, seen))
        child.start()
        assert barrier.wait(60) in (0, 1)
        assert (barrier.parties, barrier.n_waiting, barrier.broken) == (2, 0, False)
        with condition:
            assert not lock.acquire(False)
            assert condition.wait_for(lambda: len(seen) == 1, 60)
        child.join()
        assert helpers.children() == before
        for refused in (condition.wait, condition.notify, condition.notify_all, condition.release):
            with pytest.raises(RuntimeError, match="un-acquired lock"):
                refused()
        barrier.abort()
        assert barrier.broken
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()
        barrier.reset()
        assert isinstance(condition, multiprocessing.managers.ConditionProxy)
        assert isinstance(barrier, multiprocessing.managers.BarrierProxy)
    with pytest.raises(OSError):
        barrier.wait()


def test_what_is_stored_is_a_copy(manager: Any) -> None:
    outer = manager.dict()
    plain: list[int] = []
    outer["plain"] = plain
    outer["plain"].append(1)
    assert outer["plain"] == []
    outer["shared"] = manager.list()
    outer["shared"].append(1)
    assert outer["shared"][:] == [1]
    assert type(outer["shared"]).__name__ == "ListProxy"
    outer["ours"] = pumasi.List()
    outer["ours"].append(2)
    assert outer["ours"] == [2]


def test_proxies(manager: Any) -> None:
    items, entries = manager.list([1, 2]), manager.dict(a=1)
    assert isinstance(items, managers.ListProxy)
    assert isinstance(entries, multiprocessing.managers.DictProxy)
    assert managers.DictProxy is multiprocessing.managers.DictProxy
    assert (str(items), str(entries)) == ("[1, 2]", "{'a': 1}")
    assert repr(items).startswith("<ListProxy object, typeid 'list' at 0x")
    assert items != [1, 2]
    assert len({items, items}) == 1
    assert items._getvalue() == [1, 2]
    assert type(items._getvalue()) is list
    assert entries._getvalue() == {"a": 1}
    assert copy.deepcopy(items) == [1, 2]
    assert items._callmethod("__getitem__", (0,)) == 1
    assert items._callmethod("append", (3,)) is None
    with pytest.raises(AttributeError):
        items._callmethod("no_such_method")
    back = pickle.loads(pickle.dumps(items))
    back.append(4)
    assert items[:] == [1, 2, 3, 4]
    assert items._token.typeid == "list"


def test_array_and_value(manager: Any) -> None:
    numbers = manager.Array("i", [1, 2, 3])
    assert numbers[1:] == array.array("i", [2, 3])
    numbers[0:1] = array.array("i", [8, 9])
    assert list(numbers) == [8, 9, 2, 3]
    with pytest.raises(TypeError):
        numbers[0:1] = [1]
    with pytest.raises(OverflowError):
        numbers[0] = 2**40
    box = manager.Value("i", "any type at all")
    box.value += "!"
    assert box.get() == "any type at all!"
    assert str(box) == "Value('i', 'any type at all!')"


def test_what_a_server_has_since_python_3_14() -> None:
    server = managers.SyncManager(("127.0.0.1", 0))
    server.start()
    try:
        items, names, lock = server.list([1, 2]), server.dict(a=1), server.Lock()
        assert isinstance(items, multiprocessing.managers.ListProxy)
        assert isinstance(names, multiprocessing.managers.DictProxy)
        again = pickle.loads(pickle.dumps(items))
        assert items.copy() == again.copy() == [1, 2]
        items.clear()
        assert len(again) == 0
        assert (names | {"b": 2}, {"b": 2} | names) == ({"a": 1, "b": 2}, {"b": 2, "a": 1})
        names |= {"c": 3}
        assert names.copy() == {"a": 1, "c": 3}
        assert server.set([1]) | {2} == {1, 2}
        for make in ("RLock", "Semaphore", "BoundedSemaphore", "Condition"):
            other = getattr(server, make)()
            assert not other.locked()
            with other:
                # Each thread has its own in the server.
                with ThreadPoolExecutor(1) as thread:
                    assert thread.submit(other.locked).result()
                assert other.locked()
            assert not other.locked()
        with lock:
            assert lock.locked()
        assert not lock.locked()
    finally:
        server.shutdown()


def test_a_value_of_ctypes_is_any_object(manager: Any) -> None:
    value = manager.Value(ctypes.c_char_p, "text")
    assert value.value == "text"
    value.value = "another"
    assert (value.get(), value._callmethod("get")) == ("another", "another")
    assert str(value) == "Value(<class 'ctypes.c_char_p'>, 'another')"


def test_namespace(manager: Any) -> None:
    names = manager.Namespace(x=1)
    names.y = [2]
    names._private = "of this process"
    assert (names.x, names.y) == (1, [2])
    assert str(names) == "Namespace(x=1, y=[2])"
    back = pickle.loads(pickle.dumps(names))
    assert back.x == 1
    del back.x
    with pytest.raises(AttributeError, match="'Namespace' object has no attribute 'x'"):
        names.x  # noqa: B018


def test_after_shutdown_using_one_raises(ctx: Any) -> None:
    started = ctx.Manager()
    shared = [started.list([1]), started.dict(), started.Value("i", 1), started.Lock()]
    go, told = ctx.Event(), ctx.SimpleQueue()
    child = ctx.Process(target=use_after, args=(shared, go, told))
    child.start()
    assert told.get() == "ready"
    started.shutdown()
    go.set()
    assert told.get() == ["BrokenPipeError"] * 4
    child.join()
    told.close()
    for use in uses(shared):
        with pytest.raises(OSError, match="shut down"):
            use()
    assert "failed" in str(shared[0])
    with pytest.raises(AssertionError):
        started.list()
    with pytest.raises(multiprocessing.ProcessError, match="Manager has shut down"):
        started.start()


def uses(shared: list[Any]) -> list[Callable[[], Any]]:
    items, entries, value, lock = shared
    return [lambda: items[0], lambda: entries.get("a"), lambda: value.value, lock.acquire]


def use_after(shared: list[Any], go: Any, told: Any) -> None:
    told.put("ready")
    go.wait(60)
    errors = []
    for use in uses(shared):
        try:
            use()
        except OSError as error:
            errors.append(type(error).__name__)
    told.put(errors)


def test_its_objects_keep_the_manager_alive() -> None:
    items = pumasi.Manager().list([1])
    assert items[:] == [1]


class Custom(managers.SyncManager):
    pass


Custom.register("defaultdict", defaultdict, managers.DictProxy)


def test_registered_types_are_served_by_a_server(ctx: Any) -> None:
    with Custom(ctx=ctx) as custom:
        assert custom._process.is_alive()
        served = custom.defaultdict(list)
        assert type(served) is managers.DictProxy
        served["a"] = 1
        assert served.copy() == {"a": 1}
        assert custom.list([1])[:] == [1]


def test_an_initializer_runs_in_the_server() -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    before = signal.getsignal(signal.SIGINT)
    started = managers.SyncManager()
    started.start(tell_pid, (writer,))
    assert reader.recv() not in (os.getpid(), None)
    assert signal.getsignal(signal.SIGINT) is before
    started.shutdown()
    started.join()
    reader.close()
    writer.close()


def tell_pid(writer: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    writer.send(os.getpid())


def test_a_manager_with_an_address_is_a_server() -> None:
    with managers.SyncManager(address=("127.0.0.1", 0), authkey=b"key") as served:
        other = managers.SyncManager(address=served.address, authkey=b"key")
        other.connect()
        items = other.list([1])
        items.append(2)
        assert items[:] == [1, 2]


def test_who_asks_for_the_address_gets_a_server(manager: Any) -> None:
    before = manager.list([1])
    assert manager._process is None
    manager.connect()
    other = managers.SyncManager(address=manager.address, authkey=manager._authkey)
    other.connect()
    items = other.list([1])
    items.append(2)
    assert items[:] == [1, 2]
    assert before[:] == [1]
    manager.shutdown()
    assert not manager._process.is_alive()
    with pytest.raises(ValueError, match="address"):
        managers.SyncManager().connect()


def test_a_copy_of_a_proxy_is_a_proxy_of_the_same(manager: Any) -> None:
    items, entries, free = manager.list([1]), manager.dict(), manager.Namespace(x=1)
    copy.copy(items).append(2)
    copy.copy(entries)["key"] = items
    copy.copy(free).x = 2
    assert (items[:], list(entries), free.x) == ([1, 2], ["key"], 2)
    for proxy in (items, entries, free, manager.set([1]), manager.Queue(), manager.Barrier(1)):
        assert type(copy.copy(proxy)) is type(proxy)


def worker(items: Any, lock: Any, done: Any) -> None:
    for _ in range(50):
        with lock:
            current = list(items)
            current.append(len(current))
            items[:] = current
    done.append(items)


def test_read_modify_write_under_a_lock(ctx: Any) -> None:
    with ctx.Manager() as started:
        items, lock, done = started.list(), started.Lock(), started.list()
        children = [ctx.Process(target=worker, args=(items, lock, done)) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert items[:] == list(range(150))
        assert [inner[0] for inner in done] == [0, 0, 0]


def test_the_lock_of_a_killed_process_comes_free(ctx: Any) -> None:
    with ctx.Manager() as started:
        lock, held = started.Lock(), started.Event()
        child = ctx.Process(target=hold, args=(lock, held))
        child.start()
        assert held.wait(60)
        child.kill()
        child.join()
        with pytest.warns(pumasi.OwnerDiedWarning):
            assert lock.acquire(True, 30)
        lock.release()


def hold(lock: Any, held: Any) -> None:
    lock.acquire()
    held.set()
    time.sleep(1000)


def test_a_stored_proxy_keeps_its_object(manager: Any) -> None:
    items, entries = manager.list(), manager.dict()
    items.append(manager.Condition())
    entries["barrier"] = manager.Barrier(1)
    with items[0] as entered:
        assert entered
    assert entries["barrier"].wait() == 0


def test_no_proxy_has_an_attribute_which_reads_as_a_count(manager: Any) -> None:
    # Programs, and CPython's own tests, ask for `_value` to find out how to count.
    for made in (manager.Semaphore(2), manager.Lock()):
        assert not hasattr(made, "_value")
