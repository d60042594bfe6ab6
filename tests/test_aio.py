"""Waiting in asyncio for what other processes do."""

import asyncio
import os
import queue
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import pumasi
from pumasi import aio

HANGS = 60


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        return await asyncio.wait_for(main(), HANGS)

    return asyncio.run(within())


def hold(lock: Any, held: Any, enough: Any) -> None:
    with lock:
        held.set()
        enough.wait(HANGS)


@pytest.mark.parametrize("make", [pumasi.Lock, pumasi.Semaphore, pumasi.BoundedSemaphore])
def test_the_loop_goes_on_while_a_lock_is_waited_for(make: Callable[[], Any]) -> None:
    lock, held, enough = make(), pumasi.Event(), pumasi.Event()
    child = pumasi.Process(target=hold, args=(lock, held, enough))
    child.start()

    async def main() -> None:
        assert await aio.wait(held)
        assert not await aio.acquire(lock, timeout=0.01)
        acquiring = asyncio.ensure_future(aio.acquire(lock))
        # Only a loop that goes on gets the holder to let go before its patience is over.
        for _ in range(4):
            await asyncio.sleep(0.001)
            assert not acquiring.done()
        enough.set()
        assert await acquiring
        lock.release()
        assert await aio.join(child) == 0

    run(main)


def test_tasks_exclude_each_other() -> None:
    lock, inside, most = pumasi.Lock(), 0, 0

    async def enter() -> None:
        nonlocal inside, most
        async with aio.holding(lock):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*(enter() for _ in range(20)))

    run(main)
    assert most == 1
    assert lock.acquire(False)
    lock.release()


def test_a_block_that_raises_gives_the_lock_back() -> None:
    lock = pumasi.Lock()

    async def main() -> None:
        with pytest.raises(KeyError):
            async with aio.holding(lock):
                raise KeyError

    run(main)
    assert not lock.locked()


def test_an_rlock_is_refused() -> None:
    for lock in (pumasi.RLock(), threading.RLock()):
        with pytest.raises(TypeError, match="use a Lock"):
            run(lambda lock=lock: aio.acquire(lock))  # type: ignore[misc]


def test_a_cancelled_wait_has_taken_nothing() -> None:
    lock, items = pumasi.Lock(), pumasi.Queue()
    lock.acquire()

    async def main() -> None:
        waits = [asyncio.ensure_future(w) for w in (aio.acquire(lock), aio.get(items))]
        await asyncio.sleep(0.02)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        lock.release()
        await aio.put(items, 1)
        await asyncio.sleep(0.02)

    run(main)
    assert not lock.locked()
    assert items.get(timeout=HANGS) == 1


def echo(requests: Any, answers: Any) -> None:
    while (item := requests.get()) is not None:
        answers.put(item * 2)


@pytest.mark.parametrize("make", [pumasi.Queue, pumasi.JoinableQueue, queue.Queue])
def test_queues(make: Callable[..., Any]) -> None:
    requests, answers = make(3), make(3)
    if make is queue.Queue:
        child: Any = threading.Thread(target=echo, args=(requests, answers))
    else:
        child = pumasi.Process(target=echo, args=(requests, answers))
    child.start()

    async def send() -> None:
        for i in range(100):
            await aio.put(requests, i)
        await aio.put(requests, None)

    async def main() -> None:
        with pytest.raises(queue.Empty):
            await aio.get(answers, timeout=0.01)
        sending = asyncio.ensure_future(send())
        assert [await aio.get(answers) for _ in range(100)] == [2 * i for i in range(100)]
        await sending

    run(main)
    child.join()
    for _ in range(3):
        requests.put(0)
    with pytest.raises(queue.Full):
        run(lambda: aio.put(requests, 0, timeout=0.01))


def square(x: int) -> int:
    return x * x


def fail(x: int) -> int:
    raise ValueError(x)


def test_results_of_a_pool() -> None:
    with pumasi.Pool(2) as pool:

        async def main() -> None:
            first, second = pool.map_async(square, range(50)), pool.apply_async(fail, (7,))
            assert await aio.result(first) == [x * x for x in range(50)]
            with pytest.raises(ValueError, match="7"):
                await aio.result(second)
            with pytest.raises(pumasi.TimeoutError):
                await aio.result(pool.apply_async(time.sleep, (HANGS,)), timeout=0.01)

        run(main)
        pool.terminate()
    pool.join()


def test_the_end_of_a_process() -> None:
    child = pumasi.Process(target=time.sleep, args=(HANGS,))
    child.start()

    async def main() -> None:
        assert await aio.join(child, timeout=0.01) is None
        assert child.pid is not None
        asyncio.get_running_loop().call_later(0.05, os.kill, child.pid, signal.SIGKILL)
        assert await aio.join(child) == -signal.SIGKILL
        assert await aio.join(child) == -signal.SIGKILL

    run(main)


def test_a_killed_holder_does_not_stop_a_wait() -> None:
    lock, held = pumasi.Lock(), pumasi.Event()
    child = pumasi.Process(target=hold, args=(lock, held, pumasi.Event()))
    child.start()

    async def main() -> None:
        await aio.wait(held)
        wait = asyncio.ensure_future(aio.acquire(lock))
        await asyncio.sleep(0.01)
        child.kill()
        assert await wait

    with pytest.warns(pumasi.OwnerDiedWarning):
        run(main)
    lock.release()
    child.join()


class _Deadly:
    """An item which kills whoever takes it, but for the process that made it."""

    def __reduce__(self) -> Any:
        return _arrive, (os.getpid(),)


def _arrive(maker: int) -> str:
    if os.getpid() != maker:
        os.kill(os.getpid(), signal.SIGKILL)
    return "came back"


def _take(items: Any) -> None:
    items.get()


def test_an_item_whose_taker_was_killed_comes_to_one_who_waits_in_asyncio() -> None:
    items = pumasi.get_context("fork").Queue()
    items.put(_Deadly())
    taker = pumasi.get_context("fork").Process(target=_take, args=(items,))
    taker.start()
    # It has ended, and nobody has asked after it.
    os.waitid(os.P_PID, taker.pid, os.WEXITED | os.WNOWAIT)
    assert run(lambda: aio.get(items)) == "came back"
    taker.join()
    assert taker.exitcode == -signal.SIGKILL
