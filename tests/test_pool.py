"""The pool: what it has of multiprocessing's, and what becomes of a worker that dies."""

import gc
import logging
import os
import pickle
import signal
import sys
import textwrap
import threading
import time
import warnings
import weakref
from multiprocessing import pool as standard

import pytest

import pumasi as mp
from programs import run_program
from pumasi.exceptions import TaskCancelled, TaskFailed, TaskTimeout, WorkerDied

METHODS = ("fork", "spawn", "forkserver")


@pytest.fixture(params=METHODS)
def ctx(request):
    return mp.get_context(request.param)


@pytest.fixture(params=("fork", "forkserver"))
def either(request):
    """The cheaper ones, where spawn adds nothing but seconds."""
    return mp.get_context(request.param)


@pytest.fixture
def fork():
    return mp.get_context("fork")


def square(x):
    return x * x


def product(x, y=2):
    return x * y


def raises(x):
    raise ValueError(f"no {x}")


def kill_self(x):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(status):
    os._exit(status)


def own_pid(_=None):
    return os.getpid()


def wait_for_file(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    return path


class Stubborn(Exception):
    """Pickles, and does not come back."""

    def __init__(self, one, two):
        super().__init__(one)


def raises_stubborn(x):
    raise Stubborn(x, x)


def raises_generator_exit(x):
    raise GeneratorExit(x)


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_calls_of_every_kind(ctx):
    with ctx.Pool(2) as pool:
        assert pool.apply(product, (3,), {"y": 4}) == 12
        assert pool.map(square, range(100), chunksize=1) == [x * x for x in range(100)]
        assert pool.map(square, range(100)) == [x * x for x in range(100)]
        assert pool.starmap(product, [(1, 2), (3, 4)]) == [2, 12]
        assert pool.starmap(product, [(i, i) for i in range(50)], 7) == [i * i for i in range(50)]
        assert list(pool.imap(square, range(200))) == [x * x for x in range(200)]
        assert list(pool.imap(square, iter(range(200)), 9)) == [x * x for x in range(200)]
        assert sorted(pool.imap_unordered(square, iter(range(50)))) == [x * x for x in range(50)]
        assert pool.map_async(square, range(10)).get(60) == [x * x for x in range(10)]
        assert isinstance(pool, standard.Pool)
        with pytest.raises(ValueError, match="no 3"):
            pool.map(raises, [3])
    pool.join()


def test_one_worker_does_calls_in_the_order_in_which_they_were_made(fork):
    order = mp.List()
    with fork.Pool(1) as pool:
        results = []
        for i in range(40):
            results.append(pool.apply_async(order.append, (2 * i,)))
            if i % 3 == 0:
                results.append(pool.map_async(order.append, [2 * i + 1], 1))
        for result in results:
            result.get(60)
    expected = sorted([2 * i for i in range(40)] + [2 * i + 1 for i in range(0, 40, 3)])
    assert list(order) == expected


def test_a_call_keeps_its_own_copy_of_a_function_with_state(fork):
    with fork.Pool(1) as pool:
        assert pool.map(Counting().count, [0] * 5, chunksize=1) == [1] * 5


class Counting:
    def __init__(self):
        self.calls = 0

    def count(self, _):
        self.calls += 1
        return self.calls


def test_a_killed_worker_fails_its_task_alone(either):
    with either.Pool(2) as pool:
        good = pool.map_async(square, range(1000), chunksize=1)
        with pytest.raises(WorkerDied, match=r"kill_self\('x'\)") as caught:
            pool.apply(kill_self, ("x",))
        assert caught.value.signal == signal.SIGKILL
        assert good.get(60) == [x * x for x in range(1000)]
        with pytest.raises(WorkerDied, match="status 7"):
            pool.apply(leave, (7,))
        with pytest.raises(WorkerDied, match="exited with status 3"):
            pool.apply(sys.exit, (3,))
        assert pool.map(square, range(10)) == [x * x for x in range(10)]
        wait_until(lambda: pool.apply(square, (2,)) == 4 and len(pool._pool) == 2)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_of_a_map_the_other_items_are_done(fork):
    done = mp.List()
    with fork.Pool(2) as pool:
        result = pool.map_async(Append(done), range(20), chunksize=1)
        with pytest.raises(WorkerDied, match="item 7 of the map"):
            result.get(60)
        pool.close()
        pool.join()
    assert sorted(done) == [i for i in range(20) if i != 7]


class Append:
    def __init__(self, where):
        self.where = where

    def __call__(self, item):
        if item == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        self.where.append(item)


def test_idle_workers_that_are_killed_are_replaced(either):
    with either.Pool(2) as pool:
        pids = set(pool.map(own_pid, range(20), chunksize=1))
        for worker in list(pool._pool):
            worker.kill()
        assert pool.map(square, range(100), chunksize=1) == [x * x for x in range(100)]
        # One of the new ones may have done it all, before the end of the other was seen.
        wait_until(
            lambda: pool.apply(square, (2,)) == 4 and pids.isdisjoint(w.pid for w in pool._pool)
        )


def test_kills_at_any_moment_lose_no_more_than_the_task_at_hand(fork):
    with fork.Pool(2) as pool:
        lost = 0
        for round_ in range(15):
            result = pool.map_async(square, range(3000), chunksize=1)
            time.sleep(0.0004 * round_)
            # One that is dead already may not have been replaced yet: then this does nothing.
            pool._pool[round_ % len(pool._pool)].kill()
            try:
                assert result.get(60) == [x * x for x in range(3000)]
            except WorkerDied:
                lost += 1
                assert result._value is not None
        assert pool.map(square, range(9)) == [x * x for x in range(9)]
        assert lost <= 15


def test_a_pool_whose_workers_cannot_start_says_so(fork, capfd):
    with fork.Pool(2, initializer=raises, initargs=("start",)) as pool:
        with pytest.raises(WorkerDied, match="end while they start"):
            pool.apply(square, (2,))
    assert "no start" in capfd.readouterr().err


def test_every_exception_arrives(fork):
    with fork.Pool(1) as pool:
        with pytest.raises(TaskFailed, match="Stubborn: 1") as caught:
            pool.apply(raises_stubborn, (1,))
        assert "raises_stubborn" in str(caught.value.__cause__)
        with pytest.raises(GeneratorExit):
            pool.apply(raises_generator_exit, (1,))
        with pytest.raises(standard.MaybeEncodingError):
            pool.apply(threading.Lock)
        with pytest.raises(ValueError, match="no 1") as value_error:
            pool.apply(raises, (1,))
        assert isinstance(value_error.value.__cause__, standard.RemoteTraceback)


def test_workers_are_replaced_while_nobody_waits(fork):
    done = mp.List()
    with fork.Pool(1, maxtasksperchild=2) as pool:
        pool.map_async(done.append, range(9), chunksize=1)
        wait_until(lambda: len(done) == 9)
        assert len(set(pool.map(own_pid, range(6), chunksize=1))) >= 3


def test_callbacks_come_while_nobody_waits(fork):
    got, came = [], threading.Event()
    with fork.Pool(1) as pool:
        pool.apply_async(square, (3,), callback=lambda r: (got.append(r), came.set()))
        assert came.wait(60)
        came.clear()
        pool.apply_async(raises, (3,), error_callback=lambda e: (got.append(e), came.set()))
        assert came.wait(60)
    assert got[0] == 9
    assert isinstance(got[1], ValueError)


def test_several_threads_wait_for_results_at_a_time(fork):
    with fork.Pool(2) as pool:
        found = {}

        def ask(i):
            found[i] = pool.map(square, range(i, i + 200), chunksize=1 + i % 3)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == {i: [x * x for x in range(i, i + 200)] for i in range(8)}


def test_imap_reads_no_further_than_it_must_until_the_pool_is_closed(either):
    read = []

    def endless():
        for i in range(3000):
            read.append(i)
            yield i

    with either.Pool(2) as pool:
        results = pool.imap(square, endless())
        assert [next(results) for _ in range(10)] == [x * x for x in range(10)]
        time.sleep(0.05)
        assert len(read) < 1000
        pool.close()
        pool.join()
        assert len(read) == 3000
        assert list(results) == [x * x for x in range(10, 3000)]


def test_an_input_may_wait_for_a_result(fork):
    came = threading.Event()

    def slowly():
        yield 1
        assert came.wait(60)
        yield 2

    with fork.Pool(2) as pool:
        results = pool.imap(square, slowly())
        assert next(results) == 1
        came.set()
        assert list(results) == [4]


def test_a_number_of_workers_is_an_integer(fork):
    for wrong in (1.5, "2"):
        with pytest.raises(TypeError):
            fork.Pool(wrong)
    with fork.Pool(1) as pool, pytest.raises(TypeError, match="integer"):
        pool.resize(1.5)


@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
def test_what_an_imap_has_done_is_not_looked_at_any_more(fork, method):
    with fork.Pool(1) as pool:
        for done, _ in enumerate(getattr(pool, method)(abs, iter(range(3000)))):
            if done % 500 == 0:
                assert len(pool._engine.lots) < 10


def test_an_imap_that_nobody_reads_is_done_all_the_same(fork):
    done = mp.List()
    with fork.Pool(2) as pool:
        pool.imap_unordered(done.append, range(500))
        pool.close()
        pool.join()
    assert sorted(done) == list(range(500))


def test_terminate_ends_waits(fork, tmp_path):
    pool = fork.Pool(1)
    result = pool.apply_async(wait_for_file, (str(tmp_path / "never"),))
    ended = []

    def wait():
        with pytest.raises(TaskCancelled):
            result.get(60)
        ended.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    pool.terminate()
    pool.join()
    thread.join(60)
    assert ended
    for call in (lambda: pool.apply(square, (1,)), lambda: pool.imap(square, [1])):
        with pytest.raises(ValueError, match="Pool not running"):
            call()


def test_cancel(fork, tmp_path):
    with fork.Pool(1) as pool:
        running = pool.apply_async(wait_for_file, (str(tmp_path / "go"),))
        waiting = pool.apply_async(square, (1,))
        wait_until(lambda: pool._engine.board.look(0)[1] != 0)
        assert waiting.cancel()
        assert not waiting.cancel()
        assert not running.cancel()
        with pytest.raises(TaskCancelled):
            waiting.get(60)
        (tmp_path / "go").touch()
        assert running.get(60)


def dies_at_first(path):
    """Kill the worker, unless somebody was here before."""
    with open(path, "a") as seen:
        seen.write("x")
    if os.path.getsize(path) < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.path.getsize(path)


def test_a_task_whose_worker_died_is_tried_again(either, tmp_path):
    paths = [str(tmp_path / f"{i}") for i in range(4)]
    with either.Pool(2, retries=2) as pool:
        assert pool.apply(dies_at_first, (paths[0],)) == 3
        assert pool.map(dies_at_first, paths[1:2] + paths[:1], chunksize=1) == [3, 4]
        assert list(pool.imap(dies_at_first, paths[2:3] + paths[:1])) == [3, 5]
        pending = pool.apply_async(dies_at_first, (paths[3],))
        assert pool.apply(square, (3,)) == 9
        assert pending.get(60) == 3
        with pytest.raises(WorkerDied, match="kill_self"):
            pool.apply(kill_self, (1,))
        assert pool.map(square, range(100)) == [x * x for x in range(100)]


def tidies_up(done):
    try:
        done.append("begun")
        while True:
            time.sleep(0.01)
    finally:
        done.append("tidied")


def test_a_late_task_is_interrupted_and_may_clear_up(either):
    done = mp.List()
    with either.Pool(1, soft_timeout=1) as pool:
        # What is not to be late has another limit: on a busy machine anything may take a second.
        worker = pool.apply(own_pid, soft_timeout=100)
        # And a task may be late before it has begun.
        while "begun" not in done:
            with pytest.raises(TaskTimeout, match=r"longer than 1 s") as caught:
                pool.apply(tidies_up, (done,))
            assert isinstance(caught.value, mp.TimeoutError)
        assert list(done)[-2:] == ["begun", "tidied"]
        found = pool.map(square, range(100), chunksize=1, soft_timeout=100)
        assert found == [x * x for x in range(100)]
        assert pool.apply(own_pid, soft_timeout=100) == worker


def blocks_every_signal(_):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        time.sleep(1)


def test_a_late_task_costs_its_own_worker_alone(fork, tmp_path):
    never = str(tmp_path / "never")
    with fork.Pool(2, timeout=1.5) as pool:
        pids = {w.pid for w in pool._pool}
        late = pool.map_async(blocks_every_signal, [0], chunksize=1)
        with pytest.raises(TaskTimeout, match=r"item 0 of the map took longer than 1.5 s"):
            late.get(60)
        wait_until(lambda: not all(runs(pid) for pid in pids))
        # What is not to be late has another limit: on a busy machine anything may take a second.
        found = pool.map(square, range(100), chunksize=1, timeout=100)
        assert found == [x * x for x in range(100)]
        wait_until(
            lambda: (
                pool.apply(square, (2,), timeout=100) == 4
                and len(pids & {w.pid for w in pool._pool}) == 1
            )
        )
        assert sum(runs(pid) for pid in pids) == 1
        # Nobody waits, and it ends all the same.
        came = threading.Event()
        pool.apply_async(wait_for_file, (never,), error_callback=lambda error: came.set())
        assert came.wait(60)


def test_large_arrays_are_left_in_place(either):
    np = pytest.importorskip("numpy")
    with either.Pool(2) as pool:
        arrays = [np.full(50_000, i, dtype="f8") for i in range(20)]
        found = pool.map(np.negative, arrays, chunksize=1)
        for i, array in enumerate(found):
            assert array.flags.writeable
            assert (array == -i).all()
        found[3][:] = 5
        # Nobody else writes there: the memory is not given back while the array lives.
        for _ in range(3):
            pool.map(np.negative, arrays, chunksize=1)
        assert (found[3] == 5).all()
        assert (found[4] == -4).all()
        read_only = np.frombuffer(bytes(100_000), dtype="u1")
        assert pool.apply(flags_of, (read_only,)) == (False, True)
        assert pool.apply(flags_of, (arrays[0],)) == (True, True)


def flags_of(array):
    return array.flags.writeable, array.flags.aligned


def test_an_array_outlives_the_fork_that_inherits_it(fork):
    np = pytest.importorskip("numpy")
    with fork.Pool(1) as pool:
        array = pool.apply(np.full, ((50_000,), 7.0))
        go, queue = mp.Event(), fork.SimpleQueue()
        child = fork.Process(target=look_at, args=(array, go, queue))
        child.start()
        del array
        gc.collect()
        for i in range(10):
            pool.apply(np.full, ((50_000,), float(i)))
        go.set()
        assert queue.get() is True
        child.join(60)


def look_at(array, go, queue):
    go.wait(60)
    queue.put(bool((array == 7.0).all()))


def test_memory_comes_back(fork):
    with fork.Pool(2) as pool:
        payload = bytes(200_000)
        pool.map(len, [payload] * 50, chunksize=1)
        used = mp.heap.used
        for _ in range(10):
            assert pool.map(len, [payload] * 50, chunksize=1) == [200_000] * 50
            assert [pool.apply_async(len, (payload,)) for _ in range(5)][-1].get(60) == 200_000
        assert mp.heap.used <= used + (16 << 20)
        objects = mp.heap.stats()["objects"]
        for _ in range(20):
            pool.map(square, range(100))
        assert mp.heap.stats()["objects"] <= objects + 8


def test_workers_go_with_a_killed_owner(ctx, tmp_path):
    program = tmp_path / "owner.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import os, signal, sys, time
            import pumasi as mp

            if __name__ == "__main__":
                pool = mp.get_context({ctx.get_start_method()!r}).Pool(2)
                pool.map(abs, range(10))
                pool.map_async(time.sleep, [1000], chunksize=1)
                bystander = mp.get_context("fork").Process(target=time.sleep, args=(0.5,))
                bystander.start()
                print(*[w.pid for w in pool._pool], flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            """
        )
    )
    owner = run_program([sys.executable, program])
    assert owner.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in owner.stdout.split()]
    assert len(pids) == 2
    wait_until(lambda: not any(runs(pid) for pid in pids))


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_workers_stay_when_the_thread_that_started_them_ends(fork):
    made = []
    thread = threading.Thread(target=lambda: made.append(fork.Pool(2)))
    thread.start()
    thread.join()
    with made[0] as pool:
        before = {w.pid for w in pool._pool}
        assert pool.map(square, range(100), chunksize=1) == [x * x for x in range(100)]
        assert {w.pid for w in pool._pool} == before


def test_one_ctrl_c_gives_one_keyboard_interrupt(tmp_path):
    program = tmp_path / "interrupted.py"
    program.write_text(
        textwrap.dedent(
            """
            import os, signal, threading, time
            import pumasi as mp

            begun = mp.Semaphore(0)

            def work(_):
                begun.release()
                time.sleep(60)

            def interrupt():
                for _ in range(2):
                    begun.acquire()
                os.killpg(os.getpid(), signal.SIGINT)

            if __name__ == "__main__":
                with mp.get_context("fork").Pool(2) as pool:
                    pids = [w.pid for w in pool._pool]
                    pool.map(abs, range(100), chunksize=1)
                    threading.Thread(target=interrupt).start()
                    try:
                        pool.map(work, range(4), chunksize=1)
                    except KeyboardInterrupt:
                        print("interrupted")
                assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
            """
        )
    )
    done = run_program([sys.executable, program])
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)


def test_what_cannot_be_pickled_says_why(fork, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with fork.Pool(1) as pool:
        with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
            pool.apply(lambda: 1)
        with pytest.raises(TypeError, match="lock"):
            pool.apply(square, (threading.Lock(),))
        assert pool.apply(square, (3,)) == 9


def nested(n):
    with mp.get_context("fork").Pool(2) as pool:
        return sum(pool.map(square, range(n)))


def test_pools_nest(either):
    with either.Pool(2) as pool:
        assert pool.map(nested, [3, 4], chunksize=1) == [5, 14]


def test_a_forgotten_pool_ends(fork):
    pool = fork.Pool(1)
    pids = [w.pid for w in pool._pool]
    known = weakref.ref(pool)
    forget = [pool]
    del pool
    with pytest.warns(ResourceWarning, match="unclosed running multiprocessing pool"):
        forget.clear()
    gc.collect()
    assert known() is None
    assert not any(runs(pid) for pid in pids)


def test_a_pool_does_not_pickle(fork):
    with fork.Pool(1) as pool:
        with pytest.raises(NotImplementedError):
            pickle.dumps(pool)


def test_bad_arguments(fork):
    for bad in (0, -1, 100_000):
        with pytest.raises(ValueError):
            fork.Pool(bad)
    with pytest.raises(TypeError):
        fork.Pool(1, initializer=3)
    with pytest.raises(ValueError, match="retries"):
        fork.Pool(1, retries=-1)
    with pytest.raises(ValueError, match="soft_timeout"):
        fork.Pool(1, soft_timeout=0)
    with pytest.raises(ValueError, match="timeout"):
        fork.Pool(1, timeout=float("nan"))
    with fork.Pool(1) as pool:
        with pytest.raises(ValueError, match="Chunksize"):
            pool.imap(square, [1], chunksize=0)
        with pytest.raises(ValueError, match="still running"):
            pool.join()


class WithQueues(mp.pool.Pool):
    """Overrides what the standard library's pool calls."""

    def _setup_queues(self):
        super()._setup_queues()
        self.was_set_up = True


def test_what_libraries_look_at(fork):
    with fork.Pool(2) as pool:
        result = pool.map_async(square, range(4), 1)
        assert result.get(60) == [0, 1, 4, 9]
        assert (result._number_left, pool._state, pool._cache) == (0, "RUN", {})
        assert pool._processes == len(pool._pool) == 2
        assert pool._ctx.get_start_method() == "fork"
        pool._processes = 3
        pool._repopulate_pool()
        assert len(pool._pool) == 3
        assert pool.map(square, range(4)) == [0, 1, 4, 9]


def test_who_works_the_queues_is_told_once(fork, monkeypatch):
    monkeypatch.setattr(mp.pool, "_said", False)
    told = []
    handler, logger = logging.Handler(), mp.get_logger()
    handler.emit = lambda record: told.append(record.getMessage())
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()
    try:
        for name in ("_inqueue", "_quick_put"):
            with fork.Pool(1) as pool:
                assert getattr(pool, name)
    finally:
        monkeypatch.undo()
        logger.manager._clear_cache()
    assert [message for message in told if "concerns the queues" in message] == [
        "the use of _inqueue concerns the queues of multiprocessing.Pool: "
        "it gets the standard library's"
    ]


def test_who_works_the_queues_gets_the_standard_pool(fork):
    with WithQueues(1, context=fork) as pool:
        assert pool.was_set_up
        assert pool.map(square, [1, 2]) == [1, 4]
    with fork.Pool(1) as pool:
        assert pool.map(square, [1, 2]) == [1, 4]
        chunks = mp.pool.Pool._get_tasks(product, [(1, 2), (3, 4)], 1)
        result = mp.pool.IMapIterator(pool)
        tasks = pool._guarded_task_generation(result._job, mp.pool.starmapstar, chunks)
        pool._taskqueue.put((tasks, result._set_length))
        assert [item for chunk in result for item in chunk] == [2, 12]
        assert result._cache is pool._cache
        assert pool.map(square, [1, 2]) == [1, 4]


class Quiet(mp.pool.Pool):
    """Overrides `Process`, as programs do for workers which are not daemons."""

    @staticmethod
    def Process(ctx, *args, **kwds):
        process = ctx.Process(*args, **kwds)
        process.name = "mine-" + process.name
        return process


def test_an_overridden_process_is_used(fork):
    with Quiet(2, context=fork) as pool:
        assert all(w.name.startswith("mine-") for w in pool._pool)
        assert pool.map(square, [1, 2]) == [1, 4]


def test_a_forgotten_pool_that_was_joined_leaves_the_next_one_alone(fork):
    pool = fork.Pool(1)
    pool.close()
    pool.join()
    # The first one goes when the second has its descriptors.
    pool = fork.Pool(1)
    gc.collect()
    before = pool.apply(own_pid)
    assert pool.map(own_pid, range(20), chunksize=1) == [before] * 20
    assert [w.pid for w in pool._pool] == [before]
    pool.close()
    pool.join()


def test_no_warning_and_nothing_left(fork):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            with fork.Pool(2) as pool:
                pool.map(square, range(10))
        gc.collect()
    assert not mp.active_children()
