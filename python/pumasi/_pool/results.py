"""What `apply_async`, `map_async` and `imap` return.

The classes are subclasses of the standard library's. Whoever waits for a result collects results
for everybody (see `engine`), so that nothing here needs a thread; a callback does, and runs in the
pool's own.
"""

from __future__ import annotations

import collections
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import pool as _standard
from multiprocessing.context import TimeoutError
from typing import TYPE_CHECKING, Any

from ..exceptions import TaskCancelled, TaskFailed
from .interrupts import interruptible
from .limits import NONE

if TYPE_CHECKING:
    from .engine import Engine
    from .inputs import Feed
    from .lots import Lot

#: A finished task: its number in its batch, how it ended (None: unreadable), its value.
Finished = tuple[int, "bool | None", Any]


def revive(ok: bool | None, value: Any) -> BaseException:
    """Make the exception of a task that did not return: `worker.describe` undone."""
    if ok is None:
        return value  # type: ignore[no-any-return]
    data, kind, text, remote = value
    error: BaseException
    try:
        error = pickle.loads(data)
        if not isinstance(error, BaseException):
            raise TypeError("not an exception")
    except BaseException as refusal:
        error = TaskFailed(f"{kind}: {text} (cannot be unpickled here: {refusal!r})")
    error.__cause__ = _standard.RemoteTraceback(remote)  # type: ignore[attr-defined]
    return error


class _Pending:
    """What results of all kinds have in common."""

    _cache: dict[int, Any]
    _job: int
    _pool: Any
    _engine: Engine
    #: Of a single call: its batch, and its number in there.
    _where: tuple[Lot, int] | None = None
    #: How long its tasks may take.
    _limits = NONE
    #: Of an imap: what reads its input.
    feed: Feed | None = None

    def _enter(self, pool: Any, engine: Engine) -> None:
        self._pool = pool
        self._engine = engine
        self._job = next(_standard.job_counter)  # type: ignore[attr-defined]
        self._cache = engine.cache
        self._cache[self._job] = self

    def _leave(self) -> None:
        self._cache.pop(self._job, None)
        self._pool = None
        self._engine.idle()

    def _missing(self) -> int:
        """How many tasks must at least be finished before there is something to see."""
        return 1

    def _deliver(self, lot: Lot, count: int, others: list[Finished]) -> bool:
        """Take what was collected from a batch; whether the result is complete now."""
        raise NotImplementedError

    def _fail(self, index: int, error: BaseException) -> bool:
        """Take the failure of a task that did not end by itself."""
        raise NotImplementedError

    def _complete(self) -> None:
        """Tell everybody, outside every lock."""
        raise NotImplementedError

    def _describe(self, index: int) -> str:
        """Say what a task was, for people."""
        raise NotImplementedError


