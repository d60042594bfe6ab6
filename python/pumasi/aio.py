"""Waiting in asyncio for what other processes do, without a thread for each wait.

Each function does what the method of the same name does, except that it lets the event loop go on
meanwhile. A wait tries, and tries again after a pause which grows from 50 microseconds to 5
milliseconds, so that a thousand waits cost a loop a thousand short calls in 5 milliseconds and no
thread; a process that ends is heard of at once. A wait which is cancelled has taken nothing.

Those who wait in asyncio do not stand in line: where others wait in `acquire()` or `get()` itself,
they are woken first. A Condition and a Barrier, and an RwLock whose turn it is to be written, treat
them as any other.

>>> import asyncio
>>> import pumasi
>>> from pumasi import aio
>>> async def main(lock, queue):
...     async with aio.holding(lock):
...         await aio.put(queue, "rice")
...     return await aio.get(queue)
>>> asyncio.run(main(pumasi.Lock(), pumasi.Queue()))
'rice'
"""

from __future__ import annotations

import asyncio
import contextlib
import queue as _queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from ._core import Barrier, Condition, DictBase, TypedValue, heap

__all__ = [
    "acquire",
    "acquire_read",
    "acquire_write",
    "get",
    "holding",
    "join",
    "put",
    "reading",
    "result",
    "wait",
    "wait_for",
    "writing",
]

_T = TypeVar("_T")

_SHORTEST, _LONGEST = 50e-6, 5e-3
"""Seconds between two tries, the first and in the end."""

_SETTLE_EVERY = 0.05
"""Seconds between two looks at all processes, however many tasks wait."""

_LOOKS = 10
"""After so many tries of one task it is looked whether somebody has died."""


class _Later(Exception):
    """Not yet: to be tried again."""


async def _until(
    attempt: Callable[[], _T],
    timeout: float | None,
) -> _T:
    """Return what `attempt` returns once it does not raise `_Later`; raise that after `timeout`."""
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    pause = 0.0
    tries = 0
    while True:
        try:
            return attempt()
        except _Later:
            tries += 1
            if tries % _LOOKS == 0:
                _settle_the_dead()
            if end is not None:
                left = end - loop.time()
                if left <= 0:
                    raise
                pause = min(pause, left)
        await asyncio.sleep(pause)
        pause = min(max(_SHORTEST, pause * 1.5), _LONGEST)


_settled = 0.0


def _settle_the_dead() -> None:
    """Have what the dead had come back, say the item that one was taking; now and then for all."""
    global _settled
    now = time.monotonic()
    if now - _settled >= _SETTLE_EVERY:
        _settled = now
        heap.recover()


async def _whether(
    attempt: Callable[[], object],
    timeout: float | None,
) -> bool:
    """Wait until `attempt` returns something true; False if that took `timeout` seconds."""

    def once() -> bool:
        if attempt():
            return True
        raise _Later

    try:
        return await _until(once, timeout)
    except _Later:
        return False


async def acquire(lock: Any, timeout: float | None = None) -> bool:
    """Acquire a Lock, a Semaphore, a BoundedSemaphore, or the Lock of a Condition.

    False if that took `timeout` seconds. An RLock, and a Condition with one, raises TypeError: it
    belongs to a thread, which all tasks of a loop share, so that it would keep none of them out.
    """
    _refuse_rlock(getattr(lock, "_lock", lock))
    return await _whether(lambda: lock.acquire(False), timeout)


def _refuse_rlock(lock: Any) -> None:
    if hasattr(lock, "_is_owned") or type(lock).__name__ == "RLock":
        raise TypeError(
            "an RLock belongs to a thread, not to a task: use a Lock, or Condition(Lock())"
        )


@contextlib.asynccontextmanager
async def holding(lock: Any) -> AsyncIterator[None]:
    """Hold a Lock, a permit of a semaphore, or a Condition in an `async with` block."""
    await acquire(lock)
    try:
        yield
    finally:
        lock.release()


async def acquire_read(lock: Any, timeout: float | None = None) -> bool:
    """Acquire an RwLock to read; False if that took `timeout` seconds."""
    return await _whether(lambda: lock.acquire_read(False), timeout)


async def acquire_write(lock: Any, timeout: float | None = None) -> bool:
    """Acquire an RwLock to write; False if that took `timeout` seconds.

    Once it is this one's turn, new readers wait for it, so that they cannot starve it.
    """
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout

    def announce() -> Any:
        writer = lock._announce()
        if writer is None:
            raise _Later
        return writer

    try:
        writer = await _until(announce, timeout)
    except _Later:
        return False
    left = None if end is None else max(0.0, end - loop.time())
    try:
        return await _whether(writer.begin, left)
    finally:
        writer.withdraw()


@contextlib.asynccontextmanager
async def reading(lock: Any) -> AsyncIterator[None]:
    """Hold an RwLock to read in an `async with` block."""
    await acquire_read(lock)
    try:
        yield
    finally:
        lock.release_read()


@contextlib.asynccontextmanager
async def writing(lock: Any) -> AsyncIterator[None]:
    """Hold an RwLock to write in an `async with` block."""
    await acquire_write(lock)
    try:
        yield
    finally:
        lock.release_write()


