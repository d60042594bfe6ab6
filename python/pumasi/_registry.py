"""What users said of their own classes as keys; apart from `_keys`, which loads much at import."""

from __future__ import annotations

import builtins

# Known to type checkers by its name; the module `typing` is a part of what importing us costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _T = TypeVar("_T")

#: What `register_key` was told: the form of the keys of a type.
REGISTERED: dict[type, Callable[[Any], Any]] = {}


def register_key(type: type[_T], form: Callable[[_T], object], /) -> None:
    """Let instances of a class be keys of shared dicts and elements of shared sets.

    `form(key)` returns what tells keys of this class apart: a number, a string, bytes, None, a
    tuple of these, or anything else that can be a key. Keys are one if their forms are, and keys of
    another class are never equal to them; so it must agree with the class's own `__eq__`. Call it
    where the class is defined, so that every process that uses such keys has done so. Subclasses
    are registered by themselves.

    Raises TypeError if `type` is no class or `form` cannot be called.

    >>> import pumasi
    >>> class Plot:
    ...     def __init__(self, name):
    ...         self.name = name
    ...     def __eq__(self, other):
    ...         return isinstance(other, Plot) and self.name.lower() == other.name.lower()
    ...     def __hash__(self):
    ...         return hash(self.name.lower())
    >>> pumasi.register_key(Plot, lambda plot: plot.name.lower())
    """
    if not isinstance(type, builtins.type):
        raise TypeError(f"register_key() wants a class, not {type!r}")
    if not callable(form):
        raise TypeError(f"register_key() wants a function of a key, not {form!r}")
    REGISTERED[type] = form
