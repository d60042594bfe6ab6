"""Typed values and arrays in the heap: `Value`, `Array`, and the raw ctypes objects inside them.

A raw value is an ordinary ctypes object whose memory is a block of the heap; the block lives as
long as any process holds the object. A synchronized one adds the lock which its accesses take. The
classes subclass the standard library's of the same names, so that `isinstance` and annotations
written for multiprocessing stay true; the accesses themselves are native.
"""

import ctypes
import sys
import weakref
from collections.abc import Callable, Sequence
from multiprocessing import sharedctypes as _standard
from multiprocessing.context import assert_spawning
from multiprocessing.reduction import ForkingPickler
from multiprocessing.sharedctypes import (  # type: ignore[attr-defined]
    rebuild_ctype,
    reduce_ctype,
    typecode_to_type,
)
from typing import Any

from . import _core

__all__ = [
    "Array",
    "RawArray",
    "RawValue",
    "Synchronized",
    "SynchronizedArray",
    "SynchronizedBase",
    "SynchronizedString",
    "Value",
    "copy",
    "rebuild_ctype",
    "reduce_ctype",
    "synchronized",
    "typecode_to_type",
]

SynchronizedBase = _standard.SynchronizedBase


def RawValue(typecode_or_type: Any, *args: Any) -> Any:
    """Return a ctypes object in the heap; no lock guards it.

    `typecode_or_type` is a type code ('i', 'd', ...), a ctypes type or a NumPy dtype.
    """
    raw = _allocate(_ctypes_type(typecode_or_type))
    raw.__init__(*args)
    return raw


def RawArray(typecode_or_type: Any, size_or_initializer: int | Sequence[Any]) -> Any:
    """Return a ctypes array in the heap; no lock guards it.

    A size gives an array of zeros, a sequence gives an array of its items.
    """
    type_ = _ctypes_type(typecode_or_type)
    if isinstance(size_or_initializer, int):
        return _allocate(type_ * size_or_initializer)
    raw = _allocate(type_ * len(size_or_initializer))
    raw.__init__(*size_or_initializer)
    return raw


def Value(typecode_or_type: Any, *args: Any, lock: Any = True, ctx: Any = None) -> Any:
    """Return a value in the heap whose accesses take its lock.

    `lock` may be a lock to use, or False for the raw ctypes object.

    >>> import pumasi
    >>> v = pumasi.Value("i", 41)
    >>> v.value += 1          # two accesses, between which another process may come
    >>> v.add(1)              # one atomic step
    43
    """
    return _guard(RawValue(typecode_or_type, *args), lock, ctx)


def Array(
    typecode_or_type: Any,
    size_or_initializer: int | Sequence[Any],
    *,
    lock: Any = True,
    ctx: Any = None,
) -> Any:
    """Return an array in the heap whose accesses take its lock.

    `lock` may be a lock to use, or False for the raw ctypes array.

    >>> import pumasi
    >>> a = pumasi.Array("d", [1, 2, 3])
    >>> a[0], a[-1], len(a)
    (1.0, 3.0, 3)
    """
    return _guard(RawArray(typecode_or_type, size_or_initializer), lock, ctx)


def copy(obj: Any) -> Any:
    """Return a copy, in the heap, of a ctypes object."""
    raw = _allocate(type(obj))
    ctypes.pointer(raw)[0] = obj
    return raw


def synchronized(obj: Any, lock: Any = None, ctx: Any = None) -> Any:
    """Return a wrapper of a ctypes object whose accesses take `lock`, or a new lock of its own."""
    if isinstance(obj, SynchronizedBase):
        raise AssertionError("object already synchronized")
    if lock is None:
        lock = _new_lock(ctx)
    if isinstance(obj, ctypes._SimpleCData):
        return Synchronized(obj, lock)
    if isinstance(obj, ctypes.Array):
        if obj._type_ is ctypes.c_char:
            return SynchronizedString(obj, lock)
        return SynchronizedArray(obj, lock)
    return _structure_wrapper(type(obj))(obj, lock)


def _guard(raw: Any, lock: Any, ctx: Any) -> Any:
    if lock is False:
        return raw
    if lock is True or lock is None:
        lock = _new_lock(ctx)
    elif not hasattr(lock, "acquire"):
        raise AttributeError(f"{lock!r} has no method 'acquire'")
    return synchronized(raw, lock, ctx)


def _new_lock(ctx: Any) -> Any:
    return _core.RLock() if ctx is None else ctx.RLock()


