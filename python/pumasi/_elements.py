"""What the elements of a Vector are, where they are no plain numbers.

A number's type code is all that a Vector needs. Everything else (structures of ctypes, truth
values, NumPy's types, what a program in Rust has stored) is turned into bytes and back here.
"""

from __future__ import annotations

import array
import ctypes
import sys
from collections.abc import Callable, Iterable
from typing import Any

#: Type codes of numbers, as `array` has them.
NUMBERS = frozenset("bBhHiIlLqQfd")
_PLAIN = {int: "q", float: "d"}
_POINTERS = frozenset("PzZO")


class Elements:
    """How elements of one kind become bytes and come back."""

    __slots__ = ("_dump", "_load", "_make", "format", "itemsize", "kind", "name", "typecode")

    def __init__(
        self,
        kind: Any,
        name: str,
        itemsize: int,
        format: str,
        load: Callable[[bytes], Any],
        dump: Callable[[Any], bytes],
        make: Callable[[bytes], Any] | None = None,
    ) -> None:
        #: What is stored, for other processes to know the elements by.
        self.kind = kind
        #: What a Vector's `typecode` says: it is that of truth values alone.
        self.typecode = kind if isinstance(kind, str) else None
        self.name = name
        self.itemsize = itemsize
        #: As the buffer protocol has it.
        self.format = format
        self._load = load
        self._dump = dump
        self._make = make

    def one(self, value: Any) -> bytes:
        """Return an element's bytes."""
        return self._dump(value)

    def many(self, values: Iterable[Any]) -> bytes:
        """Return the bytes of several, one behind the other."""
        return b"".join(map(self._dump, values))

    def value(self, element: bytes) -> Any:
        """Return the element with these bytes."""
        return self._load(element)

    def values(self, elements: bytes) -> list[Any]:
        """Return the elements with these bytes."""
        size = self.itemsize
        return [self._load(elements[i : i + size]) for i in range(0, len(elements), size)]

    def plain(self, elements: bytes) -> Any:
        """Return a container of this process alone with these elements."""
        return self.values(elements) if self._make is None else self._make(elements)


def of(kind: Any) -> str | Elements:
    """Return what a Vector's first argument means: the type code of a number, or Elements.

    Raises TypeError or ValueError for what no elements can be.
    """
    if isinstance(kind, str) and len(kind) == 1:
        if kind in NUMBERS:
            return kind
        if kind == "?":
            return _truth()
        raise ValueError(
            "bad typecode (must be b, B, h, H, i, I, l, L, q, Q, f, d or ?); "
            "a type of ctypes or of NumPy will do as well"
        )
    if isinstance(kind, type):
        if kind is bool:
            return _truth()
        if kind in _PLAIN:
            return _PLAIN[kind]
        if hasattr(kind, "from_buffer_copy"):
            return _of_ctypes(kind)
    return _of_numpy(kind)


def stored(kind: Any, itemsize: int) -> Elements:
    """Return the Elements that a Vector's maker has stored `kind` for."""
    if kind is None:
        return _raw(itemsize)
    found = of(_array(kind) if isinstance(kind, tuple) else kind)
    if isinstance(found, str) or found.itemsize != itemsize:
        raise TypeError(f"elements of {itemsize} bytes are not what {kind!r} is in this process")
    return found


def _array(kind: Any) -> Any:
    """Return the array type of ctypes which `_kept` has taken apart."""
    return _array(kind[0]) * kind[1] if isinstance(kind, tuple) else kind


def _kept(kind: Any) -> Any:
    """Return what is stored for a type of ctypes: array types have no name to pickle them by."""
    return (_kept(kind._type_), kind._length_) if issubclass(kind, ctypes.Array) else kind


def _truth() -> Elements:
    def dump(value: Any) -> bytes:
        return b"\1" if value else b"\0"

    return Elements("?", "?", 1, "?", lambda element: element != b"\0", dump)


def _raw(itemsize: int) -> Elements:
    """Return Elements for what only programs in Rust know: they are bytes here."""

    def dump(value: Any) -> bytes:
        data = bytes(memoryview(value))
        if len(data) != itemsize:
            raise ValueError(f"an element has {itemsize} bytes, not {len(data)}")
        return data

    return Elements(None, f"{itemsize} bytes", itemsize, f"{itemsize}s", bytes, dump)


