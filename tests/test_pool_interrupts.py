"""What others do to a pool: Ctrl-C at any moment, forks, handlers, callbacks."""

import gc
import os
import signal
import threading
import time
import weakref

import pytest

import pumasi as mp
from pumasi.exceptions import TaskCancelled, TaskFailed, WorkerDied


@pytest.fixture
def fork():
    return mp.get_context("fork")


@pytest.fixture
def pool(fork):
    """A pool that must come to its end in order."""
    pool = fork.Pool(2)
    yield pool
    pool.close()
    joiner = threading.Thread(target=pool.join, daemon=True)
    joiner.start()
    joiner.join(60)
    hangs = joiner.is_alive()
    pool.terminate()
    assert not hangs


@pytest.fixture(autouse=True)
def default_sigint():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    now = signal.signal(signal.SIGINT, before)
    assert now is signal.default_int_handler


def square(x):
    return x * x


def kill_self(_):
    os.kill(os.getpid(), signal.SIGKILL)


OWNER = os.getpid()


class Interrupts:
    """An object at whose pickling, or unpickling, its owner is interrupted, once."""

    def __init__(self, pickling):
        self.pickling = pickling

    def __getstate__(self):
        if self.pickling and os.getpid() == OWNER:
            self.pickling = False
            signal.raise_signal(signal.SIGINT)
        return self.__dict__.copy()

    def __setstate__(self, state):
        self.__dict__.update(state)
        if not self.pickling and os.getpid() == OWNER:
            signal.raise_signal(signal.SIGINT)


def second(pair):
    return pair[1]


def make(_=None):
    return Interrupts(False)


@pytest.mark.parametrize(
    "call",
    [
        lambda pool, items: pool.apply_async(second, (items[0],)),
        lambda pool, items: pool.map_async(second, items, chunksize=1),
        lambda pool, items: pool.map(second, items, chunksize=1),
        lambda pool, items: pool.imap(second, items),
    ],
    ids=["apply_async", "map_async", "map", "imap"],
)
def test_ctrl_c_while_arguments_are_pickled(pool, call):
    with pytest.raises(KeyboardInterrupt):
        call(pool, [(Interrupts(True), i) for i in range(5)])
    assert [pool.apply_async(square, (i,)).get(60) for i in range(20)] == [i * i for i in range(20)]


def test_ctrl_c_while_a_call_of_an_executor_is_pickled(fork):
    with mp.ProcessPoolExecutor(2, fork) as executor:
        with pytest.raises(KeyboardInterrupt):
            executor.submit(second, (Interrupts(True), 1))
        assert executor.submit(square, 3).result(60) == 9


def test_ctrl_c_while_a_result_is_unpickled_loses_none(pool):
    before, result, after = (pool.apply_async(call, (3,)) for call in (square, make, square))
    with pytest.raises(KeyboardInterrupt):
        result.get(60)
    assert isinstance(result.get(60), Interrupts)
    assert [before.get(60), after.get(60)] == [9, 9]


def test_ctrl_c_in_a_callback_is_told_and_loses_no_result(pool):
    def interrupted(value):
        told.append(value)
        signal.raise_signal(signal.SIGINT)

    told = []
    # So that this thread leads, and calls back.
    with pool._engine.leading:
        results = [pool.apply_async(square, (i,), callback=interrupted) for i in range(20)]
        interrupts = 0
        for i, result in enumerate(results):
            while True:
                try:
                    assert result.get(60) == i * i
                    break
                except KeyboardInterrupt:
                    interrupts += 1
    assert 1 <= interrupts <= 20
    assert sorted(told) == [i * i for i in range(20)]


def test_a_handler_of_the_users_is_called_once_and_stays(pool):
    calls = []
    signal.signal(signal.SIGINT, lambda *args: calls.append(args))
    try:
        assert pool.apply_async(second, ((Interrupts(True), 5),)).get(60) == 5
        assert [number for number, _ in calls] == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT)(1, 2) is None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit, KeyError])
def test_whatever_an_input_raises_arrives(pool, raised):
    def numbers():
        yield 1
        yield 2
        raise raised("here")

    results = pool.imap(square, numbers())
    assert [next(results), next(results)] == [1, 4]
    with pytest.raises(raised):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


