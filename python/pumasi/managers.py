"""Managers: multiprocessing's, without a server process for the types that the heap can hold.

The file is long because each proxy spells out the methods of the standard library's.

`Manager().list()` and its like are objects in the heap behind proxies which behave as the standard
library's do, to the letter: what is stored in them is a copy, a nested plain list comes back as
another copy, `==` compares identity, `str` shows the value. (`pumasi.List` and `pumasi.Dict` are
the ones which turn nested plain containers into shared ones.) Types which need a thread of
control of their own (pools, barriers with an action) start the standard library's server
when the first of them is asked for.

The standard library's server serves everything as soon as something asks for a server: an address,
an authkey, another serializer, registered types, an initializer, `connect()` or `get_server()`.
"""

import array
import multiprocessing.managers as _standard
from collections.abc import Callable, Iterable
from multiprocessing.managers import (  # type: ignore[attr-defined]
    AcquirerProxy,
    ArrayProxy,
    AutoProxy,
    BarrierProxy,
    BaseListProxy,
    BaseManager,
    BaseProxy,
    ConditionProxy,
    DictProxy,
    EventProxy,
    IteratorProxy,
    ListProxy,
    MakeProxyType,
    Namespace,
    NamespaceProxy,
    PoolProxy,
    RebuildProxy,
    RemoteError,
    Server,
    State,
    Token,
    ValueProxy,
    dispatch,
    public_methods,
)
from multiprocessing.util import Finalize
from typing import Any, ClassVar

from . import _core
from ._proxies import (
    HeapJoinableQueueProxy,
    HeapProxy,
    HeapQueueProxy,
    HeapSetProxy,
    SetProxy,
    WithSets,
    WrappingProxy,
)

__all__ = [
    "AcquirerProxy",
    "ArrayProxy",
    "AutoProxy",
    "BarrierProxy",
    "BaseListProxy",
    "BaseManager",
    "BaseProxy",
    "ConditionProxy",
    "DictProxy",
    "EventProxy",
    "IteratorProxy",
    "ListProxy",
    "MakeProxyType",
    "Namespace",
    "NamespaceProxy",
    "PoolProxy",
    "RebuildProxy",
    "RemoteError",
    "Server",
    "SetProxy",
    "SharedMemoryManager",
    "State",
    "SyncManager",
    "Token",
    "ValueProxy",
    "dispatch",
    "public_methods",
]

_List = list


