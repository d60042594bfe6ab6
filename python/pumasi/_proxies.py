"""What the proxies of a manager's heap objects are made of, and those of its queues and sets.

The others are in `managers`, which has the list of all of them.
"""

import multiprocessing.managers as _standard
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, TypeVar

from . import _core

_T = TypeVar("_T")

#: Seconds between two looks at whether a queue was shut down meanwhile.
_SLICE = 0.05

_SET_METHODS = (
    "__and__",
    "__contains__",
    "__ge__",
    "__gt__",
    "__iand__",
    "__ior__",
    "__isub__",
    "__iter__",
    "__ixor__",
    "__le__",
    "__len__",
    "__lt__",
    "__or__",
    "__rand__",
    "__ror__",
    "__rsub__",
    "__rxor__",
    "__sub__",
    "__xor__",
    "add",
    "clear",
    "copy",
    "difference",
    "difference_update",
    "discard",
    "intersection",
    "intersection_update",
    "isdisjoint",
    "issubset",
    "issuperset",
    "pop",
    "remove",
    "symmetric_difference",
    "symmetric_difference_update",
    "union",
    "update",
)

if hasattr(_standard, "SetProxy"):
    SetProxy: Any = _standard.SetProxy
else:
    # Python has it since 3.14.
    _BaseSetProxy: Any = _standard.MakeProxyType("_BaseSetProxy", _SET_METHODS)  # type: ignore[attr-defined]
    _BaseSetProxy._method_to_typeid_ = {"__iter__": "Iterator"}

    class SetProxy(_BaseSetProxy):  # type: ignore[no-redef,misc]
        """A proxy of a set in a manager's server."""

        def _changed_by(self, name: str, value: Any) -> Any:
            self._callmethod(name, (value,))
            return self

        def __ior__(self, value: Any) -> Any:
            return self._changed_by("update", value)

        def __iand__(self, value: Any) -> Any:
            return self._changed_by("intersection_update", value)

        def __isub__(self, value: Any) -> Any:
            return self._changed_by("difference_update", value)

        def __ixor__(self, value: Any) -> Any:
            return self._changed_by("symmetric_difference_update", value)


_Acquirer: Any = _standard.AcquirerProxy  # type: ignore[attr-defined]
_List: Any = _standard.ListProxy
_Dict: Any = _standard.DictProxy


class AcquirerProxy(_Acquirer):  # type: ignore[misc]
    """A proxy of a lock in a manager's server."""

    _exposed_ = (*_Acquirer._exposed_, "locked")

    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        return self._callmethod("locked")  # type: ignore[no-any-return]


class ListProxy(_List):  # type: ignore[misc]
    """A proxy of a list in a manager's server."""

    _exposed_ = (*_List._exposed_, "clear", "copy")

    def clear(self) -> None:
        """Remove all items."""
        self._callmethod("clear")

    def copy(self) -> list[Any]:
        """Return the items as a plain list."""
        return self._callmethod("copy")  # type: ignore[no-any-return]


class DictProxy(_Dict):  # type: ignore[misc]
    """A proxy of a dict in a manager's server."""

    _exposed_ = (*_Dict._exposed_, "__or__", "__ror__")

    def __or__(self, other: Any) -> Any:
        return self._callmethod("__or__", (other,))

    def __ror__(self, other: Any) -> Any:
        return self._callmethod("__ror__", (other,))

    def __ior__(self, other: Any) -> Any:
        self._callmethod("update", (other,))
        return self


_AnyRLock: Any = type(threading.RLock())


class _RLock(_AnyRLock):  # type: ignore[misc]
    """The lock behind a proxy, which Python 3.14 can ask whether it is held."""

    def locked(self) -> bool:
        # To find it out by acquiring would keep it from others for a moment.
        return repr(self).startswith("<locked ")


class _Semaphore(threading.Semaphore):
    def locked(self) -> bool:
        return self._value == 0


class _BoundedSemaphore(threading.BoundedSemaphore):
    def locked(self) -> bool:
        return self._value == 0


class _Condition(threading.Condition):
    def __init__(self, lock: Any = None) -> None:
        super().__init__(_RLock() if lock is None else lock)

    def locked(self) -> bool:
        return self._lock.locked()  # type: ignore[attr-defined, no-any-return]


class ConditionProxy(_standard.ConditionProxy):  # type: ignore[misc, name-defined]
    """A proxy of a condition in a manager's server."""

    _exposed_ = (*_standard.ConditionProxy._exposed_, "locked")  # type: ignore[attr-defined]

    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        return self._callmethod("locked")  # type: ignore[no-any-return]


class WithSets(_standard.SyncManager):
    """The standard library's manager, with what its types have since Python 3.14."""


