"""Array (each access under its lock) and RawArray (none), beside multiprocessing's."""

from __future__ import annotations

import multiprocessing

from pumasi_bench.loops import Loop, always
from pumasi_bench.rivals import MULTIPROCESSING
from pumasi_bench.session import Rival, Session
from pumasi_bench.targets import Target, times_faster, within

_LENGTH = 1000


def run(session: Session) -> None:
    """Get and set in the middle of 1,000 C ints."""
    targets: dict[str, Target] = {"Array": times_faster(10), "RawArray": within(15)}
    for kind, target in targets.items():
        ours = always({"numbers": getattr(session.library, kind)("i", _LENGTH)})
        theirs = always({"numbers": getattr(multiprocessing, kind)("i", _LENGTH)})
        for operation, statement in (("get", "numbers[500]"), ("set", "numbers[500] = 7")):
            session.compare(
                f"{kind} {operation}",
                statement,
                ours,
                Rival(Loop(MULTIPROCESSING, statement, theirs), target),
            )
