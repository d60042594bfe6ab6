"""Queues in the heap, by the module name which multiprocessing gives them.

`Queue`, `JoinableQueue` and `SimpleQueue` have multiprocessing's methods, exceptions and pickling
rules. What is put is in shared memory when `put` returns: there is no thread which feeds a pipe, so
that `qsize` is exact, nothing is lost when a process ends right after `put`, and `close` and
`join_thread` have nothing to wait for. `LifoQueue` and `PriorityQueue` are those of the module
`queue`, between processes, with `task_done` and `join` as there.

A value which cannot be pickled is refused by `put` itself, in the caller. Only a subclass which
overrides `_on_queue_feeder_error` is told by that method instead, as its authors expect.
"""

from __future__ import annotations

from functools import cached_property
from multiprocessing import context as _context
from multiprocessing import queues as _standard
from queue import Empty as Empty
from queue import Full as Full

from . import _core
from . import _queue_parts as _parts

# Known to type checkers by its name; the module `typing` is a third of what importing us costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable
    from typing import Any

__all__ = ["JoinableQueue", "LifoQueue", "PriorityQueue", "Queue", "SimpleQueue"]


class _Common:
    """What all queues share: the shared object, and how it travels."""

    _queue: _core.SharedQueue

    # What libraries reach for; each is made when it is first asked for.

    @cached_property
    def _reader(self) -> _parts.Reader:
        return _parts.Reader(self._queue)

    @cached_property
    def _writer(self) -> _parts.Writer:
        return _parts.Writer(self._queue)

    @property
    def _poll(self) -> Any:
        return self._reader.poll

    @cached_property
    def _rlock(self) -> _core.Lock:
        return _core.Lock()

    @cached_property
    def _wlock(self) -> _core.Lock:
        return _core.Lock()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not _parts.builds_on_parts(cls):
            return
        # Their `super()` finds the standard library's class where it would have found ours.
        bases = tuple(getattr(base, "_standard_class", base) for base in cls.__bases__)
        if bases != cls.__bases__:
            cls.__bases__ = bases

    def __repr__(self) -> str:
        return f"<{type(self).__qualname__} of {self._queue.qsize()} items at {id(self):#x}>"

    __class_getitem__: Any = classmethod(type(list[int]))


