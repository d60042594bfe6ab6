"""Queues: multiprocessing's behaviour, and what it does not have: nothing lost, nothing late."""

import os
import pickle
import queue
import random
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import queues as standard_queues
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest

import pumasi
from pumasi import queues


class Picky:
    """Cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("not me")


class Reassembled:
    """Is pickled well and cannot be read."""

    def __reduce__(self) -> Any:
        return int, ("not a number",)


class Told(queues.Queue):
    """Is told what cannot be pickled."""

    told: list[Any]

    def _on_queue_feeder_error(self, e: BaseException, obj: Any) -> None:  # type: ignore[override]
        self.told.append((type(e), type(obj)))


class Piped(queues.Queue):
    """Reaches inside, as a library's queue does that sends by its own means."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._send = self._writer.send_bytes
        self._sent = 0


def test_order_bounds_and_exceptions(ctx: Any) -> None:
    q = ctx.Queue(2)
    assert q.empty()
    assert not q.full()
    assert q.qsize() == 0
    q.put("a")
    q.put_nowait(("b", 2.5))
    assert q.full()
    assert q.qsize() == 2
    with pytest.raises(queue.Full):
        q.put("c", timeout=0.01)
    with pytest.raises(queue.Full):
        q.put("c", False)
    assert q.get() == "a"
    assert q.get_nowait() == ("b", 2.5)
    with pytest.raises(queue.Empty):
        q.get(timeout=-1)
    with pytest.raises(queue.Empty):
        q.get_nowait()
    q.put(1)
    with pytest.raises(AssertionError):
        q.join_thread()
    q.close()
    q.close()
    q.join_thread()
    q.cancel_join_thread()
    with pytest.raises(ValueError, match="is closed"):
        q.put(2)
    with pytest.raises(ValueError, match="is closed"):
        q.get()


@pytest.mark.parametrize("kind", [pumasi.Queue, pumasi.JoinableQueue])
def test_what_is_left_in_a_closed_queue(kind: Any) -> None:
    q = kind()
    q.close()
    assert q.empty()
    q = kind()
    q.put(1)
    q.close()
    q.join_thread()
    with pytest.raises(OSError, match="is closed"):
        q.empty()
    simple = pumasi.SimpleQueue()
    simple.close()
    with pytest.raises(OSError, match="is closed"):
        simple.empty()


@pytest.mark.parametrize("name", ["Queue", "JoinableQueue", "SimpleQueue", "LifoQueue"])
def test_pickling_only_while_a_process_is_started(ctx: Any, name: str) -> None:
    import pickle

    q = getattr(ctx, name)()
    with pytest.raises(RuntimeError, match="inheritance"):
        pickle.dumps(q)


def test_any_value(ctx: Any) -> None:
    q = ctx.Queue()
    shared = pumasi.List([1])
    values = [
        None,
        True,
        -5,
        2**80,
        1.5,
        "",
        "x" * 5000,
        b"y" * 5000,
        (1, "a"),
        [1, [2]],
        {"a": {3}},
    ]
    for value in values:
        q.put(value)
    q.put(shared)
    assert [q.get() for _ in values] == values
    q.get().append(2)
    assert shared == [1, 2]


def test_what_cannot_be_pickled_is_refused_in_the_caller(ctx: Any) -> None:
    q = ctx.Queue()
    with pytest.raises(TypeError, match="not me"):
        q.put(Picky())
    with pytest.raises(TypeError, match="not me"):
        q.put_many([1, Picky()])
    q.put(Reassembled())
    q.put("next")
    with pytest.raises(ValueError, match="invalid literal"):
        q.get()
    assert q.get() == "next"
    assert q.empty()


def test_a_subclass_is_told_what_cannot_be_pickled(ctx: Any) -> None:
    q = Told(ctx=ctx)
    q.told = []
    q.put(Picky())
    q.put(1)
    assert q.told == [(TypeError, Picky)]
    assert q.get() == 1
    assert q.empty()


def test_a_subclass_with_its_own_pipe_gets_the_standard_one(ctx: Any) -> None:
    q = Piped(ctx=ctx)
    assert isinstance(q, standard_queues.Queue)
    q.put("through a pipe")
    assert q.get(timeout=60) == "through a pipe"
    q.close()
    q.join_thread()


def test_many_at_once(ctx: Any) -> None:
    q = ctx.Queue(5)
    assert q.put_many(range(8), timeout=0.01) == 5
    assert q.get_many(3) == [0, 1, 2]
    assert q.get_many(100) == [3, 4]
    assert q.get_many(2, block=False) == []
    assert q.get_many(0) == []


