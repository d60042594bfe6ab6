"""The pickles of values which go to one reader: the tasks and results of a pool.

Unlike what is stored in a container (see `_storing`) they may hold what can be received only once,
and where the standard pickle refuses a function or argument (a lambda, a closure, a class of a
notebook cell) cloudpickle takes over if it is installed. So it does for what is defined in a main
module that a spawned worker cannot import, as a notebook's is, and which the standard pickle would
send by its name. Results use the standard pickle alone, as
in multiprocessing.
"""

import copyreg
import io
import pickle
import sys
import types
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

from ._storing import BESIDE

#: Buffers from this size on travel beside the pickle, and are left in place by the reader.
_OUT_OF_BAND = 4096

_Pickled = tuple[memoryview, list[memoryview]]

#: Whether workers may lack what this process's main module defines.
_main_stays_here = False


def spawned() -> None:
    """Take note that this process starts workers which do not inherit its main module."""
    global _main_stays_here
    main = sys.modules["__main__"]
    named = getattr(getattr(main, "__spec__", None), "name", None)
    _main_stays_here = named is None and getattr(main, "__file__", None) is None


class _ByName(pickle.Pickler):
    """Refuses what would be looked for in the worker's main module."""

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, (types.FunctionType, type)) and obj.__module__ == "__main__":
            raise pickle.PicklingError(f"{obj!r} is defined where no worker can import it")
        return NotImplemented


def _dump(new_pickler: Callable[..., Any], value: object) -> _Pickled:
    file = io.BytesIO()
    buffers: list[memoryview] = []

    def keep_aside(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:
            return True  # not contiguous: the pickle takes a copy
        if raw.nbytes < _OUT_OF_BAND:
            return True
        buffers.append(raw)
        return False

    pickler = new_pickler(file, protocol=5, buffer_callback=keep_aside)
    registered = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
    pickler.dispatch_table = {
        **getattr(pickler, "dispatch_table", copyreg.dispatch_table),
        **registered,
        **BESIDE,
    }
    pickler.dump(value)
    return file.getbuffer(), buffers


def dumps(value: object) -> _Pickled:
    """Return the pickle of a value, and the large buffers that belong to it."""
    return _dump(pickle.Pickler, value)


def dumps_argument(value: object) -> _Pickled:
    """Return the same of a function or an argument, for which cloudpickle may step in."""
    try:
        return _dump(_ByName if _main_stays_here else pickle.Pickler, value)
    except (pickle.PicklingError, AttributeError, TypeError) as refusal:
        try:
            from cloudpickle import CloudPickler
        except ImportError:
            _say_what_helps(refusal)
            raise refusal from None
        try:
            return _dump(CloudPickler, value)
        except Exception:
            raise refusal from None


def _say_what_helps(refusal: BaseException) -> None:
    if hasattr(refusal, "add_note"):
        refusal.add_note(
            "Functions and objects which cannot be imported by name in a worker travel if "
            'cloudpickle is installed: pip install "pumasi[cloudpickle]"'
        )