async def wait(target: Any, *args: Any, **keywords: Any) -> Any:
    """Wait as `target.wait(...)` does, with the same arguments and the same result.

    - `wait(event, timeout=None)` until an Event is set;
    - `wait(condition, timeout=None)` until a Condition, whose Lock is held, is notified. The Lock
      is given up meanwhile and held again afterwards, also after a cancellation, for which it must
      be waited again;
    - `wait(barrier, timeout=None)` until all have come to a Barrier. A task that is cancelled is
      taken out of those who have come;
    - `wait(d, key, predicate=None, ...)` for what is under a key of a Dict, and
      `wait(v, predicate=None, timeout=None)` for a Value.

    >>> import asyncio
    >>> import pumasi
    >>> from pumasi import aio
    >>> d = pumasi.Dict()
    >>> async def main():
    ...     waiting = asyncio.ensure_future(aio.wait(d, "answer", timeout=60))
    ...     d["answer"] = 42
    ...     return await waiting
    >>> asyncio.run(main())
    True
    """
    if isinstance(target, Condition):
        return await _wait_at_condition(target, *args, **keywords)
    if isinstance(target, Barrier):
        return await _wait_at_barrier(target, *args, **keywords)
    if isinstance(target, TypedValue):
        return await _wait_for_value(target, *args, **keywords)
    if isinstance(target, DictBase):
        return await _wait_for_key(target, *args, **keywords)
    return await _wait_for_event(target, *args, **keywords)


async def wait_for(condition: Any, predicate: Callable[[], _T], timeout: float | None = None) -> _T:
    """Wait at a Condition until `predicate()` is true, at most `timeout` seconds.

    Returns what it returned last. The Condition's Lock must be held, as for `wait`.
    """
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    while not (found := predicate()):
        left = None if end is None else end - loop.time()
        if left is not None and left <= 0:
            break
        await _wait_at_condition(condition, left)
    return found


async def _wait_for_event(event: Any, timeout: float | None = None) -> bool:
    return await _whether(event.is_set, timeout)


async def _wait_for_key(
    shared: Any, key: Any, predicate: Any = None, default: Any = None, timeout: float | None = None
) -> bool:
    return await _whether(lambda: shared.wait(key, predicate, default, timeout=0), timeout)


async def _wait_for_value(value: Any, predicate: Any = None, timeout: float | None = None) -> bool:
    if predicate is None:
        before = value.value

        def predicate(now: Any) -> bool:
            return bool(now != before)

    return await _whether(lambda: value.wait(predicate, timeout=0), timeout)


async def _wait_at_condition(condition: Any, timeout: float | None = None) -> bool:
    _refuse_rlock(condition._lock)
    place = condition._enlist()
    # The place is left with the lock held: a notification is then this one's to answer (SYNC-5).
    # Whoever is cancelled leaves it unanswered, and it goes to another.
    condition.release()
    try:
        try:
            await _whether(place.notified, timeout)
        finally:
            await _take_back(condition)
        return bool(place.leave())
    finally:
        place.pass_on()


async def _take_back(condition: Any) -> None:
    """Acquire the lock whatever happens, as whoever is in an `async with` block has to."""
    cancelled = None
    while True:
        try:
            await acquire(condition)
            break
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def _wait_at_barrier(barrier: Any, timeout: float | None = None) -> int:
    if timeout is None:
        timeout = barrier._timeout
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout

    def come() -> Any:
        place = barrier._come()
        if place is None:
            raise _Later
        return place

    try:
        place = await _until(come, timeout)
    except _Later:
        barrier.abort()
        raise threading.BrokenBarrierError from None
    if isinstance(place, int):
        return place

    def attempt() -> int:
        index: int | None = place.outcome()
        if index is None:
            raise _Later
        return index

    left = None if end is None else max(0.0, end - loop.time())
    try:
        return await _until(attempt, left)
    except _Later:
        index: int | None = place.time_out()
        if index is None:
            raise threading.BrokenBarrierError from None
        return index
    finally:
        place.leave()


async def get(queue: Any, timeout: float | None = None) -> Any:
    """Take the next item of any queue; `queue.Empty` if none came within `timeout` seconds."""

    def attempt() -> Any:
        try:
            return queue.get(False)
        except _queue.Empty:
            raise _Later from None

    try:
        return await _until(attempt, timeout)
    except _Later:
        raise _queue.Empty from None


async def put(queue: Any, item: Any, timeout: float | None = None) -> None:
    """Put an item into a queue; `queue.Full` if there was no room within `timeout` seconds."""

    def attempt() -> None:
        try:
            queue.put(item, False)
        except _queue.Full:
            raise _Later from None

    try:
        await _until(attempt, timeout)
    except _Later:
        raise _queue.Full from None


async def result(pending: Any, timeout: float | None = None) -> Any:
    """Return, or raise, what a call of a Pool (`apply_async`, `map_async`) gives.

    Raises `multiprocessing.TimeoutError` if it is not there within `timeout` seconds.
    """
    await _whether(pending.ready, timeout)
    return pending.get(0)


async def join(process: Any, timeout: float | None = None) -> int | None:
    """Wait until a Process has ended; return its exit code, or None after `timeout` seconds."""
    if process.exitcode is None:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def tell() -> None:
            if not ended.done():
                ended.set_result(None)

        loop.add_reader(process.sentinel, tell)
        try:
            await asyncio.wait_for(ended, timeout)
        except asyncio.TimeoutError:
            return None
        finally:
            loop.remove_reader(process.sentinel)
        process.join()
    code: int | None = process.exitcode
    return code
