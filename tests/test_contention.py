"""What several processes do to one object at once waits, and never fails because it would have to.

Internal locks are held for less than a microsecond, so that an operation rarely meets another:
more processes than cores, at it without a pause, make the system interrupt some in the middle.
"""

import array
import ctypes
import os
import pickle
import queue
import random
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.context import set_spawning_popen
from typing import Any

import pytest

import pumasi as mp

SECONDS = 0.3
PROCESSES = 4

# What an operation may raise for what others have done meanwhile.
EXPECTED = (
    IndexError,
    KeyError,
    AttributeError,
    # Another has a view of a Vector's elements.
    BufferError,
    queue.Empty,
    queue.Full,
    threading.BrokenBarrierError,
)

Operation = Callable[[Any], object]


class Pair(ctypes.Structure):
    _fields_ = [("a", ctypes.c_long), ("b", ctypes.c_double)]


def acquire_and_release(lock: Any) -> None:
    lock.acquire()
    lock.release()


def enter(lock: Any) -> None:
    with lock:
        pass


def notify(condition: Any) -> None:
    with condition:
        condition.wait(0)
        condition.notify(1)
        condition.notify_all()


def read(lock: Any) -> None:
    with lock.read():
        pass


def write(lock: Any) -> None:
    with lock.write():
        pass


def change_in_locked(container: Any) -> None:
    with container.locked():
        len(container)


def lock_operations() -> list[Operation]:
    return [acquire_and_release, enter, lambda lock: lock.acquire(timeout=0) and lock.release()]


CASES: dict[str, tuple[Callable[[], Any], list[Operation]]] = {
    "List": (
        lambda: mp.List(range(5)),
        [
            lambda x: x.append("a string longer than a cell"),
            lambda x: x.append([1, [2]]),
            lambda x: x.extend([1, 2.5, None]),
            lambda x: x.insert(1, {"a": 1}),
            lambda x: x.pop(),
            lambda x: x.pop(0),
            lambda x: x[0],
            lambda x: x[1:4],
            lambda x: x.__setitem__(0, (1, "x")),
            lambda x: x.__setitem__(slice(0, 2), [7]),
            lambda x: list(x),
            lambda x: x.reverse(),
            lambda x: 99 in x,
            lambda x: x == [1],
            lambda x: x.to_plain(),
            lambda x: repr(x),
            lambda x: len(x) > 50 and x.clear(),
            change_in_locked,
        ],
    ),
    "Deque": (
        lambda: mp.Deque(range(5), maxlen=40),
        [
            lambda x: x.append("a string longer than a cell"),
            lambda x: x.appendleft([1, [2]]),
            lambda x: x.extend([1, 2.5, None] * 4),
            lambda x: x.extendleft("abc"),
            lambda x: len(x) < 40 and x.insert(1, {"a": 1}),
            lambda x: x.pop(),
            lambda x: x.popleft(),
            lambda x: x[0],
            lambda x: x.__setitem__(-1, (1, "x")),
            lambda x: x.__delitem__(1),
            lambda x: x.rotate(3),
            lambda x: x.reverse(),
            lambda x: x.update_with(0, str),
            lambda x: 99 in x,
            lambda x: x == x.copy(),
            lambda x: x.to_plain(),
            lambda x: repr(x),
            lambda x: x.clear(),
            change_in_locked,
        ],
    ),
    "Vector": (
        lambda: mp.Vector("q", range(5)),
        [
            lambda x: len(x) < 200 and x.append(random.randrange(1 << 40)),
            lambda x: len(x) < 200 and x.extend([1, 2, 3]),
            lambda x: x.insert(1, 7),
            lambda x: x.pop(),
            lambda x: x.pop(0),
            lambda x: x[0],
            lambda x: x[1:4],
            lambda x: x.__setitem__(0, 9),
            lambda x: x.__setitem__(slice(0, 2), array.array("q", [7])),
            lambda x: x.add(0, 1),
            lambda x: x.compare_exchange(0, 9, 10),
            lambda x: x.reverse(),
            lambda x: x.reserve(300),
            lambda x: x.shrink(),
            lambda x: sum(memoryview(x)),
            lambda x: memoryview(x).release(),
            lambda x: 99 in x,
            lambda x: x.to_plain(),
            lambda x: len(x) > 150 and x.clear(),
            change_in_locked,
        ],
    ),
    "Vector of structures": (
        lambda: mp.Vector(Pair, [Pair(1, 2)]),
        [
            lambda x: len(x) < 50 and x.append(Pair(3, 4)),
            lambda x: x.__setitem__(0, Pair(5, 6)),
            lambda x: (x[0].a, x[-1].b),
            lambda x: x.pop(),
            lambda x: x.reverse(),
            lambda x: list(x),
        ],
    ),
    "Dict": (
        lambda: mp.Dict(a=1),
        [
            lambda x: x.__setitem__(random.choice("abcdefgh"), "a string longer than a cell"),
            lambda x: x.__setitem__(random.choice("abcdefgh"), [1, {}]),
            lambda x: x.add(("n", random.randrange(9)), 1),
            lambda x: x.pop(random.choice("abcdefgh"), None),
            lambda x: x.setdefault(random.choice("abcdefgh"), 3),
            lambda x: x.update(a=1, b=[2]),
            lambda x: x.get("a"),
            lambda x: "a" in x,
            lambda x: list(x.items()),
            lambda x: x.popitem(),
            lambda x: x.to_plain(),
            lambda x: x == {"a": 1},
            lambda x: x.clear(),
            change_in_locked,
        ],
    ),
    "Set": (
        lambda: mp.Set([1]),
        [
            lambda x: x.add(random.randrange(20)),
            lambda x: x.add("a string longer than a cell"),
            lambda x: x.discard(random.randrange(20)),
            lambda x: x.update([1, 2, "three"]),
            lambda x: x.difference_update([2, 5]),
            lambda x: x.pop(),
            lambda x: 3 in x,
            lambda x: x | {4},
            lambda x: set(x),
            change_in_locked,
        ],
    ),
    "Counter": (
        lambda: mp.Counter("hello"),
        [
            lambda x: x.update("world"),
            lambda x: x.subtract("word"),
            lambda x: x.most_common(2),
            lambda x: x.add("l", 1),
            lambda x: x["missing"],
            lambda x: x.total(),
        ],
    ),
    "DefaultDict": (
        lambda: mp.DefaultDict(list),
        [
            lambda x: x[random.randrange(9)].append(1),
            lambda x: x.pop(random.randrange(9), None),
            lambda x: dict(x),
        ],
    ),
    "Namespace": (
        lambda: mp.Namespace(a=1),
        [
            lambda x: setattr(x, "a", [1, 2]),
            lambda x: x.a,
            lambda x: delattr(x, "a"),
            lambda x: x.snapshot(),
        ],
    ),
    "Value": (
        lambda: mp.Value("q", 0),
        [
            lambda x: x.add(1),
            lambda x: setattr(x, "value", 3),
            lambda x: x.value,
            lambda x: enter(x.get_lock()),
        ],
    ),
    "Array": (
        lambda: mp.Array("i", 8),
        [
            lambda x: x.__setitem__(3, 1),
            lambda x: x[:],
            lambda x: x.__setitem__(slice(0, 3), [1, 2, 3]),
            lambda x: enter(x.get_lock()),
        ],
    ),
    "Lock": (mp.Lock, lock_operations()),
    "RLock": (mp.RLock, lock_operations()),
    "Semaphore": (lambda: mp.Semaphore(2), lock_operations()),
    "BoundedSemaphore": (lambda: mp.BoundedSemaphore(PROCESSES), lock_operations()),
    "RwLock": (mp.RwLock, [read, write]),
    "Condition": (mp.Condition, [notify]),
    "Event": (
        mp.Event,
        [lambda x: x.set(), lambda x: x.clear(), lambda x: x.is_set(), lambda x: x.wait(0)],
    ),
    "Barrier": (
        lambda: mp.Barrier(2),
        [lambda x: x.wait(0.001), lambda x: x.reset(), lambda x: x.n_waiting],
    ),
    "Queue": (
        lambda: mp.Queue(50),
        [
            lambda x: x.put_nowait("a string longer than a cell"),
            lambda x: x.put(1, timeout=0.001),
            lambda x: x.get_nowait(),
            lambda x: x.get(timeout=0.001),
            lambda x: x.qsize(),
        ],
    ),
    "PriorityQueue": (
        lambda: mp.PriorityQueue(50),
        [lambda x: x.put_nowait(random.random()), lambda x: x.get_nowait()],
    ),
}


