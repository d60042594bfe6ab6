"""Conditions, barriers, RwLocks and changes awaited in asyncio, among processes."""

import asyncio
import os
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


async def until(predicate: Callable[[], object]) -> None:
    while not predicate():
        await asyncio.sleep(0.001)


def started(target: Callable[..., None], *args: Any) -> Any:
    child = pumasi.Process(target=target, args=args)
    child.start()
    return child


def waiting(condition: Any) -> int:
    return int(condition._sleeping_count.get_value())


def produce(condition: Any, items: Any) -> None:
    for item in range(3):
        with condition:
            items.append(item)
            condition.notify()


def test_a_condition_is_notified_by_a_process() -> None:
    condition, items = pumasi.Condition(pumasi.Lock()), pumasi.List()

    async def main() -> None:
        child = started(produce, condition, items)
        async with aio.holding(condition):
            assert await aio.wait_for(condition, lambda: len(items) == 3) is True
        assert await aio.join(child) == 0
        async with aio.holding(condition):
            assert await aio.wait(condition, timeout=0.01) is False
            assert await aio.wait_for(condition, list, timeout=0.01) == []
            assert not condition.acquire(False)
        assert waiting(condition) == 0

    run(main)


def test_tasks_are_notified_in_the_order_in_which_they_came() -> None:
    condition, order = pumasi.Condition(pumasi.Lock()), []

    async def wait(name: int) -> None:
        async with aio.holding(condition):
            assert await aio.wait(condition)
            order.append(name)

    async def main() -> None:
        tasks = []
        for name in range(3):
            tasks.append(asyncio.ensure_future(wait(name)))
            await until(lambda: waiting(condition) == len(tasks))
        for left in (2, 1, 0):
            with condition:
                condition.notify()
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            tasks = [task for task in tasks if not task.done()]
            assert len(tasks) == left

    run(main)
    assert order == [0, 1, 2]


def test_a_cancelled_wait_passes_its_notification_on_and_has_the_lock_again() -> None:
    condition = pumasi.Condition(pumasi.Lock())
    held_again = []

    async def wait() -> bool:
        async with aio.holding(condition):
            try:
                return bool(await aio.wait(condition))
            except asyncio.CancelledError:
                held_again.append(not condition.acquire(False))
                raise

    async def main() -> None:
        first, second = asyncio.ensure_future(wait()), None
        await until(lambda: waiting(condition) == 1)
        second = asyncio.ensure_future(wait())
        await until(lambda: waiting(condition) == 2)
        with condition:
            condition.notify()  # for the first, which cannot answer while this has the lock
            first.cancel()
            await asyncio.sleep(0.01)
            assert not first.done()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second

    run(main)
    assert held_again == [True]
    assert waiting(condition) == 0


def wait_at(condition: Any) -> None:
    with condition:
        condition.wait()


def test_a_notification_of_a_killed_process_comes_to_a_task() -> None:
    condition = pumasi.Condition(pumasi.Lock())

    async def wait() -> bool:
        async with aio.holding(condition):
            return bool(await aio.wait(condition))

    async def main() -> None:
        child = started(wait_at, condition)
        await until(lambda: waiting(condition) == 1)
        task = asyncio.ensure_future(wait())
        await until(lambda: waiting(condition) == 2)
        os.kill(child.pid, signal.SIGSTOP)
        # Until then it could still answer the notification.
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        with condition:
            condition.notify()
        await asyncio.sleep(0.01)
        assert not task.done()
        child.kill()
        assert await task
        await aio.join(child)

    run(main)


def test_a_condition_with_an_rlock_and_one_that_is_not_held_are_refused() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"Condition\(Lock\(\)\)"):
            await aio.acquire(pumasi.Condition())
        with pytest.raises(AssertionError, match="must acquire"):
            await aio.wait(pumasi.Condition(pumasi.Lock()))

    run(main)