if not hasattr(WithSets, "set"):
    WithSets.register("set", set, SetProxy)
    WithSets.register("list", list, ListProxy)
    WithSets.register("dict", dict, DictProxy)
    WithSets.register("Lock", threading.Lock, AcquirerProxy)
    WithSets.register("RLock", _RLock, AcquirerProxy)
    WithSets.register("Semaphore", _Semaphore, AcquirerProxy)
    WithSets.register("BoundedSemaphore", _BoundedSemaphore, AcquirerProxy)
    WithSets.register("Condition", _Condition, ConditionProxy)


class HeapProxy:
    """What all proxies of heap objects share: the parts of `BaseProxy` which programs use."""

    _typeid: ClassVar[str]
    _exposed_: Any
    _manager: Any = None

    def __init__(self, *args: Any, **kwds: Any) -> None:
        # Nothing that `BaseProxy` prepares is needed: there is no server to connect to.
        pass

    def _made_by(self, manager: Any) -> Any:
        # Keeps the manager alive as long as its objects are used here, as the standard one does.
        object.__setattr__(self, "_manager", manager)
        return self

    def _number(self) -> int:
        raise NotImplementedError

    @property
    def _id(self) -> str:
        return f"{self._number():x}"

    @property
    def _token(self) -> Any:
        return _standard.Token(self._typeid, None, self._id)

    def _plain(self) -> Any:
        """Return a plain copy of the referent."""
        raise NotImplementedError

    def __copy__(self) -> Any:
        # Another proxy of the same referent, as that of the standard library.
        rebuilt: Any = self.__reduce__()
        return rebuilt[0](*rebuilt[1])

    def _callmethod(self, methodname: str, args: Any = (), kwds: Any = {}) -> Any:  # noqa: B006
        """Call a method of the referent by name and return its result."""
        if methodname == "#GETVALUE":
            return self._plain()
        if methodname in ("__repr__", "__str__"):
            return repr(self._plain())
        if methodname not in self._exposed_:
            raise AttributeError(
                f"method {methodname!r} of {self._typeid!r} object is not in "
                f"exposed={self._exposed_!r}"
            )
        return getattr(self, methodname)(*args, **kwds)

    def _close(self) -> None:
        """Do nothing: dropping the proxy gives the object back."""


class WrappingProxy(HeapProxy):
    """A proxy which holds the native object, for types whose interface differs from it."""

    _gate: _core.Gate
    _held: Any

    def __init__(self, gate: _core.Gate, held: Any) -> None:
        object.__setattr__(self, "_gate", gate)
        object.__setattr__(self, "_held", held)

    def __reduce__(self) -> Any:
        from .managers import _rebuild

        return _rebuild, (self._typeid, self._gate, _core.Reference(self._held))

    def _number(self) -> int:
        return _core.Reference(self._held).number

    def _plain(self) -> Any:
        self._gate.check()
        return self._held

    def __str__(self) -> str:
        try:
            return repr(self._plain())
        except Exception:
            return repr(self)[:-1] + "; '__str__()' failed>"


