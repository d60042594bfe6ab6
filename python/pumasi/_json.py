"""Shared containers for the `json` module."""

from __future__ import annotations

from collections import deque

from ._core import Deque, DictBase, ListBase, Namespace, Set, Vector

# As in `_registry`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def json_default(value: object) -> Any:
    """Return what stands for a shared container in JSON: the `default=` of `json.dump`.

    A List, a Deque and a Vector are arrays, a Dict of any sort and a Namespace an object, a Set an
    array of its elements in order of insertion. Nested ones come back to this function. Raises
    TypeError for anything else, as `json` expects.

    >>> import json, pumasi
    >>> shared = pumasi.Dict(rows=[1, [2]], seen={3})
    >>> json.dumps(shared, default=pumasi.json_default)
    '{"rows": [1, [2]], "seen": [3]}'
    """
    if isinstance(value, (ListBase, DictBase, Namespace)):
        return value.snapshot()
    if isinstance(value, Set):
        return list(value)
    if isinstance(value, Deque):
        return list(value.snapshot())
    if isinstance(value, Vector):
        return value.tolist()
    from array import array  # A library of its own, which few programs want.

    if isinstance(value, (set, frozenset, deque, array)):
        return list(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
