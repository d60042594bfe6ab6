"""What a worker is told when it starts, beside where its tasks are, and what it does around them.

Each of the wrappers here takes the function that does a task (`worker.call`) and returns one in its
place; a pool that asks for nothing pays for nothing.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import _core
from ..exceptions import TaskTimeout
from . import threads

#: Does a task: its mode, its function, its arguments.
Call = Callable[[int, Any, Any], Any]
#: A task that took long: seconds, and what it was.
Slow = tuple[float, str]

#: How many of the slowest tasks are kept.
SLOWEST = 5


@dataclass(frozen=True)
class Setup:
    """How a worker was asked to be."""

    #: From 0 on; a worker which takes another's place takes its id.
    id: int = 0
    #: Threads that numeric libraries may have, or None to leave them alone.
    threads: int | None = None
    #: Whether `threads` was asked for, so that it goes before what the environment says.
    threads_asked: bool = False
    #: Whether SystemExit, and that a result cannot be pickled, are told as they are, as
    #: concurrent.futures does; the pool of multiprocessing ends the worker, and wraps the other.
    tells_all: bool = False
    #: Seconds after which a task is interrupted.
    soft_timeout: float | None = None
    #: Bytes that tasks may have beyond what the worker begins with.
    memory_limit: int | None = None
    #: Where the slowest tasks of each worker are noted, by its number; None when nobody asks.
    slowest: Any = None
    #: What is called at the end, and where its results go.
    worker_exit: Callable[[], Any] | None = None
    exits: Any = None

    def begin(self) -> None:
        """Take effect, before the initializer is called."""
        global _current
        _current = _Current(self.id, {})
        if self.threads is not None:
            threads.limit(self.threads, self.threads_asked)

    def around(self, call: Call, board: _core.Board, number: int) -> Call:
        """Return what does a task as this worker was asked to."""
        if self.soft_timeout is not None:
            call = interrupted(call, self.soft_timeout)
        if self.memory_limit is not None:
            call = bounded(call, self.memory_limit, lambda: board.dismiss(number))
        if self.slowest is not None:
            call = noted(call, self.slowest, number)
        return call


@dataclass(frozen=True)
class _Current:
    id: int
    state: dict[Any, Any]


_current: _Current | None = None


def current() -> _Current:
    """Return what this process is as a worker."""
    if _current is None:
        raise RuntimeError("this process is no worker of a pool")
    return _current


class Limited:
    """The function of tasks which have a limit of their own, after which they are interrupted."""

    __slots__ = ("function", "mode", "seconds")

    def __init__(self, mode: int, function: Any, seconds: float) -> None:
        self.mode = mode
        self.function = function
        self.seconds = seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return Limited, (self.mode, self.function, self.seconds)


def initialized(call: Call, initializer: Callable[..., object], initargs: tuple[Any, ...]) -> Call:
    """Call the initializer, and have tasks find the global names that it sets.

    Functions which came by value, from the main module of a notebook say, each have global names
    of their own; at home they have the same ones.
    """
    home = _names_by_value(initializer)
    before = dict(home or {})
    initializer(*initargs)
    if home is None:
        return call
    nothing = object()
    kept = {
        name: value
        for name, value in home.items()
        if name != "__builtins__" and before.get(name, nothing) is not value
    }
    if not kept:
        return call

    def do(mode: int, function: Any, arguments: Any) -> Any:
        space = _names_by_value(function, arguments)
        if space is None:
            return call(mode, function, arguments)
        space.update(kept)
        try:
            return call(mode, function, arguments)
        finally:
            # What the task has made of them is there for the next one, and for `worker_exit`.
            kept.update((name, space[name]) for name in kept.keys() & space.keys())
            home.update(kept)

    return do


def _names_by_value(function: Any, arguments: Any = ()) -> dict[str, Any] | None:
    """Return the global names of a function, unless they are those of a module here."""
    if type(function) is Limited:
        function = function.function
    if function is None:
        function, arguments, _ = arguments
    if getattr(function, "__module__", "") == f"{__package__}.executor":
        # What is called in place of the functions of a map.
        function = arguments[0]
    while isinstance(function, partial):
        function = function.func
    if isinstance(function, type):
        function = vars(function).get("__init__")
    elif not isinstance(function, types.FunctionType | types.MethodType):
        function = vars(type(function)).get("__call__")
    space = getattr(function, "__globals__", None)
    if not isinstance(space, dict):
        return None
    module = sys.modules.get(space.get("__name__", ""))
    return None if module is None or vars(module) is space else space


def interrupted(call: Call, seconds: float) -> Call:
    """Have `TaskTimeout` raised in a task which takes longer than so many seconds.

    One that has a limit of its own is left to that.
    """
    under_way = False

    def late(signum: int, frame: object) -> None:
        if under_way:
            raise TaskTimeout(f"the task took longer than {seconds} s")

    def do(mode: int, function: Any, arguments: Any) -> Any:
        nonlocal under_way
        if type(function) is Limited:
            return call(mode, function, arguments)
        try:
            under_way = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return call(mode, function, arguments)
        finally:
            # The timer rings once: an exception between these lines is the last one.
            under_way = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    signal.signal(signal.SIGALRM, late)
    return do


def limited(call: Call, function: Limited, arguments: Any) -> Any:
    """Do a task which has a limit of its own."""
    before = signal.getsignal(signal.SIGALRM)
    try:
        do = interrupted(call, function.seconds)
        return do(function.mode, function.function, arguments)
    finally:
        signal.signal(signal.SIGALRM, before)


def bounded(call: Call, most: int, leave: Callable[[], None]) -> Call:
    """Let tasks have so many bytes beyond what there is now.

    A task that wants more ends this worker after its own end, for who knows what it has kept.
    """
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = _own_memory() + most
    if before != resource.RLIM_INFINITY:
        allowed = min(allowed, before)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))

    def do(mode: int, function: Any, arguments: Any) -> Any:
        try:
            return call(mode, function, arguments)
        except MemoryError as error:
            # What tells of it needs some, too.
            resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
            leave()
            raise MemoryError(
                f"the task wanted more than the {most} bytes that its pool allows"
            ) from error

    return do


def _own_memory() -> int:
    """Return how many bytes `RLIMIT_DATA` counts by now."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def noted(call: Call, slowest: Any, number: int) -> Call:
    """Note the tasks that took longest."""
    from .results import name_of, shorten

    top: list[Slow] = []

    def do(mode: int, function: Any, arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(mode, function, arguments)
        finally:
            took = time.perf_counter() - began
            if len(top) < SLOWEST or took > top[-1][0]:
                if type(function) is Limited:
                    function = function.function
                if function is None and isinstance(arguments, tuple):
                    function, *arguments = arguments
                top.append((took, f"{name_of(function)}: {shorten(arguments)}"))
                top.sort(reverse=True)
                del top[SLOWEST:]
                slowest[number] = tuple(top)

    return do
