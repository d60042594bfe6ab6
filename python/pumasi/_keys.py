"""Keys of shared dicts beyond the native ones.

Keys are compared as bytes, in Rust, by processes which share no Python objects. None, bool, int,
float, complex, str, bytes and tuples of them have such a form by nature. This module says what
stands for other immutable types: a *native* value which is equal to the key wherever Python says
so (a `numpy.int64(3)` is the key `3`), or a tuple which no native key equals, marked by its kind.
The dict keeps the key as it was first given and gives it back so. Keys of a class which has its own
`__eq__` and `__hash__`, written in Python, compare themselves (`Own`).

A type which compares by identity, or whose hash differs between processes, cannot be a key.
"""

import dataclasses
import enum
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple

from . import _core
from ._registry import REGISTERED


class Marked(NamedTuple):
    """The form of a key which no native value equals: a kind and native values."""

    kind: str
    values: tuple[Any, ...]


class Own(NamedTuple):
    """A key which its own `__eq__` compares with the keys of its class that have the same hash."""

    cls: type
    hash: int

    def plain(self) -> tuple[Any, ...]:
        """Return what says so in a form."""
        return ("own", *_name(self.cls), self.hash)


_NATIVE = (int, float, complex, str, bytes)


def _name(thing: Any) -> tuple[str, str]:
    """Return the module and the qualified name of a class or function, alike in every process.

    A spawned child has the program's main module by another name.
    """
    module = thing.__module__
    return "__main__" if module == "__mp_main__" else module, thing.__qualname__


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def form(key: object) -> Any:
    """Return a native value or a `Marked` for a key which is not of a native type.

    Raises TypeError for a key that is not hashable, or that no form is known for.
    """
    hash(key)  # the interpreter's own words for what is not hashable
    if type(key) in REGISTERED:
        cls = type(key)
        return Marked("registered", (*_name(cls), REGISTERED[cls](key)))
    if type(key) is str:  # one that UTF-8 cannot express
        return Marked("str", (key.encode("utf-8", "surrogatepass"),))
    if isinstance(key, _NATIVE) and not isinstance(key, enum.Enum):
        return _base_value(key)
    if isinstance(key, enum.Enum):
        return _of_enum(key)
    if isinstance(key, tuple):
        if type(key).__eq__ is not tuple.__eq__ or type(key).__hash__ is not tuple.__hash__:
            return _own(key)
        return tuple(key)
    if isinstance(key, frozenset):
        if type(key) is not frozenset:
            return _own(key)
        # The elements' own forms, in an order which does not depend on the process.
        return Marked("frozenset", tuple(sorted(_core.key_form(element) for element in key)))
    for types, make in _FORMS:
        if type(key) in types:
            return make(key)
    return _of_optional_type(key)


def _own(key: object) -> Own:
    """A key which compares itself, if it is of a class that says in Python how.

    What inherits `object`'s hash, or another that is not written in Python, is refused: it stands
    for an address, or nobody knows what for.
    """
    cls = type(key)
    if isinstance(cls.__eq__, FunctionType) and isinstance(cls.__hash__, FunctionType):
        return Own(cls, hash(key))
    raise _refused(key)


def hash_differs(cls: type) -> TypeError:
    """Return the error for keys of a class whose hash is another in each process."""
    return TypeError(
        f"{cls.__module__}.{cls.__qualname__} cannot be a key of a shared dict: its hash differs "
        "between processes, as that of a str does; pumasi.register_key(type, f) makes it one"
    )


def _refused(key: object) -> TypeError:
    return TypeError(
        f"{type(key).__module__}.{type(key).__qualname__} cannot be a key of a shared dict: its "
        "equality is not known to other processes. Keys may be None, bool, int, float, complex, "
        "str, bytes, Enum members, dates and times, UUID, Decimal, Fraction, pure paths, NumPy "
        "scalars, frozen dataclasses, ranges, patterns, classes and functions of a module, objects "
        "with an __eq__ and a __hash__ of their own, and tuples and frozensets of these; "
        "pumasi.register_key(type, f) makes keys of further types"
    )


def _base_value(key: Any) -> Any:
    """Return the plain int, str, ... which a key of a subclass equals."""
    for base in _NATIVE:
        if isinstance(key, base):
            if type(key).__eq__ is not base.__eq__ or type(key).__hash__ is not base.__hash__:
                if _is_numpy_scalar(key):
                    return _of_numpy(key)
                return _own(key)
            # The constructor of the base, on the value itself: a subclass's own __str__ or
            # __int__ must have no say.
            return _PLAIN[base](key)
    raise _refused(key)


_PLAIN: dict[type, Callable[[Any], Any]] = {
    int: lambda key: int.__add__(key, 0),
    float: lambda key: float.__add__(key, -0.0),
    complex: lambda key: complex.__add__(key, 0),
    str: lambda key: str.join("", [key]),
    bytes: lambda key: bytes.join(b"", [key]),
}


def _of_enum(key: enum.Enum) -> Any:
    """An IntEnum or StrEnum member is the number or text, any other member is only itself."""
    if isinstance(key, _NATIVE):
        return _base_value(key)
    if isinstance(key, enum.Flag):
        return _of_flag(key)
    cls = type(key)
    if cls.__eq__ is not object.__eq__ or cls.__hash__ is not enum.Enum.__hash__:
        return _own(key)
    return Marked("enum", (*_name(cls), key.name))


