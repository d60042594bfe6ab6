"""`ProcessPoolExecutor`: the interface of concurrent.futures on a pool.

A Future is told by the pool's keeper, so that callbacks, `as_completed` and asyncio work as with
the standard library's executor. What differs is a death: the one call that was under way gets
`WorkerDied`, which is a `BrokenProcessPool` as well, and the executor goes on.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool, _RemoteTraceback
from multiprocessing import util
from multiprocessing.pool import (  # type: ignore[attr-defined]
    TERMINATE,
    RemoteTraceback,
)
from typing import Any

from ..exceptions import TaskCancelled, WorkerDied
from ..pool import Pool
from . import results
from .cpus import available_cpus
from .interrupts import hold, let_go


class BrokenWorker(WorkerDied, BrokenProcessPool):
    """The worker that was doing this call has died; the executor goes on."""


class _Future(Future):  # type: ignore[type-arg]
    """A future whose call is left out when it is cancelled in time."""

    _result_of_pool: results.ApplyResult | None = None

    def cancel(self) -> bool:
        """Cancel the call if it has not begun; whether that was possible."""
        pending = self._result_of_pool
        if pending is None or self.done():
            return super().cancel()
        return pending.cancel() or self.cancelled()

    def running(self) -> bool:
        """Whether a worker is doing the call now."""
        pending = self._result_of_pool
        where = None if pending is None or self.done() else pending._where
        if pending is None or where is None:
            return super().running()
        lot, index = where
        return pending._engine.under_way(lot, index)


class _Told(results.ApplyResult):
    """A result which tells a future."""

    def __init__(self, pool: Pool, future: _Future, call: tuple[Any, ...]) -> None:
        self._future: _Future | None = future
        super().__init__(pool, pool._engine, None, None, call)

    def _complete(self) -> None:
        if self._done:
            return
        future, self._future = self._future, None
        super()._complete()
        if future is None:
            return
        future._result_of_pool = None
        if isinstance(self._value, TaskCancelled) and self._engine.state != TERMINATE:
            Future.cancel(future)
            future.set_running_or_notify_cancel()
        elif not future.cancelled() and future.set_running_or_notify_cancel():
            if self._success:
                future.set_result(self._value)
            elif isinstance(self._value, TaskCancelled):
                future.set_exception(BrokenProcessPool("the workers were ended during this call"))
            else:
                future.set_exception(_as_futures_have_it(self._value))
        self._value = None


def _as_futures_have_it(error: BaseException) -> BaseException:
    if type(error) is WorkerDied:
        return BrokenWorker(*error.args).with_traceback(error.__traceback__)
    remote = error.__cause__
    if isinstance(remote, RemoteTraceback):
        error.__cause__ = _RemoteTraceback(remote.tb)
    return error


class _ExecutorPool(Pool):
    """The pool of an executor, whose calls give what concurrent.futures' give."""

    _tells_all = True