def test_other_orders(ctx: Any) -> None:
    last = ctx.LifoQueue()
    last.put_many("abc")
    assert [last.get() for _ in "abc"] == ["c", "b", "a"]
    least = ctx.PriorityQueue(4)
    for item in [(3, "c"), (1, "a"), (2, "b"), (1, "later")]:
        least.put(item)
    with pytest.raises(queue.Full):
        least.put((0, ""), timeout=0.01)
    found = [least.get() for _ in range(4)]
    assert found == sorted(found)
    with pytest.raises(TypeError):
        least.put_many([1, "not comparable"])


def _echo(requests: Any, answers: Any) -> None:
    for item in iter(requests.get, None):
        answers.put((os.getpid(), item))


def test_between_processes(ctx: Any) -> None:
    requests, answers = ctx.Queue(), ctx.SimpleQueue()
    children = [ctx.Process(target=_echo, args=(requests, answers)) for _ in range(2)]
    for child in children:
        child.start()
    for i in range(200):
        requests.put(i)
    assert sorted(answers.get()[1] for _ in range(200)) == list(range(200))
    for _ in children:
        requests.put(None)
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert answers.empty()
    assert requests.empty()


def _leave_at_once(q: Any) -> None:
    q.put("x" * 100_000)
    os._exit(0)


def test_what_was_put_is_there_whatever_becomes_of_the_process(ctx: Any) -> None:
    q = ctx.Queue()
    child = ctx.Process(target=_leave_at_once, args=(q,))
    child.start()
    child.join()
    assert len(q.get_nowait()) == 100_000


def test_large_arrays_are_views_of_the_heap(ctx: Any) -> None:
    np = pytest.importorskip("numpy")
    q = ctx.Queue()
    source = np.arange(50_000)
    q.put({"a": source, "b": source[::-1].copy()})
    got = q.get()
    assert (got["a"] == source).all()
    assert (got["b"] == source[::-1]).all()
    used = pumasi.heap.used
    for _ in range(50):
        q.put(source)
        q.get()[0] = 1  # the receiver's own
    assert pumasi.heap.used <= used + 4 * source.nbytes
    assert (got["a"] == source).all()


