"""A Lock that nobody else wants, beside multiprocessing's."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

from pumasi_bench.loops import Loop, Names, always
from pumasi_bench.rivals import MULTIPROCESSING
from pumasi_bench.session import Rival, Session
from pumasi_bench.targets import Target, no_slower, times_faster


def run(session: Session) -> None:
    """In a with statement, by attribute as programs do, and bound beforehand."""
    ours = _names(session.library.Lock())
    theirs = _names(multiprocessing.Lock())
    forms: list[tuple[str, str, Target | None]] = [
        ("with lock", "with lock: pass", times_faster(1.9)),
        ("lock.acquire(); lock.release()", "lock.acquire()\nlock.release()", no_slower()),
        ("acquire(); release(), bound before", "acquire()\nrelease()", None),
    ]
    for operation, statement, target in forms:
        session.compare(
            operation, statement, ours, Rival(Loop(MULTIPROCESSING, statement, theirs), target)
        )


def _names(lock: multiprocessing.synchronize.Lock) -> Callable[[], Names]:
    return always({"lock": lock, "acquire": lock.acquire, "release": lock.release})
