"""A Lock which everyone holds for a millisecond at a time: the longest wait, and who gets how much.

Each process asks again as soon as it has released. A lock that lets the releaser barge back in
starves the others, who wake up to find it taken again. Both figures are the worst over the rounds,
since the promise is about everyone.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, field
from time import monotonic
from types import ModuleType
from typing import Any

from pumasi_bench.rivals import MULTIPROCESSING
from pumasi_bench.samples import Sample
from pumasi_bench.session import Session
from pumasi_bench.targets import at_least, at_most
from pumasi_bench.workers import Window, at_the_same_time

_HOLD = 0.001


@dataclass(frozen=True)
class Experience:
    """What one process saw: its longest wait in seconds, and how often it held the lock."""

    longest_wait: float
    turns: int


@dataclass
class Rounds:
    """What the processes of one contender saw, round by round."""

    contender: str
    rounds: list[list[Experience]] = field(default_factory=list)

    def note(self, seen: list[Experience]) -> None:
        """Add a round: one experience for each process."""
        self.rounds.append(seen)

    def waits(self) -> Sample:
        """Return the longest wait of any process in each round, in milliseconds."""
        longest = (max(one.longest_wait for one in seen) * 1e3 for seen in self.rounds)
        return Sample(self.contender, "ms", tuple(longest), worst_counts=True)

    def shares(self) -> Sample:
        """Return the turns of the process which had fewest, in percent of an equal share."""
        turns = ([one.turns for one in seen] for seen in self.rounds)
        shares = (min(each) * len(each) / max(1, sum(each)) * 100 for each in turns)
        return Sample(self.contender, "%", tuple(shares), worst_counts=True)


def run(session: Session) -> None:
    """With 2 and with 4 processes."""
    for processes in (2, 4):
        ours, theirs = Rounds(session.name), Rounds(MULTIPROCESSING)
        for _ in range(session.effort.fairness_rounds):
            for library, rounds in ((session.library, ours), (multiprocessing, theirs)):
                rounds.note(_experiences(library, processes, session.effort.fairness_seconds))
        held = f"held 1 ms, {processes} processes"
        session.add(f"{held}: longest wait", ours.waits(), theirs.waits(), at_most(50, "ms"))
        session.add(
            f"{held}: smallest part of a fair share",
            ours.shares(),
            theirs.shares(),
            at_least(70, "%"),
        )


def _experiences(library: ModuleType, processes: int, seconds: float) -> list[Experience]:
    lock = library.get_context("fork").Lock()
    return at_the_same_time(library, processes, seconds, _hold_and_ask_again, lock)


def _hold_and_ask_again(window: Window, lock: Any) -> Experience:
    longest_wait, turns = 0.0, 0
    while (asked := monotonic()) < window.end:
        with lock:
            got = monotonic()
            # A wait counts up to the end of the window: after that the others do not ask.
            longest_wait = max(longest_wait, min(got, window.end) - asked)
            if got < window.end:
                turns += 1
            while monotonic() < got + _HOLD:
                pass
    return Experience(longest_wait, turns)