class Immutable:
    """Pickles as a buffer of Arrow does: by one that is not to be written to."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Immutable, (pickle.PickleBuffer(self.data),)


def kind_of(item: Immutable) -> tuple[type, bool, int]:
    view = memoryview(item.data)
    return type(item.data), view.readonly, view.nbytes


def test_buffers_that_are_not_to_be_written_to_are_left_in_place(ctx: Any) -> None:
    q = ctx.Queue()
    q.put(Immutable(bytes(100_000)))
    assert kind_of(q.get()) == (memoryview, True, 100_000)
    with ctx.Pool(1) as pool:
        assert pool.apply(kind_of, (Immutable(bytes(100_000)),)) == (memoryview, True, 100_000)
        assert kind_of(pool.apply(Immutable, (bytes(100_000),))) == (memoryview, True, 100_000)


def test_a_forked_child_keeps_what_its_parent_had_received() -> None:
    np = pytest.importorskip("numpy")
    ctx = pumasi.get_context("fork")
    q, gone = ctx.Queue(), ctx.Event()
    q.put(np.full(50_000, 7))
    inherited = [q.get()]

    def look() -> None:
        gone.wait()
        assert (inherited[0] == 7).all()

    child = ctx.Process(target=look)
    child.start()
    inherited.clear()
    for i in range(10):
        q.put(np.full(50_000, i))  # into the memory that would be free
    gone.set()
    child.join()
    assert child.exitcode == 0


def test_threads_wake_each_other(ctx: Any) -> None:
    q = ctx.Queue(1)
    got: list[int] = []

    def take() -> None:
        got.extend(iter(q.get, None))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(300):
        q.put(i)
    for _ in threads:
        q.put(None)
    for thread in threads:
        thread.join(60)
    assert sorted(got) == list(range(300))


def _send_later(q: Any, go: Any) -> None:
    go.wait()
    q.put("late")


def test_a_reader_is_readable_exactly_while_an_item_waits(ctx: Any) -> None:
    q, other, go = ctx.Queue(), ctx.SimpleQueue(), ctx.Event()
    child = ctx.Process(target=_send_later, args=(q, go))
    child.start()
    reader = q._reader
    assert wait([reader, other._reader], 0) == []
    assert not reader.poll()
    go.set()
    assert wait([reader, other._reader], 60) == [reader]
    q.put("second")
    assert reader.poll()
    assert reader.recv() == "late"
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        assert selector.select(60)
        assert q.get_many(5) == ["second"]
        assert not selector.select(0)
    child.join()
    reader.close()
    other._reader.close()
    with pytest.raises(OSError, match="closed"):
        reader.fileno()


def test_an_executor_on_our_contexts(ctx: Any) -> None:
    with ProcessPoolExecutor(1, mp_context=ctx) as executor:
        assert list(executor.map(abs, [-1, 2])) == [1, 2]
        with pytest.raises(TypeError, match="not me"):
            executor.submit(abs, Picky()).result(60)


def test_tasks(ctx: Any) -> None:
    q = ctx.JoinableQueue()
    q.join()
    q.put_many("ab")
    threading.Timer(0.05, q.task_done).start()
    q.get()
    q.get()
    q.task_done()
    q.join()
    with pytest.raises(ValueError, match="called too many times"):
        q.task_done()


def _take_and_die(q: Any, taken: Any) -> None:
    q.get()
    taken.set()
    time.sleep(1000)


def test_join_does_not_wait_for_the_tasks_of_the_dead(ctx: Any) -> None:
    q, taken = ctx.JoinableQueue(), ctx.Event()
    q.put_many("ab")
    child = ctx.Process(target=_take_and_die, args=(q, taken))
    child.start()
    assert taken.wait(60)
    child.kill()
    child.join()
    q.get()
    q.task_done()
    with pytest.warns(pumasi.OwnerDiedWarning, match="had tasks"):
        q.join()


def _consume(q: Any, results: Any, running: Any) -> None:
    running.release()
    while True:
        item = q.get()
        results.put(item)


def test_no_item_is_doubled_or_lost_when_consumers_are_killed(ctx: Any, seed: int) -> None:
    # A consumer that is killed between its get and its put loses that one item, as it must; but
    # none is doubled, the queues work on, and what it had not been given yet goes to another.
    chance = random.Random(seed)
    q, results, running = ctx.Queue(), ctx.Queue(), ctx.Semaphore(0)
    items = 3000
    fed, got, kills = 0, Counter[Any](), 6
    for round_ in range(kills + 1):
        child = ctx.Process(target=_consume, args=(q, results, running))
        child.start()
        # What is killed before its first step is found out about only later.
        assert running.acquire(timeout=60)
        upto = items * (round_ + 1) // (kills + 1)
        q.put_many([i if i % 3 else "x" * 2000 + str(i) for i in range(fed, upto)])
        fed = upto
        if round_ < kills:
            for _ in range(chance.randrange(1, 60)):
                got[results.get(timeout=60)] += 1
        else:
            while not q.empty():
                time.sleep(0.01)
        child.kill()
        child.join()
        child.close()
    pumasi.heap.recover()
    got.update(results.get_many(items, block=False))
    got.update(q.get_many(items, block=False))
    assert max(got.values()) == 1
    assert items - kills - 1 <= len(got) <= items
    assert q.empty()
    assert results.empty()


def test_ctrl_c_ends_a_get(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import pumasi\nq = pumasi.Queue()\nprint('waiting', flush=True)\nq.get()\n")
    with subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in error


class Looked:
    """Compares by its number, and counts how many of its kind were unpickled here."""

    made = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __lt__(self, other: "Looked") -> bool:
        return self.number < other.number

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__dict__.update(state)
        Looked.made += 1


def test_a_put_into_a_priority_queue_looks_at_few_items(ctx: Any) -> None:
    least = ctx.PriorityQueue()
    numbers = [(i * 37) % 256 for i in range(256)]
    for number in numbers:
        least.put(Looked(number))
    Looked.made = 0
    least.put(Looked(100))
    assert 0 < Looked.made <= 9
    assert [least.get().number for _ in range(257)] == sorted([*numbers, 100])


def put_all(least: Any, which: int) -> None:
    for i in range(200):
        least.put(((i * 7) % 50, which, i))


def test_several_put_into_a_priority_queue_at_a_time(ctx: Any) -> None:
    least = ctx.PriorityQueue()
    children = [ctx.Process(target=put_all, args=(least, which)) for which in range(3)]
    for child in children:
        child.start()
    taken = [least.get(timeout=60) for _ in range(150)]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    rest = [least.get(timeout=60) for _ in range(450)]
    assert rest == sorted(rest)
    wanted = [((i * 7) % 50, which, i) for which in range(3) for i in range(200)]
    assert sorted(taken + rest) == sorted(wanted)
    assert least.empty()


def test_they_are_queues_of_multiprocessing_to_who_asks(ctx: Any) -> None:
    # `logging.config` does, for the queue of a QueueHandler.
    for name in ("Queue", "JoinableQueue", "SimpleQueue"):
        made = getattr(ctx, name)()
        assert isinstance(made, getattr(standard_queues, name))
        assert isinstance(made, getattr(queues, name))
    assert isinstance(ctx.PriorityQueue(), standard_queues.JoinableQueue)
    assert not isinstance(ctx.Queue(), standard_queues.JoinableQueue)


def test_a_simple_queue_that_is_closed_is_a_closed_handle(ctx: Any) -> None:
    made = ctx.SimpleQueue()
    assert not made._poll()
    made.put(1)
    assert made._poll()
    made.close()
    made.close()
    for use in (made.get, made.empty, lambda: made.put(2)):
        with pytest.raises(OSError, match="handle is closed"):
            use()