def _of_flag(key: enum.Flag) -> Any:
    cls = type(key)
    if cls.__eq__ is not object.__eq__ or cls.__hash__ is not enum.Flag.__hash__:
        return _own(key)
    return Marked("enum", (*_name(cls), key.value))


def _of_datetime(key: datetime) -> Any:
    offset = key.utcoffset()
    if offset is None:
        return Marked("datetime", (_microseconds(key.replace(fold=0) - datetime(1970, 1, 1)),))
    return Marked("instant", (_microseconds(key - _EPOCH),))


def _of_date(key: date) -> Any:
    return Marked("date", (key.toordinal(),))


def _of_time(key: time) -> Any:
    since = timedelta(
        hours=key.hour, minutes=key.minute, seconds=key.second, microseconds=key.microsecond
    )
    offset = key.utcoffset()
    if offset is None:
        return Marked("time", (_microseconds(since),))
    return Marked("aware time", (_microseconds(since - offset),))


def _microseconds(delta: timedelta) -> int:
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _of_timedelta(key: timedelta) -> Any:
    return Marked("timedelta", (_microseconds(key),))


def _of_timezone(key: timezone) -> Any:
    return Marked("timezone", (_microseconds(key.utcoffset(None)),))


def _of_range(key: range) -> Any:
    # Ranges are equal when they run through the same numbers.
    numbers = len(key)
    return Marked(
        "range", (numbers, key.start if numbers else None, key.step if numbers > 1 else None)
    )


def _of_constant(key: object) -> Any:
    return Marked("constant", (repr(key),))


def _of_global(key: Any) -> Any:
    """What a pickle would lead to by its name: a class, or a function of a module."""
    cls: Any = type(key)
    by_identity = cls.__eq__ is object.__eq__ and cls.__hash__ is object.__hash__
    if not by_identity and not isinstance(key, BuiltinFunctionType):
        return _own(key)
    module, name = key.__module__, key.__qualname__
    found: Any = sys.modules.get(module or "builtins")
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not key and key not in _NAMELESS:
        raise _refused(key)
    return Marked("global", _name(key))


#: Classes which pickle knows, and the module that they say they are of does not.
_NAMELESS = (type(None), type(...), type(NotImplemented))


_FORMS: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((datetime,), _of_datetime),
    ((date,), _of_date),
    ((time,), _of_time),
    ((timedelta,), _of_timedelta),
    ((timezone,), _of_timezone),
    ((range,), _of_range),
    ((type(...), type(NotImplemented)), _of_constant),
    ((type, FunctionType, BuiltinFunctionType), _of_global),
)


def _of_optional_type(key: Any) -> Any:
    """Types of modules which are only looked at if they are loaded; their keys need them to be."""
    if _is(key, "uuid", "UUID"):
        return Marked("uuid", (key.int,))
    if _is(key, "fractions", "Fraction"):
        return _of_rational(key.numerator, key.denominator)
    if _is(key, "decimal", "Decimal"):
        if key.is_nan():
            raise _refused(key)
        if key.is_infinite():
            return float(key)
        return _of_rational(*key.as_integer_ratio())
    pathlib = sys.modules.get("pathlib")
    if pathlib is not None and isinstance(key, pathlib.PurePath):
        flavour = "posix" if isinstance(key, pathlib.PurePosixPath) else "windows"
        text = str(key)
        return Marked("path", (flavour, text if flavour == "posix" else text.lower()))
    if _is_numpy_scalar(key):
        return _of_numpy(key)
    if isinstance(key, type):
        return _of_global(key)
    if _is(key, "re", "Pattern"):
        return Marked("pattern", (key.pattern, key.flags))
    if dataclasses.is_dataclass(key):
        return _of_dataclass(key)
    return _own(key)


def _is(key: object, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and type(key) is getattr(loaded, name, None)


def _of_rational(numerator: int, denominator: int) -> Any:
    """The int or float that equals the fraction, if one does."""
    if denominator == 1:
        return numerator
    try:
        near = numerator / denominator
    except OverflowError:
        near = None
    if near is not None and near.as_integer_ratio() == (numerator, denominator):
        return near
    return Marked("fraction", (numerator, denominator))


def _is_numpy_scalar(key: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(key, numpy.generic)


def _of_numpy(key: Any) -> Any:
    plain = key.item()
    if isinstance(plain, (*_NATIVE, type(None))) and hash(plain) == hash(key) and plain == key:
        return plain
    numpy = sys.modules["numpy"]
    if isinstance(key, (numpy.datetime64, numpy.timedelta64)):
        return Marked("numpy", (key.dtype.str, int(key.astype("int64"))))
    raise _refused(key)


def _of_dataclass(key: Any) -> Any:
    parameters = key.__dataclass_params__
    cls = type(key)
    if not (parameters.frozen and parameters.eq) or "__hash__" not in cls.__dict__:
        return _own(key)
    fields = tuple(
        getattr(key, field.name)
        for field in dataclasses.fields(key)
        if (field.compare if field.hash is None else field.hash)
    )
    return Marked("dataclass", (*_name(cls), *fields))
