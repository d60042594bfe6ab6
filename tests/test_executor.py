"""ProcessPoolExecutor: concurrent.futures' interface on the pool."""

import asyncio
import concurrent.futures as futures
import os
import signal
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


def test_cancel_and_shutdown(executor):
    blockers = [executor.submit(time.sleep, 0.3) for _ in range(2)]
    waiting = [executor.submit(increment, i) for i in range(8)]
    assert waiting[-1].cancel()
    assert waiting[-1].cancelled()
    executor.shutdown()
    assert all(f.done() for f in blockers + waiting)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(increment, 1)
