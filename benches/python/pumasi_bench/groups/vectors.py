"""Vector beside the other sequences of numbers: shared ones, and `array.array` of one process."""

from __future__ import annotations

import array
import multiprocessing

from pumasi_bench.loops import Loop, Names, always
from pumasi_bench.rivals import MULTIPROCESSING
from pumasi_bench.session import Rival, Session

_LENGTH = 1000
_PLAIN = "array.array"


def run(session: Session) -> None:
    """Append, get and set in the middle of 1,000 doubles, the sum of all, a view of all."""
    library = session.library

    def new() -> Names:
        return {"numbers": library.Vector("d")}

    append = "numbers.append(1.5)"
    session.compare(
        "Vector append",
        append,
        new,
        Rival(Loop("pumasi List", append, lambda: {"numbers": library.List()})),
        Rival(Loop(_PLAIN, append, lambda: {"numbers": array.array("d")})),
    )
    ones = [1.5] * _LENGTH
    ours = always({"numbers": library.Vector("d", ones)})
    others = {
        "pumasi Array": always({"numbers": library.Array("d", ones)}),
        "pumasi List": always({"numbers": library.List(ones)}),
        MULTIPROCESSING: always({"numbers": multiprocessing.Array("d", ones)}),
        _PLAIN: always({"numbers": array.array("d", ones)}),
    }
    for operation, statement in (
        ("get", "numbers[500]"),
        ("set", "numbers[500] = 2.5"),
        ("copy of all 1,000", "numbers[:]"),
    ):
        rivals = [Rival(Loop(name, statement, names)) for name, names in others.items()]
        session.compare(f"Vector {operation}", statement, ours, *rivals)
    view = "memoryview(numbers)"
    session.compare("Vector view", view, ours, Rival(Loop(_PLAIN, view, others[_PLAIN])))