class Leaves(Exception):
    """An exception at whose unpickling the owner would leave."""

    def __reduce__(self):
        return _leave, ()


def _leave():
    if os.getpid() == OWNER:
        raise SystemExit(3)
    return Leaves()


def raises_leaves(x):
    raise Leaves(x)


def test_an_exception_that_exits_when_it_is_unpickled(pool):
    with pytest.raises(TaskFailed, match="Leaves") as caught:
        pool.apply(raises_leaves, (1,))
    assert "raises_leaves" in str(caught.value.__cause__)
    told = threading.Event()
    pool.apply_async(raises_leaves, (1,), error_callback=lambda error: told.set())
    assert told.wait(60)


def in_a_fork(function):
    """Have a child of a fork call it, and return the child's exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_of_a_fork_cannot_use_the_pool_nor_end_it(pool):
    def refused():
        for call in (
            lambda: pool.apply_async(square, (3,)),
            lambda: pool.map(square, [3]),
            lambda: pool.imap(square, [3]),
            lambda: pool.resize(1),
            pending.cancel,
        ):
            with pytest.raises(RuntimeError, match="make another one here"):
                call()

    pending = pool.apply_async(square, (2,))
    workers = [worker.pid for worker in pool._pool]
    assert in_a_fork(refused) == 0
    assert in_a_fork(pool.close) == 0
    assert in_a_fork(pool.terminate) == 0
    assert pool.map(square, range(20), 1) == [i * i for i in range(20)]
    assert [worker.pid for worker in pool._pool] == workers


def test_a_child_of_a_fork_cannot_end_the_executor(fork):
    executor = mp.ProcessPoolExecutor(2, fork)
    assert executor.submit(square, 2).result(60) == 4
    workers = set(executor._processes)

    def refused():
        with pytest.raises(RuntimeError, match="make another one here"):
            executor.submit(square, 3)

    def forgets():
        nonlocal executor
        del executor

    for end in (refused, executor.shutdown, executor.kill_workers, forgets):
        assert in_a_fork(end) == 0
    del end
    assert executor.submit(square, 3).result(60) == 9
    assert set(executor._processes) == workers
    executor.shutdown()


def _ignore():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def _reap_all():
    def reap(signum, frame):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    signal.signal(signal.SIGCHLD, reap)


@pytest.mark.parametrize("handle", [_ignore, _reap_all])
def test_workers_that_somebody_else_reaps(fork, handle, run):
    """In a child, for the helpers of multiprocessing would be reaped as well."""
    run(fork, _with_reaped_workers, handle)


def _with_reaped_workers(handle):
    handle()
    context = mp.get_context("fork")
    with context.Pool(2) as pool:
        for _ in range(3):
            with pytest.raises(WorkerDied):
                pool.apply_async(kill_self, (1,)).get(60)
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    with context.Pool(2, maxtasksperchild=1) as pool:
        assert pool.map_async(square, range(5), 1).get(60) == [0, 1, 4, 9, 16]
        pool.close()
        pool.join()
        assert all(worker.exitcode is not None for worker in pool._pool)


def test_a_callback_may_end_the_pool_whoever_calls_it(fork):
    pool = fork.Pool(2)
    ended = threading.Event()
    pending = pool.apply_async(time.sleep, (60,))
    # It leads, so that the callback is its own, and the pool's thread waits.
    leader = threading.Thread(target=pending.wait, daemon=True)
    leader.start()
    while pool._engine.leading.acquire(blocking=False):
        pool._engine.leading.release()
        time.sleep(0.02)

    def callback(value):
        pool.terminate()
        ended.set()

    result = pool.apply_async(square, (3,), callback=callback)
    assert ended.wait(60)
    assert result.get(60) == 9
    leader.join(60)
    assert not leader.is_alive()
    pool.join()


def test_a_future_tells_that_it_is_running(fork, tmp_path):
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    with mp.ProcessPoolExecutor(1, fork) as executor:
        first = executor.submit(_wait, begun, gate)
        second = executor.submit(square, 2)
        while not begun.exists():
            assert not first.done()
            time.sleep(0.01)
        assert first.running()
        assert not second.running()
        assert not first.cancel()
        gate.touch()
        assert second.result(60) == 4
        assert not first.running()
        assert not second.running()


def _wait(begun, gate):
    begun.touch()
    while not gate.exists():
        time.sleep(0.01)


def test_an_imap_begins_with_few_of_the_large_ones(fork):
    with fork.Pool(2) as pool:
        large = bytes(4 << 20)
        results = pool.imap(len, [large] * 64)
        assert pool.insights()["outstanding"] <= 8
        assert sum(results) == 64 << 22


@pytest.mark.parametrize("way", ["apply_async", "map_async", "chunks", "executor"])
def test_large_arguments_wait_for_room(fork, run, tmp_path, way):
    """In a child, which may have a limit of its own."""
    run(fork, _with_large_arguments, tmp_path / "gate", way)


def _with_large_arguments(gate, way):
    mp.heap.limit = 64 << 20
    large = bytes(4 << 20)
    items, expected = [(gate, large)] * 50, [4 << 20] * 50
    context = mp.get_context("fork")
    if way == "executor":
        with mp.ProcessPoolExecutor(2, context) as executor:
            futures = [executor.submit(_length, item) for item in items]
            assert futures[-1].cancel()
            gate.touch()
            assert [future.result(60) for future in futures[:-1]] == expected[1:]
            assert futures[-1].cancelled()
        return
    with context.Pool(2) as pool:
        if way == "apply_async":
            results = [pool.apply_async(_length, (item,)) for item in items]
            assert pool.insights()["outstanding"] == 50
            assert results[-1].cancel()
            assert pool.insights()["outstanding"] == 49
            gate.touch()
            assert [result.get(60) for result in results[:-1]] == expected[1:]
            with pytest.raises(TaskCancelled):
                results[-1].get(60)
            return
        chunksize = 1 if way == "map_async" else 2
        result = pool.map_async(_length, items, chunksize)
        cancelled = pool.map_async(_length, items, chunksize)
        assert pool.insights()["outstanding"] == 100 // chunksize
        assert cancelled.cancel()
        gate.touch()
        assert result.get(60) == expected
        with pytest.raises(TaskCancelled):
            cancelled.get(60)
        interrupted = pool.map_async(_length, items, chunksize)
    with pytest.raises(TaskCancelled):
        interrupted.get(60)


def _length(item):
    gate, large = item
    while not gate.exists():
        time.sleep(0.01)
    return len(large)


def test_a_callback_may_wait_for_what_finished_with_it(fork):
    executor = mp.ProcessPoolExecutor(2, fork)
    ended = threading.Event()

    def callback(_):
        executor.shutdown(wait=True)
        ended.set()

    pool = executor._started()
    # Until all are finished nobody collects, so that they are told of together.
    with pool._engine.lock:
        futures = [executor.submit(square, i) for i in range(10)]
        futures[0].add_done_callback(callback)
        while sum(pool._engine.board.look(n)[3] for n in pool._engine.numbers.values()) < 10:
            time.sleep(0.01)
    assert ended.wait(60)
    assert [future.result(60) for future in futures] == [i * i for i in range(10)]


def test_a_callback_cannot_join_the_pool_it_is_of(fork, monkeypatch):
    def callback(_):
        pool.close()
        pool.join()

    told = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(str(args.exc_value)))
    pool = fork.Pool(2)
    result = pool.apply_async(square, (3,), callback=callback)
    assert result.get(60) == 9
    pool.join()
    assert told == ["cannot join a pool from a callback of its own"]


def test_a_pool_keeps_nothing_of_what_it_has_told(pool):
    told = []
    result = pool.apply_async(square, (3,), callback=told.append)
    assert result.get(60) == 9
    kept = weakref.ref(result)
    del result

    def forgotten():
        gc.collect()
        return kept() is None

    # The thread that has called back may be about to let go of it.
    end = time.monotonic() + 60
    while not forgotten():
        assert time.monotonic() < end
        time.sleep(0.01)
