"""Pools of worker processes: `multiprocessing.pool` on shared memory.

`Pool` has the interface of the standard library's. Tasks and results lie in the heap, so that no
thread and no pipe carries them; a worker that is killed fails the one task it was at
(`WorkerDied`), and is replaced. `ThreadPool` and everything else here are the standard library's.

The file is long because one class has every method of a pool, with its arguments spelled out.

>>> import pumasi
>>> with pumasi.get_context("fork").Pool(2) as pool:
...     pool.map(abs, [-1, 2, -3])
[1, 2, 3]
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from multiprocessing import pool as _standard
from multiprocessing import util
from multiprocessing.context import TimeoutError as TimeoutError

# The names by which programs know the standard library's; what ours return are subclasses.
from multiprocessing.pool import CLOSE as CLOSE
from multiprocessing.pool import INIT as INIT
from multiprocessing.pool import RUN as RUN
from multiprocessing.pool import TERMINATE as TERMINATE
from multiprocessing.pool import ApplyResult as ApplyResult
from multiprocessing.pool import AsyncResult as AsyncResult
from multiprocessing.pool import ExceptionWithTraceback as ExceptionWithTraceback  # type: ignore[attr-defined]
from multiprocessing.pool import IMapIterator as IMapIterator
from multiprocessing.pool import IMapUnorderedIterator as IMapUnorderedIterator
from multiprocessing.pool import MapResult as MapResult
from multiprocessing.pool import MaybeEncodingError as MaybeEncodingError  # type: ignore[attr-defined]
from multiprocessing.pool import RemoteTraceback as RemoteTraceback  # type: ignore[attr-defined]
from multiprocessing.pool import ThreadPool as ThreadPool
from multiprocessing.pool import job_counter as job_counter  # type: ignore[attr-defined]
from multiprocessing.pool import mapstar as mapstar  # type: ignore[attr-defined]
from multiprocessing.pool import rebuild_exc as rebuild_exc  # type: ignore[attr-defined]
from multiprocessing.pool import starmapstar as starmapstar  # type: ignore[attr-defined]
from multiprocessing.pool import worker as worker  # type: ignore[attr-defined]
from operator import index
from typing import TYPE_CHECKING, Any

from ._pool import inputs, results
from ._pool.cpus import available_cpus
from ._pool.engine import Engine
from ._pool.interrupts import hold, let_go
from ._pool.limits import NONE, Limits, check, limits
from ._pool.setup import current
from ._pool.worker import MAP, MAP_CHUNK, STARMAP, STARMAP_CHUNK
from ._pool.workers import MOST_WORKERS, Options

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Pool", "ThreadPool", "worker_id", "worker_state"]

#: Private names of the standard library's pool which only make sense with its queues.
_QUEUES = frozenset(
    (
        "_setup_queues",
        "_taskqueue",
        "_inqueue",
        "_outqueue",
        "_quick_put",
        "_quick_get",
        "_change_notifier",
        "_worker_handler",
        "_task_handler",
        "_result_handler",
    )
)
_METHODS = ("_setup_queues", "_get_tasks", "_handle_tasks", "_handle_results", "_handle_workers")


_STANDARD: Any = _standard.Pool


class _StandardPool(_standard.Pool):
    """The standard library's pool, on the contexts of this package."""

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: Any = None,
    ) -> None:
        super().__init__(
            processes, initializer, initargs, maxtasksperchild, context or _default_context()
        )


def _default_context() -> Any:
    from .context import default_context

    return default_context.get_context()


def _say_once(what: str) -> None:
    global _said
    if not _said:
        _said = True
        util.get_logger().info(
            "%s concerns the queues of multiprocessing.Pool: it gets the standard library's", what
        )


_said = False