class Queue(_Common, _standard.Queue):  # type: ignore[type-arg]
    """A queue between processes and threads, of at most `maxsize` items; 0 is any number.

    >>> import pumasi
    >>> q = pumasi.Queue()
    >>> q.put("rice")
    >>> q.qsize()
    1
    >>> q.get()
    'rice'
    """

    _last_first = False
    _tasks = False

    def __init__(self, maxsize: int = 0, *, ctx: Any = None) -> None:
        self._start(_core.SharedQueue(maxsize, self._last_first, self._tasks))

    def _start(self, queue: _core.SharedQueue) -> None:
        self._queue = queue
        self._maxsize = queue.maxsize or _standard_most()
        cls = type(self)
        self._has_hook = cls._on_queue_feeder_error is not Queue._on_queue_feeder_error
        # Where nobody overrides them the methods are the native ones: a call less.
        if cls.put is Queue.put and not self._has_hook:
            self.put = queue.put  # type: ignore[method-assign]
        if cls.get is Queue.get:
            self.get = queue.get  # type: ignore[method-assign]

    # More of what libraries reach for. No item is ever on its way, and no thread moves any.
    _thread = None
    _jointhread = None
    _joincancelled = False
    _ignore_epipe = False

    @property
    def _buffer(self) -> deque[Any]:
        from collections import deque

        return deque()

    @cached_property
    def _sem(self) -> _parts.Number:
        queue, most = self._queue, self._maxsize
        return _parts.Number(lambda: most - queue.qsize())

    def _terminate_broken(self) -> None:
        self.close()

    def __getstate__(self) -> Any:
        _context.assert_spawning(self)
        return (self._queue,)

    def __setstate__(self, state: Any) -> None:
        (queue,) = state
        self._start(queue)

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item at the end; when this returns, every process can take it.

        Waits for room unless `block` is false, at most `timeout` seconds, and raises `queue.Full`
        if there was none.
        """
        self._check_open()
        if self._has_hook:
            self._queue._put_or_tell(self._on_queue_feeder_error, obj, block, timeout)
        else:
            self._queue.put(obj, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next item out and return it.

        Waits for one unless `block` is false, at most `timeout` seconds, and raises `queue.Empty`
        if none came. If the process is killed before it has the item, another gets it.
        """
        self._check_open()
        return self._queue.get(block, timeout)

    def put_nowait(self, obj: Any) -> None:
        """Put an item if there is room now, or raise `queue.Full`."""
        return self.put(obj, False)

    def get_nowait(self) -> Any:
        """Take an item if there is one now, or raise `queue.Empty`."""
        return self.get(False)

    def put_many(
        self, items: Iterable[Any], block: bool = True, timeout: float | None = None
    ) -> int:
        """Put items in their order, as many at once as there is room for, and say how many.

        All of them, unless `block` is false or `timeout` seconds were not enough.
        """
        self._check_open()
        return self._queue.put_many(items, block, timeout)

    def get_many(self, most: int, block: bool = True, timeout: float | None = None) -> list[Any]:
        """Take up to `most` items, as many as are there, waiting for the first as `get` does.

        The list is empty where `get` would raise `queue.Empty`.
        """
        self._check_open()
        return self._queue.get_many(most, block, timeout)

    def qsize(self) -> int:
        """Return how many items there are at this moment."""
        return self._queue.qsize()

    def empty(self) -> bool:
        """Whether there is no item at this moment.

        Raises OSError if there is one, and this process has closed the queue and cannot take it.
        """
        found = self._queue.empty()
        if not found and self._queue.closed:
            raise OSError("handle is closed")
        return found

    def full(self) -> bool:
        """Whether there are as many items as there may be."""
        return self._queue.full()

    def close(self) -> None:
        """Say that this process is done with the queue; `put` and `get` raise ValueError then."""
        self._queue.close()
        _drop_entrances(self)

    def _check_open(self) -> None:
        if self._queue.closed:
            raise ValueError(f"Queue {self!r} is closed")

    @property
    def _closed(self) -> bool:
        return self._queue.closed

    def join_thread(self) -> None:
        """Do nothing: what was put is in the queue, and no thread is left to wait for."""
        assert self._closed, f"Queue {self!r} not closed"

    def cancel_join_thread(self) -> None:
        """Do nothing: a process which ends waits for no queue."""

    @staticmethod
    def _on_queue_feeder_error(e: BaseException, obj: Any) -> None:
        """In a subclass: called with a value that cannot be pickled, in place of an exception."""


class JoinableQueue(Queue, _standard.JoinableQueue):  # type: ignore[type-arg]
    """A queue which knows how many of its items are done with: `task_done` and `join`.

    The tasks of a process that was killed count as done; `join` issues `OwnerDiedWarning` then.
    """

    _tasks = True

    @cached_property
    def _unfinished_tasks(self) -> _parts.Unfinished:
        return _parts.Unfinished(self._queue)

    @cached_property
    def _cond(self) -> _parts.AllDone:
        return _parts.AllDone(self._queue)

    def task_done(self) -> None:
        """Say of an item that was taken that what was to be done with it is done.

        Raises ValueError if that was said of all items already.
        """
        self._queue.task_done()

    def join(self) -> None:
        """Wait until every item that was put is done with."""
        self._queue.join()


class LifoQueue(JoinableQueue):
    """A queue from which the item that was put last is taken first."""

    _last_first = True


class _Changed(Exception):
    """A queue is no longer what it was at the moment that is looked at."""


class _Moment:
    """The items of a queue at one moment, of which each is copied when it is looked at."""

    def __init__(self, queue: _core.SharedQueue, version: int, length: int) -> None:
        self._item = queue._item
        self._version = version
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        found = self._item(self._version, index)
        if found is None:
            raise _Changed
        return found[0]