def _allocate(type_: Any) -> Any:
    """Make a zeroed instance of a ctypes type in a block of the heap."""
    block = _core.Block(ctypes.sizeof(type_))
    raw = type_.from_buffer(block)
    # The standard library's reducer sends this attribute to a child and asks what arrives for a
    # memoryview; a Block can do both, so that either package can send the other's objects.
    raw._wrapper = block
    ForkingPickler.register(type_, reduce_ctype)
    return raw


def _ctypes_type(typecode_or_type: Any) -> Any:
    """Return the ctypes type which a type code, a ctypes type or a NumPy dtype asks for."""
    if isinstance(typecode_or_type, str):
        found = typecode_to_type.get(typecode_or_type)
        if found is not None:
            return found
    elif isinstance(typecode_or_type, type) and issubclass(typecode_or_type, _CTYPES):
        return typecode_or_type
    return _from_dtype(typecode_or_type)


_CTYPES = (ctypes._SimpleCData, ctypes.Structure, ctypes.Union, ctypes.Array, ctypes._Pointer)


def _from_dtype(asked: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None and isinstance(asked, str):
        try:
            import numpy
        except ImportError:
            numpy = None
    if numpy is not None and (
        isinstance(asked, (str, numpy.dtype))
        or (isinstance(asked, type) and issubclass(asked, numpy.generic))
    ):
        try:
            return numpy.ctypeslib.as_ctypes_type(numpy.dtype(asked))
        except (TypeError, NotImplementedError) as error:
            raise TypeError(
                f"{asked!r} has no ctypes type to share it as ({error}); share its bytes in "
                "RawArray('B', ...) and make a view of them with numpy.frombuffer(..., dtype)"
            ) from None
    raise TypeError(
        f"{asked!r} is not a type code ({', '.join(typecode_to_type)}), a ctypes type "
        "or a NumPy dtype"
    )


class _Guarded:
    """What every wrapper has besides the accesses themselves."""

    _obj: Any
    _lock: Any

    def __init__(self, obj: Any, lock: Any) -> None:
        # The native class has taken both; the standard library's would set them again.
        pass

    def __reduce__(self) -> Any:
        assert_spawning(self)
        return synchronized, (self._obj, self._lock)


class Synchronized(_Guarded, _core.TypedValue, _standard.Synchronized):  # type: ignore[type-arg,override]
    """A simple ctypes object and the lock which its accesses take.

    Besides `value`, atomic steps: `add`, `compare_exchange`, `max`, `min`.
    """


class SynchronizedArray(  # type: ignore[override]
    _Guarded,
    _core.TypedArray,
    _standard.SynchronizedArray,  # type: ignore[type-arg]
):
    """A ctypes array and the lock which its accesses take.

    `numpy.asarray(a)` is a view without a copy, and takes no lock. Besides indexing, atomic
    steps on an element: `add`, `compare_exchange`, `max`, `min`.
    """


def _guarded_property(name: str, doc: str = "The field of that name, under the lock.") -> property:
    """Make a property which reads and writes `_obj.name` under the wrapper's lock."""

    def read(self: Any) -> Any:
        return self._read(name)

    def write(self: Any, value: Any) -> None:
        self._write(name, value)

    return property(read, write, doc=doc)


class SynchronizedString(SynchronizedArray, _standard.SynchronizedString):  # type: ignore[override]
    """A ctypes array of `c_char` and the lock which its accesses take."""

    value = _guarded_property("value", "The bytes up to the first NUL.")
    raw = _guarded_property("raw", "All the bytes.")


class _SynchronizedStructure(_Guarded, _core.TypedStructure, SynchronizedBase):  # type: ignore[type-arg,override]
    """A ctypes Structure or Union and the lock which accesses to its fields take."""


_structure_wrappers: "weakref.WeakKeyDictionary[type, Callable[[Any, Any], Any]]" = (
    weakref.WeakKeyDictionary()
)


def _structure_wrapper(cls: type) -> Callable[[Any, Any], Any]:
    """Return the wrapper class of a Structure: one property for each field, inherited ones too."""
    found = _structure_wrappers.get(cls)
    if found is None:
        fields = [field[0] for base in cls.__mro__ for field in base.__dict__.get("_fields_", ())]
        properties = {name: _guarded_property(name) for name in fields}
        found = type("Synchronized" + cls.__name__, (_SynchronizedStructure,), properties)
        _structure_wrappers[cls] = found
    return found


def __getattr__(name: str) -> Any:
    """Find what is not ours, and not documented, in the standard library's module."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_standard, name)