class Pool(_standard.Pool):
    """A pool of worker processes, to which calls are handed out.

    `processes` workers (by default as many as there are CPUs for this process) call
    `initializer(*initargs)` when they start, and end after `maxtasksperchild` tasks, to be
    replaced.

    Beyond multiprocessing, by keyword: a call whose worker died is tried again up to `retries`
    times (what it has done by then stays done). One that takes longer than `soft_timeout` seconds
    has `TaskTimeout` raised in it, by SIGALRM, and may clear up; one that takes longer than
    `timeout` seconds fails with `TaskTimeout`, and its worker alone is killed and replaced. What
    these count is a task: one call, or one chunk of a map. The methods that call take both, too,
    for this call and in place of the pool's.

    The tasks of one worker may have `memory_limit` bytes beyond what the worker begins with; who
    wants more gets MemoryError, and the worker is replaced after that task. Numeric libraries get
    `threads` threads in each worker; None shares the CPUs among the workers, unless the
    environment (`OMP_NUM_THREADS` and its like) says otherwise. A worker that ends in order calls
    `worker_exit()`; see `get_exit_results`. With `insights` the slowest tasks are noted.
    """

    _engine: Engine
    _tells_all = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if any(name in cls.__dict__ for name in _METHODS) and Pool in cls.__bases__:
            _say_once(cls.__qualname__)
            cls.__bases__ = tuple(_StandardPool if base is Pool else base for base in cls.__bases__)

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: Any = None,
        *,
        retries: int = 0,
        soft_timeout: float | None = None,
        timeout: float | None = None,
        memory_limit: int | None = None,
        threads: int | None = None,
        worker_exit: Callable[[], Any] | None = None,
        insights: bool = False,
    ) -> None:
        this: Any = self
        if not isinstance(this, Pool):
            # A ThreadPool under `pumasi run`: it calls what has this name in its module.
            _STANDARD.__init__(this, processes, initializer, initargs, maxtasksperchild, context)
            return
        # Early, for `__del__` is called also when the rest raises.
        self._pool: list[Any] = []
        self._state: str = INIT
        self._ctx: Any = _default_context() if context is None else context
        self._cache: dict[int, Any] = {}
        if processes is None:
            processes = available_cpus()
        if processes < 1:
            raise ValueError("Number of processes must be at least 1")
        processes = index(processes)
        if processes > MOST_WORKERS:
            raise ValueError(f"Number of processes must be at most {MOST_WORKERS}")
        limit: Any = maxtasksperchild
        if limit is not None and (not isinstance(limit, int) or limit <= 0):
            raise ValueError("maxtasksperchild must be a positive int or None")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._processes = processes
        self._maxtasksperchild = maxtasksperchild
        self._initializer = initializer
        self._initargs = initargs
        if retries < 0:
            raise ValueError("retries must be 0 or more")
        check("soft_timeout", soft_timeout)
        check("timeout", timeout)
        for name, number in (("memory_limit", memory_limit), ("threads", threads)):
            if number is not None and number <= 0:
                raise ValueError(f"{name} must be a positive int or None")
        if worker_exit is not None and not callable(worker_exit):
            raise TypeError("worker_exit must be a callable")
        options = Options(
            initializer=initializer,
            initargs=tuple(initargs),
            max_tasks=maxtasksperchild,
            tells_all=self._tells_all,
            # Under fork all of them start before the executor has a thread.
            on_demand=self._tells_all and self._ctx.get_start_method() != "fork",
            retries=retries,
            soft_timeout=soft_timeout,
            timeout=timeout,
            memory_limit=memory_limit,
            threads=threads,
            insights=insights,
            worker_exit=worker_exit,
        )
        self._engine = Engine(self._ctx, self.Process, processes, options)
        self._pool = self._engine.pool
        self._cache = self._engine.cache
        try:
            self._repopulate_pool()
        except BaseException:
            self._engine.undo()
            raise
        self._terminate = util.Finalize(self, self._engine.terminate, exitpriority=15)
        self._state = RUN

    def __del__(self, _warn: Any = warnings.warn, RUN: str = RUN) -> None:
        if self._state == RUN:
            _warn(
                f"unclosed running multiprocessing pool {self!r}",
                ResourceWarning,
                source=self,
            )

    def __getattr__(self, name: str) -> Any:
        if name in _QUEUES:
            self._become_standard(name)
            return getattr(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _become_standard(self, name: str) -> None:
        """Go on as the standard library's pool: somebody wants to work its queues."""
        _say_once(f"the use of {name}")
        engine, self._state = self._engine, CLOSE
        known = {job: job_ for job, job_ in engine.cache.items() if not hasattr(job_, "_engine")}
        for job in known:
            del engine.cache[job]
        engine.close()
        engine.join()
        self._terminate.cancel()
        bases = tuple(_StandardPool if base is Pool else base for base in type(self).__bases__)
        cls: Any = _StandardPool
        if type(self) is not Pool:
            cls = type(type(self).__name__, bases, dict(type(self).__dict__))
        self.__class__ = cls
        cls.__init__(
            self,
            self._processes,
            self._initializer,
            self._initargs,
            self._maxtasksperchild,
            self._ctx,
        )
        # They take themselves out of the cache when they are done; where they are not in it, that
        # ends the thread which hands the tasks out.
        for result in known.values():
            result._cache = self._cache
        self._cache.update(known)

    def _repopulate_pool(self) -> None:
        self._engine.processes = self._processes
        self._engine.repopulate()

    # ---- calls -----------------------------------------------------------------------------

    def _check_running(self) -> None:
        if self._state != RUN:
            raise ValueError("Pool not running")
        self._engine.check_owner()

    def apply(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},
        *,
        timeout: float | None = None,
        soft_timeout: float | None = None,
    ) -> Any:
        """Call `func(*args, **kwds)` in a worker and return what it returns."""
        pending = self.apply_async(func, args, kwds, timeout=timeout, soft_timeout=soft_timeout)
        return pending.get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        timeout: float | None = None,
        soft_timeout: float | None = None,
    ) -> Any:
        """Have `func(*args, **kwds)` called in a worker; the result comes later."""
        self._check_running()
        bounds = limits(timeout, soft_timeout)
        call = (func, args, kwds)
        held = hold()
        try:
            result = results.ApplyResult(self, self._engine, callback, error_callback, call)
            result._limits = bounds
            self._engine.submit(result, func, args, kwds)
            self._keep(callback or error_callback or bounds.timeout)
        finally:
            let_go(held)
        return result

    def map(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        *,
        progress: bool | Mapping[str, Any] = False,
        timeout: float | None = None,
        soft_timeout: float | None = None,
    ) -> Any:
        """Call `func` for each item, in the workers, and return the list of results.

        With `progress` a bar on stderr shows how far it has come: tqdm's or rich's if one of these
        is installed, a plain one otherwise. A mapping is what tqdm is called with, such as
        `{"desc": "primes"}`; of that, the others heed `total`, `desc` and `file`.
        """
        bounds = limits(timeout, soft_timeout)
        return self._map(func, iterable, chunksize, MAP, progress, bounds)

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        progress: bool | Mapping[str, Any] = False,
        timeout: float | None = None,
        soft_timeout: float | None = None,
    ) -> Any:
        """Call `func(*item)` for each item, in the workers, and return the list of results."""
        bounds = limits(timeout, soft_timeout)
        return self._map(func, iterable, chunksize, STARMAP, progress, bounds)

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        timeout: float | None = None,
        soft_timeout: float | None = None,
    ) -> Any:
        """Have `func` called for each item; the list of results comes later."""
        bounds = limits(timeout, soft_timeout)
        return self._start_map(
            func, iterable, chunksize, MAP, callback, error_callback, False, False, bounds
        )

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        timeout: float | None = None,
        soft_timeout: float | None = None,
    ) -> Any:
        """Have `func(*item)` called for each item; the list of results comes later."""
        bounds = limits(timeout, soft_timeout)
        return self._start_map(
            func, iterable, chunksize, STARMAP, callback, error_callback, False, False, bounds
        )

    def _map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        mode: int,
        progress: bool | Mapping[str, Any],
        bounds: Limits,
    ) -> Any:
        result = self._start_map(
            func, iterable, chunksize, mode, None, None, True, progress, bounds
        )
        return result.get()

    def _start_map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        mode: int,
        callback: Callable[[Any], object] | None,
        error_callback: Callable[[BaseException], object] | None,
        waiting: bool,
        progress: bool | Mapping[str, Any] = False,
        bounds: Limits = NONE,
    ) -> results.MapResult:
        self._check_running()
        raised: Exception | None = None
        if isinstance(iterable, (list, tuple, range)):
            items: Any = iterable
        elif hasattr(iterable, "__len__"):
            try:
                items = list(iterable)
            except Exception as error:
                items, raised = [None], error
        else:
            items = list(iterable)
        if chunksize is None:
            chunksize, extra = divmod(len(items), len(self._pool) * 4 or 4)
            chunksize += bool(extra)
        if not len(items):
            chunksize = 0
        if chunksize > 1:
            mode = MAP_CHUNK if mode == MAP else STARMAP_CHUNK
        held = hold()
        try:
            result = results.MapResult(
                self, self._engine, chunksize, len(items), callback, error_callback, (func, items)
            )
            result._limits = bounds
            if raised is not None and chunksize > 0:
                result._number_left = 0
                result._refuse(raised)
                result._complete()
            if not result._done:
                self._run_map(result, mode, func, items, waiting, progress, held)
        finally:
            let_go(held)
        return result

    def _run_map(
        self,
        result: results.MapResult,
        mode: int,
        func: Callable[..., Any],
        items: Sequence[Any],
        waiting: bool,
        progress: bool | Mapping[str, Any],
        held: bool,
    ) -> None:
        wanted = result._callback or result._error_callback or result._limits.timeout
        try:
            # From here on a Ctrl-C ends it.
            let_go(held)
            self._keep(wanted)
            if progress is not False:
                self._fill_and_show(result, mode, func, items, progress)
            else:
                inputs.fill_map(self._engine, result, mode, func, items, waiting)
            if waiting:
                result.wait()
        except BaseException:
            # Ctrl-C: what has not begun does not happen.
            self._engine.drop(result)
            raise

    def _fill_and_show(
        self,
        result: results.MapResult,
        mode: int,
        func: Callable[..., Any],
        items: Sequence[Any],
        progress: bool | Mapping[str, Any],
    ) -> None:
        from ._pool.progress import EVERY, Shown, bar_for

        bar = bar_for(progress, len(items))
        try:
            shown = Shown(bar, result._items_done)
            inputs.fill_map(self._engine, result, mode, func, items, True, shown.look)
            while not result._done:
                result.wait(EVERY)
                shown.look()
            shown.look()
        finally:
            bar.close()

    def imap(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = 1,
        *,
        progress: bool | Mapping[str, Any] = False,
        timeout: float | None = None,
        soft_timeout: float | None = None,
    ) -> Any:
        """Call `func` for each item, as far ahead as there is room, and iterate over the results.

        The input is read lazily. `close()` and `join()` read and do all that is left of it.
        `progress` as for `map`; the results that were taken count, and `next(timeout)` is left out.
        """
        bounds = limits(timeout, soft_timeout)
        return self._imap(results.IMapIterator, func, iterable, chunksize, progress, bounds)

    def imap_unordered(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = 1,
        *,
        progress: bool | Mapping[str, Any] = False,
        timeout: float | None = None,
        soft_timeout: float | None = None,
    ) -> Any:
        """Do the same, and iterate over the results in the order in which they come."""
        bounds = limits(timeout, soft_timeout)
        return self._imap(
            results.IMapUnorderedIterator, func, iterable, chunksize, progress, bounds
        )

    def _imap(
        self,
        kind: type[results.IMapIterator],
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        progress: bool | Mapping[str, Any],
        bounds: Limits,
    ) -> Any:
        self._check_running()
        if chunksize is None or chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize!r}")
        chunks: Any = iter(iterable)
        mode = MAP
        if chunksize > 1:
            chunks, mode = inputs.chunked(chunks, chunksize), MAP_CHUNK
        at_once = inputs.reads_at_once(iterable)
        held = hold()
        try:
            result = kind(self, self._engine, func)
            result._limits = bounds
            result.feed = inputs.Feed(self._engine, result, mode, func, chunks, at_once)
            self._keep(bounds.timeout)
        finally:
            let_go(held)
        found = result if chunksize == 1 else results.flattened(result)
        if progress is False:
            return found
        from ._pool.progress import bar_for, each

        total = len(iterable) if isinstance(iterable, Sized) else None
        return each(found, bar_for(progress, total))

    def _keep(self, wanted: object = None) -> None:
        options = self._engine.options
        if wanted or options.max_tasks or options.timeout or options.memory_limit:
            self._engine.keep()

    # ---- looking on and changing -----------------------------------------------------------

    def resize(self, processes: int) -> None:
        """Go on with another number of workers; those which are too many end after their task."""
        self._check_running()
        processes = index(processes)
        if not 1 <= processes <= MOST_WORKERS:
            raise ValueError(f"Number of processes must be from 1 to {MOST_WORKERS}")
        self._processes = processes
        self._engine.resize(processes)

    def insights(self) -> dict[str, Any]:
        """Return what the workers have been doing; times in seconds.

        `workers` has for each its `id`, `pid`, `state` ("starting", "working" or "waiting"), how
        many `tasks` it has finished, and how long it was `starting`, `working` and `waiting`;
        `ended` has the sums of those which have ended. `finished` and `outstanding` count the
        pool's tasks, where a chunk of a map is one. `slowest` are those which took longest, as
        (seconds, text), if the pool was made with `insights=True`.
        """
        return self._engine.insights()

    def get_exit_results(self) -> list[Any]:
        """Return what the `worker_exit` of the workers that have ended so far has returned.

        All of them are there after `close()` and `join()`; of workers that were killed, and after
        `terminate()`, there is none. Raises what such a function has raised.
        """
        return self._engine.exit_results()

    # ---- the end ---------------------------------------------------------------------------

    def close(self) -> None:
        """Take no more calls; the workers end when what there is is done."""
        util.debug("closing pool")
        if self._state == RUN:
            self._state = CLOSE
            self._engine.close()

    def terminate(self) -> None:
        """End the workers at once; calls without a result get `TaskCancelled`."""
        util.debug("terminating pool")
        self._state = TERMINATE
        self._terminate()

    def join(self) -> None:
        """Wait until the workers have ended; `close()` or `terminate()` comes first."""
        util.debug("joining pool")
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        self._engine.join()

    def __enter__(self) -> Self:
        self._check_running()
        return self


def worker_id() -> int:
    """Return the number of the worker that this task runs in: 0, 1, and so on.

    A worker which takes another's place takes its number. Raises RuntimeError elsewhere.
    """
    return current().id


def worker_state() -> dict[Any, Any]:
    """Return a dict of this worker's own, which lasts as long as the worker.

    For what the initializer or a task has made and later tasks can use: connections, models.
    """
    return current().state
