"""List of ints: append, get and set, beside the Manager's list."""

from __future__ import annotations

from pumasi_bench.loops import Loop, always
from pumasi_bench.rivals import MANAGER, manager
from pumasi_bench.session import Rival, Session
from pumasi_bench.targets import times_faster

_LENGTH = 1000


def run(session: Session) -> None:
    """Append to a list that starts empty; get and set in the middle of one of 1,000 elements."""
    target = times_faster(400)
    with manager() as server:
        session.compare(
            "List append of an int",
            "items.append(7)",
            lambda: {"items": session.library.List()},
            Rival(Loop(MANAGER, "items.append(7)", lambda: {"items": server.list()}), target),
        )
        ours = always({"items": session.library.List(range(_LENGTH))})
        theirs = always({"items": server.list(range(_LENGTH))})
        for operation, statement in (("get", "items[500]"), ("set", "items[500] = 7")):
            session.compare(
                f"List {operation} of an int",
                statement,
                ours,
                Rival(Loop(MANAGER, statement, theirs), target),
            )