class ProcessPoolExecutor(Executor):
    """Calls functions in worker processes; `submit` gives a `concurrent.futures.Future`.

    >>> import pumasi
    >>> with pumasi.ProcessPoolExecutor(2, pumasi.get_context("fork")) as executor:
    ...     executor.submit(pow, 2, 10).result()
    ...     list(executor.map(abs, [-1, -2]))
    1024
    [1, 2]
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
        self._max_workers = available_cpus() if max_workers is None else max_workers
        workers = self._max_workers
        self._make: Callable[[], Pool] = lambda: _ExecutorPool(
            workers, initializer, initargs, max_tasks_per_child, mp_context
        )
        self._made: Pool | None = None
        self._shut_down = False
        self._refused = 0
        self._lock = threading.Lock()

    @property
    def _processes(self) -> dict[int, Any]:
        return {} if self._made is None else {w.pid: w for w in self._made._pool}

    def _started(self) -> Pool:
        if self._made is None:
            self._made = self._make()
            # Nobody may shut it down: then it ends with the executor, or with the program.
            finalize: Any = weakref.finalize
            finalize(self, self._made.close).atexit = False
            _finish_at_exit(self._made)
        return self._made

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have `fn(*args, **kwargs)` called in a worker; returns its future."""
        held = hold()
        try:
            return self._submit(fn, args, kwargs)
        finally:
            let_go(held)

    def _submit(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[Any]:
        with self._lock:
            if self._shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            pool = self._started()
            pool._engine.check_owner()
            if len(pool._pool) < self._max_workers:
                pool._engine.repopulate(1 + self._refused)
            future = _Future()
            told = _Told(pool, future, (fn, args, kwargs))
            future._result_of_pool = told
            if not pool._engine.submit(told, fn, args, kwargs):
                # As in concurrent.futures, where such a call has its worker when that is found out.
                self._refused += 1
            pool._engine.keep()
            return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """Call `fn` for the items of the iterables, and iterate over the results in order.

        With `buffersize` the input is read no further ahead than so many calls.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        deadline = results.deadline_of(timeout)
        groups = zip(*iterables, strict=False)
        chunks = iter(lambda: tuple(itertools.islice(groups, chunksize)), ())
        ahead: deque[Future[Any]] = deque()
        for chunk in itertools.islice(chunks, buffersize):
            ahead.append(self.submit(_call_chunk, fn, chunk))
        return self._results(fn, chunks, ahead, deadline)

    def _results(
        self,
        fn: Callable[..., Any],
        chunks: Iterator[Any],
        ahead: deque[Future[Any]],
        deadline: float | None,
    ) -> Iterator[Any]:
        try:
            while ahead:
                left = None if deadline is None else deadline - time.monotonic()
                found = ahead[0].result(left)
                ahead.popleft()
                for chunk in itertools.islice(chunks, 1):
                    ahead.append(self.submit(_call_chunk, fn, chunk))
                # What was given is not kept.
                found.reverse()
                while found:
                    yield found.pop()
        finally:
            for future in ahead:
                future.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait until what there is is done, or cancel what has not begun."""
        with self._lock:
            self._shut_down = True
            pool = self._made
        if pool is None or pool._engine.pid != os.getpid():
            return
        if cancel_futures:
            for result in list(pool._cache.values()):
                result.cancel()
        pool.close()
        if wait:
            pool.join()

    def terminate_workers(self) -> None:
        """End the workers at once, by SIGTERM.

        Calls which have not begun are cancelled, and those which were under way get
        `BrokenProcessPool`.
        """
        self._end_workers(lambda worker: worker.terminate())

    def kill_workers(self) -> None:
        """End the workers at once, by SIGKILL; otherwise as `terminate_workers`."""
        self._end_workers(lambda worker: worker.kill())

    def _end_workers(self, end: Callable[[Any], None]) -> None:
        with self._lock:
            self._shut_down = True
            pool = self._made
        if pool is None or pool._engine.pid != os.getpid():
            return
        for result in list(pool._cache.values()):
            result.cancel()
        with pool._engine.lock:
            # Under the lock no worker is reaped and replaced.
            pool._engine.state = TERMINATE
            for worker in list(pool._pool):
                if worker.exitcode is None:
                    end(worker)
        pool.terminate()


_open: weakref.WeakSet[Pool] = weakref.WeakSet()
_armed: int | None = None


def _finish_at_exit(pool: Pool) -> None:
    global _armed
    _open.add(pool)
    if _armed != os.getpid():
        _armed = os.getpid()
        util.Finalize(None, _finish, exitpriority=20)


def _finish() -> None:
    """Before the program ends, do what was submitted."""
    for pool in list(_open):
        if pool._engine.pid == os.getpid():
            pool.close()
            pool.join()


def _call_chunk(fn: Callable[..., Any], chunk: tuple[tuple[Any, ...], ...]) -> list[Any]:
    return [fn(*args) for args in chunk]
