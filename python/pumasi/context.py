"""The start methods: multiprocessing's own contexts, with pumasi's shared objects in them.

Each context here subclasses the standard library's of the same name. Starting, joining and
signalling processes, the exceptions, the loggers and the chosen start method are therefore the
standard library's: `set_start_method` of either package is the same act. Locks, events,
conditions, barriers, typed values, queues, managers, pools are pumasi's. Pipes are the standard
library's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from multiprocessing import context as _standard
from multiprocessing import reduction
from multiprocessing.context import (
    AuthenticationError,
    BufferTooShort,
    ProcessError,
    TimeoutError,
    assert_spawning,
    get_spawning_popen,
    set_spawning_popen,
)
from multiprocessing.process import BaseProcess, current_process
from signal import SIGINT as _SIGINT

from . import _core, _lifecycle, synchronize  # noqa: F401

#: multiprocessing's own default context, which keeps the choice of the start method. Not asked for
#: by a name of the package, for under `pumasi run` those names lead here.
_chosen: _standard.DefaultContext = _standard._default_context

# Known to type checkers by its name; the module `typing` is a third of what importing us costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from . import managers, pool, queues

__all__ = [
    "AuthenticationError",
    "BaseContext",
    "BufferTooShort",
    "DefaultContext",
    "ForkContext",
    "ForkProcess",
    "ForkServerContext",
    "ForkServerProcess",
    "Process",
    "ProcessError",
    "SpawnContext",
    "SpawnProcess",
    "TimeoutError",
    "assert_spawning",
    "get_spawning_popen",
    "reduction",
    "set_spawning_popen",
]


class _LeavesInOrder(BaseProcess):
    """A process which tells the heap that it ended in order, when nothing of it runs any more."""

    def _bootstrap(self, *args: Any, **kwargs: Any) -> int:
        lifeline = self.__dict__.pop("_pumasi_lifeline", None)
        if lifeline is not None:
            from ._lifeline import die_with_owner

            die_with_owner(lifeline)
            lifeline.close()
        code: int = super()._bootstrap(*args, **kwargs)  # type: ignore[misc]
        # By now the threads of this process have ended as well, which multiprocessing waits for
        # only after its finalizers.
        _core.leave()
        return code

    def start(self) -> None:
        """Start the process. Unlike any other daemonic process, a pool's worker may do that.

        A daemonic process ends with the one that starts it, also when that is killed.
        """
        if not self.daemon or hasattr(self, "_pumasi_lifeline"):
            self._start()
            return
        from ._lifeline import Lifeline

        lifeline = Lifeline()
        self._pumasi_lifeline = lifeline.reader
        try:
            self._start()
        except BaseException:
            lifeline.close()
            raise
        finally:
            del self._pumasi_lifeline
            lifeline.reader.close()
        self._popen._pumasi_lifeline = lifeline  # type: ignore[attr-defined]

    def _start(self) -> None:
        config = current_process()._config  # type: ignore[attr-defined]
        if config.get("pumasi_nests") and config.get("daemon"):
            config["daemon"] = False
            try:
                super().start()
            finally:
                config["daemon"] = True
        else:
            super().start()
        popen = self._popen  # type: ignore[attr-defined]
        if getattr(popen, "method", None) == "fork":
            _core.heap.forked(popen.pid)

    def interrupt(self) -> None:
        """Send SIGINT: in the process KeyboardInterrupt is raised, unless it handles the signal.

        As in Python 3.14; nothing happens where the process has ended.
        """
        self._check_closed()  # type: ignore[attr-defined]
        self._popen._send_signal(_SIGINT)  # type: ignore[attr-defined]

    def join(self, timeout: float | None = None) -> None:
        """Wait until the process has ended, or at most `timeout` seconds."""
        super().join(timeout)
        _lifecycle.ended(self)

    def is_alive(self) -> bool:
        """Whether the process runs."""
        alive = super().is_alive()
        if not alive:
            _lifecycle.ended(self)
        return alive

    @property
    def exitcode(self) -> int | None:
        """How the process ended: its status, the negative number of a signal, or None."""
        code = super().exitcode
        if code is not None:
            _lifecycle.ended(self)
        return code


class Process(_LeavesInOrder, _standard.Process):
    """A process started by the default start method."""


class ForkProcess(_LeavesInOrder, _standard.ForkProcess):
    """A process started by `fork`: the child begins as a copy of its parent."""


class SpawnProcess(_LeavesInOrder, _standard.SpawnProcess):
    """A process started by `spawn`: a fresh interpreter which imports the main module."""


class ForkServerProcess(_LeavesInOrder, _standard.ForkServerProcess):
    """A process started by `forkserver`: forked from a server which never ran the program."""


class BaseContext(_standard.BaseContext):
    """What every context offers; `pumasi.X` is `X` of the default context."""

    def get_context(self, method: str | None = None) -> BaseContext:  # type: ignore[override]
        """Return the context of a start method, or this one."""
        if method is None:
            return self
        # A library may have added one of its own where multiprocessing keeps them, as loky does.
        found = _contexts.get(method) or _standard._concrete_contexts.get(method)  # type: ignore[attr-defined]
        if found is None:
            raise ValueError(f"cannot find context for {method!r}")
        found._check_available()
        return found

    def _inner(self) -> _standard.BaseContext:
        """The standard library's context of the same start method.

        Its queues take their inner locks from it: they were written against those, down to what
        each semaphore does when its process is killed.
        """
        return _chosen.get_context(self.get_start_method())

    def cpu_count(self) -> int:
        """Return how many CPUs the system has, or fewer if the control group gets only their time.

        A container with a quota of two CPUs has two, however many the machine has.
        """
        from ._pool.cpus import cpu_count

        return cpu_count()

    def Lock(self, *, on_death: str | None = None) -> _core.Lock:  # type: ignore[override]
        """Return a lock, which recovers when its holder is killed.

        `on_death="release"` frees it in any case, `"keep"` leaves it held, as for a lock which is
        a message rather than a mutex; by default its use tells which of the two it is.
        """
        return _core.Lock(on_death=on_death)

    def RLock(self, *, on_death: str | None = None) -> _core.RLock:  # type: ignore[override]
        """Return a lock which the thread that holds it may acquire again.

        `on_death` as for `Lock`.
        """
        return _core.RLock(on_death=on_death)

    def RwLock(self) -> _core.RwLock:
        """Return a lock which many may hold to read, or one to write."""
        return _core.RwLock()

    def Semaphore(self, value: int = 1) -> _core.Semaphore:  # type: ignore[override]
        """Return a semaphore of `value` permits."""
        return _core.Semaphore(value)

    def BoundedSemaphore(  # type: ignore[override]
        self, value: int = 1, *, on_death: str | None = None
    ) -> _core.BoundedSemaphore:
        """Return a semaphore which never has more than `value` permits.

        The permits of a process which is killed come back; `on_death="keep"` leaves them taken.
        """
        return _core.BoundedSemaphore(value, on_death=on_death)

    def Event(self) -> _core.Event:  # type: ignore[override]
        """Return an event: a flag which processes can wait for."""
        return _core.Event()

    def Condition(self, lock: Any = None) -> _core.Condition:  # type: ignore[override]
        """Return a condition, on `lock` or on an RLock of its own.

        On a lock of multiprocessing's it is multiprocessing's condition.
        """
        if lock is None or isinstance(lock, _core.Lock | _core.RLock):
            return _core.Condition(lock)
        from multiprocessing.synchronize import Condition

        return Condition(lock, ctx=self._inner())  # type: ignore[return-value]

    def Barrier(  # type: ignore[override]
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> _core.Barrier:
        """Return a barrier for so many, of which one calls `action` before they go on."""
        return _core.Barrier(parties, action, timeout)

    def Queue(self, maxsize: int = 0) -> queues.Queue:
        """Return a queue of at most `maxsize` items; 0 is any number."""
        from .queues import Queue

        return Queue(maxsize, ctx=self.get_context())

    def JoinableQueue(self, maxsize: int = 0) -> queues.JoinableQueue:
        """Return a queue which knows how many of its items are done with."""
        from .queues import JoinableQueue

        return JoinableQueue(maxsize, ctx=self.get_context())

    def SimpleQueue(self) -> queues.SimpleQueue:
        """Return a queue with `get`, `put` and `empty` only."""
        from .queues import SimpleQueue

        return SimpleQueue(ctx=self.get_context())

    def LifoQueue(self, maxsize: int = 0) -> queues.LifoQueue:
        """Return a queue from which the item that was put last is taken first."""
        from .queues import LifoQueue

        return LifoQueue(maxsize, ctx=self.get_context())

    def PriorityQueue(self, maxsize: int = 0) -> queues.PriorityQueue:
        """Return a queue from which the least item is taken first."""
        from .queues import PriorityQueue

        return PriorityQueue(maxsize, ctx=self.get_context())

    def Pool(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        *,
        retries: int = 0,
        soft_timeout: float | None = None,
        timeout: float | None = None,
        memory_limit: int | None = None,
        threads: int | None = None,
        worker_exit: Callable[[], Any] | None = None,
        insights: bool = False,
    ) -> pool.Pool:
        """Return a pool of worker processes of this context; see `pumasi.pool.Pool`."""
        from .pool import Pool

        context: Any = _PipesOfThePool(self.get_context())
        return Pool(
            processes,
            initializer,
            initargs,
            maxtasksperchild,
            context=context,
            retries=retries,
            soft_timeout=soft_timeout,
            timeout=timeout,
            memory_limit=memory_limit,
            threads=threads,
            worker_exit=worker_exit,
            insights=insights,
        )

    def Manager(self) -> managers.SyncManager:
        """Return a started manager, whose common types need no server process."""
        from .managers import SyncManager

        manager = SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    def RawValue(self, typecode_or_type: Any, *args: Any) -> Any:
        """Return a ctypes object in the heap, without a lock."""
        from .sharedctypes import RawValue

        return RawValue(typecode_or_type, *args)

    def RawArray(self, typecode_or_type: Any, size_or_initializer: int | Sequence[Any]) -> Any:
        """Return a ctypes array in the heap, without a lock."""
        from .sharedctypes import RawArray

        return RawArray(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type: Any, *args: Any, lock: Any = True) -> Any:
        """Return a typed value in the heap, with the lock that guards it."""
        from .sharedctypes import Value

        return Value(typecode_or_type, *args, lock=lock, ctx=self.get_context())

    def Array(
        self, typecode_or_type: Any, size_or_initializer: int | Sequence[Any], *, lock: Any = True
    ) -> Any:
        """Return an array of typed values in the heap, with the lock that guards it."""
        from .sharedctypes import Array

        return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self.get_context())


class _PipesOfThePool:
    """A context whose simple queues are pipes, into which the standard library's pool reaches."""

    def __init__(self, context: BaseContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def SimpleQueue(self) -> Any:
        return self._context._inner().SimpleQueue()


class ForkContext(BaseContext, _standard.ForkContext):
    """The context of the start method `fork`."""

    Process: ClassVar[type[ForkProcess]] = ForkProcess


class SpawnContext(BaseContext, _standard.SpawnContext):
    """The context of the start method `spawn`."""

    Process: ClassVar[type[SpawnProcess]] = SpawnProcess


class ForkServerContext(BaseContext, _standard.ForkServerContext):
    """The context of the start method `forkserver`."""

    Process: ClassVar[type[ForkServerProcess]] = ForkServerProcess


_contexts: dict[str, BaseContext] = {
    "fork": ForkContext(),
    "spawn": SpawnContext(),
    "forkserver": ForkServerContext(),
}


class DefaultContext(BaseContext, _standard.DefaultContext):
    """The context which follows the start method chosen for the program.

    The choice itself is kept by multiprocessing, so that it is one for both packages.
    """

    Process: ClassVar[type[Process]] = Process

    def __init__(self) -> None:
        super().__init__(_contexts["fork"])

    def get_context(self, method: str | None = None) -> BaseContext:  # type: ignore[override]
        """Return the context of a start method, or of the chosen one."""
        if method is not None:
            return super().get_context(method)
        chosen = _chosen.get_context()
        return _contexts.get(chosen.get_start_method(), chosen)  # type: ignore[arg-type]

    def set_start_method(self, method: str | None, force: bool = False) -> None:
        """Choose the start method, once, for multiprocessing and pumasi alike."""
        _chosen.set_start_method(method, force)

    def get_start_method(self, allow_none: bool = False) -> Any:
        """Return the name of the chosen start method."""
        return _chosen.get_start_method(allow_none)

    def get_all_start_methods(self) -> list[str]:
        """Return the names of the start methods which this system has, the default one first."""
        return _chosen.get_all_start_methods()


default_context = DefaultContext()