class PriorityQueue(JoinableQueue):
    """A queue from which the least item is taken first; equal ones in the order they were put.

    Items are compared as `heapq` does, with `<`, in the process that puts one, which looks at as
    many of them as there are halvings of the queue; no lock is held meanwhile, and who finds that
    others have been faster looks again.
    """

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item before the first one that is greater.

        Waits for room unless `block` is false, at most `timeout` seconds, and raises `queue.Full`
        if there was none.
        """
        from bisect import bisect_right
        from time import monotonic

        self._check_open()
        until = None if timeout is None else monotonic() + timeout
        while True:
            version, length = self._queue._moment()
            try:
                place = bisect_right(_Moment(self._queue, version, length), obj)
            except _Changed:
                continue
            done = self._queue._put_at(version, place, obj)
            if done > 0:
                return
            if done < 0:
                continue
            left = None if until is None else until - monotonic()
            if not block or not self._queue._wait_for_room(left):
                raise Full

    def put_many(
        self, items: Iterable[Any], block: bool = True, timeout: float | None = None
    ) -> int:
        """Put items one by one, and say how many there was room for."""
        from time import monotonic

        until = None if timeout is None else monotonic() + timeout
        done = 0
        for item in items:
            left = None if until is None else max(0.0, until - monotonic())
            try:
                self.put(item, block, left)
            except Full:
                break
            done += 1
        return done


class SimpleQueue(_Common, _standard.SimpleQueue):  # type: ignore[type-arg]
    """A queue with `get`, `put` and `empty`, as multiprocessing's of the same name.

    >>> import pumasi
    >>> q = pumasi.SimpleQueue()
    >>> q.put(1)
    >>> q.get()
    1
    """

    def __init__(self, *, ctx: Any = None) -> None:
        self._start(_core.SharedQueue())

    def _start(self, queue: _core.SharedQueue) -> None:
        self._queue = queue
        if type(self).get is SimpleQueue.get:
            self.get = queue.get  # type: ignore[method-assign]
        if type(self).put is SimpleQueue.put:
            self.put = queue.put  # type: ignore[method-assign]

    def __getstate__(self) -> Any:
        _context.assert_spawning(self)
        return (self._queue,)

    def __setstate__(self, state: Any) -> None:
        (queue,) = state
        self._start(queue)

    def put(self, obj: Any) -> None:
        """Put an item at the end; when this returns, every process can take it."""
        self._check_open()
        self._queue.put(obj)

    def get(self) -> Any:
        """Take the next item out and return it, waiting for one if need be."""
        self._check_open()
        return self._queue.get()

    def empty(self) -> bool:
        """Whether there is no item at this moment; OSError if this process has closed the queue."""
        self._check_open()
        return self._queue.empty()

    def _check_open(self) -> None:
        if self._queue.closed:
            raise OSError("handle is closed")

    def close(self) -> None:
        """Say that this process is done with the queue; every use raises OSError then."""
        self._queue.close()
        _drop_entrances(self)
        self._reader.close()
        self._writer.close()


def _drop_entrances(queue: Queue | SimpleQueue) -> None:
    """Have calls go by way of the class again, which knows how to say that the queue is closed."""
    for name in ("put", "get"):
        if vars(queue).get(name) == getattr(queue._queue, name):
            delattr(queue, name)


def _standard_most() -> int:
    """The bound that multiprocessing's queues have when they have none."""
    from multiprocessing.synchronize import SEM_VALUE_MAX  # type: ignore[attr-defined]

    return int(SEM_VALUE_MAX)


class _StandardQueue(_standard.Queue):  # type: ignore[type-arg]
    """The standard library's queue, made as ours are."""

    def __init__(self, maxsize: int = 0, *, ctx: Any = None) -> None:
        super().__init__(maxsize, ctx=_inner(ctx))


class _StandardJoinableQueue(_standard.JoinableQueue):  # type: ignore[type-arg]
    def __init__(self, maxsize: int = 0, *, ctx: Any = None) -> None:
        super().__init__(maxsize, ctx=_inner(ctx))


class _StandardSimpleQueue(_standard.SimpleQueue):  # type: ignore[type-arg]
    def __init__(self, *, ctx: Any = None) -> None:
        super().__init__(ctx=_inner(ctx))


def _inner(ctx: Any) -> Any:
    """The standard library's context of the same start method, for its locks."""
    if ctx is None:
        from .context import default_context as ctx
    inner = getattr(ctx.get_context(), "_inner", None)
    return ctx if inner is None else inner()


Queue._standard_class = _StandardQueue  # type: ignore[attr-defined]
JoinableQueue._standard_class = _StandardJoinableQueue  # type: ignore[attr-defined]
SimpleQueue._standard_class = _StandardSimpleQueue  # type: ignore[attr-defined]