class HeapQueueProxy(WrappingProxy, _standard.BaseProxy):
    """A queue with the interface, and the exceptions, of `queue.Queue`.

    The tasks of a process that is killed count as done.
    """

    _typeid = "Queue"
    _exposed_ = (
        "empty",
        "full",
        "get",
        "get_nowait",
        "join",
        "put",
        "put_nowait",
        "qsize",
        "task_done",
        *(("shutdown",) if hasattr(queue.Queue, "shutdown") else ()),
    )

    def __init__(self, gate: _core.Gate, held: Any, ended: Any = None) -> None:
        super().__init__(gate, held)
        #: Set when the queue was shut down; None where queues of this Python cannot be.
        self._ended = _core.Event(ended) if isinstance(ended, _core.Reference) else ended

    @classmethod
    def made(cls, gate: _core.Gate, maxsize: int) -> Any:
        """Make a queue and its proxy."""
        ended = _core.Event() if "shutdown" in cls._exposed_ else None
        return cls(gate, _core.SharedQueue(maxsize, False, True), ended)

    def __reduce__(self) -> Any:
        function, args = super().__reduce__()
        ended = None if self._ended is None else _core.Reference(self._ended)
        return function, (*args, ended)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item at the end, waiting for room as `queue.Queue.put` does."""

        def put(block: bool, timeout: float | None) -> None:
            if self._ended is not None and self._ended.is_set():
                raise queue.ShutDown  # type: ignore[attr-defined]
            self._held.put(item, block, timeout)

        self._wait(put, queue.Full, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next item out and return it, waiting for one as `queue.Queue.get` does."""

        def get(block: bool, timeout: float | None) -> Any:
            if self._ended is None or not self._ended.is_set():
                return self._held.get(block, timeout)
            try:
                return self._held.get(False)
            except queue.Empty:
                raise queue.ShutDown from None  # type: ignore[attr-defined]

        return self._wait(get, queue.Empty, block, timeout)

    def _wait(
        self,
        step: Callable[[bool, float | None], _T],
        in_vain: type[Exception],
        block: bool,
        timeout: float | None,
    ) -> _T:
        self._gate.check()
        if not block:
            return step(False, None)
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        if self._ended is None:
            return step(True, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE if deadline is None else deadline - time.monotonic()
            try:
                return step(True, max(0.0, min(left, _SLICE)))
            except in_vain:
                if left < _SLICE and deadline is not None and time.monotonic() >= deadline:
                    raise

    def put_nowait(self, item: Any) -> None:
        """Put an item if there is room now, or raise `queue.Full`."""
        self.put(item, False)

    def get_nowait(self) -> Any:
        """Take an item if there is one now, or raise `queue.Empty`."""
        return self.get(False)

    def qsize(self) -> int:
        """Return how many items there are at this moment."""
        self._gate.check()
        return self._held.qsize()  # type: ignore[no-any-return]

    def empty(self) -> bool:
        """Whether there is no item at this moment."""
        self._gate.check()
        return self._held.empty()  # type: ignore[no-any-return]

    def full(self) -> bool:
        """Whether there are as many items as there may be."""
        self._gate.check()
        return self._held.full()  # type: ignore[no-any-return]

    def task_done(self) -> None:
        """Say of an item that was taken that what was to be done with it is done."""
        self._gate.check()
        self._held.task_done()

    def join(self) -> None:
        """Wait until every item that was put is done with."""
        self._gate.check()
        self._held.join()

    if hasattr(queue.Queue, "shutdown"):

        def shutdown(self, immediate: bool = False) -> None:
            """Have `put` raise `queue.ShutDown`, and `get` when there is nothing left.

            With `immediate` nothing is left from now on.
            """
            self._gate.check()
            self._ended.set()
            while immediate and (dropped := self._held.get_many(1000, False)):
                for _ in dropped:
                    self._held.task_done()


class HeapJoinableQueueProxy(HeapQueueProxy):
    """The same by another name, as in the standard library's manager."""

    _typeid = "JoinableQueue"


class HeapSetProxy(WrappingProxy, SetProxy):  # type: ignore[misc]
    """A set; what comes out of it is plain."""

    _typeid = "set"
    _exposed_ = _SET_METHODS

    def _plain(self) -> Any:
        self._gate.check()
        return self._held.copy()

    def __eq__(self, other: object) -> bool:
        # By identity, as all proxies.
        return self is other

    __hash__ = object.__hash__

    def __iter__(self) -> Iterator[Any]:
        return iter(self._plain())


def _unwrapped(value: Any) -> Any:
    return value._plain() if isinstance(value, HeapSetProxy) else value


def _reading(name: str) -> Callable[..., Any]:
    def method(self: HeapSetProxy, *args: Any) -> Any:
        return getattr(self._plain(), name)(*map(_unwrapped, args))

    return _named(method, name)


def _changing(name: str) -> Callable[..., Any]:
    def method(self: HeapSetProxy, *args: Any) -> Any:
        self._gate.check()
        return getattr(self._held, name)(*map(_unwrapped, args))

    return _named(method, name)


def _changing_in_place(name: str, by: str) -> Callable[..., Any]:
    def method(self: HeapSetProxy, other: Any) -> Any:
        self._gate.check()
        other = _unwrapped(other)
        if not isinstance(other, Iterable) or not hasattr(other, "isdisjoint"):
            return NotImplemented
        getattr(self._held, by)(other)
        return self

    return _named(method, name)


def _named(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    method.__name__, method.__qualname__ = name, f"SetProxy.{name}"
    method.__doc__ = getattr(set, name).__doc__
    return method


for _name in _SET_METHODS:
    if _name == "__iter__":
        continue
    if _name in ("add", "clear", "discard", "pop", "remove", "__contains__", "__len__") or (
        _name.endswith("update")
    ):
        setattr(HeapSetProxy, _name, _changing(_name))
    elif _name.startswith("__i"):
        setattr(
            HeapSetProxy,
            _name,
            _changing_in_place(
                _name,
                {
                    "__iand__": "intersection_update",
                    "__ior__": "update",
                    "__isub__": "difference_update",
                    "__ixor__": "symmetric_difference_update",
                }[_name],
            ),
        )
    else:
        setattr(HeapSetProxy, _name, _reading(_name))