def test_a_child_of_a_fork_leaves_the_places_of_its_parent_alone() -> None:
    condition = pumasi.Condition(pumasi.Lock())

    async def main() -> None:
        async with aio.holding(condition):
            task = asyncio.ensure_future(aio.wait(condition))
            await until(lambda: waiting(condition) == 1)
            pid = os.fork()
            if pid == 0:
                task.cancel()
                del task
                os._exit(0 if waiting(condition) == 1 else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert waiting(condition) == 1
            condition.acquire()
            condition.notify()
            condition.release()
            assert await task

    run(main)


def pass_barrier(barrier: Any, passed: Any) -> None:
    passed.append(barrier.wait())


def test_processes_and_tasks_meet_at_a_barrier() -> None:
    barrier, passed = pumasi.Barrier(4), pumasi.List()

    async def main() -> None:
        children = [started(pass_barrier, barrier, passed) for _ in range(2)]
        passed.extend(await asyncio.gather(aio.wait(barrier), aio.wait(barrier)))
        for child in children:
            assert await aio.join(child) == 0
        assert sorted(passed) == [0, 1, 2, 3]

    run(main)


def test_a_task_runs_the_action_of_a_barrier() -> None:
    acted: list[int] = []
    barrier = pumasi.Barrier(2, action=lambda: acted.append(1))
    failing = pumasi.Barrier(2, action=lambda: 1 // 0)

    async def main() -> None:
        assert sorted(await asyncio.gather(aio.wait(barrier), aio.wait(barrier))) == [0, 1]
        found = await asyncio.gather(aio.wait(failing), aio.wait(failing), return_exceptions=True)
        assert {type(error) for error in found} == {
            ZeroDivisionError,
            threading.BrokenBarrierError,
        }

    run(main)
    assert acted == [1]


def test_time_breaks_a_barrier_and_a_cancellation_does_not() -> None:
    barrier = pumasi.Barrier(2)

    async def main() -> None:
        task = asyncio.ensure_future(aio.wait(barrier))
        await until(lambda: barrier.n_waiting == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert barrier.n_waiting == 0
        assert not barrier.broken
        with pytest.raises(threading.BrokenBarrierError):
            await aio.wait(barrier, timeout=0.01)
        assert barrier.broken
        with pytest.raises(threading.BrokenBarrierError):
            await aio.wait(barrier)

    run(main)


def wait_long(barrier: Any) -> None:
    barrier.wait()


def test_a_kill_breaks_a_barrier_for_a_task() -> None:
    barrier = pumasi.Barrier(3)

    async def main() -> None:
        child = started(wait_long, barrier)
        await until(lambda: barrier.n_waiting == 1)
        task = asyncio.ensure_future(aio.wait(barrier))
        await until(lambda: barrier.n_waiting == 2)
        child.kill()
        with pytest.raises(threading.BrokenBarrierError):
            await task
        await aio.join(child)

    run(main)


def read_in_turns(lock: Any, written: Any) -> None:
    while not written.is_set():
        with lock.read():
            time.sleep(0.002)


def test_a_writer_is_not_starved_by_readers_who_overlap() -> None:
    lock, written = pumasi.RwLock(), pumasi.Event()

    async def main() -> None:
        children = [started(read_in_turns, lock, written) for _ in range(4)]
        await until(lambda: lock.readers > 1)
        async with aio.writing(lock):
            assert lock.locked()
            assert lock.readers == 0
            assert not await aio.acquire_read(lock, timeout=0.01)
            assert not await aio.acquire_write(lock, timeout=0.01)
        written.set()
        for child in children:
            assert await aio.join(child) == 0
        async with aio.reading(lock), aio.reading(lock):
            assert lock.readers == 2
        assert lock.readers == 0

    run(main)


def test_a_writer_that_gives_up_lets_readers_in() -> None:
    lock = pumasi.RwLock()

    async def main() -> None:
        async with aio.reading(lock):
            assert not await aio.acquire_write(lock, timeout=0.01)
            task = asyncio.ensure_future(aio.acquire_write(lock))
            await until(lambda: not lock.acquire_read(False) or lock.release_read())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert lock.acquire_read(False)
            lock.release_read()
        assert not lock.locked()
        assert await aio.acquire_write(lock, timeout=HANGS)
        lock.release_write()

    run(main)


def read_for_ever(lock: Any) -> None:
    with lock.read():
        time.sleep(HANGS * 2)


def write_for_ever(lock: Any) -> None:
    with lock.write():
        time.sleep(HANGS * 2)


def test_dead_readers_and_writers_keep_no_writer_out() -> None:
    lock = pumasi.RwLock()

    async def main() -> None:
        child = started(read_for_ever, lock)
        await until(lambda: lock.readers == 1)
        child.kill()
        async with aio.writing(lock):
            pass
        await aio.join(child)
        child = started(write_for_ever, lock)
        await until(lock.locked)
        child.kill()
        with pytest.warns(pumasi.OwnerDiedWarning):
            assert await aio.acquire_write(lock)
        lock.release_write()
        assert lock.owner_died is not None
        await aio.join(child)

    run(main)


def count_up(shared: Any, value: Any) -> None:
    for n in range(1, 6):
        shared["n"] = n
        value.value = n


def test_changes_of_keys_and_values_are_waited_for() -> None:
    shared, value = pumasi.Dict(), pumasi.Value("i")

    async def main() -> None:
        waits = [
            aio.wait(shared, "n"),
            aio.wait(shared, "n", lambda n: n == 5, 0),
            aio.wait(value),
            aio.wait(value, lambda n: n == 5),
        ]
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.sleep(0.01)
        child = started(count_up, shared, value)
        assert await asyncio.gather(*tasks) == [True] * 4
        assert await aio.join(child) == 0
        assert not await aio.wait(shared, "never", timeout=0.01)
        assert not await aio.wait(value, timeout=0.01)

    run(main)


def test_many_waits_take_no_threads() -> None:
    event, condition = pumasi.Event(), pumasi.Condition(pumasi.Lock())
    shared = pumasi.Dict()

    async def notified() -> bool:
        async with aio.holding(condition):
            return bool(await aio.wait(condition))

    async def main() -> None:
        before = set(threading.enumerate())
        tasks = [asyncio.ensure_future(notified()) for _ in range(100)]
        tasks += [asyncio.ensure_future(aio.wait(event)) for _ in range(100)]
        tasks += [asyncio.ensure_future(aio.wait(shared, "k")) for _ in range(100)]
        await until(lambda: waiting(condition) == 100)
        assert set(threading.enumerate()) <= before
        with condition:
            condition.notify_all()
        event.set()
        shared["k"] = 1
        assert all(await asyncio.gather(*tasks))

    run(main)
