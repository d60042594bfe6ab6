"""ProcessPoolExecutor: concurrent.futures' interface on the pool."""

import asyncio
import concurrent.futures as futures
import os
import signal
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

import pumasi as mp


def increment(x):
    return x + 1


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def executor():
    with mp.ProcessPoolExecutor(2, mp.get_context("fork")) as made:
        yield made


def test_futures(executor):
    pending = [executor.submit(increment, i) for i in range(100)]
    assert sorted(f.result(60) for f in futures.as_completed(pending)) == list(range(1, 101))
    assert list(executor.map(increment, range(50), chunksize=7)) == list(range(1, 51))
    assert list(executor.map(pow, [2, 3], [3, 2], buffersize=1)) == [8, 9]
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result(60)


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)


def begin_and_wait(path, begun):
    begun.set()
    wait_for(path)
    return "done"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_shutdown_cancels_what_has_not_begun(method, tmp_path):
    ctx = mp.get_context(method)
    path, begun = str(tmp_path / "file"), ctx.Manager().Event()
    with mp.ProcessPoolExecutor(1, ctx) as executor:
        first = executor.submit(begin_and_wait, path, begun)
        begun.wait()
        others = [executor.submit(increment, i) for i in range(50)]
        executor.shutdown(wait=False, cancel_futures=True)
        assert all(future.cancelled() for future in others)
        assert not first.done()
        (tmp_path / "file").touch()
        assert first.result(60) == "done"


def test_a_death_breaks_one_call_only(executor):
    with pytest.raises(BrokenProcessPool, match="SIGKILL") as caught:
        executor.submit(die).result(60)
    assert isinstance(caught.value, mp.WorkerDied)
    assert executor.submit(increment, 1).result(60) == 2


def test_asyncio(executor):
    async def main():
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, increment, i) for i in range(10)]
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == list(range(1, 11))


def test_cancel_and_shutdown(executor, tmp_path):
    path = tmp_path / "file"
    blockers = [executor.submit(wait_for, str(path)) for _ in range(2)]
    waiting = [executor.submit(increment, i) for i in range(8)]
    assert waiting[-1].cancel()
    assert waiting[-1].cancelled()
    assert not any(f.done() for f in blockers + waiting[:-1])
    go_on = threading.Timer(0.1, path.touch)
    go_on.start()
    executor.shutdown()
    assert all(f.done() for f in blockers + waiting)
    go_on.join()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(increment, 1)


def wait_beside(path):
    open(path, "w").close()
    time.sleep(1000)


@pytest.mark.parametrize("kill", [False, True])
def test_ending_the_workers(tmp_path, kill):
    executor = mp.ProcessPoolExecutor(1, mp.get_context("fork"))
    path = str(tmp_path / "began")
    running = executor.submit(wait_beside, path)
    waiting = executor.submit(increment, 1)
    end = time.monotonic() + 60
    while not os.path.exists(path):
        assert time.monotonic() < end
        time.sleep(0.01)
    [worker] = executor._processes.values()
    (executor.kill_workers if kill else executor.terminate_workers)()
    worker.join(60)
    assert worker.exitcode == -(signal.SIGKILL if kill else signal.SIGTERM)
    assert waiting.cancelled()
    with pytest.raises(BrokenProcessPool, match="ended during this call"):
        running.result(60)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(increment, 1)
    # Once more, and where nothing was started, it does nothing.
    executor.terminate_workers()
    mp.ProcessPoolExecutor(1).kill_workers()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_start_when_they_are_needed(method, tmp_path):
    ctx = mp.get_context(method)
    path, begun = str(tmp_path / "file"), ctx.Manager().Event()
    with mp.ProcessPoolExecutor(3, ctx) as executor:
        assert not executor._processes
        for i in range(3):
            assert executor.submit(increment, i).result(60) == i + 1
            assert len(executor._processes) == 1
        first = executor.submit(begin_and_wait, path, begun)
        assert executor.submit(increment, 1).result(60) == 2
        assert len(executor._processes) == 2
        begun.wait(60)
        for worker in executor._processes.values():
            worker.kill()
        with pytest.raises(BrokenProcessPool):
            first.result(60)
        assert executor.submit(increment, 1).result(60) == 2
        assert len(executor._processes) < 3


def test_under_fork_all_workers_start_at_once(executor):
    assert executor.submit(increment, 1).result(60) == 2
    assert len(executor._processes) == 2


def test_workers_are_replaced_under_fork():
    with mp.ProcessPoolExecutor(1, mp.get_context("fork"), max_tasks_per_child=2) as executor:
        pids = [executor.submit(os.getpid).result(60) for _ in range(6)]
    assert len(set(pids)) == 3


def give_up():
    raise SystemExit(3)


def test_an_exit_is_told_and_the_worker_stays(executor):
    with pytest.raises(SystemExit, match="3"):
        executor.submit(give_up).result(60)
    assert executor.submit(increment, 1).result(60) == 2


class Refuses:
    def __reduce__(self):
        raise ZeroDivisionError("not me")


def test_a_result_that_does_not_pickle_says_why(executor):
    with pytest.raises(ZeroDivisionError, match="not me"):
        executor.submit(Refuses).result(60)
