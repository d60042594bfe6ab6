"""Waiting in asyncio for what other processes do, without a thread for each wait.

Each function does what the method of the same name does, except that it lets the event loop go on
meanwhile. A wait tries, and tries again after a pause which grows from 50 microseconds to 5
milliseconds, so that a thousand waits cost a loop a thousand short calls in 5 milliseconds and no
thread; a process that ends is heard of at once. A wait which is cancelled has taken nothing.

Those who wait in asyncio do not stand in line: where others wait in `acquire()` or `get()` itself,
they are woken first.

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
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

__all__ = ["acquire", "get", "holding", "join", "put", "result", "wait"]

_T = TypeVar("_T")

_SHORTEST, _LONGEST = 50e-6, 5e-3
"""Seconds between two tries, the first and in the end."""


class _Later(Exception):
    """Not yet: to be tried again."""


async def _until(attempt: Callable[[], _T], timeout: float | None) -> _T:
    """Return what `attempt` returns once it does not raise `_Later`; raise that after `timeout`."""
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    pause = 0.0
    while True:
        try:
            return attempt()
        except _Later:
            if end is not None:
                left = end - loop.time()
                if left <= 0:
                    raise
                pause = min(pause, left)
        await asyncio.sleep(pause)
        pause = min(max(_SHORTEST, pause * 1.5), _LONGEST)


async def acquire(lock: Any, timeout: float | None = None) -> bool:
    """Acquire a Lock, a Semaphore or a BoundedSemaphore; False if that took `timeout` seconds.

    An RLock raises TypeError: it belongs to a thread, which all tasks of a loop share, so that it
    would keep none of them out.
    """
    if hasattr(lock, "_is_owned") or type(lock).__name__ == "RLock":
        raise TypeError("an RLock belongs to a thread, not to a task: use a Lock")

    def attempt() -> bool:
        if lock.acquire(False):
            return True
        raise _Later

    try:
        return await _until(attempt, timeout)
    except _Later:
        return False


@contextlib.asynccontextmanager
async def holding(lock: Any) -> AsyncIterator[None]:
    """Hold a Lock, or a permit of a semaphore, in an `async with` block."""
    await acquire(lock)
    try:
        yield
    finally:
        lock.release()


async def wait(event: Any, timeout: float | None = None) -> bool:
    """Wait until an Event is set; False if that took `timeout` seconds."""

    def attempt() -> bool:
        if event.is_set():
            return True
        raise _Later

    try:
        return await _until(attempt, timeout)
    except _Later:
        return False


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

    def attempt() -> bool:
        if pending.ready():
            return True
        raise _Later

    with contextlib.suppress(_Later):
        await _until(attempt, timeout)
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