def hammer(shared: Any, name: str, seed: int) -> None:
    random.seed(seed)
    operations = CASES[name][1]
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for _ in range(50):
            operation = random.choice(operations)
            try:
                operation(shared)
            except EXPECTED:
                pass
            except RuntimeError as error:
                if "changed size during iteration" not in str(error):
                    raise


@pytest.mark.parametrize("name", CASES)
def test_operations_of_many_processes_wait_for_each_other(name: str) -> None:
    shared = CASES[name][0]()
    context = mp.get_context("fork")
    workers = [
        context.Process(target=hammer, args=(shared, name, seed)) for seed in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    if name == "BoundedSemaphore":
        assert shared.get_value() == PROCESSES


class Starting:
    """What `multiprocessing` asks while a process is being started."""

    def duplicate_for_child(self, fd: int) -> int:
        return fd


def test_what_is_at_work_elsewhere_can_be_unpickled() -> None:
    """A worker which is stopped in the middle of an operation has the lock until it goes on."""
    board = mp._core.Board(2)
    set_spawning_popen(Starting())  # type: ignore[arg-type]
    try:
        text = pickle.dumps(board)
    finally:
        set_spawning_popen(None)
    context = mp.get_context("fork")
    worker = context.Process(target=publish_for_ever, args=(board,), daemon=True)
    worker.start()
    try:
        for _ in range(100):
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGSTOP)
            go_on = threading.Timer(0.005, os.kill, (worker.pid, signal.SIGCONT))
            go_on.start()
            pickle.loads(text)
            go_on.join()
    finally:
        worker.kill()
        worker.join()


def publish_for_ever(board: Any) -> None:
    batch = mp._core.Batch(1, 0, 0, len)
    while True:
        board.publish(batch)
        board.retire(0)
