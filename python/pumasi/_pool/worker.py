"""What runs in a worker of a pool: take a task, do it, give its result.

A worker ends when its pool says so, after its number of tasks, and with its owner: the kernel
kills it when the last writer of its *lifeline*, a pipe, is gone, whichever thread started it, and
whatever it is doing. There is no thread for that.
"""

import pickle
import signal
import types
from collections.abc import Callable
from itertools import starmap
from multiprocessing import process, util
from multiprocessing.connection import Connection
from multiprocessing.pool import (  # type: ignore[attr-defined]
    ExceptionWithTraceback,
    MaybeEncodingError,
)
from typing import Any

from .. import _core
from .._lifeline import die_with_owner
from .._sending import Carried, Returned, dumps_error
from .setup import Call, Limited, Setup, initialized, limited

# What a batch's tasks are: how `arguments` becomes a call. 255 stands for one which cannot be
# unpickled.
APPLY = 0  # (args, kwds)
APPLY_ANY = 1  # (func, args, kwds); the batch has no function
MAP = 2  # one argument
MAP_CHUNK = 3  # a tuple of arguments, one for each call
STARMAP = 4  # one tuple of arguments
STARMAP_CHUNK = 5  # a tuple of such tuples
LIMITED = 6  # as the `Limited` says that is the function
UNREADABLE = 255
#: Added to a mode: a worker unpickles the function once for all tasks of the batch.
KEEP_FUNCTION = 0x100

Raised = tuple[bytes, str, str, str]


def kept(function: object) -> bool:
    """Whether a function has no state of its own, so that all tasks of a batch may share it."""
    if type(function) is Limited:
        return function.mode == APPLY_ANY or kept(function.function)
    return isinstance(function, (types.FunctionType, types.BuiltinFunctionType, type))


def call(mode: int, function: Any, arguments: Any) -> Any:
    """Do a task."""
    if mode == MAP:
        return function(arguments)
    if mode == MAP_CHUNK:
        return list(map(function, arguments))
    if mode == APPLY:
        args, kwds = arguments
        return function(*args, **kwds)
    if mode == APPLY_ANY:
        function, args, kwds = arguments
        return function(*args, **kwds)
    if mode == STARMAP:
        return function(*arguments)
    if mode == STARMAP_CHUNK:
        return list(starmap(function, arguments))
    if mode == LIMITED:
        return limited(call, function, arguments)
    raise function


def describe(error: BaseException) -> Raised:
    """Return an exception in a form that arrives even if it cannot be unpickled there."""
    remote = ExceptionWithTraceback(error, error.__traceback__)
    try:
        data = dumps_error(error)
    except Exception as refusal:
        data = pickle.dumps(MaybeEncodingError(refusal, remote))
    kind = type(error)
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be made)"
    return data, f"{kind.__module__}.{kind.__qualname__}", text, str(remote.tb)


def _ignore(signum: int, frame: object) -> None:
    """Leave Ctrl-C to the owner; unlike SIG_IGN, programs that a task starts do not inherit it."""


def work(
    board: _core.Board,
    number: int,
    lifeline: Connection,
    max_tasks: int | None,
    started: Any,
) -> None:
    """Be a worker until the pool has nothing more for it.

    `started` is the initializer, its arguments, and the `Setup`; where it was not pickled on its
    way, it may still be `Carried`.
    """
    if isinstance(started, Carried):
        started = started.value
    initializer: Callable[..., object] | None
    initargs: tuple[Any, ...]
    setup: Setup
    initializer, initargs, setup = started
    die_with_owner(lifeline)
    signal.signal(signal.SIGINT, _ignore)
    process.current_process()._config["pumasi_nests"] = True  # type: ignore[attr-defined]
    setup.begin()
    do = call if initializer is None else initialized(call, initializer, initargs)
    done = _work(
        _core.Worker(board, number), max_tasks, setup.around(do, board, number), setup.tells_all
    )
    if setup.worker_exit is not None:
        _exit_function(setup)
    util.debug("worker exiting after %d tasks", done)


def _exit_function(setup: Setup) -> None:
    """Call the function for a worker's end, and send what it returns."""
    assert setup.worker_exit is not None
    try:
        outcome: Any = (True, Returned(setup.worker_exit()))
    except Exception as error:
        outcome = (False, describe(error))
    try:
        setup.exits.put(outcome)
    except Exception as refusal:
        setup.exits.put((False, describe(MaybeEncodingError(refusal, outcome[1].value))))


def _work(worker: _core.Worker, max_tasks: int | None, do: Call, tells_all: bool) -> int:
    take, give = worker.take, worker.give
    leaving = (KeyboardInterrupt,) if tells_all else (SystemExit, KeyboardInterrupt)
    done = 0
    while max_tasks is None or done < max_tasks:
        task = take()
        if task is None:
            break
        try:
            result = do(*task)
        except leaving as ending:
            if isinstance(ending, KeyboardInterrupt):
                give(False, describe(ending))
            raise
        except BaseException as error:
            give(False, describe(error))
            del error
        else:
            try:
                give(True, result)
            except Exception as refusal:
                wrapped = refusal if tells_all else MaybeEncodingError(refusal, result)
                give(False, describe(wrapped))
                del wrapped
            del result
        del task
        done += 1
    return done