def _of_ctypes(kind: Any) -> str | Elements:
    code = getattr(kind, "_type_", None)
    # A simple type's code; that of an array is its elements' type.
    if isinstance(code, str):
        if code in _POINTERS:
            raise TypeError(f"{kind.__name__} is an address, which means nothing elsewhere")
        if code in NUMBERS and kind.__bases__ and kind.__bases__[0].__name__ == "_SimpleCData":
            return code
    elif issubclass(kind, (ctypes._Pointer, ctypes._CFuncPtr)):  # type: ignore[attr-defined]
        raise TypeError(f"{kind.__name__} is an address, which means nothing elsewhere")
    size = ctypes.sizeof(kind)
    if size == 0:
        raise TypeError(f"{kind.__name__} has no bytes")
    simple = isinstance(code, str)

    def load(element: bytes) -> Any:
        made = kind.from_buffer_copy(element)
        return made.value if simple else made

    def dump(value: Any) -> bytes:
        if isinstance(value, (bytes, str)) and hasattr(kind, "value") and not simple:
            text = kind()  # an array of characters
            text.value = value
            value = text
        elif not isinstance(value, kind):
            value = kind(*value) if isinstance(value, (tuple, list)) else kind(value)
        return bytes(memoryview(value).cast("B"))

    return Elements(_kept(kind), kind.__name__, size, _format_of(kind), load, dump)


def _format_of(kind: Any) -> str:
    """Return the format of a type of ctypes with its padding, which ctypes itself leaves out."""
    if issubclass(kind, ctypes.Array):
        shape = []
        while issubclass(kind, ctypes.Array):
            shape.append(str(kind._length_))
            kind = kind._type_
        return f"({','.join(shape)}){_format_of(kind)}"
    if not issubclass(kind, ctypes.Structure):
        simple = isinstance(getattr(kind, "_type_", None), str)
        form: str = memoryview(kind()).format if simple else f"{ctypes.sizeof(kind)}s"
        return form
    fields = [
        field for base in reversed(kind.__mro__) for field in base.__dict__.get("_fields_", ())
    ]
    if any(len(field) > 2 for field in fields):  # pieces of bytes, for which there is no form
        return f"{ctypes.sizeof(kind)}s"
    parts, end = [], 0
    for name, field in fields:
        offset = getattr(kind, name).offset
        parts.append(_padding(offset - end) + f"{_format_of(field)}:{name}:")
        end = offset + ctypes.sizeof(field)
    return f"T{{{''.join(parts)}{_padding(ctypes.sizeof(kind) - end)}}}"


def _padding(n: int) -> str:
    return f"{n}x" if n else ""


def _of_numpy(kind: Any) -> str | Elements:
    if "numpy" not in sys.modules and not isinstance(kind, str):
        raise TypeError(
            f"the elements of a Vector are named by a type code or a type of ctypes, not {kind!r}"
        )
    import numpy

    dtype: Any = numpy.dtype(kind)
    if dtype.hasobject:
        raise TypeError("Python objects cannot be the elements of a Vector; use a List")
    if dtype.itemsize == 0 or dtype.subdtype is not None:
        raise TypeError(f"{dtype} cannot be the elements of a Vector")
    if dtype.isnative and dtype.char in NUMBERS:
        return str(dtype.char)
    if dtype.char == "?":
        return _truth()
    try:
        empty: Any = numpy.empty(0, dtype)
        form = memoryview(empty).format
    except ValueError as error:
        raise TypeError(f"{dtype} has no form that the buffer protocol knows: {error}") from None

    def load(element: bytes) -> Any:
        return numpy.frombuffer(element, dtype)[0]

    def dump(value: Any) -> bytes:
        return numpy.array(value, dtype).tobytes()

    def make(elements: bytes) -> Any:
        return numpy.frombuffer(elements, dtype).copy()

    return Elements(dtype, str(dtype), dtype.itemsize, form, load, dump, make)


def plain(code: str, elements: bytes) -> array.array[Any]:
    """Return a plain array of numbers with these bytes."""
    made: array.array[Any] = array.array(code)
    made.frombytes(elements)
    return made


def numbers(code: str, values: Iterable[Any]) -> bytes:
    """Return the bytes of numbers, one behind the other, with the errors that `array` has."""
    return array.array(code, list(values)).tobytes()
