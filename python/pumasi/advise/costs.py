"""What an operation costs on this machine now: measured on objects of its own, not guessed."""

from __future__ import annotations

import functools
import timeit
from typing import Any

from .. import context

_ENOUGH = 0.002
_REPEATS = 5


@functools.cache
def seconds(operation: str, length: int = 1) -> float:
    """Return the seconds which one operation takes, nobody else using the object.

    ``operation`` is one of the names below; ``length`` is how many elements the object has.
    """
    statement, names = _scene(operation, max(length, 1))
    timer = timeit.Timer(statement, globals=names)
    number = 8
    while timer.timeit(number) < _ENOUGH:
        number *= 4
    # The quickest of several: what disturbs only ever adds.
    return min(timer.repeat(_REPEATS, number)) / number


def _scene(operation: str, length: int) -> tuple[str, dict[str, Any]]:
    from .. import Dict, List, Vector

    new = context.default_context
    middle = length // 2
    kind = operation.partition(".")[0]
    names: dict[str, Any] = {"i": middle}
    if kind == "List":
        names["x"] = List(range(length))
    elif kind == "Dict":
        names["x"] = Dict(dict.fromkeys(range(length), 0))
    elif kind == "Vector":
        names["x"] = Vector("q", [0] * length)
    elif kind == "Array":
        names["x"] = new.Array("q", length)
    elif kind == "Value":
        names["x"] = new.Value("q", 0)
    elif kind == "Lock":
        names["x"] = new.Lock()
    elif kind == "list":
        names["x"] = [0] * length
    return STATEMENTS[operation], names


STATEMENTS = {
    "List.get": "x[i]",
    "List.set": "x[i] = 1",
    "List.len": "len(x)",
    "List.append": "x.append(1); x.pop()",
    "List.snapshot": "x.snapshot()",
    "List.update_with": "x.update_with(i, lambda n: n + 1)",
    "Dict.get": "x[i]",
    "Dict.set": "x[i] = 1",
    "Dict.len": "len(x)",
    "Dict.add": "x.add(i, 1)",
    "Dict.snapshot": "x.snapshot()",
    "Dict.update_with": "x.update_with(i, lambda n: n + 1)",
    "Vector.get": "x[i]",
    "Vector.set": "x[i] = 1",
    "Vector.len": "len(x)",
    "Vector.append": "x.append(1); x.pop()",
    "Vector.snapshot": "x.snapshot()",
    "Vector.add": "x.add(i, 1)",
    "Array.get": "x[i]",
    "Array.set": "x[i] = 1",
    "Array.add": "x.add(i, 1)",
    "Value.get": "x.value",
    "Value.set": "x.value = 1",
    "Value.locked": "with x.get_lock(): x.value += 1",
    "Value.add": "x.add(1)",
    "Lock.pair": "x.acquire(); x.release()",
    "list.get": "x[i]",
}