class SyncManager(WithSets):
    """A manager of shared objects, which runs a server process only for the types that need one.

    The objects made before any server stay usable until `shutdown()` or the end of the `with`
    block; afterwards using one raises, in every process, as with a server that has ended.
    """

    #: The types that come with the class; what a program registers besides needs the server.
    _builtin: ClassVar[Any] = dict(WithSets._registry)  # type: ignore[attr-defined]

    _gate: "_core.Gate | None" = None
    _process: Any = None
    _address: Any
    _serializer: str
    _state: Any

    def __init__(self, address: Any = None, authkey: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(address, authkey, *args, **kwargs)
        self._wants_server = (
            address is not None or authkey is not None or self._serializer != "pickle"
        )

    def start(
        self, initializer: Callable[..., object] | None = None, initargs: Iterable[Any] = ()
    ) -> None:
        """Start the manager; given an initializer, start the server, which runs it."""
        registered = type(self)._registry  # type: ignore[attr-defined]
        if (
            self._state.value != State.INITIAL
            or self._wants_server
            or initializer is not None
            or registered != SyncManager._builtin
        ):
            super().start(initializer, initargs)
            return
        self._gate = _core.Gate()
        self._state.value = State.STARTED
        self._finish_with([])

    def _finish_with(self, servers: _List[Callable[[], object]]) -> None:
        self.shutdown = Finalize(
            self, _shut_down, args=(self._gate, self._state, servers), exitpriority=0
        )

    @property
    def address(self) -> Any:
        """Where other programs find the server, which is started when this is first asked for."""
        if self._gate is not None and self._process is None and self._state.value == State.STARTED:
            self._start_server()
        return self._address

    def connect(self) -> None:
        """Connect to the server at `address`."""
        _ = self.address
        super().connect()

    def _create(self, typeid: str, /, *args: Any, **kwds: Any) -> Any:
        # Reached for the types which this class does not make itself.
        if self._gate is not None and self._process is None:
            self._start_server()
        return super()._create(typeid, *args, **kwds)  # type: ignore[misc]

    def _start_server(self) -> None:
        """Start the server of a manager which did without one so far."""
        self._enter()
        self._state.value = State.INITIAL
        try:
            super().start()
        finally:
            self._state.value = State.STARTED
        self._finish_with([self.shutdown])

    def _number_of_objects(self) -> int:
        if self._gate is not None and self._process is None:
            return 0
        return super()._number_of_objects()  # type: ignore[misc, no-any-return]

    def _debug_info(self) -> str:
        if self._gate is not None and self._process is None:
            return ""
        return super()._debug_info()  # type: ignore[misc, no-any-return]

    def join(self, timeout: float | None = None) -> None:
        """Wait until the server process has ended, if one was started."""
        if self._process is not None:
            super().join(timeout)

    def _enter(self) -> "_core.Gate | None":
        """Return the gate before this manager's heap objects, or None if a server serves all."""
        if self._gate is not None and self._state.value != State.STARTED:
            raise AssertionError("server not yet started")
        return self._gate

    def list(self, *args: Any) -> Any:
        """Make a shared list, which holds copies of what is stored in it."""
        gate = self._enter()
        if gate is None:
            return super().list(*args)
        return _HeapListProxy(gate, *args)._made_by(self)

    def dict(self, *args: Any, **kwds: Any) -> Any:
        """Make a shared dict, which holds copies of what is stored in it."""
        gate = self._enter()
        if gate is None:
            return super().dict(*args, **kwds)
        return _HeapDictProxy(gate, *args, **kwds)._made_by(self)

    def set(self, *args: Any) -> Any:
        """Make a shared set, which holds copies of what is stored in it."""
        gate = self._enter()
        if gate is None:
            return super().set(*args)  # type: ignore[misc]
        return HeapSetProxy(gate, _core.Set(*args))._made_by(self)

    def Queue(self, maxsize: int = 0) -> Any:
        """Make a shared queue of at most `maxsize` items; 0 is any number."""
        gate = self._enter()
        if gate is None:
            return super().Queue(maxsize)
        return HeapQueueProxy.made(gate, maxsize)._made_by(self)

    def JoinableQueue(self, maxsize: int = 0) -> Any:
        """Make the same."""
        gate = self._enter()
        if gate is None:
            return super().JoinableQueue(maxsize)
        return HeapJoinableQueueProxy.made(gate, maxsize)._made_by(self)

    def Value(self, typecode: Any, value: Any, lock: Any = True) -> Any:
        """Make a shared box for one value of any type; `typecode` is only remembered."""
        gate = self._enter()
        if gate is None:
            return super().Value(typecode, value, lock)  # type: ignore[call-arg]
        return _HeapValueProxy(gate, _core.ManagedList(gate, (typecode, value)))._made_by(self)

    def Array(self, typecode: Any, sequence: Any, lock: Any = True) -> Any:
        """Make a shared `array.array`."""
        gate = self._enter()
        if gate is None:
            return super().Array(typecode, sequence, lock)  # type: ignore[call-arg]
        items = array.array(typecode, sequence)
        return _HeapArrayProxy(gate, _core.ManagedList(gate, items), typecode)._made_by(self)

    def Namespace(self, **kwds: Any) -> Any:
        """Make a shared object with free attributes."""
        gate = self._enter()
        if gate is None:
            return super().Namespace(**kwds)
        return _HeapNamespaceProxy(gate, _core.ManagedDict(gate, kwds))._made_by(self)

    def Event(self) -> Any:
        """Make a shared event."""
        gate = self._enter()
        if gate is None:
            return super().Event()
        return _HeapEventProxy(gate, _core.Event())._made_by(self)

    def Lock(self) -> Any:
        """Make a shared lock."""
        gate = self._enter()
        if gate is None:
            return super().Lock()
        return _HeapLockProxy(gate, _core.Lock())._made_by(self)

    def RLock(self) -> Any:
        """Make a shared lock which the thread that holds it may acquire again."""
        gate = self._enter()
        if gate is None:
            return super().RLock()
        return _HeapRLockProxy(gate, _core.RLock())._made_by(self)

    def Semaphore(self, value: int = 1) -> Any:
        """Make a shared semaphore."""
        gate = self._enter()
        if gate is None:
            return super().Semaphore(value)
        return _HeapSemaphoreProxy(gate, _core.Semaphore(value))._made_by(self)

    def BoundedSemaphore(self, value: int = 1) -> Any:
        """Make a shared semaphore which refuses more releases than acquires."""
        gate = self._enter()
        if gate is None:
            return super().BoundedSemaphore(value)
        return _HeapBoundedSemaphoreProxy(gate, _core.BoundedSemaphore(value))._made_by(self)

    def Condition(self, lock: Any = None) -> Any:
        """Make a shared condition, on a lock of this manager's or on an RLock of its own."""
        gate = self._enter()
        held = getattr(lock, "_held", lock)
        if gate is None or not isinstance(held, _core.Lock | _core.RLock | None):
            return super().Condition() if lock is None else super().Condition(lock)
        return _HeapConditionProxy(gate, _core.Condition(held))._made_by(self)

    def Barrier(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Make a shared barrier; one with an action is the server's, which runs the action."""
        gate = self._enter()
        if gate is None or action is not None:
            return super().Barrier(parties, action, timeout)  # type: ignore[arg-type]
        return _HeapBarrierProxy(gate, _core.Barrier(parties, None, timeout))._made_by(self)


def _shut_down(gate: _core.Gate, state: Any, servers: _List[Callable[[], object]]) -> None:
    gate.close()
    for shut_down in servers:
        shut_down()
    state.value = State.SHUTDOWN


# The proxies. Each is an instance of the standard library's proxy class, whose methods speak to
# a server, and overrides every one of them.


class _HeapListProxy(HeapProxy, _core.ManagedList, ListProxy):  # type: ignore[misc,type-arg]
    _typeid = "list"

    def __reduce__(self) -> Any:
        return _rebuild, (self._typeid, self._gate, _core.Reference(self))

    def _number(self) -> int:
        return _core.Reference(self).number

    def _plain(self) -> Any:
        return self[:]


class _HeapDictProxy(HeapProxy, _core.ManagedDict, DictProxy):  # type: ignore[type-arg]
    _typeid = "dict"

    def __reduce__(self) -> Any:
        return _rebuild, (self._typeid, self._gate, _core.Reference(self))

    def _number(self) -> int:
        return _core.Reference(self).number

    def _plain(self) -> Any:
        return self.copy()

    # As DictProxy has them since Python 3.14.

    def __or__(self, other: Any) -> Any:
        return self._plain() | _unwrapped(other) if _is_dict(other) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return _unwrapped(other) | self._plain() if _is_dict(other) else NotImplemented

    def __ior__(self, other: Any) -> Any:
        self.update(_unwrapped(other))
        return self

    def fromkeys(self, iterable: Iterable[Any], value: Any = None, /) -> Any:
        """Return a plain dict with these keys, all of one value."""
        return dict.fromkeys(iterable, value)


def _is_dict(other: object) -> bool:
    return isinstance(other, dict | _HeapDictProxy)


def _unwrapped(other: Any) -> Any:
    return other._plain() if isinstance(other, _HeapDictProxy) else other


class _HeapValueProxy(WrappingProxy, ValueProxy):  # type: ignore[type-arg]
    _typeid = "Value"

    def get(self) -> Any:
        """Return the value."""
        return self._held[1]

    def set(self, value: Any) -> None:
        """Replace the value."""
        self._held[1] = value

    value = property(get, set)

    def _plain(self) -> Any:
        return _standard.Value(*self._held)  # type: ignore[attr-defined]


class _HeapArrayProxy(WrappingProxy, ArrayProxy):  # type: ignore[misc]
    _typeid = "Array"
    _typecode: str

    def __init__(self, gate: _core.Gate, held: Any, typecode: str) -> None:
        super().__init__(gate, held)
        self._typecode = typecode

    def __reduce__(self) -> Any:
        function, args = super().__reduce__()
        return function, (*args, self._typecode)

    def _plain(self) -> Any:
        return array.array(self._typecode, self._held[:])

    def __len__(self) -> int:
        return len(self._held)

    def __getitem__(self, index: Any) -> Any:
        try:
            found = self._held[index]
        except IndexError:
            raise IndexError("array index out of range") from None
        return array.array(self._typecode, found) if isinstance(index, slice) else found

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            if not isinstance(value, array.array):
                raise TypeError(
                    f'can only assign array (not "{type(value).__name__}") to array slice'
                )
            if value.typecode != self._typecode:
                raise TypeError("bad argument type for built-in operation")
            self._held[index] = value.tolist()
            return
        # An array of one refuses what does not fit, in the words of `array.array`.
        [fitting] = array.array(self._typecode, [value])
        try:
            self._held[index] = fitting
        except IndexError:
            raise IndexError("array assignment index out of range") from None


class _HeapNamespaceProxy(WrappingProxy, NamespaceProxy):  # type: ignore[misc]
    _typeid = "Namespace"

    def __getattr__(self, key: str) -> Any:
        if key[0] == "_":
            return object.__getattribute__(self, key)
        try:
            return self._held[key]
        except KeyError:
            raise AttributeError(f"'Namespace' object has no attribute {key!r}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        if key[0] == "_":
            object.__setattr__(self, key, value)
        else:
            self._held[key] = value

    def __delattr__(self, key: str) -> None:
        if key[0] == "_":
            object.__delattr__(self, key)
            return
        try:
            del self._held[key]
        except KeyError:
            raise AttributeError(f"'Namespace' object has no attribute {key!r}") from None

    def _plain(self) -> Any:
        return Namespace(**self._held.copy())

    def _callmethod(self, methodname: str, args: Any = (), kwds: Any = {}) -> Any:  # noqa: B006
        if methodname == "__getattribute__":
            return self.__getattr__(*args)
        return super()._callmethod(methodname, args, kwds)


class _HeapAcquirerProxy(WrappingProxy, AcquirerProxy):  # type: ignore[misc]
    """A lock or semaphore with the interface, and the exceptions, of `threading`'s."""

    _exposed_: tuple[str, ...] = ("acquire", "release", "locked")

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Acquire, waiting at most `timeout` seconds; return whether it was acquired."""
        self._gate.check()
        if timeout is not None:
            timeout = self._check_timeout(blocking, timeout)
        return self._held.acquire(blocking, timeout)  # type: ignore[no-any-return]

    def _check_timeout(self, blocking: bool, timeout: float) -> float | None:
        if not blocking:
            if timeout == -1:
                return None
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0:
            if timeout == -1:
                return None
            raise ValueError("timeout value must be a non-negative number")
        return timeout

    def release(self) -> None:
        """Release."""
        self._gate.check()
        self._held.release()

    def locked(self) -> bool:
        """Whether somebody holds it, or no permit is left."""
        self._gate.check()
        return self._held.locked()  # type: ignore[no-any-return]

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()


class _HeapLockProxy(_HeapAcquirerProxy):
    _typeid = "Lock"

    def release(self) -> None:
        """Release the lock; any process may."""
        try:
            super().release()
        except ValueError:
            raise RuntimeError("release unlocked lock") from None


class _HeapRLockProxy(_HeapAcquirerProxy):
    _typeid = "RLock"

    def release(self) -> None:
        """Release the lock once; only the thread that holds it may."""
        try:
            super().release()
        except AssertionError:
            raise RuntimeError("cannot release un-acquired lock") from None


class _HeapSemaphoreProxy(_HeapAcquirerProxy):
    _typeid = "Semaphore"

    def _check_timeout(self, blocking: bool, timeout: float) -> float | None:
        if not blocking:
            raise ValueError("can't specify timeout for non-blocking acquire")
        return timeout


class _HeapBoundedSemaphoreProxy(_HeapSemaphoreProxy):
    _typeid = "BoundedSemaphore"

    def release(self) -> None:
        """Release one permit."""
        try:
            super().release()
        except ValueError:
            raise ValueError("Semaphore released too many times") from None


class _HeapEventProxy(WrappingProxy, EventProxy):  # type: ignore[misc]
    _typeid = "Event"

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        self._gate.check()
        return self._held.is_set()  # type: ignore[no-any-return]

    def set(self) -> None:
        """Set the flag and wake all who wait for it."""
        self._gate.check()
        self._held.set()

    def clear(self) -> None:
        """Clear the flag."""
        self._gate.check()
        self._held.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set, at most `timeout` seconds; return whether it is."""
        self._gate.check()
        return self._held.wait(timeout)  # type: ignore[no-any-return]


class _HeapConditionProxy(_HeapAcquirerProxy, ConditionProxy):  # type: ignore[misc]
    """A condition with the interface, and the exceptions, of `threading`'s."""

    _typeid = "Condition"
    _exposed_ = ConditionProxy._exposed_

    def __reduce__(self) -> Any:
        lock = self._held._lock
        function, args = super().__reduce__()
        return function, (*args, type(lock), _core.Reference(lock))

    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        self._gate.check()
        return self._held._lock.locked()  # type: ignore[no-any-return]

    def release(self) -> None:
        """Release the lock."""
        try:
            super().release()
        except (AssertionError, ValueError):
            raise RuntimeError("cannot release un-acquired lock") from None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait to be notified, at most `timeout` seconds; return whether that happened."""
        self._gate.check()
        if not self._held._lock._is_mine():
            raise RuntimeError("cannot wait on un-acquired lock")
        return self._held.wait(timeout)  # type: ignore[no-any-return]

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until `predicate()` is true, at most `timeout` seconds; return its last result."""
        self._gate.check()
        return self._held.wait_for(predicate, timeout)

    def notify(self, n: int = 1) -> None:
        """Notify `n` of those who wait."""
        self._gate.check()
        if not self._held._lock._is_mine():
            raise RuntimeError("cannot notify on un-acquired lock")
        self._held.notify(n)

    def notify_all(self) -> None:
        """Notify all who wait."""
        self.notify(2**32)


class _HeapBarrierProxy(WrappingProxy, BarrierProxy):  # type: ignore[misc]
    _typeid = "Barrier"
    _PUBLIC: ClassVar[Any] = frozenset(("parties", "n_waiting", "broken"))

    def __reduce__(self) -> Any:
        function, args = super().__reduce__()
        return function, (*args, self._held._timeout)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until all have come, at most `timeout` seconds; return how many had come before."""
        self._gate.check()
        return self._held.wait(timeout)  # type: ignore[no-any-return]

    def abort(self) -> None:
        """Break the barrier."""
        self._gate.check()
        self._held.abort()

    def reset(self) -> None:
        """Make the barrier whole and empty again."""
        self._gate.check()
        self._held.reset()

    def _callmethod(self, methodname: str, args: Any = (), kwds: Any = {}) -> Any:  # noqa: B006
        # `BarrierProxy` asks for its properties in this way.
        if methodname == "__getattribute__" and args[0] in self._PUBLIC:
            self._gate.check()
            return getattr(self._held, args[0])
        return super()._callmethod(methodname, args, kwds)


def _rebuild_condition(
    reference: _core.Reference, kind: Any, lock: _core.Reference
) -> _core.Condition:
    return _core.Condition(kind(lock), reference)


def _rebuild_barrier(reference: _core.Reference, timeout: float | None) -> _core.Barrier:
    return _core.Barrier(reference, None, timeout)


#: What each type id is rebuilt from: the proxy's class and, for the wrapping ones, what it holds.
_PROXIES: dict[str, tuple[Any, Any]] = {
    cls._typeid: (cls, held)
    for cls, held in (
        (_HeapListProxy, None),
        (_HeapDictProxy, None),
        (_HeapValueProxy, _core.ManagedList),
        (_HeapArrayProxy, _core.ManagedList),
        (_HeapNamespaceProxy, _core.ManagedDict),
        (_HeapEventProxy, _core.Event),
        (_HeapLockProxy, _core.Lock),
        (_HeapRLockProxy, _core.RLock),
        (_HeapSemaphoreProxy, _core.Semaphore),
        (_HeapBoundedSemaphoreProxy, _core.BoundedSemaphore),
        (_HeapConditionProxy, _rebuild_condition),
        (_HeapBarrierProxy, _rebuild_barrier),
        (HeapSetProxy, _core.Set),
        (HeapQueueProxy, _core.SharedQueue),
        (HeapJoinableQueueProxy, _core.SharedQueue),
    )
}

# `repr` and programs know the proxies by the standard library's names.
for _cls, _ in _PROXIES.values():
    _cls.__name__ = _cls.__qualname__ = next(
        base.__name__
        for base in _cls.__mro__
        if base.__module__ == _standard.__name__ or base is SetProxy
    )
for _cls in (HeapQueueProxy, HeapJoinableQueueProxy):
    # The standard library makes this class when it is first wanted.
    _cls.__name__ = _cls.__qualname__ = f"AutoProxy[{_cls._typeid}]"


def _rebuild(typeid: str, gate: _core.Gate, reference: _core.Reference, *args: Any) -> Any:
    """Make the proxy that a pickle describes."""
    cls, held = _PROXIES[typeid]
    if held is None:
        return cls(gate, reference)
    if held in (_rebuild_condition, _rebuild_barrier):
        return cls(gate, held(reference, *args))
    if issubclass(held, (_core.ManagedList, _core.ManagedDict)):
        return cls(gate, held(gate, reference), *args)
    return cls(gate, held(reference), *args)


def __getattr__(name: str) -> Any:
    """Find what is not ours, and not documented, in the standard library's module."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_standard, name)


class SharedMemoryManager(_standard.SharedMemoryManager):
    """A manager whose server unlinks the segments made by it when the manager is shut down.

    The segments and lists are those of `pumasi.shared_memory`.
    """

    _address: Any
    _authkey: Any
    _Client: Any

    def SharedMemory(self, size: int) -> Any:
        """Make a segment of `size` bytes, which ends with the manager."""
        from .shared_memory import SharedMemory

        with self._Client(self._address, authkey=self._authkey) as server:
            segment = SharedMemory(create=True, size=size)
            _tell_of(server, segment)
        return segment

    def ShareableList(self, sequence: Iterable[Any] | None) -> Any:
        """Make a list of fixed length with these items, whose segment ends with the manager."""
        from .shared_memory import ShareableList

        with self._Client(self._address, authkey=self._authkey) as server:
            shared = ShareableList(sequence)
            _tell_of(server, shared.shm)
        return shared


def _tell_of(server: Any, segment: Any) -> None:
    try:
        dispatch(server, None, "track_segment", (segment.name,))
    except BaseException:
        segment.unlink()
        raise
