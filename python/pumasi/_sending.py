"""The pickles of values which go to one reader: the tasks and results of a pool.

Unlike what is stored in a container (see `_storing`) they may hold what can be received only once,
and where the standard pickle refuses a function or argument (a lambda, a closure, a class of a
notebook cell) cloudpickle takes over if it is installed. So it does for what is defined in a main
module that a spawned worker cannot import, as a notebook's is, and which the standard pickle would
send by its name. What a worker is started with (its initializer) travels in the same way.

Results use the standard pickle alone, as in multiprocessing. It refuses the instances of a class
which came to the worker by value, since the worker's main module has no such class; but the owner
has, and so the class goes back as the number by which cloudpickle knows it in both processes.
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


class _AsOwnerHasIt(pickle.Pickler):
    """Sends what has come from the owner's main module, by value, back as the owner's own."""

    def reducer_override(self, obj: object) -> Any:
        if not isinstance(obj, (types.FunctionType, type)) or obj.__module__ != "__main__":
            return NotImplemented
        name = obj.__qualname__
        if isinstance(obj, type):
            number = _numbers("CLASS").get(obj)
            return NotImplemented if number is None else (_class_numbered, (number, name))
        if name.isidentifier() and not hasattr(sys.modules["__main__"], name):
            return _in_main, (name,)
        return NotImplemented


def _numbers(by: str) -> Any:
    """Return the numbers by which cloudpickle knows classes that it has sent or received."""
    module = sys.modules.get("cloudpickle.cloudpickle")
    return getattr(module, f"_DYNAMIC_CLASS_TRACKER_BY_{by}", {})


def _class_numbered(number: Any, name: str) -> Any:
    """Return the class which was sent with this number."""
    found = _numbers("ID").get(number)
    if found is None:
        raise pickle.UnpicklingError(f"the class {name} is no longer there")
    return found


def _in_main(name: str) -> Any:
    """Return what has this name in the main module."""
    return getattr(sys.modules["__main__"], name)


class Carried:
    """What a worker is started with. Its pickle gives the value itself."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        data, _ = _with_cloudpickle(self.value, aside=False)
        return pickle.loads, (bytes(data),)


class Returned(Carried):
    """A result which goes another way than results go."""

    def __reduce__(self) -> Any:
        return pickle.loads, (bytes(_dump(_AsOwnerHasIt, self.value, aside=False)[0]),)


def _dump(new_pickler: Callable[..., Any], value: object, aside: bool = True) -> _Pickled:
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

    pickler = new_pickler(file, protocol=5, buffer_callback=keep_aside if aside else None)
    registered = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
    pickler.dispatch_table = {
        **getattr(pickler, "dispatch_table", copyreg.dispatch_table),
        **registered,
        **BESIDE,
    }
    pickler.dump(value)
    return file.getbuffer(), buffers


def dumps(value: object) -> _Pickled:
    """Return the pickle of a result, and the large buffers that belong to it."""
    try:
        return _dump(pickle.Pickler, value)
    except (pickle.PicklingError, AttributeError) as refusal:
        # Only where the main module is not the owner's is there anything else to try.
        try:
            return _dump(_AsOwnerHasIt, value)
        except Exception:
            raise refusal from None


def dumps_error(error: BaseException) -> bytes:
    """Return the pickle of what a task has raised, as multiprocessing makes it if it can."""
    try:
        return bytes(ForkingPickler.dumps(error))
    except (pickle.PicklingError, AttributeError):
        return bytes(_dump(_AsOwnerHasIt, error, aside=False)[0])


def dumps_argument(value: object) -> _Pickled:
    """Return the same of a function or an argument, for which cloudpickle may step in."""
    return _with_cloudpickle(value)


def _with_cloudpickle(value: object, aside: bool = True) -> _Pickled:
    try:
        return _dump(_ByName if _main_stays_here else pickle.Pickler, value, aside)
    except (pickle.PicklingError, AttributeError, TypeError) as refusal:
        try:
            from cloudpickle import CloudPickler
        except ImportError:
            _say_what_helps(refusal)
            raise refusal from None
        try:
            return _dump(CloudPickler, value, aside)
        except Exception:
            raise refusal from None


def _say_what_helps(refusal: BaseException) -> None:
    if hasattr(refusal, "add_note"):
        refusal.add_note(
            "Functions and objects which cannot be imported by name in a worker travel if "
            'cloudpickle is installed: pip install "pumasi[cloudpickle]"'
        )