def shorten(value: object, most: int = 120) -> str:
    """Return a repr which fits a line, whatever the value does."""
    try:
        text = repr(value)
    except Exception:
        text = object.__repr__(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def name_of(function: object) -> str:
    """Return a function's name, for people."""
    return getattr(function, "__qualname__", None) or shorten(function)


class ApplyResult(_Pending, _standard.ApplyResult):  # type: ignore[type-arg]
    """The result of one call, or of a map, which may still be to come."""

    _done = False
    #: Whether the callback was called, so that nothing changes any more.
    _told = False
    #: The thread which is calling it.
    _teller = 0
    _success: Any = None
    _value: Any

    def __init__(
        self,
        pool: Any,
        engine: Engine,
        callback: Callable[[Any], object] | None,
        error_callback: Callable[[BaseException], object] | None,
        call: tuple[Any, ...] = (),
    ) -> None:
        self._callback = callback
        self._error_callback = error_callback
        self._call = call
        self._where = None
        self._enter(pool, engine)

    def ready(self) -> bool:
        """Whether the result is there."""
        if not self._done:
            self._engine.poll()
        return self._done

    def successful(self) -> bool:
        """Whether the call returned; raises ValueError before it is known."""
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._success  # type: ignore[no-any-return]

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the result is there, or at most `timeout` seconds."""
        if not self._done:
            self._engine.wait_for(self, timeout)

    def get(self, timeout: float | None = None) -> Any:
        """Return the result, or raise what the call raised; wait at most `timeout` seconds."""
        self.wait(timeout)
        if not self._done:
            raise TimeoutError
        if self._success:
            return self._value
        raise self._value

    def cancel(self) -> bool:
        """Have the call not happen; whether that was possible, because it had not begun.

        Of a map the chunks which have not begun are left out, and True means that there was one;
        `get()` then raises `TaskCancelled`.
        """
        return self._engine.cancel(self)

    def _shows(self) -> bool:
        return self._done

    def _deliver(self, lot: Lot, count: int, others: list[Finished]) -> bool:
        [(_, ok, value)] = others
        self._success = ok is True
        self._value = value if ok else revive(ok, value)
        return True

    def _fail(self, index: int, error: BaseException) -> bool:
        self._success, self._value = False, error
        return True

    def _abandon(self, error: BaseException) -> None:
        if self._success is not False and not self._told:
            self._success, self._value = False, error

    def _complete(self) -> None:
        if self._done:
            return
        callback = self._callback if self._success else self._error_callback
        if callback and not self._told:
            self._told = True
            self._teller = threading.get_ident()
            try:
                interruptible(callback, self._value)
            except BaseException:
                # There is no caller to raise it to, and others wait for their results.
                threading.excepthook(
                    threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
                )
            self._teller = 0
        self._call = ()
        self._where = None
        self._done = True
        self._leave()

    def _leave_out(self, error: BaseException) -> bool:
        """Take note that what was still to be added is left out; whether that completes it."""
        return self._fail(0, error)

    def _describe(self, index: int) -> str:
        function, args, kwds = self._call
        given = [shorten(arg) for arg in args]
        given += [f"{key}={shorten(value)}" for key, value in kwds.items()]
        return f"{name_of(function)}({', '.join(given)})"


class MapResult(ApplyResult, _standard.MapResult):  # type: ignore[type-arg]
    """The list of results of a map."""

    def __init__(
        self,
        pool: Any,
        engine: Engine,
        chunksize: int,
        length: int,
        callback: Callable[[Any], object] | None,
        error_callback: Callable[[BaseException], object] | None,
        call: tuple[Any, ...],
    ) -> None:
        super().__init__(pool, engine, callback, error_callback, call)
        self._success = True
        self._value = [None] * length
        self._length = length
        self._chunksize = chunksize
        self._lots: list[Lot] = []
        #: How many tasks wait to be added.
        self._unsent = 0
        if chunksize <= 0:
            self._number_left = 0
            self._done = True
            self._leave()
        else:
            self._number_left = length // chunksize + bool(length % chunksize)

    def _missing(self) -> int:
        return self._number_left

    def _items_done(self) -> int:
        """How many items are done with, but for a last chunk that is shorter."""
        return max(0, self._length - self._number_left * self._chunksize)

    def _deliver(self, lot: Lot, count: int, others: list[Finished]) -> bool:
        self._number_left -= count
        for index, ok, value in others:
            if ok:
                if self._success and self._chunksize == 1:
                    self._value[lot.base + index] = value
                elif self._success:
                    start = (lot.base + index) * self._chunksize
                    self._value[start : start + len(value)] = value
            else:
                self._refuse(revive(ok, value))
        return self._number_left <= 0

    def _fail(self, index: int, error: BaseException) -> bool:
        self._number_left -= 1
        self._refuse(error)
        return self._number_left <= 0

    def _leave_out(self, error: BaseException) -> bool:
        self._number_left -= self._unsent
        self._unsent = 0
        self._refuse(error)
        return self._number_left <= 0

    def _refuse(self, error: BaseException) -> None:
        if self._success:
            # Only the first one is told.
            self._success, self._value = False, error

    def _complete(self) -> None:
        self._lots = []
        super()._complete()

    def _describe(self, index: int) -> str:
        function, _ = self._call
        first = index * self._chunksize
        which = f"item {first}"
        if self._chunksize > 1:
            which = f"items {first} to {first + self._chunksize - 1}"
        return f"{name_of(function)}, {which} of the map"


class IMapIterator(_Pending, _standard.IMapIterator):  # type: ignore[type-arg]
    """The results of an imap, in the order of its input."""

    def __init__(self, pool: Any, engine: Engine, function: Any) -> None:
        self._items: collections.deque[tuple[bool, Any]] = collections.deque()
        self._unsorted: dict[int, tuple[bool, Any]] = {}
        self._index = 0
        #: How many tasks there are in all, once that is known.
        self._length: int | None = None
        self._function = function
        self.taken = 0
        self._enter(pool, engine)

    def __iter__(self) -> IMapIterator:
        return self

    def next(self, timeout: float | None = None) -> Any:
        """Return the next result, or raise what its call raised."""
        if not self._items:
            self._engine.wait_for(self, timeout)
        try:
            success, value = self._items.popleft()
        except IndexError:
            if self._ended():
                self._pool = None
                raise StopIteration from None
            raise TimeoutError from None
        self.taken += 1
        self._engine.topped_up(self)
        if success:
            return value
        raise value

    __next__ = next

    def _ended(self) -> bool:
        return self._length is not None and self._index >= self._length

    def _shows(self) -> bool:
        return bool(self._items) or self._ended()

    def _put(self, index: int, item: tuple[bool, Any]) -> None:
        self._unsorted[index] = item
        while self._index in self._unsorted:
            self._items.append(self._unsorted.pop(self._index))
            self._index += 1

    def _deliver(self, lot: Lot, count: int, others: list[Finished]) -> bool:
        for index, ok, value in others:
            item = (True, value) if ok else (False, revive(ok, value))
            self._put(lot.base + index, item)
        return self._ended()

    def _fail(self, index: int, error: BaseException) -> bool:
        self._put(index, (False, error))
        return self._ended()

    def _abandon(self, error: BaseException) -> None:
        self._length = self._index + len(self._unsorted) + 1
        for index in range(self._index, self._length):
            if index not in self._unsorted:
                self._put(index, (False, error))
                break
        self._length = self._index

    def end(self, length: int) -> bool:
        """Note that the input has ended; whether all results are there already."""
        self._length = length
        return self._ended()

    def _complete(self) -> None:
        self._leave()

    def _describe(self, index: int) -> str:
        return f"{name_of(self._function)}, item {index} of the imap"


class IMapUnorderedIterator(IMapIterator):
    """The results of an imap, each as soon as it is there."""

    def _put(self, index: int, item: tuple[bool, Any]) -> None:
        self._items.append(item)
        self._index += 1


def flattened(chunks: Iterable[list[Any]]) -> Iterator[Any]:
    """Return the items of the chunks of an imap."""
    return (item for chunk in chunks for item in chunk)


def deadline_of(timeout: float | None) -> float | None:
    """Return when a wait which begins now is over."""
    return None if timeout is None else time.monotonic() + timeout


def cancelled(what: str) -> TaskCancelled:
    """Return the error of a task that will have no result."""
    return TaskCancelled(what)
