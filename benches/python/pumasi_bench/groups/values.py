"""Value: an increment which loses no update, beside multiprocessing's way to write one."""

from __future__ import annotations

import multiprocessing

from pumasi_bench.loops import Loop, always
from pumasi_bench.rivals import MULTIPROCESSING
from pumasi_bench.session import Rival, Session
from pumasi_bench.targets import times_faster

_LOCKED_INCREMENT = """\
with number.get_lock():
    number.value += 1
"""


def run(session: Session) -> None:
    """Our atomic call against the documented idiom, and the idiom on both libraries."""
    ours = always({"number": session.library.Value("q", 0)})
    theirs = always({"number": multiprocessing.Value("q", 0)})
    idiom = Loop(MULTIPROCESSING, _LOCKED_INCREMENT, theirs)
    session.compare("Value add(1), atomic", "number.add(1)", ours, Rival(idiom, times_faster(10)))
    session.compare("Value with get_lock(): += 1", _LOCKED_INCREMENT, ours, Rival(idiom))
