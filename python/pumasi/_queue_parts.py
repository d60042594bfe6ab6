"""What libraries reach for inside a queue, each made when somebody first asks for it.

The standard library's queues are made of a pipe, a thread which feeds it, and semaphores; ours of
one shared object. These stand where programs expect those.
"""

from __future__ import annotations

from . import _core

# Known to type checkers by its name, as in `queues`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: A subclass which assigns one of these brings its own pipe, and gets the standard library's queue.
_PIPE = frozenset(("_reader", "_writer", "_send", "_recv"))
#: And so does one which uses or replaces the parts with which that queue moves its items.
_PARTS = frozenset(
    (
        "_after_fork",
        "_feed",
        "_finalize_close",
        "_finalize_join",
        "_notempty",
        "_recv_bytes",
        "_reset",
        "_send_bytes",
        "_start_thread",
    )
)


def builds_on_parts(cls: type) -> bool:
    """Whether a class has to do with what only the standard library's queue is made of."""
    if not _PARTS.isdisjoint(vars(cls)):
        return True
    for member in vars(cls).values():
        code = getattr(getattr(member, "__func__", member), "__code__", None)
        if code is None:
            continue
        if not _PARTS.isdisjoint(code.co_names):
            return True
        if _PIPE.isdisjoint(code.co_names):
            continue
        import dis

        for instruction in dis.get_instructions(code):
            if instruction.opname == "STORE_ATTR" and instruction.argval in _PIPE:
                return True
    return False


class Reader:
    """The receiving end of a queue, for who waits at several things: `connection.wait`, selectors.

    Its descriptor is readable exactly while an item waits, and is made when it is first asked for.
    """

    readable = True
    writable = False

    def __init__(self, queue: _core.SharedQueue) -> None:
        self._queue = queue
        self._opened: tuple[int, int] | None = None
        self._closed = False

    def fileno(self) -> int:
        """Return a descriptor to wait at; nobody may read from it."""
        if self._closed:
            raise OSError("handle is closed")
        if self._opened is None:
            self._opened = self._queue._open_reader()
        return self._opened[0]

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Whether there is an item, waiting for one at most `timeout` seconds; None is for ever."""
        return self._queue._wait_for_item(timeout)

    def recv(self) -> Any:
        """Take the next item out and return it, waiting for one if need be."""
        return self._queue.get()

    def close(self) -> None:
        """Close the descriptor, if there is one."""
        self._closed = True
        if self._opened is not None:
            self._queue._close_reader(self._opened[1])
            self._opened = None

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def __del__(self) -> None:
        self.close()


class Writer:
    """The sending end of a queue."""

    readable = False
    writable = True

    def __init__(self, queue: _core.SharedQueue) -> None:
        self._queue = queue
        self.closed = False

    def send(self, obj: Any) -> None:
        """Put an item."""
        self._queue.put(obj)

    def close(self) -> None:
        """Do nothing: there is no descriptor."""
        self.closed = True


class Number:
    """A number which a queue keeps, where the standard library's has a semaphore."""

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number

    @property
    def _semlock(self) -> Number:
        return self

    def get_value(self) -> int:
        """Return the number."""
        return self._number()

    _get_value = get_value

    def _is_zero(self) -> bool:
        return self._number() == 0


class Unfinished(Number):
    """How many tasks are not done, which a subclass counts down in its `task_done`."""

    def __init__(self, queue: _core.SharedQueue) -> None:
        super().__init__(lambda: queue.unfinished)
        self._queue = queue

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Count one task as done; False if there is none."""
        try:
            self._queue.task_done()
        except ValueError:
            return False
        return True


class AllDone:
    """What is waited at until all tasks are done, by way of the parts of a JoinableQueue.

    It keeps nobody out: each step of a queue is one step, and who waits looks at the queue itself.
    """

    def __init__(self, queue: _core.SharedQueue) -> None:
        self._queue = queue

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Return True at once."""
        return True

    def release(self) -> None:
        """Do nothing."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *exc: object) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every task is done, at most `timeout` seconds; return whether they are."""
        return self._queue.join(timeout)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until the predicate is true or every task is done, at most `timeout` seconds."""
        return predicate() or (self.wait(timeout) and predicate())

    def notify(self, n: int = 1) -> None:
        """Do nothing: the last `task_done` wakes all who wait."""

    notify_all = notify
